//! Reads Arrow IPC: files, whose batches are found by their footer, and streams.

use super::super::open_input::OpenInput;
use super::super::stream::{Stream, open_in_parts};
use super::ipc_tables::TableMaker;
use super::unpacked::{Guard, Unpacked};
use super::{Piece, TableReader, guarded, ipc_lengths, lost, unreadable};
use crate::batch::FlawedRow;
use crate::error::{Result, Shown};
use crate::io::{Format, Input};
use crate::step::{Cancel, Limits};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::{Block, Footer, Message, MessageHeader, root_as_footer};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use std::io::{self, Read as _};
use std::sync::atomic::Ordering;

/// What an Arrow file ends with.
const END: &[u8] = b"ARROW1";

/// The rows of a batch, as far as they are known.
#[derive(Default)]
struct Rows {
    /// How many rows there were so far.
    count: u64,
    /// Those of the last batch that cannot be read.
    flawed: Vec<FlawedRow>,
}

impl Rows {
    /// What becomes of a batch that was read, or that could not be.
    fn piece(
        &mut self,
        message: Option<&Message<'_>>,
        made: Result<(RecordBatch, Vec<FlawedRow>), String>,
        told: impl FnOnce(&str) -> String,
    ) -> Piece {
        let batch = message.and_then(Message::header_as_record_batch);
        let said = batch.and_then(|batch| u64::try_from(batch.length()).ok());
        let (rows, piece) = match made {
            Ok((table, flawed)) => {
                self.flawed = flawed;
                (table.num_rows() as u64, Piece::Table(table))
            }
            Err(reason) => {
                let rows = said.unwrap_or(1);
                let failure = lost(told(&reason));
                let bytes = Vec::new();
                (rows, Piece::Lost { rows, failure, bytes })
            }
        };
        self.count = self.count.saturating_add(rows);
        piece
    }
}

/// An open IPC file.
pub(super) struct IpcFile {
    name: String,
    opened: OpenInput,
    maker: TableMaker,
    /// Where each batch lies.
    blocks: Vec<Block>,
    batch: usize,
    rows: Rows,
    back: Option<RecordBatch>,
}

impl IpcFile {
    pub(super) fn open(input: &Input, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let opened = open_in_parts(input, cancel)?;
        let path = input.address();
        let broken = |reason: String| unreadable(&format!("`{}`", input.name), Some(path), "an Arrow file", &reason);
        let (maker, blocks) = open_file(&opened, limits).map_err(broken)?;
        Ok(Self {
            name: format!("`{}`", Shown(path)),
            opened,
            maker,
            blocks,
            batch: 0,
            rows: Rows::default(),
            back: None,
        })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(self.maker.schema())
    }
}

impl TableReader for IpcFile {
    fn next(&mut self) -> Option<Piece> {
        if let Some(table) = self.back.take() {
            return Some(Piece::Table(table));
        }
        let number = self.batch;
        let block = *self.blocks.get(number)?;
        self.batch += 1;
        let read = read_block(&self.opened, &block);
        let parts = read.as_ref().map_err(Clone::clone);
        let message = parts.and_then(|(head, body)| Ok((ipc_lengths::message(head)?, body)));
        let first = self.rows.count;
        let made = message
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|(message, body)| self.maker.table(message, body, first));
        let message = message.as_ref().ok().map(|(message, _)| message);
        let told = |reason: &str| {
            format!(
                "Batch {number} of {} is damaged: {reason}. Its rows are lost.",
                self.name
            )
        };
        Some(self.rows.piece(message, made, told))
    }

    fn take_flawed(&mut self) -> Vec<FlawedRow> {
        std::mem::take(&mut self.rows.flawed)
    }

    fn put_back(&mut self, table: RecordBatch) {
        self.back = Some(table);
    }

    fn position(&self) -> u64 {
        let batches = self.blocks.len().max(1) as u128;
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

/// Reads the footer of a file and its dictionaries, and tells where its batches lie. Nothing is allocated for what is not
/// there: what the footer tells of lies within the file.
fn open_file(opened: &OpenInput, limits: Limits) -> Result<(TableMaker, Vec<Block>), String> {
    const LENGTH: u64 = 4;
    const TAIL: u64 = LENGTH + END.len() as u64;
    let size = opened.size();
    let read = |from: u64, length: u64| opened.read_at(from, length).map_err(|error| error.to_string());
    let tail = read(size.checked_sub(TAIL).ok_or("it is too short")?, TAIL)?;
    if !tail.ends_with(END) {
        return Err("it does not end as such a file does".to_owned());
    }
    let length = tail.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    let begin = size
        .checked_sub(TAIL + u64::from(length))
        .ok_or("its footer is cut off")?;
    let bytes = read(begin, u64::from(length))?;
    let footer: Footer<'_> =
        guarded(|| root_as_footer(&bytes)).map_err(|reason| format!("its footer is damaged: {reason}"))?;
    let mut maker = TableMaker::new(footer.schema().ok_or("its footer names no columns")?, limits)?;
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
        let (head, body) = read_block(opened, block)?;
        ipc_lengths::message(&head)
            .and_then(|message| maker.add_dictionary(&message, &body))
            .map_err(|reason| format!("one of its dictionaries is damaged: {reason}"))?;
    }
    Ok((maker, batches))
}

/// The head and the body of a message, which lie within the file.
fn read_block(opened: &OpenInput, block: &Block) -> Result<(Bytes, Buffer), String> {
    let failed = |error: io::Error| error.to_string();
    let begin = block.offset().unsigned_abs();
    let head = u64::from(block.metaDataLength().unsigned_abs());
    let body = block.bodyLength().unsigned_abs();
    // What is far away comes in one piece.
    opened.look_ahead(begin..begin + head + body).map_err(failed)?;
    let read = |from, length| opened.read_at(from, length).map_err(failed);
    Ok((read(begin, head)?, Buffer::from(read(begin + head, body)?)))
}

/// An open IPC stream.
pub(super) struct IpcStream {
    name: String,
    unpacked: Unpacked,
    /// What tables are made with; `None`: there was not a byte.
    maker: Option<TableMaker>,
    stream: Guard,
    rows: Rows,
    batch: u64,
    ended: bool,
    back: Option<RecordBatch>,
}

impl IpcStream {
    pub(super) fn open(input: &Input, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let stream = Stream::open(input, Format::Stream, limits, cancel)?;
        let (mut unpacked, stream) = Unpacked::new(stream);
        let name = input.quoted();
        let maker = first_message(&mut unpacked, limits)
            .map_err(|reason| unreadable(&name, Some(input.address()), Format::Stream.title(), &reason))?;
        Ok(Self {
            name,
            unpacked,
            ended: maker.is_none(),
            maker,
            stream,
            rows: Rows::default(),
            batch: 0,
            back: None,
        })
    }

    /// The columns; `None` if the stream is empty.
    pub(super) fn schema(&self) -> Option<SchemaRef> {
        self.maker.as_ref().map(|maker| SchemaRef::clone(maker.schema()))
    }

    /// The next batch. An error is one behind which nothing can be read.
    fn read(&mut self) -> Result<Option<Piece>, String> {
        let Some(maker) = &mut self.maker else { return Ok(None) };
        while let Some((head, body)) = read_message(&mut self.unpacked)? {
            let message = ipc_lengths::message(&head)?;
            match message.header_type() {
                MessageHeader::RecordBatch => {
                    let number = self.batch;
                    self.batch += 1;
                    let made = maker.table(&message, &body, self.rows.count);
                    let told = |reason: &str| {
                        format!(
                            "Batch {number} of the Arrow stream {} is damaged: {reason}. Its rows are lost.",
                            self.name
                        )
                    };
                    return Ok(Some(self.rows.piece(Some(&message), made, told)));
                }
                // What comes behind refers to it.
                MessageHeader::DictionaryBatch => maker
                    .add_dictionary(&message, &body)
                    .map_err(|reason| format!("a dictionary is damaged: {reason}"))?,
                MessageHeader::NONE => {}
                MessageHeader::Schema => return Err("it names its columns a second time".to_owned()),
                other => return Err(format!("it holds a message of an unknown kind ({other:?})")),
            }
        }
        Ok(None)
    }
}

/// Reads the message that a stream begins with. `None`: there is not a byte.
fn first_message(unpacked: &mut Unpacked, limits: Limits) -> Result<Option<TableMaker>, String> {
    if unpacked.is_at_end().map_err(|error| error.to_string())? {
        return Ok(None);
    }
    let (head, _) = read_message(unpacked)?.ok_or("it ends before it names its columns")?;
    let message = ipc_lengths::message(&head)?;
    let schema = message
        .header_as_schema()
        .ok_or("it does not begin with the names of its columns")?;
    TableMaker::new(schema, limits).map(Some)
}

/// Reads the head and the body of the next message. `None`: the end of the stream.
fn read_message(unpacked: &mut Unpacked) -> Result<Option<(Vec<u8>, Buffer)>, String> {
    const LENGTH: u64 = 4;
    let mut read = |bytes: &mut Vec<u8>, length: u64| {
        let read = unpacked.take(length).read_to_end(bytes);
        // What is not there takes no memory.
        read.map(|read| read as u64 == length)
            .map_err(|error| error.to_string())
    };
    let cut_off = || "it ends within a message".to_owned();
    let mut head = Vec::new();
    let mut is_whole = read(&mut head, LENGTH)?;
    if head.is_empty() {
        return Ok(None);
    }
    if head == ipc_lengths::MARK {
        is_whole = read(&mut head, LENGTH)?;
    }
    let length = head.last_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    if !is_whole {
        return Err(cut_off());
    }
    if length == 0 {
        return Ok(None);
    }
    if !read(&mut head, u64::from(length))? {
        return Err(cut_off());
    }
    let length = guarded(|| Ok::<_, String>(ipc_lengths::message(&head)?.bodyLength()))?;
    let length = u64::try_from(length).map_err(|_| "a message has a negative length")?;
    let mut body = Vec::new();
    if !read(&mut body, length)? {
        return Err(cut_off());
    }
    Ok(Some((head, Buffer::from_vec(body))))
}

impl TableReader for IpcStream {
    fn next(&mut self) -> Option<Piece> {
        if let Some(table) = self.back.take() {
            return Some(Piece::Table(table));
        }
        if self.ended {
            return None;
        }
        match self.read() {
            Ok(Some(piece)) => Some(piece),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(reason) => {
                self.ended = true;
                let told = format!(
                    "The Arrow stream {} is damaged: {}. Everything behind is lost.",
                    self.name,
                    reason.trim_end_matches('.')
                );
                Some(Piece::Lost {
                    rows: 1,
                    failure: lost(told),
                    bytes: Vec::new(),
                })
            }
        }
    }

    fn take_flawed(&mut self) -> Vec<FlawedRow> {
        std::mem::take(&mut self.rows.flawed)
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
