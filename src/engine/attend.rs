//! Has something done that may wait (for a store, for a pipe) while the calling thread looks after signals.

use crate::engine::threads::start_thread;
use crate::engine::{Progress, Watcher};
use crate::error::{Error, Result};
use crate::plan::panic_message;
use crate::step::Cancel;
use std::thread;
use std::time::Duration;

/// How long to wait before looking whether it is done.
const PAUSE: Duration = Duration::from_millis(1);

/// How often to look at first: most of what is done takes less than a millisecond.
const FIRST_PAUSE: Duration = Duration::from_micros(50);

/// Does some work on a thread of its own, and asks `watcher` meanwhile. If that stops it, the work is cancelled, and what it
/// says then does not count.
pub fn attend<T: Send>(watcher: &mut dyn Watcher, work: impl FnOnce(&Cancel) -> Result<T> + Send) -> Result<T> {
    let mut pulse = || watcher.tick(&Progress::default()).map_err(Error::Interrupted);
    with_pulse(&mut pulse, work)
}

/// The same for whoever is in the midst of a run.
pub(super) fn with_pulse<T: Send>(
    pulse: &mut dyn FnMut() -> Result<()>,
    work: impl FnOnce(&Cancel) -> Result<T> + Send,
) -> Result<T> {
    let cancel = Cancel::default();
    thread::scope(|scope| {
        let working = start_thread(thread::Builder::new(), "attendant", |builder| {
            builder.spawn_scoped(scope, || work(&cancel))
        })?;
        let mut interrupted = None;
        let mut pause = FIRST_PAUSE;
        while !working.is_finished() {
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSE);
            if pause == PAUSE
                && interrupted.is_none()
                && let Err(error) = pulse()
            {
                cancel.cancel();
                interrupted = Some(error);
            }
        }
        let done = working
            .join()
            .unwrap_or_else(|panic| Err(Error::Internal(panic_message("The engine", &*panic))));
        interrupted.map_or(done, Err)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Interrupt;
    use std::time::Instant;

    struct Impatient;

    impl Watcher for Impatient {
        fn tick(&mut self, _progress: &Progress) -> std::result::Result<(), Interrupt> {
            Err(Interrupt::Interrupt)
        }
    }

    #[test]
    fn work_that_waits_is_cancelled() {
        let started = Instant::now();
        let done = attend(&mut Impatient, |cancel| {
            while !cancel.is_cancelled() {
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        assert!(matches!(done, Err(Error::Interrupted(Interrupt::Interrupt))));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_was_done_is_returned_and_a_panic_is_an_error() {
        assert_eq!(attend(&mut (), |_| Ok(7)).unwrap(), 7);
        let panicked = attend(&mut (), |_| -> Result<()> { panic!("no") });
        assert!(matches!(panicked, Err(Error::Internal(_))));
    }
}
