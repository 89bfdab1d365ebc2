//! Writes what was made of batches to the files of shards, keeps the account of each shard, and hands over those that are
//! finished.

use crate::engine::attend::with_pulse;
use crate::engine::committer::Committer;
use crate::engine::directory::Directory;
use crate::engine::job::{Job, Shared};
use crate::engine::preparation::Shape;
use crate::engine::statistics::Statistics;
use crate::error::{Error, Result};
use crate::io::{Checksum, Compression, EncodedGroup, LastLine, PartialFile, Root, TableWriter, WrittenFile};
use crate::ledger::{
    Account, Commitment, EndEntry, FileEntry, Fingerprint, Header, Report, ShardEntry, ShardFile, ShardLedger, check,
};
use crate::record::Place;
use crate::step::Cancel;
use std::collections::VecDeque;
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
    /// Shards to which nothing more is added, in order. Workers still encode rows of the first of them.
    closed: VecDeque<Box<OpenShard>>,
    /// How many shards are closed, which is the number of the next.
    count: u64,
    /// How many of them were committed by earlier sittings.
    earlier: u64,
    /// Where the next record begins.
    place: Place,
    written: Written,
    shape: Shape,
}

/// A shard that is being written.
struct OpenShard {
    number: u64,
    begin: Place,
    /// Where it ends, as far as that is known.
    end: Place,
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
            closed: VecDeque::new(),
            count: earlier.len() as u64,
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

    /// Writes what was made of a batch, and closes the shard if it ends there. What a finished shard counted is added to
    /// `total`.
    pub(super) fn write(&mut self, job: &mut Job, total: &mut Statistics) -> Result<()> {
        self.check_order(job)?;
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let number = self.count;
                let name = ShardFile::Out.path(number, &self.extension);
                let mut out = PartialFile::create(&self.root, &name, self.compression)?;
                let header = &self.shape.header;
                out.write(header, Checksum::of(header))?;
                let form = self.shape.form.as_ref();
                none.insert(Box::new(OpenShard {
                    number,
                    begin: self.place,
                    end: self.place,
                    out,
                    table: form.map(|form| TableWriter::new(form, number)).transpose()?,
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
        open.write(job, &self.root)?;
        self.place = job.place_behind();
        open.end = self.place;
        if !job.ends_shard || job.is_part() {
            return Ok(());
        }
        job.groups.extend(open.table.as_mut().and_then(TableWriter::give));
        self.close();
        self.finish_closed(total)
    }

    /// Takes back a group of rows, and finishes the shards that are complete with it.
    pub(super) fn join(&mut self, group: EncodedGroup, total: &mut Statistics) -> Result<()> {
        let mut shards = self.closed.iter_mut().chain(&mut self.open);
        let Some(shard) = shards.find(|shard| shard.number == group.file()) else {
            let message = format!("Rows of shard {} came back behind its end.", group.file());
            return Err(Error::Internal(message));
        };
        shard.join(group)?;
        self.finish_closed(total)
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

    /// How many bytes of rows wait to be encoded, or are being encoded.
    pub(super) fn held(&self) -> usize {
        let shards = self.closed.iter().chain(&self.open);
        shards
            .filter_map(|shard| shard.table.as_ref())
            .map(TableWriter::held)
            .sum()
    }

    /// Closes the open shard.
    fn close(&mut self) {
        self.count += u64::from(self.open.is_some());
        self.closed.extend(self.open.take());
    }

    /// Finishes the shards to which nothing more will come, in their order.
    fn finish_closed(&mut self, total: &mut Statistics) -> Result<()> {
        while self.closed.front().is_some_and(|shard| shard.is_complete())
            && let Some(shard) = self.closed.pop_front()
        {
            check(&shard.read, &shard.accounted)?;
            let finished = shard.finish(&self.root, &self.extension, total)?;
            self.written.count(&finished.entry);
            if let Some(committer) = &self.committer {
                committer.send(finished);
            }
        }
        Ok(())
    }

    /// Closes the last shard. Nobody works any more who could encode its rows.
    pub(super) fn close_last(&mut self, total: &mut Statistics, pulse: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        with_pulse(pulse, |cancel| {
            self.root.heed(cancel);
            self.close();
            self.finish_closed(total)
        })?;
        if self.closed.is_empty() {
            return Ok(());
        }
        Err(Error::Internal("Rows of a shard did not come back.".to_owned()))
    }

    /// Waits until all shards are committed.
    pub(super) fn wait(&mut self, pulse: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        if let Some(committer) = self.committer.take() {
            self.directory = committer.finish(pulse)?;
        }
        Ok(())
    }

    /// Fills in the report what only the shards know, writes it, and closes the manifest.
    pub(super) fn complete(self, report: &mut Report, fingerprint: Fingerprint, cancel: &Cancel) -> Result<()> {
        self.root.heed(cancel);
        report.files = self.written.commitments(&self.path);
        report.shards = Some(self.count);
        report.earlier_shards = self.earlier;
        let end = EndEntry {
            shards: self.count,
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
    fn write(&mut self, job: &mut Job, root: &Arc<dyn Root>) -> Result<()> {
        if self.last_line == LastLine::Unterminated && job.last_line != LastLine::Nothing {
            self.end_line()?;
        }
        if job.last_line != LastLine::Nothing {
            self.last_line = job.last_line;
        }
        let [out, rejected, quarantined] = job.checksums;
        self.out.write(&job.out, out)?;
        if let (Some(writer), Some(table)) = (&mut self.table, job.table.take()) {
            job.groups = writer.add(table);
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
                none => none.insert(PartialFile::create(
                    root,
                    &kind.path(self.number, ""),
                    Compression::None,
                )?),
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

    fn join(&mut self, group: EncodedGroup) -> Result<()> {
        let Some(writer) = &mut self.table else { return Ok(()) };
        let bytes = writer.join(group)?;
        self.out.write(&bytes, Checksum::of(&bytes))
    }

    /// Whether nobody encodes rows of it any more.
    fn is_complete(&self) -> bool {
        self.table.as_ref().is_none_or(TableWriter::has_all)
    }

    fn finish(mut self, root: &Arc<dyn Root>, extension: &str, total: &mut Statistics) -> Result<FinishedShard> {
        let shard = self.number;
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
                end: self.end,
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
