//! `Pipeline.process_table`: tables of any library that speaks Arrow's C interface, in and out.

use crate::cli;
use crate::columns::{Fates, Nulls};
use crate::engine::{Isolating, RunOptions, Supervision, TablePlan, TableRun, Watcher};
use crate::error::{Error, Interrupt, Result};
use crate::ledger::Report;
use crate::plan::{OnError, Plan};
use crate::python::exceptions::to_python as raise;
use crate::python::host::PythonHost;
use crate::python::logging;
use crate::python::report::PyReport;
use crate::python::run::CallingThread;
use crate::python::source::source;
use crate::python::stream::{PyTableReader, Reader};
use crate::step::Limits;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader, StructArray};
use arrow_schema::{ArrowError, Field, SchemaRef};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};
use std::sync::Arc;

/// A table that a pipeline has made: what `Pipeline.process_table` returns.
///
/// It has Arrow's C interface, so that any library that has it too takes the table without copying it, as often as one
/// likes: `polars.DataFrame(table)`, `pyarrow.table(table)`, `pandas.DataFrame.from_arrow(table)`, `duckdb.from_arrow(table)`.
///
/// Example:
///     >>> import polars
///     >>> from text_processor import Pipeline
///     >>> table = Pipeline(["trim"]).process_table(polars.DataFrame({"text": [" a ", "b"]}))
///     >>> table
///     Table(2 rows, columns: text)
///     >>> polars.DataFrame(table)["text"].to_list()
///     ['a', 'b']
#[pyclass(frozen, name = "Table", module = "text_processor")]
pub(super) struct PyTable {
    schema: SchemaRef,
    tables: Vec<RecordBatch>,
    report: Py<PyReport>,
}

impl PyTable {
    pub(super) fn new(schema: SchemaRef, tables: Vec<RecordBatch>, report: Py<PyReport>) -> Self {
        Self { schema, tables, report }
    }

    fn rows(&self) -> usize {
        self.tables.iter().map(RecordBatch::num_rows).sum()
    }
}

#[pymethods]
impl PyTable {
    /// The names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        names(&self.schema)
    }

    /// What became of the records: a `Report` of counts, reasons and times. Of a table that a `TableReader` has handed out
    /// it tells what became of all records up to the table's last one.
    #[getter]
    fn report(&self, py: Python<'_>) -> Py<PyReport> {
        self.report.clone_ref(py)
    }

    fn __len__(&self) -> usize {
        self.rows()
    }

    fn __repr__(&self) -> String {
        format!(
            "Table({} rows, columns: {})",
            self.rows(),
            names(&self.schema).join(", ")
        )
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let tables = self.tables.clone().into_iter().map(Ok);
        stream_capsule(py, &self.schema, tables, requested_schema)
    }
}

/// The names of the columns of a schema.
pub(super) fn names(schema: &SchemaRef) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

/// Tables as a stream of Arrow's C interface.
pub(super) fn stream_capsule<'py>(
    py: Python<'py>,
    schema: &SchemaRef,
    tables: impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + 'static,
    requested: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let field = Field::new_struct("", schema.fields().clone(), false).with_metadata(schema.metadata().clone());
    let arrays = tables.map(|table| Ok(Arc::new(StructArray::from(table?)) as ArrayRef));
    let arrays = ArrayIterator::new(arrays, Arc::new(field));
    Ok(to_stream_pycapsule(py, Box::new(arrays), requested)?)
}

/// The keyword arguments of `Pipeline.process_table`.
pub(super) struct TableArguments<'a> {
    pub(super) text: Option<&'a str>,
    pub(super) nulls: Nulls,
    pub(super) fates: Fates,
    pub(super) on_error: Option<OnError>,
    pub(super) workers: usize,
    pub(super) isolating: Isolating,
    pub(super) memory_budget: usize,
    pub(super) stream: Option<bool>,
}

impl TableArguments<'_> {
    /// What the engine is to do with tables of a schema.
    fn run(&self, plan: &Plan, schema: &SchemaRef) -> Result<TableRun> {
        let limits = Limits::default();
        let options = RunOptions {
            inputs: Vec::new(),
            format: None,
            output: None,
            rejected: None,
            quarantine: None,
            overwrite: false,
            resume: false,
            shard_bytes: None,
            compression: None,
            workers: self.workers,
            supervision: Supervision::of(plan, &PythonHost::default(), limits, &self.isolating)?,
            limit: None,
            nulls: self.nulls,
            on_error: self.on_error,
            limits,
            memory_budget: self.memory_budget,
            quarantine_limit: None,
            quarantine_bytes: None,
        };
        let text = self.text.unwrap_or(&plan.text);
        let table_plan = TablePlan::of_column(text, plan, schema, self.fates, &options)?;
        TableRun::new(plan, table_plan, options)
    }
}

/// Runs a plan over a table, or makes a reader that does as it is read.
pub(super) fn process_table(
    py: Python<'_>,
    plan: &Arc<Plan>,
    table: &Bound<'_, PyAny>,
    arguments: &TableArguments<'_>,
) -> PyResult<Py<PyAny>> {
    let source = source(table)?;
    let schema = source.schema();
    let is_stream = match arguments.stream {
        Some(stream) => stream,
        None => !table.hasattr(intern!(py, "__len__"))?,
    };
    if is_stream {
        let run = py
            .detach(|| arguments.run(plan, &schema))
            .map_err(|error| raise(py, error))?;
        let reader = Reader::new(source, Arc::clone(plan), run, arguments.fates);
        return Ok(Py::new(py, PyTableReader::new(reader))?.into_any());
    }
    let done = watched(py, |watcher| {
        let mut run = arguments.run(plan, &schema)?;
        let tables = run.process(plan, read_all(source)?, watcher)?;
        let report = run.report();
        if arguments.fates == Fates::Out {
            warn_of_failures(&report);
        }
        Ok((Arc::clone(run.schema()), tables, report))
    });
    let (schema, tables, report) = done.map_err(|error| raise(py, error))?;
    let report = Py::new(py, PyReport(report))?;
    Ok(Py::new(py, PyTable::new(schema, tables, report))?.into_any())
}

/// Tells of records that are nowhere in what comes out.
pub(super) fn warn_of_failures(report: &Report) {
    let counts = report.counts;
    if counts.quarantined > 0 {
        log::warn!(
            "{} of {} records failed and were left out of the table; `fates=True` keeps them, and says why.",
            counts.quarantined,
            counts.read
        );
    }
}

/// Reads all tables of a reader.
fn read_all(source: Box<dyn RecordBatchReader + Send>) -> Result<Vec<RecordBatch>> {
    source
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(&error))
}

/// The error of a table that its library cannot hand on.
pub(super) fn unreadable(error: &ArrowError) -> Error {
    let message = match error {
        ArrowError::CDataInterface(message) => message.clone(),
        other => other.to_string(),
    };
    Error::input("the table", format!("The table cannot be read: {}", message.trim_end()))
}

/// Works detached, and looks out for signals on this thread meanwhile: an interruption is what comes of it, also where the
/// library that the table comes from was interrupted, and told of that as of any error. What may be logged is logged in the work,
/// because the log runs handlers too.
pub(super) fn watched<T: Send>(py: Python<'_>, work: impl FnOnce(&mut dyn Watcher) -> Result<T> + Send) -> Result<T> {
    logging::reset();
    // What is raised here is raised by the handler of a signal that came before.
    let calling_thread = CallingThread::start(py).map_err(|_| Error::Interrupted(Interrupt::Interrupt))?;
    let done = py.detach(|| work(&mut *cli::progress(&calling_thread, Some(false))));
    calling_thread.end(py, done)
}
