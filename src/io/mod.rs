//! Where records come from and where they go to: one file per format, compression, and how inputs are found.
//!
//! A **source** reads one input into batches, without looking into the records: it cuts at line ends only, so that one
//! thread can feed many. A **decoder** finds the records in such a batch, on any thread. An **encoder** writes what
//! became of them to bytes, on any thread. A **sink** takes those bytes in order and commits them.

use crate::batch::Batch;
use crate::error::Result;
use crate::plan::PlanField;
use crate::step::Limits;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How records lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text, a record per line.
    Text,
    /// Plain text, a record per file.
    File,
    /// JSON Lines: an object per line.
    Jsonl,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// One input of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The file; `None` for standard input.
    pub path: Option<PathBuf>,
    /// What a person calls it: the path, safe to print, or `standard input`.
    pub name: String,
}

/// How records are to be read and written.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The JSON key that holds the text.
    pub text: String,
    /// The JSON key that identifies a record.
    pub id: String,
    /// The fields of the plan.
    pub fields: Vec<PlanField>,
    /// How the inputs lie.
    pub source: Format,
    /// How the output is to lie.
    pub sink: Format,
    /// Limits on one record.
    pub limits: Limits,
}

/// Reads one input into batches.
pub trait Source: Send {
    /// Fills an empty batch with the next bytes: whole records, about `size` bytes of them, with the batch's first
    /// ordinal and first offset. Returns `false` at the end of the input. What cannot be loaded becomes a batch of its
    /// own (see [`crate::batch::Unread`]).
    fn fill(&mut self, batch: &mut Batch, size: usize) -> Result<bool>;

    /// How many bytes of the file were read so far (before decompression), for progress.
    fn position(&self) -> u64;
}

/// Finds the records in a batch. Each becomes a source record and a row; one that cannot be decoded is quarantined.
pub trait Decoder: Send + Sync {
    /// Finds the records in the bytes of `batch.raw()`.
    fn decode(&self, batch: &mut Batch);
}

/// Writes what became of the records of a batch to bytes.
pub trait Encoder: Send + Sync {
    /// Checks, before fates are settled, that each live row can be written; one that cannot is quarantined.
    fn check(&self, batch: &mut Batch);

    /// Appends the live rows. Returns how the last of them ends, so that the sink can join batches.
    fn encode(&self, batch: &Batch, out: &mut Vec<u8>) -> LastLine;
}

/// How the bytes of an encoded batch end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastLine {
    /// Nothing was written.
    #[default]
    Nothing,
    /// With a line end.
    Terminated,
    /// Without a line end, as the input did. If more follows, a line end must be written first.
    Unterminated,
}

/// Finds the inputs that patterns, paths and folders name, in order.
pub fn locate(_patterns: &[OsString], _allow_repeat: bool) -> Result<Vec<Input>> {
    Err(crate::error::Error::Internal("Not built yet.".into()))
}

/// Takes bytes in order and makes a file of them, whole or not at all.
pub trait Sink: Send {
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes the file appear at its place, complete and on disk. Without this call nothing appears.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// Opens the sink of a file (a temporary beside it until the commit), compressed as its name says; `None`: standard output.
pub fn open_sink(_path: Option<&Path>, _overwrite: bool) -> Result<Box<dyn Sink>> {
    Err(crate::error::Error::Internal("Not built yet.".into()))
}
