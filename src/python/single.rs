//! Runs a plan over single texts: the same steps without batch, engine or ledger.
//!
//! Consecutive Python steps hand the same `str` along. A `str` is read for Rust steps only, and a new one is made only
//! where they changed the text.

use crate::error::{Error, Failure, Interrupt};
use crate::plan::{End, Extent, Plan, Workbench, cut};
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::exceptions::to_python as raise;
use crate::python::failure::failure_of;
use crate::python::step::PythonStep;
use crate::python::turn::ThreadNumber;
use crate::python::verdict::check;
use crate::python::{signals, text, values};
use crate::record::Value;
use crate::simd::transcode::Surrogate;
use crate::step::{CalledWith, Context, PlacedStep};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Steps of one runtime, in order.
enum Stretch {
    /// Steps of Rust that always leave a part of the text.
    Cuts(Vec<PlacedStep>),
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

/// Why a text did not go through all the steps.
pub(super) enum Halt<'py> {
    Rejected {
        step: u16,
        reason: Cow<'static, str>,
    },
    Failed {
        step: u16,
        failure: Box<Failure>,
    },
    /// The parts go on at this place.
    Split(Vec<Bound<'py, PyString>>, Place),
    Interrupted(Interrupt),
}

/// A step: the number of its stretch, and its number there.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    stretch: usize,
    step: usize,
}

impl Place {
    /// The place after the step with this number, counted from here.
    fn after(self, index: usize) -> Self {
        Self {
            step: self.step + index + 1,
            ..self
        }
    }
}

/// The fields of a record: the plan's number, and the value.
pub(super) type Fields = Vec<(u16, Value)>;

/// What Rust steps work with, to be used again for each text.
#[derive(Default)]
struct Bench {
    work: Workbench,
    /// The UTF-8 of a text that is not ASCII.
    read: String,
}

thread_local! {
    /// Rust steps never call Python, so the bench is never asked for while it is in use.
    static BENCH: RefCell<Bench> = RefCell::default();
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
        for stretch in &mut stretches {
            if let Stretch::Rust(steps) = stretch
                && steps.iter().all(|placed| placed.step.part("").is_some())
            {
                *stretch = Stretch::Cuts(std::mem::take(steps));
            }
        }
        Self {
            stretches,
            context: Context::default(),
        }
    }

    /// Whether a step takes many texts at a time.
    pub(super) fn takes_many(&self) -> bool {
        self.stretches.iter().any(|stretch| match stretch {
            Stretch::Cuts(_) | Stretch::Rust(_) => false,
            Stretch::Python(steps) => steps.iter().any(|(_, step)| step.called_with() != CalledWith::Text),
        })
    }

    /// Runs all the steps over a text that came without fields.
    #[inline]
    pub(super) fn run_alone<'py>(&self, text: &mut Bound<'py, PyString>) -> ControlFlow<Halt<'py>> {
        self.advance(Place::default(), text, &mut Fields::new())
    }

    /// Runs the steps over a text. `sink` gets each part's end; there is one unless a step splits.
    pub(super) fn run<'py>(
        &self,
        py: Python<'py>,
        text: Bound<'py, PyString>,
        fields: &mut Fields,
        sink: &mut dyn FnMut(Outcome<'py>, &Fields) -> PyResult<()>,
    ) -> PyResult<()> {
        self.follow(py, Place::default(), text, fields, sink)
    }

    fn follow<'py>(
        &self,
        py: Python<'py>,
        from: Place,
        mut text: Bound<'py, PyString>,
        fields: &mut Fields,
        sink: &mut dyn FnMut(Outcome<'py>, &Fields) -> PyResult<()>,
    ) -> PyResult<()> {
        let outcome = match self.advance(from, &mut text, fields) {
            ControlFlow::Continue(()) => Outcome::Text(text),
            ControlFlow::Break(Halt::Rejected { step, reason }) => Outcome::Rejected { step, reason },
            ControlFlow::Break(Halt::Failed { step, failure }) => Outcome::Failed { step, failure },
            ControlFlow::Break(Halt::Interrupted(interrupt)) => {
                return Err(raise(py, Error::Interrupted(interrupt)));
            }
            ControlFlow::Break(Halt::Split(parts, next)) => {
                return parts
                    .into_iter()
                    .try_for_each(|part| self.follow(py, next, part, &mut fields.clone(), sink));
            }
        };
        sink(outcome, fields)
    }

    /// Runs the steps from a place on, as long as there is one text. The text is changed where it is, and what it is rarely
    /// is returned: short texts take less time than moving such values about.
    fn advance<'py>(
        &self,
        from: Place,
        text: &mut Bound<'py, PyString>,
        fields: &mut Fields,
    ) -> ControlFlow<Halt<'py>> {
        let mut place = from;
        for stretch in &self.stretches[from.stretch..] {
            match stretch {
                Stretch::Cuts(steps) => self.cuts(&steps[place.step..], place, text, fields)?,
                Stretch::Rust(steps) => self.rust(&steps[place.step..], place, text, fields)?,
                Stretch::Python(steps) => self.python(&steps[place.step..], place, text, fields)?,
            }
            place = Place {
                stretch: place.stretch + 1,
                step: 0,
            };
        }
        ControlFlow::Continue(())
    }

    fn cuts<'py>(
        &self,
        steps: &[PlacedStep],
        place: Place,
        text: &mut Bound<'py, PyString>,
        fields: &mut Fields,
    ) -> ControlFlow<Halt<'py>> {
        let Some(whole) = text::ascii(text) else {
            return self.rust(steps, place, text, fields);
        };
        let mut left = whole;
        for placed in steps {
            match cut(placed, left) {
                Ok(part) => left = part,
                Err(failure) => {
                    let step = placed.index;
                    return ControlFlow::Break(Halt::Failed { step, failure });
                }
            }
        }
        if left.len() < whole.len() {
            *text = text::new(text.py(), left);
        }
        ControlFlow::Continue(())
    }

    fn rust<'py>(
        &self,
        steps: &[PlacedStep],
        place: Place,
        text: &mut Bound<'py, PyString>,
        fields: &mut Fields,
    ) -> ControlFlow<Halt<'py>> {
        let py = text.py();
        let failed = |index: usize, failure| Halt::Failed {
            step: steps[index].index,
            failure,
        };
        BENCH.with_borrow_mut(|bench| {
            let read = match text::ascii(text) {
                Some(read) => read,
                None => match read_into(&mut bench.read, text) {
                    Ok(read) => read,
                    Err(failure) => return ControlFlow::Break(failed(0, failure)),
                },
            };
            let field = |number: u16| find(fields, number).clone();
            let end = bench.work.run(steps, read, &field, &self.context, &mut [], false);
            if !bench.work.added.is_empty() {
                fields.append(&mut bench.work.added);
            }
            match end {
                End::Text(Extent::Input(range)) if range.len() == read.len() => {}
                End::Text(Extent::Input(range)) => match part(text, read, &range) {
                    Ok(part) => *text = part,
                    Err(error) => return ControlFlow::Break(failed(0, failure_of(py, error))),
                },
                End::Text(place) => *text = text::new(py, bench.work.text(read, &place)),
                End::Failed(index, failure) => return ControlFlow::Break(failed(index, failure)),
                End::Rejected(index, reason) => {
                    let step = steps[index].index;
                    return ControlFlow::Break(Halt::Rejected { step, reason });
                }
                End::Split(index, parts) if parts.is_empty() => {
                    let (step, reason) = (steps[index].index, "no_parts".into());
                    return ControlFlow::Break(Halt::Rejected { step, reason });
                }
                End::Split(index, parts) => {
                    let parts = parts.iter().map(|part| text::new(py, part)).collect();
                    return ControlFlow::Break(Halt::Split(parts, place.after(index)));
                }
            }
            ControlFlow::Continue(())
        })
    }

    fn python<'py>(
        &self,
        steps: &[(PlacedStep, Arc<PythonStep>)],
        place: Place,
        text: &mut Bound<'py, PyString>,
        fields: &mut Fields,
    ) -> ControlFlow<Halt<'py>> {
        let py = text.py();
        let context = CallContext {
            limits: &self.context.limits,
            interrupted: &signals::interrupted,
        };
        let me = ThreadNumber::mine();
        let given = text.clone();
        let mut maker = 0;
        for (index, (placed, step)) in steps.iter().enumerate() {
            let _turn = step.turn_of(py, me);
            let stop = if step.only_maps() {
                match step.map(text, &context) {
                    Ok(after) => {
                        if !after.is(&*text) {
                            maker = index;
                            *text = after;
                        }
                        continue;
                    }
                    Err(stop) => stop,
                }
            } else {
                match step.call(text, |asked| find(fields, placed.asks[asked]), &context) {
                    Ok(CallVerdict::Text(after)) => {
                        if !after.is(&*text) {
                            maker = index;
                            *text = after;
                        }
                        continue;
                    }
                    Ok(CallVerdict::Keep) => continue,
                    Ok(CallVerdict::Annotate(values)) => {
                        fields.extend(placed.adds.iter().copied().zip(values));
                        continue;
                    }
                    Ok(CallVerdict::Reject(reason)) => {
                        let step = placed.index;
                        return ControlFlow::Break(Halt::Rejected { step, reason });
                    }
                    Ok(CallVerdict::Split(parts)) => {
                        match parts.iter().try_for_each(|part| check(part, context.limits)) {
                            Ok(()) => return ControlFlow::Break(Halt::Split(parts, place.after(index))),
                            Err(failure) => failure.into(),
                        }
                    }
                    Err(stop) => stop,
                }
            };
            return ControlFlow::Break(match stop {
                Stop::Failed(failure) => Halt::Failed {
                    step: placed.index,
                    failure,
                },
                Stop::Interrupted(interrupt) => Halt::Interrupted(interrupt),
            });
        }
        // Nothing here needs the bytes of the text, but what a run would not write is not returned either.
        if !text.is(&given)
            && let Err(failure) = check(text, context.limits)
        {
            let step = steps[maker].0.index;
            return ControlFlow::Break(Halt::Failed { step, failure });
        }
        ControlFlow::Continue(())
    }
}

/// Writes the UTF-8 of a text over a string.
fn read_into<'t>(string: &'t mut String, text: &Bound<'_, PyString>) -> Result<&'t str, Box<Failure>> {
    /// One huge text must not take up its room for ever.
    const KEPT: usize = 1 << 20;
    string.clear();
    string.shrink_to(KEPT);
    let characters = text::characters(text).map_err(|error| failure_of(text.py(), error))?;
    match characters.push_to(string) {
        Ok(()) => Ok(string),
        Err(Surrogate) => Err(values::surrogate("The text")),
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

/// The value of a field: what was added last counts.
fn find(fields: &Fields, number: u16) -> &Value {
    fields
        .iter()
        .rev()
        .find(|(known, _)| *known == number)
        .map_or(&Value::Missing, |(_, value)| value)
}
