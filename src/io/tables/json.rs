//! Rows of tables as JSON: null is said, bytes that are no text are base64, and what JSON has no type for is text.

use crate::io::casualties::write_base64;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, RecordBatch, StructArray, new_empty_array};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use std::sync::Arc;

/// Writes bytes in base64 where the library has its own way.
#[derive(Debug)]
struct Base64Factory;

struct Base64<'a, F: Fn(usize) -> &'a [u8]>(F);

impl<'a, F: Fn(usize) -> &'a [u8]> Encoder for Base64<'a, F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        write_base64((self.0)(row), out);
        out.push(b'"');
    }
}

impl EncoderFactory for Base64Factory {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Binary => {
                let array = array.as_binary::<i32>();
                Box::new(Base64(|row| array.value(row)))
            }
            DataType::LargeBinary => {
                let array = array.as_binary::<i64>();
                Box::new(Base64(|row| array.value(row)))
            }
            DataType::BinaryView => {
                let array = array.as_binary_view();
                Box::new(Base64(|row| array.value(row)))
            }
            DataType::FixedSizeBinary(_) => {
                let array = array.as_fixed_size_binary();
                Box::new(Base64(|row| array.value(row)))
            }
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

fn options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Base64Factory))
}

/// Whether JSON can hold the values of a column. The error says why not.
pub(super) fn check(field: &FieldRef) -> Result<(), ArrowError> {
    let empty = new_empty_array(field.data_type());
    make_encoder(field, &empty, &options()).map(drop)
}

/// Appends a line for each row.
pub(super) fn write_rows(table: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    if table.num_rows() == 0 {
        return Ok(());
    }
    let rows = StructArray::from(table.clone());
    let field = Arc::new(Field::new_struct("row", table.schema().fields().clone(), false));
    let options = options();
    let mut encoder = make_encoder(&field, &rows, &options)?;
    for row in 0..table.num_rows() {
        encoder.encode(row, out);
        out.push(b'\n');
    }
    Ok(())
}

/// One row of a table as an object. Columns that JSON cannot hold are left out.
#[must_use]
pub fn json_of_row(table: &RecordBatch, row: usize) -> Vec<u8> {
    let schema = table.schema();
    let (fields, columns): (Vec<FieldRef>, Vec<_>) = schema
        .fields()
        .iter()
        .zip(table.columns())
        .filter(|(field, _)| check(field).is_ok())
        .map(|(field, column)| (Arc::clone(field), column.slice(row, 1)))
        .unzip();
    let mut out = Vec::new();
    let written =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).and_then(|table| write_rows(&table, &mut out));
    out.pop();
    if written.is_err() || out.is_empty() {
        return b"{}".to_vec();
    }
    out
}
