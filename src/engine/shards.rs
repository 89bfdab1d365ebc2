//! Writes what was made of batches to the files of shards, keeps the account of each shard, and hands over those that are
//! finished.

use crate::engine::attend::with_pulse;
use crate::engine::committer::Committer;
use crate::engine::directory::Directory;
use crate::engine::job::{Job, Shared};
use crate::engine::preparation::Shape;
use crate::engine::statistics::Statistics;
use crate::error::{Error, Result};
use crate::io::{Checksum, Compression, LastLine, PartialFile, Root, TableWriter, WrittenFile};
use crate::ledger::{
    Account, Commitment, EndEntry, FileEntry, Fingerprint, Header, Report, ShardEntry, ShardFile, ShardLedger, check,
};
use crate::record::Place;
use crate::step::Cancel;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A shard of which everything is written, but nothing is durable.
pub(super) struct FinishedShard {
    pub(super) entry: ShardEntry,
    pub(super) files: Vec<WrittenFile>,
}

/// The shards of a run.
pub(super) struct Shards {
    root: Arc<dyn Root>,
    path: PathBuf,
    compression: Compression,
    extension: String,
    committer: Option<Committer>,
    directory: Option<Box<Directory>>,
    /// Statistics in which nothing is counted yet.
    blank: Statistics,
    open: Option<Box<OpenShard>>,
    /// How many shards are finished.
    finished: u64,
    /// How many of them were committed by earlier sittings.
    earlier: u64,
    /// Where the next record begins.
    place: Place,
    written: Written,
    shape: Shape,
}

/// The shard that is being written.
struct OpenShard {
    begin: Place,
    out: PartialFile,
    /// What makes a file of tables of what goes out, if it is one.
    table: Option<TableWriter>,
    rejected: Option<PartialFile>,
    quarantined: Option<PartialFile>,
    /// How many texts these hold.
    texts: [u64; 3],
    last_line: LastLine,
    ledger: ShardLedger,
    read: Account,
    accounted: Account,
    statistics: Statistics,
}

impl Shards {
    /// Goes on behind the shards that are there.
    pub(super) fn new(
        directory: Box<Directory>,
        header: &Header,
        earlier: &[ShardEntry],
        blank: Statistics,
        shape: Shape,
        shared: &Arc<Shared>,
    ) -> Result<Self> {
        let root = Arc::clone(directory.root());
        root.heed(&shared.failure);
        let mut shards = Self {
            path: root.path().to_owned(),
            root,
            compression: header.options.compression,
            extension: header.options.extension(),
            committer: Some(Committer::start(directory, shared)?),
            directory: None,
            blank,
            open: None,
            finished: earlier.len() as u64,
            earlier: earlier.len() as u64,
            place: earlier.last().map_or_else(Place::default, |shard| shard.end),
            written: Written::default(),
            shape,
        };
        for entry in earlier {
            shards.written.count(entry);
        }
        Ok(shards)
    }

    /// Writes what was made of a batch, and finishes the shard if it ends there. What a finished shard counted is added
    /// to `total`.
    pub(super) fn write(&mut self, job: &mut Job, total: &mut Statistics) -> Result<()> {
        self.check_order(job)?;
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let name = ShardFile::Out.path(self.finished, &self.extension);
                let mut out = PartialFile::create(&self.root, &name, self.compression)?;
                let header = &self.shape.header;
                out.write(header, Checksum::of(header))?;
                none.insert(Box::new(OpenShard {
                    begin: self.place,
                    out,
                    table: self.shape.form.as_ref().map(TableWriter::new).transpose()?,
                    rejected: None,
                    quarantined: None,
                    texts: [0; 3],
                    last_line: LastLine::Nothing,
                    ledger: ShardLedger::default(),
                    read: Account::default(),
                    accounted: Account::default(),
                    statistics: self.blank.clone(),
                }))
            }
        };
        open.write(job, &self.root, self.finished)?;
        self.place = job.place_behind();
        if job.ends_shard && !job.is_part() {
            self.close(total)
        } else {
            Ok(())
        }
    }

    /// Makes sure that batches come as the inputs have them, each record once: whatever else may be wrong, no shard
    /// is committed that leaves one out.
    fn check_order(&self, job: &Job) -> Result<()> {
        let batch = &job.batch;
        let told: u64 = job.runs.iter().map(|run| run.count).sum();
        let expected = if batch.input == self.place.input {
            self.place.ordinal
        } else {
            0
        };
        let next = job.place_behind();
        let end = if next.input == batch.input {
            next.ordinal
        } else {
            batch.first_ordinal + told
        };
        if batch.input >= self.place.input
            && batch.first_ordinal == expected
            && told == batch.sources.len() as u64
            && batch.first_ordinal + told == end
        {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "A batch of input {} begins at record {} and tells of {told} records up to {end}, but record {expected} of input \
             {} is the next. The shard is not committed.",
            batch.input, batch.first_ordinal, self.place.input
        )))
    }

    /// How many bytes of rows wait to be encoded.
    pub(super) fn held(&self) -> usize {
        let table = self.open.as_ref().and_then(|open| open.table.as_ref());
        table.map_or(0, TableWriter::held)
    }

    /// Finishes the open shard.
    fn close(&mut self, total: &mut Statistics) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        check(&open.read, &open.accounted)?;
        let finished = open.finish(&self.root, self.finished, self.place, &self.extension, total)?;
        self.written.count(&finished.entry);
        self.finished += 1;
        if let Some(committer) = &self.committer {
            committer.send(finished);
        }
        Ok(())
    }

    /// Finishes the last shard, and waits until all are committed.
    pub(super) fn end(&mut self, total: &mut Statistics, pulse: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        with_pulse(pulse, |cancel| {
            self.root.heed(cancel);
            self.close(total)
        })?;
        if let Some(committer) = self.committer.take() {
            self.directory = committer.finish(pulse)?;
        }
        Ok(())
    }

    /// Fills in the report what only the shards know, writes it, and closes the manifest.
    pub(super) fn complete(self, report: &mut Report, fingerprint: Fingerprint, cancel: &Cancel) -> Result<()> {
        self.root.heed(cancel);
        report.files = self.written.commitments(&self.path);
        report.shards = Some(self.finished);
        report.earlier_shards = self.earlier;
        let end = EndEntry {
            shards: self.finished,
            counts: report.counts,
            fingerprint,
            limited: report.limited,
            exit_code: report.exit_code(),
        };
        match self.directory {
            Some(mut directory) => directory.complete(report, end),
            None => Err(Error::Internal(
                "The committer ended before its work was done.".to_owned(),
            )),
        }
    }
}

/// How many texts and bytes went to the files of each kind, for the report.
#[derive(Debug, Default)]
pub(super) struct Written([(u64, u64); 3]);

impl Written {
    /// Counts the files of a shard.
    pub(super) fn count(&mut self, entry: &ShardEntry) {
        for (kind, (texts, bytes)) in ShardFile::ALL.into_iter().zip(&mut self.0) {
            if let Some(file) = entry.file(kind) {
                *texts += file.texts;
                *bytes += match kind {
                    ShardFile::Out => entry.statistics.bytes_written,
                    _ => file.size,
                };
            }
        }
    }

    /// One entry per folder of the directory that has any texts; what went out is always told of.
    pub(super) fn commitments(&self, path: &Path) -> Vec<Commitment> {
        let roles = ["out", "rejected", "quarantine"];
        let kinds = ShardFile::ALL.into_iter().zip(roles).zip(self.0);
        kinds
            .filter(|&((kind, _), (texts, _))| kind == ShardFile::Out || texts > 0)
            .map(|((kind, role), (texts, bytes))| Commitment {
                role,
                path: Some(path.join(kind.folder()).join("").to_string_lossy().into_owned()),
                texts,
                bytes,
            })
            .collect()
    }
}

impl OpenShard {
    fn write(&mut self, job: &mut Job, root: &Arc<dyn Root>, number: u64) -> Result<()> {
        if self.last_line == LastLine::Unterminated && job.last_line != LastLine::Nothing {
            self.end_line()?;
        }
        if job.last_line != LastLine::Nothing {
            self.last_line = job.last_line;
        }
        let [out, rejected, quarantined] = job.checksums;
        self.out.write(&job.out, out)?;
        if let (Some(writer), Some(table)) = (&mut self.table, job.table.take()) {
            for group in writer.add(table) {
                let bytes = writer.join(group.encode()?)?;
                self.out.write(&bytes, Checksum::of(&bytes))?;
            }
        }
        self.texts[0] += job.texts;
        for (file, kind, texts, bytes, checksum) in [
            (&mut self.rejected, ShardFile::Rejected, 1, &job.rejected, rejected),
            (
                &mut self.quarantined,
                ShardFile::Quarantined,
                2,
                &job.quarantined,
                quarantined,
            ),
        ] {
            if bytes.is_empty() {
                continue;
            }
            let file = match file {
                Some(file) => file,
                none => none.insert(PartialFile::create(root, &kind.path(number, ""), Compression::None)?),
            };
            file.write(bytes, checksum)?;
            self.texts[texts] += memchr::memchr_iter(b'\n', bytes).count() as u64;
        }
        self.ledger.add(job.batch.input, job.batch.first_ordinal, &job.runs);
        self.read.merge(&job.read);
        self.accounted.merge(&job.accounted);
        self.statistics.note(job);
        Ok(())
    }

    fn end_line(&mut self) -> Result<()> {
        self.out.write(b"\n", Checksum::of(b"\n"))
    }

    fn finish(
        mut self,
        root: &Arc<dyn Root>,
        shard: u64,
        end: Place,
        extension: &str,
        total: &mut Statistics,
    ) -> Result<FinishedShard> {
        if let Some(writer) = self.table.take() {
            let bytes = writer.finish()?;
            self.out.write(&bytes, Checksum::of(&bytes))?;
        }
        // The files of shards can be joined by whoever likes.
        if self.last_line == LastLine::Unterminated {
            self.end_line()?;
        }
        let (ledger, lines) = self.ledger.finish();
        let mut ledger_file = PartialFile::create(root, &ShardFile::Ledger.path(shard, ""), Compression::None)?;
        ledger_file.write(ledger.as_bytes(), Checksum::of(ledger.as_bytes()))?;
        let files = [
            (ShardFile::Quarantined, self.quarantined, self.texts[2]),
            (ShardFile::Rejected, self.rejected, self.texts[1]),
            (ShardFile::Ledger, Some(ledger_file), lines),
            (ShardFile::Out, Some(self.out), self.texts[0]),
        ];
        let mut statistics = self.statistics.of_shard();
        let mut entries = Vec::new();
        let mut written = Vec::new();
        for (kind, file, texts) in files {
            let Some(file) = file else { continue };
            let file = file.finish()?;
            if kind == ShardFile::Out {
                statistics.bytes_written = file.bytes();
            }
            entries.push(FileEntry {
                path: kind.path(shard, extension),
                size: file.checksum().length(),
                texts,
                checksum: file.checksum().to_string(),
            });
            written.push(file);
        }
        entries.reverse();
        total.add(&statistics);
        total.add_times(&self.statistics);
        let mut counts = self.accounted.counts;
        counts.read = self.read.counts.read;
        Ok(FinishedShard {
            entry: ShardEntry {
                shard,
                begin: self.begin,
                end,
                counts,
                read: self.read.fingerprint,
                accounted: self.accounted.fingerprint,
                files: entries,
                statistics,
            },
            files: written,
        })
    }
}
