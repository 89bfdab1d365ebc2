//! What goes round in a run: jobs, and what all threads share.

use crate::batch::Batch;
use crate::columns::TableEncoder;
use crate::engine::Progress;
use crate::engine::process::log_printed;
use crate::engine::round::Round;
use crate::error::{Error, RecordError};
use crate::io::{CasualtyEncoder, Checksum, Decoder, Encoder, Format, LastLine, RowWriter, TableGroup};
use crate::ledger::{Account, FateRun, InputDamage};
use crate::record::{Fate, Place};
use crate::step::Cancel;
use arrow_array::RecordBatch;
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
    /// What goes out as columns, if the output has columns.
    pub(super) table: Option<RecordBatch>,
    /// Groups of rows that became full with the batch. Whoever has the job encodes them when it was written.
    pub(super) groups: Vec<TableGroup>,
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
    /// How many bytes of the budget the job takes.
    pub(super) charged: usize,
    /// What of the batch waits for its turn, because all of it together made more than a job may hold.
    rest: Vec<u8>,
    /// All columns of a batch that was divided, and the row behind those that were taken up.
    divided: Option<(RecordBatch, usize)>,
    /// How many records of the rest are taken up at once.
    most_records: usize,
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
            table: None,
            groups: Vec::new(),
            last_line: LastLine::Nothing,
            texts: 0,
            read: Account::default(),
            accounted: Account::default(),
            failure: None,
            unopened: false,
            damage: None,
            charged: 0,
            rest: Vec::new(),
            divided: None,
            most_records: usize::MAX,
            next: Place::default(),
            ends_shard: false,
            runs: Vec::new(),
            checksums: <[Checksum; 3]>::default(),
        }
    }

    /// How many bytes of memory the job holds.
    pub(super) fn held(&self) -> usize {
        let outputs = self.out.len() + self.rejected.len() + self.quarantined.len();
        self.batch.held() + outputs + self.rest.len() + self.fates.len() * size_of::<Fate>()
    }

    /// How many bytes of memory the job keeps to be used again.
    pub(super) fn kept(&self) -> usize {
        let outputs = [&self.out, &self.rejected, &self.quarantined];
        self.batch.capacity() + outputs.into_iter().map(Vec::capacity).sum::<usize>()
    }

    /// Whether more of what was read waits behind what was made.
    pub(super) fn is_part(&self) -> bool {
        let waits = |(columns, taken): &(RecordBatch, usize)| *taken < columns.num_rows();
        !self.rest.is_empty() || self.divided.as_ref().is_some_and(waits)
    }

    /// Where the record begins behind those that were made.
    pub(super) fn place_behind(&self) -> Place {
        if !self.is_part() {
            return self.next;
        }
        let batch = &self.batch;
        Place {
            input: batch.input,
            ordinal: batch.first_ordinal + batch.sources.len() as u64,
            offset: batch.first_offset + Self::offsets_of(batch),
        }
    }

    /// How far behind the beginning of a batch the next one begins. Rows of columns are counted.
    fn offsets_of(batch: &Batch) -> u64 {
        match &batch.columns {
            None => batch.raw().len() as u64,
            Some(columns) => columns.num_rows() as u64,
        }
    }

    /// Takes back what was made of the records, and keeps the first half of them to be run again. The others wait until these
    /// are written. Returns `false` if there is one record, which cannot be divided.
    pub(super) fn halve(&mut self) -> bool {
        let half = self.batch.sources.len() / 2;
        if half == 0 {
            return false;
        }
        if let Some(columns) = self.batch.columns.take() {
            let count = columns.num_rows();
            let (whole, taken) = self.divided.take().unwrap_or((columns, count));
            self.divided = Some((whole, taken - count));
            self.most_records = half;
            return self.next_rows();
        }
        let end = self.batch.sources[half].raw.start as usize;
        let mut rest = self.batch.raw()[end..].to_vec();
        rest.append(&mut self.rest);
        self.rest = rest;
        self.most_records = half;
        self.batch.restart(end);
        self.forget_results();
        true
    }

    /// Goes on with the next records of a batch that was divided. Returns `false` if there are none.
    pub(super) fn next_part(&mut self) -> bool {
        if !self.is_part() {
            return false;
        }
        let batch = &mut self.batch;
        batch.first_ordinal += batch.sources.len() as u64;
        batch.first_offset += Self::offsets_of(batch);
        if self.divided.is_some() {
            return self.next_rows();
        }
        let mut ends = memchr::memchr_iter(b'\n', &self.rest);
        let end = ends.nth(self.most_records - 1).map_or(self.rest.len(), |end| end + 1);
        let rest = self.rest.split_off(end);
        batch.restart(0);
        batch.raw_mut().append(&mut self.rest);
        self.rest = rest;
        self.forget_results();
        true
    }

    /// Takes up the next rows of columns that were divided.
    fn next_rows(&mut self) -> bool {
        let Some((columns, taken)) = &mut self.divided else {
            return false;
        };
        let count = self.most_records.min(columns.num_rows() - *taken);
        let rows = columns.slice(*taken, count);
        *taken += count;
        self.batch.restart(0);
        self.batch.columns = Some(rows);
        self.forget_results();
        true
    }

    /// Forgets the records and keeps the memory, unless a rare huge record made it large.
    pub(super) fn clear(&mut self) {
        self.batch.clear();
        self.rest = Vec::new();
        self.divided = None;
        self.most_records = usize::MAX;
        self.ends_shard = false;
        self.unopened = false;
        self.damage = None;
        self.charged = 0;
        self.forget_results();
    }

    fn forget_results(&mut self) {
        const KEPT_CAPACITY: usize = 1 << 20;
        self.segment = 0;
        self.fates.clear();
        for buffer in [&mut self.out, &mut self.rejected, &mut self.quarantined] {
            buffer.clear();
            buffer.shrink_to(KEPT_CAPACITY);
        }
        self.table = None;
        self.last_line = LastLine::Nothing;
        self.texts = 0;
        self.read = Account::default();
        self.accounted = Account::default();
        self.failure = None;
        self.runs.clear();
        self.checksums = <[Checksum; 3]>::default();
    }
}

/// How one format of the inputs is decoded, and encoded into the format of the output and of the casualties.
pub(super) struct Codec {
    pub(super) format: Format,
    pub(super) decoder: Box<dyn Decoder>,
    pub(super) encoding: Encoding,
    pub(super) casualties: CasualtyEncoder,
}

/// What is made of the records that go out.
pub(super) enum Encoding {
    /// Bytes, which a file of such bytes can be joined of.
    Bytes(Box<dyn Encoder>),
    /// Rows of a table.
    Table(Box<dyn TableEncoder>),
    /// Rows of a table, and lines of those.
    Rows(Box<dyn TableEncoder>, RowWriter),
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
    /// What the calling thread is to log.
    pub(super) notices: Notices,
    error: Mutex<Option<Error>>,
    failed: AtomicBool,
    /// Cancelled when an error stops the run, and not when it ends: what is being committed then is still to be committed.
    pub(super) failure: Cancel,
}

/// What other threads have to say. The calling thread logs it: a handler of Python's `logging` may take any lock, and no
/// other thread of the engine may wait for one.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<Vec<Notice>>);

/// One thing to log.
#[derive(Debug)]
pub(super) enum Notice {
    /// Something that somebody should know.
    Warning(String),
    /// Something for somebody who looks for a cause.
    Detail(String),
    /// What a plugin has printed.
    Printed(String),
}

impl Notices {
    fn push(&self, notice: Notice) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    }

    pub(super) fn warn(&self, message: String) {
        self.push(Notice::Warning(message));
    }

    pub(super) fn debug(&self, message: String) {
        self.push(Notice::Detail(message));
    }

    pub(super) fn printed(&self, text: String) {
        self.push(Notice::Printed(text));
    }

    /// Logs what there is.
    pub(super) fn log(&self) {
        let notices = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for notice in notices {
            match notice {
                Notice::Warning(message) => log::warn!("{message}"),
                Notice::Detail(message) => log::debug!("{message}"),
                Notice::Printed(text) => {
                    text.lines().for_each(log_printed);
                }
            }
        }
    }
}

impl Shared {
    pub(super) fn new(round: Round) -> Self {
        Self {
            cancel: Cancel::default(),
            round,
            meter: Meter::default(),
            notices: Notices::default(),
            error: Mutex::default(),
            failed: AtomicBool::new(false),
            failure: Cancel::default(),
        }
    }

    /// Stops the run with an error. The first error is the one that is told; those that follow are its consequences.
    pub(super) fn fail(&self, error: Error) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        drop(first);
        self.failed.store(true, Ordering::Release);
        self.failure.cancel();
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
    /// How many times as much memory as their bytes in the input the batches have taken lately.
    growth: AtomicU64,
}

/// What is expected of a batch of which nothing is known: as it was read, unescaped, changed, between two steps, and written.
const USUAL_GROWTH: u64 = 5;

impl Meter {
    /// How many times as much memory as its bytes in the input a batch will take, at a guess.
    pub(super) fn growth(&self) -> usize {
        self.growth.load(Ordering::Relaxed).max(USUAL_GROWTH) as usize
    }

    /// Notes how much memory a batch of so many bytes took. Surprises count at once, and are forgotten slowly.
    pub(super) fn note_growth(&self, bytes: usize, held: usize) {
        const LEAST_BYTES: usize = 1 << 10;
        if bytes >= LEAST_BYTES {
            let seen = (held / bytes) as u64 + 1;
            let known = self.growth.load(Ordering::Relaxed);
            let next = seen.max(known - known / 8);
            self.growth.store(next, Ordering::Relaxed);
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{FlawedRow, Original, SourceRecord, Span};
    use crate::error::{Failure, FailureKind};
    use arrow_array::{ArrayRef, Int32Array};
    use std::sync::Arc;

    /// Finds the lines of the batch, each with its line end.
    fn decode(job: &mut Job) {
        let lengths: Vec<usize> = job
            .batch
            .raw()
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::len)
            .collect();
        let (mut start, first) = (0, job.batch.first_ordinal);
        for (index, length) in lengths.into_iter().enumerate() {
            let record = SourceRecord {
                ordinal: first + index as u64,
                raw: Span::new(start..start + length),
                ..SourceRecord::default()
            };
            job.batch.sources.push(record);
            start += length;
        }
    }

    #[test]
    fn a_batch_that_is_divided_comes_back_whole() {
        let text = "one\ntwo\n\nfour\nfive\nsix\nseven";
        let mut job = Job::new();
        (job.batch.first_ordinal, job.batch.first_offset) = (100, 1000);
        job.batch.raw_mut().extend_from_slice(text.as_bytes());
        decode(&mut job);
        let mut seen: Vec<String> = Vec::new();
        // Twice, as where half of the batch is still too much.
        assert!(job.halve());
        assert_eq!(job.batch.raw(), b"one\ntwo\n\n");
        decode(&mut job);
        assert!(job.halve());
        loop {
            decode(&mut job);
            let raw = String::from_utf8(job.batch.raw().to_vec()).expect("UTF-8");
            assert_eq!(job.batch.first_offset as usize, 1000 + seen.concat().len());
            assert_eq!(job.batch.first_ordinal as usize, 100 + seen.len());
            seen.push(raw);
            if !job.next_part() {
                break;
            }
        }
        assert_eq!(seen, ["one\n", "two\n", "\n", "four\n", "five\n", "six\n", "seven"]);
    }

    #[test]
    fn which_rows_cannot_be_read_is_known_in_each_part() {
        let mut job = Job::new();
        job.batch.first_offset = 20;
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..4));
        job.batch.columns = Some(RecordBatch::try_from_iter([("n", numbers)]).expect("a table"));
        job.batch.flawed.push(FlawedRow {
            offset: 23,
            failure: Failure::new(FailureKind::Schema, "It is too short."),
            original: Original::Bytes(b"3".to_vec()),
        });
        let decode = |job: &mut Job| {
            let rows = job.batch.columns.as_ref().map_or(0, RecordBatch::num_rows);
            job.batch.sources.resize(rows, SourceRecord::default());
        };
        decode(&mut job);
        assert!(job.halve());
        decode(&mut job);
        assert!(job.next_part());
        assert_eq!(job.batch.first_offset, 22);
        assert!(job.batch.flawed_row(22).is_none());
        assert!(job.batch.flawed_row(23).is_some());
    }

    #[test]
    fn one_record_cannot_be_divided() {
        let mut job = Job::new();
        job.batch.raw_mut().extend_from_slice(b"one");
        decode(&mut job);
        assert!(!job.halve());
        assert!(!job.next_part());
        assert_eq!(job.batch.raw(), b"one");
    }

    #[test]
    fn growth_is_expected_at_once_and_forgotten_slowly() {
        let meter = Meter::default();
        assert_eq!(meter.growth() as u64, USUAL_GROWTH);
        meter.note_growth(2000, 200_000);
        assert_eq!(meter.growth(), 101);
        meter.note_growth(2000, 2000);
        assert!((80..101).contains(&meter.growth()));
        meter.note_growth(1, 1 << 30);
        assert!(meter.growth() < 101, "a few bytes say nothing");
    }
}
