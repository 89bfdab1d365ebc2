//! A pass with steps that take many texts at a time: records go through it together, step by step.
//!
//! Records are taken up until a list is full; those that a step in front of the first list rejects do not count. Steps that
//! take single texts stand in between as they do elsewhere. Texts stay what the last step made of them, `str` or values
//! of a column, until a step wants the other.

use crate::batch::{Batch, State};
use crate::columns::lent_array;
use crate::error::{Error, Interrupt, Result};
use crate::plan::{Changes, Rhythm};
use crate::python::arrow_call::ColumnVerdict;
use crate::python::call::CallVerdict;
use crate::python::many::{ManyStop, Outcome};
use crate::python::segment::{End, Pass, last_map};
use crate::python::step::PythonStep;
use crate::python::texts::Text;
use crate::python::{text, worker};
use crate::record::Value;
use crate::step::{CalledWith, Context, Marker, PlacedStep, Pulse};
use arrow_array::StringViewArray;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The most texts that a step gets as a list. With more of them, what one step has made would have left the processor's cache
/// before the next one looks at it.
const MOST_IN_LIST: usize = 256;

/// The most texts that a step gets as a column. They are not objects, so that what each call costs counts for more.
const MOST_IN_COLUMN: usize = 1024;

/// How many bytes of text end a list or a column before it is full. One text may be longer.
const ENOUGH_BYTES: usize = 1 << 20;

/// A record on its way through the pass.
struct Traveller<'py> {
    row: usize,
    source: u32,
    /// What it came with.
    given: Text<'py>,
    /// What the steps have made of it so far; `None`: nothing else.
    made: Option<Text<'py>>,
    /// The fields that they have added.
    added: Vec<(u16, Value)>,
    /// Where its way ended before the end of the pass. Few do, and those that do not are small.
    end: Option<Box<Arrival<'py>>>,
}

/// Where the way of a record ended before the end of the pass.
enum Arrival<'py> {
    At(End<'py>),
    /// A step split it into values of a column.
    Split(usize, Rc<StringViewArray>, Range<usize>),
}

impl<'py> Traveller<'py> {
    fn text(&self) -> &Text<'py> {
        self.made.as_ref().unwrap_or(&self.given)
    }

    /// The text as a `str`.
    fn str(&mut self, py: Python<'py>) -> Bound<'py, PyString> {
        self.made.as_mut().unwrap_or(&mut self.given).str(py).clone()
    }

    fn make(&mut self, text: Text<'py>) {
        if !text.is(self.text()) {
            self.made = Some(text);
        }
    }

    fn stop(&mut self, arrival: Arrival<'py>) {
        self.made = None;
        self.end = Some(Box::new(arrival));
    }

    /// Takes over what some steps made of it.
    fn take(&mut self, end: End<'py>) {
        match end {
            End::Same => {}
            End::Text(text) => self.make(Text::Str(text)),
            end => self.stop(Arrival::At(end)),
        }
    }

    /// Takes over what a step made of it that got a list.
    fn take_listed(&mut self, index: usize, placed: &PlacedStep, outcome: Outcome<CallVerdict<'py>>) {
        match outcome {
            Ok(CallVerdict::Text(after)) => self.make(Text::Str(after)),
            Ok(CallVerdict::Keep) => {}
            Ok(CallVerdict::Annotate(values)) => self.added.extend(placed.adds.iter().copied().zip(values)),
            Ok(CallVerdict::Reject(reason)) => self.stop(Arrival::At(End::Rejected(index, reason))),
            Ok(CallVerdict::Split(parts)) => self.stop(Arrival::At(End::Split(index, parts))),
            Err(failure) => self.stop(Arrival::At(End::Failed(index, failure))),
        }
    }

    /// Takes over what a step made of it that got a column.
    fn take_in_column(&mut self, index: usize, placed: &PlacedStep, outcome: Outcome<ColumnVerdict<'py>>) {
        match outcome {
            Ok(ColumnVerdict::Text(text)) => self.make(text),
            Ok(ColumnVerdict::Annotate(values)) => self.added.extend(placed.adds.iter().copied().zip(values)),
            Ok(ColumnVerdict::Reject(reason)) => self.stop(Arrival::At(End::Rejected(index, reason))),
            Ok(ColumnVerdict::Split(column, range)) => self.stop(Arrival::Split(index, column, range)),
            Err(failure) => self.stop(Arrival::At(End::Failed(index, failure))),
        }
    }

    /// Notes among the changes what became of it.
    fn settle(&mut self, changes: &mut Changes, placed: &[PlacedStep], batch: &Batch, context: &Context) {
        let (row, before) = (self.row, batch.rows[self.row].text);
        changes.annotate(row, &mut self.added);
        if let Some(arrival) = self.end.take() {
            return match *arrival {
                Arrival::At(end) => end.settle(changes, placed, row, before, context),
                Arrival::Split(step, column, range) => {
                    let parts = range.map(|place| column.value(place));
                    changes.split(row, before, placed[step].index, parts, context);
                }
            };
        }
        match self.made.take() {
            None => changes.text(row, before, before),
            Some(made) if made.is(&self.given) => changes.text(row, before, before),
            Some(Text::Str(made)) => End::Text(made).settle(changes, placed, row, before, context),
            Some(Text::Value(column, place)) => match changes.write(column.value(place)) {
                Ok(view) => changes.text(row, before, view),
                Err(failure) => changes.fail(row, before, last_map(placed), failure),
            },
        }
    }
}

/// Runs the steps of a pass over a batch.
pub(super) fn run_pass(py: Python<'_>, pass: Pass<'_>, batch: &mut Batch, pulse: &mut Pulse<'_>) -> Result<()> {
    let (placed, steps, context) = (pass.placed, pass.steps, pass.context);
    let _turns = pass.turns(py);
    let mut march = March {
        py,
        pass,
        rhythm: Rhythm::default(),
        beat: 0,
        pulse,
        most: most(steps, context),
        column: column_of(batch, steps),
        taken: 0,
    };
    let mut changes = Changes::new(batch, placed);
    let mut travellers = Vec::with_capacity(march.most);
    let mut row = 0;
    while row < batch.rows.len() && !changes.overflowed() {
        let rows = row..march.gather(batch, row, &mut travellers)?;
        row = rows.end;
        if march.go_on(batch, &mut travellers, &mut changes)?.is_break() {
            break;
        }
        let mut arriving = travellers.iter_mut().peekable();
        for row in rows {
            match arriving.next_if(|traveller| traveller.row == row) {
                Some(traveller) => traveller.settle(&mut changes, placed, batch, context),
                None => changes.keep(row, batch.rows[row].text),
            }
        }
        travellers.clear();
    }
    march.pass.finish(changes, batch);
    Ok(())
}

/// How many records go through a pass together.
fn most(steps: &[Arc<PythonStep>], context: &Context) -> usize {
    if context.apart {
        1
    } else if steps.iter().any(|step| step.called_with() == CalledWith::List) {
        MOST_IN_LIST
    } else {
        MOST_IN_COLUMN
    }
}

/// The live texts of a batch as a column, if the first step wants them so: then no text is copied, and no `str` is made.
fn column_of(batch: &mut Batch, steps: &[Arc<PythonStep>]) -> Option<Rc<StringViewArray>> {
    let first = steps.first()?;
    if first.called_with() != CalledWith::Arrow {
        return None;
    }
    let live = batch.rows.iter().filter(|row| row.state == State::Live);
    let texts: Vec<_> = live.map(|row| Some(row.text)).collect();
    Some(Rc::new(lent_array(batch, &texts)))
}

/// The steps of a pass, and when to look up from them.
struct March<'py, 's, 'p, 'c> {
    py: Python<'py>,
    pass: Pass<'s>,
    rhythm: Rhythm,
    /// How often it was asked whether to look up.
    beat: usize,
    pulse: &'p mut Pulse<'c>,
    /// How many records go together.
    most: usize,
    /// The live texts of the batch, if they are a column.
    column: Option<Rc<StringViewArray>>,
    /// How many of these were taken up.
    taken: usize,
}

impl<'py> March<'py, '_, '_, '_> {
    fn look_up(&mut self) -> Result<()> {
        if self.rhythm.is_due(self.beat) {
            (self.pulse)().map_err(Error::Interrupted)?;
        }
        self.beat += 1;
        Ok(())
    }

    /// Takes up records from this row on, runs the steps over each that stand before the first which takes many, and returns
    /// the first row that it did not take up.
    fn gather(&mut self, batch: &Batch, from: usize, travellers: &mut Vec<Traveller<'py>>) -> Result<usize> {
        let steps = self.singles(0);
        let mut unescaped = String::new();
        let (mut full, mut bytes) = (0, 0);
        let mut row = from;
        while row < batch.rows.len() && full < self.most && bytes < ENOUGH_BYTES {
            let current = batch.rows[row];
            if current.state == State::Live {
                let given = match &self.column {
                    Some(column) => Text::Value(Rc::clone(column), self.taken),
                    None => {
                        self.look_up()?;
                        self.pass.marker.note(current.source, self.pass.first);
                        Text::Str(text::new(self.py, batch.text(current.text).read(&mut unescaped)))
                    }
                };
                self.taken += 1;
                let mut traveller = Traveller {
                    row,
                    source: current.source,
                    given,
                    made: None,
                    added: Vec::new(),
                    end: None,
                };
                if !steps.is_empty() {
                    self.follow(&mut traveller, steps.clone(), batch)?;
                }
                if traveller.end.is_none() {
                    full += 1;
                    bytes += traveller.text().length();
                }
                travellers.push(traveller);
            }
            row += 1;
        }
        Ok(row)
    }

    /// The steps from this one on that take single texts.
    fn singles(&self, from: usize) -> Range<usize> {
        let steps = &self.pass.steps[from..];
        let count = steps.iter().take_while(|step| step.called_with() == CalledWith::Text);
        from..from + count.count()
    }

    fn follow(&mut self, traveller: &mut Traveller<'py>, steps: Range<usize>, batch: &Batch) -> Result<()> {
        let text = traveller.str(self.py);
        std::mem::swap(&mut self.pass.added, &mut traveller.added);
        let end = self.pass.follow(steps, &text, batch, traveller.row);
        std::mem::swap(&mut self.pass.added, &mut traveller.added);
        traveller.take(end?);
        Ok(())
    }

    /// Runs the rest of the steps, from the first that takes many on. It breaks off where the texts come to more than the
    /// batch may hold.
    fn go_on(
        &mut self,
        batch: &Batch,
        travellers: &mut [Traveller<'py>],
        changes: &mut Changes,
    ) -> Result<ControlFlow<()>> {
        let mut index = self.singles(0).end;
        while index < self.pass.steps.len() {
            self.together(index, batch, travellers)?;
            let steps = self.singles(index + 1);
            index = steps.end;
            let mut made = 0;
            for traveller in &mut *travellers {
                if traveller.end.is_none() && !steps.is_empty() {
                    self.look_up()?;
                    self.follow(traveller, steps.clone(), batch)?;
                }
                made += traveller.made.as_ref().map_or(0, Text::length);
            }
            if !changes.have_room_for(made) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Calls a step with the texts of all records that are still on their way.
    fn together(&mut self, index: usize, batch: &Batch, travellers: &mut [Traveller<'py>]) -> Result<()> {
        let mut walking: Vec<_> = travellers.iter_mut().filter(|one| one.end.is_none()).collect();
        if walking.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let called = match self.pass.steps[index].called_with() {
            CalledWith::Arrow => self.in_column(index, batch, &mut walking),
            CalledWith::List | CalledWith::Text => self.in_list(index, batch, &mut walking),
        };
        called.map_err(Error::Interrupted)?;
        let watch = &mut self.pass.watches[index];
        watch.entered += walking.len() as u64;
        watch.timed += walking.len() as u64;
        watch.nanoseconds += started.elapsed().as_nanos() as u64;
        Ok(())
    }

    fn in_list(&mut self, index: usize, batch: &Batch, walking: &mut [&mut Traveller<'py>]) -> Result<(), Interrupt> {
        let py = self.py;
        let (placed, step) = (&self.pass.placed[index], Arc::clone(&self.pass.steps[index]));
        let texts: Vec<_> = walking.iter_mut().map(|traveller| traveller.str(py)).collect();
        let mut outcomes = Vec::with_capacity(texts.len());
        let asked = |record: usize, asked: usize| asked_of(walking[record], batch, placed.asks[asked]);
        let before = Before::new(&self.pass, index, walking.iter().map(|traveller| traveller.source));
        let called = step.call_in_halves(
            py,
            texts.len(),
            &self.pass.call,
            |records| {
                before.note(py, records.clone());
                (self.pulse)().map_err(ManyStop::Interrupted)?;
                step.call_list(&texts[records.clone()], records.start, &asked, &self.pass.call)
            },
            |record, outcome| outcomes.push((record, outcome)),
        );
        before.end(py);
        called?;
        for (record, outcome) in outcomes {
            walking[record].take_listed(index, placed, outcome);
        }
        Ok(())
    }

    fn in_column(&mut self, index: usize, batch: &Batch, walking: &mut [&mut Traveller<'py>]) -> Result<(), Interrupt> {
        let py = self.py;
        let (placed, step) = (&self.pass.placed[index], Arc::clone(&self.pass.steps[index]));
        let (columns, failed) = {
            let texts: Vec<_> = walking.iter().map(|traveller| traveller.text()).collect();
            let asked = |record: usize, asked: usize| asked_of(walking[record], batch, placed.asks[asked]);
            step.columns(&texts, &asked, &self.pass.call)
        };
        for (place, failure) in failed {
            walking[place].take_in_column(index, placed, Err(failure));
        }
        let mut walking: Vec<_> = walking.iter_mut().filter(|one| one.end.is_none()).collect();
        let mut outcomes = Vec::new();
        let before = Before::new(&self.pass, index, walking.iter().map(|traveller| traveller.source));
        let called = step.call_in_halves(
            py,
            columns.len(),
            &self.pass.call,
            |records| {
                before.note(py, records.clone());
                (self.pulse)().map_err(ManyStop::Interrupted)?;
                step.call_arrow(py, &columns, records, &self.pass.call)
            },
            |record, outcome| outcomes.push((record, outcome)),
        );
        before.end(py);
        called?;
        for (record, outcome) in outcomes {
            walking[record].take_in_column(index, placed, outcome);
        }
        Ok(())
    }
}

/// The value of a field for a record: the one that a step of this pass has added, or the one that the batch has.
fn asked_of<'v>(traveller: &'v Traveller<'_>, batch: &'v Batch, number: u16) -> &'v Value {
    let mut added = traveller.added.iter().rev();
    let added = added.find(|(added, _)| *added == number);
    added.map_or_else(|| batch.field(number, traveller.row), |(_, value)| value)
}

/// What is done before each call with several records.
struct Before<'s> {
    marker: Marker,
    placed: &'s PlacedStep,
    /// The place of the step in the segment.
    place: usize,
    sources: Vec<u32>,
}

impl<'s> Before<'s> {
    fn new(pass: &Pass<'s>, index: usize, sources: impl Iterator<Item = u32>) -> Self {
        let is_kept = pass.marker.is_kept();
        Self {
            marker: pass.marker,
            placed: &pass.placed[index],
            place: pass.first + index,
            sources: if is_kept { sources.collect() } else { Vec::new() },
        }
    }

    /// Notes which records the step is about to see.
    fn note(&self, py: Python<'_>, records: Range<usize>) {
        self.end(py);
        if let (Some(first), Some(last)) = (self.sources.get(records.start), self.sources.get(records.end - 1)) {
            self.marker.note_many(*first, *last, self.place);
        }
    }

    /// Ends a copy of a worker that has come back from a step.
    fn end(&self, py: Python<'_>) {
        if worker::is_copy() && self.marker.is_kept() {
            worker::end_copy(py, &self.placed.step.declaration().name);
        }
    }
}
