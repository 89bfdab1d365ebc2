//! Plain text, a record per line.

use super::lines::{lines, not_utf8};
use super::{Decoder, Encoder, LastLine};
use crate::batch::{Batch, Row, SourceRecord, State, View};
use crate::error::{Failure, FailureKind};
use crate::record::Spelling;

/// Makes a record of each line. An empty line is a record with an empty text.
#[derive(Debug)]
pub(super) struct TextDecoder;

impl Decoder for TextDecoder {
    fn decode(&self, batch: &mut Batch) {
        let mut sources = std::mem::take(&mut batch.sources);
        let mut rows = std::mem::take(&mut batch.rows);
        let mut failures = Vec::new();
        let raw = batch.raw();
        let all_utf8 = simdutf8::basic::from_utf8(raw).is_ok();
        for (index, line) in lines(raw).enumerate() {
            let bytes = &raw[line.raw.range()];
            let original = if all_utf8 || simdutf8::basic::from_utf8(bytes).is_ok() {
                #[expect(unsafe_code, reason = "the whole batch was checked at once")]
                // SAFETY: Either these bytes were just checked, or the whole buffer was, which stays UTF-8 in each part
                // that lies between line ends.
                unsafe {
                    batch.view_of_raw_unchecked(line.raw, Spelling::Plain)
                }
            } else {
                failures.push((index, not_utf8(bytes)));
                View::default()
            };
            sources.push(SourceRecord {
                ordinal: batch.first_ordinal + index as u64,
                offset: batch.first_offset + u64::from(line.raw.start),
                raw: line.raw,
                line_end: line.line_end,
                text_span: line.raw,
                original,
            });
            rows.push(Row {
                source: index as u32,
                text: original,
                ..Row::default()
            });
        }
        batch.sources = sources;
        batch.rows = rows;
        for (row, failure) in failures {
            batch.quarantine(row, None, failure);
        }
    }
}

/// Writes a text per line, with the line end that its record had.
#[derive(Debug)]
pub(super) struct LineEncoder {
    /// Whether the text of a record is its line, so that an unchanged one can be copied with its line end.
    pub(super) from_text: bool,
    /// Whether records have no line ends of their own, so that each text gets one.
    pub(super) ends_lines: bool,
}

impl Encoder for LineEncoder {
    fn check(&self, batch: &mut Batch) {
        let mut unescaped = String::new();
        for row in 0..batch.rows.len() {
            let Row {
                state, text, source, ..
            } = batch.rows[row];
            let source = batch.sources[source as usize];
            // A line of text that is still itself is a line.
            if state != State::Live || (self.from_text && text == source.original) {
                continue;
            }
            let text = batch.text(text).read(&mut unescaped);
            let found = if memchr::memchr(b'\n', text.as_bytes()).is_some() {
                "it holds a line feed"
            } else if (source.line_end == 1 || self.ends_lines) && text.ends_with('\r') {
                "it ends with a carriage return, which would become part of the line end"
            } else {
                continue;
            };
            let failure = Failure::new(
                FailureKind::Unrepresentable,
                format!("The text cannot be one line of a text file: {found}."),
            )
            .with_hint("Write to a `.jsonl` file, which can hold any text.");
            batch.quarantine(row, None, failure);
        }
    }

    fn encode(&self, batch: &Batch, out: &mut Vec<u8>) -> LastLine {
        let raw = batch.raw();
        let mut run = Run::default();
        let mut last = LastLine::Nothing;
        let mut unescaped = String::new();
        for row in batch.rows.iter().filter(|row| row.state == State::Live) {
            let source = &batch.sources[row.source as usize];
            if last == LastLine::Unterminated {
                run.flush(raw, out);
                out.push(b'\n');
            }
            let text = source.raw.range();
            let whole = text.start..text.end + usize::from(source.line_end);
            if self.from_text && row.text == source.original {
                run.extend(raw, whole.clone(), out);
            } else {
                run.flush(raw, out);
                out.extend_from_slice(batch.text(row.text).read(&mut unescaped).as_bytes());
                out.extend_from_slice(&raw[text.end..whole.end]);
            }
            last = if self.ends_lines {
                out.push(b'\n');
                LastLine::Terminated
            } else if source.line_end > 0 {
                LastLine::Terminated
            } else if row.text.is_empty() {
                // Without a line end, an empty line would be no line at all.
                run.flush(raw, out);
                out.push(b'\n');
                LastLine::Terminated
            } else {
                LastLine::Unterminated
            };
        }
        run.flush(raw, out);
        last
    }
}

/// Records that follow each other both in the input and in the output, so that they are copied in one go.
#[derive(Debug, Default)]
pub(super) struct Run {
    start: usize,
    end: usize,
}

impl Run {
    /// Adds bytes of `raw`.
    #[inline]
    pub(super) fn extend(&mut self, raw: &[u8], range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        if range.start != self.end {
            self.flush(raw, out);
            self.start = range.start;
        }
        self.end = range.end;
    }

    /// Copies what was added.
    #[inline]
    pub(super) fn flush(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&raw[self.start..self.end]);
        self.start = self.end;
    }
}
