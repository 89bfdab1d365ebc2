//! Rows of tables as JSON: null is said, bytes that are no text are base64, and what JSON has no type for is text.

use crate::io::casualties::write_base64;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, make_array, new_empty_array};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// Writes some values in another way than the library: bytes in base64; and, where somebody is to be told of them, numbers
/// that JSON cannot say as words, where the library says null.
#[derive(Debug, Default)]
struct Ways {
    /// Notes that there was such a number.
    unsayable: Option<Arc<AtomicBool>>,
}

struct Base64<'a, F: Fn(usize) -> &'a [u8]>(F);

impl<'a, F: Fn(usize) -> &'a [u8]> Encoder for Base64<'a, F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        write_base64((self.0)(row), out);
        out.push(b'"');
    }
}

/// Writes numbers, and those that JSON cannot say as words.
struct Numbers<'a, F: Fn(usize) -> f64> {
    number: F,
    sayable: NullableEncoder<'a>,
    unsayable: Arc<AtomicBool>,
}

impl<F: Fn(usize) -> f64> Encoder for Numbers<'_, F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let number = (self.number)(row);
        if number.is_finite() {
            return self.sayable.encode(row, out);
        }
        self.unsayable.store(true, Ordering::Relaxed);
        let word: &[u8] = match number {
            f64::INFINITY => br#""Infinity""#,
            f64::NEG_INFINITY => br#""-Infinity""#,
            _ => br#""NaN""#,
        };
        out.extend_from_slice(word);
    }
}

impl Ways {
    fn numbers<'a, F: Fn(usize) -> f64 + 'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        number: F,
    ) -> Result<Option<Box<dyn Encoder + 'a>>, ArrowError> {
        static USUAL: LazyLock<EncoderOptions> = LazyLock::new(EncoderOptions::default);
        let Some(unsayable) = &self.unsayable else {
            return Ok(None);
        };
        Ok(Some(Box::new(Numbers {
            number,
            sayable: make_encoder(field, array, &USUAL)?,
            unsayable: Arc::clone(unsayable),
        })))
    }
}

impl EncoderFactory for Ways {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let numbers = match array.data_type() {
            DataType::Float16 => {
                let array = array.as_primitive::<Float16Type>();
                self.numbers(field, array, |row| array.value(row).to_f64())?
            }
            DataType::Float32 => {
                let array = array.as_primitive::<Float32Type>();
                self.numbers(field, array, |row| f64::from(array.value(row)))?
            }
            DataType::Float64 => {
                let array = array.as_primitive::<Float64Type>();
                self.numbers(field, array, |row| array.value(row))?
            }
            _ => None,
        };
        if let Some(numbers) = numbers {
            return Ok(Some(NullableEncoder::new(numbers, array.nulls().cloned())));
        }
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

fn options(ways: Ways) -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(ways))
}

/// The rows of a column that hold numbers which JSON cannot say, NaN and the infinities, at any depth. Columns without any,
/// which is most, are looked through quickly.
#[must_use]
pub fn unsayable_rows(field: &FieldRef, column: &ArrayRef) -> Vec<usize> {
    if !has_unsayable(column) {
        return Vec::new();
    }
    let unsayable = Arc::new(AtomicBool::new(false));
    let options = options(Ways {
        unsayable: Some(Arc::clone(&unsayable)),
    });
    // What cannot be written at all was refused before the run.
    let Ok(mut encoder) = make_encoder(field, column, &options) else {
        return Vec::new();
    };
    let mut written = Vec::new();
    let mut is_unsayable = |row: &usize| {
        written.clear();
        if !encoder.is_null(*row) {
            encoder.encode(*row, &mut written);
        }
        unsayable.swap(false, Ordering::Relaxed)
    };
    (0..column.len()).filter(|row| is_unsayable(row)).collect()
}

/// Whether there is such a number anywhere, be it under a null.
fn has_unsayable(column: &ArrayRef) -> bool {
    match column.data_type() {
        DataType::Float16 => !column
            .as_primitive::<Float16Type>()
            .values()
            .iter()
            .all(|number| number.is_finite()),
        DataType::Float32 => !column
            .as_primitive::<Float32Type>()
            .values()
            .iter()
            .all(|number| number.is_finite()),
        DataType::Float64 => !column
            .as_primitive::<Float64Type>()
            .values()
            .iter()
            .all(|number| number.is_finite()),
        _ => {
            let data = column.to_data();
            data.child_data()
                .iter()
                .any(|child| has_unsayable(&make_array(child.clone())))
        }
    }
}

/// Whether JSON can hold the values of a column. The error says why not.
pub(super) fn check(field: &FieldRef) -> Result<(), ArrowError> {
    let empty = new_empty_array(field.data_type());
    make_encoder(field, &empty, &options(Ways::default())).map(drop)
}

/// Appends a line for each row. Numbers that JSON cannot say become null: whoever must not lose them asks for
/// [`unsayable_rows`] first.
pub(super) fn write_rows(table: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    write(table, Ways::default(), out)
}

fn write(table: &RecordBatch, ways: Ways, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    if table.num_rows() == 0 {
        return Ok(());
    }
    let rows = StructArray::from(table.clone());
    let field = Arc::new(Field::new_struct("row", table.schema().fields().clone(), false));
    let options = options(ways);
    let mut encoder = make_encoder(&field, &rows, &options)?;
    for row in 0..table.num_rows() {
        encoder.encode(row, out);
        out.push(b'\n');
    }
    Ok(())
}

/// One row of a table as an object. Columns that JSON cannot hold are left out, and numbers that it cannot say are words.
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
    let ways = Ways {
        unsayable: Some(Arc::default()),
    };
    let written =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).and_then(|table| write(&table, ways, &mut out));
    out.pop();
    if written.is_err() || out.is_empty() {
        return b"{}".to_vec();
    }
    out
}
