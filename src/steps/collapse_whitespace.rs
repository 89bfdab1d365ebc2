//! `collapse-whitespace`: makes each run of white space one space, one line end or one blank line.

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::rewrite::Rewrite;
use crate::steps::{BuiltIn, configuration, units};
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
    let settings = configuration::read(&declaration, given)?;
    Ok(Arc::new(CollapseWhitespace { declaration, settings }))
}

struct CollapseWhitespace {
    declaration: Declaration,
    settings: Settings,
}

/// The bytes at which white space other than a space may start.
const INTERESTING: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'\t';
    while byte <= b' ' {
        table[byte as usize] = byte <= b'\r' || byte >= 0x1c;
        byte += 1;
    }
    table[0xc2] = true;
    table[0xe1] = true;
    table[0xe2] = true;
    table[0xe3] = true;
    table
};

impl Step for CollapseWhitespace {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn rule(&self) -> Option<Rule> {
        Some(Rule::Collapse(Collapse {
            blank_lines: self.settings.blank_lines,
            keep_lines: self.settings.keep_lines,
        }))
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        let bytes = text.as_bytes();
        let mut new = Rewrite::new(text, scratch);
        let (mut kept, mut at) = (0, 0);
        while at < bytes.len() {
            if !INTERESTING[usize::from(bytes[at])] {
                at += 1;
                continue;
            }
            let start = at;
            let (mut newlines, mut others) = (0, 0);
            while at < bytes.len() {
                let length = units::white_space_at(bytes, at);
                if length == 0 {
                    break;
                }
                if bytes[at] == b'\n' && self.settings.keep_lines {
                    newlines += 1;
                } else {
                    others += 1;
                }
                at += length;
            }
            if at == start {
                at += 1;
                continue;
            }
            let wanted = newlines.min(self.settings.blank_lines.saturating_add(1));
            let same = if newlines > 0 {
                others == 0 && newlines == wanted
            } else {
                &bytes[start..at] == b" "
            };
            if same {
                continue;
            }
            new.keep(kept..start);
            kept = at;
            if newlines == 0 {
                new.write(" ");
            } else {
                new.begin_write().extend(std::iter::repeat_n('\n', wanted));
            }
        }
        new.keep(kept..text.len());
        Ok(Verdict::Text(new.finish()))
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
            let words = |text: &str| text.split(crate::steps::units::is_white_space).filter(|word| !word.is_empty())
                .map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&map("collapse-whitespace", "{}", &text)), words(&text));
        }
    }
}
