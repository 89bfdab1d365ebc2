//! The reader: one thread that cuts the inputs into batches, in order, without looking into the records.

use crate::batch::{Batch, Unread};
use crate::engine::job::{Job, Shared};
use crate::error::{Error, Failure, FailureKind};
use crate::io::{Format, Input, open_source};
use crate::step::Limits;
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// About how many bytes a batch holds at most: enough to make handing it over cheap, little enough to stay in the cache.
const MOST_BYTES: usize = 256 << 10;
/// About how many bytes a batch holds at least.
const LEAST_BYTES: usize = 4 << 10;
/// About how long a batch should take. With slow steps, small batches keep progress moving and the memory of results small.
const BATCH_TIME: Duration = Duration::from_millis(100);

/// What the reader needs. It owns all of it, because a reader that waits for standard input cannot be joined.
pub(super) struct Reader {
    pub(super) inputs: Vec<(Input, Format)>,
    pub(super) limits: Limits,
    pub(super) limit: Option<u64>,
    pub(super) shared: Arc<Shared>,
    pub(super) free: Receiver<Box<Job>>,
    pub(super) jobs: Sender<Box<Job>>,
    pub(super) end: Sender<ReaderEnd>,
}

/// What the reader tells when it has read everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReaderEnd {
    /// How many jobs it sent.
    pub(super) jobs: u64,
    /// Whether the limit ended it.
    pub(super) limited: bool,
}

impl Reader {
    /// Reads all inputs. Returns early, without a word, when the run is stopped.
    pub(super) fn run(self) {
        let started = Instant::now();
        let mut sequence = 0;
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut bytes_before = 0;
        let mut limited = false;
        // A job that turned out not to be needed: at the end of an input. To drop it would be one less that goes round.
        let mut spare = None;
        for (index, (input, format)) in self.inputs.iter().enumerate() {
            let mut source = match open_source(input, *format, self.limits) {
                Ok(source) => Some(source),
                Err(error) => {
                    let Some(mut job) = self.next_job(spare.take(), sequence, index, *format) else {
                        return;
                    };
                    job.batch.unread = Some(Unread::Segment(Box::new(damaged(&error))));
                    job.unopened = true;
                    sequence += 1;
                    if self.jobs.send(job).is_err() {
                        return;
                    }
                    None
                }
            };
            while let Some(open) = &mut source {
                if left == 0 {
                    limited = true;
                    break;
                }
                let Some(mut job) = self.next_job(spare.take(), sequence, index, *format) else {
                    return;
                };
                match open.fill(&mut job.batch, self.batch_bytes(started)) {
                    Ok(true) => {}
                    Ok(false) => {
                        spare = Some(job);
                        break;
                    }
                    Err(error) => {
                        job.batch.unread = Some(Unread::Segment(Box::new(damaged(&error))));
                        source = None;
                    }
                }
                if self.limit.is_some() {
                    left -= keep_records(&mut job.batch, *format, left);
                }
                job.charged = job.batch.raw().len();
                self.shared.budget.take(job.charged);
                if let Some(open) = &source {
                    self.shared
                        .meter
                        .bytes
                        .store(bytes_before + open.position(), Ordering::Relaxed);
                }
                sequence += 1;
                if self.shared.cancel.is_cancelled() || self.jobs.send(job).is_err() {
                    return;
                }
            }
            bytes_before += source.as_ref().map_or(0, |open| open.position());
        }
        // Nobody listens any more if the run was stopped in the meantime.
        let _ = self.end.send(ReaderEnd {
            jobs: sequence,
            limited,
        });
    }

    /// How many bytes to put into the next batch, judged by how fast the run has been so far.
    fn batch_bytes(&self, started: Instant) -> usize {
        let done = self.shared.meter.done.load(Ordering::Relaxed);
        let rate = done as f64 / started.elapsed().as_secs_f64().max(1e-3);
        ((rate * BATCH_TIME.as_secs_f64()) as usize).clamp(LEAST_BYTES, MOST_BYTES)
    }

    fn next_job(&self, spare: Option<Box<Job>>, sequence: u64, input: usize, format: Format) -> Option<Box<Job>> {
        let mut job = match spare {
            Some(job) => job,
            None => self.free.recv().ok()?,
        };
        job.clear();
        job.batch.sequence = sequence;
        job.batch.input = input as u32;
        job.format = format;
        Some(job)
    }
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
