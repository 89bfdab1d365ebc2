//! Calls a step with a list of texts, and again in halves where that comes to nothing.

use crate::error::{Failure, Interrupt};
use crate::plan::call_in_halves;
use crate::python::call::{CallContext, CallVerdict, Stop, call_with_text, missing, no_fields, vectorcall};
use crate::python::failure::{interrupt_of, stop_of};
use crate::python::step::PythonStep;
use crate::python::values;
use crate::record::Value;
use crate::step::Step as _;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// What became of one record of a list.
pub(super) type Outcome<'py> = Result<CallVerdict<'py>, Box<Failure>>;

/// Why a call with a list has no verdicts.
#[derive(Debug)]
pub(super) enum ListStop {
    /// The step raised.
    Raised(PyErr),
    /// It returned something that is no answer to so many texts.
    Wrong(Box<Failure>),
    /// Somebody pressed Ctrl-C while it ran.
    Interrupted(Interrupt),
}

impl ListStop {
    /// What it means where the list holds one text.
    fn alone(self, py: Python<'_>, context: &CallContext<'_>) -> Stop {
        match self {
            Self::Raised(error) => stop_of(py, error, context),
            Self::Wrong(failure) => Stop::Failed(failure),
            Self::Interrupted(interrupt) => Stop::Interrupted(interrupt),
        }
    }
}

/// The value of a field for a record, by the record's place in the list and the field's in the step's declaration.
pub(super) type AskedOfMany<'a, 'v> = dyn Fn(usize, usize) -> &'v Value + 'a;

impl PythonStep {
    /// Whether the step is called with a list of texts.
    pub(super) fn takes_lists(&self) -> bool {
        self.takes_lists
    }

    /// Calls the step with a list of one text.
    pub(super) fn call_alone<'py, 'v>(
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
            Some(outcome) => outcome.map_err(Stop::Failed),
            None => unreachable!("there is an outcome for each text"),
        }
    }

    /// Calls the step with all of these texts, and in halves with those of which a call comes to nothing, until the guilty ones
    /// are alone. `done` gets the outcome of each record, in order; `before` is called before each call, with the records that
    /// it is about, and may stop it all. The caller has taken the step's turn.
    pub(super) fn call_in_halves<'py>(
        &self,
        texts: &[Bound<'py, PyString>],
        asked: &AskedOfMany<'_, '_>,
        context: &CallContext<'_>,
        mut before: impl FnMut(Range<usize>) -> Result<(), Interrupt>,
        mut done: impl FnMut(usize, Outcome<'py>),
    ) -> Result<(), Interrupt> {
        call_in_halves(texts.len(), |records| {
            before(records.clone())?;
            let py = texts[records.start].py();
            let stop = match self.call_list(&texts[records.clone()], records.start, asked, context) {
                Ok(outcomes) => {
                    records.zip(outcomes).for_each(|(record, outcome)| done(record, outcome));
                    return Ok(true);
                }
                Err(stop) => stop,
            };
            if records.len() == 1 {
                match stop.alone(py, context) {
                    Stop::Failed(failure) => done(records.start, Err(failure)),
                    Stop::Interrupted(interrupt) => return Err(interrupt),
                }
                return Ok(false);
            }
            match stop {
                ListStop::Raised(error) => interrupt_of(py, &error, context).map_or(Ok(false), Err),
                ListStop::Wrong(failure) => {
                    self.complain(records.len(), &failure);
                    Ok(false)
                }
                ListStop::Interrupted(interrupt) => Err(interrupt),
            }
        })
    }

    /// Calls the step with a list of texts, of which the first is the record `first` to `asked`. There is an outcome for each
    /// text. A text whose fields cannot be had is not in the list.
    fn call_list<'py>(
        &self,
        texts: &[Bound<'py, PyString>],
        first: usize,
        asked: &AskedOfMany<'_, '_>,
        context: &CallContext<'_>,
    ) -> Result<Vec<Outcome<'py>>, ListStop> {
        let py = texts[0].py();
        let callable = self.callable.bind(py);
        if self.declaration_asks() == 0 {
            let list = PyList::new(py, texts).map_err(ListStop::Raised)?;
            let returned = call_with_text(callable, &list).ok_or_else(|| ListStop::Raised(PyErr::fetch(py)))?;
            return self.read_list(texts, returned, context);
        }
        let (failed, lists) = self.ask_for_all(py, first..first + texts.len(), asked);
        let kept: Vec<Bound<'py, PyString>> = (0..).zip(texts).filter(|(place, _)| !failed.contains_key(place)).map(|(_, text)| text.clone()).collect();
        let mut outcomes = Vec::new();
        if !kept.is_empty() {
            let mut fields = no_fields();
            for (slot, values) in fields.iter_mut().zip(lists) {
                *slot = Some(PyList::new(py, values).map_err(ListStop::Raised)?.into_any());
            }
            let list = PyList::new(py, &kept).map_err(ListStop::Raised)?;
            let returned = vectorcall(callable, &list, &fields, self.asked_names.bind(py)).map_err(ListStop::Raised)?;
            outcomes = self.read_list(&kept, returned, context)?;
        }
        for (place, failure) in failed {
            outcomes.insert(place, Err(failure));
        }
        Ok(outcomes)
    }

    /// The values of each field that the step asks for, of all records that have what it needs; and the failures of the others,
    /// by their place among these.
    fn ask_for_all<'py>(
        &self,
        py: Python<'py>,
        records: Range<usize>,
        asked: &AskedOfMany<'_, '_>,
    ) -> (BTreeMap<usize, Box<Failure>>, Vec<Vec<Bound<'py, PyAny>>>) {
        let asks = &self.declaration().asks;
        let mut lists: Vec<Vec<_>> = asks.iter().map(|_| Vec::with_capacity(records.len())).collect();
        let mut failed = BTreeMap::new();
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

    /// Says, once, that the step does not keep to what it declares: with single records it may, and then nobody would know.
    #[cold]
    fn complain(&self, texts: usize, failure: &Failure) {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            log::warn!(
                "The step `{}` was called with {texts} texts: {} Such calls are made again with fewer.",
                crate::error::shown(&self.declaration().name),
                failure.message
            );
        }
    }
}
