//! Calls one step with one text: the core of the single-string path and of segments alike.

use crate::error::{Failure, FailureKind, Interrupt};
use crate::python::failure::stop_of;
use crate::python::step::PythonStep;
use crate::python::values;
use crate::python::verdict::{read_parts, read_text};
use crate::record::Value;
use crate::step::{Kind, Limits};
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
    /// Calls the step with a text, and with the fields it asks for: `asked` returns the value of each by its index in
    /// the step's declaration. The caller has taken the step's turn.
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
        let callable = self.callable.bind(py);
        let returned = if self.declaration_asks() == 0 {
            callable.call1((text,))
        } else {
            self.call_with_fields(callable, text, asked)?
        };
        let returned = returned.map_err(|error| stop_of(py, error, context))?;
        match self.kind() {
            // What needs no reading is told apart here, where no larger verdict has to be moved for it.
            Kind::Map if returned.is(text) => Ok(CallVerdict::Text(text.clone())),
            Kind::Map => read_text(text, returned, context.limits).map_err(Stop::Failed),
            Kind::Filter => self.read_decision(&returned).map_err(Stop::Failed),
            Kind::Annotate => self.read_fields(&returned, context),
            Kind::Split => read_parts(&returned, context),
        }
    }

    fn declaration_asks(&self) -> usize {
        use crate::step::Step as _;
        self.declaration().asks.len()
    }

    fn kind(&self) -> Kind {
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
        let mut fields: [Option<Bound<'py, PyAny>>; MOST_ASKED] = [const { None }; MOST_ASKED];
        let mut present = 0;
        for (index, (field, slot)) in asks.iter().zip(&mut fields).enumerate() {
            match asked(index) {
                Value::Missing if field.required => {
                    return Err(Box::new(Failure::new(
                        FailureKind::MissingField,
                        format!("The record has no field `{}`, and the step asks for it.", field.name),
                    )));
                }
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

/// Calls with the text by position and with fields by name. `pyo3` has no call by name without a dictionary.
#[expect(unsafe_code, reason = "a dictionary would be made for each record")]
fn vectorcall<'py>(
    callable: &Bound<'py, PyAny>,
    text: &Bound<'py, PyString>,
    fields: &[Option<Bound<'py, PyAny>>; MOST_ASKED],
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
