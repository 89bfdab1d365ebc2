//! Writes the lines of the files of rejected and quarantined records: what happened, where, and the original record.
//!
//! The original is never lost, so that what was quarantined can be run again. `record` holds a JSON value as it was
//! spelled, `text` a text; `bytes_base64` holds what is neither (bytes that are not UTF-8, lines that are not JSON, and
//! JSON that readers understand differently: keys that stand twice, halves of surrogate pairs).

use super::json_scan::Scanner;
use super::json_value::unescape;
use super::{Format, Input, Layout, json_of_row};
use crate::batch::{Batch, Casualty, Ending, Original, SourceRecord, Unread};
use crate::error::{Failure, FailureKind};
use crate::record::write_json_string;
use std::borrow::Cow;
use std::io::Write as _;
use std::ops::Range;

/// What a line says of the step in which a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLabel {
    /// The step's canonical name.
    pub name: String,
    /// The distribution and version it comes from; `None` for built-ins and callables.
    pub distribution: Option<String>,
}

/// Writes casualties as JSON Lines.
#[derive(Debug)]
pub struct CasualtyEncoder {
    source: Format,
    id: String,
    record_bytes: usize,
    json_depth: usize,
    inputs: Vec<String>,
    steps: Vec<StepLabel>,
}

impl CasualtyEncoder {
    /// An encoder for the records of these inputs and the steps of this plan, each in the order in which batches count them.
    #[must_use]
    pub fn new(layout: &Layout, inputs: &[Input], steps: Vec<StepLabel>) -> Self {
        Self {
            source: layout.source,
            id: layout.id.clone(),
            record_bytes: layout.limits.record_bytes,
            json_depth: layout.limits.json_depth,
            inputs: inputs.iter().map(|input| input.name.clone()).collect(),
            steps,
        }
    }

    /// Appends the line of a casualty: for the file of rejected records if it was rejected, else for the quarantine file.
    pub fn encode(&self, batch: &Batch, casualty: &Casualty, out: &mut Vec<u8>) {
        let index = casualty.row as usize;
        let row = &batch.rows[index];
        let source = &batch.sources[row.source as usize];
        let mut line = self.begin(batch, out);
        line.number("ordinal", source.ordinal);
        line.number("offset", source.offset);
        if let Some(id) = self.spelled_id(batch, source) {
            line.json("id", &id);
        }
        let shares_source = |other: Option<usize>| {
            other
                .and_then(|other| batch.rows.get(other))
                .is_some_and(|other| other.source == row.source)
        };
        if shares_source(index.checked_sub(1)) || shares_source(Some(index + 1)) {
            line.number("part", u64::from(row.part));
        }
        if let Some(step) = casualty.step.and_then(|step| self.steps.get(usize::from(step))) {
            line.text("step", &step.name);
            line.optional("distribution", step.distribution.as_deref());
        }
        match &casualty.ending {
            Ending::Rejected(reason) => line.text("reason", reason),
            Ending::Failed(failure) => line.failure(failure),
        }
        self.original(batch, source, casualty, &mut line);
        line.end();
    }

    /// Appends the line of something that the reader could not load, for the quarantine file.
    pub fn encode_unread(&self, batch: &Batch, unread: &Unread, out: &mut Vec<u8>) {
        let mut line = self.begin(batch, out);
        match unread {
            Unread::Record { length, hash } => {
                line.number("ordinal", batch.first_ordinal);
                line.number("offset", batch.first_offset);
                line.failure(&self.too_large(*length));
                line.number("length", *length);
                line.text("hash", &format!("blake3:{hash}"));
            }
            Unread::Segment(failure) => {
                line.number("offset", batch.first_offset);
                line.failure(failure);
            }
        }
        if !batch.raw().is_empty() {
            line.base64("bytes_base64", batch.raw());
        }
        line.end();
    }

    /// The failure of a record that was too large to be loaded.
    #[must_use]
    pub fn too_large(&self, length: u64) -> Failure {
        Failure::too_large_to_load(length, self.record_bytes)
    }

    /// The record's own identity, if its format has one and it can be read: for errors and reports.
    #[must_use]
    pub fn identity(&self, batch: &Batch, source: &SourceRecord) -> Option<String> {
        read_identity(&self.spelled_id(batch, source)?)
    }

    /// The value of the identity as the line spells it. Lines are looked through again for it: casualties are rare, and
    /// all other records need not be looked through for it.
    fn spelled_id<'b>(&self, batch: &'b Batch, source: &SourceRecord) -> Option<Cow<'b, [u8]>> {
        if let Some(columns) = &batch.columns {
            let row = match batch.flawed_row(source.offset).map(|row| &row.original) {
                None => {
                    let column = columns.schema().index_of(&self.id).ok()?;
                    json_of_row(&columns.project(&[column]).ok()?, row_of(batch, source))
                }
                Some(Original::Json(record)) => record.clone(),
                Some(Original::Bytes(_)) => return None,
            };
            let id = spelled_identity(&row, 0..row.len(), &self.id, self.json_depth)?;
            return (id != b"null").then(|| Cow::Owned(id.to_vec()));
        }
        let raw = batch.raw();
        if self.source != Format::Jsonl || simdutf8::basic::from_utf8(&raw[source.raw.range()]).is_err() {
            return None;
        }
        spelled_identity(raw, source.raw.range(), &self.id, self.json_depth).map(Cow::Borrowed)
    }

    fn original(&self, batch: &Batch, source: &SourceRecord, casualty: &Casualty, line: &mut ObjectWriter<'_>) {
        if let Some(columns) = &batch.columns {
            // Where a row could not be read, nothing of it stands in the columns.
            match batch.flawed_row(source.offset).map(|row| &row.original) {
                None => line.json("record", &json_of_row(columns, row_of(batch, source))),
                Some(Original::Json(record)) => line.json("record", record),
                Some(Original::Bytes(bytes)) => line.base64("bytes_base64", bytes),
            }
            return;
        }
        let raw = &batch.raw()[source.raw.range()];
        let Ok(text) = simdutf8::basic::from_utf8(raw) else {
            line.base64("bytes_base64", raw);
            return;
        };
        if self.source != Format::Jsonl {
            line.text("text", text);
            return;
        }
        let is_json = match &casualty.ending {
            // A blank line.
            Ending::Rejected(_) => casualty.step.is_some(),
            Ending::Failed(failure) => {
                casualty.step.is_some()
                    || !matches!(
                        failure.kind,
                        FailureKind::Json
                            | FailureKind::JsonDepth
                            | FailureKind::DuplicateKey
                            | FailureKind::Surrogate
                            | FailureKind::Utf8
                    )
            }
        };
        if is_json {
            line.json("record", raw.trim_ascii());
        } else {
            line.base64("bytes_base64", raw);
        }
    }

    fn begin<'o>(&self, batch: &Batch, out: &'o mut Vec<u8>) -> ObjectWriter<'o> {
        out.push(b'{');
        let mut line = ObjectWriter { out, first: true };
        line.optional("input", self.inputs.get(batch.input as usize).map(String::as_str));
        line
    }
}

/// The row of the batch's columns that a record comes from.
fn row_of(batch: &Batch, source: &SourceRecord) -> usize {
    (source.ordinal - batch.first_ordinal) as usize
}

/// The identity of the record in a line of JSON, if it has one: the value of a key, as a person writes it.
#[must_use]
pub fn identity_of_line(line: &[u8], key: &str, json_depth: usize) -> Option<String> {
    read_identity(spelled_identity(line, 0..line.len(), key, json_depth)?)
}

/// The value of a key in a line of JSON, as it is spelled there.
fn spelled_identity<'l>(raw: &'l [u8], line: Range<usize>, key: &str, json_depth: usize) -> Option<&'l [u8]> {
    let mut found = None;
    let scanned = Scanner::new(json_depth).scan(raw, line, |member| {
        if raw[member.key.range()] == *key.as_bytes() {
            found = Some(member.start..member.end);
        }
    });
    scanned.ok()?;
    found.map(|found| &raw[found])
}

/// An identity without quotes and escapes, if it has any.
fn read_identity(spelled: &[u8]) -> Option<String> {
    let spelled = std::str::from_utf8(spelled).ok()?;
    let Some(inside) = spelled.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Some(spelled.to_owned());
    };
    let mut id = String::new();
    match unescape(inside, &mut id) {
        Ok(()) => Some(id),
        Err(_) => Some(inside.to_owned()),
    }
}

/// Writes one object.
struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl ObjectWriter<'_> {
    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        write_json_string(key, self.out);
        self.out.push(b':');
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        write_json_string(text, self.out);
    }

    fn optional(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        // Writing to memory does not fail.
        let _ = write!(self.out, "{number}");
    }

    fn json(&mut self, key: &str, json: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(json);
    }

    fn base64(&mut self, key: &str, bytes: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        write_base64(bytes, self.out);
        self.out.push(b'"');
    }

    fn failure(&mut self, failure: &Failure) {
        self.text("kind", failure.kind.name());
        self.optional("error", failure.error_type.as_deref());
        self.text("message", &failure.message);
        self.optional("hint", failure.hint.as_deref());
        if failure.attempts > 1 {
            self.number("attempts", u64::from(failure.attempts));
        }
        self.optional("traceback", failure.traceback.as_deref());
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

/// Appends bytes in base64, with padding.
pub(super) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            out.push(if index <= group.len() {
                ALPHABET[(bits >> (18 - 6 * index)) as usize & 63]
            } else {
                b'='
            });
        }
    }
}

#[cfg(test)]
#[path = "casualties_tests.rs"]
mod tests;
