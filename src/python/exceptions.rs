//! Errors at the boundary: the core's become Python exceptions, and Python's are carried by the core as causes.

use crate::error::{
    Cause, ConfigError, Error, Failure, FailureKind, FileError, Interrupt, PluginError, PluginFault, RecordError,
    ResumeError, StopKind, shorten,
};
use crate::python::{text, traceback};
use pyo3::exceptions::{PyBaseException, PyBrokenPipeError, PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A Python exception that caused an error of the core. It shows the text that was made when it was caught, because
/// asking the exception again would attach and run the plugin's code. The alternate form, `{cause:#}`, is its traceback
/// where that was kept as text.
pub(crate) struct PythonCause {
    exception: Py<PyBaseException>,
    shown: String,
    traceback: Option<String>,
}

impl PythonCause {
    /// Keeps the exception of a record, whose traceback stands in its [`Failure`].
    pub(crate) fn of_record(py: Python<'_>, error: PyErr) -> Cause {
        Self::keep(py, error, None)
    }

    /// Keeps the exception of a plugin that could not be loaded.
    pub(crate) fn of_load(py: Python<'_>, error: PyErr) -> Cause {
        let traceback = traceback::of_load(py, &error);
        Self::keep(py, error, traceback)
    }

    fn keep(py: Python<'_>, error: PyErr, traceback: Option<String>) -> Cause {
        let shown = describe(py, &error);
        Arc::new(Self {
            exception: error.into_value(py),
            shown,
            traceback,
        })
    }

    /// The exception of a cause, if it is one of Python's.
    pub(crate) fn of(py: Python<'_>, cause: &Cause) -> Option<PyErr> {
        let cause = cause.downcast_ref::<Self>()?;
        Some(PyErr::from_value(cause.exception.bind(py).clone().into_any()))
    }
}

impl fmt::Debug for PythonCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("PythonCause").field(&self.shown).finish()
    }
}

impl fmt::Display for PythonCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.traceback {
            Some(traceback) if formatter.alternate() => formatter.write_str(traceback),
            _ => formatter.write_str(&self.shown),
        }
    }
}

impl std::error::Error for PythonCause {}

/// The name of the class of an exception as a person reads it: builtins without their module.
pub(crate) fn class_name(py: Python<'_>, error: &PyErr) -> String {
    let class = error.get_type(py);
    let Ok(name) = class.qualname() else {
        return "BaseException".to_owned();
    };
    match class.module() {
        Ok(module) if module != "builtins" => format!("{}.{}", module.to_string_lossy(), name.to_string_lossy()),
        _ => name.to_string_lossy().into_owned(),
    }
}

/// The message of an exception, at most [`Failure::MESSAGE_LIMIT`] bytes of it. An exception whose `__str__` raises has none.
pub(crate) fn message_of(py: Python<'_>, error: &PyErr) -> String {
    match error.value(py).str() {
        Ok(message) => shorten(
            text::beginning(&message, Failure::MESSAGE_LIMIT + 1),
            Failure::MESSAGE_LIMIT,
        ),
        Err(second) => format!("[its message cannot be read: `{}`]", class_name(py, &second)),
    }
}

/// The class and the message of an exception in one line, as Python itself ends a traceback.
pub(crate) fn describe(py: Python<'_>, error: &PyErr) -> String {
    let (class, message) = (class_name(py, error), message_of(py, error));
    if message.is_empty() {
        class
    } else {
        format!("{class}: {message}")
    }
}

/// Makes the Python exception of an error of the core: the message is `str(exception)`, the data are attributes, the
/// hint is a note, and what a plugin raised is `__cause__`.
pub(crate) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    let hint = error.hint().map(str::to_owned);
    let message = error.to_string();
    let traceback = traceback_of_worker(&error);
    let code = error.exit_code();
    let (made, cause) = match error {
        Error::Config(error) => (config_error(py, &message, &error), None),
        Error::Plugin(error) => (plugin_error(py, &message, &error), error.cause),
        Error::Record(error) => (record_error(py, &message, &error), error.failure.cause),
        Error::Input(error) => (file_error(py, "InputError", &message, &error), None),
        Error::Output(error) => (file_error(py, "OutputError", &message, &error), None),
        Error::Stopped(error) => {
            let class = match error.kind {
                StopKind::QuarantineLimit => "QuarantineLimitExceeded",
                StopKind::CrashLoop => "CrashLoopError",
            };
            (make(py, class, &message, None), None)
        }
        Error::Resume(error) => (resume_error(py, &message, &error), None),
        Error::Locked(error) => (file_error(py, "LockedError", &message, &error), None),
        Error::Interrupted(Interrupt::Interrupt) => return PyKeyboardInterrupt::new_err(()),
        Error::Interrupted(Interrupt::Terminate | Interrupt::HangUp | Interrupt::TimeUp) => {
            return PySystemExit::new_err(code);
        }
        Error::Interrupted(Interrupt::ClosedPipe) => return PyBrokenPipeError::new_err(message),
        Error::Internal(_) => (make(py, "InternalError", &message, None), None),
    };
    let made = made.unwrap_or_else(|second| second);
    if let Some(cause) = cause.and_then(|cause| PythonCause::of(py, &cause)) {
        made.set_cause(py, Some(cause));
    }
    for note in traceback.into_iter().chain(hint) {
        if let Err(second) = made.add_note(py, note) {
            return second;
        }
    }
    made
}

/// The traceback, or the stack, of a record that failed in a worker. What was raised there cannot be the cause of anything here.
fn traceback_of_worker(error: &Error) -> Option<String> {
    let Error::Record(error) = error else { return None };
    let told = error
        .failure
        .traceback
        .as_ref()
        .filter(|_| error.failure.cause.is_none())?;
    Some(format!("In the worker:\n{}", told.trim_end()))
}

fn make(py: Python<'_>, class: &str, message: &str, data: Option<&Bound<'_, PyDict>>) -> PyResult<PyErr> {
    let class = py.import("text_processor.exceptions")?.getattr(class)?;
    Ok(PyErr::from_value(class.call((message,), data)?))
}

fn config_error(py: Python<'_>, message: &str, error: &ConfigError) -> PyResult<PyErr> {
    let data = PyDict::new(py);
    if let Some(location) = &error.location {
        data.set_item("file", path_text(&location.file))?;
        data.set_item("line", location.line)?;
        data.set_item("column", location.column)?;
    }
    data.set_item("suggestion", &error.suggestion)?;
    data.set_item("snippet", &error.snippet)?;
    make(py, "ConfigError", message, Some(&data))
}

fn plugin_error(py: Python<'_>, message: &str, error: &PluginError) -> PyResult<PyErr> {
    let class = match error.fault {
        PluginFault::NotFound => "PluginNotFoundError",
        PluginFault::Collision => "PluginCollisionError",
        PluginFault::Load => "PluginLoadError",
        PluginFault::Contract => "PluginContractError",
        PluginFault::Order => "PluginOrderError",
    };
    let data = PyDict::new(py);
    data.set_item("plugin", &error.plugin)?;
    data.set_item("distribution", &error.distribution)?;
    data.set_item("version", &error.version)?;
    data.set_item("entry_point", &error.entry_point)?;
    make(py, class, message, Some(&data))
}

fn record_error(py: Python<'_>, message: &str, error: &RecordError) -> PyResult<PyErr> {
    let data = PyDict::new(py);
    data.set_item("step", &error.step)?;
    data.set_item("input", &error.input)?;
    data.set_item("position", error.ordinal)?;
    data.set_item("id", &error.id)?;
    data.set_item("kind", error.failure.kind.name())?;
    make(
        py,
        record_class(error.failure.kind, error.step.is_some()),
        message,
        Some(&data),
    )
}

/// The class for a kind of failure. The same kind can come from a damaged record and from a step that made one.
fn record_class(kind: FailureKind, in_step: bool) -> &'static str {
    match kind {
        FailureKind::StepError | FailureKind::Undecided | FailureKind::Invalid => "StepError",
        FailureKind::BadReturn => "BadReturnType",
        FailureKind::StepMemory => "StepMemoryExceeded",
        FailureKind::StepTimeout => "StepTimeout",
        FailureKind::StepPanic | FailureKind::StepCrash => "StepCrashed",
        FailureKind::RecordTooLarge | FailureKind::OutputTooLarge | FailureKind::Fanout => "RecordTooLarge",
        FailureKind::Surrogate | FailureKind::Number if in_step => "BadReturnType",
        FailureKind::Utf8
        | FailureKind::Json
        | FailureKind::JsonDepth
        | FailureKind::NotObject
        | FailureKind::DuplicateKey
        | FailureKind::Surrogate
        | FailureKind::Number
        | FailureKind::Segment => "DecodeError",
        FailureKind::MissingField | FailureKind::FieldType if !in_step => "DecodeError",
        FailureKind::MissingField | FailureKind::FieldType | FailureKind::Unrepresentable | FailureKind::Schema => {
            "RecordError"
        }
    }
}

fn file_error(py: Python<'_>, class: &str, message: &str, error: &FileError) -> PyResult<PyErr> {
    let data = PyDict::new(py);
    data.set_item("path", path_text(&error.path))?;
    if class == "OutputError" {
        data.set_item("errno", error.errno)?;
    }
    make(py, class, message, Some(&data))
}

fn resume_error(py: Python<'_>, message: &str, error: &ResumeError) -> PyResult<PyErr> {
    let data = PyDict::new(py);
    data.set_item("path", path_text(&error.path))?;
    let differences = error.differences.iter();
    let differences: Vec<_> = differences
        .map(|difference| (&difference.what, &difference.before, &difference.now))
        .collect();
    data.set_item("differences", PyTuple::new(py, differences)?)?;
    make(py, "ResumeError", message, Some(&data))
}

/// A path as Python's `str` paths spell it: bytes that are not UTF-8 are surrogate escapes.
fn path_text(path: &Path) -> &std::ffi::OsStr {
    path.as_os_str()
}
