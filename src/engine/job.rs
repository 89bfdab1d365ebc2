//! What goes round in a run: jobs, and what all threads share.

use crate::batch::Batch;
use crate::engine::Progress;
use crate::engine::round::Round;
use crate::error::{Error, RecordError};
use crate::io::{CasualtyEncoder, Checksum, Decoder, Encoder, Format, LastLine};
use crate::ledger::{Account, FateRun, InputDamage};
use crate::record::{Fate, Place};
use crate::step::Cancel;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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
    /// How many bytes of input the job holds.
    pub(super) charged: usize,
    /// Where the record behind the batch begins.
    pub(super) next: Place,
    /// Whether a shard of an output directory ends with the batch.
    pub(super) ends_shard: bool,
    /// The fates in runs and the checksums of the bytes for the output, the rejected file and the quarantine file, if the
    /// output is a directory.
    pub(super) runs: Vec<FateRun>,
    pub(super) checksums: [Checksum; 3],
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
            next: Place::default(),
            ends_shard: false,
            runs: Vec::new(),
            checksums: <[Checksum; 3]>::default(),
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
        self.ends_shard = false;
        self.runs.clear();
        self.checksums = <[Checksum; 3]>::default();
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
#[derive(Debug)]
pub(super) struct Shared {
    /// Tells everybody to stop.
    pub(super) cancel: Cancel,
    /// Where jobs wait.
    pub(super) round: Round,
    /// How far the run has come.
    pub(super) meter: Meter,
    error: Mutex<Option<Error>>,
    failed: AtomicBool,
}

impl Shared {
    pub(super) fn new(round: Round) -> Self {
        Self {
            cancel: Cancel::default(),
            round,
            meter: Meter::default(),
            error: Mutex::default(),
            failed: AtomicBool::new(false),
        }
    }

    /// Stops the run with an error. The first error is the one that is told; those that follow are its consequences.
    pub(super) fn fail(&self, error: Error) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        drop(first);
        self.failed.store(true, Ordering::Release);
        self.cancel.cancel();
        self.round.stop();
    }

    /// Whether an error has stopped the run.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
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
    /// Whether the limit on records ended the reading.
    pub(super) limited: AtomicBool,
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
