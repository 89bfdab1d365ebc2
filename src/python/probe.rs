//! A private door for the tests of this layer: what is found, what a plugin declares, and what one step makes of a text.

use crate::error::{Error, RecordError};
use crate::plugins::Host;
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::exceptions::to_python;
use crate::python::host::PythonHost;
use crate::python::step::{PythonStep, python_step};
use crate::python::verdict::utf8;
use crate::python::{load, values};
use crate::record::Value;
use crate::step::{Limits, Step};
use pyo3::exceptions::PyLookupError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::sync::Arc;

fn as_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What is installed, as JSON.
#[pyfunction]
#[pyo3(name = "_probe_discovery")]
pub(super) fn probe_discovery(py: Python<'_>) -> PyResult<String> {
    let host = PythonHost::new(|| false);
    host.discover()
        .map(|found| as_json(&*found))
        .map_err(|error| to_python(py, error))
}

/// One step: a plugin by its canonical name, or a callable.
#[pyclass(frozen, name = "_Probe", module = "text_processor._engine")]
pub(super) struct PythonProbe {
    step: Arc<dyn Step>,
    limits: Limits,
    interrupted: bool,
}

#[pymethods]
impl PythonProbe {
    #[new]
    #[pyo3(signature = (target, configuration=None, *, record_bytes=None, parts=None, interrupted=false))]
    fn new(
        target: &Bound<'_, PyAny>,
        configuration: Option<&Bound<'_, PyAny>>,
        record_bytes: Option<usize>,
        parts: Option<usize>,
        interrupted: bool,
    ) -> PyResult<Self> {
        let py = target.py();
        let configuration = match configuration {
            Some(configuration) => {
                values::configuration_from_python(configuration).map_err(|error| to_python(py, error))?
            }
            None => crate::step::Configuration::new(),
        };
        let step = if let Ok(name) = target.extract::<String>() {
            let host = PythonHost::new(move || interrupted);
            let found = host.discover().map_err(|error| to_python(py, error))?;
            let plugin = found.plugins.iter().find(|plugin| plugin.name == name);
            let plugin = plugin.ok_or_else(|| PyLookupError::new_err(name))?;
            host.load(plugin, &configuration)
        } else {
            load::from_callable(target, &configuration, &|| interrupted).map(|step| Arc::new(step) as Arc<dyn Step>)
        };
        let limits = Limits::default();
        Ok(Self {
            step: step.map_err(|error| to_python(py, error))?,
            limits: Limits {
                record_bytes: record_bytes.unwrap_or(limits.record_bytes),
                parts: parts.unwrap_or(limits.parts),
                ..limits
            },
            interrupted,
        })
    }

    /// What the step declares, as JSON.
    fn declaration(&self) -> String {
        as_json(self.step.declaration())
    }

    /// The function, or the instance that was made of a class.
    fn object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        python_step(&*self.step).map(|step| step.object().clone_ref(py))
    }

    /// The verdict on a text, as a word and its value.
    #[pyo3(signature = (text, fields=None))]
    fn call<'py>(
        &self,
        text: &Bound<'py, PyString>,
        fields: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(&'static str, Bound<'py, PyAny>)> {
        let py = text.py();
        let step: &PythonStep = python_step(&*self.step).ok_or_else(|| PyLookupError::new_err("not a Python step"))?;
        let given = match fields {
            Some(fields) => values::configuration_from_python(fields).map_err(|error| to_python(py, error))?,
            None => crate::step::Configuration::new(),
        };
        let asked: Vec<Value> = step
            .declaration()
            .asks
            .iter()
            .map(|asked| match given.get(&asked.name) {
                None => Value::Missing,
                Some(serde_json::Value::Null) => Value::Null,
                Some(serde_json::Value::String(text)) => Value::Text(text.clone()),
                Some(other) => Value::Json(other.to_string()),
            })
            .collect();
        let context = CallContext {
            limits: &self.limits,
            interrupted: &|| self.interrupted,
        };
        let _turn = step.turn(py);
        let verdict = step
            .call(text, |index| &asked[index], &context)
            .and_then(|verdict| match verdict {
                CallVerdict::Text(text) => {
                    utf8(&text, &self.limits)?;
                    Ok(("text", text.into_any()))
                }
                CallVerdict::Keep => Ok(("keep", py.None().into_bound(py))),
                CallVerdict::Reject(reason) => Ok(("reject", PyString::new(py, &reason).into_any())),
                CallVerdict::Annotate(made) => {
                    let made: Result<Vec<_>, _> = made.iter().map(|value| values::to_python(py, value)).collect();
                    let made = made
                        .and_then(|made| made.into_pyobject(py))
                        .map_err(|error| super::failure::failure_of(py, error))?;
                    Ok(("annotate", made))
                }
                CallVerdict::Split(parts) => {
                    let made = parts
                        .into_pyobject(py)
                        .map_err(|error| super::failure::failure_of(py, error))?;
                    Ok(("split", made))
                }
            });
        verdict.map_err(|stop| match stop {
            Stop::Interrupted(interrupt) => to_python(py, Error::Interrupted(interrupt)),
            Stop::Failed(failure) => {
                let made = RecordError {
                    failure: *failure,
                    step: Some(self.step.declaration().name.clone()),
                    input: None,
                    ordinal: None,
                    id: None,
                };
                to_python(py, made.into())
            }
        })
    }
}
