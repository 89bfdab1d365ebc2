//! What is wrong with a line of JSON Lines, as the scanner sees it and as a person reads it.

use super::json_scan::{Spelled, string};
use crate::error::{Failure, FailureKind, needs_escape};
use std::ops::Range;

/// What is wrong with a line, and where. Rare, so it becomes a sentence only when it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) kind: FailureKind,
    /// The index of the byte where it was seen.
    pub(super) at: usize,
    /// What should have stood there.
    pub(super) expected: &'static str,
}

impl Flaw {
    pub(super) fn json(at: usize, expected: &'static str) -> Self {
        Self {
            kind: FailureKind::Json,
            at,
            expected,
        }
    }

    /// The failure of the record in `line`.
    pub(super) fn failure(self, bytes: &[u8], line: &Range<usize>, depth_limit: usize) -> Failure {
        let column = self.at - line.start + 1;
        match self.kind {
            FailureKind::JsonDepth => Failure::new(
                self.kind,
                format!("The JSON is nested deeper than the limit of {depth_limit} levels, at column {column}."),
            ),
            FailureKind::DuplicateKey => {
                let key = key_at(bytes, self.at, line.end);
                Failure::new(
                    self.kind,
                    format!("The object has the key `{key}` a second time, at column {column}."),
                )
            }
            FailureKind::NotObject => Failure::new(
                self.kind,
                format!(
                    "The JSON value is not an object: expected `{{` at column {column}, found {}.",
                    found(bytes, self.at, line.end)
                ),
            ),
            kind => Failure::new(
                kind,
                format!(
                    "The line is not JSON: expected {} at column {column}, found {}.",
                    self.expected,
                    found(bytes, self.at, line.end)
                ),
            ),
        }
    }
}

/// The key whose opening quote stands at `at`, fit for a message.
fn key_at(bytes: &[u8], at: usize, end: usize) -> String {
    let key = string(bytes, at + 1, end).map_or(at + 1..end, Spelled::range);
    shown(&bytes[key])
}

fn found(bytes: &[u8], at: usize, end: usize) -> String {
    if at >= end {
        return "the end of the line".to_owned();
    }
    let rest = &bytes[at..end];
    let character = rest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    match character {
        Some(character) => format!("`{}`", shown(character.to_string().as_bytes())),
        None => format!("the byte `0x{:02x}`", rest[0]),
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    for character in text.chars().take(80) {
        if needs_escape(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}
