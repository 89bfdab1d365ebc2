//! The files a run makes: what goes out, what was rejected, and the quarantine.

use crate::engine::RunOptions;
use crate::engine::attend::with_pulse;
use crate::engine::job::Job;
use crate::engine::preparation::Shape;
use crate::error::Result;
use crate::io::{EncodedGroup, Format, LastLine, Sink, TableWriter, lazy_sink, open_sink};
use crate::ledger::Commitment;
use crate::step::Cancel;
use std::path::{Path, PathBuf};

/// An open output with what it has taken so far.
pub(super) struct Output {
    role: &'static str,
    path: Option<PathBuf>,
    sink: Box<dyn Sink>,
    texts: u64,
    bytes: u64,
}

impl Output {
    fn new(role: &'static str, path: Option<&Path>, sink: Box<dyn Sink>) -> Self {
        Self {
            role,
            path: path.map(Path::to_owned),
            sink,
            texts: 0,
            bytes: 0,
        }
    }

    fn open(role: &'static str, path: Option<&Path>, overwrite: bool) -> Result<Self> {
        Ok(Self::new(role, path, open_sink(path, overwrite)?))
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        self.sink.write(bytes)
    }

    fn commit(self) -> Result<Commitment> {
        self.sink.commit()?;
        let path = self.path.map(|path| path.to_string_lossy().into_owned());
        Ok(Commitment {
            role: self.role,
            path,
            texts: self.texts,
            bytes: self.bytes,
        })
    }
}

/// All files of a run.
pub(super) struct Outputs {
    out: Output,
    rejected: Option<Output>,
    quarantine: Output,
    /// Whether the quarantine's file is there only if a record failed.
    quarantine_if_needed: bool,
    last_line: LastLine,
    /// What makes a file of tables, if the output is one.
    table: Option<TableWriter>,
}

impl Outputs {
    /// Opens the files of a run. Nothing appears at their places before [`Outputs::commit`].
    pub(super) fn open(options: &RunOptions, shape: &Shape) -> Result<Self> {
        let overwrite = options.overwrite;
        let quarantine = match &options.quarantine {
            Some(path) => Output::open("quarantine", Some(path), overwrite)?,
            None => {
                let beside = quarantine_beside(options.output.as_deref());
                Output::new("quarantine", Some(&beside), lazy_sink(&beside, overwrite))
            }
        };
        let rejected = options
            .rejected
            .as_deref()
            .map(|path| Output::open("rejected", Some(path), overwrite));
        let mut out = Output::open("out", options.output.as_deref(), overwrite)?;
        out.write(&shape.header)?;
        Ok(Self {
            out,
            rejected: rejected.transpose()?,
            quarantine,
            quarantine_if_needed: options.quarantine.is_none(),
            last_line: LastLine::Nothing,
            table: shape.form.as_ref().map(|form| TableWriter::new(form, 0)).transpose()?,
        })
    }

    /// Has writes that wait for a reader end when the run is stopped.
    pub(super) fn heed(&mut self, cancel: &Cancel) {
        let outputs = [Some(&mut self.out), self.rejected.as_mut(), Some(&mut self.quarantine)];
        for output in outputs.into_iter().flatten() {
            output.sink.heed(cancel);
        }
    }

    /// Writes what was made of a batch.
    pub(super) fn write(&mut self, job: &mut Job) -> Result<()> {
        if let (Some(writer), Some(table)) = (&mut self.table, job.table.take()) {
            job.groups = writer.add(table);
        }
        if self.last_line == LastLine::Unterminated && job.last_line != LastLine::Nothing {
            self.out.write(b"\n")?;
        }
        if job.last_line != LastLine::Nothing {
            self.last_line = job.last_line;
        }
        self.out.write(&job.out)?;
        self.out.texts += job.texts;
        if let Some(rejected) = &mut self.rejected {
            rejected.write(&job.rejected)?;
            rejected.texts += lines(&job.rejected);
        }
        self.quarantine.write(&job.quarantined)?;
        self.quarantine.texts += lines(&job.quarantined);
        Ok(())
    }

    /// How many bytes of rows wait to be encoded, or are being encoded.
    pub(super) fn held(&self) -> usize {
        self.table.as_ref().map_or(0, TableWriter::held)
    }

    /// Takes back a group of rows.
    pub(super) fn join(&mut self, group: EncodedGroup) -> Result<()> {
        match &mut self.table {
            Some(writer) => self.out.write(&writer.join(group)?),
            None => Ok(()),
        }
    }

    /// Ends a file of tables. `pulse` is called meanwhile: what is left may take a while to encode, or to be read.
    pub(super) fn finish(&mut self, pulse: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let Some(writer) = self.table.take() else { return Ok(()) };
        let out = &mut self.out;
        with_pulse(pulse, move |cancel| {
            // The threads of the run were told to stop, and with them all that waited for a reader.
            out.sink.heed(cancel);
            out.write(&writer.finish()?)
        })
    }

    /// Leaves a file of tables without an end: the run was stopped, and nothing will be committed.
    pub(super) fn give_up(&mut self) {
        self.table = None;
    }

    /// How many bytes went to the output.
    pub(super) fn bytes_out(&self) -> u64 {
        self.out.bytes
    }

    /// Makes the files appear. The quarantine comes first and the output last: whoever sees the output has the rest.
    pub(super) fn commit(mut self, cancel: &Cancel) -> Result<Vec<Commitment>> {
        self.heed(cancel);
        let mut files = Vec::new();
        let unneeded = self.quarantine_if_needed && self.quarantine.bytes == 0;
        let quarantine = self.quarantine.commit()?;
        if !unneeded {
            files.push(quarantine);
        }
        if let Some(rejected) = self.rejected {
            files.push(rejected.commit()?);
        }
        files.push(self.out.commit()?);
        files.reverse();
        Ok(files)
    }
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Where failed records go when nobody said: beside the output, or in the current folder where the output is a pipe. A
/// file that exists is never touched there, because no option was given that could allow it.
pub(super) fn quarantine_beside(output: Option<&Path>) -> PathBuf {
    if let Some(output) = output {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let mut stem = name.as_ref();
        let formats = Format::ALL.map(Format::extension);
        for extension in [".gz", ".zst", ".ndjson"].into_iter().chain(formats) {
            stem = stem
                .strip_suffix(extension)
                .filter(|rest| !rest.is_empty())
                .unwrap_or(stem);
        }
        return output.with_file_name(format!("{stem}.quarantine.jsonl"));
    }
    let first = PathBuf::from("text-processor.quarantine.jsonl");
    let others = (2..).map(|number| PathBuf::from(format!("text-processor.quarantine-{number}.jsonl")));
    std::iter::once(first)
        .chain(others)
        .find(|path| fs_err::symlink_metadata(path).is_err())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quarantine_lies_beside_its_output() {
        for (output, quarantine) in [
            ("out/clean.jsonl", "out/clean.quarantine.jsonl"),
            ("clean.jsonl.zst", "clean.quarantine.jsonl"),
            ("notes.txt", "notes.quarantine.jsonl"),
            ("notes", "notes.quarantine.jsonl"),
            (".jsonl", ".jsonl.quarantine.jsonl"),
        ] {
            assert_eq!(quarantine_beside(Some(Path::new(output))), Path::new(quarantine));
        }
    }
}
