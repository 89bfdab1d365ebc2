//! A batch: the records that travel through the engine together.
//!
//! The texts of a batch lie in a few byte buffers, and each record holds a [`View`] of its text: which buffer, from where,
//! how long. That is the memory layout of an Arrow `Utf8View` column (a test hands a batch to
//! Arrow without copying a text), and it makes three things free: a text that lies unescaped in the input is never
//! copied, a step that trims only moves the view, and whether a text was changed at all is a comparison of two views.
//!
//! Buffer 0 holds the bytes as they were read. Steps append what they write to further buffers. A batch is
//! used again when it has been written, with all its memory, so a run allocates per batch in flight and not per record.

mod memory;
mod records;
#[cfg(test)]
mod tests;
mod texts;

pub use memory::MOST_ROOM;
pub use records::{Casualty, Ending, FlawedRow, Original, Row, SourceRecord, Span, State, StepTally, Unread};
pub use texts::{Adopted, TextWriter, View};

use crate::error::Failure;
use crate::record::Value;
use arrow_array::RecordBatch;
use memory::{Bytes, KEPT_CAPACITY};
use std::borrow::Cow;

/// The records that travel through the engine together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Its place in the order of the run.
    pub sequence: u64,
    /// The index of the input it comes from.
    pub input: u32,
    /// The ordinal of its first record in its input.
    pub first_ordinal: u64,
    /// The offset of its first byte in its input, after decompression.
    pub first_offset: u64,
    /// What the reader could not load, if this batch stands for such a thing.
    pub unread: Option<Unread>,
    /// The input records, in order.
    pub sources: Vec<SourceRecord>,
    /// The texts on their way, in the order of their sources and parts.
    pub rows: Vec<Row>,
    /// The rows that are no longer live, in the order in which that happened.
    pub casualties: Vec<Casualty>,
    /// The fields that steps add or ask for: a column per field of the plan, a value per row. Empty columns stand for
    /// columns of [`Value::Missing`].
    pub fields: Vec<Vec<Value>>,
    /// Where the value of a field of the plan stands in the bytes that were read: source record, field, span. Sorted.
    pub field_spans: Vec<(u32, u16, Span)>,
    /// What each step of the plan did.
    pub steps: Vec<StepTally>,
    /// How many bytes its texts may hold, the bytes as they were read included. A single record may have as many for each pass.
    pub room: usize,
    /// Whether its records together needed more room: what became of them is not complete, and they must be run again, fewer
    /// at a time.
    pub overflowed: bool,
    /// The columns that the records come from, a row per source record, if they come from columns. A source record without
    /// a row in [`Batch::rows`] has no text there, and goes out as it came.
    pub columns: Option<RecordBatch>,
    /// The rows of the columns, and perhaps of others beside them, that cannot be read, in order.
    pub flawed: Vec<FlawedRow>,
    /// How many bytes the rows of the columns count as.
    pub loaded: usize,
    buffers: Vec<Bytes>,
    spare: Vec<Vec<u8>>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        let mut batch = Self {
            room: MOST_ROOM,
            ..Self::default()
        };
        batch.buffers.push(Bytes::Own(Vec::new()));
        batch
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.unread = None;
        self.overflowed = false;
        self.columns = None;
        self.flawed.clear();
        self.loaded = 0;
        self.sources.clear();
        self.rows.clear();
        self.casualties.clear();
        self.field_spans.clear();
        for column in &mut self.fields {
            column.clear();
        }
        self.steps.clear();
        for mut buffer in self.buffers.drain(..) {
            if let Some(buffer) = buffer.take_back(false) {
                let mut buffer = std::mem::take(buffer);
                buffer.clear();
                buffer.shrink_to(KEPT_CAPACITY);
                self.spare.push(buffer);
            }
        }
        let first = self.new_buffer();
        self.buffers.push(Bytes::Own(first));
    }

    /// Forgets the records and what was made of them, and keeps the first bytes as they were read, and which rows cannot be.
    pub fn restart(&mut self, kept: usize) {
        let mut raw = std::mem::take(self.own_raw());
        raw.truncate(kept);
        let flawed = std::mem::take(&mut self.flawed);
        self.clear();
        *self.own_raw() = raw;
        self.flawed = flawed;
    }

    /// How many bytes of memory the batch holds, beside what is allocated and empty.
    #[must_use]
    pub fn held(&self) -> usize {
        const FAILURE: usize = size_of::<Casualty>() + size_of::<Failure>() + 128;
        let texts = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Json(json) => json.len(),
            _ => 0,
        };
        let fields = self.fields.iter().flatten();
        self.bytes()
            + self.sources.len() * size_of::<SourceRecord>()
            + self.rows.len() * size_of::<Row>()
            + self.field_spans.len() * size_of::<(u32, u16, Span)>()
            + self.casualties.len() * FAILURE
            + self.flawed.iter().map(|row| FAILURE + row.kept()).sum::<usize>()
            + fields.map(|value| size_of::<Value>() + texts(value)).sum::<usize>()
    }

    /// How many more bytes of text a pass may write.
    #[must_use]
    pub fn room_left(&self) -> usize {
        if self.is_alone() {
            self.room.min(MOST_ROOM)
        } else {
            self.room.min(MOST_ROOM).saturating_sub(self.bytes())
        }
    }

    /// Whether there is one record, which cannot be divided.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.sources.len() <= 1
    }

    /// Marks a row as rejected by a step.
    pub fn reject(&mut self, row: usize, step: Option<u16>, reason: Cow<'static, str>) {
        self.rows[row].state = State::Rejected;
        self.casualties.push(Casualty {
            row: row as u32,
            step,
            ending: Ending::Rejected(reason),
        });
    }

    /// Marks a row as failed in a step (`None`: in the decoder or the encoder).
    pub fn quarantine(&mut self, row: usize, step: Option<u16>, failure: Failure) {
        self.rows[row].state = State::Quarantined;
        self.casualties.push(Casualty {
            row: row as u32,
            step,
            ending: Ending::Failed(Box::new(failure)),
        });
    }

    /// Sets the value of a field for a row.
    pub fn set_field(&mut self, field: u16, row: usize, value: Value) {
        let field = usize::from(field);
        if self.fields.len() <= field {
            self.fields.resize_with(field + 1, Vec::new);
        }
        let column = &mut self.fields[field];
        if column.len() <= row {
            column.resize_with(row + 1, Value::default);
        }
        column[row] = value;
    }

    /// The value of a field for a row.
    #[must_use]
    pub fn field(&self, field: u16, row: usize) -> &Value {
        const MISSING: &Value = &Value::Missing;
        self.fields
            .get(usize::from(field))
            .and_then(|column| column.get(row))
            .unwrap_or(MISSING)
    }

    /// Replaces rows by their parts: `parts` names, in order, the row each new row comes from and its text. Rows that
    /// are not live must be passed on as they are. Casualties and fields follow their rows.
    pub fn replace_rows(&mut self, parts: &[(u32, View)]) {
        let old = std::mem::take(&mut self.rows);
        let mut moved = vec![u32::MAX; old.len()];
        let mut previous = None;
        for (index, &(row, text)) in parts.iter().enumerate() {
            let from = old[row as usize];
            // Parts are numbered anew within their source, so that a second split still gives each part its own number.
            let part = match previous {
                Some((source, part)) if source == from.source => part + 1,
                _ => 0,
            };
            previous = Some((from.source, part));
            if moved[row as usize] == u32::MAX {
                moved[row as usize] = index as u32;
            }
            self.rows.push(Row { part, text, ..from });
        }
        for casualty in &mut self.casualties {
            casualty.row = moved[casualty.row as usize];
        }
        for column in &mut self.fields {
            if !column.is_empty() {
                let values = parts
                    .iter()
                    .map(|&(row, _)| column.get(row as usize).cloned().unwrap_or_default())
                    .collect();
                *column = values;
            }
        }
    }

    /// What is known of the record at an offset, if it is a row that cannot be read.
    #[must_use]
    pub fn flawed_row(&self, offset: u64) -> Option<&FlawedRow> {
        let found = self.flawed.binary_search_by_key(&offset, |row| row.offset);
        found.ok().map(|found| &self.flawed[found])
    }

    /// The tally of a step.
    pub fn tally(&mut self, step: u16) -> &mut StepTally {
        let step = usize::from(step);
        if self.steps.len() <= step {
            self.steps.resize(step + 1, StepTally::default());
        }
        &mut self.steps[step]
    }
}
