//! Tells what became of a record: at which step it ended and why, and where what remains of it stands.

use crate::error::{ConfigError, Result, Shown, shown};
use crate::io::{Format, identities_of_table, identity_of_line};
use crate::ledger::reading::{CasualtyLine, Follower, Tick, each_line, ledger, manifest_bytes};
use crate::ledger::{FileEntry, LedgerRun, Manifest, ShardEntry, ShardFile};
use crate::record::Fate;
use memchr::memmem;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// The most records that one identity is told of.
const MOST_RECORDS: usize = 100;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordHistory {
    /// The input that it comes from.
    pub input: String,
    /// Its number there, counted from 0.
    pub ordinal: u64,
    /// Its own identity, if it has one.
    pub id: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// How many texts went out of it.
    pub texts: u32,
    /// The shard that it belongs to.
    pub shard: u64,
    /// Where what remains of it stands: its texts, or the line that holds the original.
    pub lines: Vec<LinePlace>,
    /// Why it, or a part of it, did not go out: one for each line that tells so.
    pub endings: Vec<Ending>,
}

/// A line of a file, or a row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinePlace {
    /// The file, in the directory.
    pub file: String,
    /// Where in it.
    #[serde(flatten)]
    pub number: PlaceNumber,
}

/// Which line of a file, or which row of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceNumber {
    /// The line, counted from 1.
    Line(u64),
    /// The row, counted from 1: the names of the columns are none, and a row of cells may take several lines.
    Row(u64),
}

/// Why a record, or a part of one, did not go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// The part, where a step had split the record.
    pub part: Option<u64>,
    /// The step; `None` if the record could not be read or written.
    pub step: Option<String>,
    /// The distribution and version of that step.
    pub distribution: Option<String>,
    /// The reason for a rejection.
    pub reason: Option<String>,
    /// The kind of a failure.
    pub kind: Option<String>,
    /// The class of the exception that a step raised.
    pub error: Option<String>,
    /// What a failure says of itself.
    pub message: Option<String>,
}

/// Tells what became of the records with an identity: their own, `INPUT:ORDINAL`, or an ordinal where there is one input.
pub fn why(path: &Path, id: &str, tick: &mut Tick<'_>) -> Result<Vec<RecordHistory>> {
    let manifest = Manifest::read(&manifest_bytes(path)?).map_err(|_| {
        ConfigError::new(format!("The manifest of `{}` is damaged.", Shown(path)))
            .with_hint("`text-processor verify` tells more.")
    })?;
    let archive = Archive {
        path,
        manifest: &manifest,
    };
    let mut found = archive.by_identity(id, tick)?;
    if found.is_empty() {
        found = archive.by_position(id)?;
    }
    if found.is_empty() {
        return Err(archive.unknown(id).into());
    }
    found.into_iter().map(|record| archive.history(record, tick)).collect()
}

/// A record: its shard, its input and its ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    shard: u64,
    input: u32,
    ordinal: u64,
}

struct Archive<'a> {
    path: &'a Path,
    manifest: &'a Manifest,
}

impl Archive<'_> {
    fn ledger_of(&self, shard: &ShardEntry) -> Result<Vec<LedgerRun>> {
        let damaged = |message: String| {
            ConfigError::new(format!("The ledger of shard {} cannot be used: {message}", shard.shard))
                .with_hint("`text-processor verify` tells what else is wrong.")
        };
        let Some(entry) = shard.file(ShardFile::Ledger) else {
            return Err(damaged("the manifest does not name it.".to_owned()).into());
        };
        ledger(&self.path.join(&entry.path), entry).map_err(|message| damaged(message).into())
    }

    /// The records that have this identity themselves.
    fn by_identity(&self, id: &str, tick: &mut Tick<'_>) -> Result<BTreeSet<Found>> {
        let mut found = BTreeSet::new();
        for shard in &self.manifest.shards {
            let mut runs = None;
            for kind in [ShardFile::Out, ShardFile::Rejected, ShardFile::Quarantined] {
                let Some(entry) = shard.file(kind) else { continue };
                let lines = self.lines_with(kind, entry, id, tick)?;
                if lines.is_empty() || found.len() >= MOST_RECORDS {
                    continue;
                }
                if runs.is_none() {
                    runs = Some(self.ledger_of(shard)?);
                }
                let Some(runs) = &runs else { continue };
                match kind {
                    ShardFile::Out => found.extend(of_texts(shard.shard, runs, &lines)),
                    _ => {
                        let wanted: BTreeSet<u64> = lines.into_iter().collect();
                        self.each_casualty(entry, runs, tick, |number, run, line| {
                            if let Some(ordinal) = line.ordinal.filter(|_| wanted.contains(&number)) {
                                found.insert(Found {
                                    shard: shard.shard,
                                    input: run.input,
                                    ordinal,
                                });
                            }
                        })?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// The numbers of the lines of a file whose record has an identity.
    fn lines_with(&self, kind: ShardFile, entry: &FileEntry, id: &str, tick: &mut Tick<'_>) -> Result<Vec<u64>> {
        let header = &self.manifest.header;
        let format = header.options.output_format;
        if kind == ShardFile::Out && format.has_columns() {
            let mut rows = Vec::new();
            identities_of_table(
                &self.path.join(&entry.path),
                format,
                &header.plan.id,
                |number, found| {
                    if found == Some(id) {
                        rows.push(number);
                    }
                },
            )?;
            tick()?;
            return Ok(rows);
        }
        let key = match kind {
            ShardFile::Out if header.options.output_format != Format::Jsonl => return Ok(Vec::new()),
            ShardFile::Out => header.plan.id.as_str(),
            _ => "id",
        };
        let depth = usize::try_from(header.options.json_depth).unwrap_or(usize::MAX);
        // Only lines that hold the identity, or may spell it with escapes, are looked into.
        let plain = memmem::Finder::new(id);
        let mut lines = Vec::new();
        each_line(&self.path.join(&entry.path), tick, |number, line| {
            let may_hold = plain.find(line).is_some() || memchr::memchr(b'\\', line).is_some();
            if may_hold && identity_of_line(line, key, depth + 1).as_deref() == Some(id) {
                lines.push(number);
            }
        })?;
        Ok(lines)
    }

    /// The records that `INPUT:ORDINAL` or an ordinal names.
    fn by_position(&self, id: &str) -> Result<BTreeSet<Found>> {
        let (name, ordinal) = match id.rsplit_once(':') {
            Some((name, ordinal)) => (Some(name), ordinal),
            None => (None, id),
        };
        let mut found = BTreeSet::new();
        let Ok(ordinal) = ordinal.parse::<u64>() else {
            return Ok(found);
        };
        for shard in &self.manifest.shards {
            if !may_hold(shard, ordinal) {
                continue;
            }
            for run in self.ledger_of(shard)? {
                if (run.ordinal..run.end()).contains(&ordinal) && name.is_none_or(|name| self.is_named(run.input, name))
                {
                    found.insert(Found {
                        shard: shard.shard,
                        input: run.input,
                        ordinal,
                    });
                }
            }
        }
        let inputs: BTreeSet<u32> = found.iter().map(|found| found.input).collect();
        if name.is_none() && inputs.len() > 1 {
            let first = inputs.first().map_or("", |&input| self.input_name(input));
            let message = format!("{} inputs have a record {ordinal}.", inputs.len());
            let hint = format!("Name the input too, as in `{}:{ordinal}`.", shown(first));
            return Err(ConfigError::new(message).with_hint(hint).into());
        }
        Ok(found)
    }

    fn input_name(&self, input: u32) -> &str {
        let input = self.manifest.header.inputs.get(input as usize);
        input.map_or("", |input| input.name.as_str())
    }

    /// Whether an input has this name, or a path that ends in it.
    fn is_named(&self, input: u32, name: &str) -> bool {
        let full = self.input_name(input);
        full == name || full.strip_suffix(name).is_some_and(|above| above.ends_with('/'))
    }

    fn unknown(&self, id: &str) -> ConfigError {
        let what = if self.manifest.end.is_some() {
            ""
        } else {
            " that is committed so far"
        };
        ConfigError::new(format!(
            "`{}` holds no record{what} with the identity `{}`.",
            Shown(self.path),
            shown(id)
        ))
        .with_hint(format!(
            "A record is named by its own identity (the key `{}`), or by its input and its number there, counted from 0: `in.jsonl:7`.",
            shown(&self.manifest.header.plan.id)
        ))
    }

    /// Calls `visit` with each line of a file of casualties that tells of a record, its number, and the record's run.
    fn each_casualty(
        &self,
        entry: &FileEntry,
        runs: &[LedgerRun],
        tick: &mut Tick<'_>,
        mut visit: impl FnMut(u64, LedgerRun, CasualtyLine),
    ) -> Result<()> {
        let mut follower = Follower::new(&self.manifest.header, runs);
        each_line(&self.path.join(&entry.path), tick, |number, line| {
            if let Ok(line) = serde_json::from_slice::<CasualtyLine>(line)
                && let Some(run) = follower.follow(&line)
            {
                visit(number, run, line);
            }
        })
    }

    fn history(&self, record: Found, tick: &mut Tick<'_>) -> Result<RecordHistory> {
        let shard = &self.manifest.shards[record.shard as usize];
        let runs = self.ledger_of(shard)?;
        let holds = |run: &&LedgerRun| run.input == record.input && (run.ordinal..run.end()).contains(&record.ordinal);
        let Some(run) = runs.iter().find(holds) else {
            return Err(self
                .unknown(&format!("{}:{}", self.input_name(record.input), record.ordinal))
                .into());
        };
        let mut history = RecordHistory {
            input: self.input_name(record.input).to_owned(),
            ordinal: record.ordinal,
            id: None,
            fate: run.run.fate,
            texts: run.run.texts,
            shard: record.shard,
            lines: Vec::new(),
            endings: Vec::new(),
        };
        self.add_texts(&mut history, shard, &runs, record, tick)?;
        for kind in [ShardFile::Rejected, ShardFile::Quarantined] {
            let Some(entry) = shard.file(kind) else { continue };
            self.each_casualty(entry, &runs, tick, |number, run, line| {
                if run.input == record.input && line.ordinal == Some(record.ordinal) {
                    history.add_ending(&entry.path, number, line);
                }
            })?;
        }
        Ok(history)
    }

    /// Adds where the texts of a record stand that went out, and its identity.
    fn add_texts(
        &self,
        history: &mut RecordHistory,
        shard: &ShardEntry,
        runs: &[LedgerRun],
        record: Found,
        tick: &mut Tick<'_>,
    ) -> Result<()> {
        let options = &self.manifest.header.options;
        let Some(entry) = shard.file(ShardFile::Out) else {
            return Ok(());
        };
        // Whole files are not told apart by lines.
        if history.texts == 0 || options.output_format == Format::File {
            return Ok(());
        }
        let first = 1 + texts_before(runs, record);
        let place = |number| LinePlace {
            file: entry.path.clone(),
            number: if options.output_format.has_columns() {
                PlaceNumber::Row(number)
            } else {
                PlaceNumber::Line(number)
            },
        };
        history
            .lines
            .extend((first..first + u64::from(history.texts)).map(place));
        if options.output_format.has_columns() {
            let path = self.path.join(&entry.path);
            identities_of_table(
                &path,
                options.output_format,
                &self.manifest.header.plan.id,
                |number, id| {
                    if number == first {
                        history.id = id.map(str::to_owned);
                    }
                },
            )?;
        }
        if options.output_format == Format::Jsonl {
            let depth = usize::try_from(options.json_depth).unwrap_or(usize::MAX);
            each_line(&self.path.join(&entry.path), tick, |number, line| {
                if number == first {
                    history.id = identity_of_line(line, &self.manifest.header.plan.id, depth + 1);
                }
            })?;
        }
        Ok(())
    }
}

impl RecordHistory {
    fn add_ending(&mut self, file: &str, number: u64, line: CasualtyLine) {
        self.id = self.id.take().or(match line.id {
            serde_json::Value::Null => None,
            serde_json::Value::String(id) => Some(id),
            other => Some(other.to_string()),
        });
        self.lines.push(LinePlace {
            file: file.to_owned(),
            number: PlaceNumber::Line(number),
        });
        self.endings.push(Ending {
            part: line.part,
            step: line.step,
            distribution: line.distribution,
            reason: line.reason,
            kind: line.kind,
            error: line.error,
            message: line.message,
        });
    }
}

/// Whether a shard can hold a record with this number. Of inputs that lie within it, only the ledger knows.
fn may_hold(shard: &ShardEntry, ordinal: u64) -> bool {
    let (begin, end) = (shard.begin, shard.end);
    begin.input != end.input || (begin.ordinal..end.ordinal).contains(&ordinal)
}

/// How many texts went out of the records before this one.
fn texts_before(runs: &[LedgerRun], record: Found) -> u64 {
    let mut texts = 0;
    for run in runs {
        let holds = run.input == record.input && (run.ordinal..run.end()).contains(&record.ordinal);
        let count = if holds {
            record.ordinal - run.ordinal
        } else {
            run.run.count
        };
        texts += count * u64::from(run.run.texts);
        if holds {
            break;
        }
    }
    texts
}

/// The records whose texts stand in these lines, which are sorted.
fn of_texts(shard: u64, runs: &[LedgerRun], lines: &[u64]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut lines = lines.iter().copied().peekable();
    let mut first = 1;
    for run in runs.iter().filter(|run| run.run.texts > 0) {
        let texts = u64::from(run.run.texts);
        let end = first + run.run.count * texts;
        while let Some(line) = lines.next_if(|&line| line < end) {
            found.push(Found {
                shard,
                input: run.input,
                ordinal: run.ordinal + (line - first) / texts,
            });
        }
        first = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::read_ledger;

    #[test]
    fn lines_and_records_find_each_other() {
        let runs = read_ledger("0:5 2o 1r 2o3 1q\n1:0 1o\n").unwrap();
        let record = |input, ordinal| Found {
            shard: 0,
            input,
            ordinal,
        };
        for (lines, expected) in [
            (1..=1, record(0, 5)),
            (2..=2, record(0, 6)),
            (3..=5, record(0, 8)),
            (6..=8, record(0, 9)),
            (9..=9, record(1, 0)),
        ] {
            assert_eq!(texts_before(&runs, expected) + 1, *lines.start());
            for line in lines {
                assert_eq!(of_texts(0, &runs, &[line]), [expected], "{line}");
            }
        }
        assert_eq!(of_texts(0, &runs, &[10]), []);
        assert_eq!(
            of_texts(0, &runs, &[1, 4, 9]),
            [record(0, 5), record(0, 8), record(1, 0)]
        );
    }
}
