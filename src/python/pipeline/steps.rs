//! Makes a pipeline of the steps that a caller lists, and lists them again.

use super::PyPipeline;
use crate::plan::{Pipeline, PipelineStep, Plan, PlannedStep};
use crate::python::exceptions::to_python as raise;
use crate::python::host::PythonHost;
use crate::python::single::Single;
use crate::python::{load, values};
use crate::step::{Configuration, Kind, Step};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use std::sync::Arc;

impl PyPipeline {
    pub(super) fn build(py: Python<'_>, pipeline: &Pipeline, given: Vec<(Arc<dyn Step>, Py<PyAny>)>) -> PyResult<Self> {
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

    /// The steps as a caller would list them to get this pipeline again.
    pub(super) fn listed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
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

/// Reads one entry of the list of steps.
pub(super) fn pipeline_step(
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
    if !reference.is_callable() || reference.is_instance_of::<PyPipeline>() {
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

/// A function that has no name by which another process could import it cannot be pickled; say so before pickle does.
pub(super) fn refuse_unnamed(py: Python<'_>, name: &str, callable: &Bound<'_, PyAny>) -> PyResult<()> {
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
