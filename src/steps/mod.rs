//! The built-in steps: one file per step, named like the step. This file is their register.
//!
//! To add a step: write `src/steps/<name>.rs`, add its line to [`REGISTER`], and document it in `docs/steps.md`.
//! What steps share lies beside them: `configuration` reads what a step was given, `rewrite` writes a changed text with as
//! few copies as possible, `alone` does what a rule about single characters says, `guard` bounds time. What a character, a
//! word and a line is, [`crate::units`] says.

mod alone;
pub mod collapse_whitespace;
mod configuration;
mod guard;
pub mod length;
pub mod normalize_unicode;
pub mod redact;
pub mod replace;
mod replacement;
mod rewrite;
mod search;
pub mod strip_control;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod trim;
pub mod trim_lines;
pub mod validate;

use crate::error::{ConfigError, Result};
use crate::step::{Configuration, Declaration, Step};
use std::sync::Arc;

/// A step that ships in the engine.
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it declares, before it is configured.
    pub declare: fn() -> Declaration,
    /// Makes the step from its configuration.
    pub build: fn(&Configuration) -> Result<Arc<dyn Step>, ConfigError>,
}

impl std::fmt::Debug for BuiltIn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("BuiltIn").field(&self.name).finish()
    }
}

/// All built-in steps, sorted by name.
pub const REGISTER: &[BuiltIn] = &[
    collapse_whitespace::BUILT_IN,
    length::BUILT_IN,
    normalize_unicode::BUILT_IN,
    redact::BUILT_IN,
    replace::BUILT_IN,
    strip_control::BUILT_IN,
    trim::BUILT_IN,
    trim_lines::BUILT_IN,
    validate::BUILT_IN,
];

/// The built-in step of a (folded) name.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    REGISTER.iter().find(|step| step.name == name)
}
