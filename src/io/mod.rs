//! Where records come from and where they go to: one file per format, compression, and how inputs are found.
//!
//! A **source** reads one input into batches, without looking into the records: it cuts at line ends only, so that one
//! thread can feed many. A **decoder** finds the records in such a batch, on any thread. An **encoder** writes what
//! became of them to bytes, on any thread. A **sink** takes those bytes in order and commits them.

mod casualties;
mod checksum;
mod compression;
mod file;
mod folder;
mod identity;
mod input;
mod json_flaw;
mod json_scan;
mod json_value;
mod jsonl;
mod lines;
mod local_root;
mod locate;
mod objects;
mod open_input;
mod outputs;
mod partial;
mod patient;
mod remote;
mod root;
mod sink;
mod sniff;
mod source;
mod splice;
mod stored;
mod stream;
mod table;
mod tables;
mod temporary;
#[cfg(test)]
mod tests;
mod text;

pub use casualties::{CasualtyEncoder, StepLabel, identity_of_line};
pub use checksum::Checksum;
pub use identity::{InputIdentity, compression_of};
pub use input::{Input, InputLocation};
pub use local_root::PARTIAL;
pub use locate::{is_within, locate};
pub use outputs::{Output, check_output, check_representable, is_directory};
pub use partial::{PartialFile, WrittenFile};
pub use remote::{ObjectUrl, RemoteObject};
pub use root::{Draft, Found, Journal, Root, open_root};
pub use sink::{lazy_sink, open_sink};
pub use source::{open_source, open_source_at};
pub use stored::{names_in, open_content, open_stored, read_stored};
pub use table::TableSource;
pub use tables::{
    EncodedGroup, KeptTables, ReadAhead, RowWriter, TableDefaults, TableFacts, TableForm, TableGroup, TableInputs,
    TableWriter, can_be_json, each_json, facts_of, identities_of_table, json_of_row, rows_of_table, unsayable_rows,
};

use crate::batch::Batch;
use crate::error::Result;
use crate::plan::PlanField;
use crate::step::{Cancel, Limits};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How records lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Plain text, a record per line.
    Text,
    /// Plain text, a record per file.
    File,
    /// JSON Lines: an object per line.
    Jsonl,
    /// Columns as Arrow lays them out, in memory or in an IPC file: a record per row.
    Arrow,
    /// The same as an IPC stream, which can be read while it is written.
    Stream,
    /// Parquet: a record per row.
    Parquet,
    /// Cells between commas, under a line with the names of the columns: a record per row.
    Csv,
    /// The same with tabulators.
    Tsv,
}

impl Format {
    /// What the extension of a name says, leaving aside one of compression. A name that says nothing means text.
    #[must_use]
    pub fn from_name(path: &Path) -> Self {
        let stem = match Compression::from_name(path) {
            Compression::None => path,
            _ => path.file_stem().map_or(path, Path::new),
        };
        let extension = stem.extension().unwrap_or_default();
        let is = |names: &[&str]| names.iter().any(|name| extension.eq_ignore_ascii_case(name));
        if is(&["jsonl", "ndjson"]) {
            Self::Jsonl
        } else if is(&["parquet", "pq"]) {
            Self::Parquet
        } else if is(&["arrow", "feather", "ipc"]) {
            Self::Arrow
        } else if is(&["arrows"]) {
            Self::Stream
        } else if is(&["csv"]) {
            Self::Csv
        } else if is(&["tsv", "tab"]) {
            Self::Tsv
        } else {
            Self::Text
        }
    }

    /// How an input lies: its first bytes tell, and where they say nothing, its name.
    #[must_use]
    pub fn of(input: &Input) -> Self {
        let sniffed = match &input.location {
            InputLocation::Standard => return Self::Text,
            InputLocation::File(path) => sniff::format(path),
            InputLocation::Object(object) => sniff::format_of(object.head()),
        };
        sniffed.unwrap_or_else(|| Self::from_name(input.address()))
    }

    /// Whether its records are rows of a table.
    #[must_use]
    pub fn has_columns(self) -> bool {
        match self {
            Self::Text | Self::File | Self::Jsonl => false,
            Self::Arrow | Self::Stream | Self::Parquet | Self::Csv | Self::Tsv => true,
        }
    }

    /// Whether a file of it is more than the bytes of its records, one after the other.
    #[must_use]
    pub fn is_table(self) -> bool {
        matches!(self, Self::Arrow | Self::Stream | Self::Parquet)
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::File => "file",
            Self::Jsonl => "jsonl",
            Self::Arrow => "arrow",
            Self::Stream => "stream",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }

    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::File,
        Self::Jsonl,
        Self::Arrow,
        Self::Stream,
        Self::Parquet,
        Self::Csv,
        Self::Tsv,
    ];

    /// What the names of its files end with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text | Self::File => ".txt",
            Self::Jsonl => ".jsonl",
            Self::Arrow => ".arrow",
            Self::Stream => ".arrows",
            Self::Parquet => ".parquet",
            Self::Csv => ".csv",
            Self::Tsv => ".tsv",
        }
    }

    /// What a person calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Text | Self::File => "plain text",
            Self::Jsonl => "JSON Lines",
            Self::Arrow => "an Arrow file",
            Self::Stream => "an Arrow stream",
            Self::Parquet => "Parquet",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
        }
    }
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
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
    /// ordinal and first offset. The batch ends, at the latest, with the first record that ends `until` bytes or more
    /// behind the batch's beginning. Returns `false` at the end of the input. What cannot be loaded becomes a batch of its
    /// own (see [`crate::batch::Unread`]).
    fn fill(&mut self, batch: &mut Batch, size: usize, until: u64) -> Result<bool>;

    /// The ordinal and the offset of the record after those that batches were filled with.
    fn next(&self) -> (u64, u64);

    /// How many bytes of memory the source holds beside the batch: what was read behind it, and what decompression needs.
    fn held(&self) -> usize;

    /// Fails if somebody has written to the input since it was opened. To be asked when everything was read.
    fn check_unchanged(&self) -> Result<()>;

    /// How many bytes of the file were read so far (before decompression), for progress.
    fn position(&self) -> u64;

    /// How many bytes the file has in all (before decompression), where that is known.
    fn total(&self) -> Option<u64>;

    /// Whether records may follow behind a part that is damaged.
    fn goes_on(&self) -> bool {
        false
    }
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

/// The decoder of the source's format.
#[must_use]
pub fn decoder(layout: &Layout) -> Box<dyn Decoder> {
    match layout.source {
        Format::Text => Box::new(text::TextDecoder),
        Format::File => Box::new(file::FileDecoder),
        Format::Jsonl => Box::new(jsonl::JsonlDecoder::new(layout)),
        Format::Arrow | Format::Stream | Format::Parquet | Format::Csv | Format::Tsv => {
            unreachable!("the decoder of columns is made for their schema")
        }
    }
}

/// The encoder from the source's format to the sink's. The inputs are those that [`Batch::input`] counts.
#[must_use]
pub fn encoder(layout: &Layout, inputs: &[Input]) -> Box<dyn Encoder> {
    match (layout.source, layout.sink) {
        (Format::Jsonl, Format::Jsonl) => Box::new(splice::SpliceEncoder::new(layout)),
        (_, Format::Jsonl) => Box::new(objects::ObjectEncoder::new(layout, inputs)),
        (Format::File, _) | (_, Format::File) => Box::new(file::WholeEncoder),
        (source, Format::Text) => Box::new(text::LineEncoder {
            from_text: source == Format::Text,
            ends_lines: source.has_columns(),
        }),
        (_, Format::Arrow | Format::Stream | Format::Parquet | Format::Csv | Format::Tsv) => {
            unreachable!("rows of a table are not made of the bytes of lines")
        }
    }
}

/// Takes bytes in order and makes a file of them, whole or not at all.
pub trait Sink: Send {
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Has a write that waits for a reader end when this is cancelled.
    fn heed(&mut self, _cancel: &Cancel) {}

    /// Makes the file appear at its place, complete and on disk. Without this call nothing appears.
    fn commit(self: Box<Self>) -> Result<()>;
}
