//! The values of fields in columns: read from columns that steps ask for, and written to columns that steps add.

use crate::io::{can_be_json, each_json, unsayable_rows};
use crate::record::{FieldType, Value};
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, new_empty_array, new_null_array};
use arrow_cast::{can_cast_types, cast};
use arrow_schema::{DataType, Field};
use std::collections::HashSet;
use std::sync::Arc;

/// How the values of a column become values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Null,
    Boolean,
    Integer,
    Float,
    Text,
    /// As JSON: lists, structures, and numbers too large for 64 bits with a sign.
    Json,
}

impl Reading {
    /// How a column of this type is read; `None` for bytes, which are no text, and for what cannot be written as text.
    pub(crate) fn of(r#type: &DataType) -> Option<Self> {
        Some(match r#type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Self::Integer,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::UInt64 => Self::Json,
            other if other.is_nested() && !matches!(other, DataType::Union(..) | DataType::RunEndEncoded(..)) => {
                let field = Arc::new(Field::new("value", other.clone(), true));
                return can_be_json(&field).then_some(Self::Json);
            }
            DataType::Dictionary(_, values) => return Self::of(values),
            DataType::RunEndEncoded(_, values) => return Self::of(values.data_type()),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Union(..) => return None,
            // Texts, and what has no type of its own in JSON: dates, times and decimals are written as text. Whether they can
            // be, the type alone does not tell: nobody knows each time zone.
            other if can_cast_types(other, &DataType::Utf8View) => {
                return cast(&new_empty_array(other), &DataType::Utf8View)
                    .is_ok()
                    .then_some(Self::Text);
            }
            _ => return None,
        })
    }
}

/// The values of a column. A value that cannot be said, or is a text and not UTF-8, is missing.
pub(crate) fn values(column: &ArrayRef, reading: Reading) -> Vec<Value> {
    // What is null among the values of a dictionary is null where it is used, which not each way through the library keeps.
    let flat = match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values).ok(),
        DataType::RunEndEncoded(_, values) => cast(column, values.data_type()).ok(),
        _ => None,
    };
    let column = flat.as_ref().unwrap_or(column);
    let as_type = |r#type: &DataType| match cast(column, r#type) {
        Ok(column) => column,
        // `Reading::of` only names types that can be had.
        Err(_) => new_null_array(r#type, column.len()),
    };
    match reading {
        Reading::Null => vec![Value::Null; column.len()],
        Reading::Boolean => {
            let column = as_type(&DataType::Boolean);
            read(column.as_boolean().iter(), Value::Boolean)
        }
        Reading::Integer => {
            let column = as_type(&DataType::Int64);
            read(column.as_primitive::<Int64Type>().iter(), Value::Integer)
        }
        Reading::Float => {
            let column = as_type(&DataType::Float64);
            read(column.as_primitive::<Float64Type>().iter(), Value::Float)
        }
        Reading::Text => match cast(column, &DataType::Utf8View) {
            Ok(texts) => read_texts(&texts),
            // One that cannot be said takes the others along, so each is asked for alone.
            Err(_) => (0..column.len())
                .flat_map(|row| one_text(&column.slice(row, 1)))
                .collect(),
        },
        Reading::Json => json(column),
    }
}

fn read<T>(values: impl Iterator<Item = Option<T>>, value: impl Fn(T) -> Value) -> Vec<Value> {
    values.map(|found| found.map_or(Value::Null, &value)).collect()
}

/// Whoever hands a table over may say of any bytes that they are text.
fn read_texts(texts: &ArrayRef) -> Vec<Value> {
    let bytes = texts.as_string_view().clone().to_binary_view();
    read(bytes.iter(), |bytes| {
        String::from_utf8(bytes.to_vec()).map_or(Value::Missing, Value::Text)
    })
}

fn one_text(column: &ArrayRef) -> Vec<Value> {
    cast(column, &DataType::Utf8View).map_or_else(|_| vec![Value::Missing], |texts| read_texts(&texts))
}

/// The values as JSON. Numbers that fit are numbers all the same.
fn json(column: &ArrayRef) -> Vec<Value> {
    let field = Arc::new(Field::new("value", column.data_type().clone(), true));
    let unsayable: HashSet<usize> = unsayable_rows(&field, column, false).into_iter().collect();
    let value = |row: usize, written: Option<&[u8]>| match written {
        _ if unsayable.contains(&row) => Value::Missing,
        None => Value::Null,
        Some(written) => {
            let text = String::from_utf8_lossy(written).into_owned();
            text.parse().map_or(Value::Json(text), Value::Integer)
        }
    };
    let mut values = Vec::with_capacity(column.len());
    if each_json(&field, column, |row, written| values.push(value(row, written))).is_err() {
        return vec![Value::Missing; column.len()];
    }
    values
}

/// The type of a column that holds what a step adds. What can be anything is JSON, as text.
pub(super) fn column_type(r#type: FieldType) -> DataType {
    match r#type {
        FieldType::Text | FieldType::Json => DataType::Utf8,
        FieldType::Integer => DataType::Int64,
        FieldType::Float => DataType::Float64,
        FieldType::Boolean => DataType::Boolean,
    }
}

/// A column of values, each of the declared type. Where a record does not have the field it is null.
pub(crate) fn column<'v>(r#type: FieldType, values: impl Iterator<Item = &'v Value>) -> ArrayRef {
    match r#type {
        FieldType::Boolean => {
            let mut column = BooleanBuilder::new();
            values.for_each(|value| {
                column.append_option(match value {
                    Value::Boolean(truth) => Some(*truth),
                    _ => None,
                });
            });
            Arc::new(column.finish())
        }
        FieldType::Integer => {
            let mut column = Int64Builder::new();
            values.for_each(|value| {
                column.append_option(match value {
                    Value::Integer(number) => Some(*number),
                    _ => None,
                });
            });
            Arc::new(column.finish())
        }
        FieldType::Float => {
            let mut column = Float64Builder::new();
            values.for_each(|value| {
                column.append_option(match value {
                    Value::Float(number) => Some(*number),
                    Value::Integer(number) => Some(*number as f64),
                    _ => None,
                });
            });
            Arc::new(column.finish())
        }
        FieldType::Text => {
            let mut column = StringBuilder::new();
            values.for_each(|value| {
                column.append_option(match value {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                });
            });
            Arc::new(column.finish())
        }
        FieldType::Json => {
            let mut column = StringBuilder::new();
            let mut written = Vec::new();
            values.for_each(|value| {
                if *value == Value::Missing {
                    return column.append_null();
                }
                written.clear();
                value.write_json(&mut written);
                column.append_value(String::from_utf8_lossy(&written));
            });
            Arc::new(column.finish())
        }
    }
}
