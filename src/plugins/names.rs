//! The names of steps: folding, look-up, collisions, and the nearest name to a mistyped one.

use crate::error::Result;
use crate::plugins::{Host, Plugin};
use crate::steps::BuiltIn;

/// What the name of a step stands for.
#[derive(Debug, Clone)]
pub enum Resolved {
    /// A step that ships in the engine.
    BuiltIn(&'static BuiltIn),
    /// A step that another distribution ships.
    Plugin(Plugin),
}

/// Folds a name, so that `-`, `_`, `.` and case make no difference.
#[must_use]
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// The nearest of `candidates` to a mistyped name, if one is near enough to be meant.
#[must_use]
pub fn nearest<'c>(_name: &str, _candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    None
}

/// Finds what a name stands for. A built-in's name never asks the host, so that a pipeline of built-ins discovers nothing.
pub fn resolve(_name: &str, _host: &dyn Host) -> Result<Resolved> {
    Err(crate::error::Error::Internal("Not built yet.".into()))
}
