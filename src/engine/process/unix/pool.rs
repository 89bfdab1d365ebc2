//! All workers of a run: who starts them, who tends them, and when it is better to stop.

use super::Supervision;
use super::death::Death;
use super::nursery::Nursery;
use super::pieces::Undertaking;
use super::tender::Tender;
use super::wire::Loaded;
use crate::engine::job::Shared;
use crate::error::{Error, Result, ResumeError, StopError, shown};
use crate::plan::{Plan, panic_message};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The workers of a run.
pub(in crate::engine) struct Pool<'r> {
    pub(super) supervision: &'r Supervision,
    pub(super) plan: &'r Plan,
    pub(super) shared: &'r Shared,
    pub(super) nursery: Arc<Nursery>,
    /// How many tenders there are still.
    pub(super) tenders: AtomicUsize,
    /// Whether any worker has loaded its steps.
    pub(super) has_loaded: AtomicBool,
    /// Batches whose tender has no worker any more.
    orphans: Mutex<Vec<Undertaking>>,
    breaker: Mutex<Breaker>,
    restarts: AtomicU64,
    printed_bytes: AtomicU64,
}

impl<'r> Pool<'r> {
    /// A pool that so many tenders will serve.
    pub(in crate::engine) fn new(
        supervision: &'r Supervision,
        plan: &'r Plan,
        shared: &'r Shared,
        tenders: usize,
    ) -> Self {
        Self {
            supervision,
            plan,
            shared,
            nursery: supervision
                .kept
                .0
                .clone()
                .unwrap_or_else(|| Arc::new(Nursery::new(supervision.first.take()))),
            tenders: AtomicUsize::new(tenders),
            has_loaded: AtomicBool::new(false),
            orphans: Mutex::default(),
            breaker: Mutex::default(),
            restarts: AtomicU64::new(0),
            printed_bytes: AtomicU64::new(0),
        }
    }

    /// Whether the workers outlive the run. Then its nursery does too, and works elsewhere.
    pub(in crate::engine) fn keeps_workers(&self) -> bool {
        self.supervision.kept.0.is_some()
    }

    /// Starts workers for the tenders as long as there are any.
    pub(in crate::engine) fn start_workers(&self) {
        let work = || {
            let accept = |loaded: &Loaded| self.check_files(loaded).is_ok();
            // Tenders dismiss their workers where none is kept.
            self.nursery.work(self.supervision, &|| self.is_stopped(), &accept);
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.shared.fail(Error::Internal(panic_message("The nursery", &*panic)));
        }
    }

    /// Tends one worker until there is nothing left to do. The last one who leaves closes the nursery.
    pub(in crate::engine) fn tend(&self) {
        match catch_unwind(AssertUnwindSafe(|| Tender::new(self).work())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.shared.fail(error),
            Err(panic) => self.shared.fail(Error::Internal(panic_message("A tender", &*panic))),
        }
        if self.tenders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    /// Closes the nursery, if it is that of this run alone.
    pub(in crate::engine) fn close(&self) {
        if !self.keeps_workers() {
            self.nursery.close();
        }
    }

    /// Refuses a worker whose plugins are made of other files than those that the run began with: what they make would not
    /// fit to what was made before.
    pub(super) fn check_files(&self, loaded: &Loaded) -> Result<()> {
        let changed = self
            .supervision
            .files
            .iter()
            .find(|known| !loaded.files.contains(known));
        let Some((index, _)) = changed else { return Ok(()) };
        let declaration = self.plan.steps[usize::from(*index)].step.declaration();
        let message = format!(
            "The files of the step `{}` have changed since the run began; a new worker would not do what the others did.",
            shown(&declaration.name)
        );
        let hint = "Install what the run began with, and resume it; or begin again with `--overwrite`.";
        Err(Error::Resume(Box::new(ResumeError::new("", message, hint))))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.shared.cancel.is_cancelled()
    }

    /// How many workers were started in the place of one that had died.
    pub(in crate::engine) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Notes that a worker died and another takes its place. Somebody who watches is told of the first few only: there
    /// may be thousands, and the quarantine tells of each record that was to blame.
    pub(super) fn note_death(&self, death: &Death) {
        let before = self.restarts.fetch_add(1, Ordering::Relaxed);
        let message = format!("A worker {}; another takes its place.", death.how);
        match before.cmp(&TOLD) {
            std::cmp::Ordering::Less => self.shared.notices.warn(message),
            std::cmp::Ordering::Equal => {
                self.shared
                    .notices
                    .warn(format!("{message} Further deaths are logged in detail only."));
            }
            std::cmp::Ordering::Greater => self.shared.notices.debug(message),
        }
    }

    /// Passes on what a worker has printed.
    pub(super) fn pass_on(&self, printed: String) {
        self.printed_bytes.fetch_add(printed.len() as u64, Ordering::Relaxed);
        self.shared.notices.printed(printed);
    }

    /// How many bytes workers have printed.
    pub(in crate::engine) fn printed_bytes(&self) -> u64 {
        self.printed_bytes.load(Ordering::Relaxed)
    }

    fn lock_breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes records that went through.
    pub(super) fn note_survivors(&self, records: usize) {
        let mut breaker = self.lock_breaker();
        for _ in 0..records.min(WINDOW) {
            breaker.note(false);
        }
    }

    /// Notes a record that workers die of. Too many of them stop the run.
    pub(super) fn note_poison(&self) -> Result<()> {
        let mut breaker = self.lock_breaker();
        breaker.note(true);
        if breaker.crashes > CRASHES {
            return Err(StopError::crash_loop(breaker.crashes, WINDOW).into());
        }
        Ok(())
    }

    pub(super) fn give_up(&self, undertakings: impl IntoIterator<Item = Undertaking>) {
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        orphans.extend(undertakings);
    }

    pub(super) fn take_orphan(&self) -> Option<Undertaking> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Of how many deaths somebody who watches is told.
const TOLD: u64 = 4;

/// How many of the last records are looked at to tell a crash loop.
const WINDOW: usize = 100;

/// How many of these may have taken their worker down.
const CRASHES: usize = 50;

/// Tells a crash loop from bad luck.
#[derive(Debug, Default)]
struct Breaker {
    /// Which of the last records took their worker down.
    last: VecDeque<bool>,
    crashes: usize,
}

impl Breaker {
    fn note(&mut self, crashed: bool) {
        self.last.push_back(crashed);
        self.crashes += usize::from(crashed);
        if self.last.len() > WINDOW {
            self.crashes -= usize::from(self.last.pop_front() == Some(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crashes_that_are_close_together_are_a_loop() {
        let mut breaker = Breaker::default();
        for _ in 0..1000 {
            breaker.note(true);
            breaker.note(false);
        }
        assert_eq!(breaker.crashes, CRASHES);
        breaker.note(true);
        breaker.note(true);
        assert!(breaker.crashes > CRASHES);
        (0..WINDOW).for_each(|_| breaker.note(false));
        assert_eq!(breaker.crashes, 0);
    }
}
