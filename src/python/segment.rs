//! The segment of Python steps: one attach per batch, one `str` per record, handed on from step to step.

use crate::batch::{Batch, State, View};
use crate::error::{Error, Failure, Result};
use crate::plan::{Changes, Rhythm, TIMED_EACH, Watch, passes};
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::signals;
use crate::python::step::PythonStep;
use crate::python::text;
use crate::python::turn::ONE_ATTACHED;
use crate::python::verdict::append;
use crate::python::worker;
use crate::record::Value;
use crate::step::{Context, Kind, Limits, Marker, PlacedStep, Pulse, Segment};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::any::Any;
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
            for pass in passes(&self.placed) {
                run_pass(
                    py,
                    pass,
                    first,
                    &self.steps[first..first + pass.len()],
                    batch,
                    context,
                    pulse,
                )?;
                first += pass.len();
            }
            Ok(())
        })
    }
}

/// What the steps of a pass made of one record.
enum End<'py> {
    Same,
    Text(Bound<'py, PyString>),
    Rejected(usize, std::borrow::Cow<'static, str>),
    Failed(usize, Box<Failure>),
    Split(usize, Vec<Bound<'py, PyString>>),
}

fn run_pass(
    py: Python<'_>,
    placed: &[PlacedStep],
    first: usize,
    steps: &[Arc<PythonStep>],
    batch: &mut Batch,
    context: &Context,
    pulse: &mut Pulse<'_>,
) -> Result<()> {
    let mut changes = Changes::new(batch, placed);
    let _turns: Vec<_> = steps.iter().map(|step| step.turn(py)).collect();
    let call = CallContext {
        limits: &context.limits,
        interrupted: &signals::interrupted,
    };
    let mut pass = Pass {
        placed,
        first,
        steps,
        call,
        marker: context.marker,
        watches: vec![Watch::default(); steps.len()],
        added: Vec::new(),
    };
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
        let end = pass.follow(&text, batch, row)?;
        changes.annotate(row, &mut pass.added);
        match end {
            End::Same => changes.text(row, current.text, current.text),
            End::Text(text) => match write(&mut changes, &text, &context.limits) {
                Ok(view) => changes.text(row, current.text, view),
                Err(failure) => {
                    let step = last_map(placed);
                    changes.fail(row, current.text, step, failure);
                }
            },
            End::Rejected(step, reason) => changes.reject(row, current.text, placed[step].index, reason),
            End::Failed(step, failure) => changes.fail(row, current.text, placed[step].index, failure),
            End::Split(step, parts) => {
                let index = placed[step].index;
                changes.split_with(row, current.text, index, parts.iter(), context, |changes, part| {
                    write(changes, part, &context.limits)
                });
            }
        }
    }
    let watches = pass.watches;
    changes.apply(batch);
    for (placed, watch) in placed.iter().zip(watches) {
        let tally = batch.tally(placed.index);
        tally.entered += watch.entered;
        tally.nanoseconds += watch.estimate();
    }
    Ok(())
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
fn last_map(placed: &[PlacedStep]) -> u16 {
    let map = placed
        .iter()
        .rev()
        .find(|placed| placed.step.declaration().kind == Kind::Map);
    map.or(placed.last()).map_or(0, |placed| placed.index)
}

/// One pass over a batch, with what is used again for each record.
struct Pass<'s> {
    placed: &'s [PlacedStep],
    /// The place of the first of them in the segment.
    first: usize,
    steps: &'s [Arc<PythonStep>],
    call: CallContext<'s>,
    marker: Marker,
    watches: Vec<Watch>,
    added: Vec<(u16, Value)>,
}

impl Pass<'_> {
    fn follow<'py>(&mut self, text: &Bound<'py, PyString>, batch: &Batch, row: usize) -> Result<End<'py>> {
        // `None` stands for the text itself, which need not be counted as one more reference then.
        let mut made: Option<Bound<'py, PyString>> = None;
        let source = batch.rows[row].source;
        let mut clock = row.is_multiple_of(TIMED_EACH).then(Instant::now);
        for (index, (placed, step)) in self.placed.iter().zip(self.steps).enumerate() {
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
