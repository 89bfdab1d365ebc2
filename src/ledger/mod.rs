//! The account of all fates of a run: counts, the proof that none was lost, and the report a person reads.

mod report;

pub use report::{Commitment, Counts, InputDamage, Report, StepReport};
