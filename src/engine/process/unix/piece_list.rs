//! The pieces of a batch that workers execute: which of them wait, and which is meant by its rows. Nothing here looks through
//! all of them, because a batch may have as many as it has records.

use super::message::Reply;
use crate::error::Failure;
use std::collections::BTreeSet;
use std::ops::Range;

/// Some rows of a batch that travel together.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) rows: Range<usize>,
    /// How many workers have died of it, or might have.
    pub(super) deaths: u32,
    /// Whether a worker has named this very row when it died.
    pub(super) blamed: bool,
    /// Whether a worker has died in a call with these rows, so that they are to be taken one by one.
    pub(super) apart: bool,
    pub(super) state: Progress,
}

#[derive(Debug)]
pub(super) enum Progress {
    Waiting,
    Sent,
    Done(Reply),
    /// It became too large, so the whole batch is divided and run again.
    Overflowed,
    Failed(u16, Failure),
}

impl Piece {
    /// A piece that waits.
    pub(super) fn new(rows: Range<usize>, deaths: u32) -> Self {
        Self {
            rows,
            deaths,
            blamed: false,
            apart: false,
            state: Progress::Waiting,
        }
    }

    /// The order in which pieces are sent. What a worker has died of goes first: a fresh worker shows what comes of it, and
    /// nothing that came before.
    fn turn(&self) -> Turn {
        (!self.blamed, self.rows.start)
    }
}

type Turn = (bool, usize);

/// Pieces in the order of their rows, without gaps.
#[derive(Debug)]
pub(super) struct PieceList {
    pieces: Shelf,
    waiting: BTreeSet<Turn>,
    sent: usize,
}

impl PieceList {
    /// So many rows in pieces of at most `most`, all of which wait.
    pub(super) fn new(rows: usize, most: usize) -> Self {
        let most = most.clamp(1, rows.max(1));
        let starts = (0..rows).step_by(most);
        let pieces: Vec<Piece> = starts
            .map(|start| Piece::new(start..rows.min(start + most), 0))
            .collect();
        Self {
            waiting: pieces.iter().map(Piece::turn).collect(),
            pieces: Shelf::new(pieces),
            sent: 0,
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn has_sent(&self) -> bool {
        self.sent > 0
    }

    /// The next piece that waits, which is noted as sent.
    pub(super) fn next_waiting(&mut self) -> Option<Range<usize>> {
        let (_, start) = self.waiting.pop_first()?;
        let index = self.index(start);
        let piece = self.pieces.at_mut(index);
        piece.state = Progress::Sent;
        self.sent += 1;
        Some(piece.rows.clone())
    }

    /// The piece that has these rows.
    pub(super) fn get(&self, rows: &Range<usize>) -> &Piece {
        let piece = self.pieces.at(self.index(rows.start));
        debug_assert_eq!(piece.rows, *rows);
        piece
    }

    /// Puts other pieces of the same rows, or one, in the place of a piece that was sent.
    pub(super) fn replace(&mut self, rows: &Range<usize>, pieces: impl IntoIterator<Item = Piece>) {
        let index = self.index(rows.start);
        let waiting = &mut self.waiting;
        let pieces = pieces.into_iter().inspect(|piece| {
            if matches!(piece.state, Progress::Waiting) {
                waiting.insert(piece.turn());
            }
        });
        let replaced = self.pieces.replace(index, pieces);
        debug_assert!(replaced.is_some_and(|piece| piece.rows == *rows && matches!(piece.state, Progress::Sent)));
        self.sent -= 1;
    }

    /// The pieces, in the order of their rows.
    pub(super) fn into_pieces(self) -> Vec<Piece> {
        self.pieces.into_pieces()
    }

    fn index(&self, start: usize) -> usize {
        let (mut low, mut high) = (0, self.pieces.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.pieces.at(middle).rows.start < start {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Where the pieces lie. They are taken one by one, so that the tests can count how many were looked at.
mod shelf {
    use super::Piece;

    #[derive(Debug)]
    pub(super) struct Shelf {
        pieces: Vec<Piece>,
        #[cfg(test)]
        looks: std::cell::Cell<usize>,
    }

    impl Shelf {
        pub(super) fn new(pieces: Vec<Piece>) -> Self {
            Self {
                pieces,
                #[cfg(test)]
                looks: std::cell::Cell::default(),
            }
        }

        pub(super) fn len(&self) -> usize {
            self.pieces.len()
        }

        pub(super) fn at(&self, index: usize) -> &Piece {
            #[cfg(test)]
            self.looks.set(self.looks.get() + 1);
            &self.pieces[index]
        }

        pub(super) fn at_mut(&mut self, index: usize) -> &mut Piece {
            #[cfg(test)]
            self.looks.set(self.looks.get() + 1);
            &mut self.pieces[index]
        }

        /// Puts pieces in the place of one, which is returned.
        pub(super) fn replace(&mut self, index: usize, pieces: impl Iterator<Item = Piece>) -> Option<Piece> {
            self.pieces.splice(index..=index, pieces).next()
        }

        pub(super) fn into_pieces(self) -> Vec<Piece> {
            self.pieces
        }

        #[cfg(test)]
        pub(super) fn looks(&self) -> usize {
            self.looks.get()
        }
    }
}

use shelf::Shelf;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_has_died_of_goes_first() {
        let mut list = PieceList::new(10, 5);
        let first = list.next_waiting().expect("a piece");
        let blamed = Piece {
            blamed: true,
            ..Piece::new(3..4, 1)
        };
        list.replace(&first, [Piece::new(0..3, 0), blamed, Piece::new(4..5, 0)]);
        let order: Vec<Range<usize>> = std::iter::from_fn(|| list.next_waiting()).collect();
        assert_eq!(order, [3..4, 0..3, 4..5, 5..10]);
        assert!(list.has_sent() && !list.has_waiting());
        assert!(list.get(&(3..4)).blamed && !list.get(&(4..5)).blamed);
    }

    #[test]
    fn pieces_have_the_size_that_is_asked_for() {
        let sizes = |rows, most| {
            let pieces = PieceList::new(rows, most).into_pieces();
            pieces.iter().map(|piece| piece.rows.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(7, 3), [3, 3, 1]);
        assert_eq!(sizes(3, 0), [1, 1, 1]);
        assert_eq!(sizes(3, usize::MAX), [3]);
        assert!(sizes(0, 3).is_empty());
    }

    #[test]
    fn no_piece_costs_a_look_at_all_others() {
        const ROWS: usize = 1 << 13;
        let mut list = PieceList::new(ROWS, 1);
        while let Some(rows) = list.next_waiting() {
            assert!(!list.get(&rows).blamed);
            let failed = rows.start % 2 == 0 && list.get(&rows).deaths == 0;
            list.replace(
                &rows,
                [if failed {
                    Piece::new(rows.clone(), 1)
                } else {
                    Piece {
                        state: Progress::Overflowed,
                        ..Piece::new(rows.clone(), 0)
                    }
                }],
            );
        }
        assert!(!list.has_sent());
        // Each row is sent once or twice and found a few times then, with a look for each power of two; looking at all would
        // be a thousand times as many.
        let looks = list.pieces.looks();
        assert!(looks <= ROWS * 3 / 2 * 4 * 14, "{looks}");
    }
}
