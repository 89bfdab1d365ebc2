//! A pass with steps that take lists: records go through it many at a time, step by step.
//!
//! Records are taken up until a list is full; those that a step in front of the first list rejects do not count. Steps that
//! take single texts stand in between as they do elsewhere, and all of them hand the same `str` objects along.

use crate::batch::{Batch, State};
use crate::error::{Error, Result};
use crate::plan::{Changes, Rhythm};
use crate::python::call::CallVerdict;
use crate::python::list_call::Outcome;
use crate::python::segment::{End, Pass};
use crate::python::step::PythonStep;
use crate::python::{text, worker};
use crate::record::Value;
use crate::step::{Context, Marker, PlacedStep, Pulse};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Instant;

/// The most texts that a step gets at once. With more of them, what one step has made would have left the processor's cache
/// before the next one looks at it.
const MOST_TEXTS: usize = 256;

/// How many bytes of text end a list before it is full. One text may be longer.
const ENOUGH_BYTES: usize = 1 << 20;

/// A record on its way through the pass.
struct Traveller<'py> {
    row: usize,
    source: u32,
    /// What it came with.
    given: Bound<'py, PyString>,
    /// What the steps have made of it so far; `None`: nothing else.
    made: Option<Bound<'py, PyString>>,
    /// The fields that they have added.
    added: Vec<(u16, Value)>,
    /// Where its way ended before the end of the pass.
    end: Option<End<'py>>,
}

impl<'py> Traveller<'py> {
    fn text(&self) -> &Bound<'py, PyString> {
        self.made.as_ref().unwrap_or(&self.given)
    }

    /// Takes over what some steps made of it.
    fn take(&mut self, end: End<'py>) {
        match end {
            End::Same => {}
            End::Text(text) => self.made = Some(text),
            end => {
                self.made = None;
                self.end = Some(end);
            }
        }
    }

    /// Takes over what one step made of it.
    fn take_outcome(&mut self, index: usize, placed: &PlacedStep, outcome: Outcome<'py>) {
        let end = match outcome {
            Ok(CallVerdict::Text(after)) if after.is(self.text()) => End::Same,
            Ok(CallVerdict::Text(after)) => End::Text(after),
            Ok(CallVerdict::Keep) => End::Same,
            Ok(CallVerdict::Annotate(values)) => {
                self.added.extend(placed.adds.iter().copied().zip(values));
                End::Same
            }
            Ok(CallVerdict::Reject(reason)) => End::Rejected(index, reason),
            Ok(CallVerdict::Split(parts)) => End::Split(index, parts),
            Err(failure) => End::Failed(index, failure),
        };
        self.take(end);
    }

    /// Where its way has ended at the end of the pass.
    fn arrive(&mut self) -> End<'py> {
        match (self.end.take(), self.made.take()) {
            (Some(end), _) => end,
            (None, Some(made)) if !made.is(&self.given) => End::Text(made),
            (None, _) => End::Same,
        }
    }
}

/// Runs the steps of a pass over a batch.
pub(super) fn run_pass(
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
    let mut march = March {
        pass: Pass::new(placed, first, steps, context),
        rhythm: Rhythm::default(),
        beat: 0,
        pulse,
    };
    let most = if context.apart { 1 } else { MOST_TEXTS };
    let mut travellers = Vec::with_capacity(most);
    let mut row = 0;
    while row < batch.rows.len() && !changes.overflowed() {
        let rows = row..march.gather(py, batch, row, most, &mut travellers)?;
        row = rows.end;
        if march.go_on(batch, &mut travellers, &mut changes)?.is_break() {
            break;
        }
        let mut travellers = travellers.drain(..).peekable();
        for row in rows {
            let before = batch.rows[row].text;
            match travellers.next_if(|traveller| traveller.row == row) {
                Some(mut traveller) => {
                    changes.annotate(row, &mut traveller.added);
                    traveller.arrive().settle(&mut changes, placed, row, before, context);
                }
                None => changes.keep(row, before),
            }
        }
    }
    march.pass.finish(changes, batch);
    Ok(())
}

/// The steps of a pass, and when to look up from them.
struct March<'s, 'p, 'c> {
    pass: Pass<'s>,
    rhythm: Rhythm,
    /// How often it was asked whether to look up.
    beat: usize,
    pulse: &'p mut Pulse<'c>,
}

impl March<'_, '_, '_> {
    fn look_up(&mut self) -> Result<()> {
        if self.rhythm.is_due(self.beat) {
            (self.pulse)().map_err(Error::Interrupted)?;
        }
        self.beat += 1;
        Ok(())
    }

    /// Takes up records from this row on, runs the steps over each that stand before the first list, and returns the first row
    /// that it did not take up.
    fn gather<'py>(
        &mut self,
        py: Python<'py>,
        batch: &Batch,
        from: usize,
        most: usize,
        travellers: &mut Vec<Traveller<'py>>,
    ) -> Result<usize> {
        let steps = self.singles(0);
        let mut unescaped = String::new();
        let (mut full, mut bytes) = (0, 0);
        let mut row = from;
        while row < batch.rows.len() && full < most && bytes < ENOUGH_BYTES {
            let current = batch.rows[row];
            if current.state == State::Live {
                self.look_up()?;
                self.pass.marker.note(current.source, self.pass.first);
                let mut traveller = Traveller {
                    row,
                    source: current.source,
                    given: text::new(py, batch.text(current.text).read(&mut unescaped)),
                    made: None,
                    added: Vec::new(),
                    end: None,
                };
                self.follow(&mut traveller, steps.clone(), batch)?;
                if traveller.end.is_none() {
                    full += 1;
                    bytes += text::length(traveller.text());
                }
                travellers.push(traveller);
            }
            row += 1;
        }
        Ok(row)
    }

    /// The steps from this one on that take single texts.
    fn singles(&self, from: usize) -> Range<usize> {
        let count = self.pass.steps[from..].iter().take_while(|step| !step.takes_lists());
        from..from + count.count()
    }

    fn follow<'py>(&mut self, traveller: &mut Traveller<'py>, steps: Range<usize>, batch: &Batch) -> Result<()> {
        std::mem::swap(&mut self.pass.added, &mut traveller.added);
        let end = self.pass.follow(steps, traveller.text(), batch, traveller.row);
        std::mem::swap(&mut self.pass.added, &mut traveller.added);
        traveller.take(end?);
        Ok(())
    }

    /// Runs the rest of the steps, from the first list on. It breaks off where the texts come to more than the batch may hold.
    fn go_on(
        &mut self,
        batch: &Batch,
        travellers: &mut [Traveller<'_>],
        changes: &mut Changes,
    ) -> Result<ControlFlow<()>> {
        let mut index = self.singles(0).end;
        while index < self.pass.steps.len() {
            self.list(index, batch, travellers)?;
            let steps = self.singles(index + 1);
            index = steps.end;
            let mut made = 0;
            for traveller in &mut *travellers {
                if traveller.end.is_none() && !steps.is_empty() {
                    self.look_up()?;
                    self.follow(traveller, steps.clone(), batch)?;
                }
                made += traveller.made.as_ref().map_or(0, text::length);
                if !changes.have_room_for(made) {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Calls a step with the texts of all records that are still on their way.
    fn list(&mut self, index: usize, batch: &Batch, travellers: &mut [Traveller<'_>]) -> Result<()> {
        let mut walking: Vec<&mut Traveller<'_>> = travellers.iter_mut().filter(|one| one.end.is_none()).collect();
        let Some(someone) = walking.first() else { return Ok(()) };
        let py = someone.given.py();
        let Pass {
            placed,
            first,
            steps,
            call,
            marker,
            ..
        } = &self.pass;
        let (placed, step, place) = (&placed[index], &steps[index], first + index);
        let texts: Vec<_> = walking.iter().map(|traveller| traveller.text().clone()).collect();
        let sources: Vec<u32> = walking.iter().map(|traveller| traveller.source).collect();
        // Fields that steps of this pass have added, and behind them those that the batch has.
        let added: Vec<Vec<(u16, Value)>> = walking.iter_mut().map(|one| std::mem::take(&mut one.added)).collect();
        let rows: Vec<usize> = walking.iter().map(|traveller| traveller.row).collect();
        let asked = |record: usize, asked: usize| {
            let number = placed.asks[asked];
            let added = added[record].iter().rev().find(|(added, _)| *added == number);
            added.map_or_else(|| batch.field(number, rows[record]), |(_, value)| value)
        };
        let started = Instant::now();
        let before = |records: Range<usize>| {
            end_if_copy(py, *marker, placed);
            marker.note_many(sources[records.start], sources[records.end - 1], place);
            (self.pulse)()
        };
        let mut outcomes = Vec::with_capacity(texts.len());
        let called = step.call_in_halves(&texts, &asked, call, before, |_, outcome| outcomes.push(outcome));
        end_if_copy(py, *marker, placed);
        called.map_err(Error::Interrupted)?;
        for ((traveller, added), outcome) in walking.into_iter().zip(added).zip(outcomes) {
            traveller.added = added;
            traveller.take_outcome(index, placed, outcome);
        }
        let watch = &mut self.pass.watches[index];
        watch.entered += texts.len() as u64;
        watch.timed += texts.len() as u64;
        watch.nanoseconds += started.elapsed().as_nanos() as u64;
        Ok(())
    }
}

/// Ends a copy of a worker that has come back from a step.
fn end_if_copy(py: Python<'_>, marker: Marker, placed: &PlacedStep) {
    if worker::is_copy() && marker.is_kept() {
        worker::end_copy(py, &placed.step.declaration().name);
    }
}
