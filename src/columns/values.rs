//! The values of fields in columns: read from columns that steps ask for, and written to columns that steps add.

use crate::record::{FieldType, Value};
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_cast::{can_cast_types, cast};
use arrow_json::EncoderOptions;
use arrow_json::writer::make_encoder;
use arrow_schema::{DataType, Field};
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
            DataType::UInt64
            | DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Struct(_)
            | DataType::Map(..) => Self::Json,
            DataType::Dictionary(_, values) => return Self::of(values),
            DataType::RunEndEncoded(_, values) => return Self::of(values.data_type()),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Union(..) => return None,
            // Texts, and what has no type of its own in JSON: dates, times and decimals are written as text.
            other if can_cast_types(other, &DataType::Utf8View) => Self::Text,
            _ => return None,
        })
    }
}

/// The values of a column.
pub(crate) fn values(column: &ArrayRef, reading: Reading) -> Vec<Value> {
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
        Reading::Text => {
            let column = as_type(&DataType::Utf8View);
            read(column.as_string_view().iter(), |text| Value::Text(text.to_owned()))
        }
        Reading::Json => json(column),
    }
}

fn read<T>(values: impl Iterator<Item = Option<T>>, value: impl Fn(T) -> Value) -> Vec<Value> {
    values.map(|found| found.map_or(Value::Null, &value)).collect()
}

/// The values as JSON. Numbers that fit are numbers all the same.
fn json(column: &ArrayRef) -> Vec<Value> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let field = Arc::new(Field::new("value", column.data_type().clone(), true));
    let Ok(mut encoder) = make_encoder(&field, column, &options) else {
        return vec![Value::Missing; column.len()];
    };
    let mut written = Vec::new();
    let value = |row: usize| {
        if encoder.is_null(row) {
            return Value::Null;
        }
        written.clear();
        encoder.encode(row, &mut written);
        let text = String::from_utf8_lossy(&written).into_owned();
        text.parse().map_or(Value::Json(text), Value::Integer)
    };
    (0..column.len()).map(value).collect()
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
