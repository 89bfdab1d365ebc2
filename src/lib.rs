//! `text-processor` cleans, filters, annotates, redacts and splits text. Its steps are plugins that pip packages ship.
//!
//! # The words
//! A **record** is one text with its identity and its other **fields**. A **step** is one operation; its **kind** is `map`,
//! `filter`, `annotate` or `split`. A **plugin** is a step from another distribution's entry point, a **built-in** one that
//! ships here. A **pipeline** is steps in order with their configuration; a **plan** is a pipeline that has been validated
//! and ordered; a **segment** is a run of consecutive steps with one runtime. A **batch** is records that travel together,
//! from a **source** to a **sink**, in a **run**. The **ledger** accounts for the **fate** of every record: `out`,
//! `rejected` or `quarantined`.
//!
//! # The house
//! Each layer uses only what stands below it:
//!
//! ```text
//! python                               the only place that knows pyo3
//! cli                                  the command
//! engine                               threads that read, work and write in order; workers for plugins; directories
//! plan · io · columns · ledger · steps what to do · where from and to · tables · what became of it · the built-ins
//! plugins                              what is installed, and the trait of whoever loads it
//! step · batch                         what happens to a text, and what flows
//! sweep                                the work of neighbouring steps, done in one pass
//! record · units · error               a text and its fields · what a character, a word and a line are · what goes wrong
//! simd                                 loops over bytes, by the vector instructions at hand
//! ```
//!
//! # Where to start reading
//! [`step::Step`] is the trait every step implements; [`steps::trim_lines`] is the simplest step there is. [`batch::Batch`]
//! is what flows, [`plan::Plan`] what is to be done, and [`engine::run`] does it.

pub mod batch;
pub mod cli;
pub mod columns;
pub mod engine;
pub mod error;
pub mod io;
pub mod ledger;
pub mod plan;
pub mod plugins;
#[cfg(feature = "python")]
mod python;
pub mod record;
mod simd;
pub mod step;
pub mod steps;
pub mod sweep;
pub mod units;
