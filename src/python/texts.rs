//! The text of a record between steps: a `str`, or a value of a column, whichever the last step has made.

use crate::error::Failure;
use crate::python::text;
use crate::python::verdict::append;
use crate::step::Limits;
use arrow_array::builder::StringViewBuilder;
use arrow_array::{Array, ArrayRef, StringViewArray, UInt32Array};
use arrow_select::take::take;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::rc::Rc;

/// The text of a record.
#[derive(Debug, Clone)]
pub(super) enum Text<'py> {
    /// Exactly a `str`.
    Str(Bound<'py, PyString>),
    /// The value of a column at this place, which is not null.
    Value(Rc<StringViewArray>, usize),
}

impl<'py> Text<'py> {
    /// The text as a `str`, which stays it from now on.
    pub(super) fn str(&mut self, py: Python<'py>) -> &Bound<'py, PyString> {
        if let Self::Value(column, place) = self {
            *self = Self::Str(text::new(py, column.value(*place)));
        }
        match self {
            Self::Str(text) => text,
            Self::Value(..) => unreachable!("it was made a `str`"),
        }
    }

    /// How long it is, at the least, in bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Str(text) => text::length(text),
            Self::Value(column, place) => column.value(*place).len(),
        }
    }

    /// Whether it is the very same object.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Str(one), Self::Str(other)) => one.is(other),
            (Self::Value(one, place), Self::Value(other, there)) => Rc::ptr_eq(one, other) && place == there,
            _ => false,
        }
    }
}

/// A column of texts, without copying them if they are values of one column already. Texts that are none are left out, and
/// returned with their places.
pub(super) fn column(texts: &[&Text<'_>], limits: &Limits) -> (StringViewArray, Vec<(usize, Box<Failure>)>) {
    if let Some(column) = part_of_one(texts) {
        return (column, Vec::new());
    }
    let mut column = StringViewBuilder::with_capacity(texts.len());
    let mut failed = Vec::new();
    let mut written = String::new();
    for (place, text) in texts.iter().enumerate() {
        match text {
            Text::Str(text) => {
                written.clear();
                match append(text, limits, &mut written) {
                    Ok(()) => column.append_value(&written),
                    Err(failure) => failed.push((place, failure)),
                }
            }
            Text::Value(other, there) => column.append_value(other.value(*there)),
        }
    }
    (column.finish(), failed)
}

/// The column that holds just these texts, if they are all values of one, in its order.
fn part_of_one(texts: &[&Text<'_>]) -> Option<StringViewArray> {
    let Text::Value(column, _) = texts.first()? else {
        return None;
    };
    let place = |text: &&Text<'_>| match text {
        Text::Value(other, place) if Rc::ptr_eq(column, other) => Some(*place as u32),
        _ => None,
    };
    let places: Vec<u32> = texts.iter().map(place).collect::<Option<_>>()?;
    let (first, last) = (*places.first()?, *places.last()?);
    if places.is_sorted() && (last - first) as usize + 1 == places.len() {
        return Some(column.slice(first as usize, places.len()));
    }
    let whole: &dyn Array = &**column;
    let taken: ArrayRef = take(whole, &UInt32Array::from(places), None).ok()?;
    taken.as_any().downcast_ref::<StringViewArray>().cloned()
}
