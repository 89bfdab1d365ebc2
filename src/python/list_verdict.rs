//! Reads what a step returned for a list of texts: a list or a tuple with a result for each, or, for fields, a list for each
//! of them.

use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::many::{ManyStop, Outcome, Outcomes};
use crate::python::step::PythonStep;
use crate::python::values::{from_python, type_name};
use crate::python::verdict::{bad_return, entries_of, read_parts, read_text};
use crate::step::{Kind, Step as _};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

impl PythonStep {
    /// Reads what the step returned for these texts.
    pub(super) fn read_list<'py>(
        &self,
        texts: &[Bound<'py, PyString>],
        returned: Bound<'py, PyAny>,
        context: &CallContext<'_>,
    ) -> Result<Outcomes<CallVerdict<'py>>, ManyStop> {
        if self.kind() == Kind::Annotate
            && let Some(columns) = entries_of(&returned).map_err(ManyStop::Raised)?
        {
            return self.read_columns(texts.len(), &columns);
        }
        let results = self.results(&returned)?;
        if results.len() != texts.len() {
            let message = format!(
                "Expected a list of length {}, as long as that of the texts, got one of length {}.",
                texts.len(),
                results.len()
            );
            return Err(ManyStop::wrong(message, HINT));
        }
        let mut outcomes = Vec::with_capacity(texts.len());
        for (place, (text, result)) in texts.iter().zip(results).enumerate() {
            let outcome = match self.kind() {
                Kind::Map if result.is(text) => continue,
                Kind::Map => read_text(text, result, context.limits).map(CallVerdict::Text),
                Kind::Filter => self.read_decision(&result),
                Kind::Annotate => stopped(self.read_fields(&result, context))?,
                Kind::Split => stopped(read_parts(&result, context))?,
            };
            outcomes.push((place, outcome));
        }
        Ok(outcomes)
    }

    /// The results of a list or a tuple, as they are now: whoever has it may change it any time.
    fn results<'py>(&self, returned: &Bound<'py, PyAny>) -> Result<Bound<'py, PyTuple>, ManyStop> {
        if let Some(results) = items(returned) {
            return Ok(results);
        }
        let expected = match self.kind() {
            Kind::Annotate => "a `dict` of lists, or a list of `dict`",
            _ => "a list",
        };
        Err(ManyStop::Wrong(bad_return(expected, returned, Some(HINT))))
    }

    /// Reads a list of values for each declared field.
    fn read_columns<'py>(
        &self,
        texts: usize,
        columns: &Bound<'py, pyo3::types::PyDict>,
    ) -> Result<Outcomes<CallVerdict<'py>>, ManyStop> {
        let mut lists = Vec::with_capacity(self.field_names.len());
        for (field, name) in self.declaration().fields.iter().zip(&self.field_names) {
            let Some(column) = columns.get_item(name).map_err(ManyStop::Raised)? else {
                let difference = format!("It lacks `{}`.", field.name);
                return Err(ManyStop::Wrong(self.wrong_fields(&difference)));
            };
            let Some(values) = items(&column) else {
                let message = format!(
                    "Expected a list of values for the field `{}`, got `{}`.",
                    field.name,
                    type_name(&column)
                );
                return Err(ManyStop::wrong(message, HINT));
            };
            if values.len() != texts {
                let message = format!(
                    "Expected a list of length {texts} for the field `{}`, as long as that of the texts, got one of length {}.",
                    field.name,
                    values.len()
                );
                return Err(ManyStop::wrong(message, HINT));
            }
            lists.push(values);
        }
        if columns.len() > lists.len() {
            return Err(ManyStop::Wrong(self.too_many_fields(columns)));
        }
        let fields = &self.declaration().fields;
        let values_of = |record: usize| {
            let mut values = Vec::with_capacity(fields.len());
            for (field, list) in fields.iter().zip(&lists) {
                let value = list.get_borrowed_item(record).map_err(ManyStop::Raised)?;
                match from_python(&value, &field.name, field.r#type) {
                    Ok(value) => values.push(value),
                    Err(failure) => return Ok((record, Err(failure))),
                }
            }
            Ok((record, Ok(CallVerdict::Annotate(values))))
        };
        (0..texts).map(values_of).collect()
    }
}

const HINT: &str = "A step that is declared with `batch=True` gets a list of texts and returns a list, or a tuple, with a \
                    result for each. An array becomes a list by `.tolist()`.";

/// What a list or a tuple holds at this moment; `None` for anything else.
fn items<'py>(returned: &Bound<'py, PyAny>) -> Option<Bound<'py, PyTuple>> {
    if let Ok(list) = returned.cast::<PyList>() {
        return Some(list.to_tuple());
    }
    returned.cast::<PyTuple>().ok().cloned()
}

/// The failure of one record is its own; an interruption is everybody's.
fn stopped(read: Result<CallVerdict<'_>, Stop>) -> Result<Outcome<CallVerdict<'_>>, ManyStop> {
    match read {
        Ok(verdict) => Ok(Ok(verdict)),
        Err(Stop::Failed(failure)) => Ok(Err(failure)),
        Err(Stop::Interrupted(interrupt)) => Err(ManyStop::Interrupted(interrupt)),
    }
}
