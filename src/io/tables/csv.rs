//! Reads cells between commas or tabulators, under a line with the names of the columns. Each cell is a text; none is null.

use super::super::lines::not_utf8;
use super::super::stream::Stream;
use super::cells::{CellRecords, Found};
use super::{MOST_RECORDS, Piece, TABLE_BYTES, TableReader, lost, unreadable};
use crate::batch::{FlawedRow, Original};
use crate::error::{Failure, FailureKind, Result};
use crate::io::{Format, Input};
use crate::step::{Cancel, Limits};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An open file of cells.
pub(super) struct CellTables {
    name: String,
    format: Format,
    records: CellRecords,
    schema: SchemaRef,
    /// How many rows were read.
    row: u64,
    /// The rows of the last table that cannot be read.
    flawed: Vec<FlawedRow>,
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
        let mut records = CellRecords::new(stream, delimiter(format), limits.record_bytes);
        let name = input.quoted();
        let names =
            header(&mut records).map_err(|reason| unreadable(&name, Some(input.address()), format.title(), &reason))?;
        let fields: Vec<Field> = names
            .into_iter()
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        Ok(Self {
            name,
            format,
            records,
            schema: Arc::new(Schema::new(fields)),
            row: 0,
            flawed: Vec::new(),
            then: None,
            ended: false,
            back: None,
        })
    }

    /// The columns; `None` if nobody has named any, because the file is empty.
    pub(super) fn schema(&self) -> Option<SchemaRef> {
        (!self.schema.fields().is_empty()).then(|| Arc::clone(&self.schema))
    }

    /// Reads a record into the columns. `None`: the end, or what is no row of a table, which is noted.
    fn read_row(&mut self, columns: &mut [StringBuilder]) -> Option<()> {
        match self.records.read() {
            Found::Record => {
                self.take_row(columns);
                return Some(());
            }
            Found::TooLarge(passed) => {
                self.row += 1;
                self.then = Some(Piece::TooLarge {
                    length: passed.length,
                    hash: passed.hash(),
                    bytes: passed.first,
                });
            }
            Found::Unclosed(bytes) => {
                let mut failure = lost(format!(
                    "The record that begins in line {} of {} has no end: a cell begins with a quote, and the file ends before \
                     the quote that closes it. The record is lost.",
                    self.records.line(),
                    self.name
                ));
                failure.hint = Some(
                    "The file may be cut off. If the cell is to begin with a quote, the cell stands in quotes, and its own \
                     quotes are doubled."
                        .to_owned(),
                );
                self.end(failure, bytes);
            }
            Found::Failed(reason) => {
                let failure = lost(format!(
                    "The {} in {} cannot be read from line {} on: {}. Everything behind is lost.",
                    self.format.title(),
                    self.name,
                    self.records.line(),
                    reason.trim_end_matches('.')
                ));
                self.end(failure, Vec::new());
            }
            Found::End => self.ended = true,
        }
        None
    }

    fn end(&mut self, failure: Failure, bytes: Vec<u8>) {
        self.ended = true;
        self.then = Some(Piece::Lost {
            rows: 1,
            failure,
            bytes,
        });
    }

    /// Appends the last record to the columns: what cannot be read takes its place with empty cells, which nobody sees.
    fn take_row(&mut self, columns: &mut [StringBuilder]) {
        let cells = self.records.cells().filter(|_| self.records.count() == columns.len());
        match cells {
            Some(cells) => {
                for (column, cell) in columns.iter_mut().zip(cells) {
                    column.append_value(cell);
                }
            }
            None => {
                for column in columns.iter_mut() {
                    column.append_value("");
                }
                self.flawed.push(FlawedRow {
                    offset: self.row,
                    failure: self.flaw(columns.len()),
                    original: Original::Bytes(self.records.raw().to_vec()),
                });
            }
        }
        self.row += 1;
    }

    /// What is wrong with the last record.
    fn flaw(&self, columns: usize) -> Failure {
        let count = self.records.count();
        if count == columns {
            return not_utf8(self.records.raw());
        }
        let cells = if count == 1 { "cell" } else { "cells" };
        Failure::new(
            FailureKind::Schema,
            format!(
                "The record in line {} has {count} {cells}, and the first line names {columns}.",
                self.records.line()
            ),
        )
        .with_hint("A cell that holds the delimiter, a quote or a line end stands in quotes.")
    }
}

/// The names of the columns: none if there is nothing at all.
fn header(records: &mut CellRecords) -> Result<Vec<String>, String> {
    match records.read() {
        Found::Record => match records.cells() {
            Some(names) => Ok(names.map(str::to_owned).collect()),
            None => Err("its first line, which names the columns, is not UTF-8".to_owned()),
        },
        Found::TooLarge(passed) => Err(format!(
            "its first line, which names the columns, has {} bytes, more than a record may have",
            passed.length
        )),
        Found::Unclosed(_) => {
            Err("its first line, which names the columns, holds a quote that is never closed".to_owned())
        }
        Found::Failed(reason) => Err(reason.trim_end_matches('.').to_owned()),
        Found::End => Ok(Vec::new()),
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
        self.flawed.clear();
        let mut columns: Vec<StringBuilder> = self.schema.fields().iter().map(|_| StringBuilder::new()).collect();
        let (mut rows, mut bytes) = (0, 0);
        while !self.ended && rows < MOST_RECORDS && bytes < TABLE_BYTES && self.read_row(&mut columns).is_some() {
            rows += 1;
            bytes += self.records.raw().len();
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

    fn take_flawed(&mut self) -> Vec<FlawedRow> {
        std::mem::take(&mut self.flawed)
    }

    fn put_back(&mut self, table: RecordBatch) {
        self.back = Some(table);
    }

    fn position(&self) -> u64 {
        self.records.stream().position.load(Ordering::Relaxed)
    }

    fn total(&self) -> Option<u64> {
        self.records.stream().total
    }

    fn held(&self) -> usize {
        self.records.held()
    }

    fn check_unchanged(&self) -> Result<()> {
        self.records.stream().check_unchanged()
    }
}
