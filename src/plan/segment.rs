//! The segment of Rust steps: each record goes through all of them before the next one starts, so that its text stays in
//! the processor's cache and only the last text is written back to the batch.

use crate::batch::{Batch, Casualty, Ending, State, View};
use crate::error::{Error, Failure, FailureKind, Result};
use crate::plan::chain::{Chain, Manner};
use crate::plan::rhythm::Rhythm;
use crate::plan::workbench::{End, Extent, Workbench, quietly};
use crate::record::{Spelling, Value};
use crate::step::{Context, Kind, PlacedStep, Pulse, Segment};
use crate::sweep::{Sweep, Swept};

/// Consecutive steps that Rust executes, on any thread.
pub struct RustSegment {
    steps: Vec<PlacedStep>,
    chains: Vec<Chain>,
}

impl RustSegment {
    /// Fuses steps.
    #[must_use]
    pub fn new(steps: Vec<PlacedStep>) -> Self {
        let chains = passes(&steps).map(Chain::new).collect();
        Self { steps, chains }
    }
}

impl Segment for RustSegment {
    fn steps(&self) -> &[PlacedStep] {
        &self.steps
    }

    fn on_calling_thread(&self) -> bool {
        false
    }

    fn run(&self, batch: &mut Batch, context: &Context, pulse: &mut Pulse<'_>) -> Result<()> {
        for chain in &self.chains {
            run_pass(chain, batch, context, pulse)?;
            if batch.overflowed {
                break;
            }
        }
        Ok(())
    }
}

/// Cuts a run of steps behind each split: a split makes new rows, which must exist before the next step sees them.
pub fn passes(steps: &[PlacedStep]) -> impl Iterator<Item = &[PlacedStep]> {
    steps.split_inclusive(|placed| placed.step.declaration().kind == Kind::Split)
}

fn run_pass(chain: &Chain, batch: &mut Batch, context: &Context, pulse: &mut Pulse<'_>) -> Result<()> {
    let steps = chain.steps();
    let mut changes = Changes::new(batch, steps);
    let mut workbench = Workbench::default();
    let mut watches = chain.watch(batch.rows.len());
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
        let spelled = batch.text(current.text);
        let mut manner = watches.manner(row);
        if let Some(sweep) = chain.sweep()
            && manner != Manner::Apart
            && spelled.spelled().len() <= context.limits.record_bytes
        {
            // In the spelling in which the text came: what need not be unescaped need not be escaped again.
            let after = watches.pass(chain, 0, manner, || changes.sweep(sweep, batch, current.text));
            if let Some(after) = after {
                changes.text(row, current.text, after);
                continue;
            }
            manner = Manner::Apart;
        }
        let text = spelled.read(&mut unescaped);
        let field = |number: u16| batch.field(number, row).clone();
        let end = workbench.follow(chain, text, &field, context, &mut watches, manner);
        changes.annotate(row, &mut workbench.added);
        match end {
            End::Text(Extent::Input(range)) if range.len() == text.len() => {
                changes.text(row, current.text, current.text);
            }
            End::Text(Extent::Input(range)) if spelled.spelling() == Spelling::Plain => {
                changes.text(row, current.text, batch.slice(current.text, range));
            }
            End::Text(place) => match changes.write(workbench.text(text, &place)) {
                Ok(view) => changes.text(row, current.text, view),
                Err(failure) => changes.fail(row, current.text, last(steps), failure),
            },
            End::Rejected(step, reason) => changes.reject(row, current.text, steps[step].index, reason),
            End::Failed(step, failure) => changes.fail(row, current.text, steps[step].index, failure),
            End::Split(step, parts) => {
                changes.split(
                    row,
                    current.text,
                    steps[step].index,
                    parts.iter().map(String::as_str),
                    context,
                );
            }
        }
    }
    changes.apply(batch);
    for (placed, (entered, nanoseconds)) in steps.iter().zip(chain.account(&watches)) {
        let tally = batch.tally(placed.index);
        tally.entered += entered;
        tally.nanoseconds += nanoseconds;
    }
    Ok(())
}

fn last(steps: &[PlacedStep]) -> u16 {
    steps.last().map_or(0, |placed| placed.index)
}

/// What a pass changes in its batch, collected while the batch is being read and applied in one go.
///
/// A text of the batch that is given to a step stays where it is until the pass has ended: that is why changes wait.
#[derive(Debug)]
pub struct Changes {
    writer: crate::batch::TextWriter,
    texts: Vec<(u32, View)>,
    parts: Option<Vec<(u32, View)>>,
    casualties: Vec<Casualty>,
    values: Vec<(u16, u32, Value)>,
    /// How many bytes may be written.
    room: usize,
    /// Whether there is one record, which cannot be divided.
    alone: bool,
    overflowed: bool,
}

impl Changes {
    /// Starts to collect the changes of a pass.
    pub fn new(batch: &mut Batch, steps: &[PlacedStep]) -> Self {
        let splits = steps
            .last()
            .is_some_and(|placed| placed.step.declaration().kind == Kind::Split);
        Self {
            room: batch.room_left(),
            alone: batch.is_alone(),
            overflowed: false,
            writer: batch.open(),
            texts: Vec::new(),
            parts: splits.then(Vec::new),
            casualties: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Whether the records of the batch together need more room than it has. The rest of the pass is of no use then.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Notes that there is no room. Only where there is a single record is it that record's failure.
    #[cold]
    fn too_much(&mut self) -> Failure {
        self.overflowed = !self.alone;
        let message = format!(
            "The steps made more than {} bytes of text out of one record.",
            self.room
        );
        Failure::new(FailureKind::OutputTooLarge, message)
    }

    /// Whether so many bytes more could be written, which are held elsewhere until then. If not, the batch has overflowed; a
    /// single record fails when it is written.
    pub fn have_room_for(&mut self, bytes: usize) -> bool {
        self.overflowed |= !self.alone && self.writer.len() + bytes > self.room;
        !self.overflowed
    }

    /// Writes a text into the batch. It belongs to no row yet.
    pub fn write(&mut self, text: &str) -> std::result::Result<View, Box<Failure>> {
        if self.writer.len() + text.len() > self.room {
            return Err(Box::new(self.too_much()));
        }
        Ok(self.writer.push(text))
    }

    /// Writes a text of at least so many bytes, which `append` appends. What it appended before it failed is taken back.
    pub fn write_with(
        &mut self,
        least: usize,
        append: impl FnOnce(&mut String) -> std::result::Result<(), Box<Failure>>,
    ) -> std::result::Result<View, Box<Failure>> {
        if self.writer.len() + least > self.room {
            return Err(Box::new(self.too_much()));
        }
        let room = self.room;
        let mut written = Ok(true);
        let view = self.writer.push_with(Spelling::Plain, |text| {
            let before = text.len();
            written = append(text).map(|()| text.len() <= room);
            if !matches!(written, Ok(true)) {
                text.truncate(before);
            }
        });
        if written? {
            Ok(view)
        } else {
            Err(Box::new(self.too_much()))
        }
    }

    /// Writes what a pass makes of the text of a view, in the same spelling. `None`: it is not certain.
    fn sweep(&mut self, sweep: &Sweep, batch: &Batch, view: View) -> Option<View> {
        let text = batch.text(view);
        // A pass makes no text longer.
        if self.writer.len() + text.spelled().len() > self.room {
            return None;
        }
        let mut swept = Swept::Doubt;
        let written = self.writer.push_with(text.spelling(), |out| {
            let before = out.len();
            swept = quietly(|| sweep.run(text.spelled(), text.spelling(), out)).unwrap_or(Swept::Doubt);
            if swept != Swept::Written {
                out.truncate(before);
            }
        });
        match swept {
            Swept::Same => Some(view),
            Swept::Part(range) => Some(batch.slice(view, range)),
            Swept::Written => Some(written),
            Swept::Doubt => None,
        }
    }

    /// Passes a row on as it is.
    pub fn keep(&mut self, row: usize, text: View) {
        if let Some(parts) = &mut self.parts {
            parts.push((row as u32, text));
        }
    }

    /// Gives a row a new text.
    pub fn text(&mut self, row: usize, before: View, after: View) {
        if let Some(parts) = &mut self.parts {
            parts.push((row as u32, after));
        } else if before != after {
            self.texts.push((row as u32, after));
        }
    }

    /// Gives a row values for fields.
    pub fn annotate(&mut self, row: usize, values: &mut Vec<(u16, Value)>) {
        self.values
            .extend(values.drain(..).map(|(field, value)| (field, row as u32, value)));
    }

    /// Rejects a row.
    pub fn reject(&mut self, row: usize, text: View, step: u16, reason: std::borrow::Cow<'static, str>) {
        self.keep(row, text);
        self.casualties.push(Casualty {
            row: row as u32,
            step: Some(step),
            ending: Ending::Rejected(reason),
        });
    }

    /// Quarantines a row.
    pub fn fail(&mut self, row: usize, text: View, step: u16, failure: Box<Failure>) {
        self.keep(row, text);
        self.casualties.push(Casualty {
            row: row as u32,
            step: Some(step),
            ending: Ending::Failed(failure),
        });
    }

    /// Splits a row. No parts at all reject it: a record must not disappear.
    pub fn split<'p>(
        &mut self,
        row: usize,
        text: View,
        step: u16,
        parts: impl ExactSizeIterator<Item = &'p str>,
        context: &Context,
    ) {
        self.split_with(row, text, step, parts, context, Self::write);
    }

    /// Splits a row into parts that `write` writes, one by one. No parts at all reject it: a record must not disappear.
    pub fn split_with<P>(
        &mut self,
        row: usize,
        text: View,
        step: u16,
        parts: impl ExactSizeIterator<Item = P>,
        context: &Context,
        write: impl Fn(&mut Self, P) -> std::result::Result<View, Box<Failure>>,
    ) {
        if parts.len() == 0 {
            return self.reject(row, text, step, "no_parts".into());
        }
        if parts.len() > context.limits.parts {
            let (count, limit) = (parts.len(), context.limits.parts);
            let message = format!("The step split the text into {count} parts, and the limit is {limit}.");
            return self.fail(row, text, step, Box::new(Failure::new(FailureKind::Fanout, message)));
        }
        let before = self.parts.as_ref().map_or(0, Vec::len);
        for part in parts {
            match write(self, part) {
                Ok(view) => self.parts.get_or_insert_default().push((row as u32, view)),
                Err(failure) => {
                    self.parts.get_or_insert_default().truncate(before);
                    return self.fail(row, text, step, failure);
                }
            }
        }
    }

    /// Applies everything to the batch.
    pub fn apply(self, batch: &mut Batch) {
        batch.close(self.writer);
        if self.overflowed {
            batch.overflowed = true;
            return;
        }
        for (field, row, value) in self.values {
            batch.set_field(field, row as usize, value);
        }
        for casualty in self.casualties {
            batch.rows[casualty.row as usize].state = match casualty.ending {
                Ending::Rejected(_) => State::Rejected,
                Ending::Failed(_) => State::Quarantined,
            };
            batch.casualties.push(casualty);
        }
        for (row, view) in self.texts {
            batch.rows[row as usize].text = view;
        }
        if let Some(parts) = self.parts {
            batch.replace_rows(&parts);
        }
        batch.forget_unused();
    }
}
