//! Cuts an input into batches at line ends, or takes it as one record.

use super::lines::content_end;
use super::stream::{BUFFER, KEPT_BYTES, Stream, StreamState};
use super::{Format, Input, Source};
use crate::batch::{Batch, Unread};
use crate::error::Result;
use crate::record::Place;
use crate::step::{Cancel, Limits};
use memchr::{memchr, memchr_iter, memrchr};
use std::sync::atomic::Ordering;

/// The most that a limit on records can be: views and spans count bytes with 32 bits.
const MOST_RECORD_BYTES: usize = 1 << 30;

/// How much memory is kept for what was read behind a batch.
const KEPT_CARRY: usize = 1 << 20;

/// The most records of a batch: what is kept of each takes more memory than a short line itself.
const MOST_RECORDS: usize = 8192;

/// Opens an input. Compression is told from its first bytes, and what is not what it should be (Parquet named `.jsonl`,
/// UTF-16, a web page) is refused with an input error that says what it looks like. Once it is cancelled, nothing more can
/// be read.
pub fn open_source(input: &Input, format: Format, limits: Limits, cancel: &Cancel) -> Result<Box<dyn Source>> {
    let stream = Stream::open(input, format, limits, cancel)?;
    let limit = limits.record_bytes.min(MOST_RECORD_BYTES);
    Ok(match format {
        Format::Text | Format::Jsonl => Box::new(LineSource::new(stream, limit)),
        Format::File => Box::new(FileSource { stream, limit }),
        Format::Arrow | Format::Stream | Format::Parquet | Format::Csv | Format::Tsv => {
            unreachable!("an input of columns is opened by those who know its schema")
        }
    })
}

/// Opens an input of lines at the beginning of a record. What stands before is not read, or, where the input is compressed,
/// read over.
pub fn open_source_at(
    input: &Input,
    format: Format,
    limits: Limits,
    cancel: &Cancel,
    place: Place,
) -> Result<Box<dyn Source>> {
    if place.offset == 0 {
        return open_source(input, format, limits, cancel);
    }
    let mut source = LineSource::new(
        Stream::open_at(input, format, limits, cancel, place.offset)?,
        limits.record_bytes.min(MOST_RECORD_BYTES),
    );
    source.ordinal = place.ordinal;
    source.offset = place.offset;
    Ok(Box::new(source))
}

/// Reads an input whose records are lines.
struct LineSource {
    stream: Stream,
    /// What was read behind the last batch: the beginning of the next.
    carry: Vec<u8>,
    ordinal: u64,
    offset: u64,
    limit: usize,
}

impl LineSource {
    fn new(stream: Stream, limit: usize) -> Self {
        Self {
            offset: stream.skipped as u64,
            stream,
            carry: Vec::new(),
            ordinal: 0,
            limit,
        }
    }

    /// Reads until there are enough whole lines, a line beyond the limit, or nothing more. Returns where the last line ends.
    fn read_lines(&mut self, raw: &mut Vec<u8>, size: usize) -> Option<usize> {
        let mut searched = 0;
        let mut last_end = None;
        loop {
            if let Some(found) = memrchr(b'\n', &raw[searched..]) {
                last_end = Some(searched + found + 1);
            }
            searched = raw.len();
            let enough = last_end.is_some() && (raw.len() >= size || self.stream.live);
            let too_long = last_end.is_none() && raw.len() >= self.limit + 2;
            if enough || too_long || !self.stream.is_open() {
                return last_end;
            }
            // A line longer than a batch is read in ever greater strides.
            let want = if raw.len() < size {
                size - raw.len()
            } else {
                raw.len().min((self.limit + 2).saturating_sub(raw.len())).max(size)
            };
            self.stream.read(raw, want.max(1));
        }
    }

    /// Where the first record begins that is larger than the limit, if one is.
    fn first_too_large(&self, raw: &[u8]) -> Option<usize> {
        if raw.len() <= self.limit {
            return None;
        }
        let mut start = 0;
        for end in memchr_iter(b'\n', raw) {
            if content_end(raw, start, end) - start > self.limit {
                return Some(start);
            }
            start = end + 1;
        }
        let rest = &raw[start..];
        // While more can come, a carriage return at the end may be part of a line end.
        let length = rest.len() - usize::from(self.stream.is_open() && rest.ends_with(b"\r"));
        (length > self.limit).then_some(start)
    }

    /// Passes over the record at the beginning of `raw`, which is larger than the limit, and says how large it is.
    fn pass_over(&mut self, batch: &mut Batch) {
        let raw = batch.raw_mut();
        let mut hasher = blake3::Hasher::new();
        let mut chunk = std::mem::take(raw);
        raw.extend_from_slice(&chunk[..KEPT_BYTES.min(self.limit)]);
        let mut length = 0_u64;
        // A carriage return is hashed once it is known not to be part of the line end.
        let mut held_back = false;
        let line_end = loop {
            let end = memchr(b'\n', &chunk);
            let mut content = &chunk[..end.unwrap_or(chunk.len())];
            if held_back && (!content.is_empty() || (end.is_none() && !self.stream.is_open())) {
                hasher.update(b"\r");
                length += 1;
                held_back = false;
            }
            if let [before @ .., b'\r'] = content
                && (end.is_some() || self.stream.is_open())
            {
                content = before;
                held_back = true;
            }
            hasher.update(content);
            length += content.len() as u64;
            if let Some(end) = end {
                self.carry.extend_from_slice(&chunk[end + 1..]);
                break 1 + u64::from(held_back);
            }
            if !self.stream.is_open() {
                break 0;
            }
            chunk.clear();
            self.stream.read(&mut chunk, BUFFER);
        };
        if line_end == 0 && self.stream.has_failed() {
            // How long the record would have been, nobody knows.
            self.stream.segment(batch, self.offset);
            return;
        }
        batch.unread = Some(Unread::Record {
            length,
            hash: hasher.finalize().to_hex().to_string(),
        });
        self.ordinal += 1;
        self.offset += length + line_end;
    }
}

impl Source for LineSource {
    fn fill(&mut self, batch: &mut Batch, size: usize, until: u64) -> Result<bool> {
        batch.first_ordinal = self.ordinal;
        batch.first_offset = self.offset;
        batch.unread = None;
        let raw = batch.raw_mut();
        raw.clear();
        raw.append(&mut self.carry);
        self.carry.shrink_to(KEPT_CARRY);
        let last_end = self.read_lines(raw, size);
        let end = match (self.first_too_large(raw), last_end) {
            (Some(0), _) => {
                self.pass_over(batch);
                return Ok(true);
            }
            (Some(start), _) => start,
            (None, _) if matches!(self.stream.state, StreamState::Ended) => raw.len(),
            (None, last_end) => last_end.unwrap_or(0),
        };
        if end == 0 {
            if self.stream.has_failed() {
                self.stream.segment(batch, self.offset);
                return Ok(true);
            }
            return Ok(false);
        }
        let mut end = cut(raw, end, until);
        let mut line_ends = memchr_iter(b'\n', &raw[..end]).count();
        if line_ends > MOST_RECORDS {
            line_ends = MOST_RECORDS;
            end = memchr_iter(b'\n', raw)
                .nth(MOST_RECORDS - 1)
                .map_or(end, |last| last + 1);
        }
        self.carry.extend_from_slice(&raw[end..]);
        raw.truncate(end);
        self.ordinal += line_ends as u64 + u64::from(!raw.ends_with(b"\n"));
        self.offset += end as u64;
        Ok(true)
    }

    fn next(&self) -> (u64, u64) {
        (self.ordinal, self.offset)
    }

    fn position(&self) -> u64 {
        self.stream.position.load(Ordering::Relaxed)
    }

    fn total(&self) -> Option<u64> {
        self.stream.total
    }

    fn held(&self) -> usize {
        self.stream.held() + self.carry.capacity()
    }

    fn check_unchanged(&self) -> Result<()> {
        self.stream.check_unchanged()
    }
}

/// Where the first of the lines in `raw[..end]` ends that ends at `until` or behind it; `end` if none does.
fn cut(raw: &[u8], end: usize, until: u64) -> usize {
    match usize::try_from(until) {
        Ok(until) if until < end => {
            let from = until.saturating_sub(1);
            memchr(b'\n', &raw[from..end]).map_or(end, |found| from + found + 1)
        }
        _ => end,
    }
}

/// Reads an input that is one record.
struct FileSource {
    stream: Stream,
    limit: usize,
}

impl Source for FileSource {
    fn fill(&mut self, batch: &mut Batch, size: usize, _until: u64) -> Result<bool> {
        if matches!(self.stream.state, StreamState::Done) {
            return Ok(false);
        }
        batch.first_ordinal = 0;
        batch.first_offset = self.stream.skipped as u64;
        batch.unread = None;
        let raw = batch.raw_mut();
        raw.clear();
        while self.stream.is_open() && raw.len() <= self.limit {
            let want = raw.len().max(size).max(KEPT_BYTES).min(self.limit + 1 - raw.len());
            self.stream.read(raw, want);
        }
        let mut record = None;
        if raw.len() > self.limit {
            let mut hasher = blake3::Hasher::new();
            let mut length = raw.len() as u64;
            hasher.update(raw);
            let mut chunk = std::mem::take(raw);
            raw.extend_from_slice(&chunk[..KEPT_BYTES.min(self.limit)]);
            while self.stream.is_open() {
                chunk.clear();
                self.stream.read(&mut chunk, BUFFER);
                hasher.update(&chunk);
                length += chunk.len() as u64;
            }
            record = Some((length, hasher));
        }
        if self.stream.has_failed() {
            self.stream.segment(batch, self.stream.skipped as u64);
            return Ok(true);
        }
        self.stream.state = StreamState::Done;
        if let Some((length, hasher)) = record {
            batch.unread = Some(Unread::Record {
                length,
                hash: hasher.finalize().to_hex().to_string(),
            });
        }
        Ok(true)
    }

    fn next(&self) -> (u64, u64) {
        let done = matches!(self.stream.state, StreamState::Done);
        (u64::from(done), self.position())
    }

    fn position(&self) -> u64 {
        self.stream.position.load(Ordering::Relaxed)
    }

    fn total(&self) -> Option<u64> {
        self.stream.total
    }

    fn held(&self) -> usize {
        self.stream.held()
    }

    fn check_unchanged(&self) -> Result<()> {
        self.stream.check_unchanged()
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "place_tests.rs"]
mod place_tests;
