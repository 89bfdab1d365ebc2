//! Calls one step with one text: the core of the single-string path and of segments alike. `list_call` and
//! `arrow_call` call one with many.

use crate::error::{Failure, FailureKind, Interrupt};
use crate::python::failure::stop_of;
use crate::python::step::PythonStep;
use crate::python::verdict::{read_parts, read_text};
use crate::python::{text, values};
use crate::record::Value;
use crate::step::{CalledWith, Kind, Limits};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::borrow::Cow;

/// The most fields a step can ask for: they are passed on the stack. `_contract.py` says the same number.
const MOST_ASKED: usize = 16;

/// What a step made of a text.
#[derive(Debug)]
pub(crate) enum CallVerdict<'py> {
    /// The record goes on with this text: exactly a `str`. It is the very object that was passed if the step returned it.
    Text(Bound<'py, PyString>),
    /// The record goes on as it is.
    Keep,
    /// The record is rejected, with this reason.
    Reject(Cow<'static, str>),
    /// The record goes on with these values for the fields that the step declared, in their order.
    Annotate(Vec<Value>),
    /// The record goes on as these texts, at least one: exactly `str`, each.
    Split(Vec<Bound<'py, PyString>>),
}

/// Why a step has no verdict.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The record failed.
    Failed(Box<Failure>),
    /// The run is to stop: somebody pressed Ctrl-C while the step ran.
    Interrupted(Interrupt),
}

impl From<Box<Failure>> for Stop {
    fn from(failure: Box<Failure>) -> Self {
        Self::Failed(failure)
    }
}

/// What a call needs to know of its run.
pub(crate) struct CallContext<'c> {
    /// The limits on what steps may make.
    pub(crate) limits: &'c Limits,
    /// Whether a real signal arrived, which tells a Ctrl-C from a `KeyboardInterrupt` that a plugin raised by itself.
    pub(crate) interrupted: &'c dyn Fn() -> bool,
}

impl PythonStep {
    /// Whether the step makes a text of a text and asks for nothing else, so that [`PythonStep::map`] will do.
    pub(crate) fn only_maps(&self) -> bool {
        self.only_maps
    }

    /// Calls a step that [only maps](PythonStep::only_maps) with a text. The text that it made is exactly a `str`, and the very
    /// object that was passed if the step returned it. The caller has taken the step's turn.
    #[inline]
    pub(crate) fn map<'py>(
        &self,
        text: &Bound<'py, PyString>,
        context: &CallContext<'_>,
    ) -> Result<Bound<'py, PyString>, Stop> {
        let py = text.py();
        let Some(returned) = call_with_text(self.callable.bind(py), text) else {
            return Err(raised(py, context));
        };
        let returned = match returned.cast_into_exact::<PyString>() {
            Ok(made) if text::ascii(&made).is_some_and(|made| made.len() <= context.limits.record_bytes) => {
                return Ok(made);
            }
            Ok(made) => made.into_any(),
            Err(other) => other.into_inner(),
        };
        read_text(text, returned, context.limits).map_err(Stop::Failed)
    }

    /// Calls the step with a text, and with the fields it asks for: `asked` returns the value of each by its index in
    /// the step's declaration. The caller has taken the step's turn. A step that takes many texts gets one of them.
    ///
    /// Lengths are checked in characters here, which is enough to keep a huge text from being copied; [`super::verdict::utf8`]
    /// checks bytes when the text is read.
    pub(crate) fn call<'py, 'v>(
        &self,
        text: &Bound<'py, PyString>,
        asked: impl Fn(usize) -> &'v Value,
        context: &CallContext<'_>,
    ) -> Result<CallVerdict<'py>, Stop> {
        let py = text.py();
        if self.only_maps {
            return self.map(text, context).map(CallVerdict::Text);
        }
        match self.called_with() {
            CalledWith::Text => {}
            CalledWith::List => return self.call_with_list_of_one(text, asked, context),
            CalledWith::Arrow => return self.call_with_array_of_one(text, asked, context),
        }
        let callable = self.callable.bind(py);
        let returned = if self.declaration_asks() == 0 {
            call_with_text(callable, text).ok_or_else(|| raised(py, context))?
        } else {
            let returned = self.call_with_fields(callable, text, asked)?;
            returned.map_err(|error| stop_of(py, error, context))?
        };
        match self.kind() {
            Kind::Map => read_text(text, returned, context.limits)
                .map(CallVerdict::Text)
                .map_err(Stop::Failed),
            Kind::Filter => self.read_decision(&returned).map_err(Stop::Failed),
            Kind::Annotate => self.read_fields(&returned, context),
            Kind::Split => read_parts(&returned, context),
        }
    }

    pub(super) fn declaration_asks(&self) -> usize {
        use crate::step::Step as _;
        self.declaration().asks.len()
    }

    pub(super) fn kind(&self) -> Kind {
        use crate::step::Step as _;
        self.declaration().kind
    }

    /// Calls with the fields that the record has, by name. Fields that it lacks are left to the step's own defaults.
    fn call_with_fields<'py, 'v>(
        &self,
        callable: &Bound<'py, PyAny>,
        text: &Bound<'py, PyString>,
        asked: impl Fn(usize) -> &'v Value,
    ) -> Result<PyResult<Bound<'py, PyAny>>, Box<Failure>> {
        use crate::step::Step as _;
        let py = text.py();
        let asks = &self.declaration().asks;
        let mut fields = no_fields();
        let mut present = 0;
        for (index, (field, slot)) in asks.iter().zip(&mut fields).enumerate() {
            match asked(index) {
                Value::Missing if field.required => return Err(missing(&field.name)),
                Value::Missing => {}
                value => {
                    *slot = Some(values::asked_to_python(py, &field.name, value)?);
                    present += 1;
                }
            }
        }
        if present == 0 {
            return Ok(callable.call1((text,)));
        }
        let all = self.asked_names.bind(py);
        let names = if present == asks.len() {
            all.clone()
        } else {
            let some = all
                .iter_borrowed()
                .zip(&fields)
                .filter(|(_, field)| field.is_some())
                .map(|(name, _)| name.to_owned())
                .collect::<Vec<_>>();
            match PyTuple::new(py, some) {
                Ok(names) => names,
                Err(error) => return Ok(Err(error)),
            }
        };
        Ok(vectorcall(callable, text, &fields, &names))
    }
}

/// The values of the fields that a step asks for.
pub(super) type Fields<'py> = [Option<Bound<'py, PyAny>>; MOST_ASKED];

/// The values of the fields that a step asks for, before there are any.
pub(super) fn no_fields<'py>() -> Fields<'py> {
    [const { None }; MOST_ASKED]
}

/// The failure of a record that lacks a field.
#[cold]
#[expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]
pub(super) fn missing(field: &str) -> Box<Failure> {
    Box::new(Failure::new(
        FailureKind::MissingField,
        format!("The record has no field `{field}` that could be given to the step, which asks for it."),
    ))
}

/// What a step just raised.
#[cold]
fn raised(py: Python<'_>, context: &CallContext<'_>) -> Stop {
    stop_of(py, PyErr::fetch(py), context)
}

/// Calls with the text, or the list of texts, alone. `None`: it raised, and the exception is set.
#[inline]
#[expect(
    unsafe_code,
    reason = "PyO3 returns the exception in a value that takes longer to move about than the call has time"
)]
pub(super) fn call_with_text<'py, T>(callable: &Bound<'py, PyAny>, text: &Bound<'py, T>) -> Option<Bound<'py, PyAny>> {
    // The first slot is the callee's to use, as `PY_VECTORCALL_ARGUMENTS_OFFSET` promises.
    let mut arguments = [std::ptr::null_mut(), text.as_ptr()];
    // SAFETY: The thread is attached, and the one argument is borrowed from a value that lives until the call has returned.
    // The call returns a new reference, or null with an exception set.
    unsafe {
        let returned = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            arguments.as_mut_ptr().add(1).cast_const(),
            1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            std::ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_opt(callable.py(), returned)
    }
}

/// Calls with the text, or the list of texts, by position and with fields by name. `pyo3` has no call by name without a dictionary.
#[expect(unsafe_code, reason = "a dictionary would be made for each record")]
pub(super) fn vectorcall<'py, T>(
    callable: &Bound<'py, PyAny>,
    text: &Bound<'py, T>,
    fields: &Fields<'py>,
    names: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    // The first slot is the callee's to use, as `PY_VECTORCALL_ARGUMENTS_OFFSET` promises.
    let mut arguments = [std::ptr::null_mut::<ffi::PyObject>(); MOST_ASKED + 2];
    arguments[1] = text.as_ptr();
    for (slot, field) in arguments[2..].iter_mut().zip(fields.iter().flatten()) {
        *slot = field.as_ptr();
    }
    // SAFETY: The thread is attached. `arguments[1..]` holds one positional argument and then as many more as `names` (a
    // tuple of `str`) has entries; all are borrowed from values that live until the call has returned. The call returns a
    // new reference, or null with an exception set, which `from_owned_ptr_or_err` takes over.
    unsafe {
        let returned = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            arguments.as_mut_ptr().add(1).cast_const(),
            1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            names.as_ptr(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), returned)
    }
}
