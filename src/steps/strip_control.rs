//! `strip-control`: removes control characters.

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::alone::Alone;
use crate::steps::{BuiltIn, configuration};
use crate::sweep::{Controls, Rule};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "strip-control",
    declare,
    build,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    keep: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep: "\n\t".to_owned(),
        }
    }
}

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "strip-control",
        Kind::Map,
        Stage::Normalize,
        "Removes control characters, but not line ends and tabs.",
    );
    declaration.parameters = vec![configuration::parameter(
        "keep",
        "text of control characters",
        "\n\t",
        "The control characters that stay.",
    )];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings: Settings = configuration::read(&declaration, given)?;
    if let Some(other) = settings.keep.chars().find(|character| !character.is_control()) {
        let expected = "text of control characters only";
        let found = format!("U+{:04X}, which is none", u32::from(other));
        return Err(configuration::wrong("strip-control", "keep", expected, &found));
    }
    let rule = Rule::Strip(Controls::all_but(&settings.keep));
    Ok(Arc::new(StripControl {
        declaration,
        settings,
        sweep: Alone::new(rule),
    }))
}

struct StripControl {
    declaration: Declaration,
    settings: Settings,
    sweep: Alone,
}

impl Step for StripControl {
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
    use crate::steps::testing::{assert_map_laws, build_error, map, messy_text};
    use proptest::prelude::*;

    #[test]
    fn exactly_the_control_characters_go() {
        for character in '\0'..=char::MAX {
            let text = format!("a{character}b");
            let stays = !character.is_control() || matches!(character, '\n' | '\t');
            let expected = if stays { text.clone() } else { "ab".to_owned() };
            assert_eq!(map("strip-control", "{}", &text), expected, "{character:?}");
        }
    }

    #[test]
    fn what_is_kept_can_be_chosen() {
        assert_eq!(map("strip-control", r#"{"keep":"\r\n"}"#, "a\tb\r\n\u{85}"), "ab\r\n");
        assert_eq!(
            map("strip-control", r#"{"keep":"\u0085"}"#, "a\n\u{85}\u{86}"),
            "a\u{85}"
        );
        let error = build_error("strip-control", r#"{"keep":"a"}"#);
        assert_eq!(
            error.to_string(),
            "The value of `keep` for step `strip-control` is wrong: expected text of control characters only, found \
             U+0061, which is none."
        );
    }

    proptest! {
        #[test]
        fn the_laws_hold(text in messy_text()) {
            assert_map_laws("strip-control", "{}", &text);
        }

        #[test]
        fn the_rest_stays(text in any::<String>()) {
            let expected: String = text.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect();
            prop_assert_eq!(map("strip-control", "{}", &text), expected);
        }
    }
}
