//! Workers: child processes that execute the segments of plugins, and their supervision.
//!
//! ```text
//! engine                                         worker
//! tender ── request, in shared memory ─ doorbell ─► serve ─► Segment::run
//!   ▲  ◄─── reply, in shared memory ─── doorbell ───┘  │
//!   └──────── the record and step it is at ◄───────────┘
//! ```
//!
//! A worker is started through the interpreter, never forked. Each has a tender, a thread of the engine that keeps two
//! batches with it, so that it never waits for the next one. Before each call the worker notes in shared memory which
//! record and step it is at. When it dies, however that happens, the note names the culprit: that record is tried once more on a fresh
//! worker and quarantined if it kills that one too, and everything else is run again. Where the note names a call with
//! several records, these go to a fresh worker that takes them one by one, so that the next note names the culprit.
//! Nothing is unpickled here, and nothing that a worker sends is believed without having been checked.
//!
//! This protects against plugins that are faulty, not against those that are malicious.

#[cfg(unix)]
mod unix;
mod wire;

#[cfg(unix)]
pub(super) use unix::Pool;
#[cfg(unix)]
use unix::{First, Kept};
#[cfg(unix)]
pub use unix::{KeptWorkers, RemoteHost, Worker, serve};

use crate::error::{ConfigError, Result, shown};
use crate::plan::Plan;
use crate::plugins::{Host, WorkerCommand};
use crate::step::{Limits, Runtime, Segment, runtime};
use std::time::Duration;

/// A worker that has been started before the run; elsewhere, there are none.
#[cfg(not(unix))]
#[derive(Debug, Clone, Default)]
struct First;

/// Workers that outlive a run; elsewhere, there are none.
#[cfg(not(unix))]
#[derive(Debug, Clone, Default)]
struct Kept;

impl Supervision {
    /// How many milliseconds a worker may work on one record.
    pub(super) fn timeout_milliseconds(&self) -> Option<u64> {
        self.timeout.map(|timeout| timeout.as_millis() as u64)
    }

    /// Has the next run start workers of its own.
    #[cfg(unix)]
    pub(super) fn let_go(&mut self) {
        self.kept = Kept::default();
    }

    /// How many bytes of memory a worker may have, if somebody said.
    pub(super) fn memory_given(&self) -> Option<u64> {
        self.memory_given
    }
}

/// Logs a line that a plugin has printed.
pub(super) fn log_printed(line: &str) {
    log::info!(target: "text_processor::plugins::output", "{}", shown(line));
}

/// Where the segments of plugins run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// In workers, where only they run side by side and the steps can be sent there; else in this process.
    #[default]
    Auto,
    /// In this process.
    Thread,
    /// In workers.
    Process,
}

/// Where the segments of plugins are to run, and what they may take there.
#[derive(Debug, Clone, Copy)]
pub struct Isolating {
    /// Where they run.
    pub isolation: Isolation,
    /// How long a worker may work on one record; `None`: for ever.
    pub timeout: Option<Duration>,
    /// How many bytes of memory a worker may have; `None`: nine tenths of what the machine has.
    pub memory: Option<u64>,
    /// How long a worker may take to load the steps.
    pub load_timeout: Duration,
    /// The most records that are sent at once; `None`: as many as a batch has.
    pub batch_records: Option<usize>,
    /// Whether a worker is refused whose plugins are made of other files than those of the first. Looking at them takes time.
    pub files: bool,
}

impl Isolating {
    /// Whether segments are to run in workers, if they can.
    pub fn wants_workers(&self, host: &dyn Host) -> bool {
        match self.isolation {
            Isolation::Auto => host.has_lock(),
            Isolation::Thread => false,
            Isolation::Process => true,
        }
    }
}

impl Default for Isolating {
    fn default() -> Self {
        Self {
            isolation: Isolation::Auto,
            timeout: Some(Duration::from_secs(300)),
            memory: None,
            load_timeout: Duration::from_secs(60),
            batch_records: None,
            files: false,
        }
    }
}

/// How workers are started and what they may take.
#[derive(Debug, Clone)]
pub struct Supervision {
    /// How a worker is started.
    command: WorkerCommand,
    /// What a worker must load, as `wire` writes it.
    load: String,
    timeout: Option<Duration>,
    memory: Option<u64>,
    memory_given: Option<u64>,
    load_timeout: Duration,
    batch_records: Option<usize>,
    /// What the steps that workers run are made of, by their index in the plan.
    files: Vec<(u16, Option<String>)>,
    /// A worker that has been started already.
    first: First,
    /// Where its workers are, if they outlive the run.
    kept: Kept,
}

impl Supervision {
    /// Decides where the segments of a plan run that plugins execute, and how. `None`: in this process, or there are none.
    pub fn of(plan: &Plan, host: &dyn Host, limits: Limits, wanted: &Isolating) -> Result<Option<Self>> {
        let numbered = plan.segments.iter().map(|segment| &**segment).enumerate();
        let foreign: Vec<(usize, &dyn Segment)> = numbered
            .filter(|(_, segment)| runtime(*segment) == Some(Runtime::Python))
            .collect();
        if foreign.is_empty() || !wanted.wants_workers(host) {
            return Ok(None);
        }
        let ship = |(number, segment): &(usize, &dyn Segment)| wire::Segment::of(*number, segment.steps(), host);
        let shipped: std::result::Result<Vec<_>, String> = foreign.iter().map(ship).collect();
        let (segments, command) = match shipped.and_then(|shipped| Ok((shipped, host.worker_command()?))) {
            Ok(shipped) => shipped,
            Err(reason) if wanted.isolation == Isolation::Process => {
                let hint = "Ship it as a plugin, or define it at the top level of a module; or run it in this process, with \
                            the isolation `thread`.";
                return Err(ConfigError::new(reason).with_key("isolation").with_hint(hint).into());
            }
            Err(reason) => {
                log::warn!(
                    "{reason} So plugins run in this process, one record at a time, and a crash of one ends the run."
                );
                return Ok(None);
            }
        };
        Ok(Some(Self {
            command,
            load: wire::Load::new(Vec::new(), segments, limits, wanted).write()?,
            files: if wanted.files { files_of(&foreign) } else { Vec::new() },
            first: First::default(),
            kept: Kept::default(),
            timeout: wanted.timeout,
            memory_given: wanted.memory,
            memory: wanted
                .memory
                .or_else(|| memory_of_machine().map(|memory| memory / 10 * 9)),
            load_timeout: wanted.load_timeout,
            batch_records: wanted.batch_records,
        }))
    }
}

/// What the steps of segments are made of.
fn files_of(segments: &[(usize, &dyn Segment)]) -> Vec<(u16, Option<String>)> {
    let steps = segments.iter().flat_map(|(_, segment)| segment.steps());
    steps
        .map(|placed| (placed.index, placed.step.files_fingerprint()))
        .collect()
}

/// How many bytes of memory the machine has, or the container that this runs in, where that can be told.
fn memory_of_machine() -> Option<u64> {
    let number = |path: &str| fs_err::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let installed = fs_err::read_to_string("/proc/meminfo").ok().and_then(|told| {
        let line = told.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    });
    [
        installed,
        number("/sys/fs/cgroup/memory.max"),
        number("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ]
    .into_iter()
    .flatten()
    .min()
}
