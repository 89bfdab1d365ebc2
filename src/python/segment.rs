//! Consecutive steps that Python executes.

use crate::batch::{Batch, State, View};
use crate::error::{Error, Failure, Result};
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::failure::failure_of;
use crate::python::step::python_step;
use crate::python::verdict::utf8;
use crate::step::{Context, PlacedStep, Segment};
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Consecutive steps that Python executes, in one go per batch.
pub(crate) struct PythonSegment {
    steps: Vec<PlacedStep>,
}

impl PythonSegment {
    /// Fuses steps.
    pub(crate) fn new(steps: Vec<PlacedStep>) -> Self {
        Self { steps }
    }
}

impl Segment for PythonSegment {
    fn steps(&self) -> &[PlacedStep] {
        &self.steps
    }

    fn on_calling_thread(&self) -> bool {
        true
    }

    fn run(&self, batch: &mut Batch, context: &Context) -> Result<()> {
        Python::attach(|py| {
            self.steps
                .iter()
                .try_for_each(|placed| run_step(py, placed, batch, context))
        })
    }
}

/// Runs one step over all live rows.
fn run_step(py: Python<'_>, placed: &PlacedStep, batch: &mut Batch, context: &Context) -> Result<()> {
    let step = python_step(&*placed.step)
        .ok_or_else(|| Error::Internal("A segment of Python steps holds a step that is none.".to_owned()))?;
    let _turn = step
        .turn(py)
        .map_err(|error| Error::Internal(format!("The lock of a step failed: {}", failure_of(py, error).message)))?;
    let call = CallContext {
        limits: &context.limits,
        interrupted: &|| context.cancel.is_cancelled(),
    };
    let mut writer = batch.open();
    let mut parts: Option<Vec<(u32, View)>> = None;
    for row in 0..batch.rows.len() {
        let passed_on = (row as u32, batch.rows[row].text);
        if batch.rows[row].state != State::Live {
            if let Some(parts) = &mut parts {
                parts.push(passed_on);
            }
            continue;
        }
        batch.tally(placed.index).entered += 1;
        let given = PyString::new(py, batch.row_text(row));
        let verdict = step.call(&given, |index| batch.field(placed.asks[index], row), &call);
        let mut made: Vec<(u32, View)> = vec![passed_on];
        let failure: Option<Box<Failure>> = match verdict {
            Ok(CallVerdict::Text(text)) if text.is(&given) => None,
            Ok(CallVerdict::Text(text)) => match utf8(&text, &context.limits) {
                Ok(text) => {
                    batch.rows[row].text = writer.push(text);
                    made[0].1 = batch.rows[row].text;
                    None
                }
                Err(failure) => Some(failure),
            },
            Ok(CallVerdict::Keep) => None,
            Ok(CallVerdict::Reject(reason)) => {
                batch.reject(row, Some(placed.index), reason);
                None
            }
            Ok(CallVerdict::Annotate(values)) => {
                for (&field, value) in placed.adds.iter().zip(values) {
                    batch.set_field(field, row, value);
                }
                None
            }
            Ok(CallVerdict::Split(texts)) => {
                let texts: Result<Vec<&str>, _> = texts.iter().map(|text| utf8(text, &context.limits)).collect();
                match texts {
                    Ok(texts) => {
                        made = texts.iter().map(|text| (row as u32, writer.push(text))).collect();
                        // Rows before this one stayed single so far.
                        parts.get_or_insert_with(|| (0..row).map(|row| (row as u32, batch.rows[row].text)).collect());
                        None
                    }
                    Err(failure) => Some(failure),
                }
            }
            Err(Stop::Failed(failure)) => Some(failure),
            Err(Stop::Interrupted(interrupt)) => {
                batch.close(writer);
                return Err(Error::Interrupted(interrupt));
            }
        };
        if let Some(failure) = failure {
            batch.quarantine(row, Some(placed.index), *failure);
        }
        if let Some(parts) = &mut parts {
            parts.extend(made);
        }
    }
    batch.close(writer);
    if let Some(parts) = parts {
        batch.replace_rows(&parts);
    }
    Ok(())
}
