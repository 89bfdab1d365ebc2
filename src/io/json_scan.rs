//! Checks one line of JSON Lines and finds the members of its object, without building anything.
//!
//! A line is copied to the output as it stands wherever it can be, so all that is needed of it is whether it is JSON and
//! where its members lie. The scanner knows the grammar of RFC 8259 and nothing else; it needs the bytes to be UTF-8
//! already, keeps no more than a bit of state per level of nesting, and never recurses.

use super::json_flaw::Flaw;
use crate::error::FailureKind;
use crate::simd::json::{short_string_end, string_end};
use std::collections::HashSet;
use std::ops::Range;

pub(super) use crate::simd::json::Escapes;

/// A string as it is spelled, between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spelled {
    /// The first byte after the quote.
    pub(super) start: usize,
    /// The closing quote.
    pub(super) end: usize,
    /// The escapes in it.
    pub(super) escapes: Escapes,
}

impl Spelled {
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A member of the object: its key, and where its value stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) key: Spelled,
    /// The first byte of the value.
    pub(super) start: usize,
    /// One past the last byte of the value.
    pub(super) end: usize,
    /// The escapes in the value, if it is a string.
    pub(super) escapes: Escapes,
}

/// Checks lines. Keeps its memory from line to line.
#[derive(Debug)]
pub(super) struct Scanner {
    depth_limit: usize,
    /// For each open array or object, whether it is an object.
    open: Vec<bool>,
    keys: Vec<Spelled>,
}

/// From how many keys on the keys of one object are compared by hash.
const FEW_KEYS: usize = 24;

impl Scanner {
    pub(super) fn new(depth_limit: usize) -> Self {
        Self {
            depth_limit,
            open: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Checks the line `line` of `bytes`, which must be UTF-8, and calls `visit` for each member of its object in order.
    /// What was visited before a flaw is seen is of no use.
    #[inline]
    pub(super) fn scan(&mut self, bytes: &[u8], line: Range<usize>, visit: impl FnMut(Member)) -> Result<(), Flaw> {
        self.keys.clear();
        let end = line.end;
        let start = skip_space(bytes, line.start, end);
        if byte(bytes, start, end) != b'{' {
            // Whether it is JSON at all is the more fundamental question.
            self.value(bytes, start, end, 0)
                .and_then(|after| at_end(bytes, after, end))?;
            return Err(Flaw {
                kind: FailureKind::NotObject,
                at: start,
                expected: "an object",
            });
        }
        if self.depth_limit == 0 {
            return Err(Self::too_deep(start));
        }
        let after = self.members(bytes, start + 1, end, visit)?;
        at_end(bytes, after, end)?;
        self.unique_keys(bytes)
    }

    fn members(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        end: usize,
        mut visit: impl FnMut(Member),
    ) -> Result<usize, Flaw> {
        at = skip_space(bytes, at, end);
        if byte(bytes, at, end) == b'}' {
            return Ok(at + 1);
        }
        loop {
            if byte(bytes, at, end) != b'"' {
                return Err(Flaw::json(at, "a key in double quotes"));
            }
            let key = string(bytes, at + 1, end)?;
            self.keys.push(key);
            at = skip_space(bytes, key.end + 1, end);
            if byte(bytes, at, end) != b':' {
                return Err(Flaw::json(at, "`:` after the key"));
            }
            let start = skip_space(bytes, at + 1, end);
            let (after, escapes) = if byte(bytes, start, end) == b'"' {
                let value = string(bytes, start + 1, end)?;
                (value.end + 1, value.escapes)
            } else {
                (self.value(bytes, start, end, 1)?, Escapes::None)
            };
            visit(Member {
                key,
                start,
                end: after,
                escapes,
            });
            at = skip_space(bytes, after, end);
            match byte(bytes, at, end) {
                b',' => at = skip_space(bytes, at + 1, end),
                b'}' => return Ok(at + 1),
                _ => return Err(Flaw::json(at, "`,` or `}` after the value")),
            }
        }
    }

    /// Passes over one value that stands `depth` levels deep. Returns the byte after it.
    fn value(&mut self, bytes: &[u8], mut at: usize, end: usize, depth: usize) -> Result<usize, Flaw> {
        self.open.clear();
        loop {
            // A value begins here.
            match byte(bytes, at, end) {
                b'"' => at = string(bytes, at + 1, end)?.end + 1,
                opening @ (b'{' | b'[') => {
                    if depth + self.open.len() >= self.depth_limit {
                        return Err(Self::too_deep(at));
                    }
                    let object = opening == b'{';
                    at = skip_space(bytes, at + 1, end);
                    if byte(bytes, at, end) == closing(object) {
                        at += 1;
                    } else {
                        self.open.push(object);
                        if object {
                            at = key_and_colon(bytes, at, end)?;
                        }
                        continue;
                    }
                }
                b't' => at = literal(bytes, at, end, "true")?,
                b'f' => at = literal(bytes, at, end, "false")?,
                b'n' => at = literal(bytes, at, end, "null")?,
                b'-' | b'0'..=b'9' => at = number(bytes, at, end)?,
                _ => return Err(Flaw::json(at, "a value")),
            }
            // A value has ended: go on behind it, closing whatever ends with it.
            loop {
                let Some(&object) = self.open.last() else {
                    return Ok(at);
                };
                at = skip_space(bytes, at, end);
                let next = byte(bytes, at, end);
                if next == b',' {
                    at = skip_space(bytes, at + 1, end);
                    if object {
                        at = key_and_colon(bytes, at, end)?;
                    }
                    break;
                }
                if next != closing(object) {
                    let expected = if object {
                        "`,` or `}` after the value"
                    } else {
                        "`,` or `]` after the value"
                    };
                    return Err(Flaw::json(at, expected));
                }
                self.open.pop();
                at += 1;
            }
        }
    }

    fn too_deep(at: usize) -> Flaw {
        Flaw {
            kind: FailureKind::JsonDepth,
            at,
            expected: "less nesting",
        }
    }

    /// Finds a key that stands twice. Few keys, all spelled plainly, are compared with each other only if a bit of each
    /// (from its length and its ends) was seen before; many are hashed with a key of this process, so that
    /// nobody can choose keys that collide.
    fn unique_keys(&self, bytes: &[u8]) -> Result<(), Flaw> {
        if self.keys.len() > FEW_KEYS || self.keys.iter().any(|key| key.escapes != Escapes::None) {
            return self.unique_by_hash(bytes);
        }
        let mut seen = 0_u64;
        for (index, key) in self.keys.iter().enumerate() {
            let spelled = &bytes[key.range()];
            let first = spelled.first().copied().unwrap_or_default();
            let last = spelled.last().copied().unwrap_or_default();
            let bit = 1_u64 << ((spelled.len() ^ usize::from(first) ^ usize::from(last) << 2) & 63);
            if seen & bit != 0 && self.keys[..index].iter().any(|other| bytes[other.range()] == *spelled) {
                return Err(duplicate(*key));
            }
            seen |= bit;
        }
        Ok(())
    }

    #[cold]
    fn unique_by_hash(&self, bytes: &[u8]) -> Result<(), Flaw> {
        let mut plain = HashSet::with_capacity(self.keys.len());
        let mut unescaped = HashSet::new();
        for key in &self.keys {
            let spelled = &bytes[key.range()];
            let new = if key.escapes == Escapes::None {
                !unescaped.contains(spelled) && plain.insert(spelled)
            } else {
                let key = super::json_value::unescape_loosely(spelled);
                !plain.contains(key.as_slice()) && unescaped.insert(key)
            };
            if !new {
                return Err(duplicate(*key));
            }
        }
        Ok(())
    }
}

fn duplicate(key: Spelled) -> Flaw {
    Flaw {
        kind: FailureKind::DuplicateKey,
        at: key.start - 1,
        expected: "a new key",
    }
}

fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// The byte at `at`, or one that no grammar expects where the line has ended.
#[inline]
fn byte(bytes: &[u8], at: usize, end: usize) -> u8 {
    if at < end { bytes[at] } else { 0 }
}

#[inline]
pub(super) fn skip_space(bytes: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n') {
        at += 1;
    }
    at
}

fn at_end(bytes: &[u8], at: usize, end: usize) -> Result<(), Flaw> {
    let at = skip_space(bytes, at, end);
    if at == end {
        Ok(())
    } else {
        Err(Flaw::json(at, "the end of the line"))
    }
}

fn key_and_colon(bytes: &[u8], at: usize, end: usize) -> Result<usize, Flaw> {
    if byte(bytes, at, end) != b'"' {
        return Err(Flaw::json(at, "a key in double quotes"));
    }
    let key = string(bytes, at + 1, end)?;
    let at = skip_space(bytes, key.end + 1, end);
    if byte(bytes, at, end) != b':' {
        return Err(Flaw::json(at, "`:` after the key"));
    }
    Ok(skip_space(bytes, at + 1, end))
}

fn literal(bytes: &[u8], at: usize, end: usize, word: &'static str) -> Result<usize, Flaw> {
    if bytes[at..end].starts_with(word.as_bytes()) {
        Ok(at + word.len())
    } else {
        Err(Flaw::json(at, "a value"))
    }
}

fn number(bytes: &[u8], mut at: usize, end: usize) -> Result<usize, Flaw> {
    if bytes[at] == b'-' {
        at += 1;
    }
    if byte(bytes, at, end) == b'0' {
        at += 1;
    } else {
        at = digits(bytes, at, end)?;
    }
    if byte(bytes, at, end) == b'.' {
        at = digits(bytes, at + 1, end)?;
    }
    if matches!(byte(bytes, at, end), b'e' | b'E') {
        at += 1;
        if matches!(byte(bytes, at, end), b'+' | b'-') {
            at += 1;
        }
        at = digits(bytes, at, end)?;
    }
    Ok(at)
}

fn digits(bytes: &[u8], mut at: usize, end: usize) -> Result<usize, Flaw> {
    if !byte(bytes, at, end).is_ascii_digit() {
        return Err(Flaw::json(at, "a digit"));
    }
    while byte(bytes, at, end).is_ascii_digit() {
        at += 1;
    }
    Ok(at)
}

/// Passes over a string whose first byte after the quote is at `start`.
#[inline]
pub(super) fn string(bytes: &[u8], start: usize, end: usize) -> Result<Spelled, Flaw> {
    // Keys and identities are short.
    match short_string_end(bytes, start) {
        Some(close) if close < end => Ok(Spelled {
            start,
            end: close,
            escapes: Escapes::None,
        }),
        _ => long_string(bytes, start, end),
    }
}

/// The same for a string of any length.
#[inline(never)]
fn long_string(bytes: &[u8], start: usize, end: usize) -> Result<Spelled, Flaw> {
    match string_end(bytes, start) {
        Some((close, escapes)) if close < end => Ok(Spelled {
            start,
            end: close,
            escapes,
        }),
        _ => slowly(bytes, start, end),
    }
}

/// The same byte by byte, for a string that has a flaw: what it is and where must be told.
#[cold]
fn slowly(bytes: &[u8], start: usize, end: usize) -> Result<Spelled, Flaw> {
    let mut escapes = Escapes::None;
    let mut at = start;
    loop {
        at = match byte(bytes, at, end) {
            _ if at >= end => return Err(Flaw::json(end, "`\"` at the end of the string")),
            b'"' => {
                return Ok(Spelled {
                    start,
                    end: at,
                    escapes,
                });
            }
            0..0x20 => return Err(Flaw::json(at, "an escape instead of a control character")),
            b'\\' => {
                let next = escape(bytes, at, end)?;
                let kind = if next == at + 2 {
                    Escapes::Short
                } else {
                    Escapes::Unicode
                };
                escapes = escapes.max(kind);
                next
            }
            _ => at + 1,
        };
    }
}

/// Passes over the escape whose backslash is at `at`.
fn escape(bytes: &[u8], at: usize, end: usize) -> Result<usize, Flaw> {
    match byte(bytes, at + 1, end) {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' => {
            for digit in at + 2..at + 6 {
                if !byte(bytes, digit, end).is_ascii_hexdigit() {
                    return Err(Flaw::json(digit.min(end), "a hexadecimal digit"));
                }
            }
            Ok(at + 6)
        }
        _ => Err(Flaw::json(at + 1, "one of `\"\\/bfnrtu` after the backslash")),
    }
}

#[cfg(test)]
#[path = "json_scan_tests.rs"]
mod tests;
