//! The bytes of an input, unpacked, for a library that reads them one after the other.

use super::super::stream::{BUFFER, Stream, StreamState};
use crate::error::Result;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of an input for whoever reads them as they come. No more of them are given than are left.
pub(super) struct Unpacked {
    stream: Stream,
    chunk: Vec<u8>,
    at: usize,
    left: Arc<AtomicU64>,
}

/// What is known of a stream that somebody else reads.
pub(super) struct Guard {
    pub(super) position: Arc<AtomicU64>,
    pub(super) total: Option<u64>,
    pub(super) held: usize,
}

impl Unpacked {
    pub(super) fn new(stream: Stream, left: Arc<AtomicU64>) -> (Self, Guard) {
        let guard = Guard {
            position: Arc::clone(&stream.position),
            total: stream.total,
            held: stream.held() + BUFFER,
        };
        let unpacked = Self {
            stream,
            chunk: Vec::new(),
            at: 0,
            left,
        };
        (unpacked, guard)
    }

    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.stream.check_unchanged()
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            self.chunk.clear();
            self.at = 0;
            while self.chunk.is_empty() && self.stream.is_open() {
                self.stream.read(&mut self.chunk, BUFFER);
            }
            if self.chunk.is_empty()
                && let StreamState::Failed(error) = &self.stream.state
            {
                return Err(io::Error::new(error.kind(), error.to_string()));
            }
        }
        let left = self.left.load(Ordering::Relaxed);
        let there = (self.chunk.len() - self.at).min(buffer.len());
        if there as u64 > left {
            return Err(io::Error::other("a record has no end within the limit on records"));
        }
        buffer[..there].copy_from_slice(&self.chunk[self.at..self.at + there]);
        self.at += there;
        self.left.store(left - there as u64, Ordering::Relaxed);
        Ok(there)
    }
}
