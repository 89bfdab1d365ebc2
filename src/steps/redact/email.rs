//! E-mail addresses: from each `@`, both ways, as far as an address may reach.
//!
//! The **local part** is letters, digits and marks of any script and ``. _ % + - ' = ~ $ ! &``, of at most 64 bytes; it begins with
//! a letter, a digit or `_`. It may also be quoted (`"john doe"@example.com`). Other characters that RFC 5322 allows
//! (``# * / ? ^ ` { | }``) end it, because in texts they are punctuation. The **domain** is labels of letters, digits, marks and hyphens
//! with dots between them, also of other scripts (IDN), whose last is a word of at least two letters or `xn--…`; or an
//! address in brackets.
//!
//! Scripts that are written without spaces between words belong to an address only if the character next to the `@` is
//! of such a script: in `请联系john@example.com谢谢` the address is what one thinks.
//!
//! What has a domain but a local part that is too long, or whose quotation mark cannot be found near enough, leaves the
//! search undecided.

use super::{Doubt, is_unspaced};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use unicode_normalization::char::is_combining_mark;

/// The longest local part in bytes (RFC 5321, 4.5.3.1.1).
pub(super) const LONGEST_LOCAL_PART: usize = 64;
/// The longest domain in bytes.
pub(super) const LONGEST_DOMAIN: usize = 253;
/// The longest label of a domain in bytes.
const LONGEST_LABEL: usize = 63;
/// The longest address in brackets: `IPv6:` and an address.
const LONGEST_LITERAL: usize = 50;

/// What precedes an `@`.
enum LocalPart {
    /// Nothing that is a local part.
    None,
    /// It begins here.
    From(usize),
    /// It is longer than a local part can be; this is as far as was looked.
    TooLong(usize),
}

/// Finds e-mail addresses.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Where the last address ends: no other begins or has its `@` before that.
    floor: usize,
}

impl Finder {
    /// Finds the address with the `@` at this byte. Each call is about a later `@`.
    pub(super) fn find(&mut self, text: &str, at: usize) -> Result<Option<Range<usize>>, Doubt> {
        if at < self.floor {
            return Ok(None);
        }
        let local_part = local_part(text, self.floor, at);
        let (LocalPart::From(start) | LocalPart::TooLong(start)) = local_part else {
            return Ok(None);
        };
        let Some(end) = domain(text, at + 1)? else {
            return Ok(None);
        };
        if matches!(local_part, LocalPart::TooLong(_)) {
            return Err(Doubt::TooLong(start));
        }
        self.floor = end;
        Ok(Some(start..end))
    }
}

/// The local part that ends at `at` and begins at `floor` or later.
fn local_part(text: &str, floor: usize, at: usize) -> LocalPart {
    let before = &text[floor..at];
    let Some(beside) = before.chars().next_back() else {
        return LocalPart::None;
    };
    if beside == '"' {
        return quoted_local_part(text.as_bytes(), floor, at);
    }
    let unspaced = is_unspaced(beside);
    // Where it would begin if it began with a character that may come first.
    let mut first = None;
    for (offset, character) in before.char_indices().rev() {
        let belongs = if character.is_ascii() {
            character.is_ascii_alphanumeric() || b"._%+-'=~$!&".contains(&(character as u8))
        } else {
            is_letter_or_mark(character) && (unspaced || !is_unspaced(character))
        };
        if !belongs {
            break;
        }
        let start = floor + offset;
        if character == '_' || character.is_alphanumeric() {
            first = Some(start);
        }
        if at - start > LONGEST_LOCAL_PART {
            return first.map_or(LocalPart::None, LocalPart::TooLong);
        }
    }
    first.map_or(LocalPart::None, LocalPart::From)
}

/// The quoted local part that ends with the quotation mark just before `at`.
fn quoted_local_part(bytes: &[u8], floor: usize, at: usize) -> LocalPart {
    let close = at - 1;
    let nearest = close.saturating_sub(LONGEST_LOCAL_PART).max(floor);
    for open in (nearest..close).rev() {
        match bytes[open] {
            b'\n' => return LocalPart::None,
            b'"' if open == 0 || bytes[open - 1] != b'\\' => {
                return if open + 1 == close {
                    LocalPart::None
                } else {
                    LocalPart::From(open)
                };
            }
            _ => {}
        }
    }
    if nearest == floor {
        LocalPart::None
    } else {
        LocalPart::TooLong(nearest)
    }
}

/// Where the domain that begins at `start` ends; `None` if none begins there.
fn domain(text: &str, start: usize) -> Result<Option<usize>, Doubt> {
    let rest = &text[start..];
    let Some(beside) = rest.chars().next() else {
        return Ok(None);
    };
    if beside == '[' {
        return Ok(literal(rest).map(|length| start + length));
    }
    let unspaced = is_unspaced(beside);
    let (mut end, mut labels, mut label_start) = (None, 0, 0);
    let mut ends = rest
        .char_indices()
        .map(|(at, character)| (at, Some(character)))
        .chain([(rest.len(), None)]);
    loop {
        // Labels that end are looked at one by one: the domain reaches as far as the last that may be a top-level one.
        let (at, character) = ends
            .find(|&(_, character)| !character.is_some_and(|character| belongs_to_label(character, unspaced)))
            .unwrap_or((rest.len(), None));
        let label = rest[label_start..at].trim_end_matches('-');
        if label.is_empty() || label.starts_with('-') || label.len() > LONGEST_LABEL {
            break;
        }
        if label_start + label.len() > LONGEST_DOMAIN {
            return Err(Doubt::TooLong(start));
        }
        labels += 1;
        if labels >= 2 && is_top_level(label) {
            end = Some(start + label_start + label.len());
        }
        if character != Some('.') || label.len() < at - label_start {
            break;
        }
        label_start = at + 1;
    }
    Ok(end)
}

fn belongs_to_label(character: char, unspaced: bool) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric() || character == '-'
    } else {
        is_letter_or_mark(character) && (unspaced || !is_unspaced(character))
    }
}

/// Whether a label may be the last of a domain.
fn is_top_level(label: &str) -> bool {
    let is_word = label
        .chars()
        .all(|character| is_letter_or_mark(character) && !character.is_numeric());
    (is_word && label.chars().nth(1).is_some())
        || label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--")) && label.len() > 4
}

/// How long the address in brackets is that a text begins with.
fn literal(text: &str) -> Option<usize> {
    let close = text.bytes().take(LONGEST_LITERAL + 2).position(|byte| byte == b']')?;
    let inside = &text[1..close];
    let address = match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => inside[5..].parse::<Ipv6Addr>().map(IpAddr::V6),
        _ => inside.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    address.is_ok().then_some(close + 1)
}

fn is_letter_or_mark(character: char) -> bool {
    character.is_alphanumeric() || is_combining_mark(character)
}
