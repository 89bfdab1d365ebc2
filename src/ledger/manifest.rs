//! The manifest of an output directory: what the run is, one line per committed shard, and the line that closes it.
//!
//! A line is a JSON object whose last key is a checksum of everything before. Lines are only ever appended, each with one
//! `fsync`; a shard is committed when its line is there, and not before. So the manifest of a run that was killed is whole
//! lines and at most one torn one behind them.

use crate::io::Checksum;
use crate::ledger::header::{FORMAT, Header};
use crate::ledger::{Account, Counts, Fingerprint, InputDamage};
use crate::record::{Fate, Place};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The name of the manifest in its directory.
pub const MANIFEST: &str = "manifest.jsonl";
/// The name of the file that is locked while a run writes to the directory.
pub const LOCK: &str = "lock";
/// The name of the report in its directory.
pub const REPORT: &str = "report.json";

/// What stands behind the rest of a line.
const CHECKSUM_KEY: &str = ",\"checksum\":\"";

/// One line of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// The first line.
    Header(Box<Header>),
    /// A committed shard.
    Shard(Box<ShardEntry>),
    /// The last line of a complete run.
    End(EndEntry),
}

/// What the manifest tells of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// Its number, counted from 0.
    pub shard: u64,
    /// Where its first record begins in the inputs.
    pub begin: Place,
    /// Where the record behind its last one begins.
    pub end: Place,
    /// How many records met each fate.
    pub counts: Counts,
    /// The fingerprint of the records that were read.
    pub read: Fingerprint,
    /// The fingerprint of the records that met a fate.
    pub accounted: Fingerprint,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// What else the report of the run tells, as far as it comes from this shard.
    pub statistics: ShardStatistics,
}

/// What the manifest tells of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path in the directory.
    pub path: String,
    /// How many bytes it has on the disk.
    pub size: u64,
    /// How many texts it holds; of a ledger: lines.
    pub texts: u64,
    /// The CRC-64/NVME of its bytes on the disk, in hexadecimal.
    pub checksum: String,
}

/// What a report tells that comes from one shard. Times are not among it: they would differ from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStatistics {
    /// Texts out.
    pub texts_out: u64,
    /// Parts that were rejected while other parts of the same record went out.
    pub parts_rejected: u64,
    /// Records rejected before the first step, by reason.
    pub rejected_by_reader: BTreeMap<String, u64>,
    /// Records that failed outside any step, by kind.
    pub quarantined_by_reader: BTreeMap<String, u64>,
    /// What each step did.
    pub steps: Vec<StepCounts>,
    /// What could not be read.
    pub damage: Vec<InputDamage>,
    /// Bytes read, after decompression.
    pub bytes_read: u64,
    /// Bytes out, before compression.
    pub bytes_written: u64,
}

/// What a step did in a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounts {
    /// How many texts entered it.
    pub entered: u64,
    /// How many it rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// How many failed in it, by kind.
    pub quarantined: BTreeMap<String, u64>,
}

/// What the closing line tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndEntry {
    /// How many shards there are.
    pub shards: u64,
    /// How many records met each fate.
    pub counts: Counts,
    /// The fingerprint of all records.
    pub fingerprint: Fingerprint,
    /// Whether the limit of records was reached.
    pub limited: bool,
    /// The exit code of the run.
    pub exit_code: u8,
}

/// The four files of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShardFile {
    /// What went out.
    Out,
    /// The rejected records, if there are any.
    Rejected,
    /// The records that failed, if there are any.
    Quarantined,
    /// The fates of its records.
    Ledger,
}

impl ShardFile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Out, Self::Rejected, Self::Quarantined, Self::Ledger];

    /// The folder of these files, named by the fate that they hold.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Out => Fate::Out.name(),
            Self::Rejected => Fate::Rejected.name(),
            Self::Quarantined => Fate::Quarantined.name(),
            Self::Ledger => "ledger",
        }
    }

    /// The file's name in that folder. `extension` is that of what goes out, with that of its compression.
    #[must_use]
    pub fn name(self, shard: u64, extension: &str) -> String {
        match self {
            Self::Out => format!("{shard:05}{extension}"),
            Self::Rejected | Self::Quarantined => format!("{shard:05}.jsonl"),
            Self::Ledger => format!("{shard:05}"),
        }
    }

    /// The file's path in the directory.
    #[must_use]
    pub fn path(self, shard: u64, extension: &str) -> String {
        format!("{}/{}", self.folder(), self.name(shard, extension))
    }
}

impl ShardEntry {
    /// The side of the account that tells what was read.
    #[must_use]
    pub fn account_of_read(&self) -> Account {
        let counts = Counts {
            read: self.counts.read,
            ..Counts::default()
        };
        Account {
            counts,
            fingerprint: self.read,
        }
    }

    /// The side of the account that tells what became of it.
    #[must_use]
    pub fn account_of_fates(&self) -> Account {
        Account {
            counts: Counts { read: 0, ..self.counts },
            fingerprint: self.accounted,
        }
    }

    /// The entry of one of the shard's files.
    #[must_use]
    pub fn file(&self, file: ShardFile) -> Option<&FileEntry> {
        self.files.iter().find(|entry| {
            entry
                .path
                .strip_prefix(file.folder())
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

impl Line {
    /// The line with its checksum and its line end.
    pub fn write(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_string(self)?;
        // The closing brace comes behind the checksum.
        line.pop();
        let checksum = Checksum::of(line.as_bytes());
        line.push_str(CHECKSUM_KEY);
        line.push_str(&checksum.to_string());
        line.push_str("\"}\n");
        Ok(line.into_bytes())
    }

    /// Reads a line, without its line end. `None`: it is not what was written.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(&checked(line)?).ok()
    }
}

/// The object of a line without its checksum, if that is right.
fn checked(line: &[u8]) -> Option<Vec<u8>> {
    let body = line.strip_suffix(b"\"}")?;
    let (body, checksum) = body.split_at_checked(body.len().checked_sub(16)?)?;
    let body = body.strip_suffix(CHECKSUM_KEY.as_bytes())?;
    (Checksum::of(body).to_string().as_bytes() == checksum).then(|| [body, b"}"].concat())
}

/// The version of the format, as far as any version of text-processor says it.
#[derive(Deserialize)]
struct FormatOnly {
    kind: String,
    format: u32,
}

/// A manifest that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What the run is.
    pub header: Header,
    /// The committed shards, in order.
    pub shards: Vec<ShardEntry>,
    /// The closing line, if the run is complete.
    pub end: Option<EndEntry>,
    /// How many bytes its good lines have.
    pub length: usize,
    /// Whether a torn or damaged line stands behind them, and whether that line has an end.
    pub tail: Option<Tail>,
}

/// What stands behind the good lines of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// The beginning of a line.
    Torn,
    /// A line that is not what was written.
    Damaged,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestFlaw {
    /// It does not begin as a manifest does.
    NoHeader,
    /// It is a manifest of another format, with this number.
    OtherFormat(u32),
    /// This line, counted from 1, is not what was written, and others follow it.
    Line(usize),
}

impl Manifest {
    /// Reads a manifest. What stands behind its last good line is left out if it is one line at most: a run that was killed
    /// leaves such, and what it would have told of was not committed.
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestFlaw> {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let first = lines.next().and_then(|line| line.strip_suffix(b"\n"));
        let body = first.and_then(checked).ok_or(ManifestFlaw::NoHeader)?;
        match serde_json::from_slice::<FormatOnly>(&body) {
            Ok(known) if known.kind == "header" && known.format == FORMAT => {}
            Ok(other) if other.kind == "header" => return Err(ManifestFlaw::OtherFormat(other.format)),
            _ => return Err(ManifestFlaw::NoHeader),
        }
        let Ok(Line::Header(header)) = serde_json::from_slice(&body) else {
            return Err(ManifestFlaw::NoHeader);
        };
        let mut manifest = Self {
            header: *header,
            shards: Vec::new(),
            end: None,
            length: first.map_or(0, |line| line.len() + 1),
            tail: None,
        };
        let mut lines = (2..).zip(lines).peekable();
        while let Some((number, line)) = lines.next() {
            let whole = line.strip_suffix(b"\n");
            let good = whole.and_then(Line::read).is_some_and(|read| manifest.add(read));
            if good {
                manifest.length += line.len();
            } else if lines.peek().is_some() {
                return Err(ManifestFlaw::Line(number));
            } else {
                manifest.tail = Some(if whole.is_some() { Tail::Damaged } else { Tail::Torn });
            }
        }
        Ok(manifest)
    }

    /// Adds a line, if it may stand behind those that are there.
    fn add(&mut self, line: Line) -> bool {
        if self.end.is_some() {
            return false;
        }
        match line {
            Line::Header(_) => false,
            Line::Shard(entry) => {
                let fits = entry.shard == self.shards.len() as u64
                    && entry.begin == self.next_place()
                    && entry.begin <= entry.end
                    && entry.files.iter().all(|file| self.is_ours(&entry, file));
                if fits {
                    self.shards.push(*entry);
                }
                fits
            }
            Line::End(entry) => {
                let fits = entry.shards == self.shards.len() as u64;
                if fits {
                    self.end = Some(entry);
                }
                fits
            }
        }
    }

    /// Whether a file has the name that the shard's files have: nothing else is ever opened or removed.
    fn is_ours(&self, entry: &ShardEntry, file: &FileEntry) -> bool {
        let extension = self.header.options.extension();
        ShardFile::ALL
            .iter()
            .any(|kind| kind.path(entry.shard, &extension) == file.path)
    }

    /// Where the next shard begins.
    #[must_use]
    pub fn next_place(&self) -> Place {
        self.shards.last().map_or_else(Place::default, |shard| shard.end)
    }
}

/// The files in a directory that the manifest says nothing about are nobody's business; these are the names that a run
/// makes itself.
#[must_use]
pub fn is_made_by_us(name: &Path) -> bool {
    let name = name.as_os_str().as_encoded_bytes();
    let partial = name
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_suffix(crate::io::PARTIAL.as_bytes()));
    let Some(partial) = partial else {
        return name == LOCK.as_bytes();
    };
    let folders = ShardFile::ALL.map(ShardFile::folder);
    [MANIFEST, REPORT].iter().any(|known| known.as_bytes() == partial)
        || folders.iter().any(|folder| {
            partial
                .strip_prefix(folder.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"-"))
                .is_some_and(|number| number.len() >= 5 && number.iter().all(u8::is_ascii_digit))
        })
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
