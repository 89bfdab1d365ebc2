//! Writes JSON Lines from JSON Lines without losing anything: what no step changed is copied as it stands.
//!
//! Key order, white space, the spelling of numbers and every other field survive. Of a record that was changed, only the
//! string of its text and the values of fields that steps added are spelled anew.

use super::text::Run;
use super::{Encoder, LastLine, Layout};
use crate::batch::{Batch, Row, SourceRecord, Span, State};
use crate::record::{Spelling, Value, write_json_string};

/// Writes the object that a record was read from, with its text and the fields that steps added put in.
#[derive(Debug)]
pub(super) struct SpliceEncoder {
    added: Vec<AddedField>,
}

/// A field that steps add: its number in the plan, and its name as JSON with quotes.
#[derive(Debug)]
pub(super) struct AddedField {
    pub(super) number: u16,
    pub(super) key: Vec<u8>,
}

/// The fields that the steps of a plan add.
pub(super) fn added_fields(layout: &Layout) -> Vec<AddedField> {
    let fields = layout.fields.iter().enumerate();
    fields
        .filter(|(_, field)| field.added_by.is_some())
        .map(|(number, field)| {
            let mut key = Vec::new();
            write_json_string(&field.name, &mut key);
            AddedField {
                number: number as u16,
                key,
            }
        })
        .collect()
}

/// What is put in the place of a span. `None` is the text.
type Patch = (Span, Option<u16>);

impl SpliceEncoder {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            added: added_fields(layout),
        }
    }

    /// Collects what is to be put where, in the order of the line. Returns whether fields are to be appended.
    fn patches(&self, batch: &Batch, index: usize, row: &Row, source: &SourceRecord, patches: &mut Vec<Patch>) -> bool {
        patches.clear();
        let text = batch.text(row.text);
        // A step that made an equal text anew has not changed it. One that works on the spelling says so itself.
        let same =
            row.text == source.original || text.spelling() == Spelling::Plain && text.is(batch.text(source.original));
        if !same {
            patches.push((source.text_span, None));
        }
        let mut append = false;
        for field in &self.added {
            let value = batch.field(field.number, index);
            if *value == Value::Missing {
                continue;
            }
            match span_of(batch, row.source, field.number) {
                None => append = true,
                Some(span) if says(batch, span, value) => {}
                Some(span) => patches.push((span, Some(field.number))),
            }
        }
        patches.sort_unstable_by_key(|(span, _)| span.start);
        append
    }

    fn write_changed(&self, batch: &Batch, index: usize, patches: &[Patch], append: bool, out: &mut Vec<u8>) {
        let row = &batch.rows[index];
        let source = &batch.sources[row.source as usize];
        let raw = batch.raw();
        let record = source.raw.range();
        let mut at = record.start;
        for &(span, field) in patches {
            out.extend_from_slice(&raw[at..span.start as usize]);
            match field {
                None => batch.text(row.text).write_json(out),
                Some(field) => batch.field(field, index).write_json(out),
            }
            at = span.end as usize;
        }
        if append {
            // The object has its text at least, so a comma always comes first.
            let brace = memchr::memrchr(b'}', &raw[record.clone()]).map_or(record.end, |found| record.start + found);
            out.extend_from_slice(&raw[at..brace]);
            for field in &self.added {
                let value = batch.field(field.number, index);
                if *value != Value::Missing && span_of(batch, row.source, field.number).is_none() {
                    out.push(b',');
                    out.extend_from_slice(&field.key);
                    out.push(b':');
                    value.write_json(out);
                }
            }
            at = brace;
        }
        out.extend_from_slice(&raw[at..record.end + usize::from(source.line_end)]);
    }
}

/// Where the value of a field stands in the line of a source record, if it does.
fn span_of(batch: &Batch, source: u32, field: u16) -> Option<Span> {
    let spans = &batch.field_spans;
    let found = spans.binary_search_by_key(&(source, field), |&(source, field, _)| (source, field));
    found.ok().map(|found| spans[found].2)
}

/// Whether the line says this value already, in its own spelling.
fn says(batch: &Batch, span: Span, value: &Value) -> bool {
    std::str::from_utf8(&batch.raw()[span.range()])
        .ok()
        .and_then(|spelled| super::json_value::parse(spelled).ok())
        .is_some_and(|said| said == *value)
}

impl Encoder for SpliceEncoder {
    fn check(&self, _batch: &mut Batch) {}

    fn encode(&self, batch: &Batch, out: &mut Vec<u8>) -> LastLine {
        let raw = batch.raw();
        let mut run = Run::default();
        let mut patches = Vec::new();
        let mut last = LastLine::Nothing;
        for (index, row) in batch.rows.iter().enumerate() {
            if row.state != State::Live {
                continue;
            }
            let source = &batch.sources[row.source as usize];
            if last == LastLine::Unterminated {
                run.flush(raw, out);
                out.push(b'\n');
            }
            let append = if row.text == source.original && self.added.is_empty() {
                patches.clear();
                false
            } else {
                self.patches(batch, index, row, source, &mut patches)
            };
            if patches.is_empty() && !append {
                let record = source.raw.range();
                run.extend(raw, record.start..record.end + usize::from(source.line_end), out);
            } else {
                run.flush(raw, out);
                self.write_changed(batch, index, &patches, append, out);
            }
            last = if source.line_end > 0 {
                LastLine::Terminated
            } else {
                LastLine::Unterminated
            };
        }
        run.flush(raw, out);
        last
    }
}
