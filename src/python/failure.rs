//! What a step raised, as the failure of a record.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]

use crate::error::{Failure, FailureKind, Interrupt};
use crate::python::call::{CallContext, Stop};
use crate::python::exceptions::{PythonCause, class_name, message_of};
use crate::python::{signals, traceback};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError};
use pyo3::prelude::*;

/// What a panic of a plugin arrives as that PyO3 made. Each module made so has a class of its own with this name.
const PANIC: &str = "pyo3_runtime.PanicException";

/// What a step raised. Every exception is a failure of the record, `SystemExit` and a `KeyboardInterrupt` that the plugin
/// raised by itself included; only when somebody really pressed Ctrl-C it is not.
#[cold]
pub(super) fn stop_of(py: Python<'_>, error: PyErr, context: &CallContext<'_>) -> Stop {
    match interrupt_of(py, &error, context) {
        Some(interrupt) => Stop::Interrupted(interrupt),
        None => Stop::Failed(failure_of(py, error)),
    }
}

/// The interruption that an exception stands for, if somebody really pressed Ctrl-C.
pub(super) fn interrupt_of(py: Python<'_>, error: &PyErr, context: &CallContext<'_>) -> Option<Interrupt> {
    let interrupted = error.is_instance_of::<PyKeyboardInterrupt>(py) && (context.interrupted)();
    interrupted.then(signals::interrupt)
}

/// The failure of a record whose step raised an exception.
#[cold]
pub(super) fn failure_of(py: Python<'_>, error: PyErr) -> Box<Failure> {
    let (class, message) = (class_name(py, &error), message_of(py, &error));
    let kind = if error.is_instance_of::<PyMemoryError>(py) {
        FailureKind::StepMemory
    } else if class == PANIC {
        FailureKind::StepPanic
    } else {
        FailureKind::StepError
    };
    let sentence = if message.is_empty() {
        format!("It raised `{class}`.")
    } else {
        format!("It raised `{class}`: {message}")
    };
    let mut failure = Failure::new(kind, sentence);
    failure.traceback = traceback::of_record(py, &error, &class, &message);
    failure.error_type = Some(class);
    failure.cause = Some(PythonCause::of_record(py, error));
    Box::new(failure)
}
