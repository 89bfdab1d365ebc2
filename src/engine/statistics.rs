//! What the steps did in a run: counted per batch by the writer, told in the report.

use crate::batch::Ending;
use crate::engine::job::Job;
use crate::ledger::{InputDamage, Report, StepReport};
use crate::plan::Plan;
use crate::record::Fate;
use crate::step::Origin;
use std::collections::BTreeMap;

/// The most reasons or kinds that are counted apart for one step: a plugin may make up a new reason for each record.
const REASONS: usize = 1000;
const OTHER: &str = "(other)";

/// The counts of a run, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    steps: Vec<StepReport>,
    reader: StepReport,
    damage: Vec<InputDamage>,
    texts: u64,
    parts_rejected: u64,
    bytes_read: u64,
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
        self.bytes_read += batch.raw().len() as u64;
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

    /// Fills in the report what was counted.
    pub(super) fn tell(self, report: &mut Report) {
        report.texts_out = self.texts;
        report.parts_rejected = self.parts_rejected;
        report.rejected_by_reader = self.reader.rejected;
        report.quarantined_by_reader = self.reader.quarantined;
        report.steps = self.steps;
        report.damage = self.damage;
        report.bytes_read = self.bytes_read;
    }
}

fn count(counts: &mut BTreeMap<String, u64>, reason: &str) {
    let known = if counts.len() < REASONS || counts.contains_key(reason) {
        reason
    } else {
        OTHER
    };
    match counts.get_mut(known) {
        Some(count) => *count += 1,
        None => {
            counts.insert(known.to_owned(), 1);
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
