//! The Python objects that the engine uses by name, imported once each.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// An attribute of a Python module that is imported at its first use and kept.
pub(crate) struct Import<T = PyAny> {
    module: &'static str,
    attribute: &'static str,
    cell: PyOnceLock<Py<T>>,
}

impl<T: pyo3::PyTypeCheck> Import<T> {
    const fn new(module: &'static str, attribute: &'static str) -> Self {
        Self {
            module,
            attribute,
            cell: PyOnceLock::new(),
        }
    }

    /// The object.
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, T>> {
        // Most calls find it made: the import itself is kept out of their way.
        match self.cell.get(py) {
            Some(object) => Ok(object.bind(py)),
            None => self.cell.import(py, self.module, self.attribute),
        }
    }
}

/// What a filter returns to reject with a reason.
pub(crate) static REJECT: Import<PyType> = Import::new("text_processor._plugin", "Reject");
/// Reads what an object declares.
pub(crate) static READ_CONTRACT: Import = Import::new("text_processor._contract", "read");
/// Checks a configuration and makes the arguments of a class from it.
pub(crate) static ARGUMENTS: Import = Import::new("text_processor._inspection", "arguments");
/// The error of a configuration.
pub(crate) static CONFIG_ERROR: Import<PyType> = Import::new("text_processor.exceptions", "ConfigError");
/// The error of an object that is not what a plugin must be.
pub(crate) static CONTRACT_ERROR: Import<PyType> = Import::new("text_processor.exceptions", "PluginContractError");
/// Python's own reader of JSON, which makes new objects at each call.
pub(crate) static JSON_LOADS: Import = Import::new("json", "loads");
/// Formats the frames of a traceback.
pub(crate) static FORMAT_TRACEBACK: Import = Import::new("traceback", "format_tb");
/// Formats an exception, with its frames and with the chain of its causes.
pub(crate) static FORMAT_EXCEPTION: Import = Import::new("traceback", "format_exception");
/// Hashes the files that a step is made of.
pub(crate) static FILES_FINGERPRINT: Import = Import::new("text_processor._files", "fingerprint");
/// Shows the log of the command on standard error.
pub(crate) static SHOW_LOG: Import = Import::new("text_processor._logging", "show");
/// A function written in Python.
pub(crate) static METHOD_TYPE: Import<PyType> = Import::new("types", "MethodType");
/// What a collection with keys is.
pub(crate) static MAPPING: Import<PyType> = Import::new("collections.abc", "Mapping");
/// Makes a value as a table would have it of a Python object.
pub(crate) static PLAIN: Import = Import::new("text_processor._values", "plain");
/// Processes a batch of any library to one of the same library.
pub(crate) static MAP_FRAME: Import = Import::new("text_processor._frames", "map_frame");
