//! `Pipeline`: the main door of the library.

mod steps;
mod texts;

use steps::{pipeline_step, refuse_unnamed};

use crate::columns::Fates;
use crate::engine;
use crate::plan::{OnError, OrderMode, Pipeline, Plan};
use crate::python::exceptions::to_python as raise;
use crate::python::host::PythonHost;
use crate::python::iterators::{RecordIterator, TextIterator};
use crate::python::mapping::process_mapping;
use crate::python::report::{PyReport, PyTraceEntry};
use crate::python::run::{RunArguments, isolating_of, memory_budget_of, nulls_of, run, workers_of};
use crate::python::single::{Fields, Single};
use crate::python::table::TableArguments;
use crate::python::{names, table};
use crate::record::Value;
use crate::step::Step;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;

/// Steps in order, with their configuration and the error policy.
///
/// A pipeline is made once and used for any number of texts, from any number of threads. It cannot be changed. It pickles
/// as its configuration, so that other processes can have it.
///
/// Args:
///     steps: The steps. Each is a name (a built-in's, a plugin's, or `distribution/name`), a callable that takes a text
///         and returns one, or a pair of one of these with a `dict` of its configuration.
///     order: `"listed"`: the steps run as listed, and what they declare about their order is checked against it.
///         `"auto"`: they are put in the order that they declare.
///     text: The field that holds the text, for `records` and for files with fields.
///     id: The field that identifies a record, for the files of rejected and failed records.
///     on_error: What `run` and `records` do with a record that fails: `"quarantine"` keeps it with its error and goes
///         on, `"raise"` stops.
///
/// Raises:
///     ConfigError: A configuration is wrong.
///     PluginError: A plugin cannot be found, loaded or ordered, or does not keep the contract of plugins.
///
/// Example:
///     >>> from text_processor import Pipeline
///     >>> pipeline = Pipeline(["trim", ("length", {"minimum": 3}), str.upper])
///     >>> pipeline.process("  hello ")
///     'HELLO'
///     >>> print(pipeline.process("  a "))
///     None
#[pyclass(frozen, name = "Pipeline", module = "text_processor")]
pub(super) struct PyPipeline {
    plan: Arc<Plan>,
    single: Arc<Single>,
    /// The first step that splits: looked for once, because each single text asks.
    split: Option<u16>,
    /// Callables as the caller passed them, each with the step that was made of it.
    given: Vec<(Arc<dyn Step>, Py<PyAny>)>,
}

impl PyPipeline {
    /// The name of a step of the plan.
    pub(super) fn step_name(&self, step: u16) -> &str {
        &self.plan.steps[usize::from(step)].step.declaration().name
    }

    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub(super) fn single(&self) -> &Arc<Single> {
        &self.single
    }
}

#[pymethods]
impl PyPipeline {
    #[new]
    #[pyo3(signature = (steps, *, order = "listed", text = "text", id = "id", on_error = "quarantine"))]
    fn new(
        py: Python<'_>,
        steps: &Bound<'_, PyAny>,
        order: &str,
        text: &str,
        id: &str,
        on_error: &str,
    ) -> PyResult<Self> {
        if steps.is_instance_of::<PyString>() {
            let message = "`steps` is a list of steps, not one `str`: write `Pipeline([\"trim\"])`.";
            return Err(PyTypeError::new_err(message));
        }
        let mut given = Vec::new();
        let steps = steps
            .try_iter()?
            .map(|step| pipeline_step(py, &step?, &mut given))
            .collect::<PyResult<Vec<_>>>()?;
        let order = match order {
            "listed" => OrderMode::Explicit,
            "auto" => OrderMode::Auto,
            other => return Err(unknown_word("order", other, "`listed` or `auto`")),
        };
        let on_error = policy(on_error)?;
        let pipeline = Pipeline {
            steps,
            order,
            text: Some(text.to_owned()),
            id: Some(id.to_owned()),
            on_error: Some(on_error),
            ..Pipeline::default()
        };
        Self::build(py, &pipeline, given)
    }

    /// Reads a pipeline from a TOML file.
    ///
    /// Args:
    ///     path: The file.
    ///
    /// Returns:
    ///     The pipeline.
    ///
    /// Raises:
    ///     ConfigError: The file is wrong. The error names the line and column and shows the line.
    ///     PluginError: A plugin cannot be found, loaded or ordered, or does not keep the contract of plugins.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile
    ///     >>> with tempfile.TemporaryDirectory() as folder:
    ///     ...     path = pathlib.Path(folder) / "pipeline.toml"
    ///     ...     _ = path.write_text('[[step]]\nuse = "trim"\n')
    ///     ...     pipeline = Pipeline.from_file(path)
    ///     >>> pipeline
    ///     Pipeline(['trim'])
    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let pipeline = py
            .detach(|| Pipeline::from_file(&path))
            .map_err(|error| raise(py, error))?;
        Self::build(py, &pipeline, Vec::new())
    }

    /// Makes a pipeline of every installed plugin, in the order that the plugins declare.
    ///
    /// Returns:
    ///     The pipeline. It is empty if no plugin is installed.
    ///
    /// Raises:
    ///     PluginError: One of the plugins cannot be loaded or ordered, or does not keep the contract of plugins.
    ///     ConfigError: One of the plugins must be configured.
    ///
    /// Example:
    ///     >>> from text_processor import Pipeline
    ///     >>> everything_installed = Pipeline.discover().steps
    #[staticmethod]
    fn discover(py: Python<'_>) -> PyResult<Self> {
        let host = PythonHost::default();
        let pipeline = py
            .detach(|| Pipeline::discover(&host))
            .map_err(|error| raise(py, error))?;
        Self::build(py, &pipeline, Vec::new())
    }

    /// The canonical names of the steps, in the order in which they run.
    #[getter]
    fn steps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(
            py,
            self.plan.steps.iter().map(|planned| &planned.step.declaration().name),
        )
    }

    /// Runs the steps over one text.
    ///
    /// Args:
    ///     text: The text.
    ///
    /// Returns:
    ///     The processed text, or `None` if a filter rejected it. A text that no step changed is returned as the very
    ///     same object.
    ///
    /// Raises:
    ///     RecordError: A step failed. Its `__cause__` is what the step raised.
    ///     ConfigError: The pipeline splits texts; use `records`.
    ///
    /// Example:
    ///     >>> from text_processor import Pipeline
    ///     >>> Pipeline(["collapse-whitespace"]).process("a   b")
    ///     'a b'
    // `entry` puts a method in the place of this one that does the same with less ado.
    #[pyo3(signature = (text, /))]
    fn process<'py>(&self, py: Python<'py>, text: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyString>>> {
        self.refuse_split(py, "process")?;
        self.process_one(py, text, None)
    }

    /// Runs the steps over many texts, lazily: one text is taken and processed for each that is asked for.
    ///
    /// Args:
    ///     texts: Any iterable of texts, of any length.
    ///
    /// Returns:
    ///     An iterator with one item for each text, in order: the processed text, or `None` if a filter rejected it.
    ///
    /// Raises:
    ///     RecordError: A step failed on a text; the error names its number. The iterator can go on with the next text.
    ///     ConfigError: The pipeline splits texts; use `records`.
    ///
    /// Example:
    ///     >>> from text_processor import Pipeline
    ///     >>> list(Pipeline(["trim", ("length", {"minimum": 1})]).process_many([" a", "  "]))
    ///     ['a', None]
    fn process_many(slf: Bound<'_, Self>, texts: &Bound<'_, PyAny>) -> PyResult<TextIterator> {
        slf.get().refuse_split(slf.py(), "process_many")?;
        if texts.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err(
                "`texts` is an iterable of texts, not one `str`: use `process` for one.",
            ));
        }
        Ok(TextIterator::new(slf.clone().unbind(), texts.try_iter()?.unbind()))
    }

    /// Runs the steps over records: texts with other fields beside them.
    ///
    /// Args:
    ///     items: Any iterable of `Record`s, or of mappings that hold the text under the pipeline's `text` key.
    ///
    /// Returns:
    ///     A lazy iterator of `Record`s, in order, with their fates. There is one for each item, or one for each part
    ///     where a step split the text. Fields that steps added stand beside those that came with the record.
    ///
    /// Raises:
    ///     RecordError: A record failed and the pipeline's `on_error` is `"raise"`.
    ///
    /// Example:
    ///     >>> from text_processor import Pipeline
    ///     >>> pipeline = Pipeline(["trim", ("length", {"minimum": 3})])
    ///     >>> for record in pipeline.records([{"text": " long ", "id": 1}, {"text": "a", "id": 2}]):
    ///     ...     print(record.fields["id"], record.fate, record.reason)
    ///     1 out None
    ///     2 rejected too_short
    fn records(slf: Bound<'_, Self>, items: &Bound<'_, PyAny>) -> PyResult<RecordIterator> {
        Ok(RecordIterator::new(slf.clone().unbind(), items.try_iter()?.unbind()))
    }

    /// Follows one text through the steps, one by one.
    ///
    /// Args:
    ///     text: The text.
    ///     fields: The fields that come with it, for steps that ask for some.
    ///
    /// Returns:
    ///     What each step made of the text, in order. After a split, the parts are followed one after the other.
    ///
    /// Example:
    ///     >>> from text_processor import Pipeline
    ///     >>> for entry in Pipeline(["trim", str.upper]).trace(" a "):
    ///     ...     print(entry.step, repr(entry.before), repr(entry.after))
    ///     trim ' a ' 'a'
    ///     str.upper 'a' 'A'
    #[pyo3(signature = (text, fields = None))]
    fn trace(&self, py: Python<'_>, text: &str, fields: Option<&Bound<'_, PyMapping>>) -> PyResult<Vec<PyTraceEntry>> {
        let mut known: Vec<(String, Value)> = Vec::new();
        for (number, value) in fields
            .map_or(Ok(Ok(Fields::new())), |fields| self.fields_of(fields))?
            .unwrap_or_default()
        {
            known.push((self.plan.fields[usize::from(number)].name.clone(), value));
        }
        let entries = py.detach(|| engine::trace(&self.plan, text, &known));
        Ok(entries.into_iter().map(PyTraceEntry).collect())
    }

    /// Runs the steps over files, and makes a file of what goes out, or a directory of files.
    ///
    /// A file appears at its place when the run is complete and every record is accounted for, or not at all. A directory
    /// is committed shard by shard, and `resume` goes on with it after whatever ended the run.
    ///
    /// Args:
    ///     inputs: A path, a pattern (`*`, `**`, `?`) or an address (`s3://bucket/name`; see docs/remote-files.md), or a
    ///         list of them. Text (`.txt` and others), JSON Lines (`.jsonl`, `.ndjson`) and CSV, plain or compressed with
    ///         gzip or Zstandard; Parquet and Arrow.
    ///     output: The file or object to make; it is compressed if its name ends in `.gz` or `.zst`. A `str` that ends in `/`, or a
    ///         directory that exists: the directory to make.
    ///     format: How the inputs lie: `"text"` (a record per line), `"file"` (a record per file), `"jsonl"`, `"parquet"`,
    ///         `"arrow"` (an IPC file), `"stream"` (an IPC stream), `"csv"` or `"tsv"`. `None` tells it from the first bytes
    ///         of each, or else from its name.
    ///     rejected: A file for the rejected records, with their reasons.
    ///     quarantine: A file for the records that failed, with their errors. `None`: one beside the output, which is
    ///         made only if a record fails.
    ///     workers: How many threads read, run Rust steps and write. `None`: as many as there are processors.
    ///     nulls: What becomes of a row whose text is null: `"keep"` (it passes untouched), `"reject"` or `"quarantine"`.
    ///     limit: The most records to read.
    ///     overwrite: Whether files that exist, or the run in the output directory, may be replaced.
    ///     resume: Whether to go on with the run in the output directory where it ended. It begins if there is none, and
    ///         does nothing if the run is complete.
    ///     shard_bytes: After how many bytes of the inputs a shard of the output directory ends. `None`: 64 MiB.
    ///     compression: How what goes out to the directory is compressed: `"none"`, `"gzip"` or `"zstd"`. `None`: as the
    ///         inputs are, if all agree.
    ///     allow_repeat: Whether the same input may be read twice.
    ///     progress: Whether to show progress on standard error. `None`: if that is a terminal.
    ///     isolation: Where the steps that Python executes run: `"process"`, in as many workers as `workers` says, child
    ///         processes that may crash without harm; `"thread"`, in this process; `"auto"`, in workers, unless this Python has no
    ///         lock, or a step cannot be sent to another process (a lambda, or a function of `__main__`).
    ///     timeout: How many seconds a worker may work on one record before it is killed and the record is quarantined. `None`: for ever.
    ///     memory: How many bytes of memory a worker may have. `None`: nine tenths of the machine's.
    ///     batch_size: The most records that are sent to a worker at once. `None`: as many as seem sensible.
    ///     memory_budget: About how many bytes of memory records may take that are being processed, at least 128 MiB.
    ///         `None`: 256 MiB.
    ///     max_expansion: How many times as large as it is a compressed input may become, once it has become 64 MiB. `None`:
    ///         any number.
    ///     quarantine_limit: How many records may fail before the run stops. `None`: any number.
    ///     quarantine_bytes: How large the quarantine may become before the run stops. `None`: any size.
    ///
    /// Returns:
    ///     The `Report` of the run.
    ///
    /// Raises:
    ///     ConfigError: An argument is wrong, or a file is in the way. Nothing was read.
    ///     InputError: No input can be read, or one was changed while it was read.
    ///     OutputError: The output cannot be written. No file was made; a directory can be resumed.
    ///     RecordError: A record failed and the pipeline's `on_error` is `"raise"`. No file was made.
    ///     QuarantineLimitExceeded: More was quarantined than the limits allow. No file was made.
    ///     CrashLoopError: Most of the last records took their worker down. No file was made.
    ///     ResumeError: The run in the directory was begun with something else.
    ///     LockedError: Another run is writing to the directory.
    ///
    /// Example:
    ///     >>> import pathlib, tempfile
    ///     >>> from text_processor import Pipeline
    ///     >>> with tempfile.TemporaryDirectory() as folder:
    ///     ...     source = pathlib.Path(folder) / "in.txt"
    ///     ...     _ = source.write_text("  one  \n two\n")
    ///     ...     report = Pipeline(["trim"]).run(source, source.with_name("out.txt"))
    ///     ...     source.with_name("out.txt").read_text()
    ///     'one\ntwo\n'
    ///     >>> report.read, report.out
    ///     (2, 2)
    #[pyo3(signature = (
        inputs, output, *, format = None, rejected = None, quarantine = None, workers = None,
        nulls = "quarantine", limit = None,
        overwrite = false, resume = false, shard_bytes = None, compression = None, allow_repeat = false,
        progress = None, isolation = "auto", timeout = 300.0, memory = None, batch_size = None,
        memory_budget = None, max_expansion = 200, quarantine_limit = None, quarantine_bytes = None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the keyword arguments of a Python method"
    )]
    fn run(
        &self,
        py: Python<'_>,
        inputs: &Bound<'_, PyAny>,
        output: PathBuf,
        format: Option<&str>,
        rejected: Option<PathBuf>,
        quarantine: Option<PathBuf>,
        workers: Option<i64>,
        nulls: &str,
        limit: Option<u64>,
        overwrite: bool,
        resume: bool,
        shard_bytes: Option<u64>,
        compression: Option<&str>,
        allow_repeat: bool,
        progress: Option<bool>,
        isolation: &str,
        timeout: Option<f64>,
        memory: Option<u64>,
        batch_size: Option<usize>,
        memory_budget: Option<i64>,
        max_expansion: Option<i64>,
        quarantine_limit: Option<u64>,
        quarantine_bytes: Option<u64>,
    ) -> PyResult<PyReport> {
        let arguments = RunArguments {
            output,
            format,
            rejected,
            quarantine,
            workers,
            nulls,
            limit,
            overwrite,
            resume,
            shard_bytes,
            compression,
            allow_repeat,
            progress,
            isolation,
            timeout,
            memory,
            batch_size,
            memory_budget,
            max_expansion,
            quarantine_limit,
            quarantine_bytes,
        };
        run(py, &self.plan, inputs, arguments)
    }

    /// Runs the steps over a table of any library that has Arrow's C interface: Polars, PyArrow, pandas, DuckDB and others.
    ///
    /// No text is copied that no step changes, and no other column is. Records that are rejected or fail are left out. Fields
    /// that steps add become columns of their types, and each part of a split has the other columns of its record.
    ///
    /// Args:
    ///     table: Anything with `__arrow_c_stream__` or `__arrow_c_array__` that has columns with names.
    ///     text: The column that holds the text. `None`: the pipeline's `text`.
    ///     fates: Whether to keep all records, with three more columns that tell their fates: `fate` (`"out"`, `"rejected"`,
    ///         `"quarantined"`), `reason`, and `step`. A record that did not go out keeps the text it came with.
    ///     nulls: What becomes of a record whose text is null: `"keep"` passes it on untouched, `"reject"` rejects it with
    ///         the reason `null_text`, `"quarantine"` lets it fail.
    ///     on_error: What becomes of a record that fails: `"quarantine"` leaves it out and counts it, `"raise"` raises its
    ///         error. `None`: the pipeline's `on_error`.
    ///     workers: How many threads work. `None`: one per processor.
    ///     isolation: Where the steps run that Python executes: `"thread"`, in this process, on the calling thread; `"process"`,
    ///         in as many workers as `workers` says; `"auto"`, as in `run`.
    ///     timeout: How many seconds a worker may work on one record, as in `run`.
    ///     memory: How many bytes of memory a worker may have, as in `run`.
    ///     batch_size: The most records that are sent to a worker at once, as in `run`.
    ///     memory_budget: About how many bytes of memory records may take that are being processed, as in `run`.
    ///     stream: Whether to process the table as it is read, chunk by chunk. `None`: if it has no length, as readers have none.
    ///
    /// Returns:
    ///     A `Table`, or a `TableReader` where the table is processed as it is read. Both have `__arrow_c_stream__`.
    ///
    /// Raises:
    ///     TypeError: The table has none of Arrow's C interface, or is a column.
    ///     ConfigError: There is no such column, it holds no texts, or a step asks for a column that there is not.
    ///     InputError: The table's own library cannot hand it on.
    ///     RecordError: A record failed and `on_error` is `"raise"`.
    ///
    /// Example:
    ///     >>> import polars
    ///     >>> from text_processor import Pipeline
    ///     >>> pipeline = Pipeline(["trim", ("length", {"minimum": 3})])
    ///     >>> frame = polars.DataFrame({"id": [1, 2], "text": [" long ", "a"]})
    ///     >>> polars.DataFrame(pipeline.process_table(frame)).rows()
    ///     [(1, 'long')]
    #[pyo3(signature = (
        table, *, text = None, fates = false, nulls = "keep", on_error = None, workers = None, isolation = "thread",
        timeout = 300.0, memory = None, batch_size = None, memory_budget = None, stream = None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the keyword arguments of a Python method"
    )]
    fn process_table(
        &self,
        py: Python<'_>,
        table: &Bound<'_, PyAny>,
        text: Option<&str>,
        fates: bool,
        nulls: &str,
        on_error: Option<&str>,
        workers: Option<i64>,
        isolation: &str,
        timeout: Option<f64>,
        memory: Option<u64>,
        batch_size: Option<usize>,
        memory_budget: Option<i64>,
        stream: Option<bool>,
    ) -> PyResult<Py<PyAny>> {
        let arguments = TableArguments {
            text,
            nulls: nulls_of(nulls)?,
            fates: if fates { Fates::All } else { Fates::Out },
            on_error: on_error.map(policy).transpose()?,
            workers: workers_of(workers),
            isolating: isolating_of(isolation, timeout, memory, batch_size)?,
            memory_budget: memory_budget_of(memory_budget),
            stream,
        };
        table::process_table(py, &self.plan, table, &arguments)
    }

    /// Runs the steps over a batch, and returns a batch of the kind that it got: for the functions of other libraries that
    /// map one batch to another, which take this method, or the pipeline itself, as their function.
    ///
    /// Args:
    ///     batch: A `pyarrow` `Table`, `RecordBatch` or `RecordBatchReader`, a `DataFrame` of Polars or pandas, a mapping of
    ///         columns to lists, or an iterator of such batches. Null texts pass untouched.
    ///
    /// Returns:
    ///     The same kind of thing; for an iterator an iterator.
    ///
    /// Raises:
    ///     TypeError: It is none of these.
    ///
    /// Example:
    ///     >>> from text_processor import Pipeline
    ///     >>> Pipeline(["trim", ("length", {"minimum": 1})]).map_batches({"text": [" a ", "  "], "id": [1, 2]})
    ///     {'text': ['a'], 'id': [1]}
    #[pyo3(signature = (batch, /))]
    fn map_batches<'py>(slf: &Bound<'py, Self>, batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match batch.cast::<PyMapping>() {
            Ok(columns) => Ok(process_mapping(slf.get(), columns)?.into_any()),
            Err(_) => names::MAP_FRAME
                .get(slf.py())?
                .call1((slf, batch, &slf.get().plan().text)),
        }
    }

    /// Runs the steps over a text, as `process` does, or over a batch, as `map_batches` does.
    #[pyo3(signature = (batch, /))]
    fn __call__<'py>(slf: &Bound<'py, Self>, batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let Ok(text) = batch.cast::<PyString>() else {
            return Self::map_batches(slf, batch);
        };
        let processed = slf.get().process(slf.py(), text)?;
        Ok(processed.map_or_else(|| slf.py().None().into_bound(slf.py()), Bound::into_any))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Pipeline({})", self.listed(py)?.repr()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        for (step, callable) in &self.given {
            refuse_unnamed(py, step.declaration().name.as_str(), callable.bind(py))?;
        }
        let keywords = PyDict::new(py);
        keywords.set_item("text", &self.plan.text)?;
        keywords.set_item("id", &self.plan.id)?;
        let on_error = match self.plan.on_error {
            OnError::Quarantine => "quarantine",
            OnError::Raise => "raise",
        };
        keywords.set_item("on_error", on_error)?;
        let make = py
            .import(intern!(py, "copyreg"))?
            .getattr(intern!(py, "__newobj_ex__"))?;
        (make, (py.get_type::<Self>(), (self.listed(py)?,), keywords)).into_pyobject(py)
    }
}

/// What happens to a record that fails, by its word.
fn policy(on_error: &str) -> PyResult<OnError> {
    match on_error {
        "quarantine" => Ok(OnError::Quarantine),
        "raise" => Ok(OnError::Raise),
        other => Err(unknown_word("on_error", other, "`quarantine` or `raise`")),
    }
}

fn unknown_word(argument: &str, found: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("`{argument}` is {expected}, not `{found}`."))
}
