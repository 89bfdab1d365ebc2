//! Calls a step with a list of texts.

use crate::error::Failure;
use crate::python::call::{CallContext, CallVerdict, Stop, call_with_text, missing, no_fields, vectorcall};
use crate::python::many::{ManyStop, Outcomes};
use crate::python::step::PythonStep;
use crate::python::values;
use crate::record::Value;
use crate::step::{Kind, Step as _};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use std::collections::BTreeMap;
use std::ops::Range;

/// The value of a field for a record, by the record's place in the list and the field's in the step's declaration.
pub(super) type AskedOfMany<'a, 'v> = dyn Fn(usize, usize) -> &'v Value + 'a;

/// Failures of records, by their places in the list.
type Failed = BTreeMap<usize, Box<Failure>>;

/// The values of fields, a list for each of them.
type Lists<'py> = Vec<Vec<Bound<'py, PyAny>>>;

impl PythonStep {
    /// Calls the step with a list of one text.
    pub(super) fn call_with_list_of_one<'py, 'v>(
        &self,
        text: &Bound<'py, PyString>,
        asked: impl Fn(usize) -> &'v Value,
        context: &CallContext<'_>,
    ) -> Result<CallVerdict<'py>, Stop> {
        let texts = std::slice::from_ref(text);
        let outcomes = self
            .call_list(texts, 0, &|_, index| asked(index), context)
            .map_err(|stop| stop.alone(text.py(), context))?;
        match outcomes.into_iter().next() {
            Some((_, outcome)) => outcome.map_err(Stop::Failed),
            None if self.kind() == Kind::Map => Ok(CallVerdict::Text(text.clone())),
            None => Ok(CallVerdict::Keep),
        }
    }

    /// Calls the step with a list of texts, of which the first is the record `first` to `asked`. A text whose fields cannot
    /// be had is not in the list.
    pub(super) fn call_list<'py>(
        &self,
        texts: &[Bound<'py, PyString>],
        first: usize,
        asked: &AskedOfMany<'_, '_>,
        context: &CallContext<'_>,
    ) -> Result<Outcomes<CallVerdict<'py>>, ManyStop> {
        let py = texts[0].py();
        let callable = self.callable.bind(py);
        if self.declaration_asks() == 0 {
            let list = PyList::new(py, texts).map_err(ManyStop::Raised)?;
            let returned = call_with_text(callable, &list).ok_or_else(|| ManyStop::Raised(PyErr::fetch(py)))?;
            return self.read_list(texts, returned, context);
        }
        let (failed, lists) = self.ask_for_all(py, first..first + texts.len(), asked);
        let places: Vec<usize> = (0..texts.len()).filter(|place| !failed.contains_key(place)).collect();
        let kept: Vec<Bound<'py, PyString>> = places.iter().map(|&place| texts[place].clone()).collect();
        let mut outcomes = Vec::new();
        if !kept.is_empty() {
            let mut fields = no_fields();
            for (slot, values) in fields.iter_mut().zip(lists) {
                *slot = Some(PyList::new(py, values).map_err(ManyStop::Raised)?.into_any());
            }
            let list = PyList::new(py, &kept).map_err(ManyStop::Raised)?;
            let returned = vectorcall(callable, &list, &fields, self.asked_names.bind(py)).map_err(ManyStop::Raised)?;
            outcomes = self.read_list(&kept, returned, context)?;
            for (place, _) in &mut outcomes {
                *place = places[*place];
            }
        }
        outcomes.extend(failed.into_iter().map(|(place, failure)| (place, Err(failure))));
        Ok(outcomes)
    }

    /// The values of each field that the step asks for, of all records that have what it needs; and the failures of the others,
    /// by their place among these.
    fn ask_for_all<'py>(
        &self,
        py: Python<'py>,
        records: Range<usize>,
        asked: &AskedOfMany<'_, '_>,
    ) -> (Failed, Lists<'py>) {
        let asks = &self.declaration().asks;
        let mut lists: Lists<'py> = asks.iter().map(|_| Vec::with_capacity(records.len())).collect();
        let mut failed = Failed::new();
        for (place, record) in records.enumerate() {
            let fields = asks.iter().zip(&self.defaults).enumerate();
            let fields = fields.map(|(index, (field, default))| match (asked(record, index), default) {
                (Value::Missing, Some(default)) => Ok(default.bind(py).clone()),
                (Value::Missing, None) => Err(missing(&field.name)),
                (value, _) => values::asked_to_python(py, &field.name, value),
            });
            match fields.collect::<Result<Vec<_>, _>>() {
                Ok(values) => lists.iter_mut().zip(values).for_each(|(list, value)| list.push(value)),
                Err(failure) => {
                    failed.insert(place, failure);
                }
            }
        }
        (failed, lists)
    }
}
