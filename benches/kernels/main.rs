//! Measures the kernels of the core by themselves, in memory: `cargo bench --no-default-features`, or
//! `cargo bench --no-default-features -- steps` for those whose name holds `steps`.
//!
//! Texts of one kind make one batch of the size that the engine uses, so that what is measured lies in the processor's
//! cache, as it does in a run. Throughput is bytes of text, or of JSON Lines where a whole line is the work.

mod json;
mod records;
mod sample;
mod steps;

fn main() {
    divan::main();
}
