//! Where workers are started: on one thread, because a worker dies with the thread that started it, and this one lives
//! as long as the run. Once a worker has died, another is kept ready, so that the next death costs no start.

use super::Supervision;
use super::child::Child;
use crate::error::{Error, FileError, Result};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
    /// Workers that were started and know nothing yet.
    born: Vec<Result<Child>>,
    /// A worker that has loaded its steps.
    spare: Option<Child>,
    /// Whether one should be kept ready.
    keep_spare: bool,
    closed: bool,
}

/// A worker, and whether it has loaded its steps.
pub(super) type Hired = (Child, bool);

impl Nursery {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is asked for until it is closed.
    pub(super) fn work(&self, supervision: &Supervision, stopped: &dyn Fn() -> bool) {
        let mut state = self.lock();
        loop {
            if state.closed {
                break;
            }
            if state.asked > 0 {
                state.asked -= 1;
                drop(state);
                let born = Child::start(supervision).map_err(|error| cannot_start(supervision, &error));
                state = self.lock();
                state.born.push(born);
                self.changed.notify_all();
            } else if state.keep_spare && state.spare.is_none() {
                drop(state);
                // Should it fail, whoever asks for a worker next finds out why.
                let spare = Child::start(supervision).ok().and_then(|mut child| {
                    let loaded = child.load(supervision, &|| stopped() || self.lock().closed);
                    matches!(loaded, Ok(Ok(()))).then_some(child)
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
        drop(state);
        drop(born);
        if let Some(spare) = spare {
            spare.dismiss(stopped);
        }
    }

    /// Takes a worker: the one that is ready, or one that is started now. `None`: the run was stopped meanwhile.
    pub(super) fn take(&self, stopped: &dyn Fn() -> bool) -> Result<Option<Hired>> {
        let mut state = self.lock();
        if let Some(spare) = state.spare.take() {
            self.changed.notify_all();
            return Ok(Some((spare, true)));
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

fn cannot_start(supervision: &Supervision, error: &std::io::Error) -> Error {
    let mut failed = FileError::of(Path::new(&supervision.command.program), "starting a worker with", error);
    failed.hint = Some("`--isolation thread` runs plugins in this process instead.".to_owned());
    Error::Output(Box::new(failed))
}
