//! Reads what an output directory holds: for `verify` and `why`, which believe nothing but the files.

use crate::error::{ConfigError, Error, FileError, Result, Shown};
use crate::io::{Checksum, open_content, open_stored, read_stored};
use crate::ledger::{FileEntry, Header, LedgerRun, MANIFEST, read_ledger};
use serde::Deserialize;
use std::io::{BufRead as _, ErrorKind, Read as _};
use std::path::Path;

/// How many bytes are read at once.
const CHUNK: usize = 256 << 10;

/// What is called now and then while files are read: it tells whether to stop.
pub type Tick<'t> = dyn FnMut() -> Result<()> + 't;

/// The bytes of the manifest of a directory.
pub(super) fn manifest_bytes(path: &Path) -> Result<Vec<u8>> {
    let manifest = path.join(MANIFEST);
    read_stored(&manifest).map_err(|error| {
        if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            let message = format!("`{}` is no output directory: it has no `{MANIFEST}`.", Shown(path));
            return ConfigError::new(message)
                .with_hint("Name the directory that `text-processor run -o` was given.")
                .into();
        }
        reading(&manifest, &error)
    })
}

pub(super) fn reading(path: &Path, error: &std::io::Error) -> Error {
    Error::Input(Box::new(FileError::of(path, "reading", error)))
}

/// The checksum of a file as it lies on the disk.
pub(super) fn checksum_of(path: &Path, tick: &mut Tick<'_>) -> std::io::Result<Result<Checksum>> {
    let mut file = open_stored(path)?;
    let mut chunk = vec![0; CHUNK];
    let mut checksum = Checksum::default();
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => return Ok(Ok(checksum)),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        checksum.append(Checksum::of(&chunk[..read]));
        if let Err(stop) = tick() {
            return Ok(Err(stop));
        }
    }
}

/// Calls `visit` with each line of a file, without its line end, and its number, counted from 1.
pub(super) fn each_line(path: &Path, tick: &mut Tick<'_>, mut visit: impl FnMut(u64, &[u8])) -> Result<()> {
    let mut lines = open_content(path).map_err(|error| reading(path, &error))?;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if lines
            .read_until(b'\n', &mut line)
            .map_err(|error| reading(path, &error))?
            == 0
        {
            break;
        }
        visit(number, line.strip_suffix(b"\n").unwrap_or(&line));
        if number % 1024 == 0 {
            tick()?;
        }
    }
    Ok(())
}

/// How many lines a file has, and whether the last one has an end.
pub(super) fn count_lines(path: &Path, tick: &mut Tick<'_>) -> Result<(u64, bool)> {
    let mut content = open_content(path).map_err(|error| reading(path, &error))?;
    let (mut lines, mut ended) = (0, true);
    loop {
        let chunk = content.fill_buf().map_err(|error| reading(path, &error))?;
        let Some(last) = chunk.last() else {
            return Ok((lines, ended));
        };
        ended = *last == b'\n';
        lines += memchr::memchr_iter(b'\n', chunk).count() as u64;
        let length = chunk.len();
        content.consume(length);
        tick()?;
    }
}

/// The runs of a ledger. The error is a finished sentence.
pub(super) fn ledger(path: &Path, entry: &FileEntry) -> Result<Vec<LedgerRun>, String> {
    let text = read_stored(path)
        .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other))
        .map_err(|error| {
            let reason = error.to_string();
            format!("It cannot be read: {}.", reason.trim_end_matches('.'))
        })?;
    let runs = read_ledger(&text).map_err(|line| format!("Line {line} is no line of a ledger."))?;
    let lines = memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64;
    if lines == entry.texts {
        Ok(runs)
    } else {
        Err(format!("It has {lines} lines; {} were committed.", entry.texts))
    }
}

/// What a line of the rejected or the quarantined records tells, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct CasualtyLine {
    pub(super) input: Option<String>,
    pub(super) ordinal: Option<u64>,
    #[serde(default)]
    pub(super) id: serde_json::Value,
    pub(super) part: Option<u64>,
    pub(super) step: Option<String>,
    pub(super) distribution: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) error: Option<String>,
    pub(super) message: Option<String>,
}

/// Finds the records that lines tell of in a ledger. Lines stand in the order of the records, so one walk along the
/// ledger finds them all, also where inputs of one name were read twice.
pub(super) struct Follower<'l> {
    header: &'l Header,
    runs: &'l [LedgerRun],
}

impl<'l> Follower<'l> {
    pub(super) fn new(header: &'l Header, runs: &'l [LedgerRun]) -> Self {
        Self { header, runs }
    }

    /// The run that holds the record of a line: this one again, or one that comes later.
    pub(super) fn follow(&mut self, line: &CasualtyLine) -> Option<LedgerRun> {
        let (name, ordinal) = (line.input.as_deref()?, line.ordinal?);
        let holds = |run: &LedgerRun| {
            (run.ordinal..run.end()).contains(&ordinal)
                && self
                    .header
                    .inputs
                    .get(run.input as usize)
                    .is_some_and(|input| input.name == name)
        };
        let found = self.runs.iter().position(holds)?;
        self.runs = &self.runs[found..];
        self.runs.first().copied()
    }
}
