use super::*;
use crate::batch::{Casualty, Row, SourceRecord, Span};
use crate::engine::process::unix::message::ReplyRow;

/// A job whose rows are single letters: those in capitals are not live.
fn job_of(rows: &str) -> Box<Job> {
    let mut job = Box::new(Job::new());
    let batch = &mut job.batch;
    batch.raw_mut().extend_from_slice(rows.as_bytes());
    for (index, letter) in rows.bytes().enumerate() {
        let original = batch.view_of_raw(Span::new(index..index + 1)).expect("a letter");
        batch.sources.push(SourceRecord {
            ordinal: index as u64,
            original,
            ..SourceRecord::default()
        });
        batch.rows.push(Row {
            source: index as u32,
            text: original,
            ..Row::default()
        });
        if letter.is_ascii_uppercase() {
            batch.reject(index, None, "capital".into());
        }
    }
    job
}

fn death() -> Death {
    Death {
        kind: FailureKind::StepCrash,
        how: "was killed by SIGSEGV (signal 11)".to_owned(),
        stack: None,
        at: None,
    }
}

/// A reply that leaves the rows as they are, in so many parts each.
fn reply(parts: &[usize]) -> Reply {
    let rows = (0_u32..)
        .zip(parts)
        .flat_map(|(source, parts)| std::iter::repeat_n(ReplyRow { source, text: None }, *parts));
    Reply {
        rows: rows.collect(),
        fields: Vec::new(),
        casualties: Vec::new(),
        tallies: Vec::new(),
    }
}

fn answer_all(undertaking: &mut Undertaking) {
    while let Some(rows) = undertaking.next_waiting() {
        let count = rows.len();
        undertaking.answer(&rows, Answer::Reply(reply(&vec![1; count])));
    }
}

fn letters(job: &Job) -> String {
    let mut text = String::new();
    for row in 0..job.batch.rows.len() {
        text.push_str(job.batch.row_text(row).spelled());
    }
    text
}

#[test]
fn rows_that_are_not_live_stay_at_home() {
    let mut undertaking = Undertaking::new(job_of("aBcD"), None);
    let rows = undertaking.next_waiting().expect("a piece");
    assert_eq!(undertaking.rows(&rows), [0, 2]);
    assert!(!undertaking.is_done());
    undertaking.answer(&rows, Answer::Reply(reply(&[1, 1])));
    assert!(undertaking.is_done() && !undertaking.has_waiting());
    assert!(Undertaking::new(job_of("AB"), None).is_done());
}

#[test]
fn a_row_that_workers_die_of_is_tried_twice_and_leaves_the_others_alone() {
    let mut undertaking = Undertaking::new(job_of("abcde"), None);
    let all = undertaking.next_waiting().expect("a piece");
    assert!(!undertaking.blame(&all, 2, 0, &death(), true));
    let pieces: Vec<Range<usize>> = std::iter::from_fn(|| undertaking.next_waiting()).collect();
    // A fresh worker shows first what comes of the culprit alone.
    assert_eq!(pieces, [2..3, 0..2, 3..5]);
    assert!(undertaking.blame(&(2..3), 0, 0, &death(), true));
    undertaking.answer(&(0..2), Answer::Reply(reply(&[1, 1])));
    undertaking.answer(&(3..5), Answer::Reply(reply(&[1, 1])));
    let job = undertaking.finish();
    let [
        Casualty {
            row,
            step,
            ending: Ending::Failed(failure),
        },
    ] = &job.batch.casualties[..]
    else {
        panic!("one record failed")
    };
    assert_eq!(
        (*row, *step, failure.kind, failure.attempts),
        (2, Some(0), FailureKind::StepCrash, 2)
    );
    assert_eq!(letters(&job), "abcde");
}

#[test]
fn a_row_that_goes_through_the_second_time_is_out() {
    let mut undertaking = Undertaking::new(job_of("abc"), None);
    let all = undertaking.next_waiting().expect("a piece");
    assert!(!undertaking.blame(&all, 0, 0, &death(), true));
    let alone = undertaking.next_waiting().expect("a piece");
    assert_eq!(alone, 0..1);
    undertaking.answer(&alone, Answer::Reply(reply(&[1])));
    answer_all(&mut undertaking);
    assert!(undertaking.finish().batch.casualties.is_empty());
}

#[test]
fn what_kills_workers_without_being_named_is_found_by_halving() {
    let mut undertaking = Undertaking::new(job_of("abcdefgh"), None);
    let mut deaths = 0;
    // Every worker dies that has `f`, and none of them says of what.
    while let Some(rows) = undertaking.next_waiting() {
        if rows.contains(&5) {
            deaths += 1;
            assert!(deaths < 20);
            undertaking.lose(&rows, &death(), true, &[]);
        } else {
            let count = rows.len();
            undertaking.answer(&rows, Answer::Reply(reply(&vec![1; count])));
        }
        if deaths == 4 {
            break;
        }
    }
    // Eight, four, two: now the row is alone, and has been died of once more.
    let rest: Vec<Range<usize>> = std::iter::from_fn(|| undertaking.next_waiting()).collect();
    assert!(rest.contains(&(5..6)), "{rest:?}");
    assert_eq!(undertaking.pieces.get(&(5..6)).deaths, 1);
}

#[test]
fn rows_of_a_call_that_a_worker_died_in_are_taken_one_by_one() {
    let mut undertaking = Undertaking::new(job_of("abcdefgh"), None);
    let all = undertaking.next_waiting().expect("a piece");
    assert!(!undertaking.is_apart(&all));
    undertaking.suspect(&all, 2..6);
    let pieces: Vec<Range<usize>> = std::iter::from_fn(|| undertaking.next_waiting()).collect();
    let apart: Vec<bool> = pieces.iter().map(|piece| undertaking.is_apart(piece)).collect();
    assert_eq!((pieces, apart), (vec![0..2, 2..6, 6..8], vec![false, true, false]));
    undertaking.answer(&(0..2), Answer::Reply(reply(&[1, 1])));
    undertaking.answer(&(6..8), Answer::Reply(reply(&[1, 1])));
    // Now the worker says which of them it is: that one is tried again, and its neighbours stay suspect.
    assert!(!undertaking.blame(&(2..6), 1, 7, &death(), true));
    let pieces: Vec<Range<usize>> = std::iter::from_fn(|| undertaking.next_waiting()).collect();
    assert_eq!(pieces, [3..4, 2..3, 4..6]);
    assert!(undertaking.is_apart(&(4..6)));
    assert!(undertaking.blame(&(3..4), 0, 7, &death(), true));
    undertaking.answer(&(2..3), Answer::Reply(reply(&[1])));
    undertaking.answer(&(4..6), Answer::Reply(reply(&[1, 1])));
    let job = undertaking.finish();
    let [casualty] = &job.batch.casualties[..] else {
        panic!("one record failed")
    };
    assert_eq!((casualty.row, casualty.step), (3, Some(7)));
}

#[test]
fn a_piece_that_was_not_worked_on_is_not_to_blame() {
    let mut undertaking = Undertaking::new(job_of("ab"), None);
    for _ in 0..10 {
        let rows = undertaking.next_waiting().expect("a piece");
        assert_eq!(rows, 0..2);
        assert!(!undertaking.lose(&rows, &death(), false, &[]));
    }
}

#[test]
fn pieces_have_the_size_that_is_asked_for() {
    let mut undertaking = Undertaking::new(job_of("abcDefg"), Some(4));
    let pieces: Vec<Range<usize>> = std::iter::from_fn(|| undertaking.next_waiting()).collect();
    assert_eq!(pieces, [0..4, 4..6]);
}

#[test]
fn parts_of_rows_from_several_pieces_come_to_stand_in_order() {
    let mut undertaking = Undertaking::new(job_of("aBcde"), Some(2));
    let first = undertaking.next_waiting().expect("a piece");
    let second = undertaking.next_waiting().expect("a piece");
    let mut split = reply(&[1, 3]);
    split.casualties.push(Casualty {
        row: 2,
        step: Some(0),
        ending: Ending::Rejected("part".into()),
    });
    undertaking.answer(&first, Answer::Reply(split));
    undertaking.blame(&second, 1, 7, &death(), false);
    let third = undertaking.next_waiting().expect("a piece");
    undertaking.answer(&third, Answer::Reply(reply(&[2])));
    let job = undertaking.finish();
    assert_eq!(letters(&job), "aBcccdde");
    let casualties: Vec<(u32, Option<u16>)> = job
        .batch
        .casualties
        .iter()
        .map(|casualty| (casualty.row, casualty.step))
        .collect();
    assert_eq!(casualties, [(1, None), (3, Some(0)), (7, Some(7))]);
    let parts: Vec<(u32, u32)> = job.batch.rows.iter().map(|row| (row.source, row.part)).collect();
    assert_eq!(parts, [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (4, 0)]);
}

#[test]
fn what_becomes_too_large_is_divided_by_the_engine() {
    let mut undertaking = Undertaking::new(job_of("abcd"), Some(1));
    let first = undertaking.next_waiting().expect("a piece");
    let second = undertaking.next_waiting().expect("a piece");
    undertaking.answer(&first, Answer::Overflowed);
    // What is on its way comes back; nothing more is sent.
    assert!(!undertaking.has_waiting() && !undertaking.is_done());
    undertaking.answer(&second, Answer::Reply(reply(&[1])));
    assert!(undertaking.is_done());
    let job = undertaking.finish();
    assert!(job.batch.overflowed);
    assert_eq!(letters(&job), "abcd");
}
