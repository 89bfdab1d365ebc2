//! What a step does, said as a rule about single characters: all that a [`Sweep`](super::Sweep) needs to know of it.

/// What a step does, where that can be said of one character at a time. Two rules of one configuration are equal.
///
/// White space is what [`crate::units`] says, control characters are what [`char::is_control`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Brings the text into Unicode's form NFC.
    Compose,
    /// Removes some control characters.
    Strip(Controls),
    /// Makes each run of white space one space or, where it holds line ends that are kept, so many of these.
    Collapse(Collapse),
    /// Removes white space from the ends of the text.
    Trim(Ends),
}

/// How runs of white space collapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collapse {
    /// How many blank lines in a row are kept.
    pub blank_lines: usize,
    /// Whether line ends are kept. If not, they are white space like any other.
    pub keep_lines: bool,
}

/// The ends of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ends {
    /// Whether the first characters are meant.
    pub start: bool,
    /// Whether the last characters are meant.
    pub end: bool,
}

/// A set of control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Controls {
    /// A bit for each of U+0000 to U+001F, and bit 32 for U+007F.
    low: u64,
    /// A bit for each of U+0080 to U+009F.
    high: u32,
}

impl Controls {
    /// All control characters but those of a text.
    #[must_use]
    pub fn all_but(kept: &str) -> Self {
        let mut set = Self::default();
        for code in (0..=0x1f).chain(0x7f..=0x9f) {
            if !kept.contains(char::from(code)) {
                match code {
                    0x7f => set.low |= 1 << 32,
                    0x80.. => set.high |= 1 << (code - 0x80),
                    _ => set.low |= 1 << code,
                }
            }
        }
        set
    }

    /// Whether a character belongs to the set.
    #[inline]
    #[must_use]
    pub fn contains(self, character: char) -> bool {
        match u32::from(character) {
            code @ 0..=0x1f => self.low >> code & 1 == 1,
            0x7f => self.low >> 32 & 1 == 1,
            code @ 0x80..=0x9f => self.high >> (code - 0x80) & 1 == 1,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_every_control_character_but_those_kept() {
        let set = Controls::all_but("\n\u{85}");
        for character in '\0'..='\u{ffff}' {
            let expected = character.is_control() && !matches!(character, '\n' | '\u{85}');
            assert_eq!(set.contains(character), expected, "{character:?}");
        }
    }
}
