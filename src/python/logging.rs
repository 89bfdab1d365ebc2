//! Carries the core's `log` records to Python's `logging`, under `text_processor.*`.
//!
//! Importing `logging` costs more than all the rest of this package, so it is imported with the first message that
//! somebody may see. The core logs on the thread that called it, a few lines per run and none per record, so no lock is
//! ever held and no other thread waits for the interpreter while a handler runs.

use crate::python::{names, signals};
use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3_log::{Caching, Logger};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is passed on where Python's own levels decide what is seen.
const PASSED_ON: LevelFilter = LevelFilter::Debug;

static CARRIER: Carrier = Carrier {
    logger: OnceLock::new(),
    command: Mutex::new(None),
};

struct Carrier {
    /// The way to Python's loggers, once there is something to carry.
    logger: OnceLock<Logger>,
    /// What the command that runs shows on standard error.
    command: Mutex<Option<Shown>>,
}

/// How much the command shows, where nobody has configured Python's `logging`.
struct Shown {
    level: LevelFilter,
    /// Takes the handler away again, once there is one.
    undo: Option<Py<PyAny>>,
}

impl Log for Carrier {
    /// What other crates say is not passed on: some of it is said on threads that make requests, which must not wait for the
    /// interpreter, and what matters of it is in the errors that they return.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // When the interpreter shuts down there is nobody left to tell.
        Python::try_attach(|py| {
            match self.carry(py, record) {
                // The run ends with it: it was noted when the signal came.
                Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) && signals::noted() => {}
                Err(error) => error.write_unraisable(py, None),
                Ok(()) => {}
            }
        });
    }

    fn flush(&self) {}
}

impl Carrier {
    fn carry(&self, py: Python<'_>, record: &Record<'_>) -> PyResult<()> {
        let shown = self.show_command(py)?;
        let logger = match self.logger.get() {
            Some(logger) => logger,
            // Where nobody has imported `logging`, nobody has asked for anything below a warning.
            None if !shown && record.level() > Level::Warn && imported(py)?.is_none() => return Ok(()),
            None => {
                let made = Logger::new(py, Caching::LoggersAndLevels)?.filter(PASSED_ON);
                self.logger.get_or_init(|| made)
            }
        };
        logger.log(record);
        // What a handler or a filter raises is left behind as Python's current exception, which would surface anywhere.
        PyErr::take(py).map_or(Ok(()), Err)
    }

    /// Puts the handler of the command in place before its first message. Returns whether a command shows messages.
    fn show_command(&self, py: Python<'_>) -> PyResult<bool> {
        let level = match &*self.command.lock().unwrap_or_else(PoisonError::into_inner) {
            None => return Ok(false),
            Some(Shown { undo: Some(_), .. }) => return Ok(true),
            Some(shown) => python_level(shown.level),
        };
        // The lock is not held here: importing may let other threads run.
        let undo = names::SHOW_LOG.get(py)?.call1((level,))?.unbind();
        if let Some(shown) = &mut *self.command.lock().unwrap_or_else(PoisonError::into_inner) {
            shown.undo = Some(undo);
        }
        Ok(true)
    }
}

/// Installs the logger of this extension module. A second import of the module finds it in place.
pub(super) fn install() {
    if log::set_logger(&CARRIER).is_ok() {
        log::set_max_level(PASSED_ON);
    }
}

/// Forgets the levels that Python's loggers had, so that a change of level is seen by the run that starts now.
pub(super) fn reset() {
    if let Some(logger) = CARRIER.logger.get() {
        logger.reset_handle().reset();
    }
}

/// Lets a command that begins show its messages on standard error, up to a level, unless somebody has configured Python's
/// `logging`: then that decides.
pub(super) fn show(py: Python<'_>, level: LevelFilter) -> PyResult<()> {
    reset();
    if let Some(logging) = imported(py)?
        && logging
            .getattr(intern!(py, "root"))?
            .getattr(intern!(py, "handlers"))?
            .is_truthy()?
    {
        return Ok(());
    }
    log::set_max_level(level);
    let mut command = CARRIER.command.lock().unwrap_or_else(PoisonError::into_inner);
    command.get_or_insert(Shown { level, undo: None });
    Ok(())
}

/// Ends what [`show`] began, if it began anything.
pub(super) fn hide(py: Python<'_>) -> PyResult<()> {
    let shown = CARRIER.command.lock().unwrap_or_else(PoisonError::into_inner).take();
    log::set_max_level(PASSED_ON);
    if let Some(undo) = shown.and_then(|shown| shown.undo) {
        undo.call0(py)?;
        reset();
    }
    Ok(())
}

/// The module `logging`, if somebody has imported it.
fn imported(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
    match modules.get_item(intern!(py, "logging")) {
        Ok(logging) => Ok(Some(logging)),
        Err(_) => Ok(None),
    }
}

/// The number that Python gives to a level.
fn python_level(level: LevelFilter) -> u8 {
    match level {
        LevelFilter::Off => 60,
        LevelFilter::Error => 40,
        LevelFilter::Warn => 30,
        LevelFilter::Info => 20,
        LevelFilter::Debug => 10,
        LevelFilter::Trace => 5,
    }
}
