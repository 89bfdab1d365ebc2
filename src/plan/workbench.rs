//! Runs consecutive Rust steps over one text, with two strings that are used again for each text.
//!
//! Each step borrows its input from one place and writes to another, so a chain of any length needs two strings. Where
//! the text is at the moment (the caller's own, or the string written last) is kept as an extent, which makes
//! "unchanged" and "only trimmed" free: nothing is copied until the caller asks for the result.

use crate::error::{Failure, FailureKind};
use crate::plan::chain::{Chain, Manner, Watches};
use crate::record::{Spelling, Value};
use crate::step::{Context, PlacedStep, Scratch, Verdict};
use crate::sweep::{Sweep, Swept};
use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Instant;

/// Where the text is that came out of a chain of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// It is this part of the text that went in.
    Input(Range<usize>),
    /// It is this part of the string that was written last.
    Written(Range<usize>),
}

impl Extent {
    /// Leaves this part of the text.
    fn narrow(&mut self, part: Range<usize>) {
        let (Self::Input(whole) | Self::Written(whole)) = self;
        *whole = whole.start + part.start..whole.start + part.end;
    }
}

/// How a chain of steps ended for one text. Steps are counted from the start of the chain.
#[derive(Debug)]
pub enum End {
    /// It went through.
    Text(Extent),
    /// A step rejected it.
    Rejected(usize, Cow<'static, str>),
    /// It failed in a step.
    Failed(usize, Box<Failure>),
    /// A step split it.
    Split(usize, Vec<String>),
}

/// Why a text went no further.
enum Stop {
    Rejected(Cow<'static, str>),
    Failed(Box<Failure>),
    Split(Vec<String>),
}

impl Stop {
    /// The end of the text at a step.
    fn at(self, index: usize) -> End {
        match self {
            Self::Rejected(reason) => End::Rejected(index, reason),
            Self::Failed(failure) => End::Failed(index, failure),
            Self::Split(parts) => End::Split(index, parts),
        }
    }
}

/// What happened in a step, in total.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watch {
    /// Texts that entered.
    pub entered: u64,
    /// Texts that were timed.
    pub timed: u64,
    /// How long those took, in nanoseconds.
    pub nanoseconds: u64,
}

impl Watch {
    /// How long all texts took, judged by those that were timed.
    #[must_use]
    pub fn estimate(self) -> u64 {
        if self.timed == 0 {
            0
        } else {
            (self.nanoseconds as f64 * self.entered as f64 / self.timed as f64) as u64
        }
    }
}

/// One text in so many is timed: reading the clock costs more than many steps do.
pub const TIMED_EACH: usize = 16;

/// Two strings and what else a chain of steps needs, to be used again for each text.
#[derive(Debug, Default)]
pub struct Workbench {
    written: String,
    spare: String,
    asked: Vec<Value>,
    /// The fields that the steps added to the text that was worked on last: the plan's number, and the value.
    pub added: Vec<(u16, Value)>,
}

impl Workbench {
    /// Runs the steps over a text, one after the other. `field` tells the value of a field of the plan that came with the
    /// record. `watches` has an entry per step, or none where nobody watches; times are taken where `timed` says so.
    pub fn run(
        &mut self,
        steps: &[PlacedStep],
        text: &str,
        field: &dyn Fn(u16) -> Value,
        context: &Context,
        watches: &mut [Watch],
        timed: bool,
    ) -> End {
        self.added.clear();
        let mut extent = Extent::Input(0..text.len());
        let end = self.one_by_one(steps, text, &mut extent, field, context, watches, timed);
        end.map_or(End::Text(extent), |(index, end)| end.at(index))
    }

    /// Runs a chain over a text: its passes where they are certain of the result, and its steps where not.
    pub fn follow(
        &mut self,
        chain: &Chain,
        text: &str,
        field: &dyn Fn(u16) -> Value,
        context: &Context,
        watches: &mut Watches,
        manner: Manner,
    ) -> End {
        self.added.clear();
        let mut extent = Extent::Input(0..text.len());
        for (number, link) in chain.links().iter().enumerate() {
            let steps = link.steps.clone();
            let mut timed = manner != Manner::Untimed;
            if let Some(sweep) = &link.sweep {
                if manner != Manner::Apart {
                    let sweep = || self.sweep(sweep, text, &mut extent, context);
                    if watches.pass(chain, number, manner, sweep).is_some() {
                        continue;
                    }
                }
                timed = true;
            }
            let (placed, watches) = (&chain.steps()[steps.clone()], &mut watches.steps[steps.clone()]);
            if let Some((index, end)) = self.one_by_one(placed, text, &mut extent, field, context, watches, timed) {
                return end.at(steps.start + index);
            }
        }
        End::Text(extent)
    }

    /// Runs a pass over the text of an extent. `None`: it is not certain of the result, and nothing has happened.
    fn sweep(&mut self, sweep: &Sweep, text: &str, extent: &mut Extent, context: &Context) -> Option<()> {
        // A step that writes more than the limit fails, also if the next one would make less of it.
        if self.text(text, extent).len() > context.limits.record_bytes {
            return None;
        }
        let mut spare = std::mem::take(&mut self.spare);
        spare.clear();
        let input = self.text(text, extent);
        let swept = quietly(|| sweep.run(input, Spelling::Plain, &mut spare)).unwrap_or(Swept::Doubt);
        self.spare = spare;
        match swept {
            Swept::Same => {}
            Swept::Part(range) => extent.narrow(range),
            Swept::Written => {
                std::mem::swap(&mut self.written, &mut self.spare);
                *extent = Extent::Written(0..self.written.len());
            }
            Swept::Doubt => return None,
        }
        Some(())
    }

    /// Runs steps over the text of an extent, one after the other. `Some` tells at which step, and how, it ended.
    #[expect(
        clippy::too_many_arguments,
        reason = "what `run` and `follow` are given, and where the text is"
    )]
    fn one_by_one(
        &mut self,
        steps: &[PlacedStep],
        text: &str,
        extent: &mut Extent,
        field: &dyn Fn(u16) -> Value,
        context: &Context,
        watches: &mut [Watch],
        timed: bool,
    ) -> Option<(usize, Stop)> {
        let mut clock = timed.then(Instant::now);
        for (index, placed) in steps.iter().enumerate() {
            // Most steps ask for nothing, and short texts leave no time to find that out each time.
            let asked: &[Value] = if placed.asks.is_empty() {
                &[]
            } else if let Err(failure) = self.ask(placed, field) {
                return Some((index, Stop::Failed(Box::new(failure))));
            } else {
                &self.asked
            };
            let mut scratch = Scratch {
                text: std::mem::take(&mut self.spare),
                cancel: &context.cancel,
            };
            scratch.text.clear();
            let next = apply(placed, self.text(text, extent), asked, &mut scratch);
            self.spare = scratch.text;
            if let Some(watch) = watches.get_mut(index) {
                watch.entered += 1;
                if let Some(started) = clock {
                    let now = Instant::now();
                    watch.timed += 1;
                    watch.nanoseconds += (now - started).as_nanos() as u64;
                    clock = Some(now);
                }
            }
            let stop = match next {
                Next::Keep => continue,
                Next::Part(range) => {
                    extent.narrow(range);
                    continue;
                }
                Next::Scratch(range) => {
                    if range.len() <= context.limits.record_bytes {
                        std::mem::swap(&mut self.written, &mut self.spare);
                        *extent = Extent::Written(range);
                        continue;
                    }
                    Stop::Failed(Box::new(output_too_large(range.len(), context)))
                }
                Next::Foreign(text) => {
                    self.written.clear();
                    self.written.push_str(text);
                    *extent = Extent::Written(0..text.len());
                    continue;
                }
                Next::Annotate(values) => {
                    self.added.extend(placed.adds.iter().copied().zip(values));
                    continue;
                }
                Next::Reject(reason) => Stop::Rejected(reason),
                Next::Failed(failure) => Stop::Failed(failure),
                Next::Split(parts) => Stop::Split(parts),
            };
            return Some((index, stop));
        }
        None
    }

    /// The text of an extent, where `input` is the text that went in.
    #[must_use]
    pub fn text<'t>(&'t self, input: &'t str, extent: &Extent) -> &'t str {
        match extent {
            Extent::Input(range) => &input[range.clone()],
            Extent::Written(range) => &self.written[range.clone()],
        }
    }

    fn ask(&mut self, placed: &PlacedStep, field: &dyn Fn(u16) -> Value) -> Result<(), Failure> {
        self.asked.clear();
        for (&number, asked) in placed.asks.iter().zip(&placed.step.declaration().asks) {
            let added = self.added.iter().rev().find(|(added, _)| *added == number);
            let value = added.map_or_else(|| field(number), |(_, value)| value.clone());
            if asked.required && value == Value::Missing {
                return Err(missing_field(&asked.name));
            }
            self.asked.push(value);
        }
        Ok(())
    }
}

/// The failure of a record that lacks a field a step asks for.
#[must_use]
pub fn missing_field(name: &str) -> Failure {
    Failure::new(
        FailureKind::MissingField,
        format!("The step asks for the field `{name}`, which the record does not have."),
    )
}

/// The failure of a step that made a text over the limit.
#[must_use]
pub fn output_too_large(length: usize, context: &Context) -> Failure {
    let limit = context.limits.record_bytes;
    Failure::new(
        FailureKind::OutputTooLarge,
        format!("The step made a text of {length} bytes, and the limit for one record is {limit} bytes."),
    )
}

/// A verdict without its borrows: texts are ranges.
enum Next {
    Keep,
    Part(Range<usize>),
    Scratch(Range<usize>),
    Foreign(&'static str),
    Annotate(Vec<Value>),
    Reject(Cow<'static, str>),
    Failed(Box<Failure>),
    Split(Vec<String>),
}

fn apply(placed: &PlacedStep, input: &str, asked: &[Value], scratch: &mut Scratch<'_>) -> Next {
    // It is written where it stays: to move it twice takes longer than to trim a short text.
    let mut next = Next::Keep;
    // A step that panics is a fault of that step on that record, and must cost no other record.
    let result = quietly(|| {
        next = match placed.step.apply(input, asked, scratch) {
            Ok(Verdict::Text(text)) => locate(text, input),
            Ok(Verdict::Keep) => Next::Keep,
            Ok(Verdict::Reject(reason)) => Next::Reject(reason),
            Ok(Verdict::Annotate(values)) => Next::Annotate(values),
            Ok(Verdict::Split(parts)) => Next::Split(parts),
            Err(failure) => Next::Failed(Box::new(failure)),
        }
    });
    if let Err(panic) = result {
        scratch.text.clear();
        next = Next::Failed(step_panic(panic_message("The step", &*panic)));
    }
    if let Next::Scratch(addresses) = &mut next {
        match range_in(&scratch.text, addresses.clone()) {
            Some(range) => *addresses = range,
            None => {
                let what = "The step returned a text that it neither got nor wrote.";
                next = Next::Failed(step_panic(what.to_owned()));
            }
        }
    }
    next
}

/// The part of a text that a step leaves which [always leaves one](crate::step::Step::part).
pub fn cut<'t>(placed: &PlacedStep, text: &'t str) -> Result<&'t str, Box<Failure>> {
    match quietly(|| placed.step.part(text)) {
        Ok(Some(part)) => Ok(part),
        Ok(None) => Err(step_panic("The step left no part of the text.".to_owned())),
        Err(panic) => Err(step_panic(panic_message("The step", &*panic))),
    }
}

/// The failure of a record whose step did what no step may do.
#[cold]
#[expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]
fn step_panic(what: String) -> Box<Failure> {
    let message = what + " This is a bug in the step.";
    Box::new(Failure::new(FailureKind::StepPanic, message))
}

/// Catches a panic without the line that Rust writes to standard error for it: what is made of it says the same, and a step
/// that panics on each record, or a library that does at each damaged file, must not fill the terminal.
pub fn quietly<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    thread_local! {
        static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
    }
    HOOK.call_once(|| {
        let other = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                other(panic);
            }
        }));
    });
    // To find a value of the thread takes a call, so it is done once.
    IS_CAUGHT.with(|is_caught| {
        let outer = is_caught.replace(true);
        let result = catch_unwind(AssertUnwindSafe(work));
        is_caught.set(outer);
        result
    })
}

/// Tells a part of the input from everything else by its address. The addresses of anything else are returned as they
/// are, as a range, and judged by `range_in` once the borrow of the scratch has ended.
fn locate(text: &str, input: &str) -> Next {
    let (start, first) = (text.as_ptr().addr(), input.as_ptr().addr());
    if text.is_empty() {
        Next::Foreign("")
    } else if start >= first && start + text.len() <= first + input.len() {
        let range = start - first..start - first + text.len();
        if range.len() == input.len() {
            Next::Keep
        } else {
            Next::Part(range)
        }
    } else {
        Next::Scratch(start..start + text.len())
    }
}

fn range_in(scratch: &str, addresses: Range<usize>) -> Option<Range<usize>> {
    let first = scratch.as_ptr().addr();
    (addresses.start >= first && addresses.end <= first + scratch.len())
        .then(|| addresses.start - first..addresses.end - first)
}

/// The sentence for a panic: of `whom`, and what it said.
#[must_use]
pub fn panic_message(whom: &str, panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let said = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("it did not say why").trim_end_matches('.');
    format!("{whom} panicked: {said}.")
}
