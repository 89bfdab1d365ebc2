//! `collapse-whitespace`: makes each run of white space one space, one line end or one blank line.

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::alone::Alone;
use crate::steps::{BuiltIn, configuration};
use crate::sweep::{Collapse, Rule};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "collapse-whitespace",
    declare,
    build,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    blank_lines: usize,
    keep_lines: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            blank_lines: 1,
            keep_lines: true,
        }
    }
}

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "collapse-whitespace",
        Kind::Map,
        Stage::Normalize,
        "Makes each run of white space one space, one line end, or one blank line.",
    );
    declaration.parameters = vec![
        configuration::parameter("blank-lines", "integer", 1, "How many blank lines in a row are kept."),
        configuration::parameter(
            "keep-lines",
            "boolean",
            true,
            "Whether line ends are kept; if not, they become spaces like other white space.",
        ),
    ];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings: Settings = configuration::read(&declaration, given)?;
    let rule = Rule::Collapse(Collapse {
        blank_lines: settings.blank_lines,
        keep_lines: settings.keep_lines,
    });
    Ok(Arc::new(CollapseWhitespace {
        declaration,
        settings,
        sweep: Alone::new(rule),
    }))
}

struct CollapseWhitespace {
    declaration: Declaration,
    settings: Settings,
    sweep: Alone,
}

impl Step for CollapseWhitespace {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn rule(&self) -> Option<Rule> {
        Some(self.sweep.rule())
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        Ok(Verdict::Text(self.sweep.run(text, scratch)))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::testing::{assert_map_laws, map, messy_text};
    use proptest::prelude::*;

    #[test]
    fn runs_collapse() {
        for (text, expected) in [
            ("", ""),
            ("a b", "a b"),
            (" a  b\t", " a b "),
            ("a\u{a0}b\u{3000}\u{2003}c\u{85}d\u{1c}e", "a b c d e"),
            ("a \n b", "a\nb"),
            ("a\r\nb", "a\nb"),
            ("a\n \n\t\nb", "a\n\nb"),
            ("a\u{200b}b", "a\u{200b}b"),
            ("…\u{2028}ありがとう\u{3000}\u{3000}", "… ありがとう "),
        ] {
            assert_eq!(map("collapse-whitespace", "{}", text), expected, "{text:?}");
        }
    }

    #[test]
    fn blank_lines_and_lines_can_be_chosen() {
        assert_eq!(map("collapse-whitespace", r#"{"blank-lines":0}"#, "a\n\n\nb"), "a\nb");
        assert_eq!(
            map("collapse-whitespace", r#"{"blank-lines":2}"#, "a\n\n\n\n\nb"),
            "a\n\n\nb"
        );
        assert_eq!(
            map("collapse-whitespace", r#"{"keep-lines":false}"#, "a\n\n b\nc"),
            "a b c"
        );
    }

    proptest! {
        #[test]
        fn the_laws_hold(text in messy_text(), blank_lines in 0_usize..4, keep_lines in any::<bool>()) {
            let settings = format!(r#"{{"blank-lines":{blank_lines},"keep-lines":{keep_lines}}}"#);
            assert_map_laws("collapse-whitespace", &settings, &text);
        }

        #[test]
        fn words_stay(text in messy_text()) {
            let words = |text: &str| text.split(crate::units::is_white_space).filter(|word| !word.is_empty())
                .map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&map("collapse-whitespace", "{}", &text)), words(&text));
        }
    }
}
