//! Reads the configuration of a built-in step into its own type, and says in plain words what is wrong with it.

use crate::error::ConfigError;
use crate::step::{Configuration, Declaration, Parameter};
use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::Value;
use std::fmt;

/// A parameter that has a default; `null` stands for "not given".
pub(super) fn parameter(name: &str, r#type: &str, default: impl Into<Value>, description: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        r#type: r#type.to_owned(),
        default: Some(default.into()),
        description: description.to_owned(),
    }
}

/// A parameter that must be given.
pub(super) fn required(name: &str, r#type: &str, description: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        r#type: r#type.to_owned(),
        default: None,
        description: description.to_owned(),
    }
}

/// Reads the configuration of the step that `declaration` describes. The type must deny unknown fields, and take the
/// parameters that are declared, in the types that are declared.
pub(super) fn read<T: DeserializeOwned>(
    declaration: &Declaration,
    configuration: &Configuration,
) -> Result<T, ConfigError> {
    let step = &declaration.name;
    let known = || declaration.parameters.iter().map(|parameter| parameter.name.as_str());
    for key in configuration.keys() {
        if !known().any(|name| name == key) {
            return Err(unknown_key(step, key, known().collect()));
        }
    }
    for parameter in &declaration.parameters {
        if parameter.default.is_none() && !configuration.contains_key(&parameter.name) {
            return Err(ConfigError::new(format!(
                "Step `{step}` needs `{}`: {}, and it is not given.",
                parameter.name, parameter.r#type
            ))
            .with_key(&parameter.name)
            .with_hint(parameter.description.clone()));
        }
    }
    let entries = configuration
        .iter()
        .map(|(key, value)| (key.as_str(), Entry { key, value }));
    T::deserialize(MapDeserializer::new(entries)).map_err(|Mistake { key, message }| {
        let parameter = key
            .as_deref()
            .and_then(|key| declaration.parameters.iter().find(|parameter| parameter.name == key));
        match parameter {
            Some(parameter) => {
                let found = &configuration[&parameter.name];
                let shown = if parameter.r#type.contains("secret") {
                    "something else, which is not shown".to_owned()
                } else {
                    shown(found)
                };
                wrong(step, &parameter.name, &parameter.r#type, &shown)
                    .with_suggestion(nearest_choice(&parameter.r#type, found))
            }
            // The declaration and the type disagree; still say what serde knows.
            None => ConfigError::new(format!("The configuration of step `{step}` is wrong: {message}.")),
        }
    })
}

/// The configuration that would make the step again.
pub(super) fn write(configuration: &impl Serialize) -> Configuration {
    match serde_json::to_value(configuration) {
        Ok(Value::Object(map)) => map,
        // Configurations are structs of texts, numbers and lists of them, which are always objects in JSON.
        _ => Configuration::new(),
    }
}

/// A value that cannot be used. `expected` and `found` complete the sentence "expected …, found …".
pub(super) fn wrong(step: &str, key: &str, expected: &str, found: &str) -> ConfigError {
    ConfigError::new(format!(
        "The value of `{key}` for step `{step}` is wrong: expected {expected}, found {found}."
    ))
    .with_key(key)
}

/// The nearest of `candidates` to a mistyped name, if one is near enough to be meant.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let folded = name.to_lowercase().replace(['_', ' '], "-");
    candidates
        .into_iter()
        .map(|candidate| {
            let similarity = strsim::jaro_winkler(&folded, &candidate.to_lowercase().replace(['_', ' '], "-"));
            (similarity, candidate)
        })
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate.to_owned())
}

fn unknown_key(step: &str, key: &str, known: Vec<&str>) -> ConfigError {
    let suggestion = nearest(key, known.iter().copied());
    let known: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    let list = if known.is_empty() {
        format!("Step `{step}` takes no configuration.")
    } else {
        format!("Step `{step}` takes {}.", known.join(", "))
    };
    ConfigError::new(format!("Step `{step}` has no parameter `{key}`."))
        .with_key(key)
        .with_suggestion(suggestion)
        .with_hint(list)
}

/// A type that lists what may be chosen does so in backticks.
fn nearest_choice(r#type: &str, found: &Value) -> Option<String> {
    if !r#type.contains("one of ") && !r#type.contains("list of ") {
        return None;
    }
    let choices = || r#type.split('`').skip(1).step_by(2);
    let is_wrong = |name: &&str| !choices().any(|choice| choice == *name);
    match found {
        Value::String(name) => nearest(name, choices()),
        Value::Array(names) => nearest(names.iter().filter_map(Value::as_str).find(is_wrong)?, choices()),
        _ => None,
    }
}

/// A value as a person would name it. Long texts are cut: an error shows what is wrong, not all of it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the boolean `{value}`"),
        Value::Number(number) if number.is_f64() => format!("the number `{number}`"),
        Value::Number(number) => format!("the integer `{number}`"),
        Value::String(text) => format!(
            "the text `{}`",
            crate::error::shorten(text.escape_debug().to_string(), 80)
        ),
        Value::Array(_) => format!("the list `{}`", crate::error::shorten(value.to_string(), 80)),
        Value::Object(_) => format!("the table `{}`", crate::error::shorten(value.to_string(), 80)),
    }
}

/// An error that knows the key it happened at, which serde's own errors do not.
#[derive(Debug)]
struct Mistake {
    key: Option<String>,
    message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            key: None,
            message: message.to_string(),
        }
    }
}

/// A value with its key.
struct Entry<'c> {
    key: &'c str,
    value: &'c Value,
}

impl Entry<'_> {
    fn locate<T>(&self, result: Result<T, serde_json::Error>) -> Result<T, Mistake> {
        result.map_err(|error| Mistake {
            key: Some(self.key.to_owned()),
            message: error.to_string(),
        })
    }
}

impl<'c> IntoDeserializer<'c, Mistake> for Entry<'c> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'c> Deserializer<'c> for Entry<'c> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'c>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.locate(self.value.deserialize_any(visitor))
    }

    fn deserialize_option<V: Visitor<'c>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.locate(self.value.deserialize_option(visitor))
    }

    fn deserialize_enum<V: Visitor<'c>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.locate(self.value.deserialize_enum(name, variants, visitor))
    }

    forward_to_deserialize_any! {
        <V: Visitor<'c>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{Kind, Stage};
    use crate::units::Unit;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Example {
        pattern: String,
        #[serde(default)]
        unit: Unit,
        #[serde(default)]
        at_most: Option<usize>,
        #[serde(default)]
        names: Vec<String>,
    }

    fn declaration() -> Declaration {
        let mut declaration = Declaration::built_in("example", Kind::Map, Stage::Transform, "An example.");
        declaration.parameters = vec![
            required("pattern", "text", "What to look for."),
            parameter("unit", Unit::TYPE, "characters", "What is counted."),
            parameter("at-most", "integer", Value::Null, "The most."),
            parameter("names", "list of text", Vec::<String>::new(), "Names."),
        ];
        declaration
    }

    fn read_json(json: &str) -> Result<Example, ConfigError> {
        read(&declaration(), &serde_json::from_str(json).expect("an object"))
    }

    #[test]
    fn a_configuration_comes_back_as_it_was() {
        let json = r#"{"pattern":"a","unit":"words","at-most":3,"names":["x"]}"#;
        let example = read_json(json).expect("valid");
        assert_eq!(serde_json::to_string(&write(&example)).expect("JSON"), json);
        assert_eq!(
            read_json(r#"{"pattern":"a","at-most":null}"#).expect("valid").at_most,
            None
        );
    }

    #[test]
    fn an_unknown_key_lists_the_known_ones_and_suggests_the_nearest() {
        let error = read_json(r#"{"pattern":"a","at_most":1}"#).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "Step `example` has no parameter `at_most`. Did you mean `at-most`?"
        );
        assert_eq!(error.key.as_deref(), Some("at_most"));
        assert_eq!(
            error.hint.as_deref(),
            Some("Step `example` takes `pattern`, `unit`, `at-most`, `names`.")
        );
        assert_eq!(read_json(r#"{"zzz":1}"#).expect_err("unknown").suggestion, None);
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = read_json("{}").expect_err("missing");
        assert_eq!(
            error.to_string(),
            "Step `example` needs `pattern`: text, and it is not given."
        );
        assert_eq!(error.key.as_deref(), Some("pattern"));
    }

    #[test]
    fn a_wrong_value_says_what_was_expected_and_found() {
        for (json, key, found) in [
            (r#"{"pattern":1}"#, "pattern", "text, found the integer `1`"),
            (r#"{"pattern":null}"#, "pattern", "text, found nothing"),
            (
                r#"{"pattern":"","at-most":-1}"#,
                "at-most",
                "integer, found the integer `-1`",
            ),
            (
                r#"{"pattern":"","at-most":1.5}"#,
                "at-most",
                "integer, found the number `1.5`",
            ),
            (
                r#"{"pattern":"","at-most":true}"#,
                "at-most",
                "integer, found the boolean `true`",
            ),
            (
                r#"{"pattern":"","names":["a",1]}"#,
                "names",
                "list of text, found the list `[\"a\",1]`",
            ),
            (
                r#"{"pattern":"","names":{}}"#,
                "names",
                "list of text, found the table `{}`",
            ),
        ] {
            let error = read_json(json).expect_err("wrong");
            assert_eq!(
                error.to_string(),
                format!("The value of `{key}` for step `example` is wrong: expected {found}.")
            );
            assert_eq!(error.key.as_deref(), Some(key));
        }
    }

    #[test]
    fn a_wrong_choice_suggests_the_nearest() {
        let error = read_json(r#"{"pattern":"","unit":"word"}"#).expect_err("wrong");
        assert_eq!(error.suggestion.as_deref(), Some("words"));
        assert_eq!(
            error.message,
            "The value of `unit` for step `example` is wrong: expected one of `characters`, `bytes`, `words`, `lines`, \
             found the text `word`."
        );
    }
}
