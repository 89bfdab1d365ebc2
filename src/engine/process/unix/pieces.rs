//! A batch with a worker: whole as long as all goes well, and in pieces once a worker has died of it.

use super::death::Death;
use super::message::{Answer, Reply};
use super::piece_list::{Piece, PieceList, Progress};
use crate::batch::{Batch, Ending, State, View};
use crate::engine::job::Job;
use crate::error::{Failure, FailureKind};
use crate::step::PlacedStep;
use std::ops::Range;

/// A job whose segment workers execute.
#[derive(Debug)]
pub(super) struct Undertaking {
    pub(super) job: Box<Job>,
    /// The rows of the batch that are live; pieces are ranges of these.
    live: Vec<u32>,
    pieces: PieceList,
    /// How many buffers of the batch were counted, and how many bytes they hold. Each reply brings one, and counting them all
    /// each time would cost the square of what is sent.
    counted: (usize, usize),
}

impl Undertaking {
    /// Cuts the live rows of a job into pieces of at most so many.
    pub(super) fn new(job: Box<Job>, most: Option<usize>) -> Self {
        let is_live = |row: &u32| job.batch.rows[*row as usize].state == State::Live;
        let live: Vec<u32> = (0..job.batch.rows.len() as u32).filter(is_live).collect();
        Self {
            pieces: PieceList::new(live.len(), most.unwrap_or(usize::MAX)),
            live,
            job,
            counted: (0, 0),
        }
    }

    /// The next piece that waits, which is noted as sent.
    pub(super) fn next_waiting(&mut self) -> Option<Range<usize>> {
        self.pieces.next_waiting()
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.job.batch.overflowed && self.pieces.has_waiting()
    }

    pub(super) fn is_done(&self) -> bool {
        // Of a batch that is run again nothing more needs to be sent.
        !self.pieces.has_sent() && !self.has_waiting()
    }

    /// The rows of the batch that a piece holds.
    pub(super) fn rows(&self, piece: &Range<usize>) -> &[u32] {
        &self.live[piece.clone()]
    }

    /// Notes the answer to a piece.
    pub(super) fn answer(&mut self, rows: &Range<usize>, answer: Answer) {
        let overflowed = matches!(answer, Answer::Overflowed);
        let state = match answer {
            Answer::Reply(reply) => Progress::Done(reply),
            Answer::Overflowed => Progress::Overflowed,
        };
        let answered = Piece {
            state,
            ..Piece::new(rows.clone(), 0)
        };
        self.pieces.replace(rows, [answered]);
        // The texts of several pieces add up.
        self.job.batch.overflowed |= overflowed || self.is_too_large();
    }

    fn is_too_large(&mut self) -> bool {
        let batch = &self.job.batch;
        let (buffers, bytes) = &mut self.counted;
        let (now, more) = batch.bytes_behind(*buffers);
        *bytes += more;
        *buffers = now;
        !batch.is_alone() && *bytes > batch.room
    }

    /// Whether a piece is a row of which a worker has died already.
    pub(super) fn is_second_try(&self, rows: &Range<usize>) -> bool {
        self.pieces.get(rows).blamed
    }

    /// Notes that a worker died while a piece was with it and it was not at any row of it: the piece waits again. Once that
    /// happens a second time it is halved, until the row that does it is alone. Returns whether that row is found.
    pub(super) fn lose(&mut self, rows: &Range<usize>, death: &Death, worked_on: bool, steps: &[PlacedStep]) -> bool {
        let Piece {
            deaths, blamed, apart, ..
        } = *self.pieces.get(rows);
        let deaths = deaths + u32::from(worked_on);
        if worked_on && deaths > 1 && rows.len() > 1 {
            let middle = rows.start + rows.len() / 2;
            let halves = [rows.start..middle, middle..rows.end];
            self.pieces.replace(rows, halves.map(|half| Piece::new(half, 1)));
            return false;
        }
        let is_found = worked_on && deaths > 1;
        let state = if is_found {
            Progress::Failed(steps[0].index, failure(death, deaths))
        } else {
            Progress::Waiting
        };
        let again = Piece {
            rows: rows.clone(),
            deaths,
            blamed,
            apart,
            state,
        };
        self.pieces.replace(rows, [again]);
        is_found
    }

    /// Notes that a worker died of a row of a piece. It is tried once more, alone, if that may help; all others are run again.
    /// Returns whether the row has failed for good.
    pub(super) fn blame(&mut self, rows: &Range<usize>, row: usize, step: u16, death: &Death, again: bool) -> bool {
        let Piece { deaths, apart, .. } = *self.pieces.get(rows);
        let attempts = if rows.len() == 1 { deaths + 1 } else { 1 };
        let culprit = rows.start + row;
        let for_good = attempts > 1 || !again;
        let alone = Piece {
            rows: culprit..culprit + 1,
            deaths: attempts,
            blamed: true,
            apart: false,
            state: if for_good {
                Progress::Failed(step, failure(death, attempts))
            } else {
                Progress::Waiting
            },
        };
        // The others stay suspect, if they were: more than one may be poison.
        let other = |rows: Range<usize>| Piece {
            apart: apart && rows.len() > 1,
            ..Piece::new(rows, 0)
        };
        self.put(rows, [other(rows.start..culprit), alone, other(culprit + 1..rows.end)]);
        for_good
    }

    /// Notes that a worker died in a call with several rows of a piece: these are run again, one by one, and all others as
    /// before.
    pub(super) fn suspect(&mut self, rows: &Range<usize>, suspects: Range<usize>) {
        let suspects = rows.start + suspects.start..rows.start + suspects.end;
        let before = Piece::new(rows.start..suspects.start, 0);
        let after = Piece::new(suspects.end..rows.end, 0);
        let apart = Piece {
            apart: true,
            ..Piece::new(suspects, 0)
        };
        self.put(rows, [before, apart, after]);
    }

    /// Whether the rows of a piece are to be taken one by one.
    pub(super) fn is_apart(&self, rows: &Range<usize>) -> bool {
        self.pieces.get(rows).apart
    }

    /// Puts others in the place of a piece, as far as they hold any rows.
    fn put(&mut self, rows: &Range<usize>, parts: [Piece; 3]) {
        let parts = parts.into_iter().filter(|piece| !piece.rows.is_empty());
        self.pieces.replace(rows, parts);
    }

    /// Gives the job what became of its rows, unless that is too much: then it is told to be divided.
    ///
    /// # Panics
    /// If a piece is not done.
    pub(super) fn finish(self) -> Box<Job> {
        let Self {
            mut job, live, pieces, ..
        } = self;
        if job.batch.overflowed {
            return job;
        }
        let pieces = pieces.into_pieces();
        let batch = &mut job.batch;
        let splits = pieces.iter().any(|piece| match &piece.state {
            Progress::Done(reply) => reply.rows.len() != piece.rows.len(),
            _ => false,
        });
        if splits {
            batch.replace_rows(&parts(batch, &live, &pieces));
        }
        // From here on rows are counted as they are now: `next` is where the rows of the next live row begin.
        let mut firsts = Vec::with_capacity(live.len());
        let mut shift = 0;
        let mut position = live.iter();
        for piece in &pieces {
            for row in 0..piece.rows.len() {
                let before = *position.next().expect("pieces cover the live rows") as usize;
                firsts.push(before + shift);
                if let Progress::Done(reply) = &piece.state {
                    shift += parts_of(reply, row) - 1;
                }
            }
        }
        for piece in pieces {
            match piece.state {
                Progress::Done(reply) => apply(batch, &firsts[piece.rows], reply),
                Progress::Failed(step, failure) => {
                    let row = firsts[piece.rows.start];
                    batch.quarantine(row, Some(step), failure);
                    let tally = batch.tally(step);
                    tally.entered += 1;
                }
                Progress::Waiting | Progress::Sent | Progress::Overflowed => panic!("a piece is not done"),
            }
        }
        job
    }
}

/// How many rows a reply has for one row of its request.
fn parts_of(reply: &Reply, row: usize) -> usize {
    // Rows stand in the order of the request, so those of one row stand together.
    let start = reply.rows.partition_point(|part| (part.source as usize) < row);
    let end = reply.rows.partition_point(|part| part.source as usize <= row);
    end - start
}

/// All rows as they are to be, each with the row it comes from.
fn parts(batch: &Batch, live: &[u32], pieces: &[Piece]) -> Vec<(u32, View)> {
    let mut parts = Vec::new();
    let mut live = live.iter().copied().peekable();
    let mut replies = pieces
        .iter()
        .flat_map(|piece| (0..piece.rows.len()).map(move |row| (piece, row)));
    for (row, current) in (0_u32..).zip(&batch.rows) {
        if live.next_if_eq(&row).is_none() {
            parts.push((row, current.text));
            continue;
        }
        let (piece, index) = replies.next().expect("pieces cover the live rows");
        match &piece.state {
            Progress::Done(reply) => {
                let start = reply.rows.partition_point(|part| (part.source as usize) < index);
                let of_row = reply.rows[start..]
                    .iter()
                    .take_while(|part| part.source as usize == index);
                parts.extend(of_row.map(|part| (row, part.text.unwrap_or(current.text))));
            }
            _ => parts.push((row, current.text)),
        }
    }
    parts
}

/// Applies a reply. `firsts` says where in the batch the rows of each row of the request begin.
fn apply(batch: &mut Batch, firsts: &[usize], reply: Reply) {
    let mut places = Vec::with_capacity(reply.rows.len());
    let mut previous = None;
    for row in &reply.rows {
        let place = match previous {
            Some((source, place)) if source == row.source => place + 1,
            _ => firsts[row.source as usize],
        };
        previous = Some((row.source, place));
        places.push(place);
        if let Some(text) = row.text {
            batch.rows[place].text = text;
        }
    }
    for (field, row, value) in reply.fields {
        batch.set_field(field, places[row as usize], value);
    }
    for casualty in reply.casualties {
        let row = places[casualty.row as usize];
        match casualty.ending {
            Ending::Rejected(reason) => batch.reject(row, casualty.step, reason),
            Ending::Failed(failure) => batch.quarantine(row, casualty.step, *failure),
        }
    }
    for (step, entered, nanoseconds) in reply.tallies {
        let tally = batch.tally(step);
        tally.entered += entered;
        tally.nanoseconds += nanoseconds;
    }
}

/// The failure of a record that workers have died of.
fn failure(death: &Death, attempts: u32) -> Failure {
    let times = if attempts > 1 {
        format!(", as {} before it did", attempts - 1)
    } else {
        String::new()
    };
    let message = match death.kind {
        FailureKind::StepTimeout => format!("The worker {} and was killed.", death.how),
        _ => format!("The worker {} while the step worked on this record{times}.", death.how),
    };
    let mut failure = Failure::new(death.kind, message);
    failure.hint = match death.kind {
        FailureKind::StepTimeout => Some("`--timeout` says how long a step may work on one record.".to_owned()),
        FailureKind::StepMemory => Some("`--memory` says how much memory a worker may have.".to_owned()),
        _ => None,
    };
    failure.traceback.clone_from(&death.stack);
    failure.attempts = attempts;
    failure
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
