//! Runs that stop: by themselves, because too much went wrong, or because somebody outside wants it.

use std::fmt;

/// What there was too much of, so that a run stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// Records in quarantine.
    QuarantineLimit,
    /// Records that took their worker down.
    CrashLoop,
}

/// Why a run stopped by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StopError {
    /// What there was too much of.
    pub kind: StopKind,
    /// A finished sentence.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl StopError {
    /// Too many of the last records took their worker down.
    #[must_use]
    pub fn crash_loop(crashes: usize, of: usize) -> Self {
        Self {
            kind: StopKind::CrashLoop,
            message: format!("{crashes} of the last {of} records took their worker down; the run was stopped."),
            hint: Some("The quarantine file of a run over a part of the input shows how the worker died.".to_owned()),
        }
    }

    /// More was quarantined than the run may have: `much` of it, in words, with the limit.
    pub fn quarantine_limit(much: impl fmt::Display) -> Self {
        Self {
            kind: StopKind::QuarantineLimit,
            message: format!("The quarantine has {much}; the run was stopped, and what it had not committed is gone."),
            hint: Some(
                "Run the pipeline over a part of the input with `--limit` to see in its quarantine file why records fail."
                    .to_owned(),
            ),
        }
    }
}

/// What stopped a run from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupt {
    /// SIGINT: somebody pressed Ctrl-C.
    #[error("The run was interrupted; what it had not committed is gone.")]
    Interrupt,
    /// SIGTERM.
    #[error("The run was terminated; what it had not committed is gone.")]
    Terminate,
    /// SIGHUP: the terminal was closed.
    #[error("The terminal was closed; what the run had not committed is gone.")]
    HangUp,
    /// SIGXCPU: the process has used as much processor time as it may.
    #[error("The limit on processor time was reached (see `ulimit -t`); what the run had not committed is gone.")]
    TimeUp,
    /// The reader of standard output went away.
    #[error("Standard output was closed by its reader.")]
    ClosedPipe,
}
