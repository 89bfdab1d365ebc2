//! The buffers of a batch: which are its own, which it shares with columns, and what becomes of their memory.

use super::Batch;
use arrow_buffer::Buffer;

/// Bytes that views refer to.
#[derive(Debug)]
pub(super) enum Bytes {
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
    pub(super) fn take_back(&mut self, kept: bool) -> Option<&mut Vec<u8>> {
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

/// How much memory a batch keeps in one buffer when it is used again: a rare huge record must not stay in memory.
pub(super) const KEPT_CAPACITY: usize = 1 << 20;

/// The most that the texts of a batch may hold: offsets in a batch are 32 bits wide.
pub const MOST_ROOM: usize = 1 << 30;

impl Batch {
    pub(super) fn new_buffer(&mut self) -> Vec<u8> {
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

    pub(super) fn own_raw(&mut self) -> &mut Vec<u8> {
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
}
