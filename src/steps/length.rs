//! `length`: rejects texts that are too short or too long.

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::{BuiltIn, configuration};
use crate::units::Unit;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "length",
    declare,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    unit: Unit,
    minimum: Option<usize>,
    maximum: Option<usize>,
}

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "length",
        Kind::Filter,
        Stage::Filter,
        "Rejects texts that are too short or too long.",
    );
    declaration.parameters = vec![
        configuration::parameter("unit", Unit::TYPE, "characters", "What is counted."),
        configuration::parameter(
            "minimum",
            "integer of at least 0",
            serde_json::Value::Null,
            "The fewest of them that a text may have.",
        ),
        configuration::parameter(
            "maximum",
            "integer of at least 0",
            serde_json::Value::Null,
            "The most of them that a text may have.",
        ),
    ];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings: Settings = configuration::read(&declaration, given)?;
    match (settings.minimum, settings.maximum) {
        (None, None) => {
            return Err(
                ConfigError::new("Step `length` needs `minimum`, `maximum` or both, and neither is given.")
                    .with_key("minimum")
                    .with_hint("For example `minimum = 1`."),
            );
        }
        (Some(minimum), Some(maximum)) if minimum > maximum => {
            let expected = format!("at least `minimum`, which is {minimum}");
            return Err(configuration::wrong(
                "length",
                "maximum",
                &expected,
                &format!("the integer `{maximum}`"),
            ));
        }
        _ => {}
    }
    Ok(Arc::new(Length { declaration, settings }))
}

struct Length {
    declaration: Declaration,
    settings: Settings,
}

impl Step for Length {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn apply<'t>(
        &self,
        text: &'t str,
        _asked: &[Value],
        _scratch: &'t mut Scratch<'_>,
    ) -> Result<Verdict<'t>, Failure> {
        let count = self.settings.unit.count(text);
        Ok(if self.settings.minimum.is_some_and(|minimum| count < minimum) {
            Verdict::Reject("too_short".into())
        } else if self.settings.maximum.is_some_and(|maximum| count > maximum) {
            Verdict::Reject("too_long".into())
        } else {
            Verdict::Keep
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::testing::{build_error, reason};
    use crate::units::Unit;
    use proptest::prelude::*;

    #[test]
    fn bounds_are_inclusive() {
        let json = r#"{"minimum":2,"maximum":3}"#;
        assert_eq!(reason("length", json, "é").as_deref(), Some("too_short"));
        assert_eq!(reason("length", json, "éé"), None);
        assert_eq!(reason("length", json, "ééé"), None);
        assert_eq!(reason("length", json, "éééé").as_deref(), Some("too_long"));
    }

    #[test]
    fn units_differ() {
        for (unit, count) in [("characters", 9), ("bytes", 11), ("words", 4), ("lines", 2)] {
            let text = "ab ç\nd é\n";
            let json = |minimum: usize| format!(r#"{{"unit":"{unit}","minimum":{minimum}}}"#);
            assert_eq!(reason("length", &json(count), text), None, "{unit}");
            assert_eq!(
                reason("length", &json(count + 1), text).as_deref(),
                Some("too_short"),
                "{unit}"
            );
        }
    }

    #[test]
    fn wrong_bounds_are_errors() {
        assert_eq!(
            build_error("length", "{}").message,
            "Step `length` needs `minimum`, `maximum` or both, and neither is given."
        );
        let error = build_error("length", r#"{"minimum":3,"maximum":2}"#);
        assert_eq!(
            error.message,
            "The value of `maximum` for step `length` is wrong: expected at least `minimum`, which is 3, found the \
             integer `2`."
        );
        assert_eq!(
            build_error("length", r#"{"minimum":-1}"#).key.as_deref(),
            Some("minimum")
        );
        assert_eq!(
            build_error("length", r#"{"min":1}"#).suggestion.as_deref(),
            Some("minimum")
        );
    }

    proptest! {
        #[test]
        fn a_text_is_kept_exactly_within_its_bounds(text in any::<String>(), minimum in 0_usize..20, more in 0_usize..20) {
            let maximum = minimum + more;
            for (name, unit) in [("characters", Unit::Characters), ("bytes", Unit::Bytes), ("words", Unit::Words), ("lines", Unit::Lines)] {
                let json = format!(r#"{{"unit":"{name}","minimum":{minimum},"maximum":{maximum}}}"#);
                let kept = (minimum..=maximum).contains(&unit.count(&text));
                prop_assert_eq!(reason("length", &json, &text).is_none(), kept);
            }
        }
    }
}
