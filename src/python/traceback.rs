//! The tracebacks of what plugins raise, as text that is safe to keep: it has a limit, whatever an exception holds.

use crate::error::{Failure, shorten};
use crate::python::{names, text};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// How many of the innermost frames are kept.
const FRAMES: i32 = 20;

const HEAD: &str = "Traceback (most recent call last):\n";
/// How a frame of Python's own import system begins. Such frames say nothing about the plugin.
const IMPORT_SYSTEM: &str = "  File \"<frozen importlib.";
/// Stands for the parts of a long traceback that are left out.
const CUT: &str = "[the outermost part is left out]\n";

/// The traceback of a step that failed on a record, as Python prints it without the chain of causes. Only frames are
/// formatted: this is done for each record that fails, and whatever is part of the exception itself could raise, be endless,
/// or be a hundred megabytes long.
pub(super) fn of_record(py: Python<'_>, error: &PyErr, class: &str, message: &str) -> Option<String> {
    let traceback = error.traceback(py)?;
    let frames: Vec<String> = names::FORMAT_TRACEBACK
        .get(py)
        .and_then(|format| format.call1((traceback, -FRAMES)))
        .and_then(|frames| frames.extract())
        .ok()?;
    let end = shorten(format!("{class}: {message}"), Failure::MESSAGE_LIMIT / 2);
    let frames = innermost(&frames, Failure::MESSAGE_LIMIT - HEAD.len() - end.len());
    Some([HEAD, &frames.concat(), &end].concat())
}

/// The traceback of a plugin that cannot be loaded, as Python prints it: with the chain of causes, and with the line and
/// the caret of a syntax error. Python's own formatter guards itself against exceptions whose methods raise.
pub(super) fn of_load(py: Python<'_>, error: &PyErr) -> Option<String> {
    let options = PyDict::new(py);
    options.set_item(intern!(py, "limit"), -FRAMES).ok()?;
    let parts: Vec<Bound<'_, PyString>> = names::FORMAT_EXCEPTION
        .get(py)
        .and_then(|format| format.call((error.value(py),), Some(&options)))
        .and_then(|parts| parts.extract())
        .ok()?;
    let limit = Failure::MESSAGE_LIMIT;
    let parts: Vec<String> = parts
        .iter()
        .map(|part| shorten(text::beginning(part, limit / 2), limit / 2))
        .filter(|part| !part.starts_with(IMPORT_SYSTEM))
        .collect();
    let kept = innermost(&parts, limit - CUT.len());
    let cut = if kept.len() < parts.len() { CUT } else { "" };
    Some([cut, &kept.concat()].concat())
}

/// The last parts that fit: the innermost say most.
fn innermost(parts: &[String], mut room: usize) -> &[String] {
    let fits = |part: &&String| match room.checked_sub(part.len()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let kept = parts.iter().rev().take_while(fits).count();
    &parts[parts.len() - kept..]
}
