//! Runs the command with Python's interpreter beneath it.

use crate::cli::{self, Shell};
use crate::error::{Error, Interrupt};
use crate::plugins::Host;
use crate::python::host::PythonHost;
use crate::python::logging;
use crate::python::signals::{self, Watch};
use log::LevelFilter;
use pyo3::intern;
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

    fn set_verbosity(&self, level: LevelFilter) {
        Python::attach(|py| {
            // A log that cannot be shown is no reason not to do what was asked for.
            if let Err(error) = logging::show(py, level) {
                error.write_unraisable(py, None);
            }
        });
    }
}

/// Python's `sys.stdout`, pointed at standard error: what a plugin prints while it is imported, made or called must not get
/// into the data that the command writes to standard output.
struct Diverted {
    stdout: Py<PyAny>,
}

impl Diverted {
    fn start(py: Python<'_>) -> PyResult<Self> {
        let sys = py.import(intern!(py, "sys"))?;
        let stdout = sys.getattr(intern!(py, "stdout"))?;
        // What was printed before the command stands before its data. A stream that is closed or missing has nothing to say.
        let _ = stdout.call_method0(intern!(py, "flush"));
        sys.setattr(intern!(py, "stdout"), sys.getattr(intern!(py, "stderr"))?)?;
        Ok(Self {
            stdout: stdout.unbind(),
        })
    }

    fn end(self, py: Python<'_>) -> PyResult<()> {
        py.import(intern!(py, "sys"))?
            .setattr(intern!(py, "stdout"), self.stdout)
    }
}

/// Runs the command `text-processor`.
///
/// While it runs, Python's `sys.stdout` is `sys.stderr`, so that what plugins print does not get into the data.
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
    #[cfg(unix)]
    cli::keep_standard_input();
    let watch = Watch::start(py, true)?;
    let during = signals::during(watch.arrived());
    let diverted = Diverted::start(py);
    let shell = PythonShell {
        host: PythonHost::default(),
        watch,
    };
    let code = py.detach(|| cli::main(&arguments, &shell));
    drop(during);
    // Everything is put back, whatever cannot be.
    let ended = [
        diverted.and_then(|diverted| diverted.end(py)),
        logging::hide(py),
        shell.watch.end(py),
    ];
    ended.into_iter().collect::<PyResult<()>>()?;
    Ok(code)
}

/// Tells that the command was interrupted, where it could not do so itself: a Ctrl-C may come while nobody looks out for it yet.
///
/// Returns:
///     The exit code.
#[pyfunction]
pub(super) fn tell_interrupted(py: Python<'_>) -> u8 {
    py.detach(|| cli::end_with(&Error::Interrupted(Interrupt::Interrupt)))
}
