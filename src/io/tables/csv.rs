//! Reads cells between commas or tabulators, under a line with the names of the columns. Each cell is a text; none is null.

use super::super::stream::{BUFFER, KEPT_BYTES, Stream};
use super::unpacked::{Guard, Unpacked};
use super::{MOST_RECORDS, Piece, TABLE_BYTES, TableReader, lost, unreadable};
use crate::error::Result;
use crate::io::{Format, Input};
use crate::step::{Cancel, Limits};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use csv::{ByteRecord, ReaderBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open file of cells.
pub(super) struct CellTables {
    name: String,
    format: Format,
    reader: csv::Reader<Unpacked>,
    stream: Guard,
    schema: SchemaRef,
    /// How many bytes may be read before the record ends that is being read.
    left: Arc<AtomicU64>,
    most: u64,
    record: ByteRecord,
    /// What was found behind the rows that were given out last.
    then: Option<Piece>,
    ended: bool,
    back: Option<RecordBatch>,
}

/// What parts the cells of a format.
pub(super) fn delimiter(format: Format) -> u8 {
    if format == Format::Tsv { b'\t' } else { b',' }
}

impl CellTables {
    pub(super) fn open(input: &Input, format: Format, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let stream = Stream::open(input, format, limits, cancel)?;
        // What is read ahead counts too.
        let most = limits.record_bytes as u64 + 2 * BUFFER as u64;
        let left = Arc::new(AtomicU64::new(most));
        let (unpacked, stream) = Unpacked::new(stream, Arc::clone(&left));
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter(format))
            .flexible(true)
            .from_reader(unpacked);
        let name = input.quoted();
        let broken = |reason: String| unreadable(&name, Some(input.address()), format.title(), &reason);
        let header = reader
            .headers()
            .map_err(|error| broken(format!("its first line names no columns ({error})")))?;
        let fields: Vec<Field> = header
            .iter()
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        Ok(Self {
            name,
            format,
            reader,
            stream,
            schema: Arc::new(Schema::new(fields)),
            left,
            most,
            record: ByteRecord::new(),
            then: None,
            ended: false,
            back: None,
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads a record. `None`: the end, or what cannot be read, which is noted.
    fn read_record(&mut self) -> Option<()> {
        self.left.store(self.most, Ordering::Relaxed);
        let row = self.reader.position().line();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => {
                self.ended = true;
                return None;
            }
            Err(error) => {
                self.ended = true;
                let message = format!(
                    "The {} in {} cannot be read from line {row} on: {error}. Everything behind is lost.",
                    self.format.title(),
                    self.name
                );
                self.then = Some(Piece::Lost {
                    rows: 1,
                    failure: lost(message),
                    bytes: Vec::new(),
                });
                return None;
            }
            Ok(true) => {}
        }
        let (cells, columns) = (self.record.len(), self.schema.fields().len());
        let what = if cells != columns {
            format!("has {cells} cells and the header {columns}")
        } else if self.record.iter().any(|cell| std::str::from_utf8(cell).is_err()) {
            "is not UTF-8".to_owned()
        } else {
            return Some(());
        };
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter(self.format))
            .flexible(true)
            .from_writer(Vec::new());
        // Writing to memory does not fail.
        let _ = writer.write_byte_record(&self.record);
        let mut bytes = writer.into_inner().unwrap_or_default();
        bytes.truncate(self.most as usize);
        let cut = if bytes.len() > KEPT_BYTES << 8 { " (cut)" } else { "" };
        bytes.truncate(KEPT_BYTES << 8);
        let mut failure = lost(format!(
            "The record in line {row} of {} {what}; it was left out{cut}.",
            self.name
        ));
        failure.hint = Some("A cell that holds the delimiter, a quote or a line end stands in quotes.".to_owned());
        self.then = Some(Piece::Lost {
            rows: 1,
            failure,
            bytes,
        });
        None
    }
}

impl TableReader for CellTables {
    fn next(&mut self) -> Option<Piece> {
        if let Some(table) = self.back.take() {
            return Some(Piece::Table(table));
        }
        if let Some(piece) = self.then.take() {
            return Some(piece);
        }
        let mut columns: Vec<StringBuilder> = self.schema.fields().iter().map(|_| StringBuilder::new()).collect();
        let (mut rows, mut bytes) = (0, 0);
        while !self.ended && rows < MOST_RECORDS && bytes < TABLE_BYTES && self.read_record().is_some() {
            for (column, cell) in columns.iter_mut().zip(&self.record) {
                column.append_value(std::str::from_utf8(cell).unwrap_or_default());
            }
            rows += 1;
            bytes += self.record.as_slice().len();
        }
        if rows == 0 {
            return self.then.take();
        }
        let columns = columns
            .iter_mut()
            .map(|column| Arc::new(column.finish()) as ArrayRef)
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        match RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options) {
            Ok(table) => Some(Piece::Table(table)),
            Err(error) => Some(Piece::Lost {
                rows: rows as u64,
                failure: lost(format!("{rows} records of {} make no table: {error}.", self.name)),
                bytes: Vec::new(),
            }),
        }
    }

    fn put_back(&mut self, table: RecordBatch) {
        self.back = Some(table);
    }

    fn position(&self) -> u64 {
        self.stream.position.load(Ordering::Relaxed)
    }

    fn total(&self) -> Option<u64> {
        self.stream.total
    }

    fn held(&self) -> usize {
        self.stream.held
    }

    fn check_unchanged(&self) -> Result<()> {
        self.reader.get_ref().check_unchanged()
    }
}
