//! The committer: a thread that makes finished shards durable, so that nobody else waits for the disk.

use crate::engine::directory::Directory;
use crate::engine::job::Shared;
use crate::engine::shards::FinishedShard;
use crate::error::{Error, FileError, Result};
use crate::plan::panic_message;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many finished shards may wait while one is committed. More would only be more to make again after a failure.
const WAITING: usize = 1;

/// How long somebody who waits for the disk sleeps before looking again.
const PAUSE: Duration = Duration::from_millis(2);

/// How long a run that failed waits for the disk, so that what it made can be removed.
const PATIENCE: Duration = Duration::from_millis(500);

/// The thread, and the way to it.
pub(super) struct Committer {
    sender: Option<SyncSender<FinishedShard>>,
    thread: Option<JoinHandle<Option<Box<Directory>>>>,
    shared: Arc<Shared>,
}

impl Committer {
    /// Starts the thread.
    pub(super) fn start(directory: Box<Directory>, shared: &Arc<Shared>) -> Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let its_shared = Arc::clone(shared);
        // Not in the scope of the run: a disk that stands still must not keep an interrupted run from ending.
        let thread = thread::Builder::new()
            .name("tp-committer".to_owned())
            .spawn(move || commit_all(directory, &receiver, &its_shared))
            .map_err(|error| {
                let path = Path::new("committer");
                Error::Output(Box::new(FileError::of(path, "starting the thread of the", &error)))
            })?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
            shared: Arc::clone(shared),
        })
    }

    /// Hands over a shard. It waits while the disk is slower than the run.
    pub(super) fn send(&self, mut shard: FinishedShard) {
        let Some(sender) = &self.sender else { return };
        while !self.shared.has_failed() {
            match sender.try_send(shard) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => shard = back,
            }
            thread::sleep(PAUSE);
        }
    }

    /// Waits until everything is committed, and calls `pulse` meanwhile. `None`: the run has failed, and [`Shared`] knows
    /// why.
    pub(super) fn finish(mut self, pulse: &mut dyn FnMut() -> Result<()>) -> Result<Option<Box<Directory>>> {
        self.sender = None;
        while self.is_running() {
            pulse()?;
            thread::sleep(PAUSE);
        }
        let Some(thread) = self.thread.take() else {
            return Ok(None);
        };
        thread
            .join()
            .map_err(|panic| Error::Internal(panic_message("The committer", &*panic)))
    }

    fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Committer {
    /// A run that was stopped leaves nothing behind, unless the disk stands still.
    fn drop(&mut self) {
        self.sender = None;
        let begun = Instant::now();
        while self.is_running() && begun.elapsed() < PATIENCE {
            thread::sleep(PAUSE);
        }
    }
}

fn commit_all(
    mut directory: Box<Directory>,
    receiver: &Receiver<FinishedShard>,
    shared: &Shared,
) -> Option<Box<Directory>> {
    for shard in receiver {
        if shared.has_failed() {
            return None;
        }
        let number = shard.entry.shard;
        let committed = catch_unwind(AssertUnwindSafe(|| directory.commit(shard)));
        let error = match committed {
            Ok(Ok(())) => {
                log::debug!("Shard {number} is committed.");
                continue;
            }
            Ok(Err(error)) => error,
            Err(panic) => Error::Internal(panic_message("The committer", &*panic)),
        };
        shared.fail(error);
        return None;
    }
    Some(directory)
}
