//! The segment of Python steps: one attach per batch, one `str` per record, handed on from step to step.

use crate::batch::{Batch, State, View};
use crate::error::{Error, Failure, Result};
use crate::plan::{Changes, Rhythm, TIMED_EACH, Watch, passes};
use crate::python::abreast;
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::signals;
use crate::python::step::PythonStep;
use crate::python::text;
use crate::python::turn::{ONE_ATTACHED, Turn};
use crate::python::verdict::append;
use crate::python::worker;
use crate::record::Value;
use crate::step::{CalledWith, Context, Kind, Limits, Marker, PlacedStep, Pulse, Segment};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Consecutive steps that Python executes.
pub(super) struct PythonSegment {
    placed: Vec<PlacedStep>,
    steps: Vec<Arc<PythonStep>>,
}

impl PythonSegment {
    /// Fuses steps, all of which Python executes.
    pub(super) fn new(placed: Vec<PlacedStep>) -> Self {
        let steps = placed
            .iter()
            .map(|placed| {
                let step: Arc<dyn Any + Send + Sync> = placed.step.clone();
                step.downcast::<PythonStep>().expect("a host fuses its own steps only")
            })
            .collect();
        Self { placed, steps }
    }
}

impl Segment for PythonSegment {
    fn steps(&self) -> &[PlacedStep] {
        &self.placed
    }

    fn on_calling_thread(&self) -> bool {
        ONE_ATTACHED
    }

    fn run(&self, batch: &mut Batch, context: &Context, pulse: &mut Pulse<'_>) -> Result<()> {
        Python::attach(|py| {
            let mut first = 0;
            for placed in passes(&self.placed) {
                let steps = &self.steps[first..first + placed.len()];
                let run = if steps.iter().any(|step| step.called_with() != CalledWith::Text) {
                    abreast::run_pass
                } else {
                    run_pass
                };
                run(py, Pass::new(placed, first, steps, context), batch, pulse)?;
                first += placed.len();
            }
            Ok(())
        })
    }
}

/// What the steps of a pass made of one record. Steps are counted from the start of the pass.
pub(super) enum End<'py> {
    Same,
    Text(Bound<'py, PyString>),
    Rejected(usize, std::borrow::Cow<'static, str>),
    Failed(usize, Box<Failure>),
    Split(usize, Vec<Bound<'py, PyString>>),
}

fn run_pass(py: Python<'_>, mut pass: Pass<'_>, batch: &mut Batch, pulse: &mut Pulse<'_>) -> Result<()> {
    let (placed, steps, context) = (pass.placed, pass.steps, pass.context);
    let mut changes = Changes::new(batch, placed);
    let _turns = pass.turns(py);
    let mut rhythm = Rhythm::default();
    let mut unescaped = String::new();
    for row in 0..batch.rows.len() {
        if changes.overflowed() {
            break;
        }
        if rhythm.is_due(row) {
            pulse().map_err(Error::Interrupted)?;
        }
        let current = batch.rows[row];
        if current.state != State::Live {
            changes.keep(row, current.text);
            continue;
        }
        pass.marker.note(current.source, pass.first);
        let text = text::new(py, batch.text(current.text).read(&mut unescaped));
        let end = pass.follow(0..steps.len(), &text, batch, row)?;
        changes.annotate(row, &mut pass.added);
        end.settle(&mut changes, placed, row, current.text, context);
    }
    pass.finish(changes, batch);
    Ok(())
}

impl End<'_> {
    /// Notes among the changes what became of a row.
    pub(super) fn settle(
        self,
        changes: &mut Changes,
        placed: &[PlacedStep],
        row: usize,
        before: View,
        context: &Context,
    ) {
        match self {
            Self::Same => changes.text(row, before, before),
            Self::Text(text) => match write(changes, &text, &context.limits) {
                Ok(view) => changes.text(row, before, view),
                Err(failure) => changes.fail(row, before, last_map(placed), failure),
            },
            Self::Rejected(step, reason) => changes.reject(row, before, placed[step].index, reason),
            Self::Failed(step, failure) => changes.fail(row, before, placed[step].index, failure),
            Self::Split(step, parts) => {
                let index = placed[step].index;
                changes.split_with(row, before, index, parts.iter(), context, |changes, part| {
                    write(changes, part, &context.limits)
                });
            }
        }
    }
}

/// Reads a `str` into the batch.
fn write(
    changes: &mut Changes,
    text: &Bound<'_, PyString>,
    limits: &Limits,
) -> std::result::Result<View, Box<Failure>> {
    changes.write_with(text::length(text), |out| append(text, limits, out))
}

/// The step that made the text that cannot be written: the last one that makes texts.
pub(super) fn last_map(placed: &[PlacedStep]) -> u16 {
    let map = placed
        .iter()
        .rev()
        .find(|placed| placed.step.declaration().kind == Kind::Map);
    map.or(placed.last()).map_or(0, |placed| placed.index)
}

/// One pass over a batch, with what is used again for each record.
pub(super) struct Pass<'s> {
    pub(super) placed: &'s [PlacedStep],
    /// The place of the first of them in the segment.
    pub(super) first: usize,
    pub(super) steps: &'s [Arc<PythonStep>],
    pub(super) context: &'s Context,
    pub(super) call: CallContext<'s>,
    pub(super) marker: Marker,
    pub(super) watches: Vec<Watch>,
    /// The fields that were added to the record at hand.
    pub(super) added: Vec<(u16, Value)>,
}

impl<'s> Pass<'s> {
    pub(super) fn new(
        placed: &'s [PlacedStep],
        first: usize,
        steps: &'s [Arc<PythonStep>],
        context: &'s Context,
    ) -> Self {
        Self {
            placed,
            first,
            steps,
            context,
            call: CallContext {
                limits: &context.limits,
                interrupted: &signals::interrupted,
            },
            marker: context.marker,
            watches: vec![Watch::default(); steps.len()],
            added: Vec::new(),
        }
    }

    /// Takes the turns of the steps, for as long as the pass takes.
    pub(super) fn turns<'t>(&self, py: Python<'t>) -> Vec<Option<Turn<'t>>>
    where
        's: 't,
    {
        self.steps.iter().map(|step| step.turn(py)).collect()
    }

    /// Applies the changes to the batch, and tells it what each step did.
    pub(super) fn finish(self, changes: Changes, batch: &mut Batch) {
        changes.apply(batch);
        for (placed, watch) in self.placed.iter().zip(self.watches) {
            let tally = batch.tally(placed.index);
            tally.entered += watch.entered;
            tally.nanoseconds += watch.estimate();
        }
    }

    /// Runs some of the steps over a text, one after the other.
    #[inline]
    pub(super) fn follow<'py>(
        &mut self,
        steps: Range<usize>,
        text: &Bound<'py, PyString>,
        batch: &Batch,
        row: usize,
    ) -> Result<End<'py>> {
        // `None` stands for the text itself, which need not be counted as one more reference then.
        let mut made: Option<Bound<'py, PyString>> = None;
        let source = batch.rows[row].source;
        let mut clock = row.is_multiple_of(TIMED_EACH).then(Instant::now);
        for index in steps {
            let (placed, step) = (&self.placed[index], &self.steps[index]);
            let added = &self.added;
            let asked = |asked: usize| {
                let number = placed.asks[asked];
                let added = added.iter().rev().find(|(added, _)| *added == number);
                added.map_or_else(|| batch.field(number, row), |(_, value)| value)
            };
            let given = made.as_ref().unwrap_or(text);
            self.marker.note(source, self.first + index);
            let verdict = step.call(given, asked, &self.call);
            if worker::is_copy() && self.marker.is_kept() {
                worker::end_copy(text.py(), &placed.step.declaration().name);
            }
            let watch = &mut self.watches[index];
            watch.entered += 1;
            if let Some(started) = clock {
                let now = Instant::now();
                watch.timed += 1;
                watch.nanoseconds += (now - started).as_nanos() as u64;
                clock = Some(now);
            }
            match verdict {
                Ok(CallVerdict::Text(after)) if after.is(given) => {}
                Ok(CallVerdict::Text(after)) => made = Some(after),
                Ok(CallVerdict::Keep) => {}
                Ok(CallVerdict::Annotate(values)) => self.added.extend(placed.adds.iter().copied().zip(values)),
                Ok(CallVerdict::Reject(reason)) => return Ok(End::Rejected(index, reason)),
                Ok(CallVerdict::Split(parts)) => return Ok(End::Split(index, parts)),
                Err(Stop::Failed(failure)) => return Ok(End::Failed(index, failure)),
                Err(Stop::Interrupted(interrupt)) => return Err(Error::Interrupted(interrupt)),
            }
        }
        Ok(match made {
            Some(made) if !made.is(text) => End::Text(made),
            _ => End::Same,
        })
    }
}
