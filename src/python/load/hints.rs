//! The way out of a failed import, as far as it can be known.
//!
//! A hint names the module that is missing and never a command to install it: the names of modules and of distributions
//! differ, and a wrong guess could install a stranger's package.

use crate::error::Shown;
use crate::plugins::Plugin;
use pyo3::exceptions::{PyAttributeError, PyModuleNotFoundError};
use pyo3::prelude::*;
use std::path::Path;

/// The way out where the module of an entry point cannot be imported.
pub(super) fn of_import(py: Python<'_>, raised: &PyErr, module_name: &str, plugin: &Plugin) -> Option<String> {
    if !raised.is_instance_of::<PyModuleNotFoundError>(py) {
        return None;
    }
    let missing: String = raised.value(py).getattr("name").ok()?.extract().ok()?;
    let own = module_name == missing || module_name.starts_with(&format!("{missing}."));
    let (module, distribution) = (shown(&missing), shown(&plugin.distribution));
    if !own {
        return Some(format!(
            "The plugin needs the module `{module}`, which is not installed. What {distribution} needs is in its own documentation."
        ));
    }
    if is_of_python(py, missing.split('.').next().unwrap_or_default()) {
        return Some(format!(
            "`{module}` would be a module of Python itself, which a plugin cannot replace: its author must rename the plugin's."
        ));
    }
    if let Some(file) = of_another_python(&missing, plugin) {
        let python = cache_tag(py);
        return Some(format!(
            "`{}` is there, and was built for another Python than this one (`{python}`): install {distribution} again with this one.",
            shown(&file)
        ));
    }
    Some(format!(
        "The entry point names the module `{module}`, which is not installed although {distribution} is: install that distribution again."
    ))
}

/// The way out where the module of an entry point lacks what the entry point names.
pub(super) fn of_attribute(py: Python<'_>, raised: &PyErr, module_name: &str, plugin: &Plugin) -> Option<String> {
    if !raised.is_instance_of::<PyAttributeError>(py) {
        return None;
    }
    Some(if is_of_python(py, module_name) {
        format!(
            "`{module_name}` is a module of Python itself, which a plugin cannot replace: its author must rename the plugin's."
        )
    } else {
        format!(
            "The entry point `{}` names something that is not there.",
            shown(&plugin.entry_point)
        )
    })
}

fn shown(text: &str) -> String {
    Shown(Path::new(text)).to_string()
}

fn is_of_python(py: Python<'_>, module_name: &str) -> bool {
    py.import("sys")
        .and_then(|sys| sys.getattr("stdlib_module_names")?.contains(module_name))
        .unwrap_or(false)
}

/// The compiled file of a module that this Python passed over, because its name says that it is another one's.
fn of_another_python(module_name: &str, plugin: &Plugin) -> Option<String> {
    let (packages, module) = module_name.rsplit_once('.').unwrap_or(("", module_name));
    let mut folder = Path::new(&plugin.location).parent()?.to_owned();
    folder.extend(packages.split('.'));
    let mut files: Vec<String> = fs_err::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| {
            let named = file.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'));
            let extension = Path::new(file).extension();
            named && extension.is_some_and(|extension| extension == "so" || extension == "pyd")
        })
        .collect();
    files.sort_unstable();
    files.into_iter().next()
}

fn cache_tag(py: Python<'_>) -> String {
    let tag = py
        .import("sys")
        .and_then(|sys| sys.getattr("implementation")?.getattr("cache_tag")?.extract());
    tag.unwrap_or_else(|_| "unknown".to_owned())
}
