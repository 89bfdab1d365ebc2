//! Loops that look at many bytes at once with the vector instructions of the processor at hand.
//!
//! This is the only place that names instructions. Every kernel has a portable form, which is what runs where the
//! processor (or its kind) has nothing better, and which the tests hold the others to. What a processor can do is asked
//! when the program runs; `is_x86_feature_detected!` remembers the answer.

pub(crate) mod candidates;
pub(crate) mod json;
pub(crate) mod sweep;
// Only the boundary to Python has characters that are not UTF-8; the tests need no Python.
#[cfg(any(feature = "python", test))]
pub(crate) mod transcode;
