//! What JSON says: the text of a string with escapes, and the value of a field.

use crate::error::{Failure, FailureKind};
use crate::record::Value;
use crate::record::json_string::unescaped;
use crate::simd::json::unescape_to_unicode;

/// The index of the escape that is half of a surrogate pair without its other half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoneSurrogate(pub(super) usize);

impl LoneSurrogate {
    /// The failure of a string that stands `offset` bytes into its line, in the field `name`.
    pub(super) fn failure(self, spelled: &str, offset: usize, name: &str) -> Failure {
        let escape = spelled.get(self.0..self.0 + 6).unwrap_or_default();
        Failure::new(
            FailureKind::Surrogate,
            format!(
                "The field `{name}` holds `{escape}` at column {}, which is half of a surrogate pair and no character by itself.",
                offset + self.0 + 1
            ),
        )
    }
}

/// Appends the text that the inside of a JSON string spells. The scanner has checked the escapes, except for surrogates.
pub(super) fn unescape(spelled: &str, out: &mut String) -> Result<(), LoneSurrogate> {
    let bytes = spelled.as_bytes();
    let mut at = unescape_to_unicode(spelled, 0, out);
    while at < bytes.len() {
        // Where all that is not ASCII is spelled so, such escapes follow each other.
        while bytes[at..].starts_with(b"\\u") {
            let (character, next) = unicode_escape(bytes, at);
            out.push(character.ok_or(LoneSurrogate(at))?);
            at = next;
        }
        at = unescape_to_unicode(spelled, at, out);
    }
    Ok(())
}

/// The character of the escape at `at` and the index after it; `None` for a surrogate without its other half.
fn unicode_escape(bytes: &[u8], at: usize) -> (Option<char>, usize) {
    let unit = unit_at(bytes, at).unwrap_or_default();
    let next = at + 6;
    if let Some(character) = char::from_u32(unit) {
        return (Some(character), next);
    }
    if unit < 0xdc00
        && let Some(low @ 0xdc00..=0xdfff) = unit_at(bytes, next)
    {
        let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(code), next + 6);
    }
    (None, next)
}

/// The number of a `\uXXXX` escape, if there is one.
#[inline]
fn unit_at(bytes: &[u8], at: usize) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.get(at..)?.first_chunk::<6>()? else {
        return None;
    };
    let [first, second, third, fourth] = digits.map(|digit| DIGITS[usize::from(digit)]);
    // One that is no digit marks the upper half of its byte.
    let valid = (first | second | third | fourth) < 0x10;
    valid.then(|| u32::from(first) << 12 | u32::from(second) << 8 | u32::from(third) << 4 | u32::from(fourth))
}

/// The values of the hexadecimal digits.
const DIGITS: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// The bytes that the inside of a JSON string spells, where a lone surrogate is encoded like any other number. For
/// comparing keys only: nothing of it is ever written.
pub(super) fn unescape_loosely(spelled: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(spelled.len());
    let mut at = 0;
    while at < spelled.len() {
        if spelled[at] != b'\\' {
            out.push(spelled[at]);
            at += 1;
            continue;
        }
        let escaped = spelled.get(at + 1).copied().unwrap_or(b'\\');
        let next = match escaped {
            b'u' => {
                let (character, next) = unicode_escape(spelled, at);
                if let Some(character) = character {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                } else {
                    // No UTF-8 begins with this byte, so nothing else can be taken for it.
                    out.push(0xff);
                    out.extend_from_slice(&unit_at(spelled, at).unwrap_or_default().to_be_bytes());
                }
                next
            }
            other => {
                out.push(unescaped(other));
                at + 2
            }
        };
        at = next;
    }
    out
}

/// The value that a valid piece of JSON spells. A number that no variant would write as the same number stays as it is spelled.
pub(super) fn parse(json: &str) -> Result<Value, LoneSurrogate> {
    Ok(match json.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Boolean(true),
        Some(b'f') => Value::Boolean(false),
        Some(b'"') => {
            let mut text = String::new();
            unescape(&json[1..json.len() - 1], &mut text).map_err(|LoneSurrogate(at)| LoneSurrogate(at + 1))?;
            Value::Text(text)
        }
        Some(b'-' | b'0'..=b'9') => number(json),
        _ => Value::Json(json.to_owned()),
    })
}

fn number(spelled: &str) -> Value {
    let as_spelled = || Value::Json(spelled.to_owned());
    if !spelled.contains(['.', 'e', 'E']) {
        return match spelled.parse() {
            // Minus zero is a number of its own in some languages.
            Ok(0) if spelled.starts_with('-') => as_spelled(),
            Ok(integer) => Value::Integer(integer),
            Err(_) => as_spelled(),
        };
    }
    let Ok(float) = spelled.parse::<f64>() else {
        return as_spelled();
    };
    let mantissa = spelled.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_matches('0').len();
    // A double keeps 15 decimal digits, if it is neither infinite nor so small that it loses bits.
    let kept = if significant == 0 {
        true
    } else {
        significant <= 15 && float.is_normal()
    };
    let same_spelling = || serde_json::Number::from_f64(float).is_some_and(|number| number.to_string() == spelled);
    if kept || same_spelling() {
        Value::Float(float)
    } else {
        as_spelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescaped(spelled: &str) -> Result<String, LoneSurrogate> {
        let mut out = String::new();
        unescape(spelled, &mut out).map(|()| out)
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(
            unescaped(r#"a\n\t\r\b\f\"\\\/\u00e9\ud83d\uDE00z"#),
            Ok("a\n\t\r\u{8}\u{c}\"\\/é😀z".to_owned())
        );
    }

    #[test]
    fn surrogates_need_their_other_half() {
        assert_eq!(unescaped(r"ab\ud800"), Err(LoneSurrogate(2)));
        assert_eq!(unescaped(r"\ude00\ud83d"), Err(LoneSurrogate(0)));
        assert_eq!(unescaped(r"\ud83dx\ude00"), Err(LoneSurrogate(0)));
        assert_eq!(unescaped(r"\ud83d\ud83d\ude00"), Err(LoneSurrogate(0)));
    }

    #[test]
    fn numbers_are_never_changed_silently() {
        let json = |spelled: &str| Value::Json(spelled.to_owned());
        for (spelled, expected) in [
            ("0", Value::Integer(0)),
            ("-0", json("-0")),
            ("9223372036854775807", Value::Integer(i64::MAX)),
            ("9223372036854775808", json("9223372036854775808")),
            ("0.1", Value::Float(0.1)),
            ("-0.0", Value::Float(-0.0)),
            ("1.50", Value::Float(1.5)),
            ("1e400", json("1e400")),
            ("1e-400", json("1e-400")),
            ("0e999", Value::Float(0.0)),
            ("0.30000000000000004", Value::Float(0.300_000_000_000_000_04)),
            ("0.1234567890123456789", json("0.1234567890123456789")),
        ] {
            assert_eq!(parse(spelled).unwrap(), expected, "{spelled}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_back(text in any::<String>(), integer: i64, float in any::<f64>()) {
            let spelled = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(parse(&spelled).unwrap(), Value::Text(text.clone()));
            prop_assert_eq!(unescape_loosely(&spelled.as_bytes()[1..spelled.len() - 1]), text.into_bytes());
            prop_assert_eq!(parse(&integer.to_string()).unwrap(), Value::Integer(integer));
            if float.is_finite() {
                let spelled = serde_json::to_string(&float).unwrap();
                prop_assert_eq!(parse(&spelled).unwrap(), Value::Float(float));
            }
        }
    }
}
