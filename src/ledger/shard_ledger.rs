//! The ledger of a shard: the fate of each of its records, in order, as text that a person can read.
//!
//! ```text
//! 0:0 120o 1r 1q 14o 1o3
//! 1:0 7o
//! ```
//! A line begins with the number of the input and the ordinal of its first record there. Then come runs of records with
//! one fate: `120o` are 120 records that went out, `1r` was rejected, `1q` is quarantined, and `1o3` went out as three
//! texts. Ordinals count on within a line. The text depends on the fates only, never on how they were cut into batches.

use crate::batch::{Batch, State};
use crate::record::Fate;
use std::fmt::Write as _;

/// How many runs a line holds at most.
const RUNS_IN_LINE: usize = 100;

/// Records in a row that met one fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FateRun {
    /// How many.
    pub count: u64,
    /// Their fate.
    pub fate: Fate,
    /// How many texts went out of each.
    pub texts: u32,
}

impl FateRun {
    /// Adds another run, if it tells the same of its records.
    fn absorb(&mut self, other: Self) -> bool {
        let same = (self.fate, self.texts) == (other.fate, other.texts);
        if same {
            self.count += other.count;
        }
        same
    }
}

/// Tells the fates of a settled batch in runs.
pub fn runs(batch: &Batch, fates: &[Fate], runs: &mut Vec<FateRun>) {
    runs.clear();
    let mut add = |run: FateRun| {
        if run.count > 0 && !runs.last_mut().is_some_and(|last| last.absorb(run)) {
            runs.push(run);
        }
    };
    // A row of a table whose text is null may pass without a row here.
    let has_all = batch.columns.is_none() || batch.rows.iter().zip(0..).all(|(row, index)| row.source == index);
    if batch.casualties.is_empty() && batch.rows.len() == batch.sources.len() && has_all {
        return add(FateRun {
            count: fates.len() as u64,
            fate: Fate::Out,
            texts: 1,
        });
    }
    let mut rows = batch.rows.iter().peekable();
    for (source, &fate) in (0_u32..).zip(fates) {
        let has_row = rows.peek().is_some_and(|row| row.source == source);
        let mut texts = u32::from(!has_row && fate == Fate::Out);
        while let Some(row) = rows.next_if(|row| row.source == source) {
            texts += u32::from(row.state == State::Live);
        }
        add(FateRun { count: 1, fate, texts });
    }
}

/// A run with the place of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerRun {
    /// The index of the input.
    pub input: u32,
    /// The ordinal of the first record.
    pub ordinal: u64,
    /// What it tells of the records.
    pub run: FateRun,
}

impl LedgerRun {
    /// The ordinal behind the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.ordinal + self.run.count
    }
}

/// A ledger that is being written.
#[derive(Debug, Default)]
pub struct ShardLedger {
    text: String,
    /// The run that may still grow.
    last: Option<LedgerRun>,
    /// How many runs the last line holds, and what comes behind it.
    runs: usize,
    next: Option<(u32, u64)>,
    lines: u64,
}

impl ShardLedger {
    /// Adds the runs of records of one input, in the order of the inputs.
    pub fn add(&mut self, input: u32, first_ordinal: u64, runs: &[FateRun]) {
        let mut ordinal = first_ordinal;
        for &run in runs {
            let next = LedgerRun { input, ordinal, run };
            let grown = self
                .last
                .as_mut()
                .is_some_and(|last| last.input == input && last.end() == ordinal && last.run.absorb(run));
            if !grown {
                self.write_last();
                self.last = Some(next);
            }
            ordinal += run.count;
        }
    }

    fn write_last(&mut self) {
        let Some(last) = self.last.take() else { return };
        let FateRun { count, fate, texts } = last.run;
        if self.next != Some((last.input, last.ordinal)) || self.runs == RUNS_IN_LINE {
            if self.lines > 0 {
                self.text.push('\n');
            }
            // Writing to memory does not fail.
            let _ = write!(self.text, "{}:{}", last.input, last.ordinal);
            self.lines += 1;
            self.runs = 0;
        }
        let _ = write!(self.text, " {count}{}", letter(fate));
        if fate == Fate::Out && texts != 1 {
            let _ = write!(self.text, "{texts}");
        }
        self.runs += 1;
        self.next = Some((last.input, last.end()));
    }

    /// The whole text, and how many lines it has.
    #[must_use]
    pub fn finish(mut self) -> (String, u64) {
        self.write_last();
        if self.lines > 0 {
            self.text.push('\n');
        }
        (self.text, self.lines)
    }
}

fn letter(fate: Fate) -> char {
    match fate {
        Fate::Out => 'o',
        Fate::Rejected => 'r',
        Fate::Quarantined => 'q',
    }
}

/// Reads a ledger. The error says in which line, counted from 1, something else stands.
pub fn read_ledger(text: &str) -> Result<Vec<LedgerRun>, usize> {
    let mut runs = Vec::new();
    for (number, line) in (1_usize..).zip(text.split_terminator('\n')) {
        read_line(line, &mut runs).ok_or(number)?;
    }
    if text.is_empty() || text.ends_with('\n') {
        Ok(runs)
    } else {
        Err(text.split_terminator('\n').count())
    }
}

fn read_line(line: &str, runs: &mut Vec<LedgerRun>) -> Option<()> {
    let mut words = line.split(' ');
    let (input, ordinal) = words.next()?.split_once(':')?;
    let input = number(input)?;
    let mut ordinal: u64 = number(ordinal)?;
    for word in words {
        let split = word.find(|character: char| !character.is_ascii_digit())?;
        let (count, rest) = word.split_at(split);
        let (letter, texts) = rest.split_at_checked(1)?;
        let (fate, texts) = match (letter, texts) {
            ("o", "") => (Fate::Out, 1),
            ("o", texts) => (Fate::Out, number(texts)?),
            ("r", "") => (Fate::Rejected, 0),
            ("q", "") => (Fate::Quarantined, 0),
            _ => return None,
        };
        let count = number(count).filter(|&count| count > 0)?;
        let run = FateRun { count, fate, texts };
        runs.push(LedgerRun { input, ordinal, run });
        ordinal = ordinal.checked_add(count)?;
    }
    Some(())
}

/// A number as it is written here: digits only.
fn number<N: std::str::FromStr>(digits: &str) -> Option<N> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Row, SourceRecord};
    use crate::error::{Failure, FailureKind};
    use crate::ledger::settle;
    use proptest::prelude::*;

    fn fate_of(kind: u32) -> (Fate, u32) {
        match kind {
            0 => (Fate::Rejected, 0),
            1 => (Fate::Quarantined, 0),
            texts => (Fate::Out, texts - 1),
        }
    }

    fn write(records: &[(Fate, u32)], cuts: &[usize], input: u32, first: u64, ledger: &mut ShardLedger) {
        let mut from = 0;
        for &to in cuts.iter().chain([&records.len()]) {
            let (from_now, to) = (from, to.clamp(from, records.len()));
            let runs: Vec<FateRun> = records[from_now..to]
                .iter()
                .map(|&(fate, texts)| FateRun { count: 1, fate, texts })
                .collect();
            ledger.add(input, first + from_now as u64, &runs);
            from = to;
        }
    }

    #[test]
    fn it_reads_as_the_documentation_says() {
        let mut ledger = ShardLedger::default();
        let run = |count, fate, texts| FateRun { count, fate, texts };
        ledger.add(
            0,
            0,
            &[
                run(120, Fate::Out, 1),
                run(1, Fate::Rejected, 0),
                run(1, Fate::Quarantined, 0),
            ],
        );
        ledger.add(0, 122, &[run(14, Fate::Out, 1), run(1, Fate::Out, 3)]);
        ledger.add(1, 0, &[run(7, Fate::Out, 1)]);
        assert_eq!(ledger.finish(), ("0:0 120o 1r 1q 14o 1o3\n1:0 7o\n".to_owned(), 2));
        assert_eq!(ShardLedger::default().finish(), (String::new(), 0));
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, line) in [
            ("0:0 1o", 1),
            ("0:0 1o\n0:1 1x\n", 2),
            ("0:0 0o\n", 1),
            ("0:0 1r2\n", 1),
            ("0 1o\n", 1),
            ("0:+1 1o\n", 1),
            ("0:0  1o\n", 1),
            ("\n", 1),
            ("0:18446744073709551615 1o\n", 1),
        ] {
            assert_eq!(read_ledger(text), Err(line), "{text:?}");
        }
    }

    #[test]
    fn a_batch_is_told_in_runs() {
        let mut batch = Batch::new();
        for (source, parts) in [1, 1, 3, 1, 2].into_iter().enumerate() {
            batch.sources.push(SourceRecord::default());
            for part in 0..parts {
                batch.rows.push(Row {
                    source: source as u32,
                    part,
                    ..Row::default()
                });
            }
        }
        let mut fates = Vec::new();
        batch.reject(3, None, "short".into());
        batch.quarantine(5, None, Failure::new(FailureKind::StepError, "It failed."));
        settle(&mut batch, &mut fates);
        let mut told = Vec::new();
        runs(&batch, &fates, &mut told);
        let run = |count, fate, texts| FateRun { count, fate, texts };
        assert_eq!(
            told,
            [
                run(2, Fate::Out, 1),
                run(1, Fate::Out, 2),
                run(1, Fate::Quarantined, 0),
                run(1, Fate::Out, 2)
            ]
        );
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_batches_leave_no_trace(
            kinds in prop::collection::vec(0_u32..5, 1..400),
            mut cuts in prop::collection::vec(0_usize..400, 0..6),
            first in 0_u64..1_000_000,
        ) {
            cuts.sort_unstable();
            let records: Vec<(Fate, u32)> = kinds.iter().map(|&kind| fate_of(kind)).collect();
            let (mut whole, mut pieces) = (ShardLedger::default(), ShardLedger::default());
            write(&records, &[], 3, first, &mut whole);
            write(&records, &cuts, 3, first, &mut pieces);
            let text = whole.finish();
            prop_assert_eq!(&text, &pieces.finish());
            let mut read = Vec::new();
            let mut next = first;
            for run in read_ledger(&text.0).unwrap() {
                prop_assert_eq!((run.input, run.ordinal), (3, next));
                next = run.end();
                read.extend((0..run.run.count).map(|_| (run.run.fate, run.run.texts)));
            }
            prop_assert_eq!(read, records);
        }
    }
}
