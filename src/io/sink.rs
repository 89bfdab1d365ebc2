//! Writes a file whole or not at all, or standard output.
//!
//! A file is written under a temporary name beside its place, `.NAME.XXXXXX.partial`, made durable, and then renamed. A
//! sink that is dropped without a commit leaves nothing behind.

use super::compression::Compressor;
use super::folder::folder_of;
use super::outputs::{exists, is_special};
use super::patient::PatientFile;
use super::remote::{self, Heeded, ObjectUrl, Upload};
use super::temporary::Temporary;
use super::{Compression, Sink};
use crate::error::{Error, FileError, Interrupt, Result};
use crate::step::Cancel;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _};
use std::path::{Path, PathBuf};

/// How many bytes are gathered before they are written. What a fast run makes of a batch is more than that, and is written
/// from where it lies.
const BUFFER: usize = 64 << 10;

/// Opens the sink of a file (a temporary beside it until the commit) or of an object, compressed as its name says; `None`:
/// standard output. A file that exists is replaced only with `overwrite`.
pub fn open_sink(path: Option<&Path>, overwrite: bool) -> Result<Box<dyn Sink>> {
    let path = match path {
        None => return Ok(Box::new(StreamSink::standard_output()?)),
        Some(path) if path == Path::new("/dev/stdout") => return Ok(Box::new(StreamSink::standard_output()?)),
        Some(path) => path,
    };
    Ok(match ObjectUrl::of(path)? {
        Some(url) => Box::new(ObjectSink::open(path, url, overwrite)?),
        None if is_special(path) => Box::new(StreamSink::open(path)?),
        None => Box::new(FileSink::open(path, overwrite)?),
    })
}

/// A sink whose file is made only when something is written to it. If nothing is, a commit with `overwrite` removes the
/// file that is there: it tells of another run.
#[must_use]
pub fn lazy_sink(path: &Path, overwrite: bool) -> Box<dyn Sink> {
    Box::new(LazySink {
        path: path.to_owned(),
        overwrite,
        cancel: Cancel::default(),
        sink: None,
    })
}

/// The error of a system call on an output.
fn failed(path: &Path, doing: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::Interrupted(Interrupt::ClosedPipe);
    }
    Error::Output(Box::new(FileError::of(path, doing, error)))
}

type Bytes = Compressor<BufWriter<PatientFile>>;

fn compressor(path: &Path, file: File) -> Result<Bytes> {
    Compression::from_name(path)
        .writer(BufWriter::with_capacity(BUFFER, PatientFile::new(file)))
        .map_err(|error| failed(path, "compressing", &error))
}

/// Writes what is still held back.
fn finish(path: &Path, bytes: Bytes) -> Result<File> {
    let buffered = bytes.finish().map_err(|error| failed(path, "writing", &error))?;
    let file = buffered
        .into_inner()
        .map_err(|error| failed(path, "writing", error.error()))?;
    Ok(file.into_inner())
}

/// Whether a file is as long as what was written to it. It has a name while it is being written, so others can harm it.
fn check_length(mut file: &File) -> io::Result<()> {
    let (written, found) = (file.stream_position()?, file.metadata()?.len());
    if written == found {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{written} bytes were written and {found} are there, so something else changed its temporary file"
    )))
}

/// A file that appears at its place with the commit.
struct FileSink {
    path: PathBuf,
    overwrite: bool,
    bytes: Bytes,
    /// Removes the file when it is dropped. It stands behind `bytes`, so that the file is closed first.
    temporary: Temporary,
}

impl FileSink {
    fn open(path: &Path, overwrite: bool) -> Result<Self> {
        let existing = fs_err::metadata(path).ok();
        if existing.is_some() && !overwrite {
            return Err(exists("output", path).into());
        }
        let (file, temporary) = Temporary::create(path).map_err(|error| {
            let mut error = FileError::of(path, "creating", &error);
            if error.errno == Some(2) || !folder_of(path).is_dir() {
                error.hint = Some("Create the directory first.".to_owned());
            }
            Error::Output(Box::new(error))
        })?;
        if let Some(existing) = existing {
            file.set_permissions(existing.permissions())
                .map_err(|error| failed(path, "creating", &error))?;
        }
        Ok(Self {
            bytes: compressor(path, file)?,
            path: path.to_owned(),
            overwrite,
            temporary,
        })
    }
}

impl Sink for FileSink {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes
            .write_all(bytes)
            .map_err(|error| failed(&self.path, "writing", &error))
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self {
            path,
            overwrite,
            bytes,
            temporary,
        } = *self;
        let file = finish(&path, bytes)?;
        file.sync_all()
            .and_then(|()| check_length(&file))
            .map_err(|error| failed(&path, "writing", &error))?;
        drop(file);
        temporary.rename(overwrite).map_err(|error| {
            if !overwrite && error.kind() == io::ErrorKind::AlreadyExists {
                return exists("output", &path).into();
            }
            failed(&path, "renaming", &error)
        })
    }
}

/// An object that is uploaded in parts, and appears with the commit.
struct ObjectSink {
    url: ObjectUrl,
    overwrite: bool,
    bytes: Compressor<Upload>,
}

impl ObjectSink {
    fn open(path: &Path, url: ObjectUrl, overwrite: bool) -> Result<Self> {
        url.check_writable("output")?;
        let bytes = Compression::from_name(path)
            .writer(Upload::new(url.clone(), &Heeded::default()))
            .map_err(|error| failed(path, "compressing", &error))?;
        Ok(Self { url, overwrite, bytes })
    }

    fn failed(url: &ObjectUrl, error: &io::Error) -> Error {
        Error::Output(Box::new(url.failed("writing", error)))
    }
}

impl Sink for ObjectSink {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes
            .write_all(bytes)
            .map_err(|error| Self::failed(&self.url, &error))
    }

    fn heed(&mut self, cancel: &Cancel) {
        self.bytes.writer_mut().heed(cancel);
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self { url, overwrite, bytes } = *self;
        let appeared = bytes.finish().and_then(|upload| upload.appear(overwrite));
        appeared.map_err(|error| {
            if !overwrite && error.kind() == io::ErrorKind::AlreadyExists {
                return exists("output", url.as_path()).into();
            }
            Self::failed(&url, &error)
        })
    }
}

/// A stream or a device: what is written is written.
struct StreamSink {
    path: PathBuf,
    bytes: Bytes,
}

impl StreamSink {
    fn standard_output() -> Result<Self> {
        let path = PathBuf::from("standard output");
        #[cfg(unix)]
        let file = {
            use std::os::fd::AsFd as _;
            // Rust's own handle would look at each byte for line ends.
            let owned = io::stdout().as_fd().try_clone_to_owned();
            File::from(owned.map_err(|error| failed(&path, "opening", &error))?)
        };
        #[cfg(windows)]
        let file = {
            use std::os::windows::io::AsHandle as _;
            let owned = io::stdout().as_handle().try_clone_to_owned();
            File::from(owned.map_err(|error| failed(&path, "opening", &error))?)
        };
        Ok(Self {
            bytes: compressor(&path, file)?,
            path,
        })
    }

    fn open(path: &Path) -> Result<Self> {
        let file = File::options()
            .write(true)
            .open(path)
            .map_err(|error| failed(path, "opening", &error))?;
        Ok(Self {
            bytes: compressor(path, file)?,
            path: path.to_owned(),
        })
    }
}

impl Sink for StreamSink {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes
            .write_all(bytes)
            .and_then(|()| self.bytes.flush())
            .map_err(|error| failed(&self.path, "writing", &error))
    }

    fn heed(&mut self, cancel: &Cancel) {
        self.bytes.writer_mut().get_mut().heed(cancel);
    }

    fn commit(self: Box<Self>) -> Result<()> {
        finish(&self.path, self.bytes).map(drop)
    }
}

/// A file that is made when it is first written to.
struct LazySink {
    path: PathBuf,
    overwrite: bool,
    cancel: Cancel,
    sink: Option<Box<dyn Sink>>,
}

impl Sink for LazySink {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sink = match &mut self.sink {
            Some(sink) => sink,
            none => {
                let sink = none.insert(open_sink(Some(&self.path), self.overwrite)?);
                sink.heed(&self.cancel);
                sink
            }
        };
        sink.write(bytes)
    }

    fn heed(&mut self, cancel: &Cancel) {
        if let Some(sink) = &mut self.sink {
            sink.heed(cancel);
        }
        self.cancel = cancel.clone();
    }

    fn commit(self: Box<Self>) -> Result<()> {
        if let Some(sink) = self.sink {
            return sink.commit();
        }
        if let Some(url) = ObjectUrl::of(&self.path)? {
            let removed = if self.overwrite {
                remote::remove(&url, &self.cancel)
            } else {
                Ok(())
            };
            return removed.map_err(|error| Error::Output(Box::new(url.failed("removing", &error))));
        }
        if self.overwrite && fs_err::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.is_file()) {
            std::fs::remove_file(&self.path).map_err(|error| failed(&self.path, "removing", &error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
