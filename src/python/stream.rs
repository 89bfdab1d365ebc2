//! A reader of tables that are processed as they are read.

use crate::columns::Fates;
use crate::engine::TableRun;
use crate::error::{Error, Interrupt, Result};
use crate::ledger::Report;
use crate::plan::{Plan, panic_message};
use crate::python::exceptions::to_python as raise;
use crate::python::report::PyReport;
use crate::python::signals;
use crate::python::table::{PyTable, names, stream_capsule, unreadable, warn_of_failures, watched};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::to_schema_pycapsule;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

/// About how many bytes of text are processed at once: what is made of them waits in memory until it is read.
const AT_ONCE: usize = 64 << 20;

/// How many rows are collected before workers get any: enough that each has something to do.
const FOR_WORKERS: usize = 1 << 13;

/// Tables that are processed as they are read.
pub(super) struct Reader {
    source: Box<dyn RecordBatchReader + Send>,
    plan: Arc<Plan>,
    run: TableRun,
    /// A table of the source, and its first row that was not processed yet.
    begun: Option<(RecordBatch, usize)>,
    /// What was made and not read yet.
    made: VecDeque<RecordBatch>,
    ended: bool,
    fates: Fates,
    told: Arc<Mutex<Report>>,
}

impl Reader {
    pub(super) fn new(source: Box<dyn RecordBatchReader + Send>, plan: Arc<Plan>, run: TableRun, fates: Fates) -> Self {
        let told = Arc::new(Mutex::new(run.report()));
        Self {
            source,
            plan,
            run: run.with_kept_workers(),
            begun: None,
            made: VecDeque::new(),
            ended: false,
            fates,
            told,
        }
    }

    /// The next table that was made, if there is one. After an error there is none.
    fn next_table(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(table) = self.made.pop_front() {
                return Ok(Some(table));
            }
            if self.ended {
                return Ok(None);
            }
            match self.work() {
                Ok(made) => self.made = made.into(),
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
    }

    fn work(&mut self) -> Result<Vec<RecordBatch>> {
        // Some readers are read by threads that Python does not know. Attaching makes it know this one, once for all steps, and
        // detaching lets go of an interpreter that whoever reads holds.
        let done = Python::try_attach(|py| {
            watched(py, |watcher| {
                let worked = self.collect().and_then(|tables| {
                    self.ended = tables.is_empty();
                    self.run.process(&self.plan, tables, watcher)
                });
                if self.ended || worked.is_err() {
                    self.run.end_workers();
                }
                let made = worked?;
                let report = self.run.report();
                if self.ended && self.fates == Fates::Out {
                    warn_of_failures(&report);
                }
                *lock(&self.told) = report;
                Ok(made)
            })
        });
        // Without an interpreter the process is about to end.
        done.unwrap_or(Err(Error::Interrupted(Interrupt::Terminate)))
    }

    /// What is to be processed next; nothing at the end.
    fn collect(&mut self) -> Result<Vec<RecordBatch>> {
        let mut tables = Vec::new();
        let mut rows = 0;
        loop {
            let (table, first) = match self.begun.take() {
                Some(begun) => begun,
                None => match self.source.next() {
                    Some(table) => (table.map_err(|error| unreadable(&error))?, 0),
                    None => return Ok(tables),
                },
            };
            if first == table.num_rows() {
                continue;
            }
            let count = self.run.rows_within(&table, first, AT_ONCE);
            tables.push(table.slice(first, count));
            rows += count;
            if first + count < table.num_rows() {
                self.begun = Some((table, first + count));
                return Ok(tables);
            }
            if !self.run.has_workers() || rows >= FOR_WORKERS {
                return Ok(tables);
            }
        }
    }

    /// Like [`Reader::next_table`], and never unwinds: whoever reads through Arrow's C interface cannot be unwound into.
    fn next_safely(&mut self) -> Result<Option<RecordBatch>> {
        catch_unwind(AssertUnwindSafe(|| self.next_table())).unwrap_or_else(|panic| {
            self.ended = true;
            Err(Error::Internal(panic_message("The reader of tables", &*panic)))
        })
    }
}

#[cfg(unix)]
impl Drop for Reader {
    /// Ends the workers of a reader that was not read to its end.
    fn drop(&mut self) {
        let Some(workers) = self.run.take_workers() else {
            return;
        };
        let mut workers = Some(workers);
        // Whoever lets go of the reader may hold the interpreter, which others need meanwhile.
        Python::try_attach(|py| {
            let workers = workers.take();
            py.detach(|| drop(workers));
        });
    }
}

/// The reader for Arrow's C interface.
struct Stream(Box<Reader>);

impl Iterator for Stream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.next_safely();
        if let Err(Error::Interrupted(Interrupt::Interrupt)) = next {
            // Whoever reads makes an error of their own of it, and nobody else would hear of the signal.
            signals::interrupt_again();
        }
        next.map_err(|error| told(&error)).transpose()
    }
}

/// An error as those read it who know nothing of its class: with its way out. They read up to the first zero.
fn told(error: &Error) -> ArrowError {
    let mut message = error.to_string();
    if let Some(hint) = error.hint() {
        message = format!("{message} {hint}");
    }
    ArrowError::ComputeError(message.replace('\0', "\u{fffd}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tables that are processed as they are read: what `Pipeline.process_table` returns for a reader.
///
/// It is read once: through Arrow's C interface, which any library that has it uses, as in
/// `pyarrow.RecordBatchReader.from_stream(reader)` or `polars.DataFrame(reader)`, or as an iterator of `Table`s. No more than a
/// chunk of the source is in memory at once.
///
/// Example:
///     >>> import pyarrow
///     >>> from text_processor import Pipeline
///     >>> chunk = pyarrow.record_batch({"text": [" a ", "b"]})
///     >>> source = pyarrow.RecordBatchReader.from_batches(chunk.schema, iter([chunk, chunk]))
///     >>> reader = Pipeline(["trim"]).process_table(source)
///     >>> [len(table) for table in reader], reader.report.out
///     ([2, 2], 4)
#[pyclass(frozen, name = "TableReader", module = "text_processor")]
pub(super) struct PyTableReader {
    schema: SchemaRef,
    report: Arc<Mutex<Report>>,
    /// Locked for moments only, in which nobody waits for the interpreter.
    state: Mutex<State>,
    /// Told when a thread has read.
    read: Condvar,
}

/// Where a reader is.
enum State {
    Here(Box<Reader>),
    /// A thread reads with it. It may run code of anybody: the steps, and the source.
    Reading(ThreadId),
    /// It was handed over to a stream.
    Gone,
}

/// How often whoever waits for another thread that reads looks after signals.
const TICK: Duration = Duration::from_millis(50);

impl PyTableReader {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            schema: Arc::clone(reader.run.schema()),
            report: Arc::clone(&reader.told),
            state: Mutex::new(State::Here(Box::new(reader))),
            read: Condvar::new(),
        }
    }

    /// Takes the reader, for which this thread then stands; `None` if it was handed over. A thread that reads already cannot wait
    /// for itself, and for others it waits without the interpreter, which they need.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Box<Reader>>> {
        let own = std::thread::current().id();
        loop {
            {
                let mut state = lock(&self.state);
                match std::mem::replace(&mut *state, State::Reading(own)) {
                    State::Here(reader) => return Ok(Some(reader)),
                    State::Gone => {
                        *state = State::Gone;
                        return Ok(None);
                    }
                    State::Reading(thread) => {
                        *state = State::Reading(thread);
                        if thread == own {
                            return Err(reads_already(py));
                        }
                    }
                }
            }
            py.detach(|| {
                let is_reading = |state: &mut State| matches!(state, State::Reading(_));
                drop(self.read.wait_timeout_while(lock(&self.state), TICK, is_reading));
            });
            py.check_signals()?;
        }
    }

    /// Ends what [`PyTableReader::take`] began.
    fn leave(&self, state: State) {
        *lock(&self.state) = state;
        self.read.notify_all();
    }
}

/// The error of a step, or of a source, that reads the reader by which it is being read.
fn reads_already(py: Python<'_>) -> PyErr {
    let error = PyValueError::new_err("This `TableReader` is being read already, by whoever has called this.");
    match error.add_note(py, "A step, or the source of a reader, cannot read that reader itself.") {
        Ok(()) => error,
        Err(second) => second,
    }
}

#[pymethods]
impl PyTableReader {
    /// The names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        names(&self.schema)
    }

    /// What became of the records that were read so far: a `Report` of counts, reasons and times. It is complete when
    /// everything was read.
    #[getter]
    fn report(&self) -> PyReport {
        PyReport(lock(&self.report).clone())
    }

    fn __repr__(&self) -> String {
        format!("TableReader(columns: {})", names(&self.schema).join(", "))
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
        let Some(reader) = self.take(py)? else {
            let error = PyValueError::new_err("This `TableReader` was read already, and can be read once.");
            error.add_note(
                py,
                "`process_table` makes another one of another reader; a table that is in memory can be read again.",
            )?;
            return Err(error);
        };
        self.leave(State::Gone);
        stream_capsule(py, &self.schema, Stream(reader), requested_schema)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyTable>> {
        let Some(mut reader) = self.take(py)? else {
            return Ok(None);
        };
        let next = py.detach(|| reader.next_safely());
        self.leave(State::Here(reader));
        let Some(table) = next.map_err(|error| raise(py, error))? else {
            return Ok(None);
        };
        let report = Py::new(py, self.report())?;
        Ok(Some(PyTable::new(Arc::clone(&self.schema), vec![table], report)))
    }
}
