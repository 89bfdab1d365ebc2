//! Where a segment notes what it is working on. In a worker somebody else can read that: should the worker die, the note
//! names the culprit.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a segment notes which records and step it is working on.
///
/// A note is one number: the first source record in the lowest 32 bits, above it 16 bits for how many more there are, and the
/// step in the highest 16.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marker(Option<&'static AtomicU64>);

/// What a note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The first source record.
    pub source: u32,
    /// How many source records there are, from that one on; at least one.
    pub sources: u32,
    /// The step, by its place in the segment.
    pub step: usize,
}

impl Marker {
    /// What stands there while no record is being worked on.
    pub const NOTHING: u64 = u64::MAX;

    /// The most source records that one note can be about.
    pub const MOST_SOURCES: usize = 1 << 16;

    /// A marker that writes to a cell.
    #[must_use]
    pub fn new(cell: &'static AtomicU64) -> Self {
        Self(Some(cell))
    }

    /// Whether there is a cell to write to.
    #[inline]
    #[must_use]
    pub fn is_kept(self) -> bool {
        self.0.is_some()
    }

    /// Notes that a step of the segment is about to see a source record: one store, without any order. Whoever reads it
    /// does so when this process is dead.
    #[inline]
    pub fn note(self, source: u32, step: usize) {
        if let Some(cell) = self.0 {
            cell.store((step as u64) << 48 | u64::from(source), Ordering::Relaxed);
        }
    }

    /// Notes that a step of the segment is about to see all the source records from `first` to `last` at once.
    #[inline]
    pub fn note_many(self, first: u32, last: u32, step: usize) {
        if let Some(cell) = self.0 {
            let more = u64::from(last.saturating_sub(first)).min(Self::MOST_SOURCES as u64 - 1);
            let note = (step as u64) << 48 | more << 32 | u64::from(first);
            cell.store(note, Ordering::Relaxed);
        }
    }

    /// Notes that nothing is being worked on.
    #[inline]
    pub fn clear(self) {
        if let Some(cell) = self.0 {
            cell.store(Self::NOTHING, Ordering::Relaxed);
        }
    }

    /// What a cell says.
    #[must_use]
    pub fn read(note: u64) -> Option<Noted> {
        (note != Self::NOTHING).then_some(Noted {
            source: note as u32,
            sources: u32::from((note >> 32) as u16) + 1,
            step: (note >> 48) as usize,
        })
    }

    /// What of a note changes with each new allowance of time: all steps that see a record alone share the time for that
    /// record, and a call with several has a time of its own.
    #[must_use]
    pub fn timed(note: u64) -> u64 {
        let is_alone = Self::read(note).is_none_or(|noted| noted.sources == 1);
        if is_alone { note & u64::from(u32::MAX) } else { note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CELL: AtomicU64 = AtomicU64::new(Marker::NOTHING);

    #[test]
    fn what_is_noted_is_read() {
        let marker = Marker::new(&CELL);
        let read = || Marker::read(CELL.load(Ordering::Relaxed));
        let noted = |source, sources, step| Some(Noted { source, sources, step });
        assert_eq!(read(), None);
        marker.note(7, 3);
        assert_eq!(read(), noted(7, 1, 3));
        marker.note_many(7, 7, 3);
        assert_eq!(read(), noted(7, 1, 3));
        marker.note_many(u32::MAX - 255, u32::MAX, 65_534);
        assert_eq!(read(), noted(u32::MAX - 255, 256, 65_534));
        marker.note_many(0, u32::MAX, 0);
        assert_eq!(read(), noted(0, Marker::MOST_SOURCES as u32, 0));
        marker.clear();
        assert_eq!(read(), None);
    }

    #[test]
    fn steps_share_the_time_of_a_record_and_not_that_of_a_call_with_many() {
        static CELL: AtomicU64 = AtomicU64::new(0);
        let marker = Marker::new(&CELL);
        let timed = |note: &dyn Fn()| {
            note();
            Marker::timed(CELL.load(Ordering::Relaxed))
        };
        assert_eq!(timed(&|| marker.note(7, 3)), timed(&|| marker.note(7, 4)));
        assert_ne!(timed(&|| marker.note(7, 3)), timed(&|| marker.note(8, 3)));
        assert_ne!(
            timed(&|| marker.note_many(7, 9, 3)),
            timed(&|| marker.note_many(7, 9, 4))
        );
        assert_ne!(
            timed(&|| marker.note_many(7, 9, 3)),
            timed(&|| marker.note_many(7, 8, 3))
        );
    }
}
