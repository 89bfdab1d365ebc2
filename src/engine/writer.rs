//! The writer: one thread that puts batches back into order, writes their bytes, and keeps the account.

use crate::engine::job::{Job, Shared};
use crate::engine::outputs::Outputs;
use crate::engine::reader::ReaderEnd;
use crate::engine::statistics::Statistics;
use crate::error::{Error, Result};
use crate::io::LastLine;
use crate::ledger::Account;
use crossbeam_channel::{Receiver, Sender, never, select};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// The writer's belongings. They outlive its thread, because the outputs are committed by the calling thread.
pub(super) struct Writer {
    pub(super) outputs: Outputs,
    pub(super) statistics: Statistics,
    pub(super) read: Account,
    pub(super) accounted: Account,
    pub(super) limited: bool,
    last_line: LastLine,
}

/// The channels of the writer.
pub(super) struct WriterBelts {
    pub(super) done: Receiver<Box<Job>>,
    pub(super) end: Receiver<ReaderEnd>,
    pub(super) stop: Receiver<()>,
    pub(super) free: Sender<Box<Job>>,
}

impl Writer {
    pub(super) fn new(outputs: Outputs, statistics: Statistics) -> Self {
        Self {
            outputs,
            statistics,
            read: Account::default(),
            accounted: Account::default(),
            limited: false,
            last_line: LastLine::Nothing,
        }
    }

    /// Writes until everything that was read is written, or the run is stopped.
    pub(super) fn run(&mut self, belts: WriterBelts, shared: &Shared) {
        let WriterBelts {
            done,
            mut end,
            stop,
            free,
        } = belts;
        let mut waiting: BTreeMap<u64, Box<Job>> = BTreeMap::new();
        let mut next = 0;
        let mut jobs = None;
        while jobs != Some(next) {
            select! {
                recv(done) -> job => match job {
                    Ok(job) => { waiting.insert(job.batch.sequence, job); }
                    Err(_) => return,
                },
                recv(end) -> told => {
                    // The reader tells its end once. Without it, it was stopped, and so are we.
                    let Ok(told) = told else { return };
                    jobs = Some(told.jobs);
                    self.limited = told.limited;
                    end = never();
                },
                recv(stop) -> _ => return,
            }
            while let Some(mut job) = waiting.remove(&next) {
                if let Err(error) = self.write(&mut job, shared) {
                    return shared.fail(error);
                }
                next += 1;
                shared.budget.give(job.charged);
                // The reader may have ended already; then the job is not needed any more.
                let _ = free.send(job);
            }
        }
    }

    fn write(&mut self, job: &mut Job, shared: &Shared) -> Result<()> {
        if let Some(failure) = job.failure.take() {
            return Err(Error::Record(failure));
        }
        if self.last_line == LastLine::Unterminated && job.last_line != LastLine::Nothing {
            self.outputs.out.write(b"\n")?;
        }
        if job.last_line != LastLine::Nothing {
            self.last_line = job.last_line;
        }
        self.outputs.write(job)?;
        self.statistics.note(job);
        self.read.merge(&job.read);
        self.accounted.merge(&job.accounted);
        let meter = &shared.meter;
        meter.done.fetch_add(job.batch.raw().len() as u64, Ordering::Relaxed);
        meter.read.store(self.read.counts.read, Ordering::Relaxed);
        meter.out.store(self.accounted.counts.out, Ordering::Relaxed);
        meter.rejected.store(self.accounted.counts.rejected, Ordering::Relaxed);
        meter
            .quarantined
            .store(self.accounted.counts.quarantined, Ordering::Relaxed);
        Ok(())
    }
}
