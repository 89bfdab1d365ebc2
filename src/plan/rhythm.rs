//! When a segment looks up from its work.

use crate::plan::workbench::TIMED_EACH;
use std::time::{Duration, Instant};

/// Tells a segment when to look up from its work: every few rows, or at every row where rows take long. Asking whether
/// to stop is cheap, but not beside a step that takes a few nanoseconds.
#[derive(Debug)]
pub struct Rhythm {
    looked_up: Instant,
    row: usize,
    stride: usize,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            looked_up: Instant::now(),
            row: 0,
            stride: 1,
        }
    }
}

impl Rhythm {
    const SLOW: Duration = Duration::from_millis(1);

    /// Whether to look up before this row.
    pub fn is_due(&mut self, row: usize) -> bool {
        let done = row - self.row;
        if done < self.stride {
            return false;
        }
        let now = Instant::now();
        let slow = now - self.looked_up > Self::SLOW * done as u32;
        *self = Self {
            looked_up: now,
            row,
            stride: if slow { 1 } else { TIMED_EACH },
        };
        true
    }
}
