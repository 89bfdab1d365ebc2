//! Reads Arrow IPC: files, whose batches are found by their footer, and streams.

use super::super::identity::{InputReader, OpenInput};
use super::super::stream::{BUFFER, Stream, open_in_parts};
use super::{Piece, TableReader, guarded, lost, unreadable};
use crate::error::{Result, Shown};
use crate::io::{Format, Input};
use crate::step::{Cancel, Limits};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{FileReader, StreamDecoder};
use arrow_ipc::root_as_footer;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use std::io::{BufReader, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open IPC file.
pub(super) struct IpcFile {
    name: String,
    opened: OpenInput,
    reader: FileReader<BufReader<InputReader>>,
    batch: usize,
    held: usize,
    back: Option<RecordBatch>,
}

impl IpcFile {
    pub(super) fn open(input: &Input, cancel: &Cancel) -> Result<Self> {
        let opened = open_in_parts(input, cancel)?;
        let path = input.address();
        let broken = |reason: String| unreadable(&format!("`{}`", input.name), Some(path), "an Arrow file", &reason);
        check(&opened).map_err(broken)?;
        let file = opened.reader().map_err(|error| broken(error.to_string()))?;
        // Whoever is far away is asked for much at once.
        let file = BufReader::with_capacity(BUFFER, file);
        let reader = guarded(|| FileReader::try_new(file, None)).map_err(broken)?;
        Ok(Self {
            name: format!("`{}`", Shown(path)),
            opened,
            reader,
            batch: 0,
            held: 0,
            back: None,
        })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }
}

impl TableReader for IpcFile {
    fn next(&mut self) -> Option<Piece> {
        if let Some(table) = self.back.take() {
            return Some(Piece::Table(table));
        }
        if self.batch >= self.reader.num_batches() {
            return None;
        }
        let number = self.batch;
        self.batch += 1;
        let reader = &mut self.reader;
        match guarded(|| reader.set_index(number).and_then(|()| reader.next().transpose())) {
            Ok(Some(table)) => {
                self.held = table.get_array_memory_size();
                Some(Piece::Table(table))
            }
            Ok(None) => None,
            Err(reason) => Some(Piece::Lost {
                rows: 1,
                failure: lost(format!(
                    "Batch {number} of {} is damaged: {reason}. Its rows are lost.",
                    self.name
                )),
                bytes: Vec::new(),
            }),
        }
    }

    fn put_back(&mut self, table: RecordBatch) {
        self.back = Some(table);
    }

    fn position(&self) -> u64 {
        let batches = self.reader.num_batches().max(1) as u128;
        (u128::from(self.opened.size()) * self.batch as u128 / batches) as u64
    }

    fn total(&self) -> Option<u64> {
        Some(self.opened.size())
    }

    fn held(&self) -> usize {
        0
    }

    fn check_unchanged(&self) -> Result<()> {
        self.opened.check_unchanged()
    }
}

/// Refuses a footer that tells of more than the file has: nothing is allocated for what is not there.
fn check(opened: &OpenInput) -> Result<(), String> {
    const TAIL: u64 = 10;
    let failed = |error: std::io::Error| error.to_string();
    let size = opened.size();
    let read = |from: u64, length: u64| opened.read_at(from, length).map_err(failed);
    let tail = read(size.checked_sub(TAIL).ok_or("it is too short")?, TAIL)?;
    let length = tail.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    let begin = size
        .checked_sub(TAIL + u64::from(length))
        .ok_or("its footer is cut off")?;
    let footer = read(begin, u64::from(length))?;
    let footer = guarded(|| root_as_footer(&footer))?;
    let blocks = footer.recordBatches().into_iter().flatten();
    for block in blocks.chain(footer.dictionaries().into_iter().flatten()) {
        let length = i64::from(block.metaDataLength()).checked_add(block.bodyLength());
        let end = length.and_then(|length| length.checked_add(block.offset()));
        let is_within = block.offset() >= 0 && block.metaDataLength() >= 0 && block.bodyLength() >= 0;
        if !is_within || end.is_none_or(|end| end as u64 > size) {
            return Err("one of its batches lies beyond the end of the file".to_owned());
        }
    }
    Ok(())
}

/// An open IPC stream.
pub(super) struct IpcStream {
    name: String,
    unpacked: super::csv::Unpacked,
    decoder: StreamDecoder,
    schema: SchemaRef,
    /// What was read and is not decoded yet.
    bytes: Buffer,
    stream: super::csv::Guard,
    ended: bool,
    back: Option<RecordBatch>,
}

impl IpcStream {
    pub(super) fn open(input: &Input, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let stream = Stream::open(input, Format::Stream, limits, cancel)?;
        let (unpacked, stream) = super::csv::Unpacked::new(stream, Arc::new(AtomicU64::new(u64::MAX)));
        let name = input.quoted();
        let mut tables = Self {
            name,
            unpacked,
            decoder: StreamDecoder::new(),
            schema: Arc::new(Schema::empty()),
            bytes: Buffer::default(),
            stream,
            ended: false,
            back: None,
        };
        // The schema is known with the first batch at the latest, and a stream may have none.
        tables.back = guarded(|| tables.decode(true))
            .map_err(|reason| unreadable(&tables.name, Some(input.address()), "an Arrow stream", &reason))?;
        Ok(tables)
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Decodes the next batch, or up to the schema.
    fn decode(&mut self, to_schema: bool) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            let table = self.decoder.decode(&mut self.bytes)?;
            if let Some(schema) = self.decoder.schema() {
                self.schema = schema;
                if to_schema || table.is_some() {
                    return Ok(table);
                }
            } else if let Some(table) = table {
                return Ok(Some(table));
            }
            if self.bytes.is_empty() {
                let mut chunk = vec![0; BUFFER];
                let read = self.unpacked.read(&mut chunk)?;
                if read == 0 {
                    self.decoder.finish()?;
                    return Ok(None);
                }
                chunk.truncate(read);
                self.bytes = Buffer::from_vec(chunk);
            }
        }
    }
}

impl TableReader for IpcStream {
    fn next(&mut self) -> Option<Piece> {
        if let Some(table) = self.back.take() {
            return Some(Piece::Table(table));
        }
        if self.ended {
            return None;
        }
        match guarded(|| self.decode(false)) {
            Ok(Some(table)) => Some(Piece::Table(table)),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(reason) => {
                self.ended = true;
                Some(Piece::Lost {
                    rows: 1,
                    failure: lost(format!(
                        "The Arrow stream {} is damaged: {reason}. Everything behind is lost.",
                        self.name
                    )),
                    bytes: Vec::new(),
                })
            }
        }
    }

    fn put_back(&mut self, table: RecordBatch) {
        self.back = Some(table);
    }

    fn position(&self) -> u64 {
        self.stream.position.load(Ordering::Relaxed)
    }

    fn total(&self) -> Option<u64> {
        self.stream.total
    }

    fn held(&self) -> usize {
        self.stream.held
    }

    fn check_unchanged(&self) -> Result<()> {
        self.unpacked.check_unchanged()
    }
}
