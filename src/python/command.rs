//! Runs the command with Python's interpreter beneath it.

use crate::cli::{self, Shell};
use crate::error::Interrupt;
use crate::plugins::Host;
use crate::python::host::PythonHost;
use crate::python::signals::{self, Watch};
use pyo3::prelude::*;
use std::ffi::OsString;

struct PythonShell {
    host: PythonHost,
    watch: Watch,
}

impl Shell for PythonShell {
    fn host(&self) -> &dyn Host {
        &self.host
    }

    fn interrupted(&self) -> Result<(), Interrupt> {
        Python::attach(|py| self.watch.check(py))
    }
}

/// Runs the command `text-processor`.
///
/// Args:
///     arguments: The program's name and its arguments.
///
/// Returns:
///     The exit code.
///
/// Example:
///     >>> from text_processor._engine import command
///     >>> command(["text-processor", "--version"])  # doctest: +ELLIPSIS
///     0
#[pyfunction]
pub(super) fn command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let watch = Watch::start(py, true)?;
    let _during = signals::during(watch.arrived());
    let shell = PythonShell {
        host: PythonHost::new(signals::interrupted),
        watch,
    };
    let code = py.detach(|| cli::main(arguments, &shell));
    shell.watch.end(py)?;
    Ok(code)
}
