//! What the steps did in a run: counted per batch by the writer, told in the report.

use crate::batch::Ending;
use crate::engine::job::Job;
use crate::ledger::{InputDamage, Report, ShardStatistics, StepCounts, StepReport};
use crate::plan::Plan;
use crate::record::Fate;
use crate::step::Origin;
use std::collections::BTreeMap;

/// The most reasons or kinds that are counted apart for one step: a plugin may make up a new reason for each record.
const REASONS: usize = 1000;
const OTHER: &str = "(other)";

/// The counts of a run, as far as it has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Statistics {
    steps: Vec<StepReport>,
    reader: StepReport,
    damage: Vec<InputDamage>,
    texts: u64,
    parts_rejected: u64,
    bytes_read: u64,
    pub(super) bytes_written: u64,
}

impl Statistics {
    pub(super) fn new(plan: &Plan) -> Self {
        let steps = plan.steps.iter().map(|planned| {
            let declaration = planned.step.declaration();
            let distribution = declaration.origin.as_ref().map(Origin::distribution_with_version);
            StepReport {
                name: declaration.name.clone(),
                distribution,
                ..StepReport::default()
            }
        });
        Self {
            steps: steps.collect(),
            ..Self::default()
        }
    }

    /// Counts what happened in a batch.
    pub(super) fn note(&mut self, job: &mut Job) {
        let batch = &job.batch;
        self.texts += job.texts;
        self.bytes_read += batch.bytes_read() as u64;
        for (report, tally) in self.steps.iter_mut().zip(&batch.steps) {
            report.entered += tally.entered;
            report.seconds += tally.nanoseconds as f64 / 1e9;
        }
        for casualty in &batch.casualties {
            let report = match casualty.step {
                Some(step) => &mut self.steps[usize::from(step)],
                None => &mut self.reader,
            };
            match &casualty.ending {
                Ending::Failed(failure) => count(&mut report.quarantined, failure.kind.name()),
                Ending::Rejected(reason) => {
                    count(&mut report.rejected, reason);
                    let source = batch.rows[casualty.row as usize].source;
                    if job.fates[source as usize] == Fate::Out {
                        self.parts_rejected += 1;
                    }
                }
            }
        }
        self.damage.extend(job.damage.take());
    }

    /// What was counted in a shard, for the manifest. Times are left out.
    pub(super) fn of_shard(&self) -> ShardStatistics {
        let steps = self.steps.iter().map(|step| StepCounts {
            entered: step.entered,
            rejected: step.rejected.clone(),
            quarantined: step.quarantined.clone(),
        });
        ShardStatistics {
            texts_out: self.texts,
            parts_rejected: self.parts_rejected,
            rejected_by_reader: self.reader.rejected.clone(),
            quarantined_by_reader: self.reader.quarantined.clone(),
            steps: steps.collect(),
            damage: self.damage.clone(),
            bytes_read: self.bytes_read,
            bytes_written: self.bytes_written,
        }
    }

    /// Adds what was counted in a shard, whichever sitting committed it.
    pub(super) fn add(&mut self, shard: &ShardStatistics) {
        self.texts += shard.texts_out;
        self.parts_rejected += shard.parts_rejected;
        self.bytes_read += shard.bytes_read;
        self.bytes_written += shard.bytes_written;
        self.damage.extend_from_slice(&shard.damage);
        add_all(&mut self.reader.rejected, &shard.rejected_by_reader);
        add_all(&mut self.reader.quarantined, &shard.quarantined_by_reader);
        for (step, counted) in self.steps.iter_mut().zip(&shard.steps) {
            step.entered += counted.entered;
            add_all(&mut step.rejected, &counted.rejected);
            add_all(&mut step.quarantined, &counted.quarantined);
        }
    }

    /// Adds the times of a shard that was made in this sitting.
    pub(super) fn add_times(&mut self, shard: &Self) {
        for (step, timed) in self.steps.iter_mut().zip(&shard.steps) {
            step.seconds += timed.seconds;
        }
    }

    /// Fills in the report what was counted.
    pub(super) fn tell(self, report: &mut Report) {
        report.texts_out = self.texts;
        report.parts_rejected = self.parts_rejected;
        report.rejected_by_reader = self.reader.rejected;
        report.quarantined_by_reader = self.reader.quarantined;
        report.steps = self.steps;
        report.damage = self.damage;
        report.bytes_read = self.bytes_read;
        report.bytes_written = self.bytes_written;
    }
}

fn count(counts: &mut BTreeMap<String, u64>, reason: &str) {
    add(counts, reason, 1);
}

fn add_all(counts: &mut BTreeMap<String, u64>, others: &BTreeMap<String, u64>) {
    for (reason, &number) in others {
        add(counts, reason, number);
    }
}

fn add(counts: &mut BTreeMap<String, u64>, reason: &str, number: u64) {
    let known = if counts.len() < REASONS || counts.contains_key(reason) {
        reason
    } else {
        OTHER
    };
    match counts.get_mut(known) {
        Some(count) => *count += number,
        None => {
            counts.insert(known.to_owned(), number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_reasons_do_not_fill_the_memory() {
        let mut counts = BTreeMap::new();
        for number in 0..REASONS + 50 {
            count(&mut counts, &format!("reason {number}"));
        }
        count(&mut counts, "reason 7");
        assert_eq!((counts.len(), counts[OTHER], counts["reason 7"]), (REASONS + 1, 50, 2));
    }
}
