//! A bell for threads that wait for something of the system and for something of ours at the same time.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Wakes as many threads as it is rung times.
#[derive(Debug)]
pub(super) struct Bell {
    heard: OwnedFd,
    rung: OwnedFd,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let (heard, rung) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { heard, rung })
    }

    /// Rings so many times.
    pub(super) fn ring(&self, times: usize) {
        // Where it has been rung thousands of times and nobody has answered, once more makes no difference.
        let _ = rustix::io::write(&self.rung, &vec![0; times]);
    }

    /// Takes one ring back.
    pub(super) fn answer(&self) {
        // Somebody else may have taken it.
        let _ = rustix::io::read(&self.heard, &mut [0; 1]);
    }

    /// Waits until it rings, but not long.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let mut watched = [PollFd::new(&self.heard, PollFlags::IN)];
        let patience = Timespec::try_from(patience).ok();
        matches!(poll(&mut watched, patience.as_ref()), Ok(1..))
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }
}
