//! Calls with several records: what becomes of each, and calls again in halves where one comes to nothing.

use crate::error::{Failure, FailureKind, Interrupt};
use crate::plan::call_in_halves;
use crate::python::call::{CallContext, Stop};
use crate::python::failure::{interrupt_of, stop_of};
use crate::python::step::PythonStep;
use crate::step::Step as _;
use pyo3::prelude::*;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// What became of one record of several.
pub(super) type Outcome<T> = Result<T, Box<Failure>>;

/// What became of several records, each with its place among them. A record that is not there goes on as it was.
pub(super) type Outcomes<T> = Vec<(usize, Outcome<T>)>;

/// Why a call with several records has no verdicts.
#[derive(Debug)]
pub(super) enum ManyStop {
    /// The step raised.
    Raised(PyErr),
    /// It returned something that is no answer to so many records.
    Wrong(Box<Failure>),
    /// Somebody pressed Ctrl-C while it ran.
    Interrupted(Interrupt),
}

impl ManyStop {
    /// What was returned is no answer: a sentence that says why, and the way out.
    #[cold]
    pub(super) fn wrong(message: String, hint: &str) -> Self {
        Self::Wrong(Box::new(Failure::new(FailureKind::BadReturn, message).with_hint(hint)))
    }

    /// What it means where there was one record.
    pub(super) fn alone(self, py: Python<'_>, context: &CallContext<'_>) -> Stop {
        match self {
            Self::Raised(error) => stop_of(py, error, context),
            Self::Wrong(failure) => Stop::Failed(failure),
            Self::Interrupted(interrupt) => Stop::Interrupted(interrupt),
        }
    }
}

impl PythonStep {
    /// Calls the step with all of so many records, and in halves with those of which a call comes to nothing, until the guilty
    /// ones are alone. `call` calls it with some of them and returns their outcomes; `done` gets each of these. The caller has
    /// taken the step's turn.
    pub(super) fn call_in_halves<T>(
        &self,
        py: Python<'_>,
        records: usize,
        context: &CallContext<'_>,
        mut call: impl FnMut(Range<usize>) -> Result<Outcomes<T>, ManyStop>,
        mut done: impl FnMut(usize, Outcome<T>),
    ) -> Result<(), Interrupt> {
        call_in_halves(records, |records| {
            let stop = match call(records.clone()) {
                Ok(outcomes) => {
                    for (place, outcome) in outcomes {
                        done(records.start + place, outcome);
                    }
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
                ManyStop::Raised(error) => interrupt_of(py, &error, context).map_or(Ok(false), Err),
                ManyStop::Wrong(failure) => {
                    self.complain(records.len(), &failure);
                    Ok(false)
                }
                ManyStop::Interrupted(interrupt) => Err(interrupt),
            }
        })
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
