//! What runs the workers: processes, sockets and shared memory as systems like Unix have them.

mod channel;
mod child;
mod death;
mod descendants;
mod encoding;
mod kept;
mod memory;
mod message;
mod nursery;
mod pen;
mod piece_list;
mod pieces;
mod pool;
mod remote;
mod serve;
mod stopwatch;
mod tender;
#[cfg(test)]
mod tests;

pub use kept::KeptWorkers;
pub(in crate::engine) use pool::Pool;
pub use remote::RemoteHost;
pub use serve::{Worker, serve};

use super::{Isolating, Supervision, log_printed, wire};
use std::sync::{Arc, Mutex, PoisonError};

/// Where workers come from and go to that outlive their run, if they do.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Option<Arc<nursery::Nursery>>);

/// The most bytes of what one worker prints that are passed on.
const CAPTURED: usize = 1 << 20;

/// A worker that has been started before the run, for whoever takes it first.
#[derive(Debug, Clone, Default)]
pub(super) struct First(Arc<Mutex<Option<child::Child>>>);

impl First {
    fn take(&self) -> Option<child::Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
