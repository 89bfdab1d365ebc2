//! The bytes of an input: opens it, tells what it is, and undoes its compression.

use super::open_input::OpenInput;
use super::patient::PatientInput;
use super::remote::{Download, RemoteObject};
use super::sniff::{self, HEAD, LEAST_HEAD};
use super::{Compression, Format, Input, InputLocation};
use crate::batch::{Batch, Unread};
use crate::error::{Error, Failure, FailureKind, FileError, Result};
use crate::step::{Cancel, Limits};
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many bytes of something that cannot be loaded are kept for whoever looks into it.
pub(super) const KEPT_BYTES: usize = 4096;

/// How many bytes are read at once where nobody says how many.
pub(super) const BUFFER: usize = 256 << 10;

/// How many bytes compressed data may become, however few they were.
const SURE_OUTPUT: u64 = 64 << 20;

/// How often reading is tried again when a disk says that it failed.
const RETRIES: u32 = 3;

/// How long to wait before that, the first time; twice as long each time after.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Opens a file for reading. The error keeps the system's number, which `fs_err` would hide.
#[expect(clippy::disallowed_methods, reason = "a `FileError` names the path itself")]
fn open_file(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|error| FileError::of(path, "opening", &error))
}

/// The bytes of an input, after decompression.
pub(super) struct Stream {
    reader: Box<dyn Read + Send>,
    /// Fit for a message.
    name: String,
    compression: Compression,
    pub(super) position: Arc<AtomicU64>,
    pub(super) total: Option<u64>,
    /// How many bytes of byte order mark were left out.
    pub(super) skipped: usize,
    /// Whether what is there should be passed on without waiting for more: somebody may be writing it right now.
    pub(super) live: bool,
    pub(super) state: StreamState,
    /// One record may be as large as a disk: whoever reads it must be able to stop.
    cancel: Cancel,
    limits: Limits,
    /// How many bytes were read, after decompression.
    expanded: u64,
    /// The file or object, if it is one that nobody should change while it is read.
    file: Option<OpenInput>,
    /// How many bytes may have come and wait to be read.
    ahead: usize,
}

/// Says that compressed data become larger than they may.
#[derive(Debug, thiserror::Error)]
#[error("They expand more than {limit} times")]
struct Expansion {
    limit: u64,
}

pub(super) enum StreamState {
    Open,
    /// Everything was read.
    Ended,
    /// No more can be read; nobody was told yet.
    Failed(io::Error),
    /// The end, or the failure, was passed on.
    Done,
}

/// Opens what a path leads to, unless it is a directory.
fn open_no_directory(path: &Path) -> Result<(File, Metadata)> {
    let file = open_file(path).map_err(|error| Error::Input(Box::new(error)))?;
    let metadata = file.metadata().map_err(|error| not_opened(path, &error))?;
    if metadata.is_dir() {
        let message = format!("{} is a directory; expected a file.", sniff::quoted(path));
        return Err(Error::input(path, message));
    }
    Ok((file, metadata))
}

/// Opens an input of which parts are read in any order.
pub(super) fn open_in_parts(input: &Input, cancel: &Cancel) -> Result<OpenInput> {
    let path = match &input.location {
        InputLocation::Object(object) => {
            object.check().map_err(|error| Error::Input(Box::new(error)))?;
            object.check_parts()?;
            return Ok(OpenInput::of_object(object, input, cancel));
        }
        _ => input.address(),
    };
    let (file, metadata) = open_no_directory(path)?;
    let opened = OpenInput::of(&file, &metadata, input).map_err(|error| not_opened(path, &error))?;
    opened.ok_or_else(|| {
        let message = format!(
            "{} is no ordinary file, and its end must be read first.",
            sniff::quoted(path)
        );
        Error::input(path, message)
    })
}

fn not_opened(path: &Path, error: &io::Error) -> Error {
    Error::Input(Box::new(FileError::of(path, "opening", error)))
}

impl Stream {
    pub(super) fn open(input: &Input, format: Format, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let path = match &input.location {
            InputLocation::Standard => {
                let standard = PatientInput::new(cancel);
                return Self::new(Box::new(standard), input, format, None, limits, cancel);
            }
            InputLocation::File(path) => path,
            InputLocation::Object(object) => return Self::of_object(object, input, format, limits, cancel),
        };
        let (file, metadata) = open_no_directory(path)?;
        let total = metadata.is_file().then_some(metadata.len());
        let opened = OpenInput::of(&file, &metadata, input).map_err(|error| not_opened(path, &error))?;
        let mut stream = Self::new(Box::new(file), input, format, total, limits, cancel)?;
        stream.file = opened;
        Ok(stream)
    }

    fn of_object(
        object: &Arc<RemoteObject>,
        input: &Input,
        format: Format,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Self> {
        object.check().map_err(|error| Error::Input(Box::new(error)))?;
        let failed = |error: &io::Error| Error::Input(Box::new(object.url().failed("opening", error)));
        let download = Download::new(object, 0, cancel).map_err(|error| failed(&error))?;
        let held = download.held();
        let mut stream = Self::new(Box::new(download), input, format, object.size(), limits, cancel)?;
        stream.file = Some(OpenInput::of_object(object, input, cancel));
        stream.ahead = held;
        Ok(stream)
    }

    /// Opens an input at an offset of its decompressed bytes.
    pub(super) fn open_at(input: &Input, format: Format, limits: Limits, cancel: &Cancel, offset: u64) -> Result<Self> {
        let mut stream = Self::open(input, format, limits, cancel)?;
        let path = input.address();
        let failed = |error: &io::Error| Error::Input(Box::new(FileError::of(path, "reading", error)));
        let reader: Box<dyn Read + Send> = match &input.location {
            InputLocation::File(_) if stream.compression == Compression::None => {
                let mut file = open_file(path).map_err(|error| Error::Input(Box::new(error)))?;
                file.seek(SeekFrom::Start(offset)).map_err(|error| failed(&error))?;
                Box::new(file)
            }
            InputLocation::Object(object) if stream.compression == Compression::None => {
                Box::new(Download::new(object, offset, cancel).map_err(|error| failed(&error))?)
            }
            _ => {
                stream.pass_over(input, offset)?;
                return Ok(stream);
            }
        };
        stream.position.store(offset, Ordering::Relaxed);
        stream.reader = Box::new(Counted {
            reader,
            position: Arc::clone(&stream.position),
        });
        Ok(stream)
    }

    /// Reads over everything before an offset.
    fn pass_over(&mut self, input: &Input, offset: u64) -> Result<()> {
        let mut left = offset.saturating_sub(self.skipped as u64);
        let mut chunk = Vec::new();
        while left > 0 && self.is_open() {
            chunk.clear();
            self.read(
                &mut chunk,
                usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER)),
            );
            left -= chunk.len() as u64;
        }
        if left == 0 || self.cancel.is_cancelled() {
            return Ok(());
        }
        let message = format!(
            "{} ends, or cannot be read, before byte {offset} after decompression, where the run is to go on.",
            self.name
        );
        Err(Error::input(input.address(), message))
    }

    pub(super) fn new(
        reader: Box<dyn Read + Send>,
        input: &Input,
        format: Format,
        total: Option<u64>,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Self> {
        let path = (input.location != InputLocation::Standard).then(|| input.address());
        let name = input.quoted();
        let position = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            reader,
            position: Arc::clone(&position),
        };
        let outer = Headed::new(counted);
        let compression = Compression::from_magic(&outer.head.get_ref()[..]);
        let mut inner = if compression == Compression::None {
            Headed {
                head: outer.head,
                failed: outer.failed,
                rest: Box::new(outer.rest) as Box<dyn Read + Send>,
            }
        } else {
            let buffered = BufReader::with_capacity(BUFFER, outer);
            let reader = compression.reader(Box::new(buffered), limits.window).map_err(|error| {
                let path = path.unwrap_or(Path::new("-"));
                Error::Input(Box::new(FileError::of(path, "opening", &error)))
            })?;
            Headed::new(reader)
        };
        let head = inner.head.get_ref();
        sniff::check(head, &name, path, format).map_err(|error| Error::Input(Box::new(error)))?;
        let skipped = sniff::byte_order_mark(head);
        inner.head.set_position(skipped as u64);
        Ok(Self {
            reader: Box::new(inner),
            name,
            compression,
            position,
            total,
            skipped,
            // Nobody knows how much a pipe will bring, or when.
            live: total.is_none(),
            state: StreamState::Open,
            cancel: cancel.clone(),
            limits,
            expanded: 0,
            file: None,
            ahead: 0,
        })
    }

    /// How many bytes of memory decompression and what was read ahead may hold.
    pub(super) fn held(&self) -> usize {
        let decompression = match self.compression {
            Compression::None => 0,
            Compression::Gzip => BUFFER,
            Compression::Zstd => BUFFER + self.limits.window,
        };
        decompression + self.ahead
    }

    /// Fails if the file was written to since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), OpenInput::check_unchanged)
    }

    /// Whether what was decompressed is more than it may be.
    fn expands_too_much(&self) -> Option<Expansion> {
        let limit = self.limits.expansion?;
        let read = self.position.load(Ordering::Relaxed);
        let too_much = self.compression != Compression::None
            && self.expanded > SURE_OUTPUT
            && self.expanded / limit.max(1) >= read.max(1);
        too_much.then_some(Expansion { limit })
    }

    /// Appends at most `want` bytes: what one call of the system gives. Notes the end and errors.
    pub(super) fn read(&mut self, bytes: &mut Vec<u8>, want: usize) {
        if self.cancel.is_cancelled() {
            // Not `Interrupted`, which means that one should try again.
            self.state = StreamState::Failed(io::Error::other("the run was stopped"));
            return;
        }
        let before = bytes.len();
        bytes.resize(before + want, 0);
        let read = match self.reader.read(&mut bytes[before..]) {
            Ok(0) => {
                self.state = StreamState::Ended;
                0
            }
            Ok(read) => read,
            Err(error) => {
                self.state = StreamState::Failed(error);
                0
            }
        };
        bytes.truncate(before + read);
        self.expanded += read as u64;
        if let Some(expansion) = self.expands_too_much() {
            self.state = StreamState::Failed(io::Error::other(expansion));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, StreamState::Open)
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, StreamState::Failed(_))
    }

    /// Makes a batch of the failure that ended the stream: `bytes` before it could still be read.
    pub(super) fn segment(&mut self, batch: &mut Batch, offset: u64) {
        let StreamState::Failed(error) = std::mem::replace(&mut self.state, StreamState::Done) else {
            return;
        };
        batch.raw_mut().truncate(KEPT_BYTES);
        let reason = error.to_string();
        let reason = reason.trim_end_matches('.');
        let expansion = error.get_ref().and_then(|inner| inner.downcast_ref::<Expansion>());
        let what = match (self.compression, error.kind()) {
            (compression, _) if let Some(Expansion { limit }) = expansion => format!(
                "The {} data of {} expand more than {limit} times, which is more than they may.",
                compression.name(),
                self.name
            ),
            (Compression::None, _) => format!("Reading {} failed: {reason}.", self.name),
            (compression, io::ErrorKind::UnexpectedEof) => {
                format!(
                    "The {} data of {} are cut off before their end.",
                    compression.name(),
                    self.name
                )
            }
            (compression, _) => format!(
                "The {} data of {} are damaged: {reason}.",
                compression.name(),
                self.name
            ),
        };
        let after = if self.compression == Compression::None {
            ""
        } else {
            " after decompression"
        };
        let message = format!("{what} Everything from byte offset {offset}{after} on is lost.");
        let mut failure = Failure::new(FailureKind::Segment, message);
        failure.hint = if expansion.is_some() {
            Some("If they are what they should be, allow more with `--max-expansion`.".to_owned())
        } else if reason.contains("too much memory") {
            Some(format!(
                "They need more than {} MiB to look back at. Decompress them first with `zstd -d --long=31`.",
                self.limits.window >> 20
            ))
        } else {
            None
        };
        batch.unread = Some(Unread::Segment(Box::new(failure)));
    }
}

/// A reader whose first bytes were looked at, and handed back.
struct Headed<R> {
    head: Cursor<Vec<u8>>,
    /// The error that came right behind the head.
    failed: Option<io::Error>,
    rest: R,
}

impl<R: Read> Headed<R> {
    fn new(mut rest: R) -> Self {
        let mut head = vec![0; HEAD];
        let mut length = 0;
        let mut failed = None;
        while length < LEAST_HEAD {
            match rest.read(&mut head[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        head.truncate(length);
        Self {
            head: Cursor::new(head),
            failed,
            rest,
        }
    }
}

impl<R: Read> Read for Headed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.head.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.rest.read(buffer),
        }
    }
}

/// Counts what is read, and reads again where a signal came between or a disk failed.
struct Counted<R> {
    reader: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const INPUT_OUTPUT_ERROR: i32 = 5;
        let mut retries = 0;
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Disks and networks have moments of weakness.
                Err(error) if error.raw_os_error() == Some(INPUT_OUTPUT_ERROR) && retries < RETRIES => {
                    std::thread::sleep(RETRY_PAUSE * (1 << retries));
                    retries += 1;
                }
                Ok(read) => {
                    self.position.fetch_add(read as u64, Ordering::Relaxed);
                    return Ok(read);
                }
                failed => return failed,
            }
        }
    }
}
