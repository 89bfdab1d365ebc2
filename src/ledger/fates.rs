//! Settles what became of each record of a batch.
//!
//! A record that was not split has one row, and the row's state is its fate. One that was split has a row per part:
//! if any part failed, the whole record is quarantined and none of its parts goes out, so that the quarantined original
//! can be run again without doubling anything; otherwise it is out if any part is, and rejected if none is.

use crate::batch::{Batch, Ending, State};
use crate::record::Fate;

/// Settles the fates of a batch's records, one per source record. Afterwards the live rows are those to be written, and the casualties,
/// in the order of their rows, are those to be told of: one for each record that did not go out, and one for each
/// rejected part of a record that did.
pub fn settle(batch: &mut Batch, fates: &mut Vec<Fate>) {
    fates.clear();
    if batch.casualties.is_empty() {
        fates.resize(batch.sources.len(), Fate::Out);
        return;
    }
    // A record without a row has no text, and goes out as it came.
    fates.resize(batch.sources.len(), Fate::Out);
    for row in &batch.rows {
        fates[row.source as usize] = Fate::Rejected;
    }
    for row in &batch.rows {
        let fate = &mut fates[row.source as usize];
        match (row.state, *fate) {
            (State::Quarantined, _) => *fate = Fate::Quarantined,
            (State::Live, Fate::Rejected) => *fate = Fate::Out,
            _ => {}
        }
    }
    for row in &mut batch.rows {
        if fates[row.source as usize] == Fate::Quarantined {
            row.state = State::Quarantined;
        }
    }
    batch.casualties.sort_by_key(|casualty| casualty.row);
    let rows = &batch.rows;
    let mut told = None;
    batch.casualties.retain(|casualty| {
        let source = rows[casualty.row as usize].source;
        let wanted = match (fates[source as usize], &casualty.ending) {
            (Fate::Out, Ending::Rejected(_)) => return true,
            (Fate::Quarantined, Ending::Failed(_)) | (Fate::Rejected, Ending::Rejected(_)) => told != Some(source),
            _ => false,
        };
        if wanted {
            told = Some(source);
        }
        wanted
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Row, SourceRecord};
    use crate::error::{Failure, FailureKind};

    fn batch_of(parts: &[u32]) -> Batch {
        let mut batch = Batch::new();
        for (index, &count) in parts.iter().enumerate() {
            batch.sources.push(SourceRecord {
                ordinal: index as u64,
                ..SourceRecord::default()
            });
            for part in 0..count {
                batch.rows.push(Row {
                    source: index as u32,
                    part,
                    ..Row::default()
                });
            }
        }
        batch
    }

    fn failure() -> Failure {
        Failure::new(FailureKind::StepError, "It failed.")
    }

    #[test]
    fn each_record_meets_one_fate() {
        let mut batch = batch_of(&[1, 1, 1]);
        batch.quarantine(2, Some(0), failure());
        batch.reject(1, Some(0), "short".into());
        let mut fates = Vec::new();
        settle(&mut batch, &mut fates);
        assert_eq!(fates, [Fate::Out, Fate::Rejected, Fate::Quarantined]);
        assert_eq!(
            batch.casualties.iter().map(|casualty| casualty.row).collect::<Vec<_>>(),
            [1, 2]
        );
    }

    #[test]
    fn one_failed_part_takes_its_record_with_it() {
        let mut batch = batch_of(&[3, 2]);
        batch.reject(0, Some(0), "short".into());
        batch.quarantine(1, Some(1), failure());
        batch.quarantine(2, Some(1), failure());
        let mut fates = Vec::new();
        settle(&mut batch, &mut fates);
        assert_eq!(fates, [Fate::Quarantined, Fate::Out]);
        assert_eq!(batch.casualties.len(), 1);
        assert_eq!(batch.rows.iter().filter(|row| row.state == State::Live).count(), 2);
    }

    #[test]
    fn rejected_parts_of_a_record_that_goes_out_are_told_of() {
        let mut batch = batch_of(&[3, 2]);
        batch.reject(1, Some(0), "short".into());
        batch.reject(3, Some(0), "short".into());
        batch.reject(4, Some(0), "short".into());
        let mut fates = Vec::new();
        settle(&mut batch, &mut fates);
        assert_eq!(fates, [Fate::Out, Fate::Rejected]);
        assert_eq!(
            batch.casualties.iter().map(|casualty| casualty.row).collect::<Vec<_>>(),
            [1, 3]
        );
    }
}
