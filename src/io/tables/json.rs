//! Rows of tables as JSON: null is said, bytes that are no text are base64, and what JSON has no type for is text.

use super::times::Times;
use crate::io::casualties::write_base64;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, make_array, new_empty_array};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// Writes some values in another way than the library: bytes in base64; and, where somebody is to be told of them, what
/// cannot be said: numbers as words, where the library says null, and times as numbers, where it says what went wrong.
#[derive(Debug, Default)]
struct Ways {
    /// Notes that there was such a value.
    unsayable: Option<Unsayable>,
}

/// Notes that there was a value that cannot be said.
#[derive(Debug, Clone)]
struct Unsayable {
    found: Arc<AtomicBool>,
    /// Whether numbers that JSON has no word for count: NaN and the infinities.
    numbers: bool,
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
    unsayable: Unsayable,
}

impl<F: Fn(usize) -> f64> Encoder for Numbers<'_, F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let number = (self.number)(row);
        if number.is_finite() {
            return self.sayable.encode(row, out);
        }
        self.unsayable.found.fetch_or(self.unsayable.numbers, Ordering::Relaxed);
        let word: &[u8] = match number {
            f64::INFINITY => br#""Infinity""#,
            f64::NEG_INFINITY => br#""-Infinity""#,
            _ => br#""NaN""#,
        };
        out.extend_from_slice(word);
    }
}

/// Writes dates, times and durations, and those that have no words as the numbers that they are.
struct Moments<'a> {
    times: Times<'a>,
    sayable: NullableEncoder<'a>,
    unsayable: Unsayable,
}

impl Encoder for Moments<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let number = (self.times.number)(row);
        if (self.times.is_sayable)(number) {
            return self.sayable.encode(row, out);
        }
        self.unsayable.found.store(true, Ordering::Relaxed);
        out.extend_from_slice(format!("\"{number}\"").as_bytes());
    }
}

/// Writes the values of a dictionary.
struct Keyed<'a> {
    keys: Vec<usize>,
    values: NullableEncoder<'a>,
}

impl Encoder for Keyed<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        self.values.encode(self.keys[row], out);
    }
}

/// How the library writes, but for what is written in ways of our own.
static USUAL: LazyLock<EncoderOptions> = LazyLock::new(EncoderOptions::default);

impl Ways {
    fn numbers<'a, F: Fn(usize) -> f64 + 'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        number: F,
    ) -> Result<Option<Box<dyn Encoder + 'a>>, ArrowError> {
        let Some(unsayable) = &self.unsayable else {
            return Ok(None);
        };
        Ok(Some(Box::new(Numbers {
            number,
            sayable: make_encoder(field, array, &USUAL)?,
            unsayable: unsayable.clone(),
        })))
    }

    fn times<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
    ) -> Result<Option<Box<dyn Encoder + 'a>>, ArrowError> {
        let (Some(unsayable), Some(times)) = (&self.unsayable, Times::of(array)) else {
            return Ok(None);
        };
        Ok(Some(Box::new(Moments {
            times,
            sayable: make_encoder(field, array, &USUAL)?,
            unsayable: unsayable.clone(),
        })))
    }
}

impl EncoderFactory for Ways {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
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
            _ => self.times(field, array)?,
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
            DataType::Dictionary(..) if !array.as_any_dictionary().values().is_empty() => {
                let dictionary = array.as_any_dictionary();
                let keyed = Keyed {
                    keys: dictionary.normalized_keys(),
                    values: make_encoder(field, dictionary.values().as_ref(), options)?,
                };
                // The library looks at the nulls among the keys only.
                return Ok(Some(NullableEncoder::new(Box::new(keyed), array.logical_nulls())));
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

/// The rows of a column that hold what cannot be written as text, at any depth: dates, times and durations that are beyond
/// what can be counted, and, where `numbers` is said, what JSON has no numbers for: NaN and the infinities. Columns without
/// any, which is most, are looked through quickly.
#[must_use]
pub fn unsayable_rows(field: &FieldRef, column: &ArrayRef, numbers: bool) -> Vec<usize> {
    if !has_unsayable(column, numbers) {
        return Vec::new();
    }
    let found = Arc::new(AtomicBool::new(false));
    let options = options(Ways {
        unsayable: Some(Unsayable {
            found: Arc::clone(&found),
            numbers,
        }),
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
        found.swap(false, Ordering::Relaxed)
    };
    (0..column.len()).filter(|row| is_unsayable(row)).collect()
}

/// Whether there is such a value anywhere, be it under a null.
fn has_unsayable(column: &ArrayRef, numbers: bool) -> bool {
    match column.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 if !numbers => false,
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
        _ => match Times::of(column) {
            Some(times) => times.has_unsayable(column.len()),
            None => {
                let data = column.to_data();
                let mut children = data.child_data().iter();
                children.any(|child| has_unsayable(&make_array(child.clone()), numbers))
            }
        },
    }
}

/// Whether JSON can hold the values of a column.
#[must_use]
pub fn can_be_json(field: &FieldRef) -> bool {
    let empty = new_empty_array(field.data_type());
    make_encoder(field, &empty, &options(Ways::default())).is_ok()
}

/// Calls `visit` with each row of a column and its value as JSON; `None` is null.
///
/// # Errors
/// If JSON cannot hold the values of the column.
pub fn each_json(
    field: &FieldRef,
    column: &ArrayRef,
    mut visit: impl FnMut(usize, Option<&[u8]>),
) -> Result<(), ArrowError> {
    let options = options(Ways::default());
    let mut encoder = make_encoder(field, column, &options)?;
    let mut written = Vec::new();
    for row in 0..column.len() {
        written.clear();
        let is_null = encoder.is_null(row);
        if !is_null {
            encoder.encode(row, &mut written);
        }
        visit(row, (!is_null).then_some(&written));
    }
    Ok(())
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
        .filter(|(field, _)| can_be_json(field))
        .map(|(field, column)| (Arc::clone(field), column.slice(row, 1)))
        .unzip();
    let mut out = Vec::new();
    let ways = Ways {
        unsayable: Some(Unsayable {
            found: Arc::default(),
            numbers: true,
        }),
    };
    let written =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).and_then(|table| write(&table, ways, &mut out));
    out.pop();
    if written.is_err() || out.is_empty() {
        return b"{}".to_vec();
    }
    out
}
