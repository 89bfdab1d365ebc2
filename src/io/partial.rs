//! A file of a shard while it is made: under a temporary name, until it is complete, durable and still what was written.

use super::Compression;
use super::checksum::Checksum;
use super::compression::Compressor;
use super::folder::{FileState, Folder};
use crate::error::{Error, FileError, Result};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// How many bytes are gathered before they are written.
const BUFFER: usize = 64 << 10;

/// How many bytes a compressor gets at once. They are always as many, because what it makes may depend on how it is fed,
/// and batches are larger or smaller from run to run.
const BLOCK: usize = 128 << 10;

/// How the temporary names end.
pub const PARTIAL: &str = ".partial";

/// A file that is being written.
pub struct PartialFile {
    temporary: Temporary,
    file: Bytes,
    /// Before compression.
    bytes: u64,
}

impl PartialFile {
    /// Makes a file with a temporary name in a folder. It is removed when it is dropped before it has appeared.
    pub fn create(folder: &Arc<Folder>, name: &str, compression: Compression) -> Result<Self> {
        let name = format!(".{name}{PARTIAL}");
        // The lock is ours: whatever has this name was left by a run that is over.
        folder.remove(&name)?;
        let file = folder.create_to_append(&name)?;
        let temporary = Temporary {
            folder: Arc::clone(folder),
            name,
            appeared: false,
        };
        let file = match compression {
            Compression::None => Bytes::Plain(Gathered::new(file)),
            _ => Bytes::Compressed {
                block: Vec::with_capacity(BLOCK),
                compressor: compression
                    .writer(Gathered::new(file))
                    .map(Box::new)
                    .map_err(|error| temporary.failed("compressing", &error))?,
            },
        };
        Ok(Self {
            temporary,
            file,
            bytes: 0,
        })
    }

    /// Appends bytes, whose checksum the caller knows unless the file is compressed.
    pub fn write(&mut self, bytes: &[u8], checksum: Checksum) -> Result<()> {
        self.bytes += bytes.len() as u64;
        let written = match &mut self.file {
            Bytes::Plain(file) => file.append(bytes, checksum),
            Bytes::Compressed { block, compressor } => compress(block, compressor, bytes),
        };
        written.map_err(|error| self.temporary.failed("writing", &error))
    }

    /// Writes what is still held back. The file keeps its temporary name.
    pub fn finish(self) -> Result<WrittenFile> {
        let Self { temporary, file, bytes } = self;
        let finished = match file {
            Bytes::Plain(file) => file.finish(),
            Bytes::Compressed { block, mut compressor } => compressor
                .write_all(&block)
                .and_then(|()| compressor.finish()?.finish()),
        };
        let (file, checksum) = finished.map_err(|error| temporary.failed("writing", &error))?;
        Ok(WrittenFile {
            temporary,
            file,
            checksum,
            bytes,
        })
    }
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
    temporary: Temporary,
    file: File,
    checksum: Checksum,
    bytes: u64,
}

impl WrittenFile {
    /// The checksum and the size of what lies on the disk.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// How many bytes were written, before compression.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file durable, and makes sure that its name still stands for it and that it is as long as it must be. An
    /// error here is final: what a failed `fsync` has lost, a second one does not tell.
    pub fn make_durable(&self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|error| self.temporary.failed("writing", &error))?;
        let mine = FileState::of(&self.file).map_err(|error| self.temporary.failed("looking at", &error))?;
        let named = self.temporary.folder.state(&self.temporary.name)?;
        let expected = self.checksum.length();
        if named.is_some_and(|named| named.is_same_file(mine)) && mine.size == expected {
            return Ok(());
        }
        let path = self.temporary.folder.path().join(&self.temporary.name);
        let message = format!(
            "A file of the output was changed by somebody else while it was written: {} has {} bytes where {expected} were written.",
            crate::error::Shown(&path),
            named.map_or(0, |named| named.size),
        );
        let mut error = FileError::new(path, message);
        error.hint =
            Some("Let nothing else write into the directory, a plugin included, and say `--resume`.".to_owned());
        Err(Error::Output(Box::new(error)))
    }

    /// Gives the file its name.
    pub fn appear(mut self, folder: &Folder, name: &str) -> Result<()> {
        if folder.state(name)?.is_some() {
            let path = folder.path().join(name);
            let message = format!("Something else has the name `{}`.", crate::error::Shown(&path));
            let mut error = FileError::new(path, message);
            error.hint = Some("Move it out of the directory, and say `--resume`.".to_owned());
            return Err(Error::Output(Box::new(error)));
        }
        self.temporary.folder.rename(&self.temporary.name, folder, name)?;
        self.temporary.appeared = true;
        Ok(())
    }

    /// Gives the file its name, in the place of the file that had it.
    pub fn replace(mut self, folder: &Folder, name: &str) -> Result<()> {
        self.temporary.folder.rename(&self.temporary.name, folder, name)?;
        self.temporary.appeared = true;
        Ok(())
    }
}

/// A temporary name, which goes away with its holder.
struct Temporary {
    folder: Arc<Folder>,
    name: String,
    appeared: bool,
}

impl Temporary {
    fn failed(&self, doing: &str, error: &io::Error) -> Error {
        Error::Output(Box::new(FileError::of(
            self.folder.path().join(&self.name),
            doing,
            error,
        )))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.appeared {
            // What cannot be removed now is removed when the run goes on.
            let _ = self.folder.remove(&self.name);
        }
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
    file: File,
    buffer: Vec<u8>,
    checksum: Checksum,
}

impl Gathered {
    fn new(file: File) -> Self {
        Self {
            file,
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
        self.file.write_all(bytes)
    }

    fn empty(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(File, Checksum)> {
        self.empty()?;
        Ok((self.file, self.checksum))
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
