//! The errors of the core: one enum, whose messages are finished sentences.
//!
//! An error that a user sees says what went wrong, where (file, line, step, distribution, record), what was expected, and
//! the way out. The way out is kept apart from the message as a `hint`, so that a face can show it in its own manner:
//! the command prints it on a line of its own, Python attaches it to the exception as a note.

mod config;
mod failure;
mod file;
mod plugin;
mod resume;
mod shown;
mod stop;

pub use config::{ConfigError, Location};
pub use failure::{Failure, FailureKind, RecordError, shorten};
pub use file::FileError;
pub use plugin::{PluginError, PluginFault};
pub use resume::{Difference, ResumeError};
pub use shown::{Shown, needs_escape, shown};
pub use stop::{Interrupt, StopError, StopKind};

use std::path::PathBuf;
use std::sync::Arc;

/// What the core's fallible functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of another world (a Python exception, say) that caused one of ours. It is carried, never interpreted.
pub type Cause = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// Everything that can stop a pipeline from being built or a run from ending well.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pipeline file, an option, or the configuration of a step is wrong. Nothing was read.
    #[error("{0}")]
    Config(Box<ConfigError>),
    /// A plugin that a pipeline names cannot be found, loaded, ordered, or does not keep the contract. Nothing was read.
    #[error("{0}")]
    Plugin(Box<PluginError>),
    /// One record could not be processed, and the caller asked for an error instead of a quarantine.
    #[error("{0}")]
    Record(Box<RecordError>),
    /// An input cannot be read.
    #[error("{0}")]
    Input(Box<FileError>),
    /// An output cannot be written. What was written so far lies in temporary files that were removed.
    #[error("{0}")]
    Output(Box<FileError>),
    /// The run was stopped because too much went wrong. What was committed before stays.
    #[error("{0}")]
    Stopped(Box<StopError>),
    /// A run cannot go on where another one ended: something is not what it was.
    #[error("{0}")]
    Resume(Box<ResumeError>),
    /// Another run writes to the same output.
    #[error("{0}")]
    Locked(Box<FileError>),
    /// The run was stopped from outside before it was complete. No file was committed; shards of an output directory may be.
    #[error("{0}")]
    Interrupted(Interrupt),
    /// A promise of this program was broken by this program.
    #[error("{0} This is a bug in text-processor: please report it.")]
    Internal(String),
}

impl Error {
    /// The exit code of the command that ends with this error (the table stands in `docs/faults.md`).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Record(_) | Self::Stopped(_) => 4,
            Self::Input(_) => 5,
            Self::Output(_) => 6,
            Self::Plugin(_) => 7,
            Self::Resume(_) | Self::Locked(_) => 8,
            Self::Internal(_) => 70,
            Self::Interrupted(Interrupt::HangUp) => 129,
            Self::Interrupted(Interrupt::Interrupt) => 130,
            Self::Interrupted(Interrupt::ClosedPipe) => 141,
            Self::Interrupted(Interrupt::Terminate) => 143,
            Self::Interrupted(Interrupt::TimeUp) => 152,
        }
    }

    /// The way out, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Config(error) => error.hint.as_deref(),
            Self::Plugin(error) => error.hint.as_deref(),
            Self::Record(error) => error.failure.hint.as_deref(),
            Self::Input(error) | Self::Output(error) | Self::Locked(error) => error.hint.as_deref(),
            Self::Resume(error) => error.hint.as_deref(),
            Self::Stopped(error) => error.hint.as_deref(),
            Self::Interrupted(_) | Self::Internal(_) => None,
        }
    }

    /// An input error about a file, with the operating system's reason.
    pub fn input(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Input(Box::new(FileError::new(path, message)))
    }

    /// An output error about a file, with the operating system's reason.
    pub fn output(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Output(Box::new(FileError::new(path, message)))
    }
}

impl From<ResumeError> for Error {
    fn from(error: ResumeError) -> Self {
        Self::Resume(Box::new(error))
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl From<PluginError> for Error {
    fn from(error: PluginError) -> Self {
        Self::Plugin(Box::new(error))
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        Self::Record(Box::new(error))
    }
}

impl From<StopError> for Error {
    fn from(error: StopError) -> Self {
        Self::Stopped(Box::new(error))
    }
}
