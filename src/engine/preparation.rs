//! What is decided and checked before a run starts: how inputs and outputs lie, and that they can.

use crate::engine::job::{Codec, Encoding};
use crate::engine::outputs::quarantine_beside;
use crate::engine::{LEAST_MEMORY_BUDGET, MOST_MEMORY_BUDGET, MOST_WORKERS, RunOptions};
use crate::error::{ConfigError, Result};
use crate::io::{
    CasualtyEncoder, Format, Input, Layout, Output, StepLabel, check_output, check_representable, decoder, encoder,
};
use crate::plan::{Plan, PlanField, PlannedStep};
use crate::step::Origin;

pub(super) fn with_formats(options: &RunOptions) -> Result<Vec<(Input, Format)>> {
    if options.inputs.is_empty() {
        return Err(ConfigError::new("There is no input to read.")
            .with_hint("Name a file, or `-` for standard input.")
            .into());
    }
    let format = |input: &Input| {
        options
            .format
            .unwrap_or_else(|| input.path.as_deref().map_or(Format::Text, Format::from_name))
    };
    Ok(options
        .inputs
        .iter()
        .map(|input| (input.clone(), format(input)))
        .collect())
}

/// The output lies as its name says, or as the inputs do. The name of a directory says nothing, so JSON Lines, which can
/// hold everything, stand in wherever the inputs differ or steps add fields.
pub(super) fn sink_format(plan: &Plan, options: &RunOptions, inputs: &[(Input, Format)]) -> Format {
    let source = inputs[0].1;
    if options.directory().is_some() {
        let adds = fields_for_output(plan).any(|field| field.added_by.is_some());
        let one_format = inputs.iter().all(|&(_, format)| format == source);
        return if one_format && !adds { source } else { Format::Jsonl };
    }
    match (options.output.as_deref(), source) {
        (Some(output), _) if Format::from_name(output) == Format::Jsonl => Format::Jsonl,
        // A name without an extension, or a device, says nothing; any other extension means plain text.
        (Some(output), Format::Jsonl) if output.extension().is_some() => Format::Text,
        _ => source,
    }
}

pub(super) fn check_files(plan: &Plan, options: &RunOptions, inputs: &[(Input, Format)], sink: Format) -> Result<()> {
    let beside = options.output.as_deref().map(|output| quarantine_beside(Some(output)));
    let quarantine = options.quarantine.as_deref().or(beside.as_deref());
    let outputs = [
        ("output", options.output.as_deref()),
        ("file of rejected records", options.rejected.as_deref()),
        ("quarantine file", quarantine),
    ];
    let outputs: Vec<Output<'_>> = outputs
        .into_iter()
        .filter_map(|(role, path)| Some(Output { role, path: path? }))
        .collect();
    if options.directory().is_none() {
        check_output(&options.inputs, &outputs, options.overwrite)?;
    }
    options.check_directory()?;
    check_resources(options)?;
    for format in distinct_formats(inputs) {
        check_representable(fields_for_output(plan), &plan.text, format, sink)?;
    }
    Ok(())
}

/// Refuses more or less of the machine than a run can do with.
pub(super) fn check_resources(options: &RunOptions) -> Result<()> {
    if !(1..=MOST_WORKERS).contains(&options.workers) {
        let message = format!("The number of workers is a whole number from 1 to {MOST_WORKERS}.");
        return Err(ConfigError::new(message).with_key("workers").into());
    }
    if !(LEAST_MEMORY_BUDGET..=MOST_MEMORY_BUDGET).contains(&options.memory_budget) {
        let (least, most) = (LEAST_MEMORY_BUDGET >> 20, MOST_MEMORY_BUDGET >> 40);
        let message = format!("The memory budget is from {least} MiB to {most} TiB.");
        return Err(ConfigError::new(message).with_key("memory_budget").into());
    }
    Ok(())
}

/// The fields that the output is to hold. One that a later step asks for has done its work already where the output
/// cannot hold it, so only the others are asked of a format.
fn fields_for_output(plan: &Plan) -> impl Iterator<Item = &PlanField> {
    plan.fields.iter().filter(|field| {
        let after = field.added_by.map_or(0, |step| usize::from(step) + 1);
        let asks = |planned: &PlannedStep| {
            planned
                .step
                .declaration()
                .asks
                .iter()
                .any(|asked| asked.name == field.name)
        };
        !plan.steps.iter().skip(after).any(asks)
    })
}

pub(super) fn codecs(plan: &Plan, options: &RunOptions, inputs: &[(Input, Format)], sink: Format) -> Vec<Codec> {
    let labels = labels(plan);
    let codec = |source: Format| {
        let layout = Layout {
            text: plan.text.clone(),
            id: plan.id.clone(),
            fields: plan.fields.clone(),
            source,
            sink,
            limits: options.limits,
        };
        Codec {
            format: source,
            decoder: decoder(&layout),
            encoding: Encoding::Bytes(encoder(&layout, &options.inputs)),
            casualties: CasualtyEncoder::new(&layout, &options.inputs, labels.clone()),
        }
    };
    distinct_formats(inputs).into_iter().map(codec).collect()
}

/// What casualties say of the steps of a plan.
pub(super) fn labels(plan: &Plan) -> Vec<StepLabel> {
    let label = |planned: &PlannedStep| {
        let declaration = planned.step.declaration();
        StepLabel {
            name: declaration.name.clone(),
            distribution: declaration.origin.as_ref().map(Origin::distribution_with_version),
        }
    };
    plan.steps.iter().map(label).collect()
}

fn distinct_formats(inputs: &[(Input, Format)]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for (_, format) in inputs {
        if !formats.contains(format) {
            formats.push(*format);
        }
    }
    formats
}

/// The bytes of all inputs, if all are files.
pub(super) fn total_bytes(inputs: &[(Input, Format)]) -> Option<u64> {
    inputs.iter().map(|(input, _)| input.size()).sum()
}
