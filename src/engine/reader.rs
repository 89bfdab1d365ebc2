//! The reader: cuts the inputs into batches, in order, without looking into the records.

use crate::batch::{Batch, Unread};
use crate::engine::job::{Job, Meter, Shared};
use crate::error::{Error, Failure, FailureKind, Result, shown};
use crate::io::{Format, Input, InputIdentity, Source, TableInputs, open_source, open_source_at};
use crate::record::Place;
use crate::step::Limits;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// About how many bytes a batch holds at most: enough to make handing it over cheap, little enough to stay in the cache.
const MOST_BYTES: usize = 256 << 10;
/// About how many bytes a batch holds at least.
const LEAST_BYTES: usize = 4 << 10;
/// About how long a batch should take. With slow steps, small batches keep progress moving and the memory of results small.
const BATCH_TIME: Duration = Duration::from_millis(100);

/// Whoever fills jobs from the inputs, one after the other.
pub(super) struct Reader {
    inputs: Vec<(Input, Format)>,
    limits: Limits,
    shared: Arc<Shared>,
    started: Instant,
    /// The input that is being read.
    input: usize,
    source: Option<Box<dyn Source>>,
    /// How many jobs were filled.
    jobs: u64,
    /// How many records may still be read.
    left: u64,
    /// How many bytes the inputs before this one had.
    bytes_before: u64,
    /// How many bytes of memory a batch may take.
    share: usize,
    /// How many bytes of memory the source holds.
    held: usize,
    /// How many bytes of memory a run may take, and whether somebody was told that this input takes more.
    budget: usize,
    told_of_memory: bool,
    /// Where the first record begins that is to be read.
    begin: Place,
    /// Where the output is cut into shards, if it is.
    borders: Option<Borders>,
    /// How inputs are opened that are tables, if there are such.
    tables: Option<TableInputs>,
}

/// Cuts the inputs into shards, by nothing but their bytes: a shard ends with the first record that ends so many bytes, or
/// more, behind the shard's beginning.
pub(super) struct Borders {
    shard_bytes: u64,
    /// How many bytes the shard has that is being read.
    filled: u64,
    /// The inputs as they were when the run began. A shard is only made of such as have not changed.
    identities: Vec<InputIdentity>,
}

impl Borders {
    pub(super) fn new(shard_bytes: u64, identities: Vec<InputIdentity>) -> Self {
        Self {
            shard_bytes,
            filled: 0,
            identities,
        }
    }

    /// How many bytes the shard can take before it ends.
    fn left(&self) -> u64 {
        self.shard_bytes - self.filled
    }

    /// Notes that so many bytes were read. Returns whether the shard ends there.
    fn note(&mut self, bytes: u64) -> bool {
        self.filled += bytes;
        let ends = self.filled >= self.shard_bytes;
        if ends {
            self.filled = 0;
        }
        ends
    }
}

impl Reader {
    pub(super) fn new(
        inputs: Vec<(Input, Format)>,
        limits: Limits,
        limit: Option<u64>,
        share: usize,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            inputs,
            limits,
            shared,
            started: Instant::now(),
            input: 0,
            source: None,
            jobs: 0,
            left: limit.unwrap_or(u64::MAX),
            bytes_before: 0,
            share,
            held: 0,
            budget: usize::MAX,
            told_of_memory: false,
            begin: Place::default(),
            borders: None,
            tables: None,
        }
    }

    /// Reads a source that is there already, as the one input.
    pub(super) fn with_source(mut self, source: Box<dyn Source>) -> Self {
        self.source = Some(source);
        self
    }

    /// Warns of an input that takes more memory than this, whatever is done: what cannot be read in parts is held as a whole.
    pub(super) fn with_budget(mut self, budget: usize) -> Self {
        self.budget = budget;
        self
    }

    /// Knows how inputs are opened that are tables.
    pub(super) fn with_tables(mut self, tables: Option<TableInputs>) -> Self {
        self.tables = tables;
        self
    }

    /// Begins at a place, after so many records, and cuts the inputs into shards from there on.
    pub(super) fn for_shards(mut self, borders: Borders, begin: Place, records: u64) -> Self {
        self.input = begin.input as usize;
        self.begin = begin;
        self.left = self.left.saturating_sub(records);
        self.bytes_before = self
            .inputs
            .iter()
            .take(self.input)
            .filter_map(|(input, _)| input.size())
            .sum();
        self.borders = Some(borders);
        self
    }

    /// Whether workers can read these inputs themselves. One that may wait for ever, as a pipe does, needs a thread of its
    /// own that nobody waits for when the run is stopped.
    pub(super) fn never_waits(inputs: &[(Input, Format)]) -> bool {
        inputs.iter().all(|(input, _)| input.never_waits())
    }

    /// How many jobs were filled.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs
    }

    /// Reads ahead until everything is read or the run is stopped.
    pub(super) fn read_ahead(mut self) {
        let shared = Arc::clone(&self.shared);
        while let Some(mut job) = shared.round.wait_for_room() {
            if !self.fill(&mut job) {
                return shared.round.has_read_all(self.jobs, job);
            }
            shared.round.add_fresh(job);
        }
    }

    /// Fills a job with the next records, or with what of an input cannot be read. Returns `false` if nothing is left.
    pub(super) fn fill(&mut self, job: &mut Job) -> bool {
        while let Some((_, format)) = self.inputs.get(self.input) {
            let format = *format;
            job.clear();
            job.batch.sequence = self.jobs;
            job.batch.input = self.input as u32;
            job.format = format;
            if self.source.is_none() {
                match self.open() {
                    Ok(source) => {
                        self.source = Some(source);
                        self.prepare_next();
                    }
                    Err(Error::Input(error)) if error.is_shortage() => {
                        self.shared.fail(Error::Output(error));
                        return false;
                    }
                    Err(error) => {
                        job.batch.unread = Some(Unread::Segment(Box::new(damaged(&error))));
                        job.unopened = true;
                        (job.batch.first_ordinal, job.batch.first_offset) = (0, 0);
                        job.next = self.behind_input();
                        self.jobs += 1;
                        return self.end_input();
                    }
                }
            }
            let Some(source) = &mut self.source else { return false };
            let shared = Arc::clone(&self.shared);
            let meter = &shared.meter;
            if self.left == 0 {
                meter.limited.store(true, Ordering::Relaxed);
                return false;
            }
            let until = self.borders.as_ref().map_or(u64::MAX, Borders::left);
            let size = batch_bytes(meter, self.started).min(self.share / meter.growth());
            let filled = source.fill(&mut job.batch, size.max(LEAST_BYTES), until);
            let held = source.held();
            if held != self.held {
                self.held = held;
                shared.round.reserve(held);
                if held > self.budget && !self.told_of_memory {
                    self.told_of_memory = true;
                    let input = &self.inputs[self.input].0.name;
                    shared.notices.warn(over_budget(input, held, self.budget));
                }
            }
            let position = self.bytes_before + source.position();
            meter.bytes.store(position, Ordering::Relaxed);
            let (ordinal, offset) = source.next();
            job.next = Place {
                input: self.input as u32,
                ordinal,
                offset,
            };
            if let Err(error) = &filled {
                job.batch.unread = Some(Unread::Segment(Box::new(damaged(error))));
            }
            let is_segment = matches!(job.batch.unread, Some(Unread::Segment(_)));
            let goes_on = filled.is_ok() && self.source.as_ref().is_some_and(|source| source.goes_on());
            if format == Format::File || (is_segment && !goes_on) {
                job.next = self.behind_input();
            }
            // A file that is one record has no second, and need not be asked for it.
            if format == Format::File || !matches!(filled, Ok(true)) {
                self.bytes_before = position;
                if !self.end_input() {
                    return false;
                }
            }
            if matches!(filled, Ok(false)) {
                continue;
            }
            if self.left < u64::MAX {
                self.limit(job, format);
            }
            job.charged = (job.batch.bytes_read() * meter.growth()).max(job.kept());
            self.jobs += 1;
            return self.note_border(job);
        }
        false
    }

    fn open(&self) -> Result<Box<dyn Source>> {
        let (input, format) = &self.inputs[self.input];
        let cancel = &self.shared.cancel;
        if let Some(tables) = self.tables.as_ref().filter(|_| format.has_columns()) {
            let is_first = self.begin.input as usize == self.input;
            let place = if is_first { self.begin } else { Place::default() };
            return tables.open(input, *format, self.limits, cancel, place);
        }
        if self.begin.input as usize == self.input {
            open_source_at(input, *format, self.limits, cancel, self.begin)
        } else {
            open_source(input, *format, self.limits, cancel)
        }
    }

    /// Has the input behind this one begin to come, unless only parts of it are read.
    fn prepare_next(&self) {
        if let Some((next, format)) = self.inputs.get(self.input + 1)
            && !matches!(format, Format::Parquet | Format::Arrow)
        {
            next.prepare();
        }
    }

    fn behind_input(&self) -> Place {
        Place {
            input: self.input as u32 + 1,
            ..Place::default()
        }
    }

    /// Goes on to the next input. Returns `false` if the run cannot go on, because the input has changed meanwhile.
    fn end_input(&mut self) -> bool {
        let unchanged = self.check_unchanged(self.input);
        self.source = None;
        self.input += 1;
        self.told_of_memory = false;
        unchanged
    }

    fn check_unchanged(&self, input: usize) -> bool {
        let checked = match (&self.borders, &self.source) {
            // A run that goes on in a directory opens the input by its name again.
            (Some(borders), _) => borders.identities[input].check_unchanged(&self.inputs[input].0, &self.shared.cancel),
            (None, Some(source)) => source.check_unchanged(),
            (None, None) => Ok(()),
        };
        match checked {
            Ok(()) => true,
            Err(error) => {
                self.shared.fail(error);
                false
            }
        }
    }

    /// Cuts a batch to the records that may still be read.
    fn limit(&mut self, job: &mut Job, format: Format) {
        if let Some(columns) = &job.batch.columns {
            let rows = columns.num_rows().min(self.left as usize);
            let columns = columns.slice(0, rows);
            self.left -= rows as u64;
            job.next.ordinal = job.batch.first_ordinal + rows as u64;
            job.next.offset = job.batch.first_offset + rows as u64;
            job.batch.columns = Some(columns);
            return;
        }
        let whole = job.batch.raw().len();
        let records = keep_records(&mut job.batch, format, self.left);
        self.left -= records;
        let kept = job.batch.raw().len();
        if kept < whole {
            job.next.ordinal = job.batch.first_ordinal + records;
            job.next.offset = job.batch.first_offset + kept as u64;
        }
    }

    /// Notes whether a shard ends with the batch. Returns `false` if the run cannot go on.
    fn note_border(&mut self, job: &mut Job) -> bool {
        let bytes = match &job.batch.unread {
            None => job.batch.bytes_read() as u64,
            Some(Unread::Record { length, .. }) => *length,
            Some(Unread::Segment(_)) => 0,
        };
        job.ends_shard = self.borders.as_mut().is_some_and(|borders| borders.note(bytes));
        !job.ends_shard || self.check_unchanged(job.batch.input as usize)
    }
}

/// How many bytes to put into the next batch, judged by how fast the run has been so far.
fn batch_bytes(meter: &Meter, started: Instant) -> usize {
    let done = meter.done.load(Ordering::Relaxed);
    let rate = done as f64 / started.elapsed().as_secs_f64().max(1e-3);
    ((rate * BATCH_TIME.as_secs_f64()) as usize).clamp(LEAST_BYTES, MOST_BYTES)
}

fn over_budget(input: &str, held: usize, budget: usize) -> String {
    format!(
        "`{}` holds rows that can only be read together, and that take about {} MiB of memory; the memory budget is {} MiB. If \
         there is not so much memory, write the input again with fewer rows in each batch.",
        shown(input),
        held >> 20,
        budget >> 20
    )
}

fn damaged(error: &Error) -> Failure {
    let mut failure = Failure::new(FailureKind::Segment, error.to_string());
    failure.hint = error.hint().map(str::to_owned);
    failure
}

/// Cuts a batch to at most so many records, and returns how many it has.
fn keep_records(batch: &mut Batch, format: Format, most: u64) -> u64 {
    match (&batch.unread, format) {
        (Some(Unread::Record { .. }), _) | (None, Format::File) => return 1,
        (Some(Unread::Segment(_)), _) => return 0,
        (None, _) => {}
    }
    let raw = batch.raw_mut();
    let mut records = 0;
    let mut end = 0;
    for line_end in memchr::memchr_iter(b'\n', raw) {
        if records == most {
            break;
        }
        records += 1;
        end = line_end + 1;
    }
    if records < most && end < raw.len() {
        records += 1;
        end = raw.len();
    }
    raw.truncate(end);
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_to_whole_records() {
        for (text, most, kept, left) in [
            ("a\nb\nc\n", 2, 2, "a\nb\n"),
            ("a\nb\nc", 3, 3, "a\nb\nc"),
            ("a\nb\nc", 2, 2, "a\nb\n"),
            ("a\n", 5, 1, "a\n"),
            ("", 5, 0, ""),
        ] {
            let mut batch = Batch::new();
            batch.raw_mut().extend_from_slice(text.as_bytes());
            assert_eq!(keep_records(&mut batch, Format::Text, most), kept);
            assert_eq!(batch.raw(), left.as_bytes());
        }
    }
}
