//! The built-in steps, each by itself, text by text.

use crate::sample::{SAMPLES, Sample};
use divan::Bencher;
use std::fmt;
use std::sync::Arc;
use text_processor::plan::{Pipeline, Plan};
use text_processor::plugins::NoPlugins;
use text_processor::step::{Cancel, Scratch, Step};

/// A step with its configuration, on a kind of text.
#[derive(Debug, Clone, Copy)]
struct Case {
    step: &'static str,
    sample: Sample,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.step, self.sample)
    }
}

const STEPS: [&str; 10] = [
    "collapse-whitespace",
    "length:minimum=3,unit=words",
    "normalize-unicode",
    "redact",
    "redact:entities=[email,ipv4]",
    "replace:pattern='[0-9]+',replacement=number",
    "strip-control",
    "trim",
    "trim-lines",
    "validate",
];

fn cases() -> impl Iterator<Item = Case> {
    STEPS
        .iter()
        .flat_map(|&step| SAMPLES.iter().map(move |&sample| Case { step, sample }))
}

fn step(argument: &str) -> Arc<dyn Step> {
    let pipeline = Pipeline::from_arguments(&[argument.to_owned()]).expect("the step is spelled correctly");
    let plan = Plan::new(&pipeline, &NoPlugins).expect("the step is built in");
    Arc::clone(&plan.steps[0].step)
}

#[divan::bench(args = cases(), max_time = 0.2)]
fn apply(bencher: Bencher<'_, '_>, case: Case) {
    let step = step(case.step);
    let texts = case.sample.texts();
    let cancel = Cancel::default();
    let mut scratch = Scratch {
        text: String::new(),
        cancel: &cancel,
    };
    bencher.counter(case.sample.bytes()).bench_local(|| {
        for text in &texts {
            scratch.text.clear();
            let _ = divan::black_box(step.apply(text, &[], &mut scratch));
        }
    });
}
