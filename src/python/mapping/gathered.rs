//! Rows of a mapping that go through the steps together, because one of these takes many texts at a time: in the batches and
//! segments of a run, without its threads.

use super::{Out, Source};
use crate::batch::{Batch, Ending, Row, SourceRecord, State};
use crate::engine::{Progress, USUAL_MEMORY_BUDGET, Watcher};
use crate::error::{Error, Failure, Interrupt};
use crate::ledger::settle;
use crate::plan::Plan;
use crate::python::exceptions::to_python as raise;
use crate::python::failure::failure_of;
use crate::python::single::Fields;
use crate::python::table::watched;
use crate::python::{text, values};
use crate::simd::transcode::Surrogate;
use crate::step::{Context, Limits};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::time::{Duration, Instant};

/// How many rows are gathered, and how many bytes of text: enough that every list and every column can become full.
const MOST_ROWS: usize = 4096;
const ENOUGH_BYTES: usize = 4 << 20;

/// How many bytes of text a batch may hold: as many as in a run.
const ROOM: usize = USUAL_MEMORY_BUDGET / 4;

/// How often signals are looked for.
const TICK: Duration = Duration::from_millis(50);

/// A row, and its text if that is not null.
type Given<'py> = (usize, Option<Bound<'py, PyString>>);

/// Rows on their way to the steps.
pub(super) struct Gathered<'s, 'py> {
    py: Python<'py>,
    source: &'s Source<'s, 'py>,
    rows: Vec<Given<'py>>,
    /// How many characters they have.
    characters: usize,
    batch: Batch,
}

impl<'s, 'py> Gathered<'s, 'py> {
    pub(super) fn new(py: Python<'py>, source: &'s Source<'s, 'py>) -> Self {
        Self {
            py,
            source,
            rows: Vec::new(),
            characters: 0,
            batch: Batch::new(),
        }
    }

    /// Adds a row, and processes all there are if they have become many.
    pub(super) fn add(
        &mut self,
        row: usize,
        text: Option<Bound<'py, PyString>>,
        out: &mut Vec<Out<'py>>,
    ) -> PyResult<()> {
        self.characters += text.as_ref().map_or(0, text::length);
        self.rows.push((row, text));
        if self.rows.len() < MOST_ROWS && self.characters < ENOUGH_BYTES {
            return Ok(());
        }
        self.process(out)
    }

    /// Processes all rows there are.
    pub(super) fn process(&mut self, out: &mut Vec<Out<'py>>) -> PyResult<()> {
        self.characters = 0;
        let rows = std::mem::take(&mut self.rows);
        self.run(&rows, out)?;
        // Their memory is used again.
        self.rows = rows;
        self.rows.clear();
        Ok(())
    }

    /// Runs the steps over some rows; over each half of them where all together make more text than there is room for.
    fn run(&mut self, rows: &[Given<'py>], out: &mut Vec<Out<'py>>) -> PyResult<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let py = self.py;
        self.load(rows)?;
        let (plan, batch) = (self.source.pipeline.plan(), &mut self.batch);
        watched(py, |watcher| follow(plan, batch, watcher)).map_err(|error| raise(py, error))?;
        if self.batch.overflowed && rows.len() > 1 {
            let (front, back) = rows.split_at(rows.len() / 2);
            self.run(front, out)?;
            return self.run(back, out);
        }
        self.unload(rows, out)
    }

    /// Makes the rows the records of the batch. One without a text goes out as it came, and no step sees it.
    fn load(&mut self, rows: &[Given<'py>]) -> PyResult<()> {
        let limits = Limits::default();
        self.batch.clear();
        self.batch.room = ROOM;
        let mut writer = self.batch.open();
        let mut read = String::new();
        let mut failures = Vec::new();
        for (place, (row, text)) in rows.iter().enumerate() {
            let mut record = SourceRecord {
                ordinal: *row as u64,
                ..SourceRecord::default()
            };
            if let Some(text) = text {
                match read_text(text, &limits, &mut read) {
                    Ok(()) => record.original = writer.push(&read),
                    Err(failure) => failures.push((self.batch.rows.len(), failure)),
                }
                let index = self.batch.rows.len();
                self.batch.rows.push(Row {
                    source: place as u32,
                    text: record.original,
                    ..Row::default()
                });
                match self.source.fields(*row)? {
                    Ok(fields) => {
                        for (number, value) in fields {
                            self.batch.set_field(number, index, value);
                        }
                    }
                    Err(failure) => failures.push((index, failure)),
                }
            }
            self.batch.sources.push(record);
        }
        self.batch.close(writer);
        for (row, failure) in failures {
            if self.batch.rows[row].state == State::Live {
                self.batch.quarantine(row, None, *failure);
            }
        }
        Ok(())
    }

    /// Takes what became of the rows.
    fn unload(&mut self, rows: &[Given<'py>], out: &mut Vec<Out<'py>>) -> PyResult<()> {
        let py = self.py;
        settle(&mut self.batch, &mut Vec::new());
        let batch = &self.batch;
        for casualty in &batch.casualties {
            if let Ending::Failed(failure) = &casualty.ending {
                let (row, _) = rows[batch.rows[casualty.row as usize].source as usize];
                self.source.failed(py, row, casualty.step, (**failure).clone())?;
            }
        }
        let mut unescaped = String::new();
        let mut parts = batch.rows.iter().enumerate().peekable();
        for (place, (row, given)) in rows.iter().enumerate() {
            let Some(given) = given else {
                out.push((*row, None, Fields::new()));
                continue;
            };
            let original = batch.sources[place].original;
            while let Some((index, part)) = parts.next_if(|(_, part)| part.source as usize == place) {
                if part.state == State::Live {
                    let text = if part.text == original {
                        given.clone()
                    } else {
                        text::new(py, batch.text(part.text).read(&mut unescaped))
                    };
                    out.push((*row, Some(text), self.added(index)));
                }
            }
        }
        Ok(())
    }

    /// The fields that steps have added to a row of the batch.
    fn added(&self, row: usize) -> Fields {
        let fields = self.source.pipeline.plan().fields.iter().enumerate();
        let added = fields.filter(|(_, field)| field.added_by.is_some());
        let number = added.map(|(number, _)| number as u16);
        number
            .map(|number| (number, self.batch.field(number, row).clone()))
            .collect()
    }
}

/// Reads a text, within the limit.
fn read_text(text: &Bound<'_, PyString>, limits: &Limits, read: &mut String) -> Result<(), Box<Failure>> {
    read.clear();
    let characters = text::characters(text).map_err(|error| failure_of(text.py(), error))?;
    let bytes = characters.utf8_length();
    if bytes > limits.record_bytes {
        return Err(Box::new(Failure::too_large_to_load(bytes as u64, limits.record_bytes)));
    }
    let pushed = characters.push_to(read);
    pushed.map_err(|Surrogate| values::surrogate("The text"))
}

/// Runs all segments of a plan over a batch, on this thread.
fn follow(plan: &Plan, batch: &mut Batch, watcher: &mut dyn Watcher) -> Result<(), Error> {
    let context = Context::default();
    let mut looked = Instant::now();
    let mut pulse = || -> Result<(), Interrupt> {
        if looked.elapsed() >= TICK {
            looked = Instant::now();
            watcher.tick(&Progress::default())?;
        }
        Ok(())
    };
    for segment in &plan.segments {
        if batch.overflowed {
            break;
        }
        segment.run(batch, &context, &mut pulse)?;
    }
    Ok(())
}
