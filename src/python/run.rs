//! `Pipeline.run`: the engine with Python's arguments, signals and progress.

use crate::cli::{self, Shell};
use crate::engine::{self, RunOptions};
use crate::error::Interrupt;
use crate::io::{Compression, Format, locate};
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
    pub(super) resume: bool,
    pub(super) shard_bytes: Option<u64>,
    pub(super) compression: Option<&'a str>,
    pub(super) allow_repeat: bool,
    pub(super) progress: Option<bool>,
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
    let compression = arguments.compression.map(compression).transpose()?;
    let workers = match arguments.workers {
        None => std::thread::available_parallelism().map_or(1, NonZero::get),
        // The engine refuses what is out of its range, and says what that is.
        Some(workers) => usize::try_from(workers).unwrap_or(0),
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
            resume: arguments.resume,
            shard_bytes: arguments.shard_bytes,
            compression,
            workers,
            limit: arguments.limit,
            limits: Limits::default(),
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
