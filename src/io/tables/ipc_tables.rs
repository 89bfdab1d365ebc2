//! Makes tables of the messages of Arrow IPC, and keeps what is bad in one row from harming the others.

use super::{guarded, ipc_lengths};
use crate::batch::{FlawedRow, Original};
use crate::error::{Failure, FailureKind};
use crate::io::json_of_row;
use crate::step::Limits;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch, RecordBatchOptions, StringArray, StringViewArray};
use arrow_buffer::Buffer;
use arrow_ipc::Message;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// What messages are made tables with: their schema, and the dictionaries that have come.
pub(super) struct TableMaker {
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    limits: Limits,
}

impl TableMaker {
    /// A maker of tables of the schema that a file or a stream begins with.
    pub(super) fn new(schema: arrow_ipc::Schema<'_>, limits: Limits) -> Result<Self, String> {
        if !schema.endianness().equals_to_target_endianness() {
            return Err("its numbers lie in the byte order of another kind of machine".to_owned());
        }
        Ok(Self {
            schema: guarded(|| Ok::<_, String>(Arc::new(fb_to_schema(schema))))?,
            dictionaries: HashMap::new(),
            limits,
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Notes a dictionary.
    pub(super) fn add_dictionary(&mut self, message: &Message<'_>, body: &Buffer) -> Result<(), String> {
        check_lengths(message, body, self.limits)?;
        let dictionary = message.header_as_dictionary_batch().ok_or("it is no dictionary")?;
        let (schema, known) = (&self.schema, &mut self.dictionaries);
        guarded(|| read_dictionary(body, dictionary, schema, known, &message.version()))
    }

    /// The table of a message, whose first row has this number in its input, and those of its rows that cannot be read.
    pub(super) fn table(
        &self,
        message: &Message<'_>,
        body: &Buffer,
        first: u64,
    ) -> Result<(RecordBatch, Vec<FlawedRow>), String> {
        check_lengths(message, body, self.limits)?;
        let batch = message.header_as_record_batch().ok_or("it is no batch")?;
        let read = |schema: &SchemaRef| {
            let schema = Arc::clone(schema);
            guarded(|| read_record_batch(body, batch, schema, &self.dictionaries, None, &message.version()))
        };
        match read(&self.schema) {
            Ok(table) => Ok((table, Vec::new())),
            // Texts lie as bytes do, and bytes can be anything.
            Err(reason) => match read(&as_bytes(&self.schema)).map(|bytes| texts(&self.schema, &bytes, first)) {
                Ok(Some((table, flawed))) => Ok((table, flawed)),
                _ => Err(reason),
            },
        }
    }
}

/// Refuses a message that says that it becomes more than is allowed.
fn check_lengths(message: &Message<'_>, body: &Buffer, limits: Limits) -> Result<(), String> {
    guarded(|| {
        ipc_lengths::check(message, limits, |place, bytes| {
            let part = usize::try_from(place)
                .ok()
                .and_then(|place| body.get(place..)?.get(..bytes.len()));
            bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    })
}

/// A schema whose texts are bytes. Those within dictionaries, lists and structs stay what they are.
fn as_bytes(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema.fields().iter().map(|field| field_as_bytes(field)).collect();
    Arc::new(Schema::new(fields))
}

fn field_as_bytes(field: &Field) -> Field {
    let bytes = match field.data_type() {
        DataType::Utf8 => DataType::Binary,
        DataType::LargeUtf8 => DataType::LargeBinary,
        DataType::Utf8View => DataType::BinaryView,
        _ => return field.clone(),
    };
    field.clone().with_data_type(bytes)
}

/// The table that was read as bytes, with its texts, where those that are not UTF-8 are empty, and the rows that have such.
/// `None` if there are none, so that something else must be wrong with it.
fn texts(schema: &SchemaRef, bytes: &RecordBatch, first: u64) -> Option<(RecordBatch, Vec<FlawedRow>)> {
    let mut columns = Vec::with_capacity(bytes.num_columns());
    // The first column that is in the way, for each row that has one.
    let mut found: Vec<Option<usize>> = vec![None; bytes.num_rows()];
    for (index, (field, column)) in schema.fields().iter().zip(bytes.columns()).enumerate() {
        let mut text = |(row, value): (usize, Option<&[u8]>)| {
            value.map(|value| {
                let text = simdutf8::basic::from_utf8(value).ok();
                if text.is_none() {
                    found[row].get_or_insert(index);
                }
                String::from(text.unwrap_or_default())
            })
        };
        columns.push(match field.data_type() {
            DataType::Utf8 => {
                let values = column.as_binary::<i32>().iter().enumerate();
                Arc::new(values.map(&mut text).collect::<StringArray>()) as ArrayRef
            }
            DataType::LargeUtf8 => {
                let values = column.as_binary::<i64>().iter().enumerate();
                Arc::new(values.map(&mut text).collect::<LargeStringArray>())
            }
            DataType::Utf8View => {
                let values = column.as_binary_view().iter().enumerate();
                Arc::new(values.map(&mut text).collect::<StringViewArray>())
            }
            _ => Arc::clone(column),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(bytes.num_rows()));
    let table = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).ok()?;
    let flaws = found
        .iter()
        .enumerate()
        .filter_map(|(row, column)| Some((row, (*column)?)));
    let flawed: Vec<FlawedRow> = flaws
        .map(|(row, column)| FlawedRow {
            offset: first + row as u64,
            failure: not_utf8(schema.field(column).name(), bytes.column(column), row),
            original: Original::Json(json_of_row(&row_as_it_is(&table, bytes, row), 0)),
        })
        .collect();
    (!flawed.is_empty()).then_some((table, flawed))
}

/// A row whose texts are texts, and bytes where they are not UTF-8.
fn row_as_it_is(table: &RecordBatch, bytes: &RecordBatch, row: usize) -> RecordBatch {
    let schema = table.schema();
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = schema
        .fields()
        .iter()
        .zip(table.columns().iter().zip(bytes.columns()))
        .map(|(field, (column, bytes))| {
            if value(bytes, row).is_some_and(|value| std::str::from_utf8(value).is_err()) {
                (field_as_bytes(field), bytes.slice(row, 1))
            } else {
                (field.as_ref().clone(), column.slice(row, 1))
            }
        })
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .unwrap_or_else(|_| table.slice(row, 1))
}

/// The bytes in a row of a column, if the column may be one of texts that were read as bytes.
fn value(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(column.as_binary_view().value(row)),
        _ => None,
    }
}

fn not_utf8(name: &str, column: &ArrayRef, row: usize) -> Failure {
    let value = value(column, row).unwrap_or_default();
    let offset = std::str::from_utf8(value).map_or_else(|error| error.valid_up_to(), |_| value.len());
    let byte = value.get(offset).copied().unwrap_or_default();
    let message = format!(
        "The column `{name}` holds bytes that are not UTF-8: expected a character at byte offset {offset} of the value, found \
         `0x{byte:02x}`."
    );
    Failure::new(FailureKind::Utf8, message).with_hint("Whatever made the table is at fault.")
}
