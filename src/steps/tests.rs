//! What holds for every built-in step, and for the cleaning steps in a row.

use super::REGISTER;
use super::testing::{apply_map, step};
use crate::step::{Configuration, Runtime};
use serde_json::Value;

/// A configuration that is enough to make each step that needs one.
fn enough(name: &str) -> Configuration {
    let json = match name {
        "length" => r#"{"minimum":1}"#,
        "replace" => r#"{"pattern":"a"}"#,
        _ => "{}",
    };
    serde_json::from_str(json).expect("an object")
}

#[test]
fn the_register_is_sorted_and_consistent() {
    assert!(REGISTER.is_sorted_by_key(|step| step.name));
    for built_in in REGISTER {
        let declaration = (built_in.declare)();
        assert_eq!(declaration.name, built_in.name);
        assert_eq!(declaration.runtime, Runtime::Rust);
        assert!(
            declaration.summary.ends_with('.') && declaration.origin.is_none(),
            "{}",
            built_in.name
        );
        for parameter in &declaration.parameters {
            assert!(
                parameter.description.ends_with('.'),
                "{}: {}",
                built_in.name,
                parameter.name
            );
            assert!(!parameter.r#type.is_empty(), "{}: {}", built_in.name, parameter.name);
        }
    }
}

#[test]
fn a_step_makes_itself_again_from_its_configuration() {
    for built_in in REGISTER {
        let given = enough(built_in.name);
        let step = (built_in.build)(&given).unwrap_or_else(|error| panic!("{error}"));
        let configuration = step.configuration();
        let again = (built_in.build)(&configuration).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.configuration(), configuration, "{}", built_in.name);
        assert_eq!(*step.declaration(), (built_in.declare)());
        // What is declared is what is read, name by name and default by default.
        let declared: Vec<&str> = step
            .declaration()
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect();
        assert_eq!(
            configuration.keys().map(String::as_str).collect::<Vec<_>>(),
            declared,
            "{}",
            built_in.name
        );
        for parameter in &step.declaration().parameters {
            if !given.contains_key(&parameter.name) {
                assert_eq!(
                    Some(&configuration[&parameter.name]),
                    parameter.default.as_ref(),
                    "{}",
                    built_in.name
                );
            }
        }
    }
}

#[test]
fn no_step_accepts_an_unknown_key_or_a_value_of_a_wrong_type() {
    for built_in in REGISTER {
        let refuse = |key: &str, value: Value| {
            let mut configuration = enough(built_in.name);
            configuration.insert(key.to_owned(), value);
            let error = (built_in.build)(&configuration).err();
            let error = error.unwrap_or_else(|| panic!("{} takes a wrong `{key}`", built_in.name));
            assert_eq!(error.key.as_deref(), Some(key), "{}: {error}", built_in.name);
        };
        refuse("no-such-key", Value::Null);
        for parameter in (built_in.declare)().parameters {
            refuse(&parameter.name, serde_json::json!({ "a": "table" }));
        }
    }
}

#[test]
fn every_step_and_parameter_is_documented() {
    let documentation = include_str!("../../docs/steps.md");
    for built_in in REGISTER {
        let heading = format!("\n## `{}`\n", built_in.name);
        let (_, section) = documentation
            .split_once(&heading)
            .unwrap_or_else(|| panic!("docs/steps.md has no section `{}`", built_in.name));
        let section = section.split("\n## ").next().unwrap_or(section);
        for parameter in (built_in.declare)().parameters {
            let row = format!("\n| `{}` |", parameter.name);
            assert!(
                section.contains(&row),
                "docs/steps.md: `{}` lacks `{}`",
                built_in.name,
                parameter.name
            );
        }
    }
}

/// `fixtures/clean.jsonl` holds pairs of a text and what Python's `unicodedata` and `re` make of it, written by
/// `fixtures/clean.py`.
#[test]
fn the_cleaning_steps_in_a_row_are_what_python_does() {
    let steps = ["normalize-unicode", "strip-control", "collapse-whitespace", "trim"].map(|name| step(name, "{}"));
    let mut pairs = 0;
    for line in include_str!("fixtures/clean.jsonl").lines() {
        let (text, expected): (String, String) = serde_json::from_str(line).expect("a pair of texts");
        let mut clean = text.clone();
        for step in &steps {
            clean = apply_map(&**step, &clean).expect("no step fails");
        }
        assert_eq!(clean, expected, "{text:?}");
        pairs += 1;
    }
    assert!(pairs > 500, "the fixture is there");
}
