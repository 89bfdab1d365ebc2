//! The built-in steps: one file per step, named like the step. This file is their register.
//!
//! To add a step: write `src/steps/<name>.rs`, add its line to [`REGISTER`], and write its tests.

pub mod trim_lines;

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
pub const REGISTER: &[BuiltIn] = &[trim_lines::BUILT_IN];

/// The built-in step of a (folded) name.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    REGISTER.iter().find(|step| step.name == name)
}
