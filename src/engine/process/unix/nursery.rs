//! Where workers are started: on one thread, because a worker dies with the thread that started it, and this one lives
//! as long as the run, or as the runs that share their workers. Once a worker has died, another is kept ready, so that the
//! next death costs no start.

use super::Supervision;
use super::child::Child;
use super::remote::cannot_start;
use super::wire::Loaded;
use crate::error::{Error, Result};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long somebody who waits for a worker may overlook that the run was stopped.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Starts workers for those who ask.
#[derive(Debug)]
pub(super) struct Nursery {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many workers are asked for and not started yet.
    asked: usize,
    /// A worker that was started before the run.
    first: Option<Child>,
    /// Workers that were started and know nothing yet.
    born: Vec<Result<Child>>,
    /// Workers that have loaded their steps and have nothing to do until the next run.
    idle: Vec<Child>,
    /// A worker that has loaded its steps.
    spare: Option<Child>,
    /// Whether one should be kept ready.
    keep_spare: bool,
    closed: bool,
}

/// A worker, and whether it has loaded its steps.
pub(super) type Hired = (Child, bool);

impl Nursery {
    /// A nursery with a worker that somebody else has started, perhaps.
    pub(super) fn new(first: Option<Child>) -> Self {
        Self {
            state: Mutex::new(State {
                first,
                ..State::default()
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is asked for until it is closed, and dismisses the workers that nobody has then. A worker that is kept ready
    /// must be accepted. Returns what those without anything to do have printed at last.
    pub(super) fn work(
        &self,
        supervision: &Supervision,
        stopped: &(dyn Fn() -> bool + Sync),
        accept: &dyn Fn(&Loaded) -> bool,
    ) -> Vec<String> {
        let mut state = self.lock();
        loop {
            if state.closed {
                break;
            }
            if state.asked > 0 {
                state.asked -= 1;
                drop(state);
                let born =
                    Child::start(&supervision.command).map_err(|error| cannot_start(&supervision.command, &error));
                state = self.lock();
                state.born.push(born);
                self.changed.notify_all();
            } else if state.keep_spare && state.spare.is_none() {
                drop(state);
                // Should it fail, whoever asks for a worker next finds out why.
                let spare = Child::start(&supervision.command).ok().and_then(|mut child| {
                    let loaded = child.load(&supervision.load, supervision.load_timeout, &|| {
                        stopped() || self.lock().closed
                    });
                    matches!(loaded, Ok(Ok(loaded)) if accept(&loaded)).then_some(child)
                });
                state = self.lock();
                state.keep_spare = spare.is_some();
                state.spare = spare;
                self.changed.notify_all();
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let (spare, born) = (state.spare.take(), std::mem::take(&mut state.born));
        let (first, idle) = (state.first.take(), std::mem::take(&mut state.idle));
        drop(state);
        drop((born, first));
        if let Some(spare) = spare {
            spare.dismiss(stopped);
        }
        dismiss(idle, stopped)
    }

    /// Takes back a worker that has nothing to do any more, for a run to come.
    pub(super) fn take_back(&self, child: Child) {
        let mut state = self.lock();
        if !state.closed {
            state.idle.push(child);
        }
    }

    /// Takes a worker: the one that is ready, or one that is started now. `None`: the run was stopped meanwhile.
    pub(super) fn take(&self, stopped: &dyn Fn() -> bool) -> Result<Option<Hired>> {
        let mut state = self.lock();
        if let Some(idle) = state.idle.pop() {
            return Ok(Some((idle, true)));
        }
        if let Some(spare) = state.spare.take() {
            self.changed.notify_all();
            return Ok(Some((spare, true)));
        }
        if let Some(first) = state.first.take() {
            return Ok(Some((first, false)));
        }
        state.asked += 1;
        self.changed.notify_all();
        loop {
            if let Some(born) = state.born.pop() {
                return born.map(|child| Some((child, false)));
            }
            if stopped() {
                return Ok(None);
            }
            if state.closed {
                return Err(Error::Internal("No workers are started any more.".to_owned()));
            }
            let waited = self.changed.wait_timeout(state, LOOK_UP);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Keeps a worker ready from now on.
    pub(super) fn keep_spare(&self) {
        self.lock().keep_spare = true;
        self.changed.notify_all();
    }

    /// Ends [`Nursery::work`].
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// Dismisses workers, all at once: each may take some time to end.
fn dismiss(idle: Vec<Child>, stopped: &(dyn Fn() -> bool + Sync)) -> Vec<String> {
    thread::scope(|scope| {
        let leaving: Vec<_> = idle
            .into_iter()
            .map(|child| scope.spawn(|| child.dismiss(stopped)))
            .collect();
        // What a thread that panicked would have told is not worth more than the run.
        let told = leaving.into_iter().filter_map(|leaving| leaving.join().ok().flatten());
        told.collect()
    })
}
