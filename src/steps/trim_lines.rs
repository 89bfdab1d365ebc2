//! `trim-lines`: removes white space from the ends of each line and keeps the lines.

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::rewrite::Rewrite;
use crate::steps::{BuiltIn, configuration};
use crate::units::{self, Side};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "trim-lines",
    declare,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    side: Side,
}

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "trim-lines",
        Kind::Map,
        Stage::Normalize,
        "Removes white space from the ends of each line.",
    );
    declaration.parameters = vec![configuration::parameter(
        "side",
        Side::TYPE,
        "both",
        "Which end of each line is trimmed.",
    )];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings = configuration::read(&declaration, given)?;
    Ok(Arc::new(TrimLines { declaration, settings }))
}

struct TrimLines {
    declaration: Declaration,
    settings: Settings,
}

impl Step for TrimLines {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        let mut new = Rewrite::new(text, scratch);
        let mut start = 0;
        while start < text.len() {
            // The line is `start..end`, its end (`\n` or `\r\n`, or nothing at the end of the text) `end..next`.
            let (end, next) = match memchr::memchr(b'\n', &text.as_bytes()[start..]) {
                Some(0) => (start, start + 1),
                Some(length) => {
                    let newline = start + length;
                    let end = newline - usize::from(text.as_bytes()[newline - 1] == b'\r');
                    (end, newline + 1)
                }
                None => (text.len(), text.len()),
            };
            let line = &text[start..end];
            let trimmed = units::trim(line, self.settings.side);
            let from = start + (trimmed.as_ptr().addr() - line.as_ptr().addr());
            new.keep(from..from + trimmed.len());
            new.keep(end..next);
            start = next;
        }
        Ok(Verdict::Text(new.finish()))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::testing::{assert_map_laws, map, messy_text};
    use proptest::prelude::*;

    #[test]
    fn lines_are_trimmed_and_their_ends_kept() {
        for (text, expected) in [
            ("", ""),
            ("  a  ", "a"),
            (" a \n b \n", "a\nb\n"),
            ("a \r\n b\r\n", "a\r\nb\r\n"),
            ("a \r \n", "a\n"),
            (" \r\n\r\n \n", "\r\n\r\n\n"),
            ("\u{3000}a\u{1c}\n\u{a0}", "a\n"),
            ("a\r", "a"),
            (
                "\n    hello world\n    this is a test\n    of our processor\n    ",
                "\nhello world\nthis is a test\nof our processor\n",
            ),
        ] {
            assert_eq!(map("trim-lines", "{}", text), expected, "{text:?}");
        }
        assert_eq!(map("trim-lines", r#"{"side":"end"}"#, " a \n b "), " a\n b");
    }

    proptest! {
        #[test]
        fn the_laws_hold(text in messy_text()) {
            assert_map_laws("trim-lines", "{}", &text);
        }

        #[test]
        fn the_lines_stay(text in messy_text()) {
            let trimmed = map("trim-lines", "{}", &text);
            let ends = |text: &str| text.split('\n').map(|line| line.ends_with('\r')).collect::<Vec<_>>();
            let (before, after) = (ends(&text), ends(&trimmed));
            prop_assert_eq!(before.len(), after.len());
            // The last piece has no line end, so that a `\r` there is white space.
            prop_assert_eq!(&before[..before.len() - 1], &after[..after.len() - 1]);
            for (line, new) in text.split('\n').zip(trimmed.split('\n')) {
                prop_assert_eq!(line.trim_matches(crate::units::is_white_space), new.strip_suffix('\r').unwrap_or(new));
            }
        }
    }
}
