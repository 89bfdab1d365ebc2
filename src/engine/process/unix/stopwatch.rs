//! How long a worker has been at the same thing, while somebody looked.

use crate::step::Marker;
use std::time::{Duration, Instant};

/// How long the worker has been at the same record, or in the same call with several.
pub(super) struct Stopwatch {
    looked: Instant,
    at: (u64, u64),
    spent: Duration,
}

impl Stopwatch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looked: now,
            at: (0, 0),
            spent: Duration::ZERO,
        }
    }

    pub(super) fn reset(&mut self) {
        self.looked = Instant::now();
        self.spent = Duration::ZERO;
    }

    /// How long the worker has been at what it has noted. Of the time since the last look no more than `most` counts: if more has
    /// passed, it was this process that did not get on, because it was stopped or the machine slept.
    pub(super) fn look(&mut self, (sequence, note): (u64, u64), most: Duration) -> Duration {
        let now = Instant::now();
        let passed = (now - self.looked).min(most);
        self.looked = now;
        let at = (sequence, Marker::timed(note));
        if at == self.at {
            self.spent += passed;
        } else {
            self.at = at;
            self.spent = Duration::ZERO;
        }
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let mut stopwatch = Stopwatch {
            looked: Instant::now().checked_sub(Duration::from_secs(60)).expect("a clock"),
            at: (1, 2),
            spent: Duration::from_millis(5),
        };
        let most = Duration::from_millis(10);
        assert_eq!(stopwatch.look((1, 2), most), Duration::from_millis(15));
        assert_eq!(stopwatch.look((1, 3), most), Duration::ZERO);
    }
}
