//! Writes down what a run is, for the manifest of its output directory.

use crate::engine::{RunOptions, SHARD_BYTES, Supervision};
use crate::io::{Compression, Format, InputIdentity, compression_of};
use crate::ledger::{FORMAT, Header, OptionsIdentity, PlanIdentity, StepIdentity};
use crate::plan::{OnError, Plan, PlannedStep};

/// What the run is that these arguments ask for. It looks at every input.
pub(super) fn header(plan: &Plan, options: &RunOptions, sink: Format) -> Header {
    Header {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: PlanIdentity {
            steps: plan.steps.iter().map(step).collect(),
            text: plan.text.clone(),
            id: plan.id.clone(),
            on_error: match plan.on_error {
                OnError::Raise => "raise".to_owned(),
                OnError::Quarantine => "quarantine".to_owned(),
            },
        },
        options: OptionsIdentity {
            input_format: options.format,
            output_format: sink,
            compression: options.compression.unwrap_or_else(|| of_inputs(options)),
            shard_bytes: options.shard_bytes.unwrap_or(SHARD_BYTES),
            nulls: options.nulls,
            limit: options.limit,
            record_bytes: options.limits.record_bytes as u64,
            parts: options.limits.parts as u64,
            json_depth: options.limits.json_depth as u64,
            max_expansion: options.limits.expansion,
            isolation: options.isolation().to_owned(),
            timeout: options.supervision.as_ref().and_then(Supervision::timeout_milliseconds),
            memory: options.supervision.as_ref().and_then(Supervision::memory_given),
        },
        inputs: options.inputs.iter().map(InputIdentity::of).collect(),
    }
}

fn step(planned: &PlannedStep) -> StepIdentity {
    let declaration = planned.step.declaration();
    let origin = declaration.origin.as_ref();
    StepIdentity {
        name: declaration.name.clone(),
        configuration: planned.step.configuration(),
        distribution: origin.map(|origin| origin.distribution.clone()),
        version: origin.and_then(|origin| origin.version.clone()),
        files: planned.step.files_fingerprint(),
    }
}

/// How the inputs are compressed, if all agree. Those that cannot be read have no say.
fn of_inputs(options: &RunOptions) -> Compression {
    let mut known = options.inputs.iter().filter_map(compression_of);
    let first = known.next().unwrap_or_default();
    if known.all(|compression| compression == first) {
        first
    } else {
        Compression::None
    }
}
