//! What a batch holds: source records, rows, and why rows are no longer live.

use super::View;
use crate::error::Failure;
use std::borrow::Cow;
use std::ops::Range;

/// A range of bytes of buffer 0: the bytes as they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of a range. Batches are far smaller than 4 GiB: the reader sees to it.
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        Self {
            start: range.start as u32,
            end: range.end as u32,
        }
    }

    /// The span as a range.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One input record: what the reader fixed before any step ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceRecord {
    /// Its number in its input, counted from 0.
    pub ordinal: u64,
    /// The offset of its first byte in its input, after decompression.
    pub offset: u64,
    /// Its bytes as they were read, without the line end.
    pub raw: Span,
    /// How many bytes of line end follow `raw` in buffer 0: 0, 1 (`\n`) or 2 (`\r\n`).
    pub line_end: u8,
    /// Where in `raw` the value of the text stands as it is spelled in the input (for JSON, with its quotes).
    pub text_span: Span,
    /// The text as the first step gets it.
    pub original: View,
}

/// How far a row has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It is still on its way, or out.
    #[default]
    Live,
    /// A step rejected it.
    Rejected,
    /// It failed.
    Quarantined,
}

/// One text on its way through the steps. It starts as one row per source record; a split makes more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Row {
    /// The index of the source record it comes from.
    pub source: u32,
    /// Which part of a split it is, counted from 0.
    pub part: u32,
    /// The text.
    pub text: View,
    /// How far it has come.
    pub state: State,
}

/// Why a row is no longer live.
#[derive(Debug, Clone)]
pub enum Ending {
    /// It was rejected, with this reason.
    Rejected(Cow<'static, str>),
    /// It failed.
    Failed(Box<Failure>),
}

/// A row that is no longer live, and why. Rare in most runs, so it lies beside the rows and not in them.
#[derive(Debug, Clone)]
pub struct Casualty {
    /// The index of the row.
    pub row: u32,
    /// The index of the step in the plan; `None` for the decoder and the encoder.
    pub step: Option<u16>,
    /// What happened.
    pub ending: Ending,
}

/// What one step did in this batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepTally {
    /// How many rows entered it.
    pub entered: u64,
    /// How long it took, in nanoseconds; estimated from a sample of the rows, because reading the clock costs more than
    /// many steps do.
    pub nanoseconds: u64,
}

/// Something of an input that the reader could not load. It travels as a batch of its own, at its place in the order.
#[derive(Debug, Clone)]
pub enum Unread {
    /// One record that is larger than the limit. Buffer 0 holds its first bytes only.
    Record {
        /// How many bytes it has.
        length: u64,
        /// The BLAKE3 hash of its bytes, in hexadecimal.
        hash: String,
    },
    /// A part of the input whose records cannot be counted: it is damaged from the batch's first offset on.
    Segment(Box<Failure>),
}

/// A row of [`Batch::columns`](super::Batch::columns) that is no more than a place: what should stand there cannot be read.
#[derive(Debug, Clone)]
pub struct FlawedRow {
    /// The number of the row in its input, which is the offset of its record.
    pub offset: u64,
    /// Why it cannot be read.
    pub failure: Failure,
    /// What stands there.
    pub original: Original,
}

/// A record that cannot be read, as it is kept.
#[derive(Debug, Clone)]
pub enum Original {
    /// Its bytes, without a line end.
    Bytes(Vec<u8>),
    /// Its fields, as an object of JSON.
    Json(Vec<u8>),
}

impl FlawedRow {
    /// How many bytes are kept of it.
    #[must_use]
    pub fn kept(&self) -> usize {
        match &self.original {
            Original::Bytes(bytes) | Original::Json(bytes) => bytes.len(),
        }
    }
}
