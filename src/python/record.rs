//! `Record`: a text with its fields and its fate, as Python sees it.

use crate::record::Fate;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

/// One text with its other fields and, when it has been through a pipeline, its fate.
///
/// Args:
///     text: The text.
///     fields: The named values beside it.
///
/// Example:
///     >>> from text_processor import Pipeline, Record
///     >>> [record] = Pipeline(["trim"]).records([Record("  a  ", {"id": 7})])
///     >>> record.text, record.fields, record.fate
///     ('a', {'id': 7}, 'out')
#[pyclass(frozen, name = "Record", module = "text_processor")]
pub(super) struct PyRecord {
    pub(super) text: Py<PyString>,
    pub(super) fields: Py<PyDict>,
    pub(super) fate: Option<Fate>,
    pub(super) step: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) error: Option<Py<PyAny>>,
    pub(super) part: Option<u32>,
}

#[pymethods]
impl PyRecord {
    #[new]
    #[pyo3(signature = (text, fields = None))]
    fn new(py: Python<'_>, text: Bound<'_, PyString>, fields: Option<Bound<'_, PyMapping>>) -> PyResult<Self> {
        let own = PyDict::new(py);
        if let Some(fields) = fields {
            own.update(&fields)?;
        }
        Ok(Self {
            text: text.unbind(),
            fields: own.unbind(),
            fate: None,
            step: None,
            reason: None,
            error: None,
            part: None,
        })
    }

    /// The text.
    #[getter]
    fn text(&self, py: Python<'_>) -> Py<PyString> {
        self.text.clone_ref(py)
    }

    /// The named values beside the text: those that came with it, and those that steps added.
    #[getter]
    fn fields(&self, py: Python<'_>) -> Py<PyDict> {
        self.fields.clone_ref(py)
    }

    /// What became of it: `out`, `rejected`, `quarantined`, or `None` before it has been through a pipeline.
    #[getter]
    fn fate(&self) -> Option<&'static str> {
        self.fate.map(Fate::name)
    }

    /// Why it was rejected.
    #[getter]
    fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The step that rejected it, or in which it failed.
    #[getter]
    fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// Why it failed, for a record whose fate is `quarantined`: a `RecordError`.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.error.as_ref().map(|error| error.clone_ref(py))
    }

    /// Which part of a split it is, counted from 0; `None` where nothing was split.
    #[getter]
    fn part(&self) -> Option<u32> {
        self.part
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let Ok(other) = other.cast::<Self>() else {
            return Ok(py.NotImplemented());
        };
        let other = other.get();
        let equal = PyAnyMethods::eq(self.text.bind(py).as_any(), other.text.bind(py))?
            && PyAnyMethods::eq(self.fields.bind(py).as_any(), other.fields.bind(py))?
            && (self.fate, &self.reason, &self.step, self.part) == (other.fate, &other.reason, &other.step, other.part);
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut shown = vec![self.text.bind(py).repr()?.to_string()];
        if !self.fields.bind(py).is_empty() {
            shown.push(self.fields.bind(py).repr()?.to_string());
        }
        if let Some(fate) = self.fate {
            shown.push(format!("fate='{}'", fate.name()));
        }
        if let Some(reason) = &self.reason {
            shown.push(format!("reason={}", PyString::new(py, reason).repr()?));
        }
        Ok(format!("Record({})", shown.join(", ")))
    }
}
