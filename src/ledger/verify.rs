//! Proves conservation again, from the files of an output directory alone.
//!
//! Of each shard, what was read is known by the manifest. What became of it is read from the ledger (which records went
//! out) and from the lines of the rejected and quarantined records. Both must be the same records: in number, and by the
//! fingerprint of their identities. Before that, each file must be what was committed, byte for byte.

use crate::error::Result;
use crate::io::{Format, names_in, read_stored, rows_of_table};
use crate::ledger::reading::{
    CasualtyLine, Follower, Tick, checksum_of, count_lines, each_line, ledger, manifest_bytes,
};
use crate::ledger::{
    Account, Counts, FileEntry, LedgerRun, MANIFEST, Manifest, ManifestFlaw, REPORT, ShardEntry, ShardFile, Tail,
};
use crate::record::{Fate, Place};
use serde::Serialize;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

/// The most findings that are told. A damaged disk has more than anybody reads.
const MOST_FINDINGS: usize = 100;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, in the directory.
    pub file: String,
    /// The shard, if it is about one.
    pub shard: Option<u64>,
    /// A finished sentence.
    pub message: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether the run is complete. Its committed shards are verified either way.
    pub complete: bool,
    /// How many shards were verified.
    pub shards: u64,
    /// How many files.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// How many records met each fate, by the files.
    pub counts: Counts,
    /// The fingerprint of their identities, by the files.
    pub fingerprint: String,
    /// What is wrong: at most a hundred findings.
    pub findings: Vec<Finding>,
    #[serde(skip)]
    account: Account,
}

impl Verification {
    /// The exit code: 0 if all is well, 5 if something is damaged, 8 if the run is not complete.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.findings.is_empty(), self.complete) {
            (false, _) => 5,
            (true, false) => 8,
            (true, true) => 0,
        }
    }

    fn find(&mut self, file: impl Into<String>, shard: Option<u64>, message: impl Into<String>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding {
                file: file.into(),
                shard,
                message: message.into(),
            });
        }
    }
}

/// Verifies an output directory.
pub fn verify(path: &Path, tick: &mut Tick<'_>) -> Result<Verification> {
    let mut found = Verification::default();
    let manifest = match Manifest::read(&manifest_bytes(path)?) {
        Ok(manifest) => manifest,
        Err(flaw) => {
            found.find(
                MANIFEST,
                None,
                match flaw {
                    ManifestFlaw::NoHeader => "It does not begin as a manifest does.".to_owned(),
                    ManifestFlaw::OtherFormat(format) => format!("It has the format {format}, which is not known."),
                    ManifestFlaw::Line(line) => format!("Line {line} is not what was written."),
                },
            );
            return Ok(found);
        }
    };
    found.complete = manifest.end.is_some();
    if manifest.tail == Some(Tail::Damaged) {
        let line = manifest.shards.len() + 2 + usize::from(found.complete);
        found.find(MANIFEST, None, format!("Line {line} is not what was written."));
    }
    for shard in &manifest.shards {
        let mut verifier = ShardVerifier {
            path,
            manifest: &manifest,
            shard,
            found: &mut found,
        };
        verifier.verify(tick)?;
        found.shards += 1;
    }
    verify_end(path, &manifest, &mut found);
    found.counts = found.account.counts;
    found.fingerprint = found.account.fingerprint.to_string();
    Ok(found)
}

/// Compares the sums over all shards with the closing line and the report, and looks for files that nobody committed.
fn verify_end(path: &Path, manifest: &Manifest, found: &mut Verification) {
    let Some(end) = &manifest.end else { return };
    let mut account = Account::default();
    for shard in &manifest.shards {
        account.merge(&shard.account_of_read());
        account.merge(&Account {
            fingerprint: crate::ledger::Fingerprint::default(),
            ..shard.account_of_fates()
        });
    }
    if account.counts != end.counts || account.fingerprint != end.fingerprint {
        found.find(
            MANIFEST,
            None,
            "The closing line does not tell of the sum of the shards.",
        );
    }
    let report = read_stored(&path.join(REPORT)).ok();
    let report = report.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    let told = report.and_then(|mut report| serde_json::from_value::<Counts>(report["counts"].take()).ok());
    if told != Some(end.counts) {
        found.find(
            REPORT,
            None,
            "It is missing, or does not tell of what the manifest tells of.",
        );
    }
    let known: HashSet<&str> = manifest
        .shards
        .iter()
        .flat_map(|shard| &shard.files)
        .map(|file| file.path.as_str())
        .collect();
    for kind in ShardFile::ALL {
        let names = names_in(&path.join(kind.folder())).into_iter();
        let names = names.map(|name| format!("{}/{name}", kind.folder()));
        for stranger in names.filter(|name| !known.contains(name.as_str())) {
            found.find(
                stranger,
                None,
                "The manifest does not name it, so it is no part of the run.",
            );
        }
    }
}

/// Verifies one shard.
struct ShardVerifier<'v> {
    path: &'v Path,
    manifest: &'v Manifest,
    shard: &'v ShardEntry,
    found: &'v mut Verification,
}

impl ShardVerifier<'_> {
    fn find(&mut self, file: &str, message: impl Into<String>) {
        self.found.find(file, Some(self.shard.shard), message);
    }

    fn verify(&mut self, tick: &mut Tick<'_>) -> Result<()> {
        let mut whole = true;
        let shard = self.shard;
        for entry in &shard.files {
            whole &= self.verify_bytes(entry, tick)?;
        }
        // What is not what was committed is not worth being looked into.
        if !whole {
            return Ok(());
        }
        let (Some(ledger_entry), Some(out)) = (shard.file(ShardFile::Ledger), shard.file(ShardFile::Out)) else {
            self.find(MANIFEST, "It names no ledger or no output of the shard.");
            return Ok(());
        };
        let runs = match ledger(&self.path.join(&ledger_entry.path), ledger_entry) {
            Ok(runs) => runs,
            Err(message) => {
                self.find(&ledger_entry.path, message);
                return Ok(());
            }
        };
        self.verify_ledger(&ledger_entry.path, &runs);
        self.verify_texts(out, &runs, tick)?;
        let mut account = out_of(&runs);
        self.verify_casualties(Fate::Rejected, &runs, &mut account, tick)?;
        self.verify_casualties(Fate::Quarantined, &runs, &mut account, tick)?;
        let expected = shard.account_of_fates();
        let read = account.counts.out + account.counts.rejected + account.counts.quarantined;
        if account != expected || read != shard.counts.read || account.fingerprint != shard.read {
            self.find(
                MANIFEST,
                format!(
                    "The account of the shard does not add up: {} records were read; by the files {} went out, {} were \
                     rejected and {} are quarantined.",
                    shard.counts.read, account.counts.out, account.counts.rejected, account.counts.quarantined
                ),
            );
        }
        account.counts.read = read;
        self.found.account.merge(&account);
        Ok(())
    }

    /// Whether a file is, byte for byte, what was committed.
    fn verify_bytes(&mut self, entry: &FileEntry, tick: &mut Tick<'_>) -> Result<bool> {
        let message = match checksum_of(&self.path.join(&entry.path), tick) {
            Err(error) if error.kind() == ErrorKind::NotFound => "It is missing.".to_owned(),
            Err(error) => {
                let reason = error.to_string();
                format!("It cannot be read: {}.", reason.trim_end_matches('.'))
            }
            Ok(checksum) => {
                let checksum = checksum?;
                self.found.files += 1;
                self.found.bytes += checksum.length();
                if checksum.length() != entry.size {
                    format!("It has {} bytes; {} were committed.", checksum.length(), entry.size)
                } else if checksum.to_string() != entry.checksum {
                    format!("Its checksum is {checksum}; {} was committed.", entry.checksum)
                } else {
                    return Ok(true);
                }
            }
        };
        self.find(&entry.path, message);
        Ok(false)
    }

    /// The ledger must tell of every record from the shard's beginning to its end, once and in order.
    fn verify_ledger(&mut self, path: &str, runs: &[LedgerRun]) {
        let (mut next, end) = (self.shard.begin, self.shard.end);
        let follows = |next: Place, input: u32, ordinal: u64| {
            (input == next.input && ordinal == next.ordinal) || (input > next.input && ordinal == 0)
        };
        for run in runs {
            if !follows(next, run.input, run.ordinal) {
                let message = format!(
                    "Record {} of input {} follows where record {} of input {} is the next.",
                    run.ordinal, run.input, next.ordinal, next.input
                );
                return self.find(path, message);
            }
            next.input = run.input;
            next.ordinal = run.end();
        }
        if !follows(next, end.input, end.ordinal) {
            let message = format!(
                "It ends before record {} of input {}; the shard ends before record {} of input {}.",
                next.ordinal, next.input, end.ordinal, end.input
            );
            self.find(path, message);
        }
    }

    fn verify_texts(&mut self, out: &FileEntry, runs: &[LedgerRun], tick: &mut Tick<'_>) -> Result<()> {
        let texts: u64 = runs.iter().map(|run| run.run.count * u64::from(run.run.texts)).sum();
        if texts != out.texts || texts != self.shard.statistics.texts_out {
            let message = format!("{} texts were committed; by the ledger it holds {texts}.", out.texts);
            self.find(&out.path, message);
        }
        // A text that is a whole file may have any number of lines.
        if self.manifest.header.options.output_format == Format::File {
            return Ok(());
        }
        let format = self.manifest.header.options.output_format;
        if format.has_columns() {
            tick()?;
            let rows = rows_of_table(&self.path.join(&out.path), format)?;
            if rows != texts {
                self.find(
                    &out.path,
                    format!("It has {rows} rows; by the ledger it holds {texts} texts."),
                );
            }
            return Ok(());
        }
        let (lines, ended) = count_lines(&self.path.join(&out.path), tick)?;
        if lines != texts || !ended {
            let message = format!("It has {lines} whole lines; by the ledger it holds {texts} texts.");
            self.find(&out.path, message);
        }
        Ok(())
    }

    /// Each rejected or quarantined record of the ledger must have its line, and each line its record.
    fn verify_casualties(
        &mut self,
        fate: Fate,
        runs: &[LedgerRun],
        account: &mut Account,
        tick: &mut Tick<'_>,
    ) -> Result<()> {
        let kind = if fate == Fate::Rejected {
            ShardFile::Rejected
        } else {
            ShardFile::Quarantined
        };
        let shard = self.shard;
        let Some(entry) = shard.file(kind) else { return Ok(()) };
        let mut lines = Casualties::new(fate, Follower::new(&self.manifest.header, runs));
        let mut wrong = None;
        each_line(&self.path.join(&entry.path), tick, |number, line| {
            if wrong.is_none() && !lines.count(line, account) {
                wrong = Some(number);
            }
        })?;
        if let Some(number) = wrong {
            self.find(
                &entry.path,
                format!("Line {number} tells of no {} record of the ledger.", fate.name()),
            );
        }
        let expected = match fate {
            Fate::Rejected => shard.statistics.parts_rejected,
            _ => shard.statistics.damage.len() as u64,
        };
        if lines.besides != expected || lines.number != entry.texts {
            let message = format!(
                "It has {} lines, {} of them besides those of whole records; {} and {expected} were committed.",
                lines.number, lines.besides, entry.texts
            );
            self.find(&entry.path, message);
        }
        Ok(())
    }
}

/// The records that went out, by the ledger.
fn out_of(runs: &[LedgerRun]) -> Account {
    let mut account = Account::default();
    for run in runs.iter().filter(|run| run.run.fate == Fate::Out) {
        account.counts.out += run.run.count;
        for ordinal in run.ordinal..run.end() {
            account.fingerprint.add(run.input, ordinal);
        }
    }
    account
}

/// Counts the lines of rejected or quarantined records.
struct Casualties<'l> {
    fate: Fate,
    follower: Follower<'l>,
    last: Option<(u32, u64)>,
    number: u64,
    /// Lines of rejected parts of records that went out, or of parts of inputs that could not be read.
    besides: u64,
}

impl<'l> Casualties<'l> {
    fn new(fate: Fate, follower: Follower<'l>) -> Self {
        Self {
            fate,
            follower,
            last: None,
            number: 0,
            besides: 0,
        }
    }

    /// Counts a line. Returns whether it tells of a record that it may tell of, and of which no other line does.
    fn count(&mut self, line: &[u8], account: &mut Account) -> bool {
        self.number += 1;
        let Ok(line) = serde_json::from_slice::<CasualtyLine>(line) else {
            return false;
        };
        if line.ordinal.is_none() {
            self.besides += 1;
            return self.fate == Fate::Quarantined;
        }
        let (Some(run), Some(ordinal)) = (self.follower.follow(&line), line.ordinal) else {
            return false;
        };
        let is_part = self.fate == Fate::Rejected && run.run.fate == Fate::Out;
        let record = Some((run.input, ordinal));
        if is_part {
            self.besides += 1;
            return self.last <= record;
        }
        if run.run.fate != self.fate || self.last >= record {
            return false;
        }
        self.last = record;
        account.fingerprint.add(run.input, ordinal);
        match self.fate {
            Fate::Rejected => account.counts.rejected += 1,
            _ => account.counts.quarantined += 1,
        }
        true
    }
}
