//! The account of all fates of a run: counts, the proof that none was lost, and the report a person reads.
//!
//! The proof has two sides that do not know each other. When records have been decoded, [`Account::of_read`] notes their
//! identities; when their bytes have been written, [`Account::of_fates`] notes the identities of those that went out,
//! were rejected or were quarantined. Both sides are counts and sums of hashes, so they can be added up in any order and
//! over any number of threads, and one lost record plus one doubled record do not cancel.

mod account;
mod fates;
mod header;
mod manifest;
mod reading;
mod report;
mod shard_ledger;
mod verify;
mod why;

pub use account::{Account, Fingerprint, check};
pub use fates::settle;
pub use header::{FORMAT, Header, OptionsIdentity, PlanIdentity, StepIdentity};
pub use manifest::{
    EndEntry, FileEntry, LOCK, Line, MANIFEST, Manifest, ManifestFlaw, REPORT, ShardEntry, ShardFile, ShardStatistics,
    StepCounts, Tail, is_made_by_us,
};
pub use reading::Tick;
pub use report::{Commitment, Counts, InputDamage, Report, StepReport};
pub use shard_ledger::{FateRun, LedgerRun, ShardLedger, read_ledger, runs};
pub use verify::{Finding, Verification, verify};
pub use why::{Ending, LinePlace, PlaceNumber, RecordHistory, why};
