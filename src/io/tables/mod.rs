//! Files whose records are rows of tables: how they are opened, what they hold, and how such files are written.
//!
//! A [`TableReader`] reads one file table by table, and tells of what it cannot read. A [`ColumnSource`] cuts those tables
//! into batches. A [`TableWriter`] gathers what goes out into groups of rows, which any thread can encode; a [`RowWriter`]
//! writes rows that need no file around them.

mod ahead;
mod cells;
mod checked_pages;
mod csv;
mod footer;
mod inputs;
mod ipc;
mod ipc_lengths;
mod ipc_tables;
mod json;
mod page_checksums;
mod page_header;
mod parquet;
mod parquet_types;
mod rows;
mod thrift;
mod times;
mod unpacked;
mod weight;
mod writer;

pub use ahead::ReadAhead;
pub use inputs::{KeptTables, TableFacts, TableInputs, facts_of};
pub use json::{can_be_json, each_json, json_of_row, unsayable_rows};
pub use parquet::TableDefaults;
pub use rows::{RowWriter, identities_of_table, rows_of_table};
pub use writer::{EncodedGroup, TableForm, TableGroup, TableWriter};

use super::Source;
use crate::batch::{Batch, FlawedRow, Unread};
use crate::columns::ColumnDecoder;
use crate::error::{Error, Failure, FailureKind, FileError, Result};
use crate::plan::{panic_message, quietly};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use weight::weight;

/// The most records of a batch. Consecutive Python steps hand their texts along, and so many stay in the cache.
const MOST_RECORDS: usize = 8192;

/// About how many bytes of a file are decoded at once: far more than a batch, so that it costs little to begin, and little
/// enough to be one of many things in memory.
const TABLE_BYTES: usize = 1 << 20;

/// What a file has next.
pub(super) enum Piece {
    /// Some rows.
    Table(RecordBatch),
    /// Rows that cannot be read.
    Lost {
        /// How many rows of the file they take: one where nobody knows, so that what follows has another place.
        rows: u64,
        /// Why.
        failure: Failure,
        /// Their bytes, if there are few.
        bytes: Vec<u8>,
    },
    /// A row that is larger than the limit, which was passed over.
    TooLarge {
        /// How many bytes it has.
        length: u64,
        /// The BLAKE3 hash of its bytes, in hexadecimal.
        hash: String,
        /// The first of them.
        bytes: Vec<u8>,
    },
}

/// Reads the tables of one file.
pub(super) trait TableReader: Send {
    /// The next rows, or `None` at the end. Whoever has lost rows may be asked again.
    fn next(&mut self) -> Option<Piece>;

    /// The rows of the last table that are no more than places, because they cannot be read, in order.
    fn take_flawed(&mut self) -> Vec<FlawedRow> {
        Vec::new()
    }

    /// Passes over so many rows, lost ones included, before the first is read.
    fn skip(&mut self, rows: u64) -> Result<()> {
        let mut left = rows;
        while left > 0 {
            match self.next() {
                None => return Err(gone(rows)),
                Some(Piece::Lost { rows, .. }) => left = left.saturating_sub(rows),
                Some(Piece::TooLarge { .. }) => left -= 1,
                Some(Piece::Table(table)) => {
                    let there = table.num_rows() as u64;
                    if there > left {
                        self.put_back(table.slice(left as usize, (there - left) as usize));
                    }
                    left = left.saturating_sub(there);
                }
            }
        }
        Ok(())
    }

    /// Has what lies behind be decoded while something is done with what was read. To be said before the first rows are read.
    fn read_ahead(&mut self, _allowed: ReadAhead) {}

    /// Takes rows back that are to be the next.
    fn put_back(&mut self, table: RecordBatch);

    /// How many bytes of the file were read.
    fn position(&self) -> u64;

    /// How many bytes the file has.
    fn total(&self) -> Option<u64>;

    /// How many bytes of memory are held beside the tables.
    fn held(&self) -> usize;

    /// Makes sure that nobody has changed the file.
    fn check_unchanged(&self) -> Result<()>;
}

fn gone(rows: u64) -> Error {
    Error::input(
        "",
        format!("An input ends before row {rows}, where the run is to go on."),
    )
}

/// The failure of rows that cannot be read.
pub(super) fn lost(message: String) -> Failure {
    Failure::new(FailureKind::Segment, message)
}

/// Calls into a library that reads what strangers have written. It may panic where the data are damaged.
pub(super) fn guarded<T, E: std::fmt::Display>(read: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match quietly(read) {
        Ok(Ok(read)) => Ok(read),
        // Some libraries say things in several lines.
        Ok(Err(error)) => {
            let told = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            Err(told.trim_end_matches('.').to_owned())
        }
        Err(panic) => Err(panic_message("The reader", &*panic).trim_end_matches('.').to_owned()),
    }
}

/// The error of an input that is not what its name or its first bytes say.
pub(super) fn unreadable(name: &str, path: Option<&Path>, expected: &str, reason: &str) -> Error {
    let message = format!("{name} cannot be read as {expected}: {reason}.");
    let mut error = FileError::new(path.unwrap_or(Path::new("-")), message);
    error.hint = Some("The file may be damaged or cut off: look at where it came from.".to_owned());
    Error::Input(Box::new(error))
}

/// Cuts the tables of a file into batches.
///
/// The offset of a record is the number of its row in the file, lost rows included. Its ordinal counts the records that
/// were read.
pub(super) struct ColumnSource {
    reader: Box<dyn TableReader>,
    decoder: Arc<ColumnDecoder>,
    /// What all inputs are: with the metadata of the first.
    schema: SchemaRef,
    /// The columns that are wanted of a table, if it has others too.
    wanted: Option<Vec<usize>>,
    table: Option<RecordBatch>,
    /// About how many bytes of memory it takes, with the columns that are not wanted: they are in memory too.
    table_bytes: usize,
    /// The rows of it that cannot be read, and stand behind those that were cut.
    flawed: VecDeque<FlawedRow>,
    row: usize,
    ordinal: u64,
    offset: u64,
}

impl ColumnSource {
    fn new(
        reader: Box<dyn TableReader>,
        decoder: Arc<ColumnDecoder>,
        schema: SchemaRef,
        wanted: Option<Vec<usize>>,
    ) -> Self {
        Self {
            reader,
            decoder,
            schema,
            wanted,
            table: None,
            table_bytes: 0,
            flawed: VecDeque::new(),
            row: 0,
            ordinal: 0,
            offset: 0,
        }
    }

    fn with_place(mut self, ordinal: u64, offset: u64) -> Result<Self> {
        self.reader.skip(offset)?;
        (self.ordinal, self.offset) = (ordinal, offset);
        Ok(self)
    }
}

impl Source for ColumnSource {
    fn fill(&mut self, batch: &mut Batch, size: usize, until: u64) -> Result<bool> {
        (batch.first_ordinal, batch.first_offset) = (self.ordinal, self.offset);
        let table = loop {
            if let Some(table) = self.table.take().filter(|table| self.row < table.num_rows()) {
                break table;
            }
            self.row = 0;
            match self.reader.next() {
                None => return Ok(false),
                Some(Piece::Table(table)) => {
                    self.table_bytes = weight(&table);
                    self.table = Some(agreed(&self.schema, &table, self.wanted.as_deref())?);
                    self.flawed = self.reader.take_flawed().into();
                }
                Some(Piece::TooLarge { length, hash, bytes }) => {
                    self.ordinal += 1;
                    self.offset += 1;
                    batch.raw_mut().extend_from_slice(&bytes);
                    batch.unread = Some(Unread::Record { length, hash });
                    return Ok(true);
                }
                Some(Piece::Lost { rows, failure, bytes }) => {
                    self.offset = self.offset.saturating_add(rows);
                    batch.raw_mut().extend_from_slice(&bytes);
                    batch.unread = Some(Unread::Segment(Box::new(failure)));
                    return Ok(true);
                }
            }
        };
        let part = self.decoder.cut(&table, self.row, size, until, MOST_RECORDS);
        batch.loaded = part.bytes;
        batch.columns = Some(table.slice(self.row, part.rows));
        self.row += part.rows;
        self.ordinal += part.rows as u64;
        self.offset += part.rows as u64;
        let here = self.flawed.partition_point(|row| row.offset < self.offset);
        batch.flawed.extend(self.flawed.drain(..here));
        self.table = Some(table);
        Ok(true)
    }

    fn next(&self) -> (u64, u64) {
        (self.ordinal, self.offset)
    }

    fn held(&self) -> usize {
        let table = self.table.as_ref().map_or(0, |_| self.table_bytes);
        self.reader.held() + table + self.flawed.iter().map(FlawedRow::kept).sum::<usize>()
    }

    fn check_unchanged(&self) -> Result<()> {
        self.reader.check_unchanged()
    }

    fn position(&self) -> u64 {
        self.reader.position()
    }

    fn total(&self) -> Option<u64> {
        self.reader.total()
    }

    fn goes_on(&self) -> bool {
        true
    }
}

/// A table with the schema that was agreed on: the same columns, whose metadata may differ.
fn agreed(schema: &SchemaRef, table: &RecordBatch, wanted: Option<&[usize]>) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(table.num_rows()));
    let columns = match wanted {
        None => table.columns().to_vec(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|&column| table.columns().get(column).cloned())
            .collect(),
    };
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::input("", format!("An input changed while it was read: {error}.")))
}

/// What of a schema is not as in another, in words.
pub(super) fn difference(expected: &Schema, found: &Schema) -> Option<String> {
    for (index, field) in expected.fields().iter().enumerate() {
        match found.fields().get(index) {
            None => return Some(format!("it has no column `{}`", field.name())),
            Some(other) if other.name() != field.name() => {
                return Some(format!(
                    "its column {} is `{}` where the first has `{}`",
                    index + 1,
                    other.name(),
                    field.name()
                ));
            }
            Some(other) if !other.data_type().equals_datatype(field.data_type()) => {
                return Some(format!(
                    "its column `{}` holds {}, and that of the first {}",
                    field.name(),
                    other.data_type(),
                    field.data_type()
                ));
            }
            Some(_) => {}
        }
    }
    found
        .fields()
        .get(expected.fields().len())
        .map(|more| format!("it has a column `{}`, which the first has not", more.name()))
}
