//! What a step raised, as the failure of a record.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]

use crate::error::{Failure, FailureKind, Interrupt};
use crate::python::call::{CallContext, Stop};
use crate::python::exceptions::{PythonCause, class_name, message_of};
use crate::python::names;
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError};
use pyo3::prelude::*;

/// How many of the innermost frames of a traceback are kept.
const FRAMES: i32 = 20;

/// What a step raised. Every exception is a failure of the record, `SystemExit` and a `KeyboardInterrupt` that the plugin
/// raised by itself included; only when somebody really pressed Ctrl-C it is not.
#[cold]
pub(super) fn stop_of(py: Python<'_>, error: PyErr, context: &CallContext<'_>) -> Stop {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) && (context.interrupted)() {
        return Stop::Interrupted(Interrupt::Interrupt);
    }
    Stop::Failed(failure_of(py, error))
}

/// The failure of a record whose step raised an exception.
#[cold]
pub(super) fn failure_of(py: Python<'_>, error: PyErr) -> Box<Failure> {
    let kind = if error.is_instance_of::<PyMemoryError>(py) {
        FailureKind::StepMemory
    } else {
        FailureKind::StepError
    };
    let (class, message) = (class_name(py, &error), message_of(py, &error));
    let sentence = if message.is_empty() {
        format!("It raised `{class}`.")
    } else {
        format!("It raised `{class}`: {message}")
    };
    let mut failure = Failure::new(kind, sentence);
    failure.traceback = traceback_of(py, &error, &class, &message);
    failure.error_type = Some(class);
    failure.cause = Some(PythonCause::keep(py, error));
    Box::new(failure)
}

/// The traceback as Python prints it, without the chain of causes. Only frames are formatted: whatever is part of the
/// exception itself could raise, be endless, or be a hundred megabytes long.
fn traceback_of(py: Python<'_>, error: &PyErr, class: &str, message: &str) -> Option<String> {
    let traceback = error.traceback(py)?;
    let frames: Vec<String> = names::FORMAT_TRACEBACK
        .get(py)
        .and_then(|format| format.call1((traceback, -FRAMES)))
        .and_then(|frames| frames.extract())
        .ok()?;
    let head = "Traceback (most recent call last):\n";
    let end = format!("{class}: {message}");
    let end = crate::error::shorten(end, Failure::MESSAGE_LIMIT / 2);
    let mut room = Failure::MESSAGE_LIMIT - head.len() - end.len();
    // The innermost frames say most.
    let kept = frames
        .iter()
        .rev()
        .take_while(|frame| {
            let fits = frame.len() <= room;
            room = room.saturating_sub(frame.len());
            fits
        })
        .count();
    Some([head, &frames[frames.len() - kept..].concat(), &end].concat())
}
