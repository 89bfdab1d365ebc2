//! What a record is besides its text: its identity, the values of its fields, and its fate.

pub(crate) mod json_string;
mod spelling;

pub use json_string::{write_json_string, write_json_string_body};
pub use spelling::{Spelling, Text};

use serde::{Deserialize, Serialize};

/// What became of a record. Each input record ends with exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// At least one text of the output comes from it.
    Out,
    /// A step rejected it, with a reason.
    Rejected,
    /// It failed, and is kept with its error.
    Quarantined,
}

impl Fate {
    /// The word for this fate in files, tables and Python.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Rejected => "rejected",
            Self::Quarantined => "quarantined",
        }
    }
}

/// A place between two records of the inputs of a run: where the next record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    /// The index of the input.
    pub input: u32,
    /// The number of the next record in that input, counted from 0.
    pub ordinal: u64,
    /// The offset of its first byte, after decompression.
    pub offset: u64,
}

/// The type that a step declares for a field it adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Python's `str`.
    Text,
    /// Python's `int`, as far as it fits 64 bits.
    Integer,
    /// Python's `float`; an `int` is accepted and converted.
    Float,
    /// Python's `bool`.
    Boolean,
    /// Anything that JSON can say: Python's `list`, `dict`, `None` and the types above.
    Json,
}

/// A field that a step adds to the records it sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name, which is its key in JSON and its column in a table.
    pub name: String,
    /// Its type.
    pub r#type: FieldType,
}

/// The value of a field for one record.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// The record does not have the field.
    #[default]
    Missing,
    /// JSON's `null`.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// An array, an object, or a number no other variant can keep: as JSON text.
    Json(String),
}

impl Value {
    /// Appends the value as JSON, which is how files write it. A missing value and a number that JSON cannot say are `null`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Missing | Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Float(number) => {
                let number = serde_json::Number::from_f64(*number);
                out.extend_from_slice(
                    number
                        .map_or_else(|| "null".to_owned(), |number| number.to_string())
                        .as_bytes(),
                );
            }
            Self::Text(text) => write_json_string(text, out),
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_json_cannot_say_are_null() {
        let mut out = Vec::new();
        Value::Float(f64::NAN).write_json(&mut out);
        assert_eq!(out, b"null");
    }
}
