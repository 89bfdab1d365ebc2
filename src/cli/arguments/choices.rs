//! Arguments that are one of a few words.

use clap::ValueEnum;

/// How records lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    Text,
    File,
    Jsonl,
    Parquet,
    Arrow,
    Stream,
    Csv,
    Tsv,
}

impl From<Format> for crate::io::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::File => Self::File,
            Format::Jsonl => Self::Jsonl,
            Format::Parquet => Self::Parquet,
            Format::Arrow => Self::Arrow,
            Format::Stream => Self::Stream,
            Format::Csv => Self::Csv,
            Format::Tsv => Self::Tsv,
        }
    }
}

/// What becomes of a record whose text is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Nulls {
    Keep,
    Reject,
    Quarantine,
}

impl From<Nulls> for crate::columns::Nulls {
    fn from(nulls: Nulls) -> Self {
        match nulls {
            Nulls::Keep => Self::Keep,
            Nulls::Reject => Self::Reject,
            Nulls::Quarantine => Self::Quarantine,
        }
    }
}

/// How what goes out to a directory is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl From<Compression> for crate::io::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Gzip => Self::Gzip,
            Compression::Zstd => Self::Zstd,
        }
    }
}

/// What happens to a record that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OnError {
    Raise,
    Quarantine,
}

impl From<OnError> for crate::plan::OnError {
    fn from(policy: OnError) -> Self {
        match policy {
            OnError::Raise => Self::Raise,
            OnError::Quarantine => Self::Quarantine,
        }
    }
}

/// Where plugins run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Isolation {
    Auto,
    Thread,
    Process,
}

impl From<Isolation> for crate::engine::Isolation {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::Auto => Self::Auto,
            Isolation::Thread => Self::Thread,
            Isolation::Process => Self::Process,
        }
    }
}
