//! The writer: writes the bytes of batches, in order, and keeps the account.

use crate::engine::RunOptions;
use crate::engine::job::{Job, Meter};
use crate::engine::outputs::Outputs;
use crate::engine::statistics::Statistics;
use crate::error::{Error, Result, StopError};
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
    most_quarantined: u64,
    most_quarantined_bytes: u64,
}

impl Writer {
    pub(super) fn new(outputs: Outputs, statistics: Statistics, options: &RunOptions) -> Self {
        Self {
            outputs,
            statistics,
            read: Account::default(),
            accounted: Account::default(),
            last_line: LastLine::Nothing,
            most_quarantined: options.quarantine_limit.unwrap_or(u64::MAX),
            most_quarantined_bytes: options.quarantine_bytes.unwrap_or(u64::MAX),
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
        self.check_quarantine()?;
        meter.done.fetch_add(job.batch.raw().len() as u64, Ordering::Relaxed);
        meter.read.store(self.read.counts.read, Ordering::Relaxed);
        meter.out.store(self.accounted.counts.out, Ordering::Relaxed);
        meter.rejected.store(self.accounted.counts.rejected, Ordering::Relaxed);
        meter
            .quarantined
            .store(self.accounted.counts.quarantined, Ordering::Relaxed);
        Ok(())
    }

    /// Stops a run whose records fail as if something were wrong with the whole of it.
    fn check_quarantine(&self) -> Result<()> {
        let (records, bytes) = (self.accounted.counts.quarantined, self.outputs.bytes_quarantined());
        if records > self.most_quarantined {
            let limit = self.most_quarantined;
            return Err(StopError::quarantine_limit(format_args!("more than {limit} records")).into());
        }
        if bytes > self.most_quarantined_bytes {
            let limit = self.most_quarantined_bytes;
            return Err(StopError::quarantine_limit(format_args!("more than {limit} bytes")).into());
        }
        Ok(())
    }
}
