//! Reads a step as the command line gives it: `name` or `name:key=value,key=value`.
//!
//! The name ends at the first colon, so a plugin of a certain distribution is written with a slash here:
//! `acme-filters/min-words:minimum=100`. Pipeline files and Python accept `acme-filters:min-words` too.

use crate::error::ConfigError;
use crate::error::shown;
use crate::plan::document::{Document, Place};
use crate::plan::{PipelineStep, StepReference};
use crate::step::Configuration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// How deep lists may be nested.
const DEPTH_LIMIT: usize = 32;

const QUOTE_HINT: &str =
    "A value that is text and holds a comma or begins with a bracket stands in quotes, as in `key='a,b'`.";

/// Reads one argument.
pub(super) fn parse(argument: &str) -> Result<PipelineStep, ConfigError> {
    let option = "-s ";
    let document = Arc::new(Document::of_argument(format!("{option}{argument}")));
    let mut parser = Parser {
        document: &document,
        text: document.text(),
        at: option.len(),
    };
    let (name, name_span) = parser.until(&[':']);
    if name.is_empty() {
        return Err(parser.error(name_span, "The step has no name.", "expected the name of a step"));
    }
    let mut configuration = Configuration::new();
    let mut keys = BTreeMap::new();
    if parser.take(':') {
        loop {
            let (key, value, span) = parser.pair()?;
            if keys.insert(key.to_owned(), span.clone()).is_some() {
                return Err(parser.error(
                    span,
                    format!("The key `{}` is given twice.", shown(key)),
                    "expected another key",
                ));
            }
            configuration.insert(key.to_owned(), value);
            if parser.at_end() {
                break;
            }
            if !parser.take(',') {
                let rest = parser.at..parser.text.len();
                let message = format!("There is more text after the value of `{}`.", shown(key));
                return Err(parser
                    .error(rest, message, "expected `,` or the end")
                    .with_hint(QUOTE_HINT));
            }
        }
    }
    Ok(PipelineStep {
        reference: StepReference::Name(name.to_owned()),
        configuration,
        place: Some(Place::new(Arc::clone(&document), name_span, keys)),
    })
}

struct Parser<'d> {
    document: &'d Document,
    text: &'d str,
    at: usize,
}

impl<'d> Parser<'d> {
    fn error(&self, span: Range<usize>, message: impl Into<String>, label: &str) -> ConfigError {
        self.document.error(span, message, label)
    }

    fn rest(&self) -> &'d str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest().is_empty()
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    /// Takes what stands before the first of `ends`, without the white space around it, and its span.
    fn until(&mut self, ends: &[char]) -> (&'d str, Range<usize>) {
        self.skip_space();
        let start = self.at;
        let rest = self.rest();
        let taken = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += taken.len();
        let taken = taken.trim_end();
        (taken, start..start + taken.len())
    }

    /// Takes `key=value`.
    fn pair(&mut self) -> Result<(&'d str, Value, Range<usize>), ConfigError> {
        let (key, span) = self.until(&['=', ',']);
        if key.is_empty() || !self.rest().starts_with('=') {
            let message = if key.is_empty() {
                "A key is missing.".to_owned()
            } else {
                format!("`{}` has no value.", shown(key))
            };
            let hint = if self.text[..span.start].ends_with(':') {
                "A plugin of a certain distribution is written with a slash: `distribution/name`."
            } else {
                QUOTE_HINT
            };
            return Err(self.error(span, message, "expected `key=value`").with_hint(hint));
        }
        self.take('=');
        let value = self.value(key, &[','], 0)?;
        Ok((key, value, span.start..self.at))
    }

    /// Takes a value; a bare one ends at one of `ends`.
    fn value(&mut self, key: &str, ends: &[char], depth: usize) -> Result<Value, ConfigError> {
        self.skip_space();
        match self.rest().chars().next() {
            Some('"') => self.quoted(key).map(Value::String),
            Some('\'') => self.literal(key).map(Value::String),
            Some('[') => self.list(key, depth),
            _ => self.bare(key, ends),
        }
    }

    /// Takes a bare value: a truth value or a number, spelled as in JSON, or text.
    fn bare(&mut self, key: &str, ends: &[char]) -> Result<Value, ConfigError> {
        let (word, span) = self.until(ends);
        let digits = word.strip_prefix('-').unwrap_or(word);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let too_large = word.parse::<i64>().is_err() && word.parse::<u64>().is_err();
            if too_large {
                let message = format!("The number of `{}` does not fit 64 bits.", shown(key));
                return Err(self.error(span, message, "expected a smaller number, or text in quotes"));
            }
        }
        match serde_json::from_str(word) {
            Ok(value @ (Value::Bool(_) | Value::Number(_))) => Ok(value),
            _ => Ok(Value::String(word.to_owned())),
        }
    }

    /// Takes `'…'`, in which nothing is escaped.
    fn literal(&mut self, key: &str) -> Result<String, ConfigError> {
        let start = self.at;
        let body = &self.rest()[1..];
        let Some(end) = body.find('\'') else {
            return Err(self.unclosed(key, start, "'"));
        };
        self.at += end + 2;
        Ok(body[..end].to_owned())
    }

    /// Takes `"…"`, in which a backslash escapes.
    fn quoted(&mut self, key: &str) -> Result<String, ConfigError> {
        let start = self.at;
        let body_start = start + 1;
        let mut text = String::new();
        let mut characters = self.text[body_start..].char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at = body_start + offset + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 't')) => text.push('\t'),
                    Some((end, other)) => {
                        let span = body_start + offset..body_start + end + other.len_utf8();
                        let message = format!("The value of `{}` has an escape that is not known.", shown(key));
                        let error = self.error(span, message, r#"expected `\"`, `\\`, `\n`, `\r` or `\t`"#);
                        return Err(error.with_hint("In single quotes nothing is escaped."));
                    }
                    None => break,
                },
                other => text.push(other),
            }
        }
        Err(self.unclosed(key, start, "\""))
    }

    /// Takes `[a, b]`.
    fn list(&mut self, key: &str, depth: usize) -> Result<Value, ConfigError> {
        let start = self.at;
        if depth == DEPTH_LIMIT {
            return Err(self.error(
                start..start + 1,
                format!("The list of `{}` is nested too deep.", shown(key)),
                "",
            ));
        }
        self.take('[');
        let mut items = Vec::new();
        self.skip_space();
        if self.take(']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(key, &[',', ']'], depth + 1)?);
            self.skip_space();
            if self.take(']') {
                return Ok(Value::Array(items));
            }
            if self.rest().is_empty() {
                return Err(self.unclosed(key, start, "]"));
            }
            if !self.take(',') {
                let rest = self.at..self.text.len();
                let message = format!("There is more text after an item of the list of `{}`.", shown(key));
                return Err(self.error(rest, message, "expected `,` or `]`").with_hint(QUOTE_HINT));
            }
        }
    }

    fn unclosed(&self, key: &str, start: usize, close: &str) -> ConfigError {
        let message = format!("The value of `{}` lacks its closing `{close}`.", shown(key));
        let error = self.error(start..start + 1, message, &format!("expected a `{close}` for this"));
        if close == "]" {
            error.with_hint(QUOTE_HINT)
        } else {
            error
        }
    }
}

#[cfg(test)]
mod tests;
