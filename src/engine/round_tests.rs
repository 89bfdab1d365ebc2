//! Who does what next, and what has to wait.

use super::*;

const BUDGET: usize = 1000;

fn job(sequence: u64, bytes: usize) -> Box<Job> {
    let mut job = Box::new(Job::new());
    job.batch.sequence = sequence;
    job.charged = bytes;
    job
}

fn read(round: &Round) -> Box<Job> {
    match round.next_task() {
        Task::Read(job) => job,
        _ => panic!("expected to read"),
    }
}

#[test]
fn what_is_nearest_to_the_end_goes_first() {
    let round = Round::new(4, true, BUDGET);
    drop(read(&round));
    round.has_read(&job(0, 1));
    round.add_returned(job(1, 1));
    round.add_done(job(0, 1));
    let Task::Write(first) = round.next_task() else {
        panic!("the first job is to be written")
    };
    assert_eq!(first.batch.sequence, 0);
    // While one worker writes, another goes on with something else.
    assert!(matches!(round.next_task(), Task::Advance(job) if job.batch.sequence == 1));
    round.add_done(job(1, 1));
    assert!(matches!(round.next_task(), Task::Read(_)));
    round.has_written(first);
    assert!(matches!(round.next_task(), Task::Write(job) if job.batch.sequence == 1));
}

#[test]
fn a_job_that_was_written_is_read_into_next() {
    let round = Round::new(3, true, BUDGET);
    let mut first = read(&round);
    first.charged = 77;
    let address = std::ptr::from_ref(&*first).addr();
    round.has_read(&first);
    round.add_done(first);
    let Task::Write(first) = round.next_task() else {
        panic!("it is to be written")
    };
    round.has_written(first);
    assert_eq!(std::ptr::from_ref(&*read(&round)).addr(), address);
}

/// Has a batch written that was read.
fn write(round: &Round, job: Box<Job>) {
    round.add_done(job);
    let Task::Write(job) = round.next_task() else {
        panic!("it is to be written")
    };
    round.has_written(job);
}

#[test]
fn nothing_is_read_beyond_the_budget() {
    let round = Round::new(4, true, BUDGET);
    drop(read(&round));
    let huge = job(0, BUDGET);
    round.has_read(&huge);
    assert!(round.lock().next_task(true, BUDGET).is_none());
    write(&round, huge);
    assert!(
        matches!(round.next_task(), Task::Read(_)),
        "one batch may always be read"
    );
    round.has_read(&job(1, BUDGET / 2));
    round.reserve(BUDGET / 4);
    assert!(
        round.lock().next_task(true, BUDGET).is_none(),
        "the next would need as much again"
    );
}

#[test]
fn beyond_the_budget_only_the_batch_goes_on_that_is_written_next() {
    let round = Round::new(4, true, BUDGET);
    for sequence in 0..3 {
        drop(read(&round));
        round.has_read(&job(sequence, 10));
    }
    round.add_waiting(job(2, 10), BUDGET);
    assert!(round.lock().next_task(true, BUDGET).is_none());
    round.add_calling(job(1, 10));
    assert!(matches!(round.next_call(Duration::ZERO), Call::Nothing));
    round.add_returned(job(0, 10));
    let Task::Advance(first) = round.next_task() else {
        panic!("the first batch goes on")
    };
    assert_eq!(first.batch.sequence, 0);
    write(&round, first);
    let Call::Job(second) = round.next_call(Duration::ZERO) else {
        panic!("then the second")
    };
    write(&round, second);
    assert!(matches!(round.next_task(), Task::Advance(job) if job.batch.sequence == 2));
}

#[test]
fn a_batch_of_which_a_part_was_written_is_next_still() {
    let round = Round::new(2, true, BUDGET);
    drop(read(&round));
    round.has_read(&job(0, 1));
    round.add_done(job(0, 1));
    let Task::Write(part) = round.next_task() else {
        panic!("it is to be written")
    };
    round.has_written_part(part);
    let Task::Advance(rest) = round.next_task() else {
        panic!("it goes on")
    };
    assert!(
        matches!(round.next_task(), Task::Read(_)),
        "the next may be read meanwhile"
    );
    assert_eq!(rest.batch.sequence, 0);
    write(&round, rest);
    assert_eq!(round.lock().written, 1);
}

#[test]
fn it_is_not_over_while_rows_are_encoded() {
    let round = Round::new(2, true, BUDGET);
    let first = read(&round);
    round.has_read(&first);
    let spare = read(&round);
    round.has_read_all(1, spare);
    round.add_done(first);
    let Task::Write(first) = round.next_task() else {
        panic!("it is to be written")
    };
    round.will_encode();
    round.has_written(first);
    assert!(round.lock().next_task(true, BUDGET).is_none());
    assert!(matches!(round.next_call(Duration::ZERO), Call::Nothing));
    round.has_encoded();
    assert!(matches!(round.next_task(), Task::End));
}

#[test]
fn it_is_over_when_everything_is_written_or_it_is_stopped() {
    let round = Round::new(2, true, BUDGET);
    let first = read(&round);
    round.has_read(&first);
    let spare = read(&round);
    round.has_read_all(1, spare);
    assert!(round.lock().next_task(true, BUDGET).is_none());
    round.add_done(first);
    let Task::Write(first) = round.next_task() else {
        panic!("it is to be written")
    };
    round.has_written(first);
    assert!(matches!(round.next_task(), Task::End));
    assert!(matches!(round.next_call(Duration::ZERO), Call::End));

    let round = Round::new(0, false, BUDGET);
    assert!(matches!(round.next_call(Duration::ZERO), Call::Nothing));
    round.stop();
    assert!(round.wait_for_room().is_none());
    assert!(matches!(round.next_task(), Task::End));
}
