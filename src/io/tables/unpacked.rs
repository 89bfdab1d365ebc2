//! The bytes of an input, unpacked, for a library that reads them one after the other.

use super::super::stream::{BUFFER, Stream, StreamState};
use crate::error::Result;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The bytes of an input for whoever reads them as they come.
pub(super) struct Unpacked {
    stream: Stream,
    chunk: Vec<u8>,
    at: usize,
}

/// What is known of a stream that somebody else reads.
pub(super) struct Guard {
    pub(super) position: Arc<AtomicU64>,
    pub(super) total: Option<u64>,
    pub(super) held: usize,
}

impl Unpacked {
    pub(super) fn new(stream: Stream) -> (Self, Guard) {
        let guard = Guard {
            position: Arc::clone(&stream.position),
            total: stream.total,
            held: stream.held() + BUFFER,
        };
        let unpacked = Self {
            stream,
            chunk: Vec::new(),
            at: 0,
        };
        (unpacked, guard)
    }

    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.stream.check_unchanged()
    }

    /// Whether there is nothing more to read.
    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        self.load()?;
        Ok(self.at == self.chunk.len())
    }

    /// Makes sure that something is there to be given, unless everything was.
    fn load(&mut self) -> io::Result<()> {
        if self.at < self.chunk.len() {
            return Ok(());
        }
        self.chunk.clear();
        self.at = 0;
        while self.chunk.is_empty() && self.stream.is_open() {
            self.stream.read(&mut self.chunk, BUFFER);
        }
        match &self.stream.state {
            StreamState::Failed(error) if self.chunk.is_empty() => Err(io::Error::new(error.kind(), error.to_string())),
            _ => Ok(()),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.load()?;
        let there = (self.chunk.len() - self.at).min(buffer.len());
        buffer[..there].copy_from_slice(&self.chunk[self.at..self.at + there]);
        self.at += there;
        Ok(there)
    }
}
