//! What goes round in a run: jobs, and what all threads share.

use crate::batch::Batch;
use crate::engine::Progress;
use crate::error::{Error, RecordError};
use crate::io::{CasualtyEncoder, Decoder, Encoder, Format, LastLine};
use crate::ledger::{Account, InputDamage};
use crate::record::Fate;
use crate::step::Cancel;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// One batch on its way through the engine, with everything that is made of it. Used again when it has been written.
#[derive(Debug)]
pub(super) struct Job {
    /// The records.
    pub(super) batch: Batch,
    /// How the input of the batch lies.
    pub(super) format: Format,
    /// The segment that is to run next.
    pub(super) segment: usize,
    /// The fates of the records, once they are settled.
    pub(super) fates: Vec<Fate>,
    /// The bytes for the output, the rejected file and the quarantine file.
    pub(super) out: Vec<u8>,
    pub(super) rejected: Vec<u8>,
    pub(super) quarantined: Vec<u8>,
    /// How the bytes for the output end.
    pub(super) last_line: LastLine,
    /// How many texts they hold.
    pub(super) texts: u64,
    /// The two sides of the account.
    pub(super) read: Account,
    pub(super) accounted: Account,
    /// The first failed record, where the run is to stop at one.
    pub(super) failure: Option<Box<RecordError>>,
    /// Whether the batch stands for an input that could not be opened.
    pub(super) unopened: bool,
    /// What of the input could not be read, if the batch stands for that.
    pub(super) damage: Option<InputDamage>,
    /// How many bytes of the budget the job has taken.
    pub(super) charged: usize,
}

impl Job {
    pub(super) fn new() -> Self {
        Self {
            batch: Batch::new(),
            format: Format::Text,
            segment: 0,
            fates: Vec::new(),
            out: Vec::new(),
            rejected: Vec::new(),
            quarantined: Vec::new(),
            last_line: LastLine::Nothing,
            texts: 0,
            read: Account::default(),
            accounted: Account::default(),
            failure: None,
            unopened: false,
            damage: None,
            charged: 0,
        }
    }

    /// Forgets the records and keeps the memory, unless a rare huge record made it large.
    pub(super) fn clear(&mut self) {
        const KEPT_CAPACITY: usize = 4 << 20;
        self.batch.clear();
        self.segment = 0;
        for buffer in [&mut self.out, &mut self.rejected, &mut self.quarantined] {
            buffer.clear();
            buffer.shrink_to(KEPT_CAPACITY);
        }
        self.last_line = LastLine::Nothing;
        self.texts = 0;
        self.read = Account::default();
        self.accounted = Account::default();
        self.failure = None;
        self.unopened = false;
        self.damage = None;
        self.charged = 0;
    }
}

/// How one format of the inputs is decoded, and encoded into the format of the output and of the casualties.
pub(super) struct Codec {
    pub(super) format: Format,
    pub(super) decoder: Box<dyn Decoder>,
    pub(super) encoder: Box<dyn Encoder>,
    pub(super) casualties: CasualtyEncoder,
}

/// What all threads of a run share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Tells everybody to stop.
    pub(super) cancel: Cancel,
    /// Bounds the bytes in flight.
    pub(super) budget: Budget,
    /// How far the run has come.
    pub(super) meter: Meter,
    error: Mutex<Option<Error>>,
}

impl Shared {
    /// Stops the run with an error. The first error is the one that is told; those that follow are its consequences.
    pub(super) fn fail(&self, error: Error) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        drop(first);
        self.cancel.cancel();
        self.budget.close();
    }

    /// The error that stopped the run.
    pub(super) fn take_error(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counters for [`Progress`].
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) read: AtomicU64,
    pub(super) out: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) quarantined: AtomicU64,
    /// Bytes of the input files, before decompression.
    pub(super) bytes: AtomicU64,
    /// Bytes of records that are written, as they were read.
    pub(super) done: AtomicU64,
}

impl Meter {
    pub(super) fn progress(&self, total_bytes: Option<u64>) -> Progress {
        Progress {
            read: self.read.load(Ordering::Relaxed),
            out: self.out.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            quarantined: self.quarantined.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            total_bytes,
        }
    }
}

/// Bounds the bytes of input that are in flight at once.
#[derive(Debug, Default)]
pub(super) struct Budget {
    state: Mutex<BudgetState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct BudgetState {
    taken: usize,
    closed: bool,
}

/// Jobs are far smaller than this unless records are huge; then few of them are in flight at once.
const BUDGET: usize = 64 << 20;

impl Budget {
    /// Waits until so many bytes fit, and takes them. A request over the whole budget waits until it is alone.
    pub(super) fn take(&self, bytes: usize) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |state: &mut BudgetState| !state.closed && state.taken > 0 && state.taken + bytes > BUDGET;
        let mut state = self
            .changed
            .wait_while(state, fits)
            .unwrap_or_else(PoisonError::into_inner);
        state.taken += bytes;
    }

    /// Gives bytes back.
    pub(super) fn give(&self, bytes: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken = state.taken.saturating_sub(bytes);
        drop(state);
        self.changed.notify_all();
    }

    /// Lets everybody who waits go on.
    fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}
