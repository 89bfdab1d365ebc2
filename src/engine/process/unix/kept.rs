//! Workers that outlive the run that starts them, for the next one with the same steps.

use super::nursery::Nursery;
use super::{Kept, Supervision};
use crate::engine::threads::start_thread;
use crate::error::Result;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// Workers that outlive the run that starts them, and end with this.
#[derive(Debug)]
pub struct KeptWorkers {
    nursery: Arc<Nursery>,
    /// The thread that starts them, with which they would end. It returns what they have printed at last.
    thread: Option<JoinHandle<Vec<String>>>,
    /// The process that they belong to.
    process: u32,
}

impl KeptWorkers {
    /// Has the workers of this supervision outlive the runs, until what is returned is dropped. None is started yet.
    pub(in crate::engine) fn new(supervision: &mut Supervision) -> Result<Self> {
        let nursery = Arc::new(Nursery::new(supervision.first.take()));
        let (its_nursery, its_supervision) = (Arc::clone(&nursery), supervision.clone());
        let thread = start_thread(Builder::new(), "nursery", |builder| {
            builder.spawn(move || {
                // Whoever has the files of plugins looked at does so for one run, and keeps no workers.
                let work = || its_nursery.work(&its_supervision, &|| false, &|_| true);
                catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                    // Nobody is to wait for workers that cannot come.
                    its_nursery.close();
                    Vec::new()
                })
            })
        })?;
        supervision.kept = Kept(Some(Arc::clone(&nursery)));
        Ok(Self {
            nursery,
            thread: Some(thread),
            process: process::id(),
        })
    }

    /// Whether they belong to this process. A child that was forked has neither them nor their thread.
    pub(in crate::engine) fn are_ours(&self) -> bool {
        self.process == process::id()
    }

    /// Ends them, and returns what they have printed at last.
    pub(in crate::engine) fn end(mut self) -> Vec<String> {
        self.close()
    }

    fn close(&mut self) -> Vec<String> {
        let Some(thread) = self.thread.take() else {
            return Vec::new();
        };
        if !self.are_ours() {
            // Somebody else's to end: whatever is touched here may be in use there, or locked for ever.
            forget((thread, Arc::clone(&self.nursery)));
            return Vec::new();
        }
        self.nursery.close();
        thread.join().unwrap_or_default()
    }
}

impl Drop for KeptWorkers {
    fn drop(&mut self) {
        self.close();
    }
}
