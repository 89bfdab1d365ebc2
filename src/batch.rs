//! A batch: the records that travel through the engine together.
//!
//! The texts of a batch lie in a few byte buffers, and each record holds a [`View`] of its text: which buffer, from where,
//! how long. That is the memory layout of an Arrow `Utf8View` column (the test at the end of this file hands a batch to
//! Arrow without copying a text), and it makes three things free: a text that lies unescaped in the input is never
//! copied, a step that trims only moves the view, and whether a text was changed at all is a comparison of two views.
//!
//! Buffer 0 holds the bytes as they were read. Steps append what they write to further buffers. A batch is
//! used again when it has been written, with all its memory, so a run allocates per batch in flight and not per record.

use crate::error::Failure;
use crate::record::{Spelling, Text, Value};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use std::borrow::Cow;
use std::ops::Range;

/// Where a text lies in a batch. A view is only made by the batch that holds the text, from bytes known to be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct View {
    offset: u32,
    length: u32,
    buffer: u16,
    spelling: Spelling,
}

impl View {
    /// The length of the text in bytes, as it is spelled.
    #[must_use]
    pub fn len(self) -> usize {
        self.length as usize
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// A range of bytes of buffer 0: the bytes as they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of a range. Batches are far smaller than 4 GiB: the reader sees to it.
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        Self {
            start: range.start as u32,
            end: range.end as u32,
        }
    }

    /// The span as a range.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Bytes that views refer to.
#[derive(Debug)]
enum Bytes {
    /// Those that the batch has read or written itself.
    Own(Vec<u8>),
    /// Those of a column, which others may read at the same time.
    Shared(Buffer),
    /// Those that the batch has read or written itself and lent to a column. When nobody else has them any more they are its
    /// own again.
    Lent(Buffer),
}

impl Bytes {
    /// The bytes, to be written to again: those that are lent to somebody still are copied if they are to be kept.
    fn take_back(&mut self, kept: bool) -> Option<&mut Vec<u8>> {
        if let Self::Lent(bytes) = self {
            let copy = |bytes: Buffer| if kept { bytes.to_vec() } else { Vec::new() };
            *self = Self::Own(std::mem::take(bytes).into_vec().unwrap_or_else(copy));
        }
        match self {
            Self::Own(bytes) => Some(bytes),
            Self::Shared(_) | Self::Lent(_) => None,
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) | Self::Lent(bytes) => bytes,
        }
    }
}

/// One input record: what the reader fixed before any step ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceRecord {
    /// Its number in its input, counted from 0.
    pub ordinal: u64,
    /// The offset of its first byte in its input, after decompression.
    pub offset: u64,
    /// Its bytes as they were read, without the line end.
    pub raw: Span,
    /// How many bytes of line end follow `raw` in buffer 0: 0, 1 (`\n`) or 2 (`\r\n`).
    pub line_end: u8,
    /// Where in `raw` the value of the text stands as it is spelled in the input (for JSON, with its quotes).
    pub text_span: Span,
    /// The text as the first step gets it.
    pub original: View,
}

/// How far a row has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It is still on its way, or out.
    #[default]
    Live,
    /// A step rejected it.
    Rejected,
    /// It failed.
    Quarantined,
}

/// One text on its way through the steps. It starts as one row per source record; a split makes more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Row {
    /// The index of the source record it comes from.
    pub source: u32,
    /// Which part of a split it is, counted from 0.
    pub part: u32,
    /// The text.
    pub text: View,
    /// How far it has come.
    pub state: State,
}

/// Why a row is no longer live.
#[derive(Debug, Clone)]
pub enum Ending {
    /// It was rejected, with this reason.
    Rejected(Cow<'static, str>),
    /// It failed.
    Failed(Box<Failure>),
}

/// A row that is no longer live, and why. Rare in most runs, so it lies beside the rows and not in them.
#[derive(Debug, Clone)]
pub struct Casualty {
    /// The index of the row.
    pub row: u32,
    /// The index of the step in the plan; `None` for the decoder and the encoder.
    pub step: Option<u16>,
    /// What happened.
    pub ending: Ending,
}

/// What one step did in this batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepTally {
    /// How many rows entered it.
    pub entered: u64,
    /// How long it took, in nanoseconds; estimated from a sample of the rows, because reading the clock costs more than
    /// many steps do.
    pub nanoseconds: u64,
}

/// Something of an input that the reader could not load. It travels as a batch of its own, at its place in the order.
#[derive(Debug, Clone)]
pub enum Unread {
    /// One record that is larger than the limit. Buffer 0 holds its first bytes only.
    Record {
        /// How many bytes it has.
        length: u64,
        /// The BLAKE3 hash of its bytes, in hexadecimal.
        hash: String,
    },
    /// A part of the input whose records cannot be counted: it is damaged from the batch's first offset on.
    Segment(Box<Failure>),
}

/// The records that travel through the engine together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Its place in the order of the run.
    pub sequence: u64,
    /// The index of the input it comes from.
    pub input: u32,
    /// The ordinal of its first record in its input.
    pub first_ordinal: u64,
    /// The offset of its first byte in its input, after decompression.
    pub first_offset: u64,
    /// What the reader could not load, if this batch stands for such a thing.
    pub unread: Option<Unread>,
    /// The input records, in order.
    pub sources: Vec<SourceRecord>,
    /// The texts on their way, in the order of their sources and parts.
    pub rows: Vec<Row>,
    /// The rows that are no longer live, in the order in which that happened.
    pub casualties: Vec<Casualty>,
    /// The fields that steps add or ask for: a column per field of the plan, a value per row. Empty columns stand for
    /// columns of [`Value::Missing`].
    pub fields: Vec<Vec<Value>>,
    /// Where the value of a field of the plan stands in the bytes that were read: source record, field, span. Sorted.
    pub field_spans: Vec<(u32, u16, Span)>,
    /// What each step of the plan did.
    pub steps: Vec<StepTally>,
    /// How many bytes its texts may hold, the bytes as they were read included. A single record may have as many for each pass.
    pub room: usize,
    /// Whether its records together needed more room: what became of them is not complete, and they must be run again, fewer
    /// at a time.
    pub overflowed: bool,
    /// The columns that the records come from, a row per source record, if they come from columns. A source record without
    /// a row in [`Batch::rows`] has no text there, and goes out as it came.
    pub columns: Option<RecordBatch>,
    /// How many bytes the rows of the columns count as.
    pub loaded: usize,
    buffers: Vec<Bytes>,
    spare: Vec<Vec<u8>>,
}

/// How much memory a batch keeps in one buffer when it is used again: a rare huge record must not stay in memory.
const KEPT_CAPACITY: usize = 1 << 20;

/// The most that the texts of a batch may hold: offsets in a batch are 32 bits wide.
pub const MOST_ROOM: usize = 1 << 30;

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        let mut batch = Self {
            room: MOST_ROOM,
            ..Self::default()
        };
        batch.buffers.push(Bytes::Own(Vec::new()));
        batch
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.unread = None;
        self.overflowed = false;
        self.columns = None;
        self.loaded = 0;
        self.sources.clear();
        self.rows.clear();
        self.casualties.clear();
        self.field_spans.clear();
        for column in &mut self.fields {
            column.clear();
        }
        self.steps.clear();
        for mut buffer in self.buffers.drain(..) {
            if let Some(buffer) = buffer.take_back(false) {
                let mut buffer = std::mem::take(buffer);
                buffer.clear();
                buffer.shrink_to(KEPT_CAPACITY);
                self.spare.push(buffer);
            }
        }
        let first = self.new_buffer();
        self.buffers.push(Bytes::Own(first));
    }

    /// Forgets the records and what was made of them, and keeps the first bytes as they were read.
    pub fn restart(&mut self, kept: usize) {
        let mut raw = std::mem::take(self.own_raw());
        raw.truncate(kept);
        self.clear();
        *self.own_raw() = raw;
    }

    fn new_buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// The bytes as they were read.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.buffers[0]
    }

    /// How many bytes were read for the records: the bytes as they were read, or what rows of columns count as.
    #[must_use]
    pub fn bytes_read(&self) -> usize {
        self.raw().len() + self.loaded
    }

    /// The bytes as they were read, for the reader to fill.
    ///
    /// # Panics
    /// If the batch has records already: their views would change their texts.
    pub fn raw_mut(&mut self) -> &mut Vec<u8> {
        assert!(
            self.rows.is_empty() && self.sources.is_empty(),
            "the reader fills a batch before it has records"
        );
        self.own_raw()
    }

    fn own_raw(&mut self) -> &mut Vec<u8> {
        let raw = &mut self.buffers[0];
        if let Bytes::Shared(_) = raw {
            // It was handed over to a column, and belongs to that now.
            *raw = Bytes::Own(Vec::new());
        }
        raw.take_back(true).expect("what was shared was replaced")
    }

    /// How many bytes of memory the texts of this batch hold. Columns belong to whoever made them, and do not count.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes_behind(0).1
    }

    /// How many buffers there are, and how many bytes of memory those hold that stand behind the first so many.
    #[must_use]
    pub fn bytes_behind(&self, buffers: usize) -> (usize, usize) {
        let own = |buffer: &Bytes| match buffer {
            Bytes::Own(bytes) => bytes.len(),
            Bytes::Lent(bytes) => bytes.len(),
            Bytes::Shared(_) => 0,
        };
        (self.buffers.len(), self.buffers[buffers..].iter().map(own).sum())
    }

    /// How many bytes of memory the batch holds, beside what is allocated and empty.
    #[must_use]
    pub fn held(&self) -> usize {
        const FAILURE: usize = size_of::<Casualty>() + size_of::<Failure>() + 128;
        let texts = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Json(json) => json.len(),
            _ => 0,
        };
        let fields = self.fields.iter().flatten();
        self.bytes()
            + self.sources.len() * size_of::<SourceRecord>()
            + self.rows.len() * size_of::<Row>()
            + self.field_spans.len() * size_of::<(u32, u16, Span)>()
            + self.casualties.len() * FAILURE
            + fields.map(|value| size_of::<Value>() + texts(value)).sum::<usize>()
    }

    /// How many bytes of memory are allocated for texts, whether they hold any or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        let own = |buffer: &Bytes| match buffer {
            Bytes::Own(bytes) => bytes.capacity(),
            Bytes::Lent(bytes) => bytes.capacity(),
            Bytes::Shared(_) => 0,
        };
        self.buffers
            .iter()
            .map(own)
            .chain(self.spare.iter().map(Vec::capacity))
            .sum()
    }

    /// How many more bytes of text a pass may write.
    #[must_use]
    pub fn room_left(&self) -> usize {
        if self.is_alone() {
            self.room.min(MOST_ROOM)
        } else {
            self.room.min(MOST_ROOM).saturating_sub(self.bytes())
        }
    }

    /// Whether there is one record, which cannot be divided.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.sources.len() <= 1
    }

    /// Gives back the memory of texts that no row has any more, where that is much.
    pub fn forget_unused(&mut self) {
        if self.bytes() < 2 * KEPT_CAPACITY {
            return;
        }
        let mut used = vec![false; self.buffers.len()];
        used[0] = true;
        for view in self.rows.iter().map(|row| row.text) {
            used[usize::from(view.buffer)] = true;
        }
        for view in self.sources.iter().map(|source| source.original) {
            used[usize::from(view.buffer)] = true;
        }
        for (buffer, used) in self.buffers.iter_mut().zip(used) {
            if !used {
                *buffer = Bytes::Own(Vec::new());
            }
        }
    }

    /// The text of a view of this batch.
    #[must_use]
    pub fn text(&self, view: View) -> Text<'_> {
        Text::new(text_of(&self.buffers, view), view.spelling)
    }

    /// The text of a row.
    #[must_use]
    pub fn row_text(&self, row: usize) -> Text<'_> {
        self.text(self.rows[row].text)
    }

    /// A view of bytes as they were read, if they are UTF-8.
    pub fn view_of_raw(&self, span: Span) -> std::result::Result<View, simdutf8::compat::Utf8Error> {
        simdutf8::compat::from_utf8(&self.buffers[0][span.range()])?;
        Ok(View {
            offset: span.start,
            length: span.end - span.start,
            ..View::default()
        })
    }

    /// A view of bytes as they were read, which the caller has checked. With [`Spelling::Json`] they must be spelled so.
    ///
    /// # Safety
    /// The bytes of buffer 0 in `span` must be UTF-8.
    #[expect(
        unsafe_code,
        reason = "the decoders check a whole line at once and take several views of it"
    )]
    #[must_use]
    pub unsafe fn view_of_raw_unchecked(&self, span: Span, spelling: Spelling) -> View {
        debug_assert!(std::str::from_utf8(&self.buffers[0][span.range()]).is_ok());
        View {
            offset: span.start,
            length: span.end - span.start,
            buffer: 0,
            spelling,
        }
    }

    /// A view of a part of a view's text, as it is spelled.
    ///
    /// # Panics
    /// If the range does not lie on character boundaries of the text.
    #[must_use]
    pub fn slice(&self, view: View, range: Range<usize>) -> View {
        let text = text_of(&self.buffers, view);
        assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end) && range.start <= range.end);
        View {
            offset: view.offset + range.start as u32,
            length: (range.end - range.start) as u32,
            ..view
        }
    }

    /// Opens a new buffer to write texts to. Texts of this batch can be read while it is open; views of what was
    /// written are valid once [`Batch::close`] has taken it back.
    #[must_use]
    pub fn open(&mut self) -> TextWriter {
        let bytes = self.new_buffer();
        TextWriter {
            text: String::from_utf8(bytes).unwrap_or_default(),
            buffer: self.buffers.len() as u16,
        }
    }

    /// Takes back the buffer that [`Batch::open`] lent.
    ///
    /// # Panics
    /// If another buffer was opened and closed in between.
    pub fn close(&mut self, writer: TextWriter) {
        assert_eq!(
            usize::from(writer.buffer),
            self.buffers.len(),
            "buffers are closed in the order they were opened"
        );
        self.buffers.push(Bytes::Own(writer.text.into_bytes()));
    }

    /// An empty buffer for bytes that [`Batch::adopt`] will take.
    #[must_use]
    pub fn spare(&mut self) -> Vec<u8> {
        self.new_buffer()
    }

    /// Takes bytes as a further buffer, and checks that those in `texts` are UTF-8: views of them can be had then.
    ///
    /// # Panics
    /// If a buffer is open.
    pub fn adopt(
        &mut self,
        bytes: Vec<u8>,
        texts: Range<usize>,
    ) -> std::result::Result<Adopted, simdutf8::basic::Utf8Error> {
        simdutf8::basic::from_utf8(&bytes[texts.clone()])?;
        self.buffers.push(Bytes::Own(bytes));
        Ok(Adopted {
            buffer: (self.buffers.len() - 1) as u16,
            texts,
        })
    }

    /// Takes bytes that others may read too as a further buffer, and returns its number.
    ///
    /// # Panics
    /// If a buffer is open, there are as many as a view can tell apart (see [`Batch::can_share`]), or the bytes are more than
    /// 4 GiB.
    pub fn share(&mut self, bytes: Buffer) -> u16 {
        assert!(
            self.can_share(1) && u32::try_from(bytes.len()).is_ok(),
            "a batch is made of so many records that views can tell their texts apart"
        );
        self.buffers.push(Bytes::Shared(bytes));
        (self.buffers.len() - 1) as u16
    }

    /// Checks that a part of a shared buffer is UTF-8: views of it can be had then as of what was adopted. Beyond the end of
    /// the buffer there is nothing.
    #[must_use]
    pub fn check_shared(&self, buffer: u16, part: Range<usize>) -> Option<Adopted> {
        let bytes = self.buffers[usize::from(buffer)].get(part.clone())?;
        simdutf8::basic::from_utf8(bytes).ok()?;
        Some(Adopted { buffer, texts: part })
    }

    /// A view of a part of a buffer, if it is UTF-8. Beyond the end of the buffer there is nothing.
    #[must_use]
    pub fn view_of_shared(&self, buffer: u16, part: Range<usize>) -> Option<View> {
        let bytes = self.buffers[usize::from(buffer)].get(part.clone())?;
        simdutf8::basic::from_utf8(bytes).ok()?;
        Some(View {
            offset: part.start as u32,
            length: (part.end - part.start) as u32,
            buffer,
            spelling: Spelling::Plain,
        })
    }

    /// Whether so many more buffers can be shared, and enough numbers are left for those that steps will write.
    #[must_use]
    pub fn can_share(&self, more: usize) -> bool {
        self.buffers.len() + more <= usize::from(u16::MAX) / 2
    }

    /// A view of a part of the texts that were adopted, if it begins and ends between characters.
    #[must_use]
    pub fn view_of_adopted(&self, adopted: &Adopted, part: Range<usize>) -> Option<View> {
        let texts = &self.buffers[usize::from(adopted.buffer)][adopted.texts.clone()];
        // The first byte of a character is any but those that continue one.
        let is_border = |at: usize| at == texts.len() || texts.get(at).is_some_and(|byte| byte.cast_signed() >= -0x40);
        let valid = part.start <= part.end && is_border(part.start) && is_border(part.end);
        valid.then(|| View {
            offset: (adopted.texts.start + part.start) as u32,
            length: (part.end - part.start) as u32,
            buffer: adopted.buffer,
            spelling: Spelling::Plain,
        })
    }

    /// Marks a row as rejected by a step.
    pub fn reject(&mut self, row: usize, step: Option<u16>, reason: Cow<'static, str>) {
        self.rows[row].state = State::Rejected;
        self.casualties.push(Casualty {
            row: row as u32,
            step,
            ending: Ending::Rejected(reason),
        });
    }

    /// Marks a row as failed in a step (`None`: in the decoder or the encoder).
    pub fn quarantine(&mut self, row: usize, step: Option<u16>, failure: Failure) {
        self.rows[row].state = State::Quarantined;
        self.casualties.push(Casualty {
            row: row as u32,
            step,
            ending: Ending::Failed(Box::new(failure)),
        });
    }

    /// Sets the value of a field for a row.
    pub fn set_field(&mut self, field: u16, row: usize, value: Value) {
        let field = usize::from(field);
        if self.fields.len() <= field {
            self.fields.resize_with(field + 1, Vec::new);
        }
        let column = &mut self.fields[field];
        if column.len() <= row {
            column.resize_with(row + 1, Value::default);
        }
        column[row] = value;
    }

    /// The value of a field for a row.
    #[must_use]
    pub fn field(&self, field: u16, row: usize) -> &Value {
        const MISSING: &Value = &Value::Missing;
        self.fields
            .get(usize::from(field))
            .and_then(|column| column.get(row))
            .unwrap_or(MISSING)
    }

    /// Replaces rows by their parts: `parts` names, in order, the row each new row comes from and its text. Rows that
    /// are not live must be passed on as they are. Casualties and fields follow their rows.
    pub fn replace_rows(&mut self, parts: &[(u32, View)]) {
        let old = std::mem::take(&mut self.rows);
        let mut moved = vec![u32::MAX; old.len()];
        let mut previous = None;
        for (index, &(row, text)) in parts.iter().enumerate() {
            let from = old[row as usize];
            // Parts are numbered anew within their source, so that a second split still gives each part its own number.
            let part = match previous {
                Some((source, part)) if source == from.source => part + 1,
                _ => 0,
            };
            previous = Some((from.source, part));
            if moved[row as usize] == u32::MAX {
                moved[row as usize] = index as u32;
            }
            self.rows.push(Row { part, text, ..from });
        }
        for casualty in &mut self.casualties {
            casualty.row = moved[casualty.row as usize];
        }
        for column in &mut self.fields {
            if !column.is_empty() {
                let values = parts
                    .iter()
                    .map(|&(row, _)| column.get(row as usize).cloned().unwrap_or_default())
                    .collect();
                *column = values;
            }
        }
    }

    /// The tally of a step.
    pub fn tally(&mut self, step: u16) -> &mut StepTally {
        let step = usize::from(step);
        if self.steps.len() <= step {
            self.steps.resize(step + 1, StepTally::default());
        }
        &mut self.steps[step]
    }

    /// Hands a buffer over to a column, without copying it: views of it can still be read.
    pub fn hand_over(&mut self, buffer: u32) -> Buffer {
        let bytes = &mut self.buffers[buffer as usize];
        if let Bytes::Own(own) = bytes {
            let mut own = std::mem::take(own);
            own.shrink_to_fit();
            *bytes = Bytes::Shared(Buffer::from_vec(own));
        }
        if let Bytes::Lent(lent) = bytes {
            *bytes = Bytes::Shared(std::mem::take(lent));
        }
        match bytes {
            Bytes::Shared(shared) => shared.clone(),
            Bytes::Own(_) | Bytes::Lent(_) => Buffer::default(),
        }
    }

    /// Lends a buffer to a column, without copying it: it stays the batch's, which takes it back when the column is gone.
    pub fn lend(&mut self, buffer: u32) -> Buffer {
        let bytes = &mut self.buffers[buffer as usize];
        if let Bytes::Own(own) = bytes {
            *bytes = Bytes::Lent(Buffer::from_vec(std::mem::take(own)));
        }
        match bytes {
            Bytes::Shared(bytes) | Bytes::Lent(bytes) => bytes.clone(),
            Bytes::Own(_) => Buffer::default(),
        }
    }

    /// The parts of a view: the index of its buffer, the offset and the length, for handing the batch to Arrow.
    #[must_use]
    pub fn parts(view: View) -> (u32, u32, u32) {
        (u32::from(view.buffer), view.offset, view.length)
    }
}

fn text_of(buffers: &[Bytes], view: View) -> &str {
    let start = view.offset as usize;
    let bytes = &buffers[usize::from(view.buffer)][start..start + view.length as usize];
    #[expect(unsafe_code, reason = "each text would be validated again at each step")]
    // SAFETY: A view is only made by `view_of_raw` (which validates), `view_of_raw_unchecked` (whose caller promises
    // it), `slice` (at character boundaries of such a text), `view_of_adopted` (at such boundaries of what `adopt` or
    // `check_shared` has validated), `view_of_shared` (which validates) and `TextWriter` (which only takes `str`). A buffer is
    // never changed while there are views of it: `raw_mut` demands a batch without records, `close`, `adopt` and `share` only
    // append a buffer, and what `hand_over` gives away is never written to again,
    // nor what `lend` does before everybody else has let go of it.
    unsafe {
        std::str::from_utf8_unchecked(bytes)
    }
}

/// Bytes that a batch has taken over.
#[derive(Debug)]
pub struct Adopted {
    buffer: u16,
    texts: Range<usize>,
}

/// A buffer of a batch that is being written to.
#[derive(Debug)]
pub struct TextWriter {
    text: String,
    buffer: u16,
}

impl TextWriter {
    /// Appends a text and returns its view.
    pub fn push(&mut self, text: &str) -> View {
        let offset = self.text.len() as u32;
        self.text.push_str(text);
        View {
            offset,
            length: text.len() as u32,
            buffer: self.buffer,
            spelling: Spelling::Plain,
        }
    }

    /// Appends what `write` appends to the string, spelled as it says, and returns its view.
    ///
    /// # Panics
    /// If `write` does anything but append.
    pub fn push_with(&mut self, spelling: Spelling, write: impl FnOnce(&mut String)) -> View {
        let offset = self.text.len();
        write(&mut self.text);
        assert!(self.text.is_char_boundary(offset), "a writer only appends");
        View {
            offset: offset as u32,
            length: (self.text.len() - offset) as u32,
            buffer: self.buffer,
            spelling,
        }
    }

    /// A text that was written before the buffer is closed.
    #[must_use]
    pub fn written(&self, view: View) -> &str {
        debug_assert_eq!(view.buffer, self.buffer);
        &self.text[view.offset as usize..(view.offset + view.length) as usize]
    }

    /// How many bytes were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch_of(texts: &[&str]) -> Batch {
        let mut batch = Batch::new();
        for text in texts {
            batch.raw_mut().extend_from_slice(text.as_bytes());
        }
        let mut start = 0;
        for (index, text) in texts.iter().enumerate() {
            let raw = Span::new(start..start + text.len());
            start += text.len();
            let original = batch.view_of_raw(raw).expect("UTF-8");
            batch.sources.push(SourceRecord {
                ordinal: index as u64,
                raw,
                original,
                ..SourceRecord::default()
            });
            batch.rows.push(Row {
                source: index as u32,
                text: original,
                ..Row::default()
            });
        }
        batch
    }

    #[test]
    fn texts_that_were_adopted_are_viewed_between_characters() {
        let mut batch = Batch::new();
        let bytes = "head|äöü|tail".as_bytes().to_vec();
        let adopted = batch.adopt(bytes, 5..11).expect("UTF-8");
        let view = batch.view_of_adopted(&adopted, 2..6).expect("a text");
        assert_eq!(batch.text(view).spelled(), "öü");
        for part in [1..6, 0..3, 0..7, 7..7] {
            assert!(batch.view_of_adopted(&adopted, part).is_none());
        }
        assert!(batch.adopt(b"head\xfftail".to_vec(), 0..9).is_err());
    }

    #[test]
    fn what_is_lent_comes_back_when_nobody_else_has_it() {
        let mut batch = batch_of(&["one", "two"]);
        let address = batch.raw().as_ptr();
        let (bytes, capacity) = (batch.bytes(), batch.capacity());
        let lent = batch.lend(0);
        assert_eq!((lent.as_ptr(), batch.raw().as_ptr()), (address, address));
        assert_eq!(
            (batch.bytes(), batch.capacity()),
            (bytes, capacity),
            "it is still the batch's own"
        );
        // Somebody has it still, so that the bytes which are kept are a copy.
        batch.restart(3);
        assert_eq!((batch.raw(), &lent[..]), (&b"one"[..], &b"onetwo"[..]));
        drop(lent);
        let address = batch.raw().as_ptr();
        drop(batch.lend(0));
        batch.restart(3);
        assert_eq!((batch.raw(), batch.raw().as_ptr()), (&b"one"[..], address));
        drop(batch.lend(0));
        batch.clear();
        assert!(batch.capacity() >= 3, "its memory is used again");
    }

    #[test]
    fn a_batch_is_an_arrow_column_without_copying_a_text() {
        use arrow_array::{Array, StringViewArray, builder::make_view};
        use arrow_buffer::ScalarBuffer;
        let mut batch = batch_of(&["short", "a text that is longer than twelve bytes"]);
        let mut writer = batch.open();
        let written = writer.push("another text of more than twelve bytes");
        batch.close(writer);
        batch.rows[0].text = written;
        let addresses: Vec<*const u8> = batch.buffers.iter().map(|bytes| bytes.as_ptr()).collect();
        let views: ScalarBuffer<u128> = batch
            .rows
            .iter()
            .map(|row| {
                let (buffer, offset, _) = Batch::parts(row.text);
                make_view(batch.text(row.text).spelled().as_bytes(), buffer, offset)
            })
            .collect();
        let expected: Vec<String> = (0..2).map(|row| batch.row_text(row).spelled().to_owned()).collect();
        let buffers: Vec<Buffer> = (0..2).map(|buffer| batch.hand_over(buffer)).collect();
        let column = StringViewArray::new(views, buffers, None);
        assert_eq!(
            column.iter().map(|text| text.unwrap().to_owned()).collect::<Vec<_>>(),
            expected
        );
        let shared: Vec<*const u8> = column.data_buffers().iter().map(Buffer::as_ptr).collect();
        assert_eq!(shared, addresses);
        assert_eq!(column.len(), 2);
    }

    #[test]
    fn a_slice_moves_the_view_only() {
        let batch = batch_of(&["  grüße  "]);
        let view = batch.slice(batch.rows[0].text, 2..9);
        assert_eq!(batch.text(view).spelled(), "grüße");
        assert_eq!(Batch::parts(view).0, 0);
    }

    #[test]
    #[should_panic(expected = "is_char_boundary")]
    fn a_slice_never_cuts_a_character() {
        let batch = batch_of(&["ü"]);
        let _ = batch.slice(batch.rows[0].text, 1..2);
    }

    #[test]
    fn casualties_and_fields_follow_their_rows_through_a_split() {
        let mut batch = batch_of(&["a b", "c", "d e"]);
        batch.set_field(0, 2, Value::Integer(7));
        batch.reject(1, Some(0), "because".into());
        let part = |batch: &Batch, row: u32, range| (row, batch.slice(batch.rows[row as usize].text, range));
        let parts = [
            part(&batch, 0, 0..1),
            part(&batch, 0, 2..3),
            part(&batch, 1, 0..1),
            part(&batch, 2, 0..1),
            part(&batch, 2, 2..3),
        ];
        batch.replace_rows(&parts);
        assert_eq!(
            (0..5).map(|row| batch.row_text(row).spelled()).collect::<Vec<_>>(),
            ["a", "b", "c", "d", "e"]
        );
        assert_eq!(
            batch.rows.iter().map(|row| row.part).collect::<Vec<_>>(),
            [0, 1, 0, 0, 1]
        );
        assert_eq!(batch.casualties[0].row, 2);
        assert_eq!(batch.field(0, 0), &Value::Missing);
        assert_eq!(
            (batch.field(0, 3), batch.field(0, 4)),
            (&Value::Integer(7), &Value::Integer(7))
        );
    }

    #[test]
    fn a_cleared_batch_keeps_its_memory_but_not_a_huge_one() {
        let mut batch = batch_of(&["x"]);
        batch.clear();
        batch.raw_mut().resize(KEPT_CAPACITY * 2, b'x');
        batch.clear();
        assert!(batch.raw_mut().capacity() <= KEPT_CAPACITY);
    }
}
