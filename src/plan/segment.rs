//! The segment of built-in steps.

use crate::batch::Batch;
use crate::error::Result;
use crate::step::{Context, PlacedStep, Segment};

/// Consecutive steps that Rust executes, on any thread.
pub struct RustSegment {
    steps: Vec<PlacedStep>,
}

impl RustSegment {
    /// Fuses steps.
    #[must_use]
    pub fn new(steps: Vec<PlacedStep>) -> Self {
        Self { steps }
    }
}

impl Segment for RustSegment {
    fn steps(&self) -> &[PlacedStep] {
        &self.steps
    }

    fn on_calling_thread(&self) -> bool {
        false
    }

    fn run(&self, _batch: &mut Batch, _context: &Context) -> Result<()> {
        Ok(())
    }
}
