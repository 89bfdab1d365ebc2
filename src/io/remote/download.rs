//! Reads an object from its beginning to its end, with requests under way ahead of the reader; or any part of it.

use super::object::RemoteObject;
use super::runtime::{Started, wait};
use crate::step::Cancel;
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes are asked for at once: enough that a request costs little beside them.
const PART: u64 = 4 << 20;

/// How many requests are under way ahead of the reader: together they fill a line that one alone does not.
const AHEAD: usize = 4;

/// The most bytes of memory that a download holds, with what was begun of the next.
const HELD: usize = (2 * AHEAD + 1) * PART as usize;

/// Asks for the parts from an offset on that are to be under way at once. Returns them, and the offset behind them.
pub(super) fn start_parts(object: &Arc<RemoteObject>, offset: u64) -> io::Result<(VecDeque<Started<Bytes>>, u64)> {
    let mut parts = VecDeque::new();
    let next = start_more(object, &mut parts, offset)?;
    Ok((parts, next))
}

/// Asks for as many more parts as are to be under way at once. Returns the offset behind them.
fn start_more(object: &Arc<RemoteObject>, parts: &mut VecDeque<Started<Bytes>>, mut next: u64) -> io::Result<u64> {
    let size = object.size().unwrap_or(0);
    while parts.len() < AHEAD && next < size {
        let end = size.min(next + PART);
        parts.push_back(object.start_part(next..end)?);
        next = end;
    }
    Ok(next)
}

/// Reads an object from an offset to its end.
pub(in crate::io) struct Download {
    object: Arc<RemoteObject>,
    way: Way,
    /// What has come and was not read yet.
    current: Bytes,
    cancel: Cancel,
}

enum Way {
    /// Parts of it are asked for, several at once: the offset of the next, and those that are under way.
    Parts(u64, VecDeque<Started<Bytes>>),
    /// Its server gives it as a whole only.
    Whole(BoxStream<'static, object_store::Result<Bytes>>),
}

impl Download {
    /// Reads an object from an offset on.
    pub(in crate::io) fn new(object: &Arc<RemoteObject>, offset: u64, cancel: &Cancel) -> io::Result<Self> {
        let size = object.size().unwrap_or(u64::MAX);
        let head = object.head();
        let has_all = head.len() as u64 >= size;
        let mut download = Self {
            object: Arc::clone(object),
            way: Way::Parts(offset, VecDeque::new()),
            current: Bytes::new(),
            cancel: cancel.clone(),
        };
        if has_all {
            download.way = Way::Parts(size, VecDeque::new());
            download.current = Bytes::copy_from_slice(&head[(offset.min(size)) as usize..]);
        } else if object.has_parts() {
            let begun = object.take_begun();
            if offset == 0 {
                let next = size.min(begun.len() as u64 * PART);
                download.way = Way::Parts(next, begun);
            }
        } else {
            download.way = Way::Whole(object.whole(cancel)?.into_stream());
            io::copy(&mut (&mut download).take(offset), &mut io::sink())?;
        }
        Ok(download)
    }

    /// The most bytes of memory that are held.
    pub(in crate::io) fn held(&self) -> usize {
        HELD.min(self.object.size().map_or(HELD, |size| 2 * size as usize))
    }

    /// What comes next; nothing at the end.
    fn next(&mut self) -> io::Result<Bytes> {
        let (next, under_way) = match &mut self.way {
            Way::Whole(pieces) => {
                let piece = wait(&self.cancel, async { pieces.next().await.transpose() })?;
                return Ok(piece.unwrap_or_default());
            }
            Way::Parts(next, under_way) => (next, under_way),
        };
        *next = start_more(&self.object, under_way, *next)?;
        match under_way.pop_front() {
            Some(part) => part.finish(&self.cancel),
            None => Ok(Bytes::new()),
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            self.current = self.next()?;
            if self.current.is_empty() {
                return Ok(0);
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Reads an object as somebody asks for it: one request for each reading, so that whoever reads should ask for much, or say
/// before what will be read. Clones share what was said.
#[derive(Clone)]
pub(in crate::io) struct ObjectReader {
    object: Arc<RemoteObject>,
    /// Where the piece begins that has come, and the piece.
    piece: Arc<Mutex<(u64, Bytes)>>,
    cancel: Cancel,
}

impl ObjectReader {
    /// A reader of an object.
    pub(in crate::io) fn new(object: &Arc<RemoteObject>, cancel: &Cancel) -> Self {
        Self {
            object: Arc::clone(object),
            piece: Arc::default(),
            cancel: cancel.clone(),
        }
    }

    /// What is read.
    pub(in crate::io) fn object(&self) -> &Arc<RemoteObject> {
        &self.object
    }

    /// What ends waiting.
    pub(in crate::io) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Has the bytes at a place come, which are kept until the next.
    pub(in crate::io) fn look_ahead(&self, place: Range<u64>) -> io::Result<()> {
        let begin = place.start;
        let piece = self.object.part(place, &self.cancel)?;
        *self.piece.lock().unwrap_or_else(PoisonError::into_inner) = (begin, piece);
        Ok(())
    }

    /// What has come of it from a place on, as far as it goes.
    fn there(&self, start: u64) -> Option<Bytes> {
        let piece = self.piece.lock().unwrap_or_else(PoisonError::into_inner);
        let (begin, bytes) = &*piece;
        let offset = usize::try_from(start.checked_sub(*begin)?).ok()?;
        (offset < bytes.len()).then(|| bytes.slice(offset..))
    }

    /// The bytes at a place.
    pub(in crate::io) fn part(&self, place: Range<u64>) -> io::Result<Bytes> {
        let length = (place.end - place.start) as usize;
        match self.there(place.start) {
            Some(bytes) if bytes.len() >= length => Ok(bytes.slice(..length)),
            _ => self.object.part(place, &self.cancel),
        }
    }
}
