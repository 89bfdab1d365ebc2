//! Runs a plan over sources: worker threads that read, decode, run Rust steps, encode and write in order.
//!
//! ```text
//! files ─► worker: read ─ decode ─ Rust steps ─ encode ─ write, in order and counted ─► files
//!                                   ▲  │
//!                                   │  ▼
//!                              calling thread: Python steps, signals, progress
//! ```
//!
//! A fixed number of jobs goes round, each with a batch and the memory of its buffers: that bounds what is in flight, and
//! lets a run allocate once instead of per record. A job stays with one worker as far as it can, so that its bytes
//! are read, looked at, changed and written while they lie in the cache of one processor. With one worker, one thread does
//! everything but the Python steps; with more, one reads while another works and a third writes. An input that may wait for
//! ever (a pipe, standard input) is read by a thread of its own.
//!
//! Segments that say so run on the thread that called [`run`]. Where an interpreter has a lock, that thread is the only
//! one of the engine that ever asks for it.

mod attend;
#[cfg(unix)]
mod bell;
mod committer;
mod directory;
mod identity;
mod job;
mod outputs;
mod preparation;
mod process;
mod reader;
mod round;
mod run;
mod shards;
mod statistics;
mod tables;
#[cfg(test)]
mod tests;
mod threads;
mod trace;
mod worker;
mod writer;

pub use attend::attend;
pub use process::{Isolating, Isolation, Supervision};
#[cfg(unix)]
pub use process::{KeptWorkers, RemoteHost, Worker, serve};
pub use run::run;
pub use tables::{TablePlan, TableRun, process_tables};
pub use trace::{TraceEntry, TraceOutcome, trace};

use crate::columns::Nulls;
use crate::error::{ConfigError, Interrupt, Result, Shown};
use crate::io::{Compression, Format, Input, is_directory, is_within};
use crate::plan::OnError;
use crate::step::Limits;
use std::path::{Path, PathBuf};

/// The most workers that a run may have: no machine has more processors, and a typing error should not become a fork bomb.
pub const MOST_WORKERS: usize = 1024;

/// How many bytes of memory the batches of a run may hold, unless somebody says otherwise.
pub const USUAL_MEMORY_BUDGET: usize = 256 << 20;

/// The least that the batches of a run may hold: one record just below the limit, and all that is made of it, must fit.
pub const LEAST_MEMORY_BUDGET: usize = 128 << 20;

/// The most that the batches of a run may hold: more than any machine has, so that a typing error is found.
pub const MOST_MEMORY_BUDGET: usize = 1 << 40;

/// After how many bytes of the inputs a shard ends, if nobody says otherwise: little to do again after a kill, and enough
/// that its commit costs next to nothing.
pub const SHARD_BYTES: u64 = 64 << 20;

/// What a run reads and writes, and how.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// How the inputs lie; `None`: told from the first bytes of each, or else from its name.
    pub format: Option<Format>,
    /// The file for what goes out; `None`: standard output. A path that ends in a slash, or a directory that exists: the
    /// output is a directory of shards, which is committed shard by shard.
    pub output: Option<PathBuf>,
    /// The file for rejected records; `None`: they are counted only.
    pub rejected: Option<PathBuf>,
    /// The file for failed records; `None`: beside the output, made only if a record fails.
    pub quarantine: Option<PathBuf>,
    /// Whether files that exist, or the run in the output directory, may be replaced.
    pub overwrite: bool,
    /// Whether to go on with the run in the output directory, if there is one.
    pub resume: bool,
    /// After how many bytes of the inputs, after decompression, a shard of the output directory ends; `None`:
    /// [`SHARD_BYTES`].
    pub shard_bytes: Option<u64>,
    /// How what goes out to the output directory is compressed; `None`: as the inputs are, if all agree.
    pub compression: Option<Compression>,
    /// How many threads read, decode, run Rust steps, encode and write; and how many workers there are, if plugins run in
    /// workers.
    pub workers: usize,
    /// How the workers are started that run the segments of plugins; `None`: the calling thread runs them.
    pub supervision: Option<Supervision>,
    /// The most records to read.
    pub limit: Option<u64>,
    /// What happens to a record that fails; `None`: what the plan says.
    pub on_error: Option<OnError>,
    /// What becomes of a record whose text is null, where records are rows of a table.
    pub nulls: Nulls,
    /// Limits on one record.
    pub limits: Limits,
    /// About how many bytes of memory all batches may hold that are in flight.
    pub memory_budget: usize,
    /// How many records may be quarantined before the run stops with [`StopKind::QuarantineLimit`]; `None`: all of them.
    ///
    /// [`StopKind::QuarantineLimit`]: crate::error::StopKind::QuarantineLimit
    pub quarantine_limit: Option<u64>,
    /// How many bytes of quarantine may be written before the run stops in the same way; `None`: any number.
    pub quarantine_bytes: Option<u64>,
}

impl RunOptions {
    /// The output, if it is a directory.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| is_directory(path))
    }

    /// Where plugins run, in a word.
    fn isolation(&self) -> &'static str {
        if self.supervision.is_some() {
            "process"
        } else {
            "thread"
        }
    }

    /// Refuses options that an output directory cannot have, or that only one can.
    fn check_directory(&self) -> Result<(), ConfigError> {
        let Some(path) = self.directory() else {
            let only = [
                ("resume", self.resume),
                ("shard-size", self.shard_bytes.is_some()),
                ("compression", self.compression.is_some()),
            ];
            let Some((key, _)) = only.into_iter().find(|&(_, given)| given) else {
                return Ok(());
            };
            return Err(ConfigError::new(format!("`{key}` is for output directories, and the output is none."))
                .with_hint("Name an output that ends in `/`, such as `-o out/`; the name of a file says how it is compressed.")
                .with_key(key));
        };
        for (key, given, folder) in [
            ("rejected", &self.rejected, "rejected"),
            ("quarantine", &self.quarantine, "quarantined"),
        ] {
            if given.is_some() {
                let message = format!(
                    "`{key}` does not go with an output directory: such records are committed with the others of their shard, in `{}`.",
                    Shown(&path.join(folder))
                );
                return Err(ConfigError::new(message)
                    .with_hint(format!("Leave out `{key}`."))
                    .with_key(key));
            }
        }
        if self.resume && self.overwrite {
            return Err(ConfigError::new(
                "`resume` goes on with a run and `overwrite` replaces it; both at once are impossible.",
            )
            .with_hint("Say one of them.")
            .with_key("resume"));
        }
        if self.shard_bytes == Some(0) {
            return Err(ConfigError::new("A shard has at least 1 byte.").with_key("shard-size"));
        }
        if let Some(input) = self.inputs.iter().find(|input| is_within(input, path)) {
            let message = format!(
                "The input `{}` lies in the output directory `{}`.",
                input.name,
                Shown(path)
            );
            return Err(ConfigError::new(message).with_hint("Name another directory."));
        }
        if self.resume
            && let Some(input) = self.inputs.iter().find(|input| !input.can_be_read_again())
        {
            let message = format!(
                "A run over {} cannot be resumed: what was read of it is gone.",
                input.name
            );
            return Err(ConfigError::new(message)
                .with_hint("Write it to a file first, or leave out `resume`.")
                .with_key("resume"));
        }
        Ok(())
    }
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

    /// Hears that everything is ready: from here on, the run reads, and an output directory can be resumed.
    fn begun(&mut self) {}
}

/// Nobody watches.
impl Watcher for () {
    fn tick(&mut self, _progress: &Progress) -> Result<(), Interrupt> {
        Ok(())
    }
}
