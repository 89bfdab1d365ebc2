//! What travels between the engine and a worker: texts on the way there, and what became of them on the way back.
//!
//! ```text
//! request  texts · fields · lengths          · trailer
//! reply    texts · fields · rows · casualties · tallies · trailer
//! ```
//!
//! Numbers are little-endian. The texts come first, so that they are written while they are still being counted, and the
//! trailer says where everything else lies. The engine trusts no reply: whatever is out of its bounds makes the whole
//! reply unreadable, which counts as the death of the worker.

use super::encoding::{Cursor, put, put_half, put_long, read_casualty, read_value, write_casualty, write_value};
use super::pen::Pen;
use crate::batch::{Batch, Casualty, Ending, MOST_ROOM, Row, SourceRecord, State, View};
use crate::record::Value;
use crate::step::PlacedStep;

/// Stands for the length of a text that no step has changed.
const SAME: u32 = u32::MAX;

/// What is to be done with the rows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    /// The segment to run, by its number in the plan.
    pub(super) segment: usize,
    /// Whether its steps are to take the rows one by one, also those that take many at a time.
    pub(super) apart: bool,
}

/// Writes the texts of some rows, and the fields that the steps of the segment ask for.
pub(super) fn write_request(pen: &mut Pen<'_>, batch: &Batch, rows: &[u32], task: Task, steps: &[PlacedStep]) {
    let mut unescaped = String::new();
    let mut lengths = Vec::with_capacity(rows.len() * 4);
    for &row in rows {
        let text = batch.row_text(row as usize).read(&mut unescaped);
        pen.write(text.as_bytes());
        put(&mut lengths, text.len() as u32);
    }
    let texts = pen.len() as u64;
    let mut fields = Vec::new();
    let asked = asked_from_outside(steps);
    for &number in &asked {
        put_half(&mut fields, number);
        for &row in rows {
            write_value(batch.field(number, row as usize), &mut fields);
        }
    }
    pen.write(&fields);
    pen.write(&lengths);
    let mut trailer = Vec::with_capacity(REQUEST_TRAILER);
    put_long(&mut trailer, texts);
    put_long(&mut trailer, fields.len() as u64);
    put(&mut trailer, rows.len() as u32);
    put(&mut trailer, task.segment as u32);
    put(&mut trailer, asked.len() as u32);
    // What the rows become together may take no more memory there than here.
    // A row that travels alone is not alone in its batch: that is divided if it becomes too large.
    let room = if rows.len() == 1 {
        MOST_ROOM
    } else {
        batch.room.min(MOST_ROOM)
    };
    put(&mut trailer, room as u32);
    put(&mut trailer, u32::from(task.apart));
    pen.write(&trailer);
}

const REQUEST_TRAILER: usize = 36;

/// The fields that steps ask for, without doubles.
fn asked_from_outside(steps: &[PlacedStep]) -> Vec<u16> {
    let mut asked: Vec<u16> = steps.iter().flat_map(|placed| placed.asks.iter().copied()).collect();
    asked.sort_unstable();
    asked.dedup();
    asked
}

/// Reads a request into an empty batch, whose rows and source records are numbered like the rows of the request. Returns
/// what is to be done with them. `None`: that is no request.
pub(super) fn read_request(bytes: Vec<u8>, batch: &mut Batch) -> Option<Task> {
    let start = bytes.len().checked_sub(REQUEST_TRAILER)?;
    let mut trailer = Cursor::new(&bytes, start..bytes.len());
    let (texts, fields) = (trailer.long()? as usize, trailer.long()? as usize);
    let (rows, segment, asked) = (trailer.word()?, trailer.word()? as usize, trailer.word()?);
    batch.room = trailer.word()? as usize;
    let apart = trailer.word()? == 1;
    let behind_fields = texts.checked_add(fields).filter(|behind| *behind <= start)?;
    let mut lengths = Cursor::new(&bytes, behind_fields..start);
    let lengths: Vec<u32> = (0..rows).map(|_| lengths.word()).collect::<Option<_>>()?;
    let mut cursor = Cursor::new(&bytes, texts..behind_fields);
    for _ in 0..asked {
        let number = cursor.half()?;
        for row in 0..rows {
            batch.set_field(number, row as usize, read_value(&mut cursor)?);
        }
    }
    let adopted = batch.adopt(bytes, 0..texts).ok()?;
    let mut start = 0;
    for (row, length) in (0..rows).zip(lengths) {
        let end = start + length as usize;
        let text = batch.view_of_adopted(&adopted, start..end)?;
        start = end;
        batch.sources.push(SourceRecord {
            ordinal: u64::from(row),
            original: text,
            ..SourceRecord::default()
        });
        batch.rows.push(Row {
            source: row,
            text,
            ..Row::default()
        });
    }
    Some(Task { segment, apart })
}

/// Writes what became of a request, whose rows the segment with these steps has been run over.
pub(super) fn write_reply(pen: &mut Pen<'_>, batch: &Batch, steps: &[PlacedStep]) {
    if batch.overflowed {
        return pen.write(OVERFLOWED);
    }
    let mut rows = Vec::with_capacity(batch.rows.len() * ROW);
    let mut unescaped = String::new();
    for row in &batch.rows {
        let length = if row.text == batch.sources[row.source as usize].original {
            SAME
        } else {
            let text = batch.text(row.text).read(&mut unescaped);
            pen.write(text.as_bytes());
            text.len() as u32
        };
        put(&mut rows, row.source);
        put(&mut rows, length);
        rows.push(match row.state {
            State::Live => 0,
            State::Rejected => 1,
            State::Quarantined => 2,
        });
    }
    let texts = pen.len() as u64;
    let mut rest = Vec::new();
    let added: Vec<u16> = steps.iter().flat_map(|placed| placed.adds.iter().copied()).collect();
    for &number in &added {
        put_half(&mut rest, number);
        for row in 0..batch.rows.len() {
            write_value(batch.field(number, row), &mut rest);
        }
    }
    rest.extend_from_slice(&rows);
    for casualty in &batch.casualties {
        write_casualty(casualty, &mut rest);
    }
    for placed in steps {
        let tally = batch.steps.get(usize::from(placed.index)).copied().unwrap_or_default();
        put_half(&mut rest, placed.index);
        put_long(&mut rest, tally.entered);
        put_long(&mut rest, tally.nanoseconds);
    }
    put_long(&mut rest, texts);
    put(&mut rest, batch.rows.len() as u32);
    put(&mut rest, added.len() as u32);
    put(&mut rest, batch.casualties.len() as u32);
    put(&mut rest, steps.len() as u32);
    pen.write(&rest);
}

/// All that is said of a batch that became too large: it is run again, fewer records at a time.
const OVERFLOWED: &[u8] = b"overflowed";

const ROW: usize = 9;
const REPLY_TRAILER: usize = 24;

/// What became of a request.
#[derive(Debug)]
pub(super) struct Reply {
    /// The rows, in the order of the rows of the request that they come from.
    pub(super) rows: Vec<ReplyRow>,
    /// The values that were added: field, row of the reply, value.
    pub(super) fields: Vec<(u16, u32, Value)>,
    /// What happened to rows of the reply that are no longer live.
    pub(super) casualties: Vec<Casualty>,
    /// What the steps did: step, rows entered, nanoseconds.
    pub(super) tallies: Vec<(u16, u64, u64)>,
}

/// A row of a reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyRow {
    /// The row of the request that it comes from.
    pub(super) source: u32,
    /// Its text; `None`: as it was.
    pub(super) text: Option<View>,
}

/// What a worker has to say about a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// This is what became of it.
    Reply(Reply),
    /// The records become too large together.
    Overflowed,
}

impl Answer {
    /// Reads an answer to a request of so many rows, and gives the texts in it to the batch. `None`: that is no answer.
    pub(super) fn read(bytes: Vec<u8>, requested: usize, steps: &[PlacedStep], batch: &mut Batch) -> Option<Self> {
        if bytes == OVERFLOWED {
            return Some(Self::Overflowed);
        }
        Reply::read(bytes, requested, steps, batch).map(Self::Reply)
    }
}

impl Reply {
    /// Reads a reply to a request of so many rows, and gives the texts in it to the batch. `None`: that is no reply.
    fn read(bytes: Vec<u8>, requested: usize, steps: &[PlacedStep], batch: &mut Batch) -> Option<Self> {
        let end = bytes.len().checked_sub(REPLY_TRAILER)?;
        let mut trailer = Cursor::new(&bytes, end..bytes.len());
        let texts = trailer.long()? as usize;
        let (rows, added, casualties, tallies) = (trailer.word()?, trailer.word()?, trailer.word()?, trailer.word()?);
        let mut cursor = Cursor::new(&bytes, texts..end);
        if texts > end || rows as usize > bytes.len() || casualties > rows {
            return None;
        }
        let mut fields = Vec::new();
        for _ in 0..added {
            let number = cursor.half()?;
            if !steps.iter().any(|placed| placed.adds.contains(&number)) {
                return None;
            }
            for row in 0..rows {
                let value = read_value(&mut cursor)?;
                if value != Value::Missing {
                    fields.push((number, row, value));
                }
            }
        }
        let mut table = Vec::with_capacity(rows as usize);
        for _ in 0..rows {
            table.push((cursor.word()?, cursor.word()?, state_of(cursor.byte()?)?));
        }
        let casualties = (0..casualties)
            .map(|_| read_casualty(&mut cursor, rows))
            .collect::<Option<Vec<_>>>()?;
        let tallies = (0..tallies)
            .map(|_| Some((cursor.half()?, cursor.long()?, cursor.long()?)))
            .collect::<Option<Vec<_>>>()?;
        let known = |step: u16| steps.iter().any(|placed| placed.index == step);
        let all_known = tallies.iter().all(|(step, ..)| known(*step))
            && casualties.iter().all(|casualty| casualty.step.is_some_and(known));
        if !cursor.is_at_end() || !all_known || !covers(&table, requested) || !is_consistent(&table, &casualties) {
            return None;
        }
        let adopted = batch.adopt(bytes, 0..texts).ok()?;
        let mut start = 0;
        let mut rows = Vec::with_capacity(table.len());
        for (source, length, _) in table {
            let text = if length == SAME {
                None
            } else {
                let end = start + length as usize;
                let view = batch.view_of_adopted(&adopted, start..end)?;
                start = end;
                Some(view)
            };
            rows.push(ReplyRow { source, text });
        }
        Some(Self {
            rows,
            fields,
            casualties,
            tallies,
        })
    }
}

/// Whether each row that was requested is there, once or in parts, in order.
fn covers(rows: &[(u32, u32, State)], requested: usize) -> bool {
    let mut next = 0;
    for &(source, ..) in rows {
        if source == next {
            next += 1;
        } else if source + 1 != next {
            return false;
        }
    }
    next as usize == requested
}

/// Whether there is one casualty for each row that is no longer live, and none for any other.
fn is_consistent(rows: &[(u32, u32, State)], casualties: &[Casualty]) -> bool {
    let mut ended = vec![false; rows.len()];
    for casualty in casualties {
        let state = rows[casualty.row as usize].2;
        let expected = match casualty.ending {
            Ending::Rejected(_) => State::Rejected,
            Ending::Failed(_) => State::Quarantined,
        };
        if state != expected || std::mem::replace(&mut ended[casualty.row as usize], true) {
            return false;
        }
    }
    rows.iter()
        .zip(ended)
        .all(|((.., state), ended)| (*state != State::Live) == ended)
}

fn state_of(byte: u8) -> Option<State> {
    Some(match byte {
        0 => State::Live,
        1 => State::Rejected,
        2 => State::Quarantined,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
