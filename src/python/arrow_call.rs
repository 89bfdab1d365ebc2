//! Calls a step with a column of texts.

use crate::columns;
use crate::error::Failure;
use crate::python::call::{CallContext, CallVerdict, Fields, Stop, call_with_text, missing, no_fields, vectorcall};
use crate::python::column::PyColumn;
use crate::python::many::{ManyStop, Outcomes};
use crate::python::step::PythonStep;
use crate::python::text;
use crate::python::texts::{self, Text};
use crate::record::{FieldType, Value};
use crate::step::{Kind, Step as _};
use arrow_array::{Array, ArrayRef, NullArray, StringViewArray};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

/// What a step made of a record of a column.
#[derive(Debug)]
pub(super) enum ColumnVerdict<'py> {
    /// It goes on with this text.
    Text(Text<'py>),
    /// It is rejected, with this reason.
    Reject(Cow<'static, str>),
    /// It goes on with these values for the fields that the step declared, in their order.
    Annotate(Vec<Value>),
    /// It goes on as the values of a column at these places, at least one, none of which is null.
    Split(Rc<StringViewArray>, Range<usize>),
}

/// The texts of many records, with the fields that a step asks for.
pub(super) struct Columns {
    texts: StringViewArray,
    asked: Vec<ArrayRef>,
}

impl Columns {
    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}

impl PythonStep {
    /// Calls the step with a column of one text.
    pub(super) fn call_with_array_of_one<'py, 'v>(
        &self,
        given: &Bound<'py, PyString>,
        asked: impl Fn(usize) -> &'v Value,
        context: &CallContext<'_>,
    ) -> Result<CallVerdict<'py>, Stop> {
        let py = given.py();
        let alone = Text::Str(given.clone());
        let (columns, failed) = self.columns(&[&alone], &|_, index| asked(index), context);
        if let Some((_, failure)) = failed.into_iter().next() {
            return Err(failure.into());
        }
        let outcomes = self
            .call_arrow(py, &columns, 0..1, context)
            .map_err(|stop| stop.alone(py, context))?;
        let verdict = match outcomes.into_iter().next() {
            Some((_, outcome)) => outcome?,
            None if self.kind() == Kind::Map => return Ok(CallVerdict::Text(given.clone())),
            None => return Ok(CallVerdict::Keep),
        };
        Ok(match verdict {
            ColumnVerdict::Text(mut made) => CallVerdict::Text(made.str(py).clone()),
            ColumnVerdict::Reject(reason) => CallVerdict::Reject(reason),
            ColumnVerdict::Annotate(values) => CallVerdict::Annotate(values),
            ColumnVerdict::Split(column, places) => {
                CallVerdict::Split(places.map(|place| text::new(py, column.value(place))).collect())
            }
        })
    }

    /// The columns to call the step with, and the failures of the records that cannot be in them, by their places.
    pub(super) fn columns<'v>(
        &self,
        texts: &[&Text<'_>],
        asked: &dyn Fn(usize, usize) -> &'v Value,
        context: &CallContext<'_>,
    ) -> (Columns, Vec<(usize, Box<Failure>)>) {
        let asks = &self.declaration().asks;
        let lacks = |record: usize| {
            let mut asks = asks.iter().enumerate();
            asks.find(|(index, field)| field.required && *asked(record, *index) == Value::Missing)
                .map(|(_, field)| (record, missing(&field.name)))
        };
        let mut failed: Vec<_> = if asks.is_empty() {
            Vec::new()
        } else {
            (0..texts.len()).filter_map(lacks).collect()
        };
        let mut kept: Vec<usize> = without(0..texts.len(), &failed);
        let of_kept: Vec<_> = kept.iter().map(|&record| texts[record]).collect();
        let (column, not_written) = texts::column(&of_kept, context.limits);
        if !not_written.is_empty() {
            failed.extend(not_written.into_iter().map(|(place, failure)| (kept[place], failure)));
            failed.sort_by_key(|(record, _)| *record);
            kept = without(0..texts.len(), &failed);
        }
        let field = |index: usize| field_column(kept.iter().map(|&record| asked(record, index)));
        let columns = Columns {
            texts: column,
            asked: (0..asks.len()).map(field).collect(),
        };
        (columns, failed)
    }

    /// Calls the step with some of the records of columns.
    pub(super) fn call_arrow<'py>(
        &self,
        py: Python<'py>,
        columns: &Columns,
        records: Range<usize>,
        context: &CallContext<'_>,
    ) -> Result<Outcomes<ColumnVerdict<'py>>, ManyStop> {
        let slice = |column: &dyn Array| column.slice(records.start, records.len());
        let object = |column: ArrayRef| Bound::new(py, PyColumn(column)).map_err(ManyStop::Raised);
        let texts = columns.texts.slice(records.start, records.len());
        let given = object(Arc::new(texts.clone()))?;
        let callable = self.callable.bind(py);
        let returned = if columns.asked.is_empty() {
            call_with_text(callable, &given).ok_or_else(|| ManyStop::Raised(PyErr::fetch(py)))?
        } else {
            let mut fields: Fields<'py> = no_fields();
            for (slot, column) in fields.iter_mut().zip(&columns.asked) {
                *slot = Some(object(slice(&**column))?.into_any());
            }
            vectorcall(callable, &given, &fields, self.asked_names.bind(py)).map_err(ManyStop::Raised)?
        };
        self.read_arrow(&given, &texts, &returned, context)
    }
}

/// The numbers that have not failed.
fn without(all: Range<usize>, failed: &[(usize, Box<Failure>)]) -> Vec<usize> {
    all.filter(|record| failed.binary_search_by_key(record, |(failed, _)| *failed).is_err())
        .collect()
}

/// A column of the values of a field, in the type that they have; values of several types are written as JSON.
fn field_column<'v>(values: impl Iterator<Item = &'v Value> + Clone) -> ArrayRef {
    const MISSING: &Value = &Value::Missing;
    let mut found: Option<FieldType> = None;
    for value in values.clone() {
        let r#type = match value {
            Value::Missing | Value::Null => continue,
            Value::Boolean(_) => FieldType::Boolean,
            Value::Integer(_) => FieldType::Integer,
            Value::Float(_) => FieldType::Float,
            Value::Text(_) => FieldType::Text,
            Value::Json(_) => FieldType::Json,
        };
        found = Some(match (found, r#type) {
            (None, r#type) => r#type,
            (Some(known), r#type) if known == r#type => known,
            (Some(FieldType::Integer | FieldType::Float), FieldType::Integer | FieldType::Float) => FieldType::Float,
            _ => FieldType::Json,
        });
    }
    let Some(found) = found else {
        return Arc::new(NullArray::new(values.count()));
    };
    let values = values.map(|value| if *value == Value::Null { MISSING } else { value });
    columns::column(found, values)
}
