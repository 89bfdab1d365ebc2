//! How numbers, texts, values and casualties are spelled in messages, and read back within bounds.

use crate::batch::{Casualty, Ending};
use crate::error::{Failure, FailureKind, shorten};
use crate::record::Value;
use std::ops::Range;

pub(super) fn write_casualty(casualty: &Casualty, out: &mut Vec<u8>) {
    put(out, casualty.row);
    put_half(out, casualty.step.unwrap_or(u16::MAX));
    match &casualty.ending {
        Ending::Rejected(reason) => {
            out.push(0);
            put_text(out, reason);
        }
        Ending::Failed(failure) => {
            out.push(1);
            put_text(out, failure.kind.name());
            put_text(out, &failure.message);
            for text in [&failure.error_type, &failure.traceback, &failure.hint] {
                out.push(u8::from(text.is_some()));
                put_text(out, text.as_deref().unwrap_or_default());
            }
        }
    }
}

pub(super) fn read_casualty(cursor: &mut Cursor<'_>, rows: u32) -> Option<Casualty> {
    let row = cursor.word().filter(|row| *row < rows)?;
    let step = Some(cursor.half()?).filter(|step| *step != u16::MAX);
    let ending = match cursor.byte()? {
        0 => Ending::Rejected(cursor.text()?.to_owned().into()),
        1 => {
            let kind = FailureKind::from_name(cursor.text()?)?;
            let mut failure = Failure::new(kind, cursor.text()?);
            let mut optional = || -> Option<Option<String>> {
                let is_there = cursor.byte()? == 1;
                let text = shorten(cursor.text()?.to_owned(), Failure::MESSAGE_LIMIT);
                Some(is_there.then_some(text))
            };
            (failure.error_type, failure.traceback, failure.hint) = (optional()?, optional()?, optional()?);
            Ending::Failed(Box::new(failure))
        }
        _ => return None,
    };
    Some(Casualty { row, step, ending })
}

pub(super) fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Missing => out.push(0),
        Value::Null => out.push(1),
        Value::Boolean(value) => out.extend_from_slice(&[2, u8::from(*value)]),
        Value::Integer(number) => {
            out.push(3);
            put_long(out, *number as u64);
        }
        Value::Float(number) => {
            out.push(4);
            put_long(out, number.to_bits());
        }
        Value::Text(text) => {
            out.push(5);
            put_text(out, text);
        }
        Value::Json(json) => {
            out.push(6);
            put_text(out, json);
        }
    }
}

pub(super) fn read_value(cursor: &mut Cursor<'_>) -> Option<Value> {
    Some(match cursor.byte()? {
        0 => Value::Missing,
        1 => Value::Null,
        2 => Value::Boolean(cursor.byte()? == 1),
        3 => Value::Integer(cursor.long()?.cast_signed()),
        4 => Value::Float(f64::from_bits(cursor.long()?)),
        5 => Value::Text(cursor.text()?.to_owned()),
        6 => Value::Json(json_in_one_line(cursor.text()?)?.to_owned()),
        _ => return None,
    })
}

/// A value goes out as it is spelled, so it must be JSON that leaves a line whole.
fn json_in_one_line(json: &str) -> Option<&str> {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
    (is_json && !json.contains('\n')).then_some(json)
}

pub(super) fn put_half(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_long(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
}

/// Reads bytes one after the other, within bounds.
pub(super) struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    /// A range that does not lie in the bytes holds nothing.
    pub(super) fn new(bytes: &'b [u8], range: Range<usize>) -> Self {
        Self {
            rest: bytes.get(range).unwrap_or_default(),
        }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn half(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.word()? as usize;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        simdutf8::basic::from_utf8(text).ok()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}
