//! Bounds what a step may spend on one record: a time budget, and a run that is being stopped.

use crate::error::ConfigError;
use crate::step::{Cancel, Deadline, Parameter};
use crate::steps::configuration::{parameter, wrong};
use std::time::Duration;

/// Why a step must stop working on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time is up.
    Deadline,
    /// The run is being stopped.
    Cancelled,
}

/// Tells a step when to stop. Asking is cheap: the clock is read once in many units of work.
pub(super) struct Guard<'c> {
    deadline: Deadline,
    cancel: &'c Cancel,
    work: usize,
}

/// How much work passes between two looks at the clock. A unit of work takes nanoseconds (a byte, a state), so that this
/// is well below a millisecond.
const PATIENCE: usize = 1 << 13;

impl<'c> Guard<'c> {
    /// A guard whose time begins now.
    pub(super) fn new(budget: Duration, cancel: &'c Cancel) -> Self {
        Self {
            deadline: Deadline::after(budget),
            cancel,
            work: 0,
        }
    }

    /// Notes so many units of work, and fails if the step must stop.
    #[inline]
    pub(super) fn spend(&mut self, work: usize) -> Result<(), Stop> {
        self.work += work;
        if self.work < PATIENCE { Ok(()) } else { self.check() }
    }

    /// Fails if the step must stop.
    pub(super) fn check(&mut self) -> Result<(), Stop> {
        self.work = 0;
        if self.cancel.is_cancelled() {
            Err(Stop::Cancelled)
        } else if self.deadline.has_passed() {
            Err(Stop::Deadline)
        } else {
            Ok(())
        }
    }
}

/// The default budget in seconds.
pub(super) fn default_timeout() -> f64 {
    10.0
}

/// The parameter that sets the budget.
pub(super) fn timeout_parameter() -> Parameter {
    parameter(
        "timeout",
        "number",
        default_timeout(),
        "How many seconds the step may take for one record.",
    )
}

/// The budget of so many seconds.
pub(super) fn budget(step: &str, seconds: f64) -> Result<Duration, ConfigError> {
    if let Ok(budget) = Duration::try_from_secs_f64(seconds)
        && !budget.is_zero()
    {
        return Ok(budget);
    }
    Err(wrong(
        step,
        "timeout",
        "a number of seconds above 0",
        &format!("`{seconds}`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_stops_at_the_deadline_and_on_a_cancel() {
        let cancel = Cancel::default();
        assert_eq!(Guard::new(Duration::ZERO, &cancel).check(), Err(Stop::Deadline));
        let mut guard = Guard::new(Duration::from_secs(3600), &cancel);
        assert_eq!(guard.spend(PATIENCE), Ok(()));
        cancel.cancel();
        assert_eq!(guard.spend(1), Ok(()));
        assert_eq!(guard.spend(PATIENCE), Err(Stop::Cancelled));
    }

    #[test]
    fn a_budget_is_a_positive_time() {
        assert_eq!(budget("replace", 0.5), Ok(Duration::from_millis(500)));
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let error = budget("replace", seconds).expect_err("not a time");
            assert_eq!(error.key.as_deref(), Some("timeout"));
        }
    }
}
