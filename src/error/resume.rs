//! Runs that cannot go on in an output directory, and why.

use super::{Shown, shown};
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is not what it was when a run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is, in words: `the size of a shard`.
    pub what: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub now: String,
}

/// An output directory that a run cannot go on with.
#[derive(Debug, Clone)]
pub struct ResumeError {
    /// The directory.
    pub path: PathBuf,
    /// A finished sentence.
    pub message: String,
    /// What has changed since the run began, if it is that.
    pub differences: Vec<Difference>,
    /// The way out.
    pub hint: Option<String>,
}

impl ResumeError {
    /// How many differences the message names.
    const NAMED: usize = 5;

    /// An error of which only the sentence and the way out are known.
    pub fn new(path: impl Into<PathBuf>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            differences: Vec::new(),
            hint: Some(hint.into()),
        }
    }

    /// The error of a run that was begun with something else.
    #[must_use]
    pub fn changed(path: &Path, differences: Vec<Difference>) -> Self {
        let named = differences.iter().take(Self::NAMED).map(|difference| {
            let Difference { what, before, now } = difference;
            format!("{what} was {} and is {}", shown(before), shown(now))
        });
        let mut told = named.collect::<Vec<_>>().join("; ");
        if let Some(more) = differences.len().checked_sub(Self::NAMED).filter(|&more| more > 0) {
            told = format!("{told}; and {more} more");
        }
        let message = format!(
            "The run in `{}` cannot go on, because it was begun with something else: {told}.",
            Shown(path)
        );
        Self {
            path: path.to_owned(),
            message,
            differences,
            hint: Some("Run it as it was begun, name another directory, or begin again with `--overwrite`.".to_owned()),
        }
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ResumeError {}
