//! A file of a shard while it is made: without its name, until it is complete, durable and still what was written.

use super::Compression;
use super::checksum::Checksum;
use super::compression::Compressor;
use super::root::{Draft, Root};
use crate::error::{Error, FileError, Result};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many bytes are gathered before they are written.
const BUFFER: usize = 64 << 10;

/// How many bytes a compressor gets at once. They are always as many, because what it makes may depend on how it is fed,
/// and batches are larger or smaller from run to run.
const BLOCK: usize = 128 << 10;

/// A file that is being written.
pub struct PartialFile {
    /// What it is called, in messages.
    path: PathBuf,
    file: Bytes,
    /// Before compression.
    bytes: u64,
}

impl PartialFile {
    /// Begins a file that is to appear under a name. It is removed when it is dropped before it has appeared.
    pub fn create(root: &Arc<dyn Root>, name: &str, compression: Compression) -> Result<Self> {
        let draft = Gathered::new(Arc::clone(root).draft(name)?);
        let path = draft.draft.path();
        let file = match compression {
            Compression::None => Bytes::Plain(draft),
            _ => Bytes::Compressed {
                block: Vec::with_capacity(BLOCK),
                compressor: compression
                    .writer(draft)
                    .map(Box::new)
                    .map_err(|error| failed(&path, "compressing", &error))?,
            },
        };
        Ok(Self { path, file, bytes: 0 })
    }

    /// Appends bytes, whose checksum the caller knows unless the file is compressed.
    pub fn write(&mut self, bytes: &[u8], checksum: Checksum) -> Result<()> {
        self.bytes += bytes.len() as u64;
        let written = match &mut self.file {
            Bytes::Plain(file) => file.append(bytes, checksum),
            Bytes::Compressed { block, compressor } => compress(block, compressor, bytes),
        };
        written.map_err(|error| failed(&self.path, "writing", &error))
    }

    /// Writes what is still held back. The file has no name yet.
    pub fn finish(self) -> Result<WrittenFile> {
        let Self { path, file, bytes } = self;
        let finished = match file {
            Bytes::Plain(file) => file.finish(),
            Bytes::Compressed { block, mut compressor } => compressor
                .write_all(&block)
                .and_then(|()| compressor.finish()?.finish()),
        };
        let (draft, checksum) = finished.map_err(|error| failed(&path, "writing", &error))?;
        Ok(WrittenFile { draft, checksum, bytes })
    }
}

fn failed(path: &Path, doing: &str, error: &io::Error) -> Error {
    Error::Output(Box::new(FileError::of(path, doing, error)))
}

fn compress(block: &mut Vec<u8>, compressor: &mut Compressor<Gathered>, mut bytes: &[u8]) -> io::Result<()> {
    while block.len() + bytes.len() >= BLOCK {
        let (now, later) = bytes.split_at(BLOCK - block.len());
        block.extend_from_slice(now);
        compressor.write_all(block)?;
        block.clear();
        bytes = later;
    }
    block.extend_from_slice(bytes);
    Ok(())
}

/// A file of which everything is written. It is not durable yet.
pub struct WrittenFile {
    draft: Box<dyn Draft>,
    checksum: Checksum,
    bytes: u64,
}

impl WrittenFile {
    /// The checksum and the size of what is stored.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// How many bytes were written, before compression.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file durable, and makes sure that it is as long as it must be. An error here is final: what a failed `fsync`
    /// has lost, a second one does not tell.
    pub fn make_durable(&mut self) -> Result<()> {
        self.draft.make_durable(self.checksum.length())
    }

    /// Gives the file its name. What has that name already is replaced, or an error.
    pub fn appear(self, replace: bool) -> Result<()> {
        self.draft.appear(replace)
    }
}

enum Bytes {
    Plain(Gathered),
    Compressed {
        block: Vec<u8>,
        compressor: Box<Compressor<Gathered>>,
    },
}

/// A file with the checksum of what was written to it, and a buffer before it for small pieces.
struct Gathered {
    draft: Box<dyn Draft>,
    buffer: Vec<u8>,
    checksum: Checksum,
}

impl Gathered {
    fn new(draft: Box<dyn Draft>) -> Self {
        Self {
            draft,
            buffer: Vec::new(),
            checksum: Checksum::default(),
        }
    }

    fn append(&mut self, bytes: &[u8], checksum: Checksum) -> io::Result<()> {
        debug_assert_eq!(checksum, Checksum::of(bytes));
        self.checksum.append(checksum);
        if self.buffer.len() + bytes.len() < BUFFER {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.empty()?;
        self.draft.write_all(bytes)
    }

    fn empty(&mut self) -> io::Result<()> {
        self.draft.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(Box<dyn Draft>, Checksum)> {
        self.empty()?;
        Ok((self.draft, self.checksum))
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes, Checksum::of(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.empty()
    }
}

#[cfg(test)]
#[path = "partial_tests.rs"]
mod tests;
