//! Colour, and safety: what a stranger wrote must not move the cursor, hide text or forge a line of ours.

use crate::error::needs_escape;
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::fmt::Write as _;

/// What a piece of text is, which decides how it is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// A heading or a name.
    Strong,
    /// Of little weight.
    Faint,
    /// Good, or added.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong, or removed.
    Bad,
    /// The way out.
    Hint,
    /// The part of a removed line that differs.
    Removed,
    /// The part of an added line that differs.
    Added,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Hint => AnsiColor::Cyan.on_default(),
            Self::Removed => AnsiColor::Black.on(AnsiColor::Red),
            Self::Added => AnsiColor::Black.on(AnsiColor::Green),
        }
    }
}

/// Colours text, or leaves it as it is where colour is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    /// Whether to colour at all.
    pub(super) colour: bool,
}

impl Paint {
    /// Decides for a stream: `NO_COLOR` forbids colour, `CLICOLOR_FORCE` demands it, else a terminal gets it.
    pub(super) fn decide(terminal: bool, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        let colour = if given("NO_COLOR").is_some() {
            false
        } else if given("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            true
        } else {
            terminal && variable("TERM").is_none_or(|name| name != "dumb")
        };
        Self { colour }
    }

    /// The text in the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> Cow<'_, str> {
        if !self.colour || tone == Tone::Plain || text.is_empty() {
            return Cow::Borrowed(text);
        }
        let style = tone.style();
        Cow::Owned(format!("{style}{text}{style:#}"))
    }
}

/// A text that a stranger chose, safe to show on one line of a terminal.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, needs_escape)
}

/// A text of several lines, safe to show on a terminal. Line ends stay.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |character| character != '\n' && needs_escape(character))
}

fn escape(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&harmful) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if harmful(character) {
            push_escaped(&mut written, character);
        } else {
            written.push(character);
        }
    }
    Cow::Owned(written)
}

/// Appends a character as an escape that a programmer reads at a glance.
pub(super) fn push_escaped(written: &mut String, character: char) {
    match character {
        '\n' => written.push_str("\\n"),
        '\r' => written.push_str("\\r"),
        '\t' => written.push_str("\\t"),
        _ => {
            let _ = write!(written, "{}", character.escape_unicode());
        }
    }
}

/// Breaks prose into lines of at most `width` columns, at spaces where that is possible.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    break_at(&[' '], text, width)
}

/// Breaks the text of a cell, a name or a path perhaps, into lines of at most `width` columns.
pub(super) fn wrap_cell(text: &str, width: usize) -> Vec<String> {
    break_at(&[' ', '/', '-'], text, width)
}

fn break_at(separators: &[char], text: &str, width: usize) -> Vec<String> {
    use unicode_segmentation::UnicodeSegmentation;
    use unicode_width::UnicodeWidthStr;
    let width = width.max(1);
    let mut wrapped = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for piece in paragraph.split_inclusive(separators) {
            let wide = piece.trim_end_matches(' ').width();
            if used > 0 && used + wide > width {
                wrapped.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            if wide <= width {
                line.push_str(piece);
                used += piece.width();
                continue;
            }
            for grapheme in piece.graphemes(true) {
                let wide = grapheme.width();
                if used > 0 && used + wide > width {
                    wrapped.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += wide;
            }
        }
        wrapped.push(line.trim_end().to_owned());
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsString;

    fn decided(terminal: bool, variables: &[(&str, &str)]) -> bool {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Paint::decide(terminal, find).colour
    }

    #[test]
    fn colour_is_for_terminals_unless_somebody_said_otherwise() {
        assert!(decided(true, &[]));
        assert!(!decided(false, &[]));
        assert!(!decided(true, &[("NO_COLOR", "1")]));
        assert!(decided(true, &[("NO_COLOR", "")]));
        assert!(!decided(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
        assert!(decided(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!decided(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!decided(true, &[("TERM", "dumb")]));
    }

    #[test]
    fn escapes_are_readable() {
        assert_eq!(
            one_line("a\u{1b}[31mred\r\n\tb\u{202e}"),
            "a\\u{1b}[31mred\\r\\n\\tb\\u{202e}"
        );
        assert_eq!(lines("a\u{1b}\nb"), "a\\u{1b}\nb");
        assert!(matches!(one_line("grüße 漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn paint_without_colour_adds_nothing() {
        assert_eq!(Paint { colour: false }.paint(Tone::Bad, "x"), "x");
        assert_eq!(Paint { colour: true }.paint(Tone::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one `--two` three", 8), ["one", "`--two`", "three"]);
        assert_eq!(wrap_cell("acme-filters/min-words", 13), ["acme-filters/", "min-words"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("漢字漢字", 4), ["漢字", "漢字"]);
        assert_eq!(wrap("", 4), [""]);
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text in any::<String>()) {
            prop_assert!(!one_line(&text).chars().any(needs_escape));
            prop_assert!(!lines(&text).chars().any(|character| character != '\n' && needs_escape(character)));
        }

        #[test]
        fn wrapping_keeps_every_character_but_spaces(text in "[a-z/ -]{0,60}", width in 1usize..20) {
            for wrapped in [wrap(&text, width), wrap_cell(&text, width)] {
                prop_assert_eq!(wrapped.concat().replace(' ', ""), text.replace(' ', ""));
            }
        }
    }
}
