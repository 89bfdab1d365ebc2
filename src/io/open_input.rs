//! Inputs of which parts are read in any order, and which are asked whether they are still what they were.

use super::Input;
use super::identity::{Version, check_object};
use super::remote::{ObjectParts, ObjectReader, RemoteObject};
use crate::error::{Error, FileError, Result};
use crate::step::Cancel;
use bytes::{Buf as _, Bytes};
use parquet::file::reader::{ChunkReader, Length};
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// An input that is open, with what it was then. If it is replaced or removed, a file is still there for whoever has it
/// open, and of an object no more is read.
pub(super) struct OpenInput {
    name: String,
    opened: Opened,
}

enum Opened {
    File { file: File, path: PathBuf, before: Version },
    Object { reader: ObjectReader },
}

impl OpenInput {
    /// Remembers what an input is, if it is an ordinary file: of a pipe, nobody can tell.
    pub(super) fn of(file: &File, metadata: &Metadata, input: &Input) -> io::Result<Option<Self>> {
        let Some(path) = input.path().filter(|_| metadata.is_file()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            name: input.name.clone(),
            opened: Opened::File {
                file: file.try_clone()?,
                path: path.to_owned(),
                before: Version::of(metadata),
            },
        }))
    }

    /// Remembers an object.
    pub(super) fn of_object(object: &Arc<RemoteObject>, input: &Input, cancel: &Cancel) -> Self {
        Self {
            name: input.name.clone(),
            opened: Opened::Object {
                reader: ObjectReader::new(object, cancel),
            },
        }
    }

    /// How many bytes it had when it was opened.
    pub(super) fn size(&self) -> u64 {
        match &self.opened {
            Opened::File { before, .. } => before.size,
            Opened::Object { reader } => reader.object().size().unwrap_or(0),
        }
    }

    /// The bytes at a place in it.
    pub(super) fn read_at(&self, from: u64, length: u64) -> io::Result<Bytes> {
        match &self.opened {
            Opened::File { file, .. } => {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, from)?;
                Ok(bytes.into())
            }
            Opened::Object { reader } => reader.part(from..from + length),
        }
    }

    /// Has an object's bytes at a place come in one piece, which is kept until the next: whoever reads them then need not wait.
    pub(super) fn look_ahead(&self, place: Range<u64>) -> io::Result<()> {
        match &self.opened {
            Opened::File { .. } => Ok(()),
            Opened::Object { reader } => reader.look_ahead(place),
        }
    }

    /// Its bytes at these places, to be read from a [`Parts`]: those of an object are asked for together, those of a file when
    /// they are read.
    pub(super) fn parts(&self, places: &[Range<u64>]) -> io::Result<Parts> {
        Ok(match &self.opened {
            Opened::File { file, before, .. } => Parts::File(Placed {
                file: Arc::new(file.try_clone()?),
                size: before.size,
                position: 0,
            }),
            Opened::Object { reader } => Parts::Object(ObjectParts::fetch(reader.object(), places, reader.cancel())?),
        })
    }

    /// Fails if it was written to since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        match &self.opened {
            Opened::File { file, path, before } => {
                let now = file.metadata();
                let now = now.map_err(|error| Error::Input(Box::new(FileError::of(path, "reading", &error))))?;
                before.check_unchanged(&self.name, path, Some(&Version::of(&now)))
            }
            Opened::Object { reader } => check_object(&self.name, reader.object(), reader.cancel()),
        }
    }
}

/// A file that is read at a place of one's own: whatever else reads it, on other threads too, has another.
#[derive(Clone)]
pub(super) struct Placed {
    file: Arc<File>,
    size: u64,
    position: u64,
}

impl Read for Placed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// Parts of an input, as the library for Parquet reads them.
pub(super) enum Parts {
    File(Placed),
    Object(ObjectParts),
}

impl Length for Parts {
    fn len(&self) -> u64 {
        match self {
            Self::File(placed) => placed.size,
            Self::Object(parts) => parts.size(),
        }
    }
}

impl ChunkReader for Parts {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(match self {
            Self::File(placed) => Box::new(BufReader::new(Placed {
                position: start,
                ..placed.clone()
            })),
            Self::Object(parts) => Box::new(parts.from(start)?.reader()),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match self {
            Self::File(placed) => {
                let mut bytes = vec![0; length];
                placed.file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
            Self::Object(parts) => Ok(parts.bytes(start, length)?),
        }
    }
}
