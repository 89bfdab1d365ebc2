//! A text that a person wrote (a pipeline file, an argument of the command) and the places in it that errors point at.

use crate::error::{ConfigError, Error, Location};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A text that a person wrote.
#[derive(Debug)]
pub(super) struct Document {
    /// Its file; `None` for an argument, whose place a snippet shows well enough.
    file: Option<PathBuf>,
    text: String,
}

impl Document {
    pub(super) fn of_file(file: PathBuf, text: String) -> Self {
        Self { file: Some(file), text }
    }

    pub(super) fn of_argument(text: String) -> Self {
        Self { file: None, text }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// An error about the bytes in `span`: its message is a sentence, `label` (which may be empty) stands beside the caret.
    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>, label: &str) -> ConfigError {
        let mut error = ConfigError::new(message);
        error.location = self.location(span.start);
        error.snippet = Some(self.snippet(span, label));
        error
    }

    /// The place of a byte, if the text is a file.
    pub(super) fn location(&self, offset: usize) -> Option<Location> {
        let file = self.file.clone()?;
        let line = self.line_at(offset);
        let before = &self.text[line.start..self.boundary(offset).max(line.start)];
        Some(Location {
            file,
            line: self.line_number(offset),
            column: before.chars().count() + 1,
        })
    }

    /// The line at `span` with a caret under the span, as far as it lies on that line.
    pub(super) fn snippet(&self, span: Range<usize>, label: &str) -> String {
        let line = self.line_at(span.start);
        let start = self.boundary(span.start).clamp(line.start, line.end);
        let end = self.boundary(span.end).clamp(start, line.end);
        let (line_text, start, end) = window(&self.text[line.clone()], start - line.start, end - line.start);
        let mut annotation = AnnotationKind::Primary.span(start..end);
        if !label.is_empty() {
            annotation = annotation.label(label);
        }
        let snippet = Snippet::source(line_text)
            .line_start(self.line_number(span.start))
            .line_numbering(self.file.is_some())
            .annotation(annotation);
        let rendered = Renderer::plain().render(&[Group::with_level(Level::ERROR).element(snippet)]);
        rendered.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// The bytes of the line that holds a byte, without the line end.
    fn line_at(&self, offset: usize) -> Range<usize> {
        let offset = self.boundary(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |found| found + 1);
        let end = self.text[offset..]
            .find('\n')
            .map_or(self.text.len(), |found| offset + found);
        let line = &self.text[start..end];
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }

    fn line_number(&self, offset: usize) -> usize {
        self.text[..self.boundary(offset)].matches('\n').count() + 1
    }

    /// The nearest place at or before `offset` at which the text can be cut.
    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// How many characters of a line are shown on each side of the caret: a line of a megabyte helps nobody.
const SHOWN_CHARACTERS: usize = 100;

/// Cuts a long line to what stands around a span of it. Characters that would reorder the line are replaced; control
/// characters are left to the renderer, which shows each as a visible sign.
fn window(line: &str, start: usize, end: usize) -> (String, usize, usize) {
    let before = &line[..start];
    let from = before
        .char_indices()
        .rev()
        .nth(SHOWN_CHARACTERS - 1)
        .map_or(0, |(index, _)| index);
    let to = line[start..]
        .char_indices()
        .nth(SHOWN_CHARACTERS)
        .map_or(line.len(), |(index, _)| start + index);
    let end = end.min(to);
    let safe = |text: &str| -> String {
        text.chars()
            .map(|character| {
                let harmful = crate::error::needs_escape(character) && !character.is_control();
                if harmful {
                    char::REPLACEMENT_CHARACTER
                } else {
                    character
                }
            })
            .collect()
    };
    let (before, marked, after) = (safe(&line[from..start]), safe(&line[start..end]), safe(&line[end..to]));
    let (start, end) = (before.len(), before.len() + marked.len());
    (before + &marked + &after, start, end)
}

/// Where a step stands in a text that a person wrote, so that an error found later can point there.
#[derive(Debug, Clone)]
pub struct Place {
    document: Arc<Document>,
    name: Range<usize>,
    keys: BTreeMap<String, Range<usize>>,
}

impl Place {
    /// A step whose name stands at `name`, and whose configuration has the keys of `keys`: `a`, `a.b` for a key of a
    /// table, `a[0]` for an item of a list.
    pub(super) fn new(document: Arc<Document>, name: Range<usize>, keys: BTreeMap<String, Range<usize>>) -> Self {
        Self { document, name, keys }
    }

    /// Gives an error that was found in this step its place: an error of its configuration the place of the key it
    /// names, any other the place of the step's name. An error that has a place keeps it.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        match error {
            Error::Config(mut error) if error.location.is_none() && error.snippet.is_none() => {
                let span = error
                    .key
                    .as_deref()
                    .and_then(|key| self.span_of(key))
                    .unwrap_or(&self.name);
                error.location = self.document.location(span.start);
                error.snippet = Some(self.document.snippet(span.clone(), ""));
                Error::Config(error)
            }
            Error::Plugin(mut error) if error.location.is_none() && error.snippet.is_none() => {
                error.location = self.document.location(self.name.start);
                error.snippet = Some(self.document.snippet(self.name.clone(), ""));
                Error::Plugin(error)
            }
            other => other,
        }
    }

    /// The span of a key, or of the nearest one that holds it.
    fn span_of(&self, key: &str) -> Option<&Range<usize>> {
        let mut key = key;
        loop {
            if let Some(span) = self.keys.get(key) {
                return Some(span);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

/// Joins names that are written alike, as a person reads them: `a`, `b` or `c`.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    crate::plugins::listed(&quoted, "or")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document(text: &str) -> Document {
        Document::of_file("p.toml".into(), text.to_owned())
    }

    #[test]
    fn columns_count_characters_and_the_caret_stands_under_them() {
        let text = "one\r\n\tgrüße = 日本 x\r\nthree";
        let start = text.find('x').expect("it is there");
        insta::assert_snapshot!(document(text).error(start..start + 1, "No `x` here.", "expected `y`"), @"
        p.toml:2:13: No `x` here.
          |
        2 |     grüße = 日本 x
          |                  ^ expected `y`
        ");
    }

    #[test]
    fn the_end_of_a_text_can_be_pointed_at() {
        insta::assert_snapshot!(document("a =").error(3..3, "Nothing follows.", ""), @"
        p.toml:1:4: Nothing follows.
          |
        1 | a =
          |    ^
        ");
        insta::assert_snapshot!(document("").error(0..0, "Nothing at all.", ""), @"
        p.toml:1:1: Nothing at all.
          |
        1 |
          | ^
        ");
        insta::assert_snapshot!(document("a\n").error(2..2, "Nothing follows.", ""), @"
        p.toml:2:1: Nothing follows.
          |
        2 |
          | ^
        ");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let shown = document(&text).error(5000..5001, "Long.", "here").to_string();
        assert!(shown.len() < 1000, "{shown}");
        assert!(shown.contains("aXb"), "{shown}");
        assert!(shown.starts_with("p.toml:1:5001: "), "{shown}");
    }

    #[test]
    fn nothing_in_a_line_reaches_the_terminal_as_a_command() {
        let shown = document("a = \"\u{1b}[31m\u{202e}\" x").snippet(0..1, "");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in any::<String>(), start in 0usize..200, length in 0usize..200) {
            let error = document(&text).error(start..start + length, "Wrong.", "expected something else");
            prop_assert!(error.snippet.is_some_and(|snippet| snippet.contains('^')));
            prop_assert!(error.location.is_some_and(|location| location.line >= 1 && location.column >= 1));
        }
    }
}
