//! How a message is written: into an area of the shared memory, or, from where that is full, into a file of its own.

use super::memory::{SharedMemory, anonymous_file};
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::fd::OwnedFd;

/// Where a message was written.
#[derive(Debug)]
pub(super) enum Message {
    None,
    InArea(usize),
    InFile(OwnedFd, u64),
}

/// Writes a message into an area, or into memory of its own from where that is full.
#[derive(Debug)]
pub(super) struct Pen<'m> {
    memory: &'m SharedMemory,
    area: Range<usize>,
    written: usize,
    overflow: Option<Vec<u8>>,
}

impl<'m> Pen<'m> {
    /// A pen for this area of the memory.
    pub(super) fn new(memory: &'m SharedMemory, area: Range<usize>) -> Self {
        Self {
            memory,
            area,
            written: 0,
            overflow: None,
        }
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.overflow.is_none() && bytes.len() <= self.area.len() - self.written {
            self.memory.write(self.area.start + self.written, bytes);
            self.written += bytes.len();
        } else {
            self.write_beyond(bytes);
        }
    }

    #[cold]
    fn write_beyond(&mut self, bytes: &[u8]) {
        let overflow = self.overflow.get_or_insert_with(|| {
            let mut before = Vec::with_capacity(4 * self.area.len());
            self.memory
                .read(self.area.start..self.area.start + self.written, &mut before);
            before
        });
        overflow.extend_from_slice(bytes);
        self.written += bytes.len();
    }

    /// How many bytes were written.
    pub(super) fn len(&self) -> usize {
        self.written
    }

    /// The message, to be sent.
    pub(super) fn finish(self) -> io::Result<Message> {
        match self.overflow {
            None => Ok(Message::InArea(self.written)),
            Some(bytes) => {
                let mut file = File::from(anonymous_file()?);
                file.write_all(&bytes)?;
                Ok(Message::InFile(file.into(), bytes.len() as u64))
            }
        }
    }
}
