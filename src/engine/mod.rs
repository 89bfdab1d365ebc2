//! Runs a plan over sources: a reader, worker threads, an ordered writer.
//!
//! ```text
//!            ┌──────────── empty jobs ◄────────────────────────────┐
//!            ▼                                                     │
//! reader ─ cut bytes ─► workers ─ decode, Rust steps, encode ─► writer ─ in order, counted ─► files
//!                         ▲  │
//!                         │  ▼
//!                    calling thread ─ Python steps, signals, progress
//! ```
//!
//! A fixed number of jobs goes round, each with a batch and the memory of its buffers: that bounds what is in flight,
//! makes every channel unable to block a sender, and lets a run allocate once instead of per record. The reader waits
//! besides until the bytes in flight are below a budget, for records that are far larger than a batch should be.
//!
//! Segments that say so run on the thread that called [`run`]. Where an interpreter has a lock, that thread is the only
//! one of the engine that ever asks for it.

mod job;
mod outputs;
mod reader;
mod run;
mod statistics;
#[cfg(test)]
mod tests;
mod trace;
mod worker;
mod writer;

pub use run::run;
pub use trace::{TraceEntry, TraceOutcome, trace};

use crate::error::{Interrupt, Result};
use crate::io::{Format, Input};
use crate::step::Limits;
use std::path::PathBuf;

/// The most workers that a run may have: no machine has more processors, and a typing error should not become a fork bomb.
pub const MOST_WORKERS: usize = 1024;

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
