//! `Pipeline`: the main door of the library.

use crate::engine;
use crate::error::{ConfigError, Error, Failure, FailureKind, RecordError};
use crate::plan::{OnError, OrderMode, Pipeline, PipelineStep, Plan, PlannedStep};
use crate::python::exceptions::to_python as raise;
use crate::python::host::PythonHost;
use crate::python::iterators::{RecordIterator, TextIterator};
use crate::python::report::{PyReport, PyTraceEntry};
use crate::python::run::{RunArguments, run};
use crate::python::single::{Fields, Halt, Single};
use crate::python::{load, values};
use crate::record::{FieldType, Value};
use crate::step::{Configuration, Kind, Step};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};
use std::ops::ControlFlow;
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
    fn build(py: Python<'_>, pipeline: &Pipeline, given: Vec<(Arc<dyn Step>, Py<PyAny>)>) -> PyResult<Self> {
        let host = PythonHost::default();
        let plan = py
            .detach(|| Plan::new(pipeline, &host))
            .map_err(|error| raise(py, error))?;
        let single = Arc::new(Single::new(&plan));
        let splits = |planned: &PlannedStep| planned.step.declaration().kind == Kind::Split;
        let split = plan.steps.iter().position(splits).map(|step| step as u16);
        Ok(Self {
            plan: Arc::new(plan),
            single,
            split,
            given,
        })
    }

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

    /// A pipeline that splits has no single text to return.
    #[inline]
    pub(super) fn refuse_split(&self, py: Python<'_>, method: &str) -> PyResult<()> {
        match self.split {
            Some(split) => Err(self.split_refused(py, split, method)),
            None => Ok(()),
        }
    }

    #[cold]
    fn split_refused(&self, py: Python<'_>, split: u16, method: &str) -> PyErr {
        let name = self.step_name(split);
        let message = format!("`{method}` returns one text for each, and the step `{name}` makes many of one.");
        let error = ConfigError::new(message).with_hint("Use `records`, which returns a record for each part.");
        raise(py, error.into())
    }

    /// Runs the steps over one text of a pipeline that does not split.
    pub(super) fn process_one<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyString>,
        ordinal: Option<u64>,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let mut text = text.clone();
        match self.single.run_alone(&mut text) {
            ControlFlow::Continue(()) => Ok(Some(text)),
            ControlFlow::Break(halt) => self.halted(py, halt, ordinal).map(|()| None),
        }
    }

    /// Raises the error of a text that did not go through all the steps, unless it was rejected.
    #[cold]
    pub(super) fn halted(&self, py: Python<'_>, halt: Halt<'_>, ordinal: Option<u64>) -> PyResult<()> {
        match halt {
            Halt::Rejected { .. } => Ok(()),
            Halt::Failed { step, failure } => {
                let error = RecordError {
                    failure: *failure,
                    step: Some(self.step_name(step).to_owned()),
                    input: None,
                    ordinal,
                    id: None,
                };
                Err(raise(py, error.into()))
            }
            Halt::Interrupted(interrupt) => Err(raise(py, Error::Interrupted(interrupt))),
            Halt::Split(..) => unreachable!("a pipeline that splits was refused"),
        }
    }

    /// The values of the fields that steps ask for, from a mapping that came with a text.
    pub(super) fn fields_of(&self, fields: &Bound<'_, PyMapping>) -> PyResult<Result<Fields, Failure>> {
        let mut known = Fields::new();
        for (number, field) in self.plan.fields.iter().enumerate() {
            if field.from_source && fields.contains(&field.name)? {
                match values::from_python(&fields.get_item(&field.name)?, &field.name, FieldType::Json) {
                    Ok(value) => known.push((number as u16, value)),
                    // No step returned it: it came with the record.
                    Err(mut failure) => {
                        if failure.kind == FailureKind::BadReturn {
                            failure.kind = FailureKind::FieldType;
                        }
                        return Ok(Err(*failure));
                    }
                }
            }
        }
        Ok(Ok(known))
    }

    /// The steps as a caller would list them to get this pipeline again.
    fn listed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let listed = PyList::empty(py);
        for planned in &self.plan.steps {
            let step = &planned.step;
            let given = self.given.iter().find(|(given, _)| Arc::ptr_eq(given, step));
            let (reference, configuration) = match given {
                Some((_, callable)) => (callable.bind(py).clone(), step.configuration()),
                None => (
                    PyString::new(py, &step.declaration().name).into_any(),
                    planned.configuration.clone(),
                ),
            };
            if configuration.is_empty() {
                listed.append(reference)?;
            } else {
                listed.append((reference, values::configuration_to_python(py, &configuration)?))?;
            }
        }
        Ok(listed)
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
        let on_error = match on_error {
            "quarantine" => OnError::Quarantine,
            "raise" => OnError::Raise,
            other => return Err(unknown_word("on_error", other, "`quarantine` or `raise`")),
        };
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
    ///     inputs: A path or pattern (`*`, `**`, `?`), or a list of them. Text (`.txt` and others) and JSON Lines
    ///         (`.jsonl`, `.ndjson`), plain or compressed with gzip or Zstandard.
    ///     output: The file to make; it is compressed if its name ends in `.gz` or `.zst`. A `str` that ends in `/`, or a
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

/// A function that has no name by which another process could import it cannot be pickled; say so before pickle does.
fn refuse_unnamed(py: Python<'_>, name: &str, callable: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(qualified) = callable
        .getattr(intern!(py, "__qualname__"))
        .and_then(|name| name.extract::<String>())
    else {
        return Ok(());
    };
    if !qualified.contains("<lambda>") && !qualified.contains("<locals>") {
        return Ok(());
    }
    let message = format!(
        "The pipeline cannot be pickled: its step `{name}` is a function that other processes cannot import by its name."
    );
    let pickling = py
        .import(intern!(py, "pickle"))?
        .getattr(intern!(py, "PicklingError"))?;
    let error = PyErr::from_value(pickling.call1((message,))?);
    error.add_note(
        py,
        "Define the function at the top level of a module, or ship it as a plugin.",
    )?;
    Err(error)
}

fn unknown_word(argument: &str, found: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("`{argument}` is {expected}, not `{found}`."))
}

/// Reads one entry of the list of steps.
fn pipeline_step(
    py: Python<'_>,
    entry: &Bound<'_, PyAny>,
    given: &mut Vec<(Arc<dyn Step>, Py<PyAny>)>,
) -> PyResult<PipelineStep> {
    let (reference, configuration) = match entry.cast::<PyTuple>() {
        Ok(pair) if pair.len() == 2 => {
            let configuration =
                values::configuration_from_python(&pair.get_item(1)?).map_err(|error| raise(py, error))?;
            (pair.get_item(0)?, configuration)
        }
        Ok(_) => return Err(not_a_step(entry)),
        Err(_) => (entry.clone(), Configuration::new()),
    };
    if let Ok(name) = reference.cast::<PyString>() {
        return Ok(PipelineStep::named(name.to_str()?, configuration));
    }
    if !reference.is_callable() {
        return Err(not_a_step(entry));
    }
    let step = load::from_callable(&reference, &configuration).map_err(|error| raise(py, error))?;
    let step: Arc<dyn Step> = Arc::new(step);
    given.push((Arc::clone(&step), reference.unbind()));
    Ok(PipelineStep::given(step))
}

fn not_a_step(entry: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "A step is a name, a callable, or a pair `(step, {{configuration}})`, not `{}`.",
        values::type_name(entry)
    ))
}
