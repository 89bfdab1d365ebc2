//! Makes steps of plugins and of callables. Everything that can be wrong with one is found here, before any data is read.
//!
//! Whatever a plugin raises while it is imported or made becomes one error that names the step, the distribution and its
//! version, the entry point, and the cause; `SystemExit` too. What cannot be contained in one process is `os._exit` and a
//! crash of native code. A plugin that ships a module named like one of Python's own cannot hide it from others, because
//! `site-packages` stands behind the standard library on `sys.path`; such a plugin gets an error that says so.

mod hints;

use crate::error::{Error, Failure, PluginError, PluginFault, Result, Shown, shorten};
use crate::plugins::Plugin;
use crate::python::exceptions::{PythonCause, describe, message_of};
use crate::python::step::{Parts, PythonStep};
use crate::python::{names, signals, values};
use crate::record::{Field, FieldType};
use crate::step::{Asked, CalledWith, Configuration, Declaration, Kind, Origin, Parameter, Runtime, Stage};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::path::Path;

/// Imports a plugin and makes a step of it.
pub(crate) fn load(py: Python<'_>, plugin: &Plugin, configuration: &Configuration) -> Result<PythonStep> {
    let subject = Subject::of_plugin(plugin);
    let target = subject.import(py, plugin)?;
    subject.make(py, &target, configuration)
}

/// Imports a plugin and reads what it declares, without making it.
pub(crate) fn describe_plugin(py: Python<'_>, plugin: &Plugin) -> Result<Declaration> {
    let subject = Subject::of_plugin(plugin);
    let target = subject.import(py, plugin)?;
    let contract = subject.contract(&target)?;
    subject.declaration(py, &contract)
}

/// Makes a step of a callable that was passed in: a function, a class to be made with the configuration, or an instance.
pub(crate) fn from_callable(target: &Bound<'_, PyAny>, configuration: &Configuration) -> Result<PythonStep> {
    let py = target.py();
    let mut subject = Subject {
        name: values::type_name(target),
        short_name: String::new(),
        origin: None,
    };
    let contract = subject.contract(target)?;
    let last = contract.name.rsplit('.').next().filter(|name| !name.starts_with('<'));
    last.unwrap_or_default().clone_into(&mut subject.short_name);
    subject.name.clone_from(&contract.name);
    subject.make(py, target, configuration)
}

/// What `_contract.read` returns.
#[derive(FromPyObject)]
#[expect(clippy::struct_excessive_bools, reason = "the attributes of a Python object")]
struct Contract {
    kind: String,
    stage: String,
    before: Vec<String>,
    after: Vec<String>,
    requires: Vec<String>,
    fields: Vec<(String, String)>,
    asks: Vec<(String, bool, Py<PyAny>)>,
    parameters: Vec<ContractParameter>,
    is_class: bool,
    thread_safe: bool,
    batch: bool,
    arrow: bool,
    name: String,
    summary: String,
}

#[derive(FromPyObject)]
struct ContractParameter {
    name: String,
    r#type: String,
    required: bool,
    default: Py<PyAny>,
    description: String,
}

/// The step that is being made, as errors name it.
struct Subject {
    name: String,
    short_name: String,
    origin: Option<Origin>,
}

impl Subject {
    fn of_plugin(plugin: &Plugin) -> Self {
        Self {
            name: plugin.name.clone(),
            short_name: plugin.short_name.clone(),
            origin: Some(Origin {
                distribution: plugin.distribution.clone(),
                version: plugin.version.clone(),
                entry_point: plugin.entry_point.clone(),
            }),
        }
    }

    /// The step as sentences call it, with where it comes from.
    fn label(&self) -> String {
        let shown = |text: &str| Shown(Path::new(text)).to_string();
        match &self.origin {
            None => format!("`{}`", shown(&self.name)),
            Some(origin) => {
                let version = origin
                    .version
                    .as_ref()
                    .map_or_else(String::new, |version| format!(" {}", shown(version)));
                format!(
                    "`{}` ({}{version}, `{}`)",
                    shown(&self.name),
                    shown(&origin.distribution),
                    shown(&origin.entry_point)
                )
            }
        }
    }

    fn error(&self, fault: PluginFault, message: impl Into<String>) -> PluginError {
        let mut error = PluginError::new(fault, &self.name, message);
        if let Some(origin) = &self.origin {
            error.distribution = Some(origin.distribution.clone());
            error.version.clone_from(&origin.version);
            error.entry_point = Some(origin.entry_point.clone());
        }
        error
    }

    /// What Python raised while `doing` ("cannot be imported") as the error of this step.
    fn raised(&self, py: Python<'_>, doing: &str, raised: PyErr, hint: Option<String>) -> Error {
        if raised.is_instance_of::<PyKeyboardInterrupt>(py) && signals::interrupted() {
            return Error::Interrupted(signals::interrupt());
        }
        let of_class = |class: &'static names::Import<pyo3::types::PyType>| {
            class.get(py).is_ok_and(|class| raised.is_instance(py, class))
        };
        let fault = if of_class(&names::CONTRACT_ERROR) {
            PluginFault::Contract
        } else {
            PluginFault::Load
        };
        let message = shorten(
            format!("{} {doing}: {}", self.label(), describe(py, &raised)),
            Failure::MESSAGE_LIMIT,
        );
        let mut error = self.error(fault, message);
        error.hint = hint.or_else(|| notes(py, &raised));
        error.cause = Some(PythonCause::of_load(py, raised));
        error.into()
    }

    /// What `_contract` found, which says everything itself.
    fn found(&self, py: Python<'_>, raised: PyErr) -> Error {
        let of_class = |class: &'static names::Import<pyo3::types::PyType>| {
            class.get(py).is_ok_and(|class| raised.is_instance(py, class))
        };
        if of_class(&names::CONTRACT_ERROR) {
            let mut error = self.error(PluginFault::Contract, message_of(py, &raised));
            error.hint = notes(py, &raised);
            return error.into();
        }
        if of_class(&names::CONFIG_ERROR) {
            let value = raised.value(py);
            let text = |name: &str| value.getattr(name).ok().and_then(|text| text.extract::<String>().ok());
            return crate::error::ConfigError {
                message: message_of(py, &raised),
                suggestion: text("suggestion"),
                key: text("_key"),
                hint: notes(py, &raised),
                ..crate::error::ConfigError::default()
            }
            .into();
        }
        self.raised(py, "cannot be looked into", raised, None)
    }

    fn import<'py>(&self, py: Python<'py>, plugin: &Plugin) -> Result<Bound<'py, PyAny>> {
        let (module_name, attributes) = plugin.entry_point.split_once(':').unwrap_or((&plugin.entry_point, ""));
        let module = py.import(module_name).map_err(|raised| {
            let hint = hints::of_import(py, &raised, module_name, plugin);
            self.raised(py, "cannot be imported", raised, hint)
        })?;
        let mut target = module.into_any();
        for attribute in attributes.split('.').filter(|attribute| !attribute.is_empty()) {
            target = target.getattr(attribute).map_err(|raised| {
                let hint = hints::of_attribute(py, &raised, module_name, plugin);
                self.raised(py, "cannot be imported", raised, hint)
            })?;
        }
        Ok(target)
    }

    fn contract(&self, target: &Bound<'_, PyAny>) -> Result<Contract> {
        let py = target.py();
        names::READ_CONTRACT
            .get(py)
            .and_then(|read| read.call1((target, self.label()))?.extract())
            .map_err(|raised| self.found(py, raised))
    }

    fn declaration(&self, py: Python<'_>, contract: &Contract) -> Result<Declaration> {
        let parameters = contract
            .parameters
            .iter()
            .map(|parameter| parameter_of(py, parameter))
            .collect();
        Ok(Declaration {
            name: self.name.clone(),
            kind: kind_of(&contract.kind).ok_or_else(|| self.unknown(&contract.kind))?,
            stage: stage_of(&contract.stage).ok_or_else(|| self.unknown(&contract.stage))?,
            before: contract.before.clone(),
            after: contract.after.clone(),
            requires: contract.requires.clone(),
            fields: contract
                .fields
                .iter()
                .map(|(name, declared)| {
                    Ok(Field {
                        name: name.clone(),
                        r#type: field_type_of(declared).ok_or_else(|| self.unknown(declared))?,
                    })
                })
                .collect::<Result<_>>()?,
            asks: contract
                .asks
                .iter()
                .map(|(name, required, _)| Asked {
                    name: name.clone(),
                    required: *required,
                })
                .collect(),
            parameters,
            runtime: Runtime::Python,
            called_with: match (contract.batch, contract.arrow) {
                (_, true) => CalledWith::Arrow,
                (true, false) => CalledWith::List,
                (false, false) => CalledWith::Text,
            },
            origin: self.origin.clone(),
            summary: contract.summary.clone(),
        })
    }

    /// The decorator and this file know the same words; a declaration with another one was not made by this version.
    fn unknown(&self, word: &str) -> Error {
        self.error(
            PluginFault::Contract,
            format!(
                "{} declares `{word}`, which this version of text-processor does not know.",
                self.label()
            ),
        )
        .into()
    }

    fn make(&self, py: Python<'_>, target: &Bound<'_, PyAny>, configuration: &Configuration) -> Result<PythonStep> {
        let contract = self.contract(target)?;
        let declaration = self.declaration(py, &contract)?;
        let arguments = || {
            values::configuration_to_python(py, configuration)
                .and_then(|configuration| names::ARGUMENTS.get(py)?.call1((target, self.label(), configuration)))
                .and_then(|arguments| Ok(arguments.cast_into::<pyo3::types::PyDict>()?))
                .map_err(|raised| self.found(py, raised))
        };
        let object = if contract.is_class {
            let arguments = arguments()?;
            target
                .call((), Some(&arguments))
                .map_err(|raised| self.raised(py, "cannot be made", raised, None))?
        } else {
            // What checks a configuration takes long to import, and most functions have none.
            if !configuration.is_empty() {
                arguments()?;
            }
            target.clone()
        };
        if !object.is_callable() {
            return Err(self
                .error(
                    PluginFault::Contract,
                    format!(
                        "{} made `{}`, which cannot be called.",
                        self.label(),
                        values::type_name(&object)
                    ),
                )
                .into());
        }
        let rejection = if self.short_name.is_empty() {
            "rejected".to_owned()
        } else {
            self.short_name.clone()
        };
        PythonStep::new(
            py,
            Parts {
                declaration,
                configuration: configuration.clone(),
                object,
                given: self.origin.is_none().then(|| target.clone()),
                defaults: contract
                    .asks
                    .into_iter()
                    .map(|(_, required, default)| (!required).then_some(default))
                    .collect(),
                owned: contract.is_class,
                thread_safe: contract.thread_safe,
                rejection,
            },
        )
        .map_err(|raised| self.raised(py, "cannot be made", raised, None))
    }
}

/// The notes of an exception, which for our own exceptions are hints.
fn notes(py: Python<'_>, error: &PyErr) -> Option<String> {
    let notes: Vec<String> = error.value(py).getattr("__notes__").ok()?.extract().ok()?;
    let notes = notes.join(" ");
    (!notes.is_empty()).then(|| shorten(notes, Failure::MESSAGE_LIMIT))
}

fn parameter_of(py: Python<'_>, parameter: &ContractParameter) -> Parameter {
    let default = parameter.default.bind(py);
    let mut shown = String::new();
    let default = (!parameter.required).then(|| {
        values::json_of(default).unwrap_or_else(|| {
            if let Ok(text) = default.repr() {
                shown = shorten(text.to_string_lossy().into_owned(), 200);
            }
            shown.clone().into()
        })
    });
    Parameter {
        name: parameter.name.clone(),
        r#type: parameter.r#type.clone(),
        default,
        description: parameter.description.clone(),
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    [Kind::Map, Kind::Filter, Kind::Annotate, Kind::Split]
        .into_iter()
        .find(|kind| kind.name() == word)
}

fn stage_of(word: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.name() == word)
}

fn field_type_of(word: &str) -> Option<FieldType> {
    Some(match word {
        "text" => FieldType::Text,
        "integer" => FieldType::Integer,
        "float" => FieldType::Float,
        "boolean" => FieldType::Boolean,
        "json" => FieldType::Json,
        _ => return None,
    })
}
