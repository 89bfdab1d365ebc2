//! Reads Arrow IPC: files, whose batches are found by their footer, and streams.

use super::super::identity::OpenInput;
use super::super::stream::{Stream, open_in_parts};
use super::{Piece, TableReader, guarded, lost, unreadable};
use crate::error::{Result, Shown};
use crate::io::{Format, Input};
use crate::step::{Cancel, Limits};
use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::SchemaRef;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open IPC file.
pub(super) struct IpcFile {
    name: String,
    opened: OpenInput,
    reader: FileReader<BufReader<File>>,
    batch: usize,
    held: usize,
    back: Option<RecordBatch>,
}

impl IpcFile {
    pub(super) fn open(input: &Input, path: &Path) -> Result<Self> {
        let opened = open_in_parts(input, path)?;
        let broken = |reason: String| unreadable(&format!("`{}`", input.name), Some(path), "an Arrow file", &reason);
        let file = opened.file().try_clone().map_err(|error| broken(error.to_string()))?;
        let reader = guarded(|| FileReader::try_new(BufReader::new(file), None)).map_err(broken)?;
        Ok(Self {
            name: format!("`{}`", Shown(path)),
            opened,
            reader,
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
        match guarded(|| reader.set_index(number).and_then(|()| reader.next().transpose())) {
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

/// An open IPC stream.
pub(super) struct IpcStream {
    name: String,
    reader: StreamReader<BufReader<super::csv::Unpacked>>,
    stream: super::csv::Guard,
    ended: bool,
    back: Option<RecordBatch>,
}

impl IpcStream {
    pub(super) fn open(input: &Input, limits: Limits, cancel: &Cancel) -> Result<Self> {
        let stream = Stream::open(input, Format::Stream, limits, cancel)?;
        let (unpacked, stream) = super::csv::Unpacked::new(stream, Arc::new(AtomicU64::new(u64::MAX)));
        let name = input
            .path
            .as_deref()
            .map_or(input.name.clone(), |path| format!("`{}`", Shown(path)));
        let reader = guarded(|| StreamReader::try_new(BufReader::new(unpacked), None))
            .map_err(|reason| unreadable(&name, input.path.as_deref(), "an Arrow stream", &reason))?;
        Ok(Self {
            name,
            reader,
            stream,
            ended: false,
            back: None,
        })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.reader.schema()
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
        let reader = &mut self.reader;
        match guarded(|| reader.next().transpose()) {
            Ok(Some(table)) => Some(Piece::Table(table)),
            Ok(None) if self.reader.is_finished() => {
                self.ended = true;
                None
            }
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
        self.reader.get_ref().get_ref().check_unchanged()
    }
}
