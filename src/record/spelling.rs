//! Texts as they lie in memory: as themselves, or still as JSON spells them.
//!
//! Most texts of JSON Lines hold escapes (each line end is one), and most runs never need them undone: a text that nobody
//! changes is copied as it stands, and the common cleaning steps can work on the spelling. So a text is unescaped when
//! somebody reads it, and not before.

use super::json_string::{unescaped, write_json_string};
use crate::simd::json::unescape_to_unicode;
use memchr::memchr;

/// How a text is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// As itself.
    #[default]
    Plain,
    /// As the inside of a JSON string whose escapes have two characters each (`\n`, `\"`, …): never `\uXXXX`.
    Json,
}

/// A text as it is spelled somewhere.
#[derive(Debug, Clone, Copy)]
pub struct Text<'t> {
    spelled: &'t str,
    spelling: Spelling,
}

impl<'t> Text<'t> {
    /// A text that somebody has checked to be spelled so.
    pub(crate) fn new(spelled: &'t str, spelling: Spelling) -> Self {
        Self { spelled, spelling }
    }

    /// What stands there.
    #[must_use]
    pub fn spelled(self) -> &'t str {
        self.spelled
    }

    /// How to read it.
    #[must_use]
    pub fn spelling(self) -> Spelling {
        self.spelling
    }

    /// The text itself, where it stands if it is plain, and else unescaped into `scratch`, whose content is lost.
    #[must_use]
    pub fn read<'s>(self, scratch: &'s mut String) -> &'s str
    where
        't: 's,
    {
        match self.spelling {
            Spelling::Plain => self.spelled,
            Spelling::Json => {
                scratch.clear();
                unescape_to_unicode(self.spelled, 0, scratch);
                scratch
            }
        }
    }

    /// Whether this is the spelling of `other`, told without unescaping it.
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        match (self.spelling, other.spelling) {
            (Spelling::Plain, Spelling::Plain) => self.spelled == other.spelled,
            (Spelling::Json, Spelling::Plain) => spells(self.spelled, other.spelled),
            (Spelling::Plain, Spelling::Json) => spells(other.spelled, self.spelled),
            (Spelling::Json, Spelling::Json) => {
                let mut plain = String::new();
                self.spelled == other.spelled || spells(self.spelled, other.read(&mut plain))
            }
        }
    }

    /// Appends the text as a JSON string, with quotes.
    pub fn write_json(self, out: &mut Vec<u8>) {
        match self.spelling {
            Spelling::Plain => write_json_string(self.spelled, out),
            Spelling::Json => {
                out.push(b'"');
                out.extend_from_slice(self.spelled.as_bytes());
                out.push(b'"');
            }
        }
    }
}

/// Whether a JSON string spells a text.
fn spells(spelled: &str, text: &str) -> bool {
    let (mut spelled, mut text) = (spelled.as_bytes(), text.as_bytes());
    // No escape spells more bytes than it has.
    if text.len() > spelled.len() {
        return false;
    }
    loop {
        let Some(at) = memchr(b'\\', spelled) else {
            return spelled == text;
        };
        if text.len() <= at || spelled[..at] != text[..at] || unescaped(spelled[at + 1]) != text[at] {
            return false;
        }
        spelled = &spelled[at + 2..];
        text = &text[at + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_json_spells_is_read_and_recognised(text in "[a-c\u{e9}\\\\\"\n\t\r\u{8}\u{c}/]{0,40}", other in "[a-c\\\\\"\n/]{0,4}") {
            // Without quotes, and with the one escape that nobody writes.
            let mut quoted = Vec::new();
            write_json_string(&text, &mut quoted);
            let written = String::from_utf8(quoted[1..quoted.len() - 1].to_vec()).unwrap();
            for spelled in [written.clone(), written.replace('/', "\\/")] {
                let json = Text::new(&spelled, Spelling::Json);
                let plain = Text::new(&text, Spelling::Plain);
                let mut scratch = String::new();
                prop_assert_eq!(json.read(&mut scratch), &text);
                prop_assert!(json.is(plain) && plain.is(json) && json.is(Text::new(&written, Spelling::Json)));
                let others = [format!("{text}{other}"), format!("{other}{text}"), other.clone()];
                for other in others {
                    let same = other == text;
                    let other = Text::new(&other, Spelling::Plain);
                    prop_assert_eq!((json.is(other), other.is(json)), (same, same));
                }
            }
        }
    }
}
