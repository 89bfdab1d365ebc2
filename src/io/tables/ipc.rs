//! Reads Arrow IPC: files, whose batches are found by their footer, and streams.

use super::super::open_input::{InputReader, OpenInput};
use super::super::stream::{BUFFER, Stream, open_in_parts};
use super::unpacked::{Guard, Unpacked};
use super::{Piece, TableReader, guarded, ipc_lengths, lost, unreadable};
use crate::error::{Result, Shown};
use crate::io::{Format, Input};
use crate::step::{Cancel, Limits};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{FileReader, StreamDecoder};
use arrow_ipc::{Block, root_as_footer};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use std::io::{self, BufReader, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open IPC file.
pub(super) struct IpcFile {
    name: String,
    opened: OpenInput,
    reader: FileReader<BufReader<InputReader>>,
    limits: Limits,
    /// Where each batch lies.
    blocks: Vec<Block>,
    batch: usize,
    held: usize,
    back: Option<RecordBatch>,
}

impl IpcFile {
    pub(super) fn open(input: &Input, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let opened = open_in_parts(input, cancel)?;
        let path = input.address();
        let broken = |reason: String| unreadable(&format!("`{}`", input.name), Some(path), "an Arrow file", &reason);
        let blocks = check(&opened, limits).map_err(broken)?;
        let file = opened.reader().map_err(|error| broken(error.to_string()))?;
        // Whoever is far away is asked for much at once.
        let file = BufReader::with_capacity(BUFFER, file);
        let reader = guarded(|| FileReader::try_new(file, None)).map_err(broken)?;
        Ok(Self {
            name: format!("`{}`", Shown(path)),
            opened,
            reader,
            limits,
            blocks,
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
        let checked = self
            .blocks
            .get(number)
            .map_or(Ok(()), |block| check_block(&self.opened, *block, self.limits));
        match checked.and_then(|()| guarded(|| reader.set_index(number).and_then(|()| reader.next().transpose()))) {
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

/// Refuses a footer that tells of more than the file has, and dictionaries that say that they become more than is allowed:
/// nothing is allocated for what is not there. Returns where the batches lie.
fn check(opened: &OpenInput, limits: Limits) -> Result<Vec<Block>, String> {
    const TAIL: u64 = 10;
    let size = opened.size();
    let read = |from: u64, length: u64| opened.read_at(from, length).map_err(|error| error.to_string());
    let tail = read(size.checked_sub(TAIL).ok_or("it is too short")?, TAIL)?;
    let length = tail.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    let begin = size
        .checked_sub(TAIL + u64::from(length))
        .ok_or("its footer is cut off")?;
    let footer = read(begin, u64::from(length))?;
    let footer = guarded(|| root_as_footer(&footer))?;
    let batches: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
    let dictionaries = footer.dictionaries().into_iter().flatten();
    for block in batches.iter().chain(dictionaries.clone()) {
        let length = i64::from(block.metaDataLength()).checked_add(block.bodyLength());
        let end = length.and_then(|length| length.checked_add(block.offset()));
        let is_within = block.offset() >= 0 && block.metaDataLength() >= 0 && block.bodyLength() >= 0;
        if !is_within || end.is_none_or(|end| end as u64 > size) {
            return Err("one of its batches lies beyond the end of the file".to_owned());
        }
    }
    for block in dictionaries {
        check_block(opened, *block, limits)
            .map_err(|reason| format!("one of its dictionaries is damaged: {reason}"))?;
    }
    Ok(batches)
}

/// Refuses a batch, or a dictionary, that says that it becomes more than is allowed. It lies within the file.
fn check_block(opened: &OpenInput, block: Block, limits: Limits) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let begin = block.offset().unsigned_abs();
    let body = begin + u64::from(block.metaDataLength().unsigned_abs());
    // What is far away comes in one piece, with what the library reads of it next.
    opened
        .look_ahead(begin..body + block.bodyLength().unsigned_abs())
        .map_err(failed)?;
    let metadata = opened.read_at(begin, body - begin).map_err(failed)?;
    guarded(|| {
        ipc_lengths::check(&ipc_lengths::message(&metadata)?, limits, |place, bytes| {
            let there = opened.read_at(body.saturating_add(place), bytes.len() as u64)?;
            bytes.copy_from_slice(&there);
            Ok(())
        })
    })
}

/// An open IPC stream.
pub(super) struct IpcStream {
    name: String,
    unpacked: Unpacked,
    decoder: StreamDecoder,
    schema: SchemaRef,
    limits: Limits,
    /// What was read and is not decoded yet: the head of a message, and its body.
    parts: [Buffer; 2],
    stream: Guard,
    ended: bool,
    back: Option<RecordBatch>,
}

impl IpcStream {
    pub(super) fn open(input: &Input, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let stream = Stream::open(input, Format::Stream, limits, cancel)?;
        let (unpacked, stream) = Unpacked::new(stream, Arc::new(AtomicU64::new(u64::MAX)));
        let name = input.quoted();
        let mut tables = Self {
            name,
            unpacked,
            decoder: StreamDecoder::new(),
            schema: Arc::new(Schema::empty()),
            limits,
            parts: [Buffer::default(), Buffer::default()],
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
            for part in &mut self.parts {
                let table = self.decoder.decode(part)?;
                if let Some(schema) = self.decoder.schema() {
                    self.schema = schema;
                    if to_schema || table.is_some() {
                        return Ok(table);
                    }
                } else if let Some(table) = table {
                    return Ok(Some(table));
                }
            }
            self.parts = self.read_message()?.map(Buffer::from_vec);
            if self.parts[0].is_empty() {
                self.decoder.finish()?;
                return Ok(None);
            }
        }
    }

    /// Reads the head and the body of the next message, as far as they are there. A body that says that it becomes more than
    /// is allowed is an error.
    fn read_message(&mut self) -> Result<[Vec<u8>; 2], ArrowError> {
        const LENGTH: u64 = 4;
        let mut head = Vec::new();
        let mut read = |head: &mut Vec<u8>, length: u64| {
            let read = (&mut self.unpacked).take(length).read_to_end(head)?;
            Ok::<_, io::Error>(read as u64 == length)
        };
        let mut is_whole = read(&mut head, LENGTH)?;
        if head == ipc_lengths::MARK {
            is_whole = read(&mut head, LENGTH)?;
        }
        let length = head.last_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        if !is_whole || length == 0 || !read(&mut head, u64::from(length))? {
            return Ok([head, Vec::new()]);
        }
        let refused = |reason: String| ArrowError::IpcError(reason);
        let message = ipc_lengths::message(&head).map_err(refused)?;
        let mut body = Vec::new();
        let length = u64::try_from(message.bodyLength()).unwrap_or(0);
        if read(&mut body, length)? {
            let part = |place: u64, bytes: &mut [u8]| {
                let part = usize::try_from(place)
                    .ok()
                    .and_then(|place| body.get(place..)?.get(..bytes.len()));
                bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            };
            ipc_lengths::check(&message, self.limits, part).map_err(refused)?;
        }
        Ok([head, body])
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
