//! Batches on their way through the engine, without its threads and files.

use crate::sample::{SAMPLES, Sample};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use std::cell::RefCell;
use std::fmt;
use text_processor::batch::Batch;
use text_processor::io::{Decoder, Encoder, Format, LastLine, Layout, decoder, encoder};
use text_processor::ledger::{Account, check, settle};
use text_processor::plan::{Pipeline, Plan};
use text_processor::plugins::NoPlugins;
use text_processor::record::Fate;
use text_processor::step::{Context, Limits};

/// The steps of the cleaning job.
pub(crate) const CLEANING: &[&str] = &["normalize-unicode", "strip-control", "collapse-whitespace", "trim"];

/// Everything that a batch passes, and a batch that is used again and again, as the engine does.
pub(crate) struct Line {
    plan: Plan,
    decoder: Box<dyn Decoder>,
    encoder: Box<dyn Encoder>,
    context: Context,
    source: Vec<u8>,
    spare: RefCell<Batch>,
}

impl Line {
    /// A line that runs steps over bytes.
    pub(crate) fn new(steps: &[&str], format: Format, source: Vec<u8>) -> Self {
        let arguments: Vec<String> = steps.iter().map(|&step| step.to_owned()).collect();
        let pipeline = Pipeline::from_arguments(&arguments).expect("the steps are spelled correctly");
        let plan = Plan::new(&pipeline, &NoPlugins).expect("the steps are built in");
        let layout = Layout {
            text: plan.text.clone(),
            id: plan.id.clone(),
            fields: plan.fields.clone(),
            source: format,
            sink: format,
            limits: Limits::default(),
        };
        Self {
            plan,
            decoder: decoder(&layout),
            encoder: encoder(&layout, &[]),
            context: Context::default(),
            source,
            spare: RefCell::new(Batch::new()),
        }
    }

    /// How many bytes the batch has.
    pub(crate) fn bytes(&self) -> BytesCount {
        BytesCount::new(self.source.len())
    }

    /// The batch as the reader fills it. What the last one needed of memory is there already.
    pub(crate) fn filled(&self) -> Lent<'_> {
        let mut batch = self.spare.take();
        batch.clear();
        batch.raw_mut().extend_from_slice(&self.source);
        Lent { line: self, batch }
    }

    /// The batch with its records.
    pub(crate) fn decoded(&self) -> Lent<'_> {
        let mut lent = self.filled();
        self.decoder.decode(&mut lent.batch);
        lent
    }

    /// The batch when all steps have run.
    pub(crate) fn processed(&self) -> Lent<'_> {
        let mut lent = self.decoded();
        self.run_steps(&mut lent.batch);
        lent
    }

    /// Finds the records in a batch.
    pub(crate) fn decode(&self, batch: &mut Batch) {
        self.decoder.decode(batch);
    }

    /// Writes a batch.
    pub(crate) fn encode(&self, batch: &Batch, out: &mut Vec<u8>) -> LastLine {
        self.encoder.encode(batch, out)
    }

    /// Runs all steps over a batch.
    pub(crate) fn run_steps(&self, batch: &mut Batch) {
        for segment in &self.plan.segments {
            segment
                .run(batch, &self.context, &mut || Ok(()))
                .expect("nobody interrupts a benchmark");
        }
    }

    /// All that a worker does with a batch.
    fn work(&self, batch: &mut Batch, fates: &mut Vec<Fate>, out: &mut Vec<u8>) {
        self.decoder.decode(batch);
        let read = Account::of_read(batch);
        self.run_steps(batch);
        self.encoder.check(batch);
        settle(batch, fates);
        self.encoder.encode(batch, out);
        check(&read, &Account::of_fates(batch, fates)).expect("no record is lost");
    }
}

/// A batch that goes back to its line when a measurement has ended.
pub(crate) struct Lent<'l> {
    line: &'l Line,
    /// The batch.
    pub(crate) batch: Batch,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.line.spare.replace(std::mem::take(&mut self.batch));
    }
}

/// Measures what happens to one batch. The batch is made ready before the clock starts, and given back when it has stopped.
pub(crate) fn measure<'l>(bencher: Bencher<'_, '_>, ready: impl Fn() -> Lent<'l>, work: impl Fn(&mut Batch)) {
    bencher.with_inputs(ready).bench_local_values(|mut lent| {
        work(&mut lent.batch);
        lent
    });
}

#[divan::bench(args = SAMPLES, sample_size = 1)]
fn cut_and_validate_lines(bencher: Bencher<'_, '_>, sample: Sample) {
    let line = Line::new(&[], Format::Text, sample.texts().concat().into_bytes());
    measure(
        bencher.counter(line.bytes()),
        || line.filled(),
        |batch| line.decode(batch),
    );
}

/// A job on a kind of text.
#[derive(Debug, Clone, Copy)]
struct Case {
    job: &'static str,
    steps: &'static [&'static str],
    sample: Sample,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.job, self.sample)
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let jobs: [(&str, &[&str]); 4] = [
        ("copy", &[]),
        ("trim", &["trim"]),
        ("clean", CLEANING),
        ("redact", &["redact:entities=[email,ipv4]"]),
    ];
    jobs.into_iter()
        .flat_map(|(job, steps)| SAMPLES.map(|sample| Case { job, steps, sample }))
}

#[divan::bench(args = SAMPLES, sample_size = 1)]
fn run_the_cleaning_steps(bencher: Bencher<'_, '_>, sample: Sample) {
    let line = Line::new(CLEANING, Format::Jsonl, sample.json_lines());
    measure(
        bencher.counter(sample.bytes()),
        || line.decoded(),
        |batch| line.run_steps(batch),
    );
}

#[divan::bench]
fn settle_and_account(bencher: Bencher<'_, '_>) {
    let line = Line::new(&[], Format::Jsonl, Sample::Clean.json_lines());
    let mut lent = line.processed();
    let mut fates = Vec::new();
    let records = ItemsCount::new(lent.batch.sources.len());
    bencher.counter(records).bench_local(|| {
        let batch = &mut lent.batch;
        let read = Account::of_read(batch);
        settle(batch, &mut fates);
        check(&read, &Account::of_fates(batch, &fates))
    });
}

#[divan::bench(args = cases(), sample_size = 1, max_time = 0.2)]
fn all_that_a_worker_does(bencher: Bencher<'_, '_>, case: Case) {
    let line = Line::new(case.steps, Format::Jsonl, case.sample.json_lines());
    let (fates, out) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    measure(
        bencher.counter(line.bytes()),
        || line.filled(),
        |batch| {
            let mut out = out.borrow_mut();
            out.clear();
            line.work(batch, &mut fates.borrow_mut(), &mut out);
        },
    );
}
