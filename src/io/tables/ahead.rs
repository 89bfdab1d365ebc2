//! Decodes row groups behind the one that is being read, on threads of their own, as far as memory allows.

use super::guarded;
use crate::step::Cancel;
use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use std::collections::VecDeque;
use std::thread::{self, JoinHandle};

/// How much may be decoded ahead.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadAhead {
    /// By how many threads at once, each of which has a row group.
    pub threads: usize,
    /// The most bytes that they may hold together.
    pub bytes: usize,
}

/// What is read of a row group: what was decoded ahead, and what comes behind that.
pub(super) struct GroupReader {
    decoded: VecDeque<RecordBatch>,
    rest: Rest,
}

enum Rest {
    /// More may come.
    Reader(ParquetRecordBatchReader),
    Nothing,
    /// What comes cannot be read.
    Damaged(String),
}

impl GroupReader {
    /// Reads a group of which nothing was decoded yet.
    pub(super) fn new(reader: ParquetRecordBatchReader) -> Self {
        Self {
            decoded: VecDeque::new(),
            rest: Rest::Reader(reader),
        }
    }

    /// The next table, or `None` at the end. The error is the reason why the rest is lost.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, String> {
        if let Some(table) = self.decoded.pop_front() {
            return Ok(Some(table));
        }
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => Ok(None),
            Rest::Damaged(reason) => Err(reason),
            Rest::Reader(mut reader) => {
                let table = guarded(|| reader.next().transpose())?;
                if table.is_some() {
                    self.rest = Rest::Reader(reader);
                }
                Ok(table)
            }
        }
    }

    /// Decodes until so many bytes are there.
    fn decode(mut self, most: usize, dropped: &Cancel) -> Self {
        let mut tables = VecDeque::new();
        let mut bytes = 0;
        while bytes < most && !dropped.is_cancelled() {
            match self.next() {
                Ok(Some(table)) => {
                    bytes += table.get_array_memory_size();
                    tables.push_back(table);
                }
                Ok(None) => break,
                Err(reason) => {
                    self.rest = Rest::Damaged(reason);
                    break;
                }
            }
        }
        self.decoded = tables;
        self
    }
}

/// Groups that are being decoded, in order.
pub(super) struct Ahead {
    allowed: ReadAhead,
    groups: VecDeque<(usize, JoinHandle<GroupReader>)>,
    /// Ends the threads when nobody wants what they decode.
    dropped: Cancel,
}

impl Ahead {
    pub(super) fn new(allowed: ReadAhead) -> Self {
        Self {
            allowed,
            groups: VecDeque::new(),
            dropped: Cancel::default(),
        }
    }

    /// The most bytes that are held.
    pub(super) fn held(&self) -> usize {
        if self.groups.is_empty() { 0 } else { self.allowed.bytes }
    }

    /// The last group that was begun while `current` is being read, that one included.
    pub(super) fn last(&self, current: usize) -> usize {
        self.groups.back().map_or(current, |(group, _)| *group)
    }

    /// The group that may be begun now, if one may while `current` is being read.
    pub(super) fn next(&self, current: usize) -> Option<usize> {
        (self.groups.len() < self.allowed.threads).then(|| self.last(current) + 1)
    }

    /// Begins to decode a group.
    pub(super) fn begin(&mut self, group: usize, reader: GroupReader) -> std::io::Result<()> {
        let dropped = self.dropped.clone();
        let most = self.allowed.bytes / self.allowed.threads.max(1);
        let thread = thread::Builder::new()
            .name("tp-decoder".to_owned())
            .spawn(move || reader.decode(most, &dropped))?;
        self.groups.push_back((group, thread));
        Ok(())
    }

    /// The reader of a group, if that was begun. Those before it are not wanted any more.
    pub(super) fn take(&mut self, group: usize) -> Option<GroupReader> {
        while let Some((number, thread)) = self.groups.pop_front() {
            if number == group {
                return Some(thread.join().unwrap_or_else(|_| GroupReader {
                    decoded: VecDeque::new(),
                    rest: Rest::Damaged("its decoder panicked".to_owned()),
                }));
            }
        }
        None
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.dropped.cancel();
        for (_, thread) in self.groups.drain(..) {
            // It looks after each table whether it is still wanted.
            let _: thread::Result<GroupReader> = thread.join();
        }
    }
}
