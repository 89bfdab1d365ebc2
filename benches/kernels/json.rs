//! JSON Lines: validating and finding the text, undoing and writing escapes, and splicing.

use crate::records::{CLEANING, Line, measure};
use crate::sample::{SAMPLES, Sample};
use divan::Bencher;
use text_processor::io::Format;
use text_processor::record::write_json_string_body;

#[divan::bench(args = SAMPLES, sample_size = 1)]
fn decode(bencher: Bencher<'_, '_>, sample: Sample) {
    let line = Line::new(&[], Format::Jsonl, sample.json_lines());
    measure(
        bencher.counter(line.bytes()),
        || line.filled(),
        |batch| line.decode(batch),
    );
}

/// A step needs the text, so escapes must be undone: `validate` looks at all of it and changes nothing.
#[divan::bench(args = SAMPLES, sample_size = 1)]
fn decode_and_read(bencher: Bencher<'_, '_>, sample: Sample) {
    let line = Line::new(&["validate"], Format::Jsonl, sample.json_lines());
    measure(
        bencher.counter(line.bytes()),
        || line.filled(),
        |batch| {
            line.decode(batch);
            line.run_steps(batch);
        },
    );
}

#[divan::bench(args = SAMPLES)]
fn escape(bencher: Bencher<'_, '_>, sample: Sample) {
    let texts = sample.texts();
    let mut out = Vec::new();
    bencher.counter(sample.bytes()).bench_local(|| {
        out.clear();
        for text in &texts {
            write_json_string_body(text, &mut out);
        }
        out.len()
    });
}

/// No step changed anything, so whole lines are copied.
#[divan::bench(args = SAMPLES)]
fn splice_unchanged(bencher: Bencher<'_, '_>, sample: Sample) {
    let line = Line::new(&[], Format::Jsonl, sample.json_lines());
    splice(bencher, &line);
}

/// The cleaning steps changed most texts.
#[divan::bench(args = SAMPLES)]
fn splice_cleaned(bencher: Bencher<'_, '_>, sample: Sample) {
    let line = Line::new(CLEANING, Format::Jsonl, sample.json_lines());
    splice(bencher, &line);
}

fn splice(bencher: Bencher<'_, '_>, line: &Line) {
    let lent = line.processed();
    let mut out = Vec::new();
    bencher.counter(line.bytes()).bench_local(|| {
        out.clear();
        line.encode(&lent.batch, &mut out)
    });
}
