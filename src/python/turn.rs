//! The turn to call a step: one thread at a time, for steps that do not declare themselves safe.
//!
//! A step may use the pipeline it belongs to, so the thread that has the turn may take it again. Taking a turn that
//! nobody has costs one atomic exchange, because a single text takes a turn per step; waiting for one happens detached,
//! because whoever has it needs the interpreter to end it.

use pyo3::prelude::*;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Who has the turn.
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

/// The turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'t>(&'t Turns);

impl Turns {
    /// Takes the turn, and waits for it if another thread has it.
    pub(super) fn take(&self, py: Python<'_>) -> Turn<'_> {
        let me = thread_number();
        if self.holder.load(Ordering::Relaxed) == me {
            self.depth.fetch_add(1, Ordering::Relaxed);
            return Turn(self);
        }
        if !self.try_take(me) {
            py.detach(|| self.wait(me));
        }
        self.depth.store(1, Ordering::Relaxed);
        Turn(self)
    }

    fn try_take(&self, me: u64) -> bool {
        self.holder
            .compare_exchange(0, me, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn wait(&self, me: u64) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.try_take(me) {
            guard = self.ended.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.0.depth.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        self.0.holder.store(0, Ordering::SeqCst);
        // A thread that counts itself as waiting holds the lock from its last look at the holder until it sleeps, so
        // taking the lock here makes sure that it is woken.
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.0.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.0.ended.notify_one();
        }
    }
}

/// A number for this thread that no other thread has, and that is not 0.
fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}
