//! The writer: writes the bytes of batches, in order, and keeps the account.

use crate::engine::job::{Job, Meter};
use crate::engine::outputs::Outputs;
use crate::engine::statistics::Statistics;
use crate::error::{Error, Result};
use crate::io::LastLine;
use crate::ledger::Account;
use std::sync::atomic::Ordering;

/// The outputs of a run, and what has been written to them. One worker at a time has it.
pub(super) struct Writer {
    pub(super) outputs: Outputs,
    pub(super) statistics: Statistics,
    pub(super) read: Account,
    pub(super) accounted: Account,
    last_line: LastLine,
}

impl Writer {
    pub(super) fn new(outputs: Outputs, statistics: Statistics) -> Self {
        Self {
            outputs,
            statistics,
            read: Account::default(),
            accounted: Account::default(),
            last_line: LastLine::Nothing,
        }
    }

    /// Writes what was made of a batch. Batches come in the order of the inputs.
    pub(super) fn write(&mut self, job: &mut Job, meter: &Meter) -> Result<()> {
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
