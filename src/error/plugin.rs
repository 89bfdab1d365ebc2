//! Plugins that are used and cannot be.

use super::{Cause, Location};
use std::fmt;

/// What is wrong with a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginFault {
    /// No built-in and no installed plugin has the name.
    NotFound,
    /// Several distributions offer the name.
    Collision,
    /// Importing or creating it failed.
    Load,
    /// It loads, but is not what a plugin must be.
    Contract,
    /// Its place among the other steps cannot be satisfied.
    Order,
}

/// A plugin that is used and cannot be.
#[derive(Debug, Clone)]
pub struct PluginError {
    /// What is wrong with it.
    pub fault: PluginFault,
    /// A finished sentence.
    pub message: String,
    /// The step's name as the pipeline gives it.
    pub plugin: String,
    /// The distribution that ships it.
    pub distribution: Option<String>,
    /// That distribution's version.
    pub version: Option<String>,
    /// The entry point's value, `module:attribute`.
    pub entry_point: Option<String>,
    /// Where the pipeline names it, if it does so in a file.
    pub location: Option<Location>,
    /// The line that names it with a caret under the name, in plain text.
    pub snippet: Option<String>,
    /// The way out.
    pub hint: Option<String>,
    /// What the plugin itself raised.
    pub cause: Option<Cause>,
}

impl PluginError {
    /// An error of which only the sentence and the plugin's name are known.
    pub fn new(fault: PluginFault, plugin: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            plugin: plugin.into(),
            distribution: None,
            version: None,
            entry_point: None,
            location: None,
            snippet: None,
            hint: None,
            cause: None,
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(formatter, "{location}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some(snippet) = &self.snippet {
            write!(formatter, "\n{snippet}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PluginError {}
