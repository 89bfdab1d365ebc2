//! The writer: writes the bytes of batches, in order, and keeps the account.

use crate::engine::RunOptions;
use crate::engine::attend::with_pulse;
use crate::engine::job::{Job, Meter, Shared};
use crate::engine::outputs::Outputs;
use crate::engine::shards::Shards;
use crate::engine::statistics::Statistics;
use crate::engine::tables::Tables;
use crate::error::{Error, Result, StopError};
use crate::io::EncodedGroup;
use crate::ledger::{Account, Report, ShardEntry};
use arrow_array::RecordBatch;
use std::sync::atomic::Ordering;

/// Where the bytes go.
pub(super) enum Destination {
    /// To a file for each fate, or to standard output.
    Files(Box<Outputs>),
    /// To the shards of a directory.
    Shards(Box<Shards>),
    /// Into memory, as tables.
    Tables(Box<Tables>),
}

/// The outputs of a run, and what has been written to them. One worker at a time has it.
pub(super) struct Writer {
    destination: Destination,
    pub(super) statistics: Statistics,
    pub(super) read: Account,
    pub(super) accounted: Account,
    /// How many bytes of quarantine were written.
    quarantined_bytes: u64,
    most_quarantined: u64,
    most_quarantined_bytes: u64,
}

impl Writer {
    pub(super) fn new(destination: Destination, statistics: Statistics, options: &RunOptions) -> Self {
        Self {
            destination,
            statistics,
            read: Account::default(),
            accounted: Account::default(),
            quarantined_bytes: 0,
            most_quarantined: options.quarantine_limit.unwrap_or(u64::MAX),
            most_quarantined_bytes: options.quarantine_bytes.unwrap_or(u64::MAX),
        }
    }

    /// Counts what earlier sittings committed.
    pub(super) fn count_earlier(&mut self, shards: &[ShardEntry]) {
        for shard in shards {
            self.statistics.add(&shard.statistics);
            self.read.merge(&shard.account_of_read());
            self.accounted.merge(&shard.account_of_fates());
        }
    }

    /// Writes what was made of a batch. Batches come in the order of the inputs.
    pub(super) fn write(&mut self, job: &mut Job, meter: &Meter) -> Result<()> {
        if let Some(failure) = job.failure.take() {
            return Err(Error::Record(failure));
        }
        match &mut self.destination {
            Destination::Files(outputs) => {
                outputs.write(job)?;
                self.statistics.note(job);
            }
            Destination::Shards(shards) => shards.write(job, &mut self.statistics)?,
            Destination::Tables(tables) => {
                tables.add(job)?;
                self.statistics.note(job);
            }
        }
        self.read.merge(&job.read);
        self.accounted.merge(&job.accounted);
        self.quarantined_bytes += job.quarantined.len() as u64;
        self.check_quarantine()?;
        meter.done.fetch_add(job.batch.bytes_read() as u64, Ordering::Relaxed);
        meter.read.store(self.read.counts.read, Ordering::Relaxed);
        meter.out.store(self.accounted.counts.out, Ordering::Relaxed);
        meter.rejected.store(self.accounted.counts.rejected, Ordering::Relaxed);
        meter
            .quarantined
            .store(self.accounted.counts.quarantined, Ordering::Relaxed);
        Ok(())
    }

    /// How many bytes of rows wait to be encoded, or are being encoded.
    pub(super) fn held(&self) -> usize {
        match &self.destination {
            Destination::Files(outputs) => outputs.held(),
            Destination::Shards(shards) => shards.held(),
            Destination::Tables(_) => 0,
        }
    }

    /// Takes back a group of rows that was encoded.
    pub(super) fn join(&mut self, group: EncodedGroup) -> Result<()> {
        match &mut self.destination {
            Destination::Files(outputs) => outputs.join(group),
            Destination::Shards(shards) => shards.join(group, &mut self.statistics),
            Destination::Tables(_) => Ok(()),
        }
    }

    /// Stops a run whose records fail as if something were wrong with the whole of it.
    fn check_quarantine(&self) -> Result<()> {
        let (records, bytes) = (self.accounted.counts.quarantined, self.quarantined_bytes);
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

    /// Finishes what is written: of an output directory the last shard, and waits until all are committed. `pulse` is called
    /// meanwhile.
    pub(super) fn finish(&mut self, shared: &Shared, pulse: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        match &mut self.destination {
            Destination::Files(outputs) if shared.has_failed() => {
                outputs.give_up();
                Ok(())
            }
            Destination::Files(outputs) => outputs.finish(pulse),
            Destination::Tables(_) => Ok(()),
            Destination::Shards(shards) => {
                if !shared.has_failed() {
                    shards.close_last(&mut self.statistics, pulse)?;
                }
                shards.wait(pulse)
            }
        }
    }

    /// Fills in the report what was counted.
    pub(super) fn tell(&mut self, report: &mut Report) {
        if let Destination::Files(outputs) = &self.destination {
            self.statistics.bytes_written = outputs.bytes_out();
        }
        report.counts = self.accounted.counts;
        report.counts.read = self.read.counts.read;
        report.fingerprint = self.read.fingerprint.to_string();
        std::mem::take(&mut self.statistics).tell(report);
    }

    /// The tables that were made, if it is those that are made.
    pub(super) fn take_tables(&mut self) -> Result<Vec<RecordBatch>> {
        match &mut self.destination {
            Destination::Tables(tables) => tables.take(),
            Destination::Files(_) | Destination::Shards(_) => Ok(Vec::new()),
        }
    }

    /// Makes everything appear that has not, and tells of it in the report.
    pub(super) fn commit(self, report: &mut Report, pulse: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        match self.destination {
            Destination::Files(outputs) => {
                report.files = with_pulse(pulse, |cancel| outputs.commit(cancel))?;
                Ok(())
            }
            Destination::Shards(shards) => {
                let fingerprint = self.read.fingerprint;
                with_pulse(pulse, |cancel| shards.complete(report, fingerprint, cancel))
            }
            Destination::Tables(_) => Ok(()),
        }
    }
}
