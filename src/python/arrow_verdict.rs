//! Reads what a step returned for a column of texts: anything with the Arrow PyCapsule interface.
//!
//! What a capsule refers to is read as it is, because nothing can tell whether memory is what it is said to be; but its offsets and its
//! UTF-8 are checked before anything relies on them.

use crate::columns::{Reading, values};
use crate::error::{Failure, FailureKind};
use crate::python::alignment::{array_capsules, stream_capsule};
use crate::python::arrow_call::ColumnVerdict;
use crate::python::call::CallContext;
use crate::python::column::PyColumn;
use crate::python::many::{ManyStop, Outcomes};
use crate::python::step::PythonStep;
use crate::python::texts::Text;
use crate::python::verdict::{NO_PARTS, bad_return, fanout, too_large};
use crate::record::{FieldType, Value};
use crate::step::{Kind, Limits, Step as _};
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, StringViewArray, new_null_array};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field};
use arrow_select::concat::concat;
use arrow_select::take::take;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3_arrow::{PyArray, PyChunkedArray};
use std::rc::Rc;
use std::sync::Arc;

const HINT: &str = "A step that is declared with `arrow=True` gets an Arrow array of texts and returns one with a result for \
                    each, as any object with `__arrow_c_array__` or `__arrow_c_stream__`.";

type Read<'py> = Result<Outcomes<ColumnVerdict<'py>>, ManyStop>;

impl PythonStep {
    /// Reads what the step returned for `given`, which holds these texts.
    pub(super) fn read_arrow<'py>(
        &self,
        given: &Bound<'py, PyColumn>,
        texts: &StringViewArray,
        returned: &Bound<'py, PyAny>,
        context: &CallContext<'_>,
    ) -> Read<'py> {
        if returned.is(given) && self.kind() == Kind::Map {
            return Ok(Vec::new());
        }
        let array = import(returned)?;
        if array.len() != texts.len() {
            let message = format!(
                "Expected an array of length {}, as long as that of the texts, got one of length {}.",
                texts.len(),
                array.len()
            );
            return Err(ManyStop::wrong(message, HINT));
        }
        match self.kind() {
            Kind::Map => read_texts(&array, texts, context.limits),
            Kind::Filter => self.read_decisions(&array),
            Kind::Annotate => self.read_structs(&array),
            Kind::Split => read_lists(&array, context.limits),
        }
    }

    fn read_decisions<'py>(&self, array: &ArrayRef) -> Read<'py> {
        // Libraries give an array that holds nothing but nulls a type of its own, whatever it would hold in company.
        let array = match array.data_type() {
            DataType::Null => &new_null_array(&DataType::Boolean, array.len()),
            _ => array,
        };
        let Some(decisions) = array.as_boolean_opt() else {
            return Err(unexpected("of booleans,", array.data_type()));
        };
        // Who cannot tell does not keep: a null is no `True`.
        let rejected = decisions
            .iter()
            .enumerate()
            .filter(|(_, decision)| *decision != Some(true));
        Ok(rejected
            .map(|(place, _)| (place, Ok(ColumnVerdict::Reject(self.rejection.into()))))
            .collect())
    }

    fn read_structs<'py>(&self, array: &ArrayRef) -> Read<'py> {
        let Some(structs) = array.as_struct_opt() else {
            return Err(unexpected("of structures, or a record batch,", array.data_type()));
        };
        let fields = &self.declaration().fields;
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(column) = structs.column_by_name(&field.name) else {
                let difference = format!("It lacks `{}`.", field.name);
                return Err(ManyStop::Wrong(self.wrong_fields(&difference)));
            };
            let reading = reading(field.r#type, column.data_type()).ok_or_else(|| {
                let message = format!(
                    "Expected {} for the field `{}`, got an array of `{}`.",
                    expected(field.r#type),
                    field.name,
                    column.data_type()
                );
                ManyStop::wrong(message, HINT)
            })?;
            columns.push(values(column, reading));
        }
        if let Some(extra) = structs
            .column_names()
            .iter()
            .find(|name| fields.iter().all(|field| field.name != **name))
        {
            return Err(ManyStop::Wrong(self.wrong_fields(&format!("It has `{extra}` too."))));
        }
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        let row = |row: usize| {
            let declared = fields.iter().zip(&mut columns);
            let values: Vec<_> = declared
                .map(|(field, column)| {
                    let value = column.next().filter(|_| structs.is_valid(row)).unwrap_or(Value::Null);
                    checked(value, &field.name, field.r#type)
                })
                .collect();
            let values: Result<Vec<_>, _> = values.into_iter().collect();
            (row, values.map(ColumnVerdict::Annotate))
        };
        Ok((0..structs.len()).map(row).collect())
    }
}

/// The array that an object stands for.
fn import(returned: &Bound<'_, PyAny>) -> Result<ArrayRef, ManyStop> {
    let py = returned.py();
    let has = |name| returned.hasattr(name).map_err(ManyStop::Raised);
    let array = if has(intern!(py, "__arrow_c_array__"))? {
        let (schema, array) = array_capsules(returned).map_err(ManyStop::Raised)?;
        let array = PyArray::from_arrow_pycapsule(&schema, &array).map_err(ManyStop::Raised)?;
        array.into_inner().0
    } else if has(intern!(py, "__arrow_c_stream__"))? {
        let capsule = stream_capsule(returned).map_err(ManyStop::Raised)?;
        let chunked = PyChunkedArray::from_arrow_pycapsule(&capsule).map_err(ManyStop::Raised)?;
        let (chunks, field) = chunked.into_inner();
        match &chunks[..] {
            [] => arrow_array::new_empty_array(field.data_type()),
            [only] => Arc::clone(only),
            several => {
                let several: Vec<&dyn Array> = several.iter().map(|chunk| &**chunk).collect();
                concat(&several).map_err(|error| damaged(&error))?
            }
        }
    } else {
        return Err(ManyStop::Wrong(bad_return("an Arrow array", returned, Some(HINT))));
    };
    array.to_data().validate_full().map_err(|error| damaged(&error))?;
    Ok(array)
}

#[cold]
fn damaged(error: &ArrowError) -> ManyStop {
    ManyStop::wrong(
        format!("Expected an Arrow array, got one that is damaged: {error}"),
        HINT,
    )
}

#[cold]
fn unexpected(what: &str, found: &DataType) -> ManyStop {
    ManyStop::wrong(format!("Expected an array {what} got one of `{found}`."), HINT)
}

/// The failure of a record for which there is a null.
#[cold]
#[expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]
fn null(expected: &str) -> Box<Failure> {
    Box::new(Failure::new(
        FailureKind::BadReturn,
        format!("Expected {expected}, got null."),
    ))
}

fn is_text(r#type: &DataType) -> bool {
    match r#type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether an array of this type may hold texts: one that holds none but nulls, or nothing at all, has a type of its own.
fn may_be_text(r#type: &DataType) -> bool {
    is_text(r#type) || *r#type == DataType::Null
}

fn as_views(array: &ArrayRef) -> Result<Rc<StringViewArray>, ManyStop> {
    let views = views_of(array).map_err(|error| damaged(&error))?;
    Ok(Rc::new(views.as_string_view().clone()))
}

fn views_of(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return cast(array, &DataType::Utf8View);
    };
    // `cast` takes a null among the values of a dictionary for an empty text.
    take(&views_of(dictionary.values())?, dictionary.keys(), None)
}

fn read_texts<'py>(array: &ArrayRef, texts: &StringViewArray, limits: &Limits) -> Read<'py> {
    if !may_be_text(array.data_type()) {
        return Err(unexpected("of texts,", array.data_type()));
    }
    let made = as_views(array)?;
    let mut outcomes = Vec::new();
    for (place, before) in texts.iter().enumerate() {
        if made.is_null(place) {
            outcomes.push((place, Err(null("a text"))));
            continue;
        }
        let (before, after) = (before.unwrap_or_default(), made.value(place));
        // Most libraries hand on what they do not change, and then nothing needs to be compared.
        if after.len() == before.len() && (std::ptr::eq(after, before) || after == before) {
            continue;
        }
        let outcome = if after.len() > limits.record_bytes {
            Err(too_large(after.len(), limits))
        } else {
            Ok(ColumnVerdict::Text(Text::Value(Rc::clone(&made), place)))
        };
        outcomes.push((place, outcome));
    }
    Ok(outcomes)
}

/// The failure of a record for which there is no list.
#[cold]
#[expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]
fn no_list() -> Box<Failure> {
    null("a list of texts")
}

fn read_lists<'py>(array: &ArrayRef, limits: &Limits) -> Read<'py> {
    let found = array.data_type();
    if *found == DataType::Null {
        return Ok((0..array.len()).map(|place| (place, Err(no_list()))).collect());
    }
    let (DataType::List(item)
    | DataType::LargeList(item)
    | DataType::FixedSizeList(item, _)
    | DataType::ListView(item)
    | DataType::LargeListView(item)) = found
    else {
        return Err(unexpected("of lists of texts,", found));
    };
    if !may_be_text(item.data_type()) {
        return Err(unexpected("of lists of texts,", found));
    }
    if let DataType::FixedSizeList(_, 0) = found {
        // `cast` finds as many lists as there are values for.
        let read = |place: usize| {
            if array.is_null(place) {
                return Err(no_list());
            }
            Ok(ColumnVerdict::Reject(NO_PARTS.into()))
        };
        return Ok((0..array.len()).map(|place| (place, read(place))).collect());
    }
    let item = Field::new("item", item.data_type().clone(), true);
    let lists = cast(array, &DataType::LargeList(Arc::new(item))).map_err(|error| damaged(&error))?;
    let lists = lists.as_list::<i64>();
    let parts = as_views(lists.values())?;
    let read = |place: usize| {
        if lists.is_null(place) {
            return Err(no_list());
        }
        let [first, last] = [place, place + 1].map(|at| lists.value_offsets()[at] as usize);
        if first == last {
            return Ok(ColumnVerdict::Reject(NO_PARTS.into()));
        }
        if last - first > limits.parts {
            return Err(fanout(limits));
        }
        for part in first..last {
            if parts.is_null(part) {
                return Err(null("a text for each part"));
            }
            let length = parts.value(part).len();
            if length > limits.record_bytes {
                return Err(too_large(length, limits));
            }
        }
        Ok(ColumnVerdict::Split(Rc::clone(&parts), first..last))
    };
    Ok((0..lists.len()).map(|place| (place, read(place))).collect())
}

/// What a field of a declared type may be an array of.
fn expected(declared: FieldType) -> &'static str {
    match declared {
        FieldType::Text => "an array of texts",
        FieldType::Integer => "an array of integers",
        FieldType::Float => "an array of numbers",
        FieldType::Boolean => "an array of booleans",
        FieldType::Json => "an array of what JSON can say",
    }
}

/// How a column is read that a step returned for a field; `None` where its type does not fit.
fn reading(declared: FieldType, found: &DataType) -> Option<Reading> {
    let reading = Reading::of(found)?;
    let fits = match declared {
        FieldType::Text => is_text(found),
        FieldType::Integer => reading == Reading::Integer || *found == DataType::UInt64,
        FieldType::Float => matches!(reading, Reading::Integer | Reading::Float) || *found == DataType::UInt64,
        FieldType::Boolean => reading == Reading::Boolean,
        FieldType::Json => true,
    };
    (fits || *found == DataType::Null).then_some(reading)
}

/// A value as the field must have it, or why it cannot be kept.
fn checked(value: Value, name: &str, declared: FieldType) -> Result<Value, Box<Failure>> {
    let number = |message: String| Err(Box::new(Failure::new(FailureKind::Number, message)));
    match (declared, value) {
        (FieldType::Json | FieldType::Float, Value::Float(float)) if !float.is_finite() => number(format!(
            "The number for the field `{name}` is not finite, and JSON cannot say it."
        )),
        (FieldType::Json, value) => Ok(value),
        (_, Value::Null | Value::Missing) => Err(null(&format!(
            "{} without nulls for the field `{name}`",
            expected(declared)
        ))),
        (FieldType::Float, Value::Integer(integer)) => Ok(Value::Float(integer as f64)),
        (FieldType::Integer | FieldType::Float, Value::Json(_)) => number(format!(
            "The integer for the field `{name}` does not fit 64 bits, so it cannot be kept as it is."
        )),
        (_, value) => Ok(value),
    }
}
