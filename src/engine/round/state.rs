//! The places where jobs wait, and what takes which of them next.

use super::Task;
use crate::engine::job::Job;
use std::collections::{BTreeMap, VecDeque};

/// What the lock of a round guards.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Empty jobs. The one that was emptied last is taken first.
    #[expect(clippy::vec_box, reason = "a job is large, and moves from place to place in its box")]
    pub(super) free: Vec<Box<Job>>,
    /// Jobs that a thread of its own has filled.
    pub(super) fresh: VecDeque<Box<Job>>,
    pub(super) calling: VecDeque<Box<Job>>,
    pub(super) returned: VecDeque<Box<Job>>,
    /// Jobs to be written, by their place in the order.
    pub(super) done: BTreeMap<u64, Box<Job>>,
    /// How many jobs were written, which is the place of the next.
    pub(super) written: u64,
    /// How many jobs there are to write, once everything is read.
    pub(super) total: Option<u64>,
    pub(super) reading: bool,
    pub(super) writing: bool,
    /// How many workers encode what is not written yet.
    pub(super) encoding: usize,
    /// How many bytes the jobs in flight are charged for.
    pub(super) bytes: usize,
    /// How many bytes the jobs not in flight keep allocated.
    pub(super) kept: usize,
    /// How many bytes the reader holds.
    pub(super) reserved: usize,
    /// How many bytes wait in the output to be encoded.
    pub(super) output: usize,
    /// How many bytes the last job was charged for when it was read.
    pub(super) last: usize,
    /// How many workers wait for something to do.
    pub(super) idle: usize,
    /// How many tenders listen to the bell.
    pub(super) listening: usize,
    pub(super) stopped: bool,
}

impl State {
    pub(super) fn is_over(&self) -> bool {
        self.stopped || (self.total == Some(self.written) && self.encoding == 0)
    }

    pub(super) fn has_room(&self, budget: usize) -> bool {
        let all = self.bytes + self.kept + self.reserved + self.output + self.last;
        !self.free.is_empty() && (self.bytes == 0 || all <= budget)
    }

    /// Whether a job that waits may go on.
    pub(super) fn may_go_on(&self, job: &Job, budget: usize) -> bool {
        self.bytes + self.reserved <= budget || job.batch.sequence == self.written
    }

    /// Takes the first of the jobs that wait in a place and may go on.
    pub(super) fn take(
        &mut self,
        place: impl Fn(&mut Self) -> &mut VecDeque<Box<Job>>,
        budget: usize,
    ) -> Option<Box<Job>> {
        let jobs = std::mem::take(place(self));
        let found = jobs.iter().position(|job| self.may_go_on(job, budget));
        let waiting = place(self);
        *waiting = jobs;
        waiting.remove(found?)
    }

    /// Charges a job for what it holds now.
    pub(super) fn charge(&mut self, job: &mut Job, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(job.charged) + bytes;
        job.charged = bytes;
    }

    pub(super) fn next_task(&mut self, workers_read: bool, budget: usize) -> Option<Task> {
        if self.is_over() {
            return Some(Task::End);
        }
        if !self.writing
            && let Some(job) = self.done.remove(&self.written)
        {
            self.writing = true;
            return Some(Task::Write(job));
        }
        if let Some(job) = self.take(|state| &mut state.returned, budget) {
            return Some(Task::Advance(job));
        }
        if let Some(job) = self.take(|state| &mut state.fresh, budget) {
            return Some(Task::Advance(job));
        }
        if workers_read && !self.reading && self.total.is_none() && self.has_room(budget) {
            self.reading = true;
            return self.take_free().map(Task::Read);
        }
        None
    }

    pub(super) fn take_free(&mut self) -> Option<Box<Job>> {
        let job = self.free.pop()?;
        self.kept = self.kept.saturating_sub(job.kept());
        Some(job)
    }

    pub(super) fn add_free(&mut self, job: Box<Job>) {
        self.kept += job.kept();
        self.free.push(job);
    }
}
