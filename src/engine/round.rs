//! Who does what next. Every job of a run is either in one of the places below or in the hands of one thread.
//!
//! ```text
//!  free ─► (read) ─► fresh ─► (advance) ─► done ─► (write, in order) ─► free
//!                                │  ▲
//!                                ▼  │
//!                      calling ─► returned
//! ```
//!
//! Where segments of plugins run in workers, their tenders take the place of the calling thread (see `process`).
//!
//! A worker thread takes whatever is nearest to the end: a batch whose turn to be written has come, then one that came back from
//! the calling thread, then a fresh one. At most one worker reads and one writes at a time, which keeps both in order;
//! nobody waits for them, because whatever they would wait for is taken up by the next worker that looks. A worker that
//! has written a batch takes the very job again, with all its memory still in the cache of its processor.
//!
//! Each job is charged for the memory that it holds, or will hold at a guess. Where all of them together hold more than the
//! budget, nothing is read, and only the batch whose turn to be written is next goes on: one batch always may, so that the
//! others can.

mod state;

use self::state::State;
#[cfg(unix)]
use crate::engine::MOST_WORKERS;
use crate::engine::job::Job;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a worker looks whether another has read, before it sleeps.
const LOOKS: usize = 64;

/// How long a worker pauses between two looks: a few microseconds.
const PAUSES: usize = 64;

/// What a worker is to do.
pub(super) enum Task {
    /// Fill the job from the inputs, and go on with it.
    Read(Box<Job>),
    /// Do as much for it as a worker may.
    Advance(Box<Job>),
    /// Write what was made of it.
    Write(Box<Job>),
    /// Nothing is left to do.
    End,
}

/// What the calling thread is to do.
pub(super) enum Call {
    /// Run its segments over a batch.
    Job(Box<Job>),
    /// Nothing, this time.
    Nothing,
    /// Nothing is left to do.
    End,
}

/// What a tender is to do.
#[cfg(unix)]
pub(super) enum Summons {
    /// There may be a job to take.
    Job,
    /// Nothing is left to do.
    End,
}

/// The places where jobs wait.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Whether workers read.
    workers_read: bool,
    /// How many bytes all jobs may hold.
    budget: usize,
    state: Mutex<State>,
    /// Tells workers that there is something to do.
    work: Condvar,
    /// Tells the calling thread the same.
    call: Condvar,
    /// Tells the thread that reads ahead that there is room.
    room: Condvar,
    /// Tells tenders that there is something to do, where there are tenders: they wait for their workers at the same time.
    #[cfg(unix)]
    bell: Option<super::bell::Bell>,
}

impl Round {
    /// A round of so many empty jobs, which may hold so many bytes. Either its workers read, or [`Round::wait_for_room`] and
    /// [`Round::add_fresh`] feed it.
    pub(super) fn new(jobs: usize, workers_read: bool, budget: usize) -> Self {
        let state = State {
            free: (0..jobs).map(|_| Box::new(Job::new())).collect(),
            ..State::default()
        };
        Self {
            workers_read,
            budget,
            state: Mutex::new(state),
            ..Self::default()
        }
    }

    /// The same round, for tenders to take part in.
    #[cfg(unix)]
    pub(super) fn with_bell(mut self, bell: super::bell::Bell) -> Self {
        self.bell = Some(bell);
        self
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everybody's waiting.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.wake_everybody();
    }

    fn wake_everybody(&self) {
        self.work.notify_all();
        self.call.notify_all();
        self.room.notify_all();
        #[cfg(unix)]
        self.ring();
    }

    /// Wakes a worker if one waits: there is one thing more to do.
    fn wake_worker(&self, state: &State) {
        if state.idle > 0 {
            self.work.notify_one();
        }
    }

    /// Waits for something to do for a worker.
    pub(super) fn next_task(&self) -> Task {
        let mut looks = 0;
        let mut state = self.lock();
        loop {
            if let Some(task) = state.next_task(self.workers_read, self.budget) {
                return task;
            }
            // Another worker reads, which is mostly over before this one would have been asleep and awake again.
            if state.reading && looks < LOOKS {
                looks += 1;
                drop(state);
                for _ in 0..PAUSES {
                    std::hint::spin_loop();
                }
                state = self.lock();
                continue;
            }
            looks = 0;
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Takes back the turn to read, from the worker that has filled its job and keeps it.
    pub(super) fn has_read(&self, job: &Job) {
        let mut state = self.lock();
        state.reading = false;
        state.bytes += job.charged;
        state.last = job.charged;
        self.wake_worker(&state);
    }

    /// Notes how many bytes the reader holds beside the jobs.
    pub(super) fn reserve(&self, bytes: usize) {
        self.lock().reserved = bytes;
    }

    /// Notes how many bytes the output holds beside the jobs.
    pub(super) fn hold_output(&self, bytes: usize) {
        let mut state = self.lock();
        if state.output != bytes {
            state.output = bytes;
            self.wake_worker(&state);
            if !self.workers_read {
                self.room.notify_one();
            }
        }
    }

    /// Notes that the inputs have made so many jobs and will make no more. `spare` is the job that found out.
    pub(super) fn has_read_all(&self, jobs: u64, spare: Box<Job>) {
        let mut state = self.lock();
        state.reading = false;
        state.total = Some(jobs);
        state.add_free(spare);
        if state.is_over() {
            self.wake_everybody();
        }
    }

    /// Waits, on the thread that reads ahead, for an empty job and for bytes to be written that are in flight. `None`:
    /// the run is stopped.
    pub(super) fn wait_for_room(&self) -> Option<Box<Job>> {
        let state = self.lock();
        let mut state = self
            .room
            .wait_while(state, |state| !state.stopped && !state.has_room(self.budget))
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopped { None } else { state.take_free() }
    }

    /// Hands over a job that the thread which reads ahead has filled.
    pub(super) fn add_fresh(&self, job: Box<Job>) {
        let mut state = self.lock();
        state.bytes += job.charged;
        state.last = job.charged;
        state.fresh.push_back(job);
        self.wake_worker(&state);
    }

    /// Hands a job to the calling thread.
    pub(super) fn add_calling(&self, mut job: Box<Job>) {
        let held = job.held().max(job.charged);
        let mut state = self.lock();
        state.charge(&mut job, held);
        state.calling.push_back(job);
        #[cfg(unix)]
        if let Some(bell) = self.bell.as_ref().filter(|_| state.listening > 0) {
            bell.ring(1);
        }
        drop(state);
        self.call.notify_one();
    }

    /// Wakes all tenders.
    #[cfg(unix)]
    pub(super) fn ring(&self) {
        if let Some(bell) = &self.bell {
            // Those who are about to listen will hear it too, and one ring too many does no harm.
            bell.ring(MOST_WORKERS);
        }
    }

    /// Takes a job that waits for a tender.
    #[cfg(unix)]
    pub(super) fn take_calling(&self) -> Option<Box<Job>> {
        self.lock().take(|state| &mut state.calling, self.budget)
    }

    /// Has the bell ring for a tender who can take a job, as long as the guard lives.
    #[cfg(unix)]
    pub(super) fn listen(&self) -> Option<Ear<'_>> {
        let bell = self.bell.as_ref()?;
        self.lock().listening += 1;
        Some(Ear { round: self, bell })
    }

    /// Takes back one ring of the bell, so that it does not wake somebody else.
    #[cfg(unix)]
    pub(super) fn answer_bell(&self) {
        if let Some(bell) = &self.bell {
            bell.answer();
        }
    }

    /// Waits, but not long, until there may be a job for a tender.
    #[cfg(unix)]
    pub(super) fn wait_for_call(&self, patience: Duration) -> Summons {
        let ear = self.listen();
        let state = self.lock();
        let is_over = state.is_over();
        let is_empty = !state.calling.iter().any(|job| state.may_go_on(job, self.budget));
        drop(state);
        if is_over {
            return Summons::End;
        }
        if let Some(ear) = ear.filter(|_| is_empty)
            && ear.bell.wait(patience)
        {
            ear.bell.answer();
        }
        Summons::Job
    }

    /// Waits for something to do for the calling thread, but not long.
    pub(super) fn next_call(&self, patience: Duration) -> Call {
        let state = self.lock();
        let waited = self.call.wait_timeout_while(state, patience, |state| {
            !state.is_over() && !state.calling.iter().any(|job| state.may_go_on(job, self.budget))
        });
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_over() {
            return Call::End;
        }
        let job = state.take(|state| &mut state.calling, self.budget);
        job.map_or(Call::Nothing, Call::Job)
    }

    /// Waits, but not long, for the end, on a calling thread that has no segment to run.
    #[cfg(unix)]
    pub(super) fn wait_for_end(&self, patience: Duration) -> Call {
        let state = self.lock();
        let waited = self.call.wait_timeout_while(state, patience, |state| !state.is_over());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_over() { Call::End } else { Call::Nothing }
    }

    /// Takes a job back from the calling thread.
    pub(super) fn add_returned(&self, job: Box<Job>) {
        self.add_waiting(job, 0);
    }

    /// Takes a job that is to go on when there is room for so many bytes.
    pub(super) fn add_waiting(&self, mut job: Box<Job>, expected: usize) {
        let held = job.held().max(job.charged).max(expected);
        let mut state = self.lock();
        state.charge(&mut job, held);
        state.returned.push_back(job);
        self.wake_worker(&state);
    }

    /// Takes a job that is to be written when its turn comes.
    pub(super) fn add_done(&self, mut job: Box<Job>) {
        let held = job.held();
        let mut state = self.lock();
        // It will hold no more than this, which is mostly less than it was charged for.
        state.charge(&mut job, held);
        // Nobody is woken: whoever adds a job looks for a task next, and finds this one if it is its turn.
        state.done.insert(job.batch.sequence, job);
    }

    /// Takes back the turn to write from a job of which a part was written. It goes on with the next part, and is still next.
    pub(super) fn has_written_part(&self, mut job: Box<Job>) {
        let held = job.held();
        let mut state = self.lock();
        state.writing = false;
        state.charge(&mut job, held);
        state.returned.push_front(job);
        self.wake_worker(&state);
    }

    /// Notes that a worker who has the turn to write will encode rows when it has given the turn back. The round is not over
    /// before [`Round::has_encoded`].
    pub(super) fn will_encode(&self) {
        self.lock().encoding += 1;
    }

    /// Notes that what a worker has encoded is written.
    pub(super) fn has_encoded(&self) {
        let mut state = self.lock();
        state.encoding -= 1;
        if state.is_over() {
            self.wake_everybody();
        }
    }

    /// Takes back the turn to write, and the job that was written.
    pub(super) fn has_written(&self, mut job: Box<Job>) {
        let charged = job.charged;
        job.clear();
        let mut state = self.lock();
        state.writing = false;
        state.written += 1;
        state.bytes = state.bytes.saturating_sub(charged);
        state.add_free(job);
        if state.is_over() {
            self.wake_everybody();
        } else {
            self.wake_worker(&state);
            if !state.calling.is_empty() {
                self.call.notify_one();
                #[cfg(unix)]
                if let Some(bell) = self.bell.as_ref().filter(|_| state.listening > 0) {
                    bell.ring(1);
                }
            }
            if !self.workers_read {
                self.room.notify_one();
            }
        }
    }
}

/// A tender listens to the bell.
#[cfg(unix)]
pub(super) struct Ear<'r> {
    round: &'r Round,
    bell: &'r super::bell::Bell,
}

#[cfg(unix)]
impl Ear<'_> {
    /// What becomes readable when the bell rings.
    pub(super) fn bell(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(self.bell)
    }
}

#[cfg(unix)]
impl Drop for Ear<'_> {
    fn drop(&mut self) {
        self.round.lock().listening -= 1;
    }
}

#[cfg(test)]
#[path = "round_tests.rs"]
mod tests;
