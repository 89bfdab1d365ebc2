//! Reads records of cells one after the other, and knows the bytes of each as they stand in the input.

use super::super::stream::{BUFFER, KEPT_BYTES, Stream, StreamState};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// How much memory is kept for records behind one that was large.
const KEPT_CAPACITY: usize = 1 << 20;

/// What an input has next.
#[derive(Debug)]
pub(super) enum Found {
    /// A record: its cells and its bytes are there until the next is read.
    Record,
    /// A record that is larger than the limit.
    TooLarge(Box<Passed>),
    /// A record that has no end, because a quote is open where the input ends: its first bytes.
    Unclosed(Vec<u8>),
    /// Nothing more can be read, for this reason.
    Failed(String),
    /// Nothing.
    End,
}

/// A record that was passed over, because it is larger than the limit.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// How many bytes it has.
    pub(super) length: u64,
    /// The first of them.
    pub(super) first: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Passed {
    /// The BLAKE3 hash of its bytes, in hexadecimal.
    pub(super) fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hasher.update(bytes);
        let wanted = KEPT_BYTES.saturating_sub(self.first.len());
        self.first.extend_from_slice(&bytes[..bytes.len().min(wanted)]);
    }
}

/// Reads records of cells.
pub(super) struct CellRecords {
    stream: Stream,
    parser: Reader,
    /// The most bytes that a record may have.
    limit: usize,
    /// What was read and is not done with yet.
    raw: Vec<u8>,
    /// Where in it the record begins.
    begin: usize,
    /// Where its content ends: a line end is no part of it.
    end: usize,
    /// How much of `raw` was parsed.
    parsed: usize,
    /// The cells of the record, one behind the other, and room for more.
    cells: Vec<u8>,
    written: usize,
    /// Where each of them ends, and room for more.
    ends: Vec<usize>,
    count: usize,
    /// The line in which the record begins, counted from 1.
    line: u64,
}

impl CellRecords {
    pub(super) fn new(stream: Stream, delimiter: u8, limit: usize) -> Self {
        Self {
            stream,
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            limit,
            raw: Vec::new(),
            begin: 0,
            end: 0,
            parsed: 0,
            cells: vec![0; KEPT_BYTES],
            written: 0,
            ends: vec![0; 32],
            count: 0,
            line: 1,
        }
    }

    /// Where the bytes come from.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The line in which the last record begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The last record as it stands in the input, without its line end.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw[self.begin..self.end]
    }

    /// How many cells the last record has.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The cells of the last record, if all of them are UTF-8.
    pub(super) fn cells(&self) -> Option<impl Iterator<Item = &str>> {
        let text = simdutf8::basic::from_utf8(&self.cells[..self.written]).ok()?;
        let ends = &self.ends[..self.count];
        // What is UTF-8 together may still be cut within a character.
        if !ends.iter().all(|&end| text.is_char_boundary(end)) {
            return None;
        }
        let mut begin = 0;
        Some(ends.iter().map(move |&end| {
            let cell = &text[begin..end];
            begin = end;
            cell
        }))
    }

    /// How many bytes of memory are held.
    pub(super) fn held(&self) -> usize {
        self.stream.held() + self.raw.capacity() + self.cells.capacity()
    }

    /// Reads the next record. Memory is taken for as much of it as a record may have, and for no more.
    pub(super) fn read(&mut self) -> Found {
        (self.begin, self.end, self.written, self.count) = (self.parsed, self.parsed, 0, 0);
        self.line = self.parser.line();
        let mut passed: Option<Box<Passed>> = None;
        loop {
            let is_end = self.parsed == self.raw.len() && !self.load();
            if is_end && let StreamState::Failed(error) = &self.stream.state {
                return Found::Failed(error.to_string());
            }
            let has_begun = self.begin < self.parsed || passed.is_some();
            // At the end, a line end ends the last record, unless a quote is open.
            let is_last = is_end && has_begun;
            let bytes = if is_last { b"\n" } else { &self.raw[self.parsed..] };
            let cells = &mut self.cells[self.written..];
            let (result, read, written, ended) = self.parser.read_record(bytes, cells, &mut self.ends[self.count..]);
            let read = if is_last { 0 } else { read };
            if is_last && result == ReadRecordResult::InputEmpty {
                return Found::Unclosed(passed.map_or_else(|| self.first_bytes(), |passed| passed.first));
            }
            self.parsed += read;
            self.written += written;
            self.count += ended;
            let is_whole = result == ReadRecordResult::Record;
            // What ends a record is the line end behind it, or the end of the input.
            self.end = self.parsed - usize::from(is_whole && read > 0);
            match &mut passed {
                None => self.skip_blank_lines(),
                Some(passed) => passed.add(&self.raw[self.begin..self.end]),
            }
            if passed.is_none() && self.end - self.begin > self.limit {
                passed.insert(Box::default()).add(&self.raw[self.begin..self.end]);
            }
            if passed.is_some() {
                // Nobody looks at its cells.
                (self.begin, self.written, self.count) = (self.end, 0, 0);
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.cells.resize((self.cells.len() * 2).max(KEPT_BYTES), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return passed.map_or(Found::Record, Found::TooLarge),
                ReadRecordResult::End => return Found::End,
            }
        }
    }

    /// Blank lines before a record are no part of it.
    fn skip_blank_lines(&mut self) {
        while self.begin < self.end
            && let line_end @ (b'\n' | b'\r') = self.raw[self.begin]
        {
            self.line += u64::from(line_end == b'\n');
            self.begin += 1;
        }
    }

    /// Reads more, and forgets what lies before the record. Returns `false` if there is no more.
    fn load(&mut self) -> bool {
        if self.begin > 0 {
            self.raw.drain(..self.begin);
            self.raw.shrink_to(KEPT_CAPACITY);
            self.parsed -= self.begin;
            self.end -= self.begin;
            self.begin = 0;
        }
        if self.written == 0 && self.cells.len() > KEPT_CAPACITY {
            self.cells.truncate(KEPT_CAPACITY);
            self.cells.shrink_to_fit();
        }
        while self.stream.is_open() && self.parsed == self.raw.len() {
            self.stream.read(&mut self.raw, BUFFER);
        }
        self.parsed < self.raw.len()
    }

    fn first_bytes(&self) -> Vec<u8> {
        let raw = self.raw();
        raw[..raw.len().min(KEPT_BYTES)].to_vec()
    }
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
