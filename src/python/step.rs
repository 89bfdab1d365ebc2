//! A step that Python executes.

use crate::error::{Failure, FailureKind};
use crate::python::call::{CallContext, CallVerdict, Stop};
use crate::python::names;
use crate::python::turn::{ThreadNumber, Turn, Turns};
use crate::python::verdict::utf8;
use crate::record::Value;
use crate::step::{CalledWith, Configuration, Declaration, Kind, Limits, Scratch, Step, Verdict};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

/// A Python callable that has been checked, configured and bound.
pub(crate) struct PythonStep {
    declaration: Declaration,
    configuration: Configuration,
    /// The function, or the instance that was made of the class.
    object: Py<PyAny>,
    /// What the caller passed, for a step that is no plugin.
    given: Option<Py<PyAny>>,
    /// What is called with each text: the object, or its method `__call__`, bound once.
    pub(super) callable: Py<PyAny>,
    /// Whether it makes a text of a text and asks for nothing else.
    pub(super) only_maps: bool,
    /// What stands in a list for a field that a record lacks, for each field it asks for; `None` where that is a failure.
    pub(super) defaults: Vec<Option<Py<PyAny>>>,
    /// Whether somebody was told that it does not return as many results as it gets texts.
    pub(super) has_complained: AtomicBool,
    /// The names of the fields it asks for, which are passed by name.
    pub(super) asked_names: Py<PyTuple>,
    /// The names of the fields it adds.
    pub(super) field_names: Vec<Py<PyString>>,
    /// The reason for a text that a filter drops without one.
    pub(super) rejection: &'static str,
    /// Whether the engine made the object, and so ends its life too.
    owned: bool,
    /// Lets one thread at a time call it; `None` for a step that declares itself safe.
    turns: Option<Turns>,
}

/// What [`PythonStep::new`] binds.
pub(super) struct Parts<'py> {
    pub(super) declaration: Declaration,
    pub(super) configuration: Configuration,
    pub(super) object: Bound<'py, PyAny>,
    pub(super) given: Option<Bound<'py, PyAny>>,
    pub(super) defaults: Vec<Option<Py<PyAny>>>,
    pub(super) owned: bool,
    pub(super) thread_safe: bool,
    pub(super) rejection: String,
}

impl PythonStep {
    /// Binds what is called for each record, so that no name is looked up there.
    pub(super) fn new(py: Python<'_>, parts: Parts<'_>) -> PyResult<Self> {
        let Parts {
            declaration,
            configuration,
            object,
            given,
            defaults,
            owned,
            thread_safe,
            rejection,
        } = parts;
        let method = object.getattr("__call__")?;
        let callable = if method.is_exact_instance(names::METHOD_TYPE.get(py)?)
            && !object.is_exact_instance(names::METHOD_TYPE.get(py)?)
        {
            method
        } else {
            // Functions and everything written in C are quickest as they are.
            object.clone()
        };
        let asked_names = PyTuple::new(
            py,
            declaration.asks.iter().map(|asked| PyString::intern(py, &asked.name)),
        )?;
        let field_names = declaration
            .fields
            .iter()
            .map(|field| PyString::intern(py, &field.name).unbind())
            .collect();
        let turns = (!thread_safe).then(Turns::default);
        let takes_one = declaration.called_with == CalledWith::Text;
        let only_maps = declaration.kind == Kind::Map && declaration.asks.is_empty() && takes_one;
        Ok(Self {
            only_maps,
            defaults,
            has_complained: AtomicBool::new(false),
            declaration,
            configuration,
            object: object.unbind(),
            given: given.map(Bound::unbind),
            callable: callable.unbind(),
            asked_names: asked_names.unbind(),
            field_names,
            rejection: lasting(&rejection),
            owned,
            turns,
        })
    }

    /// What it is called with.
    pub(super) fn called_with(&self) -> CalledWith {
        self.declaration.called_with
    }

    /// What the caller passed, for a step that is no plugin.
    pub(super) fn given(&self) -> Option<&Py<PyAny>> {
        self.given.as_ref()
    }

    /// Takes the turn to call the step, until it is dropped; a step that declares itself safe needs none. Whoever calls a
    /// step takes its turn first: once for all the records of a batch.
    pub(super) fn turn<'t>(&'t self, py: Python<'t>) -> Option<Turn<'t>> {
        self.turn_of(py, ThreadNumber::mine())
    }

    /// Takes the turn for this thread, whose number the caller has looked up: once for all steps of a single text.
    pub(super) fn turn_of<'t>(&'t self, py: Python<'t>, me: ThreadNumber) -> Option<Turn<'t>> {
        self.turns.as_ref().map(|turns| turns.take(py, me))
    }
}

/// A reason that lives as long as the process, so that rejecting a record allocates nothing. There are as many as there
/// are names of steps.
fn lasting(reason: &str) -> &'static str {
    static REASONS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut reasons = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    let reasons = reasons.get_or_insert_default();
    if let Some(known) = reasons.get(reason) {
        return known;
    }
    let kept: &'static str = Box::leak(reason.into());
    reasons.insert(kept);
    kept
}

impl Step for PythonStep {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        self.configuration.clone()
    }

    fn files_fingerprint(&self) -> Option<String> {
        let origin = self.declaration.origin.as_ref();
        let module = origin.map_or("", |origin| origin.entry_point.split(':').next().unwrap_or_default());
        // Where nothing can be said, nothing is compared; an exception says no more than that.
        let fingerprint = Python::attach(|py| -> PyResult<Option<String>> {
            let fingerprint = names::FILES_FINGERPRINT.get(py)?;
            fingerprint.call1((&self.object, module))?.extract()
        });
        fingerprint.ok().flatten()
    }

    /// Attaches for one text: for `trace` and for steps that run alone. Segments attach once per batch instead.
    fn apply<'t>(&self, text: &'t str, asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        let Scratch { text: written, cancel } = scratch;
        Python::attach(|py| {
            let _turn = self.turn(py);
            let limits = Limits::default();
            let context = CallContext {
                limits: &limits,
                interrupted: &|| cancel.is_cancelled(),
            };
            let given = PyString::new(py, text);
            match self.call(&given, |index| &asked[index], &context) {
                Ok(CallVerdict::Text(made)) if made.is(&given) => Ok(Verdict::Text(text)),
                Ok(CallVerdict::Text(made)) => {
                    written.push_str(utf8(&made, &limits).map_err(|failure| *failure)?);
                    Ok(Verdict::Text(written.as_str()))
                }
                Ok(CallVerdict::Keep) => Ok(Verdict::Keep),
                Ok(CallVerdict::Reject(reason)) => Ok(Verdict::Reject(reason)),
                Ok(CallVerdict::Annotate(values)) => Ok(Verdict::Annotate(values)),
                Ok(CallVerdict::Split(parts)) => parts
                    .iter()
                    .map(|part| utf8(part, &limits).map(str::to_owned))
                    .collect::<Result<_, _>>()
                    .map(Verdict::Split)
                    .map_err(|failure| *failure),
                Err(Stop::Failed(failure)) => Err(*failure),
                Err(Stop::Interrupted(interrupt)) => Err(Failure::new(FailureKind::StepError, interrupt.to_string())),
            }
        })
    }
}

impl Drop for PythonStep {
    /// Closes what the engine made, if it can be closed. When the interpreter is shutting down nothing can be called any more.
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        Python::try_attach(|py| {
            // A pipeline may be let go while an exception makes its way up, which must not get lost.
            let raised = PyErr::take(py);
            let object = self.object.bind(py);
            let closed = match object.getattr_opt(pyo3::intern!(py, "close")) {
                Ok(Some(close)) if close.is_callable() => close.call0().map(|_| ()),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = closed {
                // There is nobody to raise it to; Python shows it as it shows an exception in `__del__`.
                error.write_unraisable(py, Some(object));
            }
            if let Some(raised) = raised {
                raised.restore(py);
            }
        });
    }
}
