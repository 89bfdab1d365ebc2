//! What a character, a word, a line and white space are: stated once, for every step that counts, splits or trims.
//!
//! * A **character** is a Unicode scalar value: what Python's `len` counts.
//! * **White space** is what Python's `str.isspace` says: Unicode's `White_Space` and the separators U+001C to U+001F. A
//!   zero-width space (U+200B) is none.
//! * A **word** is a longest run of characters that are not white space: a piece of Python's `str.split()`.
//! * A **line** ends with `\n`; a `\r` just before it belongs to the line end. What follows the last `\n` is a line if it is
//!   not empty. So an empty text has no line, and a final line end makes none.
//!
//! Only `\n` ends a line, as in the files that are read: `\r` alone, U+0085 and U+2028 are white space inside a line.

use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Unicode scalar values.
    #[default]
    Characters,
    /// Bytes of UTF-8.
    Bytes,
    /// Longest runs of characters that are not white space.
    Words,
    /// Pieces that end with `\n`, and what follows the last of them.
    Lines,
}

impl Unit {
    /// The type of a parameter that takes a unit, in words a person reads.
    pub const TYPE: &'static str = "one of `characters`, `bytes`, `words`, `lines`";

    /// How many of them a text has.
    #[must_use]
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::Characters => characters(text),
            Self::Bytes => text.len(),
            Self::Words => words(text),
            Self::Lines => lines(text),
        }
    }

    /// The word for so many of them.
    #[must_use]
    pub fn name(self, count: usize) -> &'static str {
        match (self, count) {
            (Self::Characters, 1) => "character",
            (Self::Characters, _) => "characters",
            (Self::Bytes, 1) => "byte",
            (Self::Bytes, _) => "bytes",
            (Self::Words, 1) => "word",
            (Self::Words, _) => "words",
            (Self::Lines, 1) => "line",
            (Self::Lines, _) => "lines",
        }
    }
}

/// The ends of a text or a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Both ends.
    #[default]
    Both,
    /// The first characters.
    Start,
    /// The last characters.
    End,
}

impl Side {
    /// The type of a parameter that takes a side, in words a person reads.
    pub const TYPE: &'static str = "one of `both`, `start`, `end`";
}

/// Whether a character is white space.
#[must_use]
pub fn is_white_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// How many bytes the white space character that starts at `at` has; 0 if none starts there. Asked at any byte of UTF-8,
/// so that a scan needs not decode what it skips.
#[inline]
#[must_use]
pub fn white_space_at(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    match rest {
        [byte, ..] if is_ascii_white_space(*byte) => 1,
        // U+0085, U+00A0.
        [0xc2, 0x85 | 0xa0, ..] => 2,
        // U+1680; U+2000 to U+200A, U+2028, U+2029, U+202F; U+205F; U+3000.
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// A text without the white space at its ends: always a part of the same slice.
#[inline]
#[must_use]
pub fn trim(text: &str, side: Side) -> &str {
    let bytes = text.as_bytes();
    let (mut start, mut end) = (0, bytes.len());
    // Most texts have nothing but ASCII at their ends, and need not be taken apart into characters.
    if side != Side::End {
        while start < end && is_ascii_white_space(bytes[start]) {
            start += 1;
        }
    }
    if side != Side::Start {
        while start < end && is_ascii_white_space(bytes[end - 1]) {
            end -= 1;
        }
    }
    let text = &text[start..end];
    match side {
        Side::Both if ends_in_ascii(text.as_bytes()) => text,
        Side::Both => text.trim_matches(is_white_space),
        Side::Start => text.trim_start_matches(is_white_space),
        Side::End => text.trim_end_matches(is_white_space),
    }
}

#[inline]
fn is_ascii_white_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | 0x1c..=b' ')
}

/// Whether neither the first nor the last character can be white space beyond ASCII.
#[inline]
fn ends_in_ascii(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(u8::is_ascii) && bytes.last().is_none_or(u8::is_ascii)
}

/// How many characters a text has.
#[must_use]
pub fn characters(text: &str) -> usize {
    text.chars().count()
}

/// How many words a text has.
#[must_use]
pub fn words(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut count, mut inside, mut at) = (0, false, 0);
    while at < bytes.len() {
        let space = white_space_at(bytes, at);
        if space == 0 {
            count += usize::from(!inside);
            inside = true;
            at += 1;
        } else {
            inside = false;
            at += space;
        }
    }
    count
}

/// How many lines a text has.
#[must_use]
pub fn lines(text: &str) -> usize {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).count();
    ends + usize::from(!text.is_empty() && !text.ends_with('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_is_what_python_says() {
        // `[c for c in range(0x110000) if chr(c).isspace()]`, which is also what `\s` matches.
        let python = [
            0x9, 0xa, 0xb, 0xc, 0xd, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003,
            0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
        ];
        for character in '\0'..=char::MAX {
            let expected = python.contains(&u32::from(character));
            assert_eq!(is_white_space(character), expected, "{character:?}");
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            let length = if expected { bytes.len() } else { 0 };
            assert_eq!(white_space_at(bytes, 0), length, "{character:?}");
            for at in 1..bytes.len() {
                assert_eq!(white_space_at(bytes, at), 0, "inside {character:?}");
            }
        }
    }

    #[test]
    fn units_are_counted_as_documented() {
        for (text, characters, words, lines) in [
            ("", 0, 0, 0),
            ("\n", 1, 0, 1),
            ("a", 1, 1, 1),
            ("a\n", 2, 1, 1),
            ("a\nb", 3, 2, 2),
            ("a\r\n\r\n", 5, 1, 2),
            ("a\rb\u{2028}c\u{85}", 6, 3, 1),
            ("e\u{301} \u{1f468}\u{200d}\u{1f469}", 6, 2, 1),
            ("one\u{200b}word", 8, 1, 1),
            ("\u{a0}two\u{3000}words\u{1c}", 11, 2, 1),
        ] {
            assert_eq!(Unit::Characters.count(text), characters, "{text:?}");
            assert_eq!(Unit::Bytes.count(text), text.len(), "{text:?}");
            assert_eq!(Unit::Words.count(text), words, "{text:?}");
            assert_eq!(Unit::Lines.count(text), lines, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn trimming_leaves_no_white_space_at_the_sides_that_are_meant(
            text in "[a\u{200b}é \t\n\u{b}\u{1c}\u{85}\u{a0}\u{2003}\u{3000}]{0,12}",
        ) {
            prop_assert_eq!(trim(&text, Side::Both), text.trim_matches(is_white_space));
            prop_assert_eq!(trim(&text, Side::Start), text.trim_start_matches(is_white_space));
            prop_assert_eq!(trim(&text, Side::End), text.trim_end_matches(is_white_space));
        }

        #[test]
        fn words_are_what_lies_between_white_space(text in "[a-zé\u{200b} \t\n\u{1c}\u{85}\u{a0}\u{2003}\u{3000}]{0,40}") {
            prop_assert_eq!(words(&text), text.split(is_white_space).filter(|word| !word.is_empty()).count());
        }
    }
}
