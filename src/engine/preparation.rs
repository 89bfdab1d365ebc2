//! What is decided and checked before a run starts: how inputs and outputs lie, and that they can.

use crate::batch::Batch;
use crate::columns::{ColumnDecoder, ColumnEncoder, Fates, Nulls, ObjectTable, SchemaLearner, TableEncoder};
use crate::engine::job::{Codec, Encoding};
use crate::engine::outputs::quarantine_beside;
use crate::engine::{LEAST_MEMORY_BUDGET, MOST_MEMORY_BUDGET, MOST_WORKERS, RunOptions};
use crate::error::{ConfigError, Error, Result, Shown};
use crate::io::{
    CasualtyEncoder, Compression, Decoder, Format, Input, KeptTables, Layout, Output, ReadAhead, RowWriter, StepLabel,
    TableFacts, TableForm, TableInputs, check_output, check_representable, decoder, encoder, facts_of, open_source,
};
use crate::plan::{Plan, PlanField, PlannedStep};
use crate::step::{Cancel, Origin};
use arrow_schema::{DataType, Field, Schema};
use std::sync::Arc;

/// How many groups of rows the memory budget has room for: one that is gathered, some that are encoded, and batches.
const GROUPS_IN_BUDGET: usize = 8;

/// How many threads decode row groups ahead of the workers, at most: more than that is rarely worked on in the same time.
const MOST_DECODERS: usize = 4;

/// What part of the memory budget may hold rows that were decoded ahead: a quarter.
const DECODED_IN_BUDGET: usize = 4;

/// From how many records of the first input the columns of the output are told, where its records are objects.
const LEARNED_RECORDS: usize = 1000;

/// How many bytes of them are read at once.
const LEARNED_BYTES: usize = 256 << 10;

pub(super) fn with_formats(options: &RunOptions) -> Result<Vec<(Input, Format)>> {
    if options.inputs.is_empty() {
        return Err(ConfigError::new("There is no input to read.")
            .with_hint("Name a file, or `-` for standard input.")
            .into());
    }
    let format = |input: &Input| options.format.unwrap_or_else(|| Format::of(input));
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
        let holds = source.has_columns() || !adds;
        return if one_format && holds { source } else { Format::Jsonl };
    }
    match (options.output.as_deref(), source) {
        (Some(output), _) if Format::from_name(output) != Format::Text => Format::from_name(output),
        // A name without an extension, or a device, says nothing; any other extension means plain text.
        (Some(output), source) if source != Format::File && output.extension().is_some() => Format::Text,
        _ => source,
    }
}

pub(super) fn check_files(
    plan: &Plan,
    options: &RunOptions,
    inputs: &[(Input, Format)],
    sink: Format,
    cancel: &Cancel,
) -> Result<()> {
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
        check_output(&options.inputs, &outputs, options.overwrite, cancel)?;
    }
    options.check_directory()?;
    check_resources(options)?;
    check_compression(options, sink)?;
    for format in distinct_formats(inputs) {
        check_representable(fields_for_output(plan), &plan.text, format, sink)?;
    }
    Ok(())
}

/// A file whose columns are compressed within is not compressed once more.
fn check_compression(options: &RunOptions, sink: Format) -> Result<(), ConfigError> {
    if !sink.is_table() {
        return Ok(());
    }
    let named = options.output.as_deref().filter(|_| options.directory().is_none());
    let by_name = named.is_some_and(|output| Compression::from_name(output) != Compression::None);
    if by_name
        || options
            .compression
            .is_some_and(|compression| compression != Compression::None)
    {
        let shown = options
            .output
            .as_deref()
            .map_or(String::new(), |output| Shown(output).to_string());
        let message = format!(
            "`{shown}` cannot be compressed as a whole: {} is compressed within.",
            sink.title()
        );
        return Err(ConfigError::new(message)
            .with_hint("Leave out the compression. Parquet is compressed as the first input is, or with Zstandard."));
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

/// What a run makes, and of what.
pub(super) struct Preparation {
    pub(super) codecs: Vec<Codec>,
    /// How inputs are opened that are tables.
    pub(super) tables: Option<TableInputs>,
    pub(super) shape: Shape,
}

/// What a file of the output has around the bytes of its records.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// What stands before the first record.
    pub(super) header: Vec<u8>,
    /// How a file of tables is made of rows.
    pub(super) form: Option<TableForm>,
}

/// Finds how each format of the inputs becomes that of the output. Inputs that are tables, and the first input where the
/// output is a table, are looked into.
pub(super) fn prepare(
    plan: &Plan,
    options: &RunOptions,
    inputs: &[(Input, Format)],
    sink: Format,
    cancel: &Cancel,
) -> Result<Preparation> {
    let formats = distinct_formats(inputs);
    let labels = labels(plan);
    let mut kept = KeptTables::default();
    let facts = table_facts(plan, inputs, options, &mut kept, cancel)?;
    if facts.is_some() {
        check_tables(options, &formats, sink)?;
    }
    let wanted = facts.as_ref().filter(|_| matches!(sink, Format::Text | Format::File));
    let wanted = wanted.map(|facts| wanted_columns(plan, &facts.schema));
    if let Some(facts) = &facts {
        check_readable(facts, wanted.as_deref())?;
    }
    let schema = match (&facts, &wanted) {
        (Some(facts), Some(wanted)) => Some(Arc::new(facts.schema.project(wanted).map_err(|error| {
            ConfigError::new(format!("The columns that are needed cannot be read alone: {error}."))
        })?)),
        (facts, _) => facts.as_ref().map(|facts| Arc::clone(&facts.schema)),
    };
    let layout = |source: Format, sink: Format| Layout {
        text: plan.text.clone(),
        id: plan.id.clone(),
        fields: plan.fields.clone(),
        source,
        sink,
        limits: options.limits,
    };
    let mut shape = Shape::default();
    let mut codecs = Vec::new();
    let mut column_decoder = None;
    for source in formats {
        let mut layout = layout(source, sink);
        let casualties = CasualtyEncoder::new(&layout, &options.inputs, labels.clone());
        let decoder: Box<dyn Decoder> = match schema.as_ref().filter(|_| source.has_columns()) {
            Some(schema) => {
                let mut decoder = ColumnDecoder::new(schema, plan, options.nulls, options.limits)?;
                if matches!(sink, Format::Jsonl | Format::Csv | Format::Tsv) {
                    decoder = decoder.for_rows(schema, plan, sink);
                }
                column_decoder = Some(decoder.clone());
                Box::new(decoder)
            }
            None => decoder(&layout),
        };
        let is_lines = matches!(sink, Format::Text | Format::File);
        let encoding = if is_lines || (sink == Format::Jsonl && !source.has_columns()) {
            Encoding::Bytes(encoder(&layout, &options.inputs))
        } else {
            let table: Box<dyn TableEncoder> = match (&schema, &column_decoder) {
                (Some(schema), Some(decoder)) if source.has_columns() => {
                    Box::new(ColumnEncoder::new(schema, decoder.text(), plan, Fates::Out)?)
                }
                _ => {
                    let learned = schema_of_objects(plan, options, inputs, cancel)?;
                    layout.sink = Format::Jsonl;
                    Box::new(ObjectTable::new(&learned, plan, encoder(&layout, &options.inputs)))
                }
            };
            let defaults = facts.as_ref().map(|facts| facts.defaults.clone()).unwrap_or_default();
            if sink.is_table() {
                let from = source.has_columns().then_some(source);
                let group = options.memory_budget / GROUPS_IN_BUDGET;
                shape.form = Some(TableForm::new(
                    sink,
                    table.schema(),
                    from,
                    &plan.text,
                    &defaults,
                    group,
                )?);
                Encoding::Table(table)
            } else {
                let writer = RowWriter::new(sink, table.schema())?;
                shape.header = writer.header();
                Encoding::Rows(table, writer)
            }
        };
        codecs.push(Codec {
            format: source,
            decoder,
            encoding,
            casualties,
        });
    }
    let tables = match (column_decoder, schema) {
        (Some(decoder), Some(schema)) => {
            let tables = TableInputs::new(decoder, schema, wanted, kept);
            Some(tables.with_read_ahead(read_ahead(options)))
        }
        _ => None,
    };
    Ok(Preparation { codecs, tables, shape })
}

/// Refuses what an output cannot hold of inputs that are tables.
fn check_tables(options: &RunOptions, formats: &[Format], sink: Format) -> Result<()> {
    if !sink.has_columns() && sink != Format::Jsonl && options.nulls == Nulls::Keep {
        return Err(
            ConfigError::new("`nulls` is `keep`, and plain text cannot hold a text that is null.")
                .with_hint("Reject or quarantine such records, or write to a `.jsonl` file.")
                .with_key("nulls")
                .into(),
        );
    }
    if sink.has_columns() && formats.iter().any(|format| !format.has_columns()) {
        let message = format!(
            "Some inputs are tables and some are not, so they have no columns in common to be written as {}.",
            sink.title()
        );
        return Err(ConfigError::new(message)
            .with_hint("Write to a `.jsonl` file, or process them in two runs.")
            .into());
    }
    Ok(())
}

/// How much of a table is decoded ahead. One worker reads while the others work; with one worker, one thread does everything.
fn read_ahead(options: &RunOptions) -> ReadAhead {
    ReadAhead {
        threads: options.workers.saturating_sub(1).min(MOST_DECODERS),
        bytes: options.memory_budget / DECODED_IN_BUDGET,
    }
}

/// What the tables among the inputs are. All must have the same columns; what the first one says besides holds for all. An
/// empty input has no columns, and no rows that could need any.
fn table_facts(
    plan: &Plan,
    inputs: &[(Input, Format)],
    options: &RunOptions,
    kept: &mut KeptTables,
    cancel: &Cancel,
) -> Result<Option<TableFacts>> {
    let mut found: Option<(&Input, TableFacts)> = None;
    let mut unreadable = None;
    let mut has_empty = false;
    for (input, format) in inputs.iter().filter(|(_, format)| format.has_columns()) {
        let facts = match facts_of(input, *format, options.limits, cancel, kept) {
            Ok(Some(facts)) => facts,
            Ok(None) => {
                has_empty = true;
                continue;
            }
            // The run tells of it, and reads the others.
            Err(error @ Error::Input(_)) => {
                unreadable.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        match &mut found {
            None => found = Some((input, facts)),
            Some((first, known)) => {
                known.schema = known.schema_with(&facts).map_err(|difference| {
                    let message = format!(
                        "The input `{}` has not the columns of the first, `{}`: {difference}.",
                        input.name, first.name
                    );
                    ConfigError::new(message).with_hint("Process inputs with other columns in a run of their own.")
                })?;
                known.unreadable.extend(facts.unreadable);
            }
        }
    }
    match (found, unreadable) {
        (Some((_, facts)), _) => Ok(Some(facts)),
        (None, _) if has_empty => Ok(Some(TableFacts::of_nothing(plan))),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(None),
    }
}

/// Refuses columns that are needed and would not be read whole: nothing is changed without a word.
fn check_readable(facts: &TableFacts, wanted: Option<&[usize]>) -> Result<(), ConfigError> {
    let mut needed = facts.unreadable.iter();
    let Some((column, reason)) = needed.find(|(column, _)| wanted.is_none_or(|wanted| wanted.contains(column))) else {
        return Ok(());
    };
    let name = facts.schema.field(*column).name();
    let message = format!("The column `{name}` {reason}.");
    Err(ConfigError::new(message).with_hint("Cast it to text with the program that wrote it, or leave it out."))
}

/// The columns that are needed where only texts go out.
fn wanted_columns(plan: &Plan, schema: &Schema) -> Vec<usize> {
    let is_wanted = |name: &str| {
        let asked = plan.fields.iter().any(|field| field.from_source && field.name == name);
        asked || name == plan.text || name == plan.id
    };
    let columns = schema.fields().iter().enumerate();
    columns
        .filter(|(_, field)| is_wanted(field.name()))
        .map(|(column, _)| column)
        .collect()
}

/// The columns of records that do not come from a table: an identity and a text, or what the first objects of the first
/// input have.
fn schema_of_objects(plan: &Plan, options: &RunOptions, inputs: &[(Input, Format)], cancel: &Cancel) -> Result<Schema> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let Some((input, _)) = inputs.iter().find(|(_, format)| *format == Format::Jsonl) else {
        return Ok(Schema::new(vec![text(&plan.id), text(&plan.text)]));
    };
    if !input.can_be_read_again() {
        return Err(ConfigError::new(format!(
            "The columns of the output are told by the first records, which cannot be read twice from {}.",
            input.name
        ))
        .with_hint("Write it to a file first, or write to a `.jsonl` file.")
        .into());
    }
    let mut learner = SchemaLearner::default();
    let mut source = open_source(input, Format::Jsonl, options.limits, cancel)?;
    let mut batch = Batch::new();
    let mut left = LEARNED_RECORDS;
    while left > 0 && source.fill(&mut batch, LEARNED_BYTES, u64::MAX)? {
        if batch.unread.is_none() {
            for line in batch.raw().split(|byte| *byte == b'\n').take(left) {
                learner.learn(line);
                left -= 1;
            }
        }
        batch.clear();
    }
    Ok(learner.schema(&plan.text))
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
