//! Reads Parquet: row groups, one after the other, in parts of a few megabytes at most.

use super::super::open_input::{OpenInput, Parts};
use super::super::stream::open_in_parts;
use super::ahead::{Ahead, GroupReader, ReadAhead};
use super::checked_pages::CheckedPages;
use super::{MOST_RECORDS, Piece, TABLE_BYTES, TableReader, footer, guarded, lost, parquet_types, thrift, unreadable};
use crate::error::{Error, FileError, Result, Shown};
use crate::io::Input;
use crate::step::{Cancel, Limits};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::ColumnPath;
use std::path::Path;

/// What is kept of a Parquet file when its records are written to another: beside its schema and metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDefaults {
    /// How the pages of each column are compressed.
    pub(super) compression: Vec<(ColumnPath, Compression)>,
    /// How many rows the largest row group has.
    pub(super) group_rows: Option<usize>,
}

/// An open Parquet file.
pub(super) struct ParquetTables {
    name: String,
    opened: OpenInput,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    wanted: Option<Vec<usize>>,
    limits: Limits,
    /// The row group that is read next, or is being read.
    group: usize,
    /// The parts of the one behind it, which may be on their way.
    next: Option<(usize, Parts)>,
    /// Those behind it that are being decoded.
    ahead: Ahead,
    reader: Option<GroupReader>,
    /// How many rows of the group were read or passed over.
    rows: u64,
    /// How many bytes the groups before this one have.
    bytes_before: u64,
    back: Option<RecordBatch>,
}

impl ParquetTables {
    /// Opens a file, of which only these columns are read. Of the others nothing is decoded.
    pub(super) fn open(input: &Input, wanted: Option<Vec<usize>>, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let opened = open_in_parts(input, cancel)?;
        let path = input.address();
        let name = format!("`{}`", input.name);
        let broken = |reason: String| unreadable(&name, Some(path), "Parquet", &reason);
        let Some(bytes) = read_footer(&opened).map_err(broken)? else {
            return Err(encrypted(&format!("{name} is"), path));
        };
        if thrift::has_field(&bytes, ENCRYPTION) {
            return Err(encrypted(&format!("Columns of {name} are"), path));
        }
        let metadata = guarded(|| {
            let footer = opened.size() - TAIL - bytes.len() as u64..opened.size();
            ArrowReaderMetadata::load(&opened.parts(&[footer])?, ArrowReaderOptions::new())
        })
        .map_err(broken)?;
        check(metadata.metadata(), opened.size()).map_err(broken)?;
        footer::check(&bytes, metadata.metadata()).map_err(broken)?;
        let metadata = guarded(|| parquet_types::with_times(metadata)).map_err(broken)?;
        Ok(Self {
            name: format!("`{}`", Shown(path)),
            opened,
            schema: parquet_types::schema_of(&metadata),
            metadata,
            wanted,
            limits,
            group: 0,
            next: None,
            ahead: Ahead::new(ReadAhead::default()),
            reader: None,
            rows: 0,
            bytes_before: 0,
            back: None,
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns whose values would not be read whole, each with the reason behind its name.
    pub(super) fn unreadable_columns(&self) -> Vec<(usize, &'static str)> {
        parquet_types::unreadable_columns(&self.metadata)
    }

    pub(super) fn defaults(&self) -> TableDefaults {
        let groups = self.metadata.metadata().row_groups();
        let columns = groups.first().map_or(&[][..], RowGroupMetaData::columns);
        TableDefaults {
            compression: columns
                .iter()
                .map(|column| (column.column_path().clone(), column.compression()))
                .collect(),
            group_rows: groups.iter().map(|group| group.num_rows() as usize).max(),
        }
    }

    fn groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// A reader of what is left of the group. Those behind it begin to be decoded, or at least to come.
    fn read_group(&mut self) -> Result<GroupReader, String> {
        let failed = |error: std::io::Error| error.to_string();
        let reader = match self.ahead.take(self.group) {
            Some(reader) => reader,
            None => {
                let parts = match self.next.take() {
                    Some((group, parts)) if group == self.group => parts,
                    _ => self.parts(self.group).map_err(failed)?,
                };
                self.reader_of(self.group, parts, self.rows)?
            }
        };
        while let Some(next) = self.ahead.next(self.group).filter(|next| *next < self.groups().len()) {
            // If that cannot be, its reader is told of it when its turn has come.
            let begun = self.parts(next).map_err(failed);
            let begun = begun.and_then(|parts| self.reader_of(next, parts, 0));
            if !begun.is_ok_and(|reader| self.ahead.begin(next, reader).is_ok()) {
                break;
            }
        }
        let behind = self.ahead.last(self.group) + 1;
        if behind < self.groups().len() && self.next.as_ref().is_none_or(|(group, _)| *group != behind) {
            self.next = Some((behind, self.parts(behind).map_err(failed)?));
        }
        Ok(reader)
    }

    /// A reader of a group behind so many of its rows.
    fn reader_of(&self, number: usize, parts: Parts, rows_before: u64) -> Result<GroupReader, String> {
        let group = &self.groups()[number];
        let row_bytes = group.total_byte_size().max(1) as usize / group.num_rows().max(1) as usize;
        let rows = (TABLE_BYTES / row_bytes.max(1)).clamp(1, MOST_RECORDS);
        let pages = CheckedPages::new(parts, group, self.limits);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(pages, self.metadata.clone())
            .with_row_groups(vec![number])
            .with_projection(self.mask())
            .with_batch_size(rows)
            .with_offset(rows_before as usize);
        guarded(|| builder.build()).map(GroupReader::new)
    }

    /// The columns that are read.
    fn mask(&self) -> ProjectionMask {
        match &self.wanted {
            None => ProjectionMask::all(),
            Some(wanted) => ProjectionMask::roots(self.metadata.parquet_schema(), wanted.iter().copied()),
        }
    }

    /// What is read of a group.
    fn parts(&self, group: usize) -> std::io::Result<Parts> {
        let mask = self.mask();
        let columns = self.groups()[group].columns().iter().enumerate();
        let places: Vec<_> = columns
            .filter(|(leaf, _)| mask.leaf_included(*leaf))
            .map(|(_, column)| {
                let (start, length) = column.byte_range();
                start..start + length
            })
            .collect();
        self.opened.parts(&places)
    }

    fn end_group(&mut self) {
        self.bytes_before += self.groups()[self.group].compressed_size().max(0) as u64;
        self.group += 1;
        self.rows = 0;
        self.reader = None;
    }

    /// What is left of the group is lost.
    fn lose_group(&mut self, reason: &str) -> Piece {
        let reason = without_origin(reason);
        let left = (self.groups()[self.group].num_rows() as u64).saturating_sub(self.rows);
        let message = format!(
            "Row group {} of {} is damaged: {reason}. Its last {left} rows, from row {} of the group on, are lost.",
            self.group, self.name, self.rows
        );
        self.end_group();
        Piece::Lost {
            rows: left,
            failure: lost(message),
            bytes: Vec::new(),
        }
    }
}

impl TableReader for ParquetTables {
    fn next(&mut self) -> Option<Piece> {
        if let Some(table) = self.back.take() {
            return Some(Piece::Table(table));
        }
        while self.group < self.groups().len() {
            let mut reader = match self.reader.take().map_or_else(|| self.read_group(), Ok) {
                Ok(reader) => reader,
                Err(reason) => return Some(self.lose_group(&reason)),
            };
            match reader.next() {
                Ok(Some(table)) => {
                    self.rows += table.num_rows() as u64;
                    self.reader = Some(reader);
                    return Some(Piece::Table(table));
                }
                Ok(None) if self.rows < self.groups()[self.group].num_rows() as u64 => {
                    return Some(self.lose_group("it ends early"));
                }
                Ok(None) => self.end_group(),
                Err(reason) => return Some(self.lose_group(&reason)),
            }
        }
        None
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        let mut left = rows;
        while self.group < self.groups().len() {
            let there = self.groups()[self.group].num_rows() as u64;
            if left < there {
                self.rows = left;
                return Ok(());
            }
            left -= there;
            self.end_group();
        }
        if left > 0 { Err(super::gone(rows)) } else { Ok(()) }
    }

    fn read_ahead(&mut self, allowed: ReadAhead) {
        self.ahead = Ahead::new(allowed);
    }

    fn put_back(&mut self, table: RecordBatch) {
        self.back = Some(table);
    }

    fn position(&self) -> u64 {
        let Some(group) = self.groups().get(self.group) else {
            return self.opened.size();
        };
        let part = group.compressed_size().max(0) as u128 * u128::from(self.rows) / group.num_rows().max(1) as u128;
        self.bytes_before + part as u64
    }

    fn total(&self) -> Option<u64> {
        Some(self.opened.size())
    }

    fn held(&self) -> usize {
        let read = if self.reader.is_some() { 2 * TABLE_BYTES } else { 0 };
        self.metadata.metadata().memory_size() + read + self.ahead.held()
    }

    fn check_unchanged(&self) -> Result<()> {
        self.opened.check_unchanged()
    }
}

/// What went wrong, without the layers of the library that it went through.
fn without_origin(reason: &str) -> &str {
    const ORIGINS: [&str; 4] = ["Parquet argument error: ", "Parquet error: ", "External: ", "EOF: "];
    let shorter = ORIGINS.iter().find_map(|origin| reason.strip_prefix(origin));
    shorter.map_or(reason, without_origin)
}

/// How many bytes stand behind the footer: its length and a mark.
const TAIL: u64 = 8;

/// The field of a footer that tells how columns are encrypted.
const ENCRYPTION: i64 = 8;

fn encrypted(what: &str, path: &Path) -> Error {
    let mut error = FileError::new(
        path,
        format!("{what} encrypted, and there is no way to give their keys."),
    );
    error.hint = Some("Decrypt it first, with the program that encrypted it.".to_owned());
    Error::Input(Box::new(error))
}

/// Reads the footer, of which there is none to read if it is encrypted. One whose lists say that they are longer than it is
/// refused.
fn read_footer(opened: &OpenInput) -> Result<Option<Bytes>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let end = opened.size().checked_sub(TAIL).ok_or("it is too short")?;
    let tail = opened.read_at(end, TAIL).map_err(failed)?;
    let Some(&[a, b, c, d, ref mark @ ..]) = tail.first_chunk::<{ TAIL as usize }>() else {
        return Err("it is too short".to_owned());
    };
    if mark == b"PARE" {
        return Ok(None);
    }
    if mark != b"PAR1" {
        return Err("it does not end as Parquet does".to_owned());
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    let begin = end.checked_sub(length).ok_or("its footer is cut off")?;
    let bytes = opened.read_at(begin, length).map_err(failed)?;
    if thrift::is_sound(&bytes) {
        Ok(Some(bytes))
    } else {
        Err("its footer is damaged".to_owned())
    }
}

/// Refuses a footer that tells of more than the file has: nothing is allocated for what is not there.
fn check(metadata: &ParquetMetaData, size: u64) -> Result<(), String> {
    for (number, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(format!("its row group {number} has a negative number of rows"));
        }
        for column in group.columns() {
            // Negative places would make the library panic.
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            if start < 0 || column.compressed_size() < 0 || end.is_none_or(|end| end as u64 > size) {
                return Err(format!(
                    "a column of its row group {number} lies beyond the end of the file"
                ));
            }
        }
    }
    Ok(())
}
