//! Reads what a step returned. Nothing a step returns is trusted: no method of it is called where its bytes will do.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]

use crate::error::{Failure, FailureKind};
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::failure::stop_of;
use crate::python::names;
use crate::python::step::PythonStep;
use crate::python::text::{self, Characters};
use crate::python::values::{from_python, surrogate, type_name};
use crate::simd::transcode::Surrogate;
use crate::step::{Limits, Step};
use pyo3::prelude::*;
use pyo3::types::{PyAnyMethods, PyBool, PyByteArray, PyBytes, PyDict, PyString};

/// The reason for a split that returned no part: a record never vanishes.
pub(super) const NO_PARTS: &str = "no_parts";

/// The text of a `str` that a step made, which keeps a copy of it. This is where UTF-8 is needed, so surrogates are found
/// here.
pub(crate) fn utf8<'t>(text: &'t Bound<'_, PyString>, limits: &Limits) -> Result<&'t str, Box<Failure>> {
    let text = text.to_str().map_err(|_| made_surrogate())?;
    within(text.len(), limits)?;
    Ok(text)
}

/// Appends the text of a `str` that a step made, which keeps no copy of it. A string to which it could not be appended
/// may hold a part of it.
pub(crate) fn append(text: &Bound<'_, PyString>, limits: &Limits, out: &mut String) -> Result<(), Box<Failure>> {
    let before = out.len();
    let pushed = characters(text)?.push_to(out);
    pushed.map_err(|Surrogate| made_surrogate())?;
    within(out.len() - before, limits)
}

/// What [`append`] checks, of a text that Python keeps: that it could be written. Its bytes are counted only where it is
/// so long that they may be too many.
#[inline]
pub(crate) fn check(text: &Bound<'_, PyString>, limits: &Limits) -> Result<(), Box<Failure>> {
    if text::ascii(text).is_some_and(|text| text.len() <= limits.record_bytes) {
        return Ok(());
    }
    check_characters(text, limits)
}

fn check_characters(text: &Bound<'_, PyString>, limits: &Limits) -> Result<(), Box<Failure>> {
    const MOST_BYTES: usize = char::MAX.len_utf8();
    let characters = characters(text)?;
    if characters.has_surrogate() {
        return Err(made_surrogate());
    }
    if text::length(text) > limits.record_bytes / MOST_BYTES {
        within(characters.utf8_length(), limits)?;
    }
    Ok(())
}

fn characters<'t>(text: &'t Bound<'_, PyString>) -> Result<Characters<'t>, Box<Failure>> {
    text::characters(text).map_err(|error| super::failure::failure_of(text.py(), error))
}

fn within(length: usize, limits: &Limits) -> Result<(), Box<Failure>> {
    if length > limits.record_bytes {
        return Err(too_large(length, limits));
    }
    Ok(())
}

#[cold]
fn made_surrogate() -> Box<Failure> {
    surrogate("The text that the step returned")
}

/// Reads what a step of kind `map` returned: the very object that it was given, or exactly a `str`.
pub(super) fn read_text<'py>(
    given: &Bound<'py, PyString>,
    returned: Bound<'py, PyAny>,
    limits: &Limits,
) -> Result<Bound<'py, PyString>, Box<Failure>> {
    if returned.is(given) {
        return Ok(given.clone());
    }
    match exact_text(returned, limits)? {
        Ok(text) => Ok(text),
        Err(returned) => Err(bad_return("`str`", &returned, hint_for_map(&returned))),
    }
}

impl PythonStep {
    pub(super) fn read_decision<'py>(&self, returned: &Bound<'py, PyAny>) -> Result<CallVerdict<'py>, Box<Failure>> {
        let py = returned.py();
        if let Ok(decision) = returned.cast_exact::<PyBool>() {
            return Ok(self.decided(decision.is_true()));
        }
        if returned.is_none() {
            return Ok(self.decided(false));
        }
        let reject = names::REJECT
            .get(py)
            .is_ok_and(|class| returned.is_instance(class).unwrap_or(false));
        if reject {
            let reason = returned
                .getattr(pyo3::intern!(py, "reason"))
                .ok()
                .and_then(|reason| reason.cast_into::<PyString>().ok());
            return match reason.as_ref().map(|reason| utf8(reason, &REASON_LIMITS)) {
                Some(Ok(reason)) => Ok(CallVerdict::Reject(reason.to_owned().into())),
                _ => Err(bad_return(
                    "`Reject` with a short reason",
                    returned,
                    Some("The reason is a short, stable word such as `too_short`; reports count records by it."),
                )),
            };
        }
        // NumPy's own truth values are extracted too, but whatever merely has a truth value is not a decision.
        match returned.extract::<bool>() {
            Ok(decision) => Ok(self.decided(decision)),
            Err(_) => Err(bad_return(
                "`bool` or `Reject`",
                returned,
                Some("A filter returns `True` to keep a text, and `False` or `Reject(\"reason\")` to reject it."),
            )),
        }
    }

    fn decided<'py>(&self, keep: bool) -> CallVerdict<'py> {
        if keep {
            CallVerdict::Keep
        } else {
            CallVerdict::Reject(self.rejection.into())
        }
    }

    pub(super) fn read_fields<'py>(
        &self,
        returned: &Bound<'py, PyAny>,
        context: &CallContext<'_>,
    ) -> Result<CallVerdict<'py>, Stop> {
        let py = returned.py();
        let Some(entries) = entries_of(returned).map_err(|error| stop_of(py, error, context))? else {
            let hint = format!(
                "A step of kind `annotate` returns the fields it declares: {}.",
                self.declared()
            );
            return Err(bad_return("`dict`", returned, Some(&hint)).into());
        };
        let mut values = Vec::with_capacity(self.field_names.len());
        for (field, name) in self.declaration().fields.iter().zip(&self.field_names) {
            let value = entries.get_item(name).map_err(|error| stop_of(py, error, context))?;
            let Some(value) = value else {
                return Err(self.wrong_fields(&format!("It lacks `{}`.", field.name)).into());
            };
            values.push(from_python(&value, &field.name, field.r#type)?);
        }
        if entries.len() > values.len() {
            return Err(self.too_many_fields(&entries).into());
        }
        Ok(CallVerdict::Annotate(values))
    }

    /// The failure of a step that returned more fields than it declares.
    #[cold]
    pub(super) fn too_many_fields(&self, entries: &Bound<'_, PyDict>) -> Box<Failure> {
        let is_declared = |key: &Bound<'_, PyAny>| {
            let mut fields = self.declaration().fields.iter();
            fields.any(|field| key.eq(&field.name).unwrap_or(false))
        };
        let extra = entries.keys().iter().find(|key| !is_declared(key));
        let extra = extra.map(|key| key_text(&key)).unwrap_or_default();
        self.wrong_fields(&format!("It has `{extra}` too."))
    }

    pub(super) fn wrong_fields(&self, difference: &str) -> Box<Failure> {
        Box::new(Failure::new(
            FailureKind::BadReturn,
            format!(
                "Expected a `dict` with exactly the declared fields {}. {difference}",
                self.declared()
            ),
        ))
    }

    pub(super) fn declared(&self) -> String {
        let names: Vec<_> = self
            .declaration()
            .fields
            .iter()
            .map(|field| format!("`{}`", field.name))
            .collect();
        names.join(", ")
    }
}

/// What a mapping holds: the `dict` itself, or a copy of another mapping; `None` for what is no mapping.
pub(super) fn entries_of<'py>(returned: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = returned.py();
    if let Ok(entries) = returned.cast::<PyDict>() {
        return Ok(Some(entries.clone()));
    }
    if !returned.is_instance(names::MAPPING.get(py)?).unwrap_or(false) {
        return Ok(None);
    }
    let copied = PyDict::new(py);
    copied.call_method1(pyo3::intern!(py, "update"), (returned,))?;
    Ok(Some(copied))
}

/// Reads what a step of kind `split` returned.
pub(super) fn read_parts<'py>(
    returned: &Bound<'py, PyAny>,
    context: &CallContext<'_>,
) -> Result<CallVerdict<'py>, Stop> {
    let py = returned.py();
    let lone = returned.is_instance_of::<PyString>()
        || returned.is_instance_of::<PyBytes>()
        || returned.is_instance_of::<PyByteArray>()
        || returned.is_instance_of::<PyDict>();
    if lone {
        let hint = "To pass a text on whole, return a list of one: `[text]`.";
        return Err(bad_return("an iterable of `str`", returned, Some(hint)).into());
    }
    let Ok(iterator) = returned.try_iter() else {
        return Err(bad_return("an iterable of `str`", returned, hint_for_map(returned)).into());
    };
    let mut parts = Vec::new();
    for item in iterator {
        let item = match item {
            Ok(item) => item,
            Err(error) => return Err(stop_of(py, error, context)),
        };
        if parts.len() == context.limits.parts {
            close(returned);
            return Err(fanout(context.limits).into());
        }
        match exact_text(item, context.limits) {
            Ok(Ok(part)) => parts.push(part),
            Ok(Err(item)) => {
                close(returned);
                let message = format!(
                    "Expected `str` for each part, got `{}` for part {}.",
                    type_name(&item),
                    parts.len()
                );
                return Err(Box::new(Failure::new(FailureKind::BadReturn, message)).into());
            }
            Err(failure) => {
                close(returned);
                return Err(failure.into());
            }
        }
    }
    if parts.is_empty() {
        return Ok(CallVerdict::Reject(NO_PARTS.into()));
    }
    Ok(CallVerdict::Split(parts))
}

/// A reason is a word, not a text.
const REASON_LIMITS: Limits = Limits {
    record_bytes: 200,
    parts: 1,
    json_depth: 1,
    expansion: None,
    window: 0,
};

/// The object as exactly a `str`, or the object itself if it is none. A subclass (`numpy` has one) is copied by its
/// characters: its methods may be anything. A text that is too long is refused before it is copied.
fn exact_text<'py>(
    returned: Bound<'py, PyAny>,
    limits: &Limits,
) -> Result<Result<Bound<'py, PyString>, Bound<'py, PyAny>>, Box<Failure>> {
    let text = match returned.cast_into::<PyString>() {
        Ok(text) => text,
        Err(other) => return Ok(Err(other.into_inner())),
    };
    let characters = text::length(&text);
    if characters > limits.record_bytes {
        return Err(too_large(characters, limits));
    }
    if text.is_exact_instance_of::<PyString>() {
        return Ok(Ok(text));
    }
    text::exact(&text)
        .map(Ok)
        .map_err(|error| super::failure::failure_of(text.py(), error))
}

pub(super) fn too_large(length: usize, limits: &Limits) -> Box<Failure> {
    Box::new(Failure::new(
        FailureKind::OutputTooLarge,
        format!(
            "The step made a text of at least {length} bytes, and the limit is {} bytes.",
            limits.record_bytes
        ),
    ))
}

pub(super) fn fanout(limits: &Limits) -> Box<Failure> {
    Box::new(Failure::new(
        FailureKind::Fanout,
        format!(
            "The step made more than {} parts of one record, which is the limit.",
            limits.parts
        ),
    ))
}

#[cold]
pub(super) fn bad_return(expected: &str, returned: &Bound<'_, PyAny>, hint: Option<&str>) -> Box<Failure> {
    let message = format!("Expected {expected}, got `{}`.", type_name(returned));
    close(returned);
    let failure = Failure::new(FailureKind::BadReturn, message);
    Box::new(match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    })
}

fn hint_for_map(returned: &Bound<'_, PyAny>) -> Option<&'static str> {
    if returned.is_none() {
        return Some("A step returns its result; a function without `return` returns `None`.");
    }
    match type_name(returned).as_str() {
        "coroutine" => Some("The step is called, not awaited: it must not be an async function."),
        "generator" => Some("Only a step of kind `split` may yield."),
        "bytes" | "bytearray" => Some("Decode the bytes: `data.decode(\"utf-8\")`."),
        "bool" | "text_processor._plugin.Reject" => {
            Some("A step that keeps or rejects declares `@plugin(kind=\"filter\")`.")
        }
        "dict" => Some("A step that adds fields declares `@plugin(kind=\"annotate\", fields={…})`."),
        "list" | "tuple" => Some("A step that makes many texts of one declares `@plugin(kind=\"split\")`."),
        _ => None,
    }
}

/// Closes a coroutine or a generator that nobody will finish, which keeps Python from warning about it.
fn close(returned: &Bound<'_, PyAny>) {
    if matches!(type_name(returned).as_str(), "coroutine" | "generator")
        && let Err(error) = returned.call_method0(pyo3::intern!(returned.py(), "close"))
    {
        error.write_unraisable(returned.py(), Some(returned));
    }
}

fn key_text(key: &Bound<'_, PyAny>) -> String {
    match key.cast::<PyString>() {
        Ok(name) => crate::error::shorten(name.to_string_lossy().into_owned(), 100),
        Err(_) => type_name(key),
    }
}
