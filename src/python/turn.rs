//! The turn to call a step: one thread at a time, for steps that do not declare themselves safe.
//!
//! A step may use the pipeline it belongs to, so the thread that has the turn may take it again. A single text takes a
//! turn per step, which is why a turn that nobody has costs next to nothing where the interpreter has a lock of its
//! own; waiting for one happens detached, because whoever has it needs the interpreter to end it.

use pyo3::ffi;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Whether only one thread at a time can be attached, so that what attached threads do to a turn needs no atomic
/// exchange: two of them would cost more than the call of a short function. Free-threaded interpreters, which have no
/// such lock, are told by the longer head of their objects; where that head is unknown, no lock is assumed.
pub(super) const ONE_ATTACHED: bool = size_of::<ffi::PyObject>() == 2 * size_of::<usize>();

/// Who has the turn. It is taken and ended by attached threads only.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The number of the thread that has it; 0: nobody.
    holder: AtomicU64,
    /// How many times the holder has taken it. Only the holder looks.
    depth: AtomicU32,
    /// How many threads wait.
    waiting: AtomicU32,
    ended: Condvar,
    lock: Mutex<()>,
}

/// The turn, until it is dropped. It holds on to the interpreter, so that it cannot be dropped detached.
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    _attached: Python<'t>,
}

/// A number that no other thread has, and that is not 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadNumber(u64);

impl ThreadNumber {
    /// The number of this thread.
    pub(super) fn mine() -> Self {
        thread_local! {
            static NUMBER: u64 = ThreadNumber::next().fetch_add(1, Ordering::Relaxed);
        }
        Self(NUMBER.with(|number| *number))
    }

    fn next() -> &'static AtomicU64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        &NEXT
    }
}

/// The threads of this process, where it is the child of a fork: those from this number on, and [`SURVIVOR`].
static FIRST_HERE: AtomicU64 = AtomicU64::new(0);

/// The thread that forked.
static SURVIVOR: AtomicU64 = AtomicU64::new(0);

/// Notes, in the child of a fork, that only this thread is left: turns of other threads will never end.
#[cfg(unix)]
pub(super) fn note_fork() {
    SURVIVOR.store(ThreadNumber::mine().0, Ordering::Relaxed);
    FIRST_HERE.store(ThreadNumber::next().load(Ordering::Relaxed), Ordering::Relaxed);
}

/// Whether a thread is one of the process that this one was forked from.
fn is_gone(thread: u64) -> bool {
    thread != 0 && thread < FIRST_HERE.load(Ordering::Relaxed) && thread != SURVIVOR.load(Ordering::Relaxed)
}

impl Turns {
    /// Takes the turn for this thread, whose number `me` is, and waits for it if another thread has it.
    pub(super) fn take<'t>(&'t self, py: Python<'t>, me: ThreadNumber) -> Turn<'t> {
        if self.holder.load(Ordering::Relaxed) == me.0 {
            let depth = self.depth.load(Ordering::Relaxed);
            self.depth.store(depth + 1, Ordering::Relaxed);
        } else {
            if !self.try_take(me) {
                self.wait(py, me);
            }
            self.depth.store(1, Ordering::Relaxed);
        }
        Turn {
            turns: self,
            _attached: py,
        }
    }

    /// Takes the turn if nobody has it. The caller is attached.
    fn try_take(&self, me: ThreadNumber) -> bool {
        if ONE_ATTACHED {
            let free = self.holder.load(Ordering::Relaxed) == 0;
            if free {
                self.holder.store(me.0, Ordering::Relaxed);
            }
            free
        } else {
            self.holder
                .compare_exchange(0, me.0, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
        }
    }

    #[cold]
    fn wait(&self, py: Python<'_>, me: ThreadNumber) {
        let holder = self.holder.load(Ordering::Relaxed);
        if is_gone(holder) {
            // Nobody is left who could end that turn, or who waits for it.
            let _ = self
                .holder
                .compare_exchange(holder, 0, Ordering::SeqCst, Ordering::Relaxed);
            self.waiting.store(0, Ordering::SeqCst);
        }
        // Counted while attached: whoever ends the turn later, attached too, is sure to see that somebody waits.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        while !self.try_take(me) {
            py.detach(|| self.sleep());
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Sleeps until nobody has the turn. When this thread is attached again, another may have taken it.
    fn sleep(&self) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.holder.load(Ordering::SeqCst) != 0 {
            guard = self.ended.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes a thread that waits. It holds the lock from its last look at the holder until it sleeps, so taking the lock here
    /// makes sure that it is woken.
    #[cold]
    fn wake(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.ended.notify_one();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turns = self.turns;
        let depth = turns.depth.load(Ordering::Relaxed);
        if depth > 1 {
            turns.depth.store(depth - 1, Ordering::Relaxed);
            return;
        }
        // Threads that are not attached look at the holder too, in their sleep; with a lock of the interpreter's own they
        // were counted before this, and without one the order of these two is what lets them be seen.
        let order = if ONE_ATTACHED {
            Ordering::Release
        } else {
            Ordering::SeqCst
        };
        turns.holder.store(0, order);
        if turns.waiting.load(Ordering::SeqCst) > 0 {
            turns.wake();
        }
    }
}
