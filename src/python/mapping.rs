//! A pipeline over columns that are lists in a mapping, as `datasets.Dataset.map(batched=True)` hands them on.

mod gathered;

use gathered::Gathered;

use crate::error::{ConfigError, Failure, RecordError};
use crate::plan::{OnError, Plan};
use crate::plugins::nearest;
use crate::python::exceptions::to_python as raise;
use crate::python::pipeline::PyPipeline;
use crate::python::single::{Fields, Outcome};
use crate::python::table::watched;
use crate::python::values;
use crate::record::Value;
use crate::step::Declaration;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString};
use std::cell::Cell;

/// A text that goes out: the row it comes from, the text if it is not null, and the fields of its record.
type Out<'py> = (usize, Option<Bound<'py, PyString>>, Fields);

/// How many rows are worked on before signals are looked for.
const ROWS_PER_LOOK: usize = 1024;

/// Processes the columns of a mapping to those of a `dict`: the texts that go out, the columns that steps have added, and
/// of all other columns the rows that belong to them. What nothing was left out of is the same object.
pub(super) fn process_mapping<'py>(
    pipeline: &PyPipeline,
    columns: &Bound<'py, PyMapping>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = columns.py();
    let key = &pipeline.plan().text;
    if !columns.contains(key)? {
        return Err(no_text(columns, key));
    }
    let texts = columns.get_item(key)?;
    if texts.is_instance_of::<PyString>() {
        return Err(one_text(py, key));
    }
    let source = Source::new(pipeline, columns)?;
    let mut gathered = pipeline.single().takes_many().then(|| Gathered::new(py, &source));
    let mut out = Vec::new();
    let mut count = 0;
    for text in texts.try_iter()? {
        let row = count;
        count += 1;
        if count % ROWS_PER_LOOK == 0 {
            py.check_signals()?;
        }
        let text = text?;
        let text = if text.is_none() {
            None
        } else {
            Some(text.cast_into::<PyString>().map_err(|_| {
                PyTypeError::new_err(format!("Item {row} of the column `{key}` is no `str` and not `None`."))
            })?)
        };
        match (&mut gathered, text) {
            (Some(gathered), text) => gathered.add(row, text, &mut out)?,
            (None, Some(text)) => process_row(&source, row, &text, &mut out)?,
            (None, None) => out.push((row, None, Fields::new())),
        }
    }
    if let Some(mut gathered) = gathered {
        gathered.process(&mut out)?;
    }
    source.warn_of_failures(py, count)?;
    let is_whole = out.len() == count && out.iter().enumerate().all(|(index, (row, ..))| *row == index);
    let made = PyDict::new(py);
    for name in columns.keys()?.iter() {
        let column = columns.get_item(&name)?;
        if name.eq(key)? {
            made.set_item(name, PyList::new(py, out.iter().map(|(_, text, _)| text))?)?;
        } else if is_whole {
            made.set_item(name, column)?;
        } else {
            let taken = out.iter().map(|(row, ..)| column.get_item(row));
            made.set_item(name, PyList::new(py, taken.collect::<PyResult<Vec<_>>>()?)?)?;
        }
    }
    for (number, field) in pipeline.plan().fields.iter().enumerate() {
        if field.added_by.is_some() {
            let values = out.iter().map(|(_, _, fields)| value_of(py, fields, number as u16));
            made.set_item(&field.name, PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?)?;
        }
    }
    Ok(made)
}

/// What the records of a mapping come with beside their texts.
struct Source<'s, 'py> {
    pipeline: &'s PyPipeline,
    /// The columns that steps ask for, with the numbers of their fields.
    asked: Vec<(u16, Bound<'py, PyAny>)>,
    /// The column that identifies a record.
    ids: Option<Bound<'py, PyAny>>,
    /// How many records failed.
    failed: Cell<usize>,
}

impl<'s, 'py> Source<'s, 'py> {
    fn new(pipeline: &'s PyPipeline, columns: &Bound<'py, PyMapping>) -> PyResult<Self> {
        let plan = pipeline.plan();
        let mut asked = Vec::new();
        for (number, field) in plan.fields.iter().enumerate() {
            if !field.from_source {
                continue;
            }
            if columns.contains(&field.name)? {
                asked.push((number as u16, columns.get_item(&field.name)?));
            } else if let Some(step) = requiring(plan, &field.name) {
                return Err(no_field(columns.py(), step, &field.name));
            }
        }
        let has_ids = columns.contains(&plan.id)?;
        let ids = has_ids.then(|| columns.get_item(&plan.id)).transpose()?;
        Ok(Self {
            pipeline,
            asked,
            ids,
            failed: Cell::new(0),
        })
    }

    /// The fields of a row that steps ask for, or why they cannot be given.
    fn fields(&self, row: usize) -> PyResult<Result<Fields, Box<Failure>>> {
        let mut fields = Fields::new();
        for (number, column) in &self.asked {
            let name = &self.pipeline.plan().fields[usize::from(*number)].name;
            match values::of_column(&column.get_item(row)?, name) {
                Ok(value) => fields.push((*number, value)),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(fields))
    }

    /// Tells once of all records that failed. The log may run handlers, of which one may be interrupted.
    fn warn_of_failures(&self, py: Python<'_>, read: usize) -> PyResult<()> {
        let failed = self.failed.get();
        if failed == 0 {
            return Ok(());
        }
        let warned = watched(py, |_| {
            log::warn!(
                "{failed} of {read} records failed and were left out of the batch; `records` says why, and \
                 `on_error=\"raise\"` of the first one."
            );
            Ok(())
        });
        warned.map_err(|error| raise(py, error))
    }

    /// A record that fails is left out, or ends it all.
    fn failed(&self, py: Python<'_>, row: usize, step: Option<u16>, failure: Failure) -> PyResult<()> {
        if self.pipeline.plan().on_error != OnError::Raise {
            self.failed.set(self.failed.get() + 1);
            return Ok(());
        }
        // What a column cannot tell is no reason to hide why the record failed.
        let id = self.ids.as_ref().and_then(|ids| ids.get_item(row).ok());
        let error = RecordError {
            failure,
            step: step.map(|step| self.pipeline.step_name(step).to_owned()),
            input: None,
            ordinal: Some(row as u64),
            id: id.and_then(|id| values::identity(&id)),
        };
        Err(raise(py, error.into()))
    }
}

/// Processes one text to those that go out.
fn process_row<'py>(
    source: &Source<'_, 'py>,
    row: usize,
    text: &Bound<'py, PyString>,
    out: &mut Vec<Out<'py>>,
) -> PyResult<()> {
    let py = text.py();
    let mut fields = match source.fields(row)? {
        Ok(fields) => fields,
        Err(failure) => return source.failed(py, row, None, *failure),
    };
    let before = out.len();
    let mut failure = None;
    source
        .pipeline
        .single()
        .run(py, text.clone(), &mut fields, &mut |outcome, fields| {
            match outcome {
                Outcome::Text(text) => out.push((row, Some(text), fields.clone())),
                Outcome::Rejected { .. } => {}
                Outcome::Failed { step, failure: told } => {
                    failure.get_or_insert((step, told));
                }
            }
            Ok(())
        })?;
    // One failed part takes its record with it, as in a run over files.
    match failure {
        None => Ok(()),
        Some((step, failure)) => {
            out.truncate(before);
            source.failed(py, row, Some(step), *failure)
        }
    }
}

fn value_of<'py>(py: Python<'py>, fields: &Fields, number: u16) -> PyResult<Bound<'py, PyAny>> {
    match fields.iter().rev().find(|(known, _)| *known == number) {
        None | Some((_, Value::Missing)) => Ok(py.None().into_bound(py)),
        Some((_, value)) => values::to_python(py, value),
    }
}

/// The step that cannot do without a field.
fn requiring<'p>(plan: &'p Plan, field: &str) -> Option<&'p str> {
    let mut declarations = plan.steps.iter().map(|planned| planned.step.declaration());
    let required = |declaration: &&Declaration| {
        declaration
            .asks
            .iter()
            .any(|asked| asked.required && asked.name == field)
    };
    declarations.find(required).map(|declaration| declaration.name.as_str())
}

/// The error of a batch that lacks a column for which a step asks.
fn no_field(py: Python<'_>, step: &str, field: &str) -> PyErr {
    let message = format!("The step `{step}` asks for the field `{field}`, and the batch has no such column.");
    let error = ConfigError::new(message).with_hint("Add the column, or a step before it that adds the field.");
    raise(py, error.into())
}

/// The error of a mapping that is one record: its text is iterable, too.
fn one_text(py: Python<'_>, key: &str) -> PyErr {
    let error = PyTypeError::new_err(format!(
        "The column `{key}` of the batch is a `str`, which is one text and not a list of texts."
    ));
    let note = "With `Dataset.map`, pass `batched=True`. `records` takes single records, and `process` a single text.";
    match error.add_note(py, note) {
        Ok(()) => error,
        Err(second) => second,
    }
}

fn no_text(columns: &Bound<'_, PyMapping>, key: &str) -> PyErr {
    let py = columns.py();
    let names: Vec<String> = columns
        .keys()
        .map(|names| names.iter().map(|name| name.to_string()).collect())
        .unwrap_or_default();
    let message = format!(
        "The batch has no column `{key}`, which should hold the text; it has {}.",
        if names.is_empty() {
            "none".to_owned()
        } else {
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        }
    );
    let error = ConfigError::new(message)
        .with_suggestion(nearest(key, names.iter().map(String::as_str)))
        .with_hint("The pipeline's `text` says which column holds the text.");
    raise(py, error.into())
}
