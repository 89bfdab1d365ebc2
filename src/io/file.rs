//! Plain text, a record per file.

use super::lines::not_utf8;
use super::{Decoder, Encoder, LastLine};
use crate::batch::{Batch, Row, SourceRecord, Span, State, View};

/// Makes one record of everything that was read.
#[derive(Debug)]
pub(super) struct FileDecoder;

impl Decoder for FileDecoder {
    fn decode(&self, batch: &mut Batch) {
        let raw = Span::new(0..batch.raw().len());
        let (original, failure) = match batch.view_of_raw(raw) {
            Ok(view) => (view, None),
            Err(_) => (View::default(), Some(not_utf8(batch.raw()))),
        };
        batch.sources.push(SourceRecord {
            ordinal: batch.first_ordinal,
            offset: batch.first_offset,
            raw,
            line_end: 0,
            text_span: raw,
            original,
        });
        batch.rows.push(Row {
            text: original,
            ..Row::default()
        });
        if let Some(failure) = failure {
            batch.quarantine(0, None, failure);
        }
    }
}

/// Writes texts as they are, so that one file in gives one file out. Several are written one after the other, with a
/// line end between two where the first has none.
#[derive(Debug)]
pub(super) struct WholeEncoder;

impl Encoder for WholeEncoder {
    fn check(&self, _batch: &mut Batch) {}

    fn encode(&self, batch: &Batch, out: &mut Vec<u8>) -> LastLine {
        let mut last = LastLine::Nothing;
        let mut unescaped = String::new();
        for row in batch.rows.iter().filter(|row| row.state == State::Live) {
            let text = batch.text(row.text).read(&mut unescaped);
            if text.is_empty() {
                continue;
            }
            if last == LastLine::Unterminated {
                out.push(b'\n');
            }
            out.extend_from_slice(text.as_bytes());
            last = if text.ends_with('\n') {
                LastLine::Terminated
            } else {
                LastLine::Unterminated
            };
        }
        last
    }
}
