//! Writes rows of tables as lines: as JSON, or as cells between commas or tabulators.

use super::csv::{CellTables, delimiter};
use super::ipc::{IpcFile, IpcStream};
use super::parquet::ParquetTables;
use super::{Piece, TableReader, json};
use crate::error::{ConfigError, Result};
use crate::io::{Format, Input};
use crate::step::{Cancel, Limits};
use arrow_array::cast::AsArray;
use arrow_array::{Array as _, RecordBatch, new_empty_array};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Fields, Schema};
use csv::{Writer, WriterBuilder};
use std::collections::HashSet;
use std::path::Path;

/// Writes rows that need no file around them but a line with the names of the columns, where there is one.
#[derive(Debug, Clone)]
pub struct RowWriter {
    format: Format,
    header: Vec<String>,
}

impl RowWriter {
    /// A writer of the rows of a schema.
    ///
    /// # Errors
    /// If the format cannot hold one of the columns.
    pub fn new(format: Format, schema: &Schema) -> Result<Self, ConfigError> {
        if format == Format::Jsonl
            && let Some(name) = twice(schema.fields())
        {
            let message =
                format!("The table has more than one column `{name}`, and an object cannot hold a key twice.");
            return Err(ConfigError::new(message).with_hint(
                "Give the columns names that tell them apart, or write to a `.csv`, `.parquet` or `.arrow` file.",
            ));
        }
        for field in schema.fields() {
            let fits = match format {
                Format::Csv | Format::Tsv => is_cell(field.data_type()),
                _ => json::can_be_json(field),
            };
            if !fits {
                return Err(ConfigError::new(format!(
                    "The column `{}` holds {}, which {} cannot hold.",
                    field.name(),
                    field.data_type(),
                    format.title()
                ))
                .with_hint("Write to a `.parquet` or `.arrow` file."));
            }
        }
        Ok(Self {
            format,
            header: schema.fields().iter().map(|field| field.name().clone()).collect(),
        })
    }

    /// What stands before the first row.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        if self.format == Format::Jsonl {
            return Vec::new();
        }
        let mut cells = self.cells(Vec::new());
        // Writing to memory does not fail.
        let _ = cells.write_record(&self.header);
        cells.into_inner().unwrap_or_default()
    }

    /// Appends the rows.
    pub fn write(&self, table: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        if self.format == Format::Jsonl {
            return json::write_rows(table, out);
        }
        let options = FormatOptions::default();
        let columns: Vec<ArrayFormatter<'_>> = table
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        let mut cells = self.cells(std::mem::take(out));
        let failed = |error: &dyn std::fmt::Display| ArrowError::CsvError(error.to_string());
        let mut cell = String::new();
        for row in 0..table.num_rows() {
            for column in &columns {
                cell.clear();
                column.value(row).write(&mut cell)?;
                cells.write_field(&cell).map_err(|error| failed(&error))?;
            }
            cells.write_record(None::<&[u8]>).map_err(|error| failed(&error))?;
        }
        *out = cells.into_inner().map_err(|error| failed(&error.error()))?;
        Ok(())
    }

    fn cells(&self, out: Vec<u8>) -> Writer<Vec<u8>> {
        WriterBuilder::new().delimiter(delimiter(self.format)).from_writer(out)
    }
}

/// A name that more than one column or member of a structure has, at any depth.
fn twice(fields: &Fields) -> Option<&str> {
    let mut names = HashSet::new();
    let here = fields.iter().find(|field| !names.insert(field.name()));
    here.map(|field| field.name().as_str())
        .or_else(|| fields.iter().find_map(|field| twice_within(field.data_type())))
}

fn twice_within(r#type: &DataType) -> Option<&str> {
    match r#type {
        DataType::Struct(members) => twice(members),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => twice_within(item.data_type()),
        // The members of a map are a key and a value, of which the value stands in the object.
        DataType::Map(members, _) => match members.data_type() {
            DataType::Struct(members) => members.iter().find_map(|member| twice_within(member.data_type())),
            _ => None,
        },
        DataType::Dictionary(_, values) => twice_within(values),
        _ => None,
    }
}

/// Whether a value of a type is one cell.
fn is_cell(r#type: &DataType) -> bool {
    match r#type {
        DataType::Dictionary(_, values) => is_cell(values),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => false,
        // The library says which it cannot write, such as those of a time zone that nobody knows.
        other => {
            !other.is_nested() && ArrayFormatter::try_new(&new_empty_array(other), &FormatOptions::default()).is_ok()
        }
    }
}

/// How many rows a file of tables has. Every row is read where no footer tells.
pub fn rows_of_table(path: &Path, format: Format) -> Result<u64> {
    let mut rows = 0;
    each_table(path, format, Some(Vec::new()), |table| rows += table.num_rows() as u64)?;
    Ok(rows)
}

/// Calls `visit` with the number of each row of a file, counted from 1, and the value of its identity as text, if it has any.
pub fn identities_of_table(
    path: &Path,
    format: Format,
    key: &str,
    mut visit: impl FnMut(u64, Option<&str>),
) -> Result<()> {
    let mut number = 0;
    each_table(path, format, None, |table| {
        let ids = table
            .column_by_name(key)
            .and_then(|column| cast(column, &DataType::Utf8View).ok());
        for row in 0..table.num_rows() {
            number += 1;
            let ids = ids.as_ref().map(AsArray::as_string_view);
            visit(number, ids.filter(|ids| ids.is_valid(row)).map(|ids| ids.value(row)));
        }
    })
}

/// Calls `visit` with each table of a file, of which Parquet reads these columns only.
fn each_table(
    path: &Path,
    format: Format,
    wanted: Option<Vec<usize>>,
    mut visit: impl FnMut(&RecordBatch),
) -> Result<()> {
    // A run writes what it has read and made, however well that can be compressed.
    let limits = Limits {
        expansion: None,
        ..Limits::default()
    };
    let cancel = Cancel::default();
    let input = Input::at(path, &cancel)?;
    let mut reader: Box<dyn TableReader> = match format {
        Format::Parquet => Box::new(ParquetTables::open(&input, wanted, limits, &cancel)?),
        Format::Stream => Box::new(IpcStream::open(&input, limits, &cancel)?),
        Format::Csv | Format::Tsv => Box::new(CellTables::open(&input, format, limits, &cancel)?),
        _ => Box::new(IpcFile::open(&input, limits, &cancel)?),
    };
    while let Some(piece) = reader.next() {
        if let Piece::Table(table) = piece {
            visit(&table);
        }
    }
    Ok(())
}
