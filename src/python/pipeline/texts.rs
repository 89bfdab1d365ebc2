//! What becomes of single texts, and what is said of those that do not go through.

use super::PyPipeline;
use crate::error::{ConfigError, Error, Failure, RecordError};
use crate::python::exceptions::to_python as raise;
use crate::python::single::{Fields, Halt};
use crate::python::values;
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
use std::ops::ControlFlow;

impl PyPipeline {
    /// A pipeline that splits has no single text to return.
    #[inline]
    pub(in crate::python) fn refuse_split(&self, py: Python<'_>, method: &str) -> PyResult<()> {
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
    pub(in crate::python) fn process_one<'py>(
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
    pub(in crate::python) fn halted(&self, py: Python<'_>, halt: Halt<'_>, ordinal: Option<u64>) -> PyResult<()> {
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
    pub(in crate::python) fn fields_of(&self, fields: &Bound<'_, PyMapping>) -> PyResult<Result<Fields, Failure>> {
        let mut known = Fields::new();
        for (number, field) in self.plan.fields.iter().enumerate() {
            if field.from_source && fields.contains(&field.name)? {
                match values::given(&fields.get_item(&field.name)?, &field.name) {
                    Ok(value) => known.push((number as u16, value)),
                    Err(failure) => return Ok(Err(*failure)),
                }
            }
        }
        Ok(Ok(known))
    }
}
