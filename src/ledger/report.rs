//! What a run tells about itself when it has ended.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many records met each fate. `read = out + rejected + quarantined`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that were read.
    pub read: u64,
    /// Records of which at least one text is in the output.
    pub out: u64,
    /// Records that a step rejected.
    pub rejected: u64,
    /// Records that failed.
    pub quarantined: u64,
}

/// A file that a run committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commitment {
    /// `out`, `rejected` or `quarantine`.
    pub role: &'static str,
    /// Its path; `None` for standard output. In an output directory it is the folder with the files of all shards, and
    /// ends in a slash.
    pub path: Option<String>,
    /// How many lines or texts it holds.
    pub texts: u64,
    /// How many bytes were written, before compression.
    pub bytes: u64,
}

/// What one step did in a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StepReport {
    /// Its canonical name.
    pub name: String,
    /// The distribution and version it comes from, `acme-filters 1.2.0`; `None` for built-ins and callables.
    pub distribution: Option<String>,
    /// How many texts entered it.
    pub entered: u64,
    /// How many it rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// How many failed in it, by kind of failure.
    pub quarantined: BTreeMap<String, u64>,
    /// How many seconds it took, over all threads, estimated from a sample of the records.
    pub seconds: f64,
}

/// A part of an input, or a whole input, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDamage {
    /// The input.
    pub input: String,
    /// From which byte on, after decompression; `None` if it could not be opened at all.
    pub offset: Option<u64>,
    /// A finished sentence, and another with the way out where one is known.
    pub message: String,
}

/// What a run tells about itself when it has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// How many records met each fate.
    pub counts: Counts,
    /// How many texts were written: more than records where a split made parts.
    pub texts_out: u64,
    /// How many parts of records a step rejected while other parts of the same record went out.
    pub parts_rejected: u64,
    /// How many records were rejected before the first step, by reason (`blank_line`).
    pub rejected_by_reader: BTreeMap<String, u64>,
    /// How many records failed outside any step, by kind: they could not be decoded, or not be written.
    pub quarantined_by_reader: BTreeMap<String, u64>,
    /// The steps in order.
    pub steps: Vec<StepReport>,
    /// What could not be read.
    pub damage: Vec<InputDamage>,
    /// The files that the run made.
    pub files: Vec<Commitment>,
    /// How many inputs were read.
    pub inputs: u64,
    /// How many bytes were read, after decompression.
    pub bytes_read: u64,
    /// How many bytes were written to the output, before compression.
    pub bytes_written: u64,
    /// How many shards were committed, if the output is a directory.
    pub shards: Option<u64>,
    /// How many of them were committed by earlier sittings, which ended before the run was complete. Of those, everything
    /// is counted here but times: `seconds` tells of the last sitting only, here and in each step, and so does `workers`.
    pub earlier_shards: u64,
    /// Whether the run was complete before, so that nothing was left to do.
    pub already_complete: bool,
    /// How many seconds the run took.
    pub seconds: f64,
    /// How many worker threads it had, and how many workers if plugins ran in workers.
    pub workers: usize,
    /// Where plugins ran: in workers (`process`) or in the process of the engine (`thread`).
    pub isolation: &'static str,
    /// How many workers were started in the place of one that had died.
    pub restarts: u64,
    /// How many bytes workers have printed, as far as that was captured.
    pub printed_bytes: u64,
    /// Whether the limit of records was reached, so that the inputs may hold more.
    pub limited: bool,
    /// The 128-bit fingerprint of the identities of all records, in hexadecimal: equal for what was read and for what was accounted for.
    pub fingerprint: String,
}

impl Report {
    /// The exit code of a run that ended with this report: 0, 3 (some records are in quarantine) or 5 (damaged input).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if !self.damage.is_empty() {
            5
        } else if self.counts.quarantined > 0 {
            3
        } else {
            0
        }
    }
}
