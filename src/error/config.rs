//! Mistakes in pipeline files, options and configurations, and where they stand.

use super::Shown;
use std::fmt;
use std::path::PathBuf;

/// A mistake in a pipeline file, an option or a step's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigError {
    /// A finished sentence.
    pub message: String,
    /// Where the mistake stands, if it stands in a file.
    pub location: Option<Location>,
    /// The offending line with a caret under the mistake, in plain text.
    pub snippet: Option<String>,
    /// The nearest name that would have been right.
    pub suggestion: Option<String>,
    /// The way out.
    pub hint: Option<String>,
    /// The key of the configuration that is wrong, so that whoever knows the file can find its place.
    pub key: Option<String>,
}

/// A place in a file that a person wrote. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", Shown(&self.file), self.line, self.column)
    }
}

impl ConfigError {
    /// A mistake of which only the sentence is known.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the key of the configuration that is wrong.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Offers the nearest name that would have been right.
    #[must_use]
    pub fn with_suggestion(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(formatter, "{location}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(formatter, " Did you mean `{suggestion}`?")?;
        }
        if let Some(snippet) = &self.snippet {
            write!(formatter, "\n{snippet}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
