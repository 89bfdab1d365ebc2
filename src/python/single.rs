//! Runs a plan over single texts: the same steps without batch, engine or ledger.
//!
//! Consecutive Python steps hand the same `str` along. A `str` is read for Rust steps only, and a new one is made only
//! where they changed the text.

use crate::error::{Error, Failure};
use crate::plan::{End, Extent, Plan, Workbench};
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::exceptions::to_python as raise;
use crate::python::failure::failure_of;
use crate::python::step::PythonStep;
use crate::python::turn::ThreadNumber;
use crate::python::verdict::check;
use crate::python::{signals, text, values};
use crate::record::Value;
use crate::step::{Context, PlacedStep};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// Steps of one runtime, in order.
enum Stretch {
    Rust(Vec<PlacedStep>),
    Python(Vec<(PlacedStep, Arc<PythonStep>)>),
}

/// The steps of a plan, by runtime.
pub(super) struct Single {
    stretches: Vec<Stretch>,
    context: Context,
}

/// How a text, or a part of it, ended.
pub(super) enum Outcome<'py> {
    Text(Bound<'py, PyString>),
    Rejected { step: u16, reason: Cow<'static, str> },
    Failed { step: u16, failure: Box<Failure> },
}

/// Where the steps stopped.
pub(super) enum Halt<'py> {
    /// They came to an end.
    End(Outcome<'py>),
    /// A step split the text. The parts go on at the step with these numbers.
    Split(Vec<Bound<'py, PyString>>, (usize, usize)),
}

/// The fields of a record: the plan's number, and the value.
pub(super) type Fields = Vec<(u16, Value)>;

thread_local! {
    /// Rust steps never call Python, so the workbench is never asked for while it is in use.
    static WORKBENCH: RefCell<Workbench> = RefCell::default();
}

impl Single {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut stretches: Vec<Stretch> = Vec::new();
        for placed in plan.segments.iter().flat_map(|segment| segment.steps()) {
            let step: Arc<dyn Any + Send + Sync> = placed.step.clone();
            match (step.downcast::<PythonStep>(), stretches.last_mut()) {
                (Ok(python), Some(Stretch::Python(steps))) => steps.push((placed.clone(), python)),
                (Ok(python), _) => stretches.push(Stretch::Python(vec![(placed.clone(), python)])),
                (Err(_), Some(Stretch::Rust(steps))) => steps.push(placed.clone()),
                (Err(_), _) => stretches.push(Stretch::Rust(vec![placed.clone()])),
            }
        }
        Self {
            stretches,
            context: Context::default(),
        }
    }

    /// Runs the steps over a text. `sink` gets each part's end; there is one unless a step splits.
    pub(super) fn run<'py>(
        &self,
        py: Python<'py>,
        text: Bound<'py, PyString>,
        fields: &mut Fields,
        sink: &mut dyn FnMut(Outcome<'py>, &Fields) -> PyResult<()>,
    ) -> PyResult<()> {
        self.follow(py, (0, 0), text, fields, sink)
    }

    fn follow<'py>(
        &self,
        py: Python<'py>,
        from: (usize, usize),
        text: Bound<'py, PyString>,
        fields: &mut Fields,
        sink: &mut dyn FnMut(Outcome<'py>, &Fields) -> PyResult<()>,
    ) -> PyResult<()> {
        match self.advance(py, from, text, fields)? {
            Halt::End(outcome) => sink(outcome, fields),
            Halt::Split(parts, next) => parts
                .into_iter()
                .try_for_each(|part| self.follow(py, next, part, &mut fields.clone(), sink)),
        }
    }

    /// Runs the steps from the given one on, counted by stretches and within the stretch, until the text ends or is split.
    pub(super) fn advance<'py>(
        &self,
        py: Python<'py>,
        from: (usize, usize),
        mut text: Bound<'py, PyString>,
        fields: &mut Fields,
    ) -> PyResult<Halt<'py>> {
        let mut skip = from.1;
        for (number, stretch) in self.stretches.iter().enumerate().skip(from.0) {
            let (next, index) = match stretch {
                Stretch::Rust(steps) => self.rust(py, &steps[skip..], &text, fields),
                Stretch::Python(steps) => self.python(&steps[skip..], &text, fields)?,
            };
            let placed = |index: usize| match stretch {
                Stretch::Rust(steps) => &steps[skip + index],
                Stretch::Python(steps) => &steps[skip + index].0,
            };
            match next {
                Next::Unchanged => {}
                Next::Text(after) => text = after,
                Next::Rejected(reason) => {
                    let step = placed(index).index;
                    return Ok(Halt::End(Outcome::Rejected { step, reason }));
                }
                Next::Failed(failure) => {
                    let step = placed(index).index;
                    return Ok(Halt::End(Outcome::Failed { step, failure }));
                }
                Next::Split(parts) if parts.is_empty() => {
                    let (step, reason) = (placed(index).index, "no_parts".into());
                    return Ok(Halt::End(Outcome::Rejected { step, reason }));
                }
                Next::Split(parts) => return Ok(Halt::Split(parts, (number, skip + index + 1))),
            }
            skip = 0;
        }
        Ok(Halt::End(Outcome::Text(text)))
    }

    fn rust<'py>(
        &self,
        py: Python<'py>,
        steps: &[PlacedStep],
        text: &Bound<'py, PyString>,
        fields: &mut Fields,
    ) -> (Next<'py>, usize) {
        let Ok(read) = text.to_str() else {
            return (Next::Failed(values::surrogate("The text")), 0);
        };
        WORKBENCH.with_borrow_mut(|workbench| {
            let field = |number: u16| find(fields, number).clone();
            let end = workbench.run(steps, read, &field, &self.context, &mut [], false);
            fields.append(&mut workbench.added);
            match end {
                End::Text(Extent::Input(range)) if range.len() == read.len() => (Next::Unchanged, 0),
                End::Text(Extent::Input(range)) => match part(text, read, &range) {
                    Ok(part) => (Next::Text(part), 0),
                    Err(error) => (Next::Failed(failure_of(py, error)), 0),
                },
                End::Text(place) => (Next::Text(PyString::new(py, workbench.text(read, &place))), 0),
                End::Rejected(index, reason) => (Next::Rejected(reason), index),
                End::Failed(index, failure) => (Next::Failed(failure), index),
                End::Split(index, parts) => (
                    Next::Split(parts.iter().map(|part| PyString::new(py, part)).collect()),
                    index,
                ),
            }
        })
    }

    fn python<'py>(
        &self,
        steps: &[(PlacedStep, Arc<PythonStep>)],
        text: &Bound<'py, PyString>,
        fields: &mut Fields,
    ) -> PyResult<(Next<'py>, usize)> {
        let py = text.py();
        let context = CallContext {
            limits: &self.context.limits,
            interrupted: &signals::interrupted,
        };
        let me = ThreadNumber::mine();
        let mut current = text.clone();
        let mut maker = 0;
        for (index, (placed, step)) in steps.iter().enumerate() {
            let _turn = step.turn_of(py, me);
            let verdict = step.call(&current, |asked| find(fields, placed.asks[asked]), &context);
            match verdict {
                Ok(CallVerdict::Text(after)) => {
                    if !after.is(&current) {
                        maker = index;
                    }
                    current = after;
                }
                Ok(CallVerdict::Keep) => {}
                Ok(CallVerdict::Annotate(values)) => fields.extend(placed.adds.iter().copied().zip(values)),
                Ok(CallVerdict::Reject(reason)) => return Ok((Next::Rejected(reason), index)),
                Ok(CallVerdict::Split(parts)) => {
                    let checked = parts.iter().try_for_each(|part| check(part, context.limits));
                    return Ok((checked.map_or_else(Next::Failed, |()| Next::Split(parts)), index));
                }
                Err(Stop::Failed(failure)) => return Ok((Next::Failed(failure), index)),
                Err(Stop::Interrupted(interrupt)) => return Err(raise(py, Error::Interrupted(interrupt))),
            }
        }
        if current.is(text) {
            return Ok((Next::Unchanged, 0));
        }
        // Nothing here needs the bytes of the text, but what a run would not write is not returned either.
        let checked = check(&current, context.limits);
        Ok((checked.map_or_else(Next::Failed, |()| Next::Text(current)), maker))
    }
}

/// A part of a text, where `read` is the text's UTF-8 and `range` says where in that. It is cut out of the text itself,
/// which makes a `str` of it without decoding anything: to count the characters before and after it is enough.
#[expect(unsafe_code, reason = "slicing a subclass would call its own method")]
fn part<'py>(text: &Bound<'py, PyString>, read: &str, range: &Range<usize>) -> PyResult<Bound<'py, PyString>> {
    let length = text::length(text);
    let (start, end) = if length == read.len() {
        (range.start, range.end)
    } else {
        let after = read[range.end..].chars().count();
        (read[..range.start].chars().count(), length - after)
    };
    // SAFETY: The thread is attached, the object is a `str`, and the range lies within its characters, whose number fits
    // a `Py_ssize_t`. The function returns a new reference to exactly a `str`, or null with an exception set.
    unsafe {
        let part = ffi::PyUnicode_Substring(text.as_ptr(), start.cast_signed(), end.cast_signed());
        Ok(Bound::from_owned_ptr_or_err(text.py(), part)?.cast_into_unchecked::<PyString>())
    }
}

enum Next<'py> {
    Unchanged,
    Text(Bound<'py, PyString>),
    Rejected(Cow<'static, str>),
    Failed(Box<Failure>),
    Split(Vec<Bound<'py, PyString>>),
}

/// The value of a field: what was added last counts.
fn find(fields: &Fields, number: u16) -> &Value {
    fields
        .iter()
        .rev()
        .find(|(known, _)| *known == number)
        .map_or(&Value::Missing, |(_, value)| value)
}
