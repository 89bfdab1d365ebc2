//! JSON Lines: finds the text and the fields of each object without parsing the rest of it.

use super::json_scan::{Escapes, Member, Scanner, skip_space};
use super::json_value::{parse, unescape};
use super::lines::{Line, lines, not_utf8};
use super::{Decoder, Layout};
use crate::batch::{Batch, Row, SourceRecord, Span, TextWriter, View};
use crate::error::{Failure, FailureKind};
use crate::record::{Spelling, Value};

/// Makes a record of each line that is an object with a text.
#[derive(Debug)]
pub(super) struct JsonlDecoder {
    text: String,
    fields: Vec<WantedField>,
    depth_limit: usize,
}

/// A field of the plan.
#[derive(Debug)]
struct WantedField {
    name: String,
    from_source: bool,
}

/// What came of one line.
enum Outcome {
    Text(View, Span),
    Blank,
    Failed(Box<Failure>),
}

/// What a batch's worth of lines is decoded with.
struct Work {
    scanner: Scanner,
    /// The members that were asked for: `None` for the text, else the number of the field.
    found: Vec<(Option<u16>, Member)>,
    /// The buffer for texts that are spelled with escapes.
    writer: TextWriter,
    spans: Vec<(u32, u16, Span)>,
    values: Vec<(u16, u32, Value)>,
}

impl JsonlDecoder {
    pub(super) fn new(layout: &Layout) -> Self {
        let fields = layout.fields.iter().map(|field| WantedField {
            name: field.name.clone(),
            from_source: field.from_source,
        });
        Self {
            text: layout.text.clone(),
            fields: fields.collect(),
            depth_limit: layout.limits.json_depth,
        }
    }

    /// Notes the member if it was asked for.
    #[inline]
    fn note(&self, raw: &[u8], member: Member, found: &mut Vec<(Option<u16>, Member)>) {
        let spelled = &raw[member.key.range()];
        if member.key.escapes == Escapes::None {
            self.note_key(spelled, member, found);
            return;
        }
        let Ok(spelled) = std::str::from_utf8(spelled) else {
            return;
        };
        let mut key = String::new();
        if unescape(spelled, &mut key).is_ok() {
            self.note_key(key.as_bytes(), member, found);
        }
    }

    #[inline]
    fn note_key(&self, key: &[u8], member: Member, found: &mut Vec<(Option<u16>, Member)>) {
        if key == self.text.as_bytes() {
            found.push((None, member));
        }
        for (index, field) in self.fields.iter().enumerate() {
            if key == field.name.as_bytes() {
                found.push((Some(index as u16), member));
            }
        }
    }

    fn line(&self, batch: &Batch, line: Line, row: u32, work: &mut Work) -> Result<Outcome, Failure> {
        let raw = batch.raw();
        let range = line.raw.range();
        if skip_space(raw, range.start, range.end) == range.end {
            return Ok(Outcome::Blank);
        }
        work.found.clear();
        let found = &mut work.found;
        work.scanner
            .scan(raw, range.clone(), |member| self.note(raw, member, found))
            .map_err(|flaw| flaw.failure(raw, &range, self.depth_limit))?;
        let mut text = None;
        for &(field, member) in &work.found {
            let span = Span::new(member.start..member.end);
            let Some(field) = field else {
                text = Some((self.text_of(batch, line, member, &mut work.writer)?, span));
                continue;
            };
            let WantedField { name, from_source } = &self.fields[usize::from(field)];
            work.spans.push((row, field, span));
            if *from_source {
                let spelled = spelled(batch, span);
                let value =
                    parse(spelled).map_err(|surrogate| surrogate.failure(spelled, member.start - range.start, name))?;
                work.values.push((field, row, value));
            }
        }
        let Some((view, span)) = text else {
            return Err(Failure::new(
                FailureKind::MissingField,
                format!("The object has no field `{}`, which should hold the text.", self.text),
            )
            .with_hint("Name the field that holds the text with `--text`, or with `text` in the pipeline file."));
        };
        Ok(Outcome::Text(view, span))
    }

    /// The text that a member holds: a view of the bytes as they were read if they spell it without escapes.
    #[inline]
    fn text_of(&self, batch: &Batch, line: Line, member: Member, writer: &mut TextWriter) -> Result<View, Failure> {
        let raw = batch.raw();
        if raw[member.start] != b'"' {
            return Err(Failure::new(
                FailureKind::FieldType,
                format!(
                    "The field `{}` must hold a text: expected a string at column {}, found {}.",
                    self.text,
                    member.start - line.raw.start as usize + 1,
                    type_name(raw[member.start])
                ),
            ));
        }
        let inside = Span::new(member.start + 1..member.end - 1);
        let spelling = match member.escapes {
            Escapes::None => Spelling::Plain,
            Escapes::Short | Escapes::Unicode => Spelling::Json,
        };
        #[expect(unsafe_code, reason = "the decoder checks the whole batch or the whole line at once")]
        // SAFETY: `decode` comes here only with lines that are UTF-8, and the span lies between two ASCII quotes of one.
        let view = unsafe { batch.view_of_raw_unchecked(inside, spelling) };
        if member.escapes != Escapes::Unicode {
            return Ok(view);
        }
        // Half of a surrogate pair is found by unescaping only, and a text must not fail later than here.
        let spelled = batch.text(view).spelled();
        let mut result = Ok(());
        let view = writer.push_with(Spelling::Plain, |out| result = unescape(spelled, out));
        let offset = inside.start - line.raw.start;
        result
            .map(|()| view)
            .map_err(|surrogate| surrogate.failure(spelled, offset as usize, &self.text))
    }
}

/// A value as it is spelled.
fn spelled(batch: &Batch, span: Span) -> &str {
    // Values of fields are rare and short, so checking them again costs nothing.
    std::str::from_utf8(&batch.raw()[span.range()]).unwrap_or_default()
}

/// What a person calls the type of the JSON value that begins with a byte.
fn type_name(first: u8) -> &'static str {
    match first {
        b'{' => "an object",
        b'[' => "an array",
        b't' | b'f' => "a truth value",
        b'n' => "`null`",
        _ => "a number",
    }
}

impl Decoder for JsonlDecoder {
    fn decode(&self, batch: &mut Batch) {
        let mut sources = std::mem::take(&mut batch.sources);
        let mut rows = std::mem::take(&mut batch.rows);
        let mut casualties = Vec::new();
        let mut work = Work {
            scanner: Scanner::new(self.depth_limit),
            found: Vec::new(),
            spans: std::mem::take(&mut batch.field_spans),
            values: Vec::new(),
            writer: batch.open(),
        };
        let raw = batch.raw();
        let all_utf8 = simdutf8::basic::from_utf8(raw).is_ok();
        for (index, line) in lines(raw).enumerate() {
            let bytes = &raw[line.raw.range()];
            let noted = (work.spans.len(), work.values.len());
            let outcome = if all_utf8 || simdutf8::basic::from_utf8(bytes).is_ok() {
                self.line(batch, line, index as u32, &mut work)
                    .unwrap_or_else(|failure| Outcome::Failed(Box::new(failure)))
            } else {
                Outcome::Failed(Box::new(not_utf8(bytes)))
            };
            let (original, text_span) = match outcome {
                Outcome::Text(view, span) => (view, span),
                other => {
                    work.spans.truncate(noted.0);
                    work.values.truncate(noted.1);
                    casualties.push((index, other));
                    (View::default(), Span::default())
                }
            };
            sources.push(SourceRecord {
                ordinal: batch.first_ordinal + index as u64,
                offset: batch.first_offset + u64::from(line.raw.start),
                raw: line.raw,
                line_end: line.line_end,
                text_span,
                original,
            });
            rows.push(Row {
                source: index as u32,
                text: original,
                ..Row::default()
            });
        }
        let Work {
            writer,
            mut spans,
            values,
            ..
        } = work;
        batch.close(writer);
        batch.sources = sources;
        batch.rows = rows;
        spans.sort_unstable_by_key(|&(source, field, _)| (source, field));
        batch.field_spans = spans;
        for (field, row, value) in values {
            batch.set_field(field, row as usize, value);
        }
        for (row, outcome) in casualties {
            match outcome {
                Outcome::Blank => batch.reject(row, None, "blank_line".into()),
                Outcome::Failed(failure) => batch.quarantine(row, None, *failure),
                Outcome::Text(..) => {}
            }
        }
    }
}
