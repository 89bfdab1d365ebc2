//! Values and configurations across the boundary.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "failures travel boxed, so that the results of records that do not fail are small"
)]

use crate::error::{ConfigError, Failure, FailureKind};
use crate::python::exceptions::class_name;
use crate::python::names;
use crate::record::{FieldType, Value};
use crate::step::Configuration;
use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_json::{Map, Number, Value as Json};
use std::fmt::Write as _;

/// How deep a value that comes from Python may be nested. It also ends a list that holds itself.
const DEPTH: usize = 128;

/// Makes the Python object of a value. Lists and objects are made anew at each call, so that a step which changes its
/// argument cannot change what the next step sees. A missing value is `None`: whoever passes fields leaves it out.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Missing | Value::Null => py.None().into_bound(py),
        Value::Boolean(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Integer(value) => value.into_pyobject(py)?.into_any(),
        Value::Float(value) => PyFloat::new(py, *value).into_any(),
        Value::Text(value) => PyString::new(py, value).into_any(),
        Value::Json(json) => names::JSON_LOADS.get(py)?.call1((json,))?,
    })
}

/// Makes the Python object of a value that a step asks for; that it cannot be made is a failure of the record.
pub(crate) fn asked_to_python<'py>(
    py: Python<'py>,
    name: &str,
    value: &Value,
) -> Result<Bound<'py, PyAny>, Box<Failure>> {
    to_python(py, value).map_err(|error| {
        let kind = if error.is_instance_of::<PyRecursionError>(py) {
            FailureKind::JsonDepth
        } else {
            FailureKind::FieldType
        };
        Box::new(Failure::new(
            kind,
            format!(
                "The field `{name}` cannot be made a Python object: {}.",
                super::exceptions::describe(py, &error)
            ),
        ))
    })
}

/// Reads the value that a step returned for a field it declares.
pub(crate) fn from_python(value: &Bound<'_, PyAny>, name: &str, declared: FieldType) -> Result<Value, Box<Failure>> {
    let wrong = || {
        let expected = match declared {
            FieldType::Text => "str",
            FieldType::Integer => "int",
            FieldType::Float => "float",
            FieldType::Boolean => "bool",
            FieldType::Json => "a value that JSON can say",
        };
        Box::new(Failure::new(
            FailureKind::BadReturn,
            format!(
                "Expected `{expected}` for the field `{name}`, got `{}`.",
                type_name(value)
            ),
        ))
    };
    match declared {
        FieldType::Text => {
            let text = value.cast::<PyString>().map_err(|_| wrong())?;
            text.to_str()
                .map(|text| Value::Text(text.to_owned()))
                .map_err(|_| surrogate(&format!("The text of the field `{name}`")))
        }
        FieldType::Boolean => match value.cast::<PyBool>() {
            Ok(value) => Ok(Value::Boolean(value.is_true())),
            Err(_) => Err(wrong()),
        },
        FieldType::Integer => {
            if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
                return Err(wrong());
            }
            value.extract::<i64>().map(Value::Integer).map_err(|_| {
                number(&format!(
                    "The integer for the field `{name}` does not fit 64 bits, so it cannot be kept as it is."
                ))
            })
        }
        FieldType::Float => {
            if value.is_instance_of::<PyBool>()
                || !(value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>())
            {
                return Err(wrong());
            }
            match value.extract::<f64>() {
                Ok(value) if value.is_finite() => Ok(Value::Float(value)),
                _ => Err(number(&format!(
                    "The number for the field `{name}` is not finite, and JSON cannot say it."
                ))),
            }
        }
        FieldType::Json => json_value(value, name),
    }
}

fn json_value(value: &Bound<'_, PyAny>, name: &str) -> Result<Value, Box<Failure>> {
    let mut path = name.to_owned();
    let json = to_json(value, &mut path, 0)
        .map_err(|problem| Box::new(Failure::new(problem.kind, problem.sentence("The field"))))?;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Integer(integer),
            (None, Some(float)) if number.is_f64() => Value::Float(float),
            _ => Value::Json(number.to_string()),
        },
        Json::Array(_) | Json::Object(_) => Value::Json(json.to_string()),
    })
}

/// Reads the value of a field that came with a record. No step returned it, so that it is the record's failure if it is none.
pub(crate) fn given(value: &Bound<'_, PyAny>, name: &str) -> Result<Value, Box<Failure>> {
    from_python(value, name, FieldType::Json).map_err(|mut failure| {
        if failure.kind == FailureKind::BadReturn {
            failure.kind = FailureKind::FieldType;
        }
        failure
    })
}

/// Reads the value of a field from a column of Python objects, as a table would have it: what JSON cannot say is a text or a
/// number in a table too, and a number need not be finite.
pub(crate) fn of_column(value: &Bound<'_, PyAny>, name: &str) -> Result<Value, Box<Failure>> {
    let read = |value: &Bound<'_, PyAny>| match value.cast::<PyFloat>() {
        Ok(float) => Ok(Value::Float(float.value())),
        Err(_) => given(value, name),
    };
    read(value).or_else(|failure| {
        // What a table cannot have either is told as it is.
        let plain = names::PLAIN.get(value.py()).and_then(|plain| plain.call1((value,)));
        plain.ok().and_then(|plain| read(&plain).ok()).ok_or(failure)
    })
}

/// The identity of a record, as a line of JSON would tell it: a text as it is, and anything else as JSON. `None` for what is
/// none.
pub(crate) fn identity(value: &Bound<'_, PyAny>) -> Option<String> {
    match given(value, "id").ok()? {
        Value::Missing | Value::Null => None,
        Value::Text(text) => Some(text),
        value => {
            let mut json = Vec::new();
            value.write_json(&mut json);
            String::from_utf8(json).ok()
        }
    }
}

/// A failure for a text with surrogate code points, which are not characters.
pub(crate) fn surrogate(subject: &str) -> Box<Failure> {
    Box::new(
        Failure::new(
            FailureKind::Surrogate,
            format!("{subject} holds a surrogate code point, which is not a character and cannot be written."),
        )
        .with_hint("Decode bytes with `errors=\"replace\"` instead of `errors=\"surrogateescape\"`."),
    )
}

fn number(message: &str) -> Box<Failure> {
    Box::new(Failure::new(FailureKind::Number, message))
}

/// The name of an object's class as a person reads it.
pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    let class = value.get_type();
    let name = class
        .qualname()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string_lossy().into_owned());
    match class.module() {
        Ok(module) if module != "builtins" => format!("{}.{name}", module.to_string_lossy()),
        _ => name,
    }
}

/// Makes the Python dictionary of a configuration.
pub(crate) fn configuration_to_python<'py>(
    py: Python<'py>,
    configuration: &Configuration,
) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(py);
    for (key, value) in configuration {
        made.set_item(key, json_to_python(py, value)?)?;
    }
    Ok(made)
}

/// Makes the Python object of a JSON value.
pub(crate) fn json_to_python<'py>(py: Python<'py>, value: &Json) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Json::Null => py.None().into_bound(py),
        Json::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Json::Number(number) => {
            if let Some(value) = number.as_i64() {
                value.into_pyobject(py)?.into_any()
            } else if let Some(value) = number.as_u64() {
                value.into_pyobject(py)?.into_any()
            } else {
                PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any()
            }
        }
        Json::String(text) => PyString::new(py, text).into_any(),
        Json::Array(items) => {
            let made = PyList::empty(py);
            for item in items {
                made.append(json_to_python(py, item)?)?;
            }
            made.into_any()
        }
        Json::Object(entries) => configuration_to_python(py, entries)?.into_any(),
    })
}

/// A Python object as JSON; `None` where JSON cannot say it.
pub(crate) fn json_of(value: &Bound<'_, PyAny>) -> Option<Json> {
    to_json(value, &mut String::new(), 0).ok()
}

/// Reads a configuration that the caller wrote in Python. What JSON cannot say is an error that names its place, such
/// as `words[2].weight`.
pub(crate) fn configuration_from_python(value: &Bound<'_, PyAny>) -> crate::error::Result<Configuration> {
    let Ok(entries) = value.cast::<PyDict>() else {
        return Err(ConfigError::new(format!(
            "The configuration of a step is a `dict`, not `{}`.",
            type_name(value)
        ))
        .into());
    };
    let mut path = String::new();
    match object_to_json(entries, &mut path, 0) {
        Ok(map) => Ok(map),
        Err(problem) => {
            let key = problem.path.split(['.', '[']).next().unwrap_or_default().to_owned();
            Err(ConfigError::new(problem.sentence("The configuration"))
                .with_key(key)
                .into())
        }
    }
}

/// What JSON cannot say, and where it stands.
struct Unsayable {
    kind: FailureKind,
    path: String,
    reason: String,
}

impl Unsayable {
    fn sentence(&self, subject: &str) -> String {
        let place = if self.path.is_empty() {
            String::new()
        } else {
            format!(" `{}`", self.path)
        };
        format!("{subject}{place} {}", self.reason)
    }
}

fn unsayable(kind: FailureKind, path: &str, reason: impl Into<String>) -> Unsayable {
    Unsayable {
        kind,
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn to_json(value: &Bound<'_, PyAny>, path: &mut String, depth: usize) -> Result<Json, Unsayable> {
    if depth > DEPTH {
        let shown = path.split(['.', '[']).next().unwrap_or_default();
        return Err(unsayable(
            FailureKind::JsonDepth,
            shown,
            format!("is nested deeper than {DEPTH} levels, or holds itself."),
        ));
    }
    if value.is_none() {
        return Ok(Json::Null);
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(Json::Bool(value.is_true()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return text.to_str().map(|text| Json::String(text.to_owned())).map_err(|_| {
            unsayable(
                FailureKind::Surrogate,
                path,
                "holds a surrogate code point, which is not a character and cannot be written.",
            )
        });
    }
    if value.is_instance_of::<PyInt>() {
        let number = value
            .extract::<i64>()
            .map(Number::from)
            .or_else(|_| value.extract::<u64>().map(Number::from));
        return number.map(Json::Number).map_err(|_| {
            unsayable(
                FailureKind::Number,
                path,
                "is an integer that does not fit 64 bits, so it cannot be kept as it is.",
            )
        });
    }
    if value.is_instance_of::<PyFloat>() {
        return value
            .extract::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .map(Json::Number)
            .ok_or_else(|| {
                unsayable(
                    FailureKind::Number,
                    path,
                    "is a number that is not finite, and JSON cannot say it.",
                )
            });
    }
    if let Ok(entries) = value.cast::<PyDict>() {
        return object_to_json(entries, path, depth).map(Json::Object);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value
            .try_iter()
            .map_err(|error| raised(value.py(), path, &error))?
            .enumerate()
            .map(|(index, item)| {
                let item = item.map_err(|error| raised(value.py(), path, &error))?;
                let before = path.len();
                let _ = write!(path, "[{index}]");
                let made = to_json(&item, path, depth + 1);
                path.truncate(before);
                made
            })
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(Json::Array(items));
    }
    Err(unsayable(
        FailureKind::BadReturn,
        path,
        format!(
            "is `{}`, and JSON can say `str`, `int`, `float`, `bool`, `None`, `list` and `dict` only.",
            type_name(value)
        ),
    ))
}

fn raised(py: Python<'_>, path: &str, error: &PyErr) -> Unsayable {
    unsayable(
        FailureKind::BadReturn,
        path,
        format!("cannot be read: it raised `{}`.", class_name(py, error)),
    )
}

fn object_to_json(
    entries: &Bound<'_, PyDict>,
    path: &mut String,
    depth: usize,
) -> Result<Map<String, Json>, Unsayable> {
    let mut made = Map::new();
    // Items are listed before they are read, because reading a subclass of `str` or `int` cannot run its code but a
    // dictionary may be shared with another thread.
    for (key, value) in entries.items().iter().filter_map(|item| item.extract().ok()) {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = (key, value);
        let name = key
            .cast::<PyString>()
            .ok()
            .and_then(|name| name.to_str().ok().map(str::to_owned));
        let Some(name) = name else {
            return Err(unsayable(
                FailureKind::BadReturn,
                path,
                format!("has a key of type `{}`, and keys are text.", type_name(&key)),
            ));
        };
        let before = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&name);
        let value = to_json(&value, path, depth + 1)?;
        path.truncate(before);
        made.insert(name, value);
    }
    Ok(made)
}
