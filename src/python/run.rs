//! `Pipeline.run`: the engine with Python's arguments, signals and progress.

use crate::cli::{self, Shell};
use crate::columns::Nulls;
use crate::engine::{self, Isolating, Isolation, RunOptions, Supervision, USUAL_MEMORY_BUDGET};
use crate::error::{Interrupt, Result};
use crate::io::{Compression, Format, is_directory, locate};
use crate::plan::Plan;
use crate::plugins::Host;
use crate::python::exceptions::to_python as raise;
use crate::python::host::PythonHost;
use crate::python::report::PyReport;
use crate::python::signals::{During, Watch};
use crate::python::{logging, signals};
use crate::step::Limits;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

/// The keyword arguments of `Pipeline.run`.
pub(super) struct RunArguments<'a> {
    pub(super) output: PathBuf,
    pub(super) format: Option<&'a str>,
    pub(super) rejected: Option<PathBuf>,
    pub(super) quarantine: Option<PathBuf>,
    pub(super) workers: Option<i64>,
    pub(super) nulls: &'a str,
    pub(super) limit: Option<u64>,
    pub(super) overwrite: bool,
    pub(super) resume: bool,
    pub(super) shard_bytes: Option<u64>,
    pub(super) compression: Option<&'a str>,
    pub(super) allow_repeat: bool,
    pub(super) progress: Option<bool>,
    pub(super) isolation: &'a str,
    /// In seconds; `None`: for ever.
    pub(super) timeout: Option<f64>,
    /// In bytes.
    pub(super) memory: Option<u64>,
    pub(super) batch_size: Option<usize>,
    pub(super) memory_budget: Option<i64>,
    pub(super) max_expansion: Option<i64>,
    pub(super) quarantine_limit: Option<u64>,
    pub(super) quarantine_bytes: Option<u64>,
}

/// What the progress bar asks: whether a signal arrived.
pub(super) struct CallingThread {
    host: PythonHost,
    watch: Watch,
    _during: During,
}

impl CallingThread {
    /// Looks out for signals on this thread from now on.
    pub(super) fn start(py: Python<'_>) -> PyResult<Self> {
        let watch = Watch::start(py, false)?;
        Ok(Self {
            host: PythonHost::default(),
            _during: signals::during(watch.arrived()),
            watch,
        })
    }

    /// Puts everything back as it was, and returns what was done, or that it was interrupted.
    pub(super) fn end<T>(self, py: Python<'_>, done: Result<T>) -> Result<T> {
        let arrived = self.watch.arrived().clone();
        let ended = self.watch.end(py);
        signals::or_interrupted(done, &arrived, &ended)
    }
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
    let compression = arguments.compression.map(compression).transpose()?;
    let workers = workers_of(arguments.workers);
    let nulls = nulls_of(arguments.nulls)?;
    let isolating = isolating(&arguments)?;
    let memory_budget = memory_budget_of(arguments.memory_budget);
    let expansion = match arguments.max_expansion.map(u64::try_from) {
        None => None,
        Some(Ok(times)) if times > 0 => Some(times),
        Some(_) => return Err(PyValueError::new_err("`max_expansion` is at least 1, or `None`.")),
    };
    let calling_thread = CallingThread::start(py)?;
    let result = py.detach(|| {
        let limits = Limits {
            expansion,
            ..Limits::default()
        };
        let mut watcher = cli::progress(&calling_thread, arguments.progress);
        let allow_repeat = arguments.allow_repeat;
        let options = RunOptions {
            inputs: engine::attend(&mut *watcher, |cancel| locate(&patterns, allow_repeat, cancel))?,
            format,
            output: Some(arguments.output),
            rejected: arguments.rejected,
            quarantine: arguments.quarantine,
            overwrite: arguments.overwrite,
            resume: arguments.resume,
            shard_bytes: arguments.shard_bytes,
            compression,
            workers,
            supervision: Supervision::of(plan, calling_thread.host(), limits, &isolating)?,
            on_error: None,
            limit: arguments.limit,
            nulls,
            limits,
            memory_budget,
            quarantine_limit: arguments.quarantine_limit,
            quarantine_bytes: arguments.quarantine_bytes,
        };
        engine::run(plan, &options, &mut *watcher)
    });
    let result = calling_thread.end(py, result);
    result.map(PyReport).map_err(|error| raise(py, error))
}

fn isolating(arguments: &RunArguments<'_>) -> PyResult<Isolating> {
    let isolating = isolating_of(
        arguments.isolation,
        arguments.timeout,
        arguments.memory,
        arguments.batch_size,
    )?;
    Ok(Isolating {
        files: is_directory(&arguments.output),
        ..isolating
    })
}

/// Where plugins are to run, and what they may take there, as the arguments of a method say.
pub(super) fn isolating_of(
    isolation: &str,
    timeout: Option<f64>,
    memory: Option<u64>,
    batch_size: Option<usize>,
) -> PyResult<Isolating> {
    let isolation = match isolation {
        "auto" => Isolation::Auto,
        "thread" => Isolation::Thread,
        "process" => Isolation::Process,
        other => {
            return Err(PyValueError::new_err(format!(
                "`isolation` is `auto`, `thread` or `process`, not `{other}`."
            )));
        }
    };
    let seconds = |seconds: f64| {
        let duration = Some(seconds)
            .filter(|seconds| *seconds > 0.0)
            .map(Duration::try_from_secs_f64);
        duration.and_then(Result::ok).ok_or_else(|| {
            PyValueError::new_err(format!(
                "`timeout` is a number of seconds above 0, or `None`, not {seconds}."
            ))
        })
    };
    if memory == Some(0) || batch_size == Some(0) {
        return Err(PyValueError::new_err("`memory` and `batch_size` are at least 1."));
    }
    Ok(Isolating {
        isolation,
        timeout: timeout.map(seconds).transpose()?,
        memory,
        batch_records: batch_size,
        ..Isolating::default()
    })
}

/// How many threads or workers there are to be.
pub(super) fn workers_of(workers: Option<i64>) -> usize {
    match workers {
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
        // The engine refuses what is out of its range, and says what that is.
        Some(workers) => usize::try_from(workers).unwrap_or(0),
    }
}

/// How many bytes of memory the batches of a run may hold.
pub(super) fn memory_budget_of(bytes: Option<i64>) -> usize {
    match bytes {
        None => USUAL_MEMORY_BUDGET,
        Some(bytes) => usize::try_from(bytes).unwrap_or(0),
    }
}

fn format(name: &str) -> PyResult<Format> {
    let found = Format::ALL.into_iter().find(|format| format.name() == name);
    found.ok_or_else(|| {
        let names = Format::ALL.map(|format| format!("`{}`", format.name()));
        PyValueError::new_err(format!("`format` is one of {}, not `{name}`.", names.join(", ")))
    })
}

/// The policy for null texts of that name.
pub(super) fn nulls_of(name: &str) -> PyResult<Nulls> {
    match name {
        "keep" => Ok(Nulls::Keep),
        "reject" => Ok(Nulls::Reject),
        "quarantine" => Ok(Nulls::Quarantine),
        other => Err(PyValueError::new_err(format!(
            "`nulls` is `keep`, `reject` or `quarantine`, not `{other}`."
        ))),
    }
}

fn compression(name: &str) -> PyResult<Compression> {
    match name {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        other => Err(PyValueError::new_err(format!(
            "`compression` is `none`, `gzip` or `zstd`, not `{other}`."
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
