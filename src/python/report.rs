//! The `Report` of a run and the entries of a trace, as Python sees them.

use crate::engine::{TraceEntry, TraceOutcome};
use crate::ledger::Report;
use crate::python::values;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// What a run tells about itself when it has ended.
///
/// Each record that was read met exactly one fate: `read == out + rejected + quarantined`. That is checked, with a
/// fingerprint of the records' identities, before a run commits anything.
///
/// Example:
///     >>> import pathlib, tempfile
///     >>> from text_processor import Pipeline
///     >>> with tempfile.TemporaryDirectory() as folder:
///     ...     notes = pathlib.Path(folder) / "notes.txt"
///     ...     _ = notes.write_text("one\n\n")
///     ...     report = Pipeline([("length", {"minimum": 1})]).run(notes, notes.with_name("kept.txt"))
///     >>> report.read, report.out, report.rejected, report.quarantined
///     (2, 1, 1, 0)
#[pyclass(frozen, name = "Report", module = "text_processor")]
pub(super) struct PyReport(pub(super) Report);

#[pymethods]
impl PyReport {
    /// How many records were read.
    #[getter]
    fn read(&self) -> u64 {
        self.0.counts.read
    }

    /// How many records are in the output.
    #[getter]
    fn out(&self) -> u64 {
        self.0.counts.out
    }

    /// How many records a step rejected.
    #[getter]
    fn rejected(&self) -> u64 {
        self.0.counts.rejected
    }

    /// How many records failed and lie in quarantine.
    #[getter]
    fn quarantined(&self) -> u64 {
        self.0.counts.quarantined
    }

    /// How many seconds the run took.
    #[getter]
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    /// The exit code that the command would end with: 0, 3 (some records are in quarantine) or 5 (damaged input).
    #[getter]
    fn exit_code(&self) -> u8 {
        self.0.exit_code()
    }

    /// Everything the run tells, as the `dict` that `text-processor run --report` writes as JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json = serde_json::to_value(&self.0)
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
        values::json_to_python(py, &json)
    }

    fn __repr__(&self) -> String {
        let counts = self.0.counts;
        format!(
            "Report(read={}, out={}, rejected={}, quarantined={}, seconds={:.3})",
            counts.read, counts.out, counts.rejected, counts.quarantined, self.0.seconds
        )
    }
}

/// What one step made of a text, from `Pipeline.trace`.
#[pyclass(frozen, name = "TraceEntry", module = "text_processor")]
pub(super) struct PyTraceEntry(pub(super) TraceEntry);

#[pymethods]
impl PyTraceEntry {
    /// The step's canonical name.
    #[getter]
    fn step(&self) -> &str {
        &self.0.step
    }

    /// The text that entered the step.
    #[getter]
    fn before(&self) -> &str {
        &self.0.before
    }

    /// What the step did: `text`, `kept`, `rejected`, `annotated`, `split` or `failed`.
    #[getter]
    fn outcome(&self) -> &'static str {
        match self.0.outcome {
            TraceOutcome::Text(_) => "text",
            TraceOutcome::Kept => "kept",
            TraceOutcome::Rejected(_) => "rejected",
            TraceOutcome::Annotated(_) => "annotated",
            TraceOutcome::Split(_) => "split",
            TraceOutcome::Failed(..) => "failed",
        }
    }

    /// The text after the step; `None` where it was split, rejected, or the step failed.
    #[getter]
    fn after(&self) -> Option<&str> {
        match &self.0.outcome {
            TraceOutcome::Text(text) => Some(text),
            TraceOutcome::Kept | TraceOutcome::Annotated(_) => Some(&self.0.before),
            _ => None,
        }
    }

    /// Why the text was rejected, or why the step failed.
    #[getter]
    fn reason(&self) -> Option<&str> {
        match &self.0.outcome {
            TraceOutcome::Rejected(reason) => Some(reason),
            TraceOutcome::Failed(_, message) => Some(message),
            _ => None,
        }
    }

    /// The fields that the step added.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        if let TraceOutcome::Annotated(values) = &self.0.outcome {
            for (name, value) in values {
                fields.set_item(name, values::to_python(py, value)?)?;
            }
        }
        Ok(fields)
    }

    /// The texts that the step split the text into. The entries that follow take them in turn.
    #[getter]
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        match &self.0.outcome {
            TraceOutcome::Split(parts) => PyList::new(py, parts),
            _ => Ok(PyList::empty(py)),
        }
    }

    /// How many seconds the step took.
    #[getter]
    fn seconds(&self) -> f64 {
        self.0.nanoseconds as f64 / 1e9
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = match &self.0.outcome {
            TraceOutcome::Text(text) => repr(py, text)?,
            TraceOutcome::Kept => "kept".to_owned(),
            TraceOutcome::Rejected(reason) => format!("rejected: {reason}"),
            TraceOutcome::Annotated(_) => self.fields(py)?.repr()?.to_string(),
            TraceOutcome::Split(parts) => PyList::new(py, parts)?.repr()?.to_string(),
            TraceOutcome::Failed(kind, message) => format!("failed: {kind}: {message}"),
        };
        Ok(format!(
            "<TraceEntry {}: {} -> {shown}>",
            self.0.step,
            repr(py, &self.0.before)?
        ))
    }
}

fn repr(py: Python<'_>, text: &str) -> PyResult<String> {
    Ok(pyo3::types::PyString::new(py, text).repr()?.to_string())
}
