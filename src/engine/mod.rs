//! Runs a plan over sources: a reader, worker threads, an ordered writer.

use crate::error::{Error, Interrupt, Result};
use crate::io::{Format, Input};
use crate::ledger::Report;
use crate::plan::Plan;
use crate::step::Limits;
use std::path::PathBuf;

/// What a run reads and writes, and how.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// How the inputs lie; `None`: told from each name (`.jsonl`, `.ndjson`: JSON Lines; others: text).
    pub format: Option<Format>,
    /// The file for what goes out; `None`: standard output.
    pub output: Option<PathBuf>,
    /// The file for rejected records; `None`: they are counted only.
    pub rejected: Option<PathBuf>,
    /// The file for failed records; `None`: beside the output, made only if a record fails.
    pub quarantine: Option<PathBuf>,
    /// Whether files that exist may be replaced.
    pub overwrite: bool,
    /// How many threads decode, run Rust steps and encode.
    pub workers: usize,
    /// The most records to read.
    pub limit: Option<u64>,
    /// Limits on one record.
    pub limits: Limits,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Records read so far.
    pub read: u64,
    /// Records out so far.
    pub out: u64,
    /// Records rejected so far.
    pub rejected: u64,
    /// Records quarantined so far.
    pub quarantined: u64,
    /// Bytes of the input files read so far, before decompression.
    pub bytes: u64,
    /// Bytes of the input files in all, where that is known.
    pub total_bytes: Option<u64>,
}

/// Whoever watches a run. It is asked about twenty times a second, always on the thread that called [`run`].
pub trait Watcher {
    /// Sees how far the run has come, and may stop it.
    fn tick(&mut self, progress: &Progress) -> Result<(), Interrupt>;
}

/// Nobody watches.
impl Watcher for () {
    fn tick(&mut self, _progress: &Progress) -> Result<(), Interrupt> {
        Ok(())
    }
}

/// Runs a plan. Returns when everything is committed, or nothing is.
pub fn run(_plan: &Plan, _options: &RunOptions, _watcher: &mut dyn Watcher) -> Result<Report> {
    Err(Error::Internal("Not built yet.".into()))
}

/// What one step made of a text, for `trace`.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceEntry {
    /// The step's canonical name.
    pub step: String,
    /// The text that entered it.
    pub before: String,
    /// What came of it.
    pub outcome: TraceOutcome,
    /// How long the step took, in nanoseconds.
    pub nanoseconds: u64,
}

/// What a step made of one text.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceOutcome {
    /// The text after the step; equal to the one before where nothing changed.
    Text(String),
    /// It was kept by a filter.
    Kept,
    /// It was rejected, with this reason.
    Rejected(String),
    /// It got these fields.
    Annotated(Vec<(String, crate::record::Value)>),
    /// It became these texts. The trace follows each of them in turn: entries of part 0 first.
    Split(Vec<String>),
    /// It failed: the kind and the sentence.
    Failed(String, String),
}

/// Follows one text through the steps, one by one.
#[must_use]
pub fn trace(_plan: &Plan, _text: &str) -> Vec<TraceEntry> {
    Vec::new()
}
