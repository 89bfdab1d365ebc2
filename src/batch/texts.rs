//! Where the texts of a batch lie: views of its buffers, and how they are made.

use super::memory::Bytes;
use super::{Batch, Span};
use crate::record::{Spelling, Text};
use arrow_buffer::Buffer;
use std::ops::Range;

/// Where a text lies in a batch. A view is only made by the batch that holds the text, from bytes known to be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct View {
    offset: u32,
    length: u32,
    pub(super) buffer: u16,
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

impl Batch {
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
