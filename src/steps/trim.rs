//! `trim`: removes white space from the ends of the text.

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::{BuiltIn, configuration};
use crate::sweep::{Ends, Rule};
use crate::units::{self, Side};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "trim",
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
        "trim",
        Kind::Map,
        Stage::Normalize,
        "Removes white space from the ends of the text.",
    );
    declaration.parameters = vec![configuration::parameter(
        "side",
        Side::TYPE,
        "both",
        "Which end is trimmed.",
    )];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings = configuration::read(&declaration, given)?;
    Ok(Arc::new(Trim { declaration, settings }))
}

struct Trim {
    declaration: Declaration,
    settings: Settings,
}

impl Step for Trim {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn rule(&self) -> Option<Rule> {
        Some(Rule::Trim(Ends {
            start: self.settings.side != Side::End,
            end: self.settings.side != Side::Start,
        }))
    }

    fn apply<'t>(
        &self,
        text: &'t str,
        _asked: &[Value],
        _scratch: &'t mut Scratch<'_>,
    ) -> Result<Verdict<'t>, Failure> {
        Ok(Verdict::Text(units::trim(text, self.settings.side)))
    }

    fn part<'t>(&self, text: &'t str) -> Option<&'t str> {
        Some(units::trim(text, self.settings.side))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::testing::{assert_map_laws, map, messy_text, step};
    use proptest::prelude::*;

    #[test]
    fn white_space_goes_from_the_ends_only() {
        assert_eq!(map("trim", "{}", "\u{1c} \ta \n b\u{3000}\r\n"), "a \n b");
        assert_eq!(map("trim", r#"{"side":"start"}"#, " a "), "a ");
        assert_eq!(map("trim", r#"{"side":"end"}"#, " a "), " a");
        assert_eq!(map("trim", "{}", " \n\u{a0}"), "");
    }

    #[test]
    fn nothing_is_copied() {
        let step = step("trim", "{}");
        let text = "  grüße  ";
        let trimmed = crate::steps::testing::with_verdict(&*step, text, |verdict| match verdict {
            Ok(crate::step::Verdict::Text(trimmed)) => trimmed.as_ptr(),
            other => panic!("no text: {other:?}"),
        });
        assert_eq!(trimmed, text[2..].as_ptr());
    }

    #[test]
    fn its_part_is_what_it_leaves() {
        for side in ["both", "start", "end"] {
            let configuration = format!(r#"{{"side":"{side}"}}"#);
            let step = step("trim", &configuration);
            for text in ["  grüße  ", "\u{1c}a", "a", " ", ""] {
                assert_eq!(step.part(text), Some(&*map("trim", &configuration, text)));
            }
        }
    }

    proptest! {
        #[test]
        fn the_laws_hold(text in messy_text()) {
            assert_map_laws("trim", "{}", &text);
        }
    }
}
