//! Reads `pipeline.toml`, and keeps the place of all that a later error could be about.

use crate::error::{ConfigError, Result, Shown, shown};
use crate::plan::document::{Document, Place, one_of};
use crate::plan::{OnError, OrderMode, Pipeline, PipelineStep, StepReference};
use crate::plugins::{listed, nearest};
use crate::step::Configuration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The most bytes that a pipeline file may have. A larger one is another file, named by mistake.
const FILE_LIMIT: u64 = 4 << 20;

type Keys = BTreeMap<String, Range<usize>>;
type Entry<'t> = (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>);

/// Reads a pipeline file.
pub(super) fn read(path: &Path) -> Result<Pipeline> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.into_parts().0.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > FILE_LIMIT {
        let message = format!("The pipeline file `{}` is larger than 4 MiB.", Shown(path));
        return Err(ConfigError::new(message)
            .with_hint("Name a pipeline file here, and inputs elsewhere.")
            .into());
    }
    parse(path, bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    if error.kind() == std::io::ErrorKind::NotFound {
        return ConfigError::new(format!("There is no pipeline file `{}`.", Shown(path)));
    }
    // `fs_err` adds the path to what the operating system says, and this sentence has it already.
    let reason = match error.raw_os_error() {
        Some(_) => error.to_string(),
        None => error.kind().to_string(),
    };
    ConfigError::new(format!("The pipeline file `{}` cannot be read: {reason}.", Shown(path)))
}

/// Reads the bytes of a pipeline file.
pub(super) fn parse(path: &Path, mut bytes: Vec<u8>) -> Result<Pipeline> {
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(path, &error).into()),
    };
    let document = Arc::new(Document::of_file(path.to_owned(), text));
    let (table, errors) = DeTable::parse_recoverable(document.text());
    if let Some(error) = errors.first() {
        return Err(not_toml(&document, error).into());
    }
    let mut pipeline = Reader { document: &document }.pipeline(table.get_ref())?;
    pipeline.file = Some(path.to_owned());
    Ok(pipeline)
}

/// Says in a sentence what the parser says in the form `what is wrong, expected this, that`.
fn not_toml(document: &Document, error: &toml::de::Error) -> ConfigError {
    let end = document.text().len();
    let span = error.span().unwrap_or(end..end);
    let (mut wrong, expected) = match error.message().split_once(", expected ") {
        Some((wrong, expected)) => (wrong, expected.split(", ").map(str::to_owned).collect()),
        None => (error.message(), Vec::new()),
    };
    let mut label = match expected.as_slice() {
        [] => String::new(),
        expected => format!("expected {}", listed(expected, "or")),
    };
    // The parser takes the absence of a value for a text that lacks its quotes.
    if span.is_empty() && wrong.starts_with("string values must be quoted") {
        (wrong, label) = ("a value is missing", "expected a value".to_owned());
    }
    document.error(
        span,
        format!("The file is not valid TOML: {}.", wrong.trim_end_matches('.')),
        &label,
    )
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
    let bytes = error.as_bytes();
    let valid = error.utf8_error().valid_up_to();
    let document = Document::of_file(path.to_owned(), String::from_utf8_lossy(bytes).into_owned());
    // What is valid is the same in the lossy text, so the offset of the first wrong byte is too.
    let message = format!(
        "The file is not UTF-8: the byte `0x{:02x}` does not belong here.",
        bytes[valid]
    );
    let span = valid..valid + char::REPLACEMENT_CHARACTER.len_utf8();
    document.error(span, message, "").with_hint("Save the file as UTF-8.")
}

struct Reader<'d> {
    document: &'d Arc<Document>,
}

impl Reader<'_> {
    fn pipeline(&self, table: &DeTable<'_>) -> Result<Pipeline, ConfigError> {
        let mut pipeline = Pipeline::default();
        for (key, value) in entries(table) {
            match key.get_ref().as_ref() {
                "pipeline" => {
                    let DeValue::Table(settings) = value.get_ref() else {
                        return Err(self.wrong_type("`pipeline`", value, "a table", "expected a table `[pipeline]`"));
                    };
                    self.settings(settings, &mut pipeline)?;
                }
                "step" => {
                    let DeValue::Array(steps) = value.get_ref() else {
                        return Err(self
                            .wrong_type("`step`", value, "a list of tables", "expected `[[step]]`")
                            .with_hint("Each step begins with a line `[[step]]`, in two pairs of brackets."));
                    };
                    for step in steps {
                        pipeline.steps.push(self.step(step)?);
                    }
                }
                _ => return Err(self.unknown_key(key, "a pipeline file", &["pipeline", "step"])),
            }
        }
        Ok(pipeline)
    }

    fn settings(&self, table: &DeTable<'_>, pipeline: &mut Pipeline) -> Result<(), ConfigError> {
        for (key, value) in entries(table) {
            match key.get_ref().as_ref() {
                "text" => pipeline.text = Some(self.name("text", value)?),
                "id" => pipeline.id = Some(self.name("id", value)?),
                "on-error" => {
                    let policies = [("raise", OnError::Raise), ("quarantine", OnError::Quarantine)];
                    pipeline.on_error = Some(self.choice("on-error", value, &policies)?);
                }
                "order" => {
                    let orders = [("listed", OrderMode::Explicit), ("auto", OrderMode::Auto)];
                    pipeline.order = self.choice("order", value, &orders)?;
                }
                _ => return Err(self.unknown_key(key, "`[pipeline]`", &["text", "id", "on-error", "order"])),
            }
        }
        Ok(())
    }

    fn step(&self, value: &Spanned<DeValue<'_>>) -> Result<PipelineStep, ConfigError> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong_type("A step", value, "a table", "expected a table with the key `use`"));
        };
        let mut name = None;
        let mut configuration = Configuration::new();
        let mut keys = Keys::new();
        for (key, value) in entries(table) {
            match key.get_ref().as_ref() {
                "use" => name = Some((self.name("use", value)?, value.span())),
                "with" => {
                    let DeValue::Table(with) = value.get_ref() else {
                        return Err(self.wrong_type(
                            "`with`",
                            value,
                            "a table",
                            "expected a table such as `{ key = 1 }`",
                        ));
                    };
                    configuration = self.table(with, "", &mut keys)?;
                }
                _ => {
                    let error = self.unknown_key(key, "`[[step]]`", &["use", "with"]);
                    let hint = format!(
                        "The configuration of a step stands in `with`, as in `with = {{ {} = … }}`.",
                        shown(key.get_ref())
                    );
                    return Err(if error.suggestion.is_none() {
                        error.with_hint(hint)
                    } else {
                        error
                    });
                }
            }
        }
        let Some((name, span)) = name else {
            let error = self.document.error(
                value.span(),
                "A step has no name.",
                "expected the key `use` in this step",
            );
            return Err(error.with_hint("Say which step is meant, as in `use = \"trim-lines\"`."));
        };
        Ok(PipelineStep {
            reference: StepReference::Name(name),
            configuration,
            place: Some(Place::new(Arc::clone(self.document), span, keys)),
        })
    }

    /// A text that must not be empty.
    fn name(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                Err(self
                    .document
                    .error(value.span(), format!("`{key}` is empty."), "expected a name"))
            }
            DeValue::String(text) => Ok(text.as_ref().to_owned()),
            _ => Err(self.wrong_type(&format!("`{key}`"), value, "text", "expected text in quotes")),
        }
    }

    /// One of a few words.
    fn choice<T: Copy>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let DeValue::String(text) = value.get_ref() else {
            let label = format!("expected {}, in quotes", one_of(&words));
            return Err(self.wrong_type(&format!("`{key}`"), value, "text", &label));
        };
        let found = choices.iter().find(|(word, _)| word == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let message = format!("`{key}` cannot be `{}`.", shown(text));
            let error = self
                .document
                .error(value.span(), message, &format!("expected {}", one_of(&words)));
            error.with_suggestion(nearest(text, words.iter().copied()))
        })
    }

    fn table(&self, table: &DeTable<'_>, path: &str, keys: &mut Keys) -> Result<Configuration, ConfigError> {
        let mut object = Configuration::new();
        for (key, value) in entries(table) {
            let name: &str = key.get_ref();
            let path = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            };
            // The value of a table that has a header of its own does not stand behind its key.
            let end = if value.span().start >= key.span().end {
                value.span().end
            } else {
                key.span().end
            };
            keys.insert(path.clone(), key.span().start..end);
            object.insert(name.to_owned(), self.json(value, &path, keys)?);
        }
        Ok(object)
    }

    fn json(&self, value: &Spanned<DeValue<'_>>, path: &str, keys: &mut Keys) -> Result<Value, ConfigError> {
        let refuse = |message: String, label: &str| Err(self.document.error(value.span(), message, label));
        match value.get_ref() {
            DeValue::String(text) => Ok(Value::String(text.as_ref().to_owned())),
            DeValue::Boolean(boolean) => Ok(Value::Bool(*boolean)),
            DeValue::Integer(integer) => {
                let (digits, radix) = (integer.as_str(), integer.radix());
                let signed = i64::from_str_radix(digits, radix).map(Value::from);
                match signed.or_else(|_| u64::from_str_radix(digits, radix).map(Value::from)) {
                    Ok(number) => Ok(number),
                    Err(_) => refuse(
                        format!("The number of `{}` does not fit 64 bits.", shown(path)),
                        "expected a smaller number",
                    ),
                }
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                match number {
                    Some(number) => Ok(Value::Number(number)),
                    None => refuse(
                        format!("`{}` cannot be `{}`.", shown(path), float.as_str()),
                        "expected a finite number",
                    ),
                }
            }
            DeValue::Datetime(_) => refuse(
                format!(
                    "`{}` is a date or a time, which the configuration of a step cannot hold.",
                    shown(path)
                ),
                "expected text: write it in quotes",
            ),
            DeValue::Array(items) => {
                let mut array = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    keys.insert(path.clone(), item.span());
                    array.push(self.json(item, &path, keys)?);
                }
                Ok(Value::Array(array))
            }
            DeValue::Table(table) => self.table(table, path, keys).map(Value::Object),
        }
    }

    fn unknown_key(&self, key: &Spanned<DeString<'_>>, of: &str, known: &[&str]) -> ConfigError {
        let message = format!("Unknown key `{}` in {of}.", shown(key.get_ref()));
        let error = self
            .document
            .error(key.span(), message, &format!("expected {}", one_of(known)));
        error.with_suggestion(nearest(key.get_ref(), known.iter().copied()))
    }

    fn wrong_type(&self, what: &str, value: &Spanned<DeValue<'_>>, expected: &str, label: &str) -> ConfigError {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.document
            .error(value.span(), format!("{what} must be {expected}, not {found}."), label)
    }
}

/// The entries of a table in the order of the file, so that the first mistake in it is the one that is reported.
fn entries<'t>(table: &'t DeTable<'t>) -> Vec<Entry<'t>> {
    let mut entries: Vec<Entry<'t>> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

#[cfg(test)]
mod tests;
