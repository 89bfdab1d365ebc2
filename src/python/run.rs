//! `Pipeline.run`: the engine with Python's arguments, signals and progress.

use crate::cli::{self, Shell};
use crate::engine::{self, RunOptions, USUAL_MEMORY_BUDGET};
use crate::error::Interrupt;
use crate::io::{Format, locate};
use crate::plan::Plan;
use crate::plugins::Host;
use crate::python::exceptions::to_python as raise;
use crate::python::host::PythonHost;
use crate::python::report::PyReport;
use crate::python::signals::Watch;
use crate::python::{logging, signals};
use crate::step::Limits;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

/// The keyword arguments of `Pipeline.run`.
pub(super) struct RunArguments<'a> {
    pub(super) output: PathBuf,
    pub(super) format: Option<&'a str>,
    pub(super) rejected: Option<PathBuf>,
    pub(super) quarantine: Option<PathBuf>,
    pub(super) workers: Option<i64>,
    pub(super) limit: Option<u64>,
    pub(super) overwrite: bool,
    pub(super) allow_repeat: bool,
    pub(super) progress: Option<bool>,
    pub(super) memory_budget: Option<i64>,
    pub(super) max_expansion: Option<i64>,
    pub(super) quarantine_limit: Option<u64>,
    pub(super) quarantine_bytes: Option<u64>,
}

/// What the progress bar asks: whether a signal arrived.
struct CallingThread {
    host: PythonHost,
    watch: Watch,
}

impl Shell for CallingThread {
    fn host(&self) -> &dyn Host {
        &self.host
    }

    fn interrupted(&self) -> Result<(), Interrupt> {
        Python::attach(|py| self.watch.check(py))
    }
}

/// Runs a plan over files.
pub(super) fn run(
    py: Python<'_>,
    plan: &Plan,
    inputs: &Bound<'_, PyAny>,
    arguments: RunArguments<'_>,
) -> PyResult<PyReport> {
    logging::reset();
    let patterns = patterns(inputs)?;
    let format = arguments.format.map(format).transpose()?;
    let workers = match arguments.workers {
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
        // The engine refuses what is out of its range, and says what that is.
        Some(workers) => usize::try_from(workers).unwrap_or(0),
    };
    let memory_budget = match arguments.memory_budget {
        None => USUAL_MEMORY_BUDGET,
        Some(bytes) => usize::try_from(bytes).unwrap_or(0),
    };
    let expansion = match arguments.max_expansion.map(u64::try_from) {
        None => None,
        Some(Ok(times)) if times > 0 => Some(times),
        Some(_) => return Err(PyValueError::new_err("`max_expansion` is at least 1, or `None`.")),
    };
    let watch = Watch::start(py, false)?;
    let _during = signals::during(watch.arrived());
    let calling_thread = CallingThread {
        host: PythonHost::default(),
        watch,
    };
    let result = py.detach(|| {
        let options = RunOptions {
            inputs: locate(&patterns, arguments.allow_repeat)?,
            format,
            output: Some(arguments.output),
            rejected: arguments.rejected,
            quarantine: arguments.quarantine,
            overwrite: arguments.overwrite,
            workers,
            limit: arguments.limit,
            limits: Limits {
                expansion,
                ..Limits::default()
            },
            memory_budget,
            quarantine_limit: arguments.quarantine_limit,
            quarantine_bytes: arguments.quarantine_bytes,
        };
        let mut watcher = cli::progress(&calling_thread, arguments.progress);
        engine::run(plan, &options, &mut *watcher)
    });
    calling_thread.watch.end(py)?;
    result.map(PyReport).map_err(|error| raise(py, error))
}

fn format(name: &str) -> PyResult<Format> {
    match name {
        "text" => Ok(Format::Text),
        "file" => Ok(Format::File),
        "jsonl" => Ok(Format::Jsonl),
        other => Err(PyValueError::new_err(format!(
            "`format` is `text`, `file` or `jsonl`, not `{other}`."
        ))),
    }
}

/// One path or many.
fn patterns(inputs: &Bound<'_, PyAny>) -> PyResult<Vec<OsString>> {
    if let Ok(path) = inputs.extract::<PathBuf>() {
        return Ok(vec![path.into_os_string()]);
    }
    inputs
        .try_iter()?
        .map(|path| Ok(path?.extract::<PathBuf>()?.into_os_string()))
        .collect()
}
