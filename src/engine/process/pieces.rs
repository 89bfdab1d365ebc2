//! A batch with a worker: whole as long as all goes well, and in pieces once a worker has died of it.

use super::death::Death;
use super::message::{Answer, Reply};
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
    pieces: Vec<Piece>,
}

/// Some rows of a batch that travel together.
#[derive(Debug)]
struct Piece {
    rows: Range<usize>,
    /// How many workers have died of it, or might have.
    deaths: u32,
    /// Whether a worker has named this very row when it died.
    blamed: bool,
    /// Whether a worker has died in a call with these rows, so that they are to be taken one by one.
    apart: bool,
    state: Progress,
}

#[derive(Debug)]
enum Progress {
    Waiting,
    Sent,
    Done(Reply),
    /// It became too large, so the whole batch is divided and run again.
    Overflowed,
    Failed(u16, Failure),
}

impl Undertaking {
    /// Cuts the live rows of a job into pieces of at most so many.
    pub(super) fn new(job: Box<Job>, most: Option<usize>) -> Self {
        let is_live = |row: &u32| job.batch.rows[*row as usize].state == State::Live;
        let live: Vec<u32> = (0..job.batch.rows.len() as u32).filter(is_live).collect();
        let most = most.unwrap_or(usize::MAX).max(1);
        let starts = (0..live.len()).step_by(most.min(live.len().max(1)));
        let pieces = starts.map(|start| Piece::new(start..live.len().min(start.saturating_add(most)), 0));
        Self {
            pieces: pieces.collect(),
            live,
            job,
        }
    }

    /// The next piece that waits, which is noted as sent.
    pub(super) fn next_waiting(&mut self) -> Option<Range<usize>> {
        // What a worker has died of goes first: a fresh worker shows what comes of it, and nothing that came before.
        let waits = |piece: &&mut Piece| matches!(piece.state, Progress::Waiting);
        let blamed = self.pieces.iter_mut().filter(waits).find(|piece| piece.blamed);
        let piece = match blamed {
            Some(piece) => piece,
            None => self.pieces.iter_mut().find(waits)?,
        };
        piece.state = Progress::Sent;
        Some(piece.rows.clone())
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.job.batch.overflowed && self.pieces.iter().any(|piece| matches!(piece.state, Progress::Waiting))
    }

    pub(super) fn is_done(&self) -> bool {
        let is_open = |piece: &Piece| match piece.state {
            Progress::Sent => true,
            // Of a batch that is run again nothing more needs to be sent.
            Progress::Waiting => !self.job.batch.overflowed,
            Progress::Done(_) | Progress::Overflowed | Progress::Failed(..) => false,
        };
        !self.pieces.iter().any(is_open)
    }

    /// The rows of the batch that a piece holds.
    pub(super) fn rows(&self, piece: &Range<usize>) -> &[u32] {
        &self.live[piece.clone()]
    }

    fn piece(&mut self, rows: &Range<usize>) -> usize {
        let found = self.pieces.iter().position(|piece| piece.rows == *rows);
        found.expect("what was sent is a piece")
    }

    /// Notes the answer to a piece.
    pub(super) fn answer(&mut self, rows: &Range<usize>, answer: Answer) {
        let index = self.piece(rows);
        let piece = &mut self.pieces[index];
        piece.state = match answer {
            Answer::Reply(reply) => Progress::Done(reply),
            Answer::Overflowed => Progress::Overflowed,
        };
        // The texts of several pieces add up.
        self.job.batch.overflowed |= matches!(self.pieces[index].state, Progress::Overflowed) || self.is_too_large();
    }

    fn is_too_large(&self) -> bool {
        let batch = &self.job.batch;
        !batch.is_alone() && batch.bytes() > batch.room
    }

    /// Whether a piece is a row of which a worker has died already.
    pub(super) fn is_second_try(&self, rows: &Range<usize>) -> bool {
        self.pieces.iter().any(|piece| piece.rows == *rows && piece.blamed)
    }

    /// Notes that a worker died while a piece was with it and it was not at any row of it: the piece waits again. Once that
    /// happens a second time it is halved, until the row that does it is alone. Returns whether that row is found.
    pub(super) fn lose(&mut self, rows: &Range<usize>, death: &Death, worked_on: bool, steps: &[PlacedStep]) -> bool {
        let index = self.piece(rows);
        let piece = &mut self.pieces[index];
        piece.state = Progress::Waiting;
        if !worked_on {
            return false;
        }
        piece.deaths += 1;
        let deaths = piece.deaths;
        if deaths < 2 {
            return false;
        }
        if rows.len() == 1 {
            piece.state = Progress::Failed(steps[0].index, failure(death, deaths));
            return true;
        }
        let middle = rows.start + rows.len() / 2;
        let halves = [rows.start..middle, middle..rows.end];
        self.pieces
            .splice(index..=index, halves.map(|half| Piece::new(half, 1)));
        false
    }

    /// Notes that a worker died of a row of a piece. It is tried once more, alone, if that may help; all others are run again.
    /// Returns whether the row has failed for good.
    pub(super) fn blame(&mut self, rows: &Range<usize>, row: usize, step: u16, death: &Death, again: bool) -> bool {
        let index = self.piece(rows);
        let deaths = self.pieces[index].deaths;
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
        let apart = self.pieces[index].apart;
        let other = |rows: Range<usize>| Piece {
            apart: apart && rows.len() > 1,
            ..Piece::new(rows, 0)
        };
        self.replace(index, [other(rows.start..culprit), alone, other(culprit + 1..rows.end)]);
        for_good
    }

    /// Notes that a worker died in a call with several rows of a piece: these are run again, one by one, and all others as
    /// before.
    pub(super) fn suspect(&mut self, rows: &Range<usize>, suspects: Range<usize>) {
        let index = self.piece(rows);
        let suspects = rows.start + suspects.start..rows.start + suspects.end;
        let apart = Piece {
            apart: true,
            ..Piece::new(suspects.clone(), 0)
        };
        let before = Piece::new(rows.start..suspects.start, 0);
        let after = Piece::new(suspects.end..rows.end, 0);
        self.replace(index, [before, apart, after]);
    }

    /// Whether the rows of a piece are to be taken one by one.
    pub(super) fn is_apart(&self, rows: &Range<usize>) -> bool {
        self.pieces.iter().any(|piece| piece.rows == *rows && piece.apart)
    }

    /// Puts others in the place of a piece, as far as they hold any rows.
    fn replace(&mut self, index: usize, parts: [Piece; 3]) {
        self.pieces
            .splice(index..=index, parts.into_iter().filter(|piece| !piece.rows.is_empty()));
    }

    /// Gives the job what became of its rows, unless that is too much: then it is told to be divided.
    ///
    /// # Panics
    /// If a piece is not done.
    pub(super) fn finish(self) -> Box<Job> {
        let Self { mut job, live, pieces } = self;
        if job.batch.overflowed {
            return job;
        }
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

impl Piece {
    fn new(rows: Range<usize>, deaths: u32) -> Self {
        Self {
            rows,
            deaths,
            blamed: false,
            apart: false,
            state: Progress::Waiting,
        }
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
