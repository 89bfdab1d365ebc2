//! Carries the core's `log` records to Python's `logging`, under `text_processor.*`.
//!
//! The core logs on the thread that called it, a few lines per run and none per record, so no lock is ever held
//! and no other thread waits for the interpreter while a handler runs.

use pyo3::prelude::*;
use pyo3_log::{Caching, Logger, ResetHandle};
use std::sync::OnceLock;

static RESET: OnceLock<ResetHandle> = OnceLock::new();

/// Installs the logger of this extension module. A second import of the module finds it in place.
pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let logger = Logger::new(py, Caching::LoggersAndLevels)?;
    if let Ok(handle) = logger.install() {
        let _ = RESET.set(handle);
    }
    Ok(())
}

/// Forgets the levels that Python's loggers had, so that a change of level is seen by the run that starts now.
pub(super) fn reset() {
    if let Some(handle) = RESET.get() {
        handle.reset();
    }
}
