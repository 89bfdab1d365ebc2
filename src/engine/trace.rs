//! Follows one text through the steps of a plan, one by one.

use crate::error::Failure;
use crate::plan::{Plan, missing_field};
use crate::record::Value;
use crate::step::{Cancel, Scratch, Step, Verdict};
use std::collections::HashMap;
use std::time::Instant;

/// What one step made of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceEntry {
    /// The step's canonical name.
    pub step: String,
    /// The text that entered it.
    pub before: String,
    /// What came of it.
    pub outcome: TraceOutcome,
    /// How long the step took, in nanoseconds.
    pub nanoseconds: u64,
}

/// What a step made of one text.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceOutcome {
    /// The text after the step; equal to the one before where nothing changed.
    Text(String),
    /// It was kept by a filter.
    Kept,
    /// It was rejected, with this reason.
    Rejected(String),
    /// It got these fields.
    Annotated(Vec<(String, Value)>),
    /// It became these texts. The trace follows each of them in turn: entries of part 0 first.
    Split(Vec<String>),
    /// It failed: the kind and the sentence.
    Failed(String, String),
}

/// Follows one text through the steps, one by one. `fields` are the fields that come with the record.
#[must_use]
pub fn trace(plan: &Plan, text: &str, fields: &[(String, Value)]) -> Vec<TraceEntry> {
    let mut entries = Vec::new();
    let mut known: HashMap<String, Value> = fields.iter().cloned().collect();
    follow(plan, 0, text.to_owned(), &mut known, &mut entries);
    entries
}

fn follow(
    plan: &Plan,
    first: usize,
    mut text: String,
    fields: &mut HashMap<String, Value>,
    entries: &mut Vec<TraceEntry>,
) {
    for (index, planned) in plan.steps.iter().enumerate().skip(first) {
        let started = Instant::now();
        let outcome = outcome(&*planned.step, &text, fields);
        let nanoseconds = started.elapsed().as_nanos() as u64;
        let step = planned.step.declaration().name.clone();
        entries.push(TraceEntry {
            step,
            before: text.clone(),
            outcome: outcome.clone(),
            nanoseconds,
        });
        match outcome {
            TraceOutcome::Text(after) => text = after,
            TraceOutcome::Kept => {}
            TraceOutcome::Annotated(values) => fields.extend(values),
            TraceOutcome::Rejected(_) | TraceOutcome::Failed(..) => return,
            TraceOutcome::Split(parts) => {
                for part in parts {
                    follow(plan, index + 1, part, &mut fields.clone(), entries);
                }
                return;
            }
        }
    }
}

fn outcome(step: &dyn Step, text: &str, fields: &HashMap<String, Value>) -> TraceOutcome {
    let declaration = step.declaration();
    let mut asked = Vec::with_capacity(declaration.asks.len());
    for ask in &declaration.asks {
        match fields.get(&ask.name) {
            Some(value) => asked.push(value.clone()),
            None if ask.required => return failed(missing_field(&ask.name)),
            None => asked.push(Value::Missing),
        }
    }
    let cancel = Cancel::default();
    let mut scratch = Scratch {
        text: String::new(),
        cancel: &cancel,
    };
    match step.apply(text, &asked, &mut scratch) {
        Ok(Verdict::Text(text)) => TraceOutcome::Text(text.to_owned()),
        Ok(Verdict::Keep) => TraceOutcome::Kept,
        Ok(Verdict::Reject(reason)) => TraceOutcome::Rejected(reason.into_owned()),
        Ok(Verdict::Split(parts)) => TraceOutcome::Split(parts),
        Ok(Verdict::Annotate(values)) => {
            let names = declaration.fields.iter().map(|field| field.name.clone());
            TraceOutcome::Annotated(names.zip(values).collect())
        }
        Err(failure) => failed(failure),
    }
}

fn failed(failure: Failure) -> TraceOutcome {
    TraceOutcome::Failed(failure.kind.name().to_owned(), failure.message)
}
