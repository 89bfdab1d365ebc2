//! What strangers chose, made fit for a terminal.

use std::fmt;
use std::path::Path;

/// Shows a path (or any text that a stranger chose) on one line of a terminal: control characters, line ends, escapes and
/// the characters that reorder text are escaped, and bytes that are not UTF-8 are shown as `\xNN`.
pub struct Shown<'p>(pub &'p Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write as _;
        for chunk in self.0.as_os_str().as_encoded_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                if needs_escape(character) {
                    write!(formatter, "{}", character.escape_unicode())?;
                } else {
                    formatter.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(formatter, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A text that a stranger chose, fit to stand in a sentence on a terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    Shown(Path::new(text)).to_string()
}

/// Whether a character could move the cursor, colour the terminal, break the line, or reorder what is shown around it.
#[must_use]
pub fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_escapes_what_could_harm_a_terminal() {
        assert_eq!(
            Shown(Path::new("a\u{1b}[31m\nb\u{202e}.txt")).to_string(),
            "a\\u{1b}[31m\\u{a}b\\u{202e}.txt"
        );
        assert_eq!(Shown(Path::new("grüße.txt")).to_string(), "grüße.txt");
    }

    #[cfg(unix)]
    #[test]
    fn shown_spells_out_bytes_that_are_not_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff.txt"));
        assert_eq!(Shown(path).to_string(), "a\\xff.txt");
    }
}
