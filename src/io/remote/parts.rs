//! Parts of an object that were asked for together, and others when somebody reads them.

use super::object::RemoteObject;
use super::runtime::Started;
use crate::step::Cancel;
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// How far two parts may lie apart to be asked for as one: asking takes longer than what lies between them.
const GAP: u64 = 1 << 20;

/// How many bytes are asked for at once at most.
const MOST: u64 = 16 << 20;

/// What is read where nobody said before that it would be.
const UNFORESEEN: u64 = 64 << 10;

/// Parts of an object.
pub(in crate::io) struct ObjectParts {
    object: Arc<RemoteObject>,
    /// They are sorted, and do not overlap.
    parts: Vec<(Range<u64>, Mutex<Part>)>,
    cancel: Cancel,
}

/// A part that was asked for.
enum Part {
    UnderWay(Started<Bytes>),
    There(Bytes),
    /// It did not come, and whoever reads it was told why.
    Failed,
}

impl ObjectParts {
    /// Asks for parts, and does not wait for them before they are read.
    pub(in crate::io) fn fetch(object: &Arc<RemoteObject>, places: &[Range<u64>], cancel: &Cancel) -> io::Result<Self> {
        let parts = joined(places)
            .into_iter()
            .map(|place| {
                let part = object.start_part(place.clone())?;
                Ok((place, Mutex::new(Part::UnderWay(part))))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            object: Arc::clone(object),
            parts,
            cancel: cancel.clone(),
        })
    }

    /// How many bytes the object has.
    pub(in crate::io) fn size(&self) -> u64 {
        self.object.size().unwrap_or(0)
    }

    /// What was asked for from a place on, as far as it goes.
    fn there(&self, start: u64) -> io::Result<Option<Bytes>> {
        let behind = self.parts.partition_point(|(place, _)| place.start <= start);
        let Some((place, part)) = self.parts[..behind].last().filter(|(place, _)| place.contains(&start)) else {
            return Ok(None);
        };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match std::mem::replace(&mut *part, Part::Failed) {
            Part::There(bytes) => bytes,
            Part::UnderWay(started) => started.finish(&self.cancel)?,
            Part::Failed => return Err(io::Error::other("a part of it did not come")),
        };
        *part = Part::There(bytes.clone());
        Ok(Some(bytes.slice((start - place.start) as usize..)))
    }

    /// Some bytes from a place on: at least as many as a header of Thrift has.
    pub(in crate::io) fn from(&self, start: u64) -> io::Result<Bytes> {
        match self.there(start)? {
            Some(bytes) => Ok(bytes),
            None => {
                let end = self.size().min(start.saturating_add(UNFORESEEN));
                self.object.part(start.min(end)..end, &self.cancel)
            }
        }
    }

    /// The bytes at a place.
    pub(in crate::io) fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start
            .checked_add(length as u64)
            .filter(|&end| end <= self.size())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        match self.there(start)? {
            Some(bytes) if bytes.len() >= length => Ok(bytes.slice(..length)),
            _ => self.object.part(start..end, &self.cancel),
        }
    }
}

/// Places that are asked for together, in order, none larger than is asked for at once unless it was given so.
fn joined(places: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = places.iter().filter(|place| !place.is_empty()).cloned().collect();
    sorted.sort_unstable_by_key(|place| place.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for place in sorted {
        match joined.last_mut() {
            Some(last)
                if place.start < last.end || (place.start - last.end <= GAP && place.end - last.start <= MOST) =>
            {
                last.end = last.end.max(place.end);
            }
            _ => joined.push(place),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_close_is_asked_for_as_one() {
        let far = 10 * GAP;
        let places = [far..far + 5, 0..10, 10..20, 25..30, 7..7];
        assert_eq!(joined(&places), [0..30, far..far + 5]);
        assert_eq!(joined(&[0..MOST, MOST..MOST + 1]), [0..MOST, MOST..MOST + 1]);
        assert_eq!(
            joined(&[0..20, 10..30, GAP * 2..GAP * 2 + 1]),
            [0..30, GAP * 2..GAP * 2 + 1]
        );
    }
}
