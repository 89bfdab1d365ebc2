//! The reader: cuts the inputs into batches, in order, without looking into the records.

use crate::batch::{Batch, Unread};
use crate::engine::job::{Job, Meter, Shared};
use crate::error::{Error, Failure, FailureKind};
use crate::io::{Format, Input, Source, open_source};
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
        }
    }

    /// Whether workers can read these inputs themselves. One that may wait for ever, as a pipe does, needs a thread of its
    /// own that nobody waits for when the run is stopped.
    pub(super) fn never_waits(inputs: &[(Input, Format)]) -> bool {
        inputs.iter().all(|(input, _)| input.size().is_some())
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
        while let Some((input, format)) = self.inputs.get(self.input) {
            let format = *format;
            job.clear();
            job.batch.sequence = self.jobs;
            job.batch.input = self.input as u32;
            job.format = format;
            let source = match &mut self.source {
                Some(source) => source,
                none => match open_source(input, format, self.limits, &self.shared.cancel) {
                    Ok(source) => none.insert(source),
                    Err(Error::Input(error)) if error.is_shortage() => {
                        self.shared.fail(Error::Output(error));
                        return false;
                    }
                    Err(error) => {
                        job.batch.unread = Some(Unread::Segment(Box::new(damaged(&error))));
                        job.unopened = true;
                        self.input += 1;
                        self.jobs += 1;
                        return true;
                    }
                },
            };
            let meter = &self.shared.meter;
            if self.left == 0 {
                meter.limited.store(true, Ordering::Relaxed);
                return false;
            }
            let size = batch_bytes(meter, self.started).min(self.share / meter.growth());
            let filled = source.fill(&mut job.batch, size.max(LEAST_BYTES));
            let held = source.held();
            if held != self.held {
                self.held = held;
                self.shared.round.reserve(held);
            }
            let position = self.bytes_before + source.position();
            meter.bytes.store(position, Ordering::Relaxed);
            if let Err(error) = &filled {
                job.batch.unread = Some(Unread::Segment(Box::new(damaged(error))));
            }
            if !matches!(filled, Ok(true)) {
                if let Err(error) = source.verify() {
                    self.shared.fail(error);
                    return false;
                }
                self.bytes_before = position;
                self.source = None;
                self.input += 1;
            }
            if matches!(filled, Ok(false)) {
                continue;
            }
            if self.left < u64::MAX {
                self.left -= keep_records(&mut job.batch, format, self.left);
            }
            job.charged = (job.batch.raw().len() * meter.growth()).max(job.kept());
            self.jobs += 1;
            return true;
        }
        false
    }
}

/// How many bytes to put into the next batch, judged by how fast the run has been so far.
fn batch_bytes(meter: &Meter, started: Instant) -> usize {
    let done = meter.done.load(Ordering::Relaxed);
    let rate = done as f64 / started.elapsed().as_secs_f64().max(1e-3);
    ((rate * BATCH_TIME.as_secs_f64()) as usize).clamp(LEAST_BYTES, MOST_BYTES)
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
        (None, Format::Text | Format::Jsonl) => {}
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
