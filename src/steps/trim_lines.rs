//! `trim-lines`: removes white space from both ends of each line and keeps the lines.

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::BuiltIn;
use std::sync::Arc;

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "trim-lines",
    declare,
    build,
};

fn declare() -> Declaration {
    Declaration::built_in(
        "trim-lines",
        Kind::Map,
        Stage::Normalize,
        "Removes white space from both ends of each line.",
    )
}

fn build(_configuration: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    Ok(Arc::new(TrimLines { declaration: declare() }))
}

struct TrimLines {
    declaration: Declaration,
}

impl Step for TrimLines {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        Configuration::new()
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        if text.split('\n').all(|line| line.trim() == line) {
            return Ok(Verdict::Text(text));
        }
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                scratch.text.push('\n');
            }
            scratch.text.push_str(line.trim());
        }
        Ok(Verdict::Text(&scratch.text))
    }
}
