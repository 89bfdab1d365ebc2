//! Workers: how one is started, what is sent to it, and what it does before it serves.

use crate::engine::{self, Worker};
use crate::error::{ConfigError, Error, Result, shown};
use crate::plugins::{Host, Plugin, WorkerCommand};
use crate::python::exceptions::describe;
use crate::python::host::PythonHost;
use crate::python::load;
use crate::python::signals::{self, Arrived};
use crate::python::step::PythonStep;
use crate::python::values::type_name;
use crate::step::{Configuration, Step};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::ffi::OsString;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The program of a worker: it looks for modules where its supervisor does, and serves.
const PROGRAM: &str = "import sys; sys.path[:] = sys.argv[1:]; del sys.argv[1:]
from text_processor._engine import worker; worker()";

/// How a worker is started: by the interpreter that runs here, with the same options.
pub(super) fn command(py: Python<'_>) -> std::result::Result<WorkerCommand, String> {
    let told = |error: PyErr| format!("A worker cannot be started: {}.", describe(py, &error));
    let sys = py.import(intern!(py, "sys")).map_err(told)?;
    let program = sys
        .getattr(intern!(py, "executable"))
        .and_then(|name| name.extract::<OsString>());
    let program = program.unwrap_or_default();
    if program.is_empty() {
        return Err(
            "A worker cannot be started, because Python does not know its own program (`sys.executable`).".into(),
        );
    }
    let mut arguments: Vec<OsString> = options(&sys).map_err(told)?;
    // Output is passed on at once, so that what a plugin prints before it crashes is not lost. The current folder is no place
    // to import from, unless it stands in the path that is handed over.
    arguments.extend(["-u", "-P", "-c", PROGRAM].map(OsString::from));
    for entry in sys
        .getattr(intern!(py, "path"))
        .and_then(|path| path.try_iter())
        .map_err(told)?
    {
        // Whatever else people put there is ignored by Python too.
        arguments.extend(entry.ok().and_then(|entry| entry.extract::<OsString>().ok()));
    }
    // The order of sets must not differ between workers, or the output would.
    let environment = match std::env::var_os("PYTHONHASHSEED") {
        Some(_) => Vec::new(),
        None => vec![(OsString::from("PYTHONHASHSEED"), OsString::from("0"))],
    };
    Ok(WorkerCommand {
        program,
        arguments,
        environment,
    })
}

/// The options that this interpreter was started with, as far as they change what plugins see.
fn options(sys: &Bound<'_, PyModule>) -> PyResult<Vec<OsString>> {
    let mut options = Vec::new();
    let flags = sys.getattr("flags")?;
    for (flag, option) in [
        ("isolated", "-I"),
        ("ignore_environment", "-E"),
        ("no_user_site", "-s"),
        ("no_site", "-S"),
        ("dont_write_bytecode", "-B"),
        ("bytes_warning", "-b"),
        ("optimize", "-O"),
    ] {
        let times = flags.getattr(flag)?.extract::<usize>()?.min(2);
        options.extend((0..times).map(|_| OsString::from(option)));
    }
    for warning in sys.getattr("warnoptions")?.try_iter()? {
        options.push(OsString::from(format!("-W{}", warning?.str()?)));
    }
    for pair in sys.getattr("_xoptions")?.call_method0("items")?.try_iter()? {
        let (name, value): (String, Bound<'_, PyAny>) = pair?.extract()?;
        let option = match value.extract::<String>() {
            Ok(value) => format!("-X{name}={value}"),
            Err(_) => format!("-X{name}"),
        };
        options.push(OsString::from(option));
    }
    Ok(options)
}

/// A step on its way to a worker.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shipped {
    /// A plugin, with its configuration.
    Plugin(Plugin, Configuration),
    /// A callable, pickled (each byte as the character of that number), with its configuration. Only a worker ever
    /// unpickles, and only what its supervisor pickled.
    Callable(String, Configuration),
}

/// What a worker needs to make a step again; or why it cannot.
pub(super) fn ship(step: &Arc<dyn Step>) -> std::result::Result<serde_json::Value, String> {
    let step: &dyn Any = &**step;
    let Some(step) = step.downcast_ref::<PythonStep>() else {
        return Err("A step of another host cannot be sent to a worker.".to_owned());
    };
    let declaration = step.declaration();
    match (&declaration.origin, step.given()) {
        (Some(origin), _) => {
            let plugin = Plugin {
                name: declaration.name.clone(),
                short_name: declaration.name.rsplit('/').next().unwrap_or_default().to_owned(),
                distribution: origin.distribution.clone(),
                version: origin.version.clone(),
                entry_point: origin.entry_point.clone(),
                location: String::new(),
                editable: false,
            };
            ship_plugin(plugin, step.configuration())
        }
        (None, Some(given)) => {
            let pickled = Python::attach(|py| pickle(given.bind(py), &declaration.name))?;
            let pickled = pickled.into_iter().map(char::from).collect();
            say(&Shipped::Callable(pickled, step.configuration()), &declaration.name)
        }
        (None, None) => Err(cannot_be_named(&declaration.name, "nobody knows where it comes from")),
    }
}

/// What a worker needs to make a step of a plugin.
pub(super) fn ship_plugin(
    plugin: Plugin,
    configuration: Configuration,
) -> std::result::Result<serde_json::Value, String> {
    let name = plugin.name.clone();
    say(&Shipped::Plugin(plugin, configuration), &name)
}

fn say(shipped: &Shipped, name: &str) -> std::result::Result<serde_json::Value, String> {
    serde_json::to_value(shipped).map_err(|error| cannot_be_named(name, &error.to_string()))
}

fn cannot_be_named(name: &str, reason: &str) -> String {
    format!(
        "The step `{}` cannot be made in another process: {reason}.",
        shown(name)
    )
}

fn pickle(given: &Bound<'_, PyAny>, name: &str) -> std::result::Result<Vec<u8>, String> {
    let py = given.py();
    let place = |object: &Bound<'_, PyAny>, attribute: &str| {
        let value = object.getattr(attribute).and_then(|value| value.extract::<String>());
        value.unwrap_or_default()
    };
    let qualified = place(given, "__qualname__");
    let class = given.get_type().into_any();
    if qualified.contains("<lambda>") {
        return Err(cannot_be_named(
            name,
            "a lambda has no name by which it could be imported",
        ));
    }
    if qualified.contains("<locals>") {
        return Err(cannot_be_named(
            name,
            "it is defined inside a function and cannot be imported by its name",
        ));
    }
    if place(given, "__module__") == "__main__" || place(&class, "__module__") == "__main__" {
        return Err(cannot_be_named(
            name,
            "it is defined in the program that was started (`__main__`), which no other process can import",
        ));
    }
    let dumps = || {
        py.import(intern!(py, "pickle"))?
            .call_method1(intern!(py, "dumps"), (given,))
    };
    match dumps().and_then(|pickled| pickled.extract::<Vec<u8>>()) {
        Ok(pickled) => Ok(pickled),
        Err(error) => Err(cannot_be_named(
            name,
            &format!("it cannot be pickled ({})", describe(py, &error)),
        )),
    }
}

/// Makes a step of what [`ship`] made of it.
pub(super) fn unpack(shipped: &serde_json::Value) -> Result<Arc<dyn Step>> {
    let unreadable =
        |error: &dyn std::fmt::Display| Error::Internal(format!("A step that was sent cannot be read: {error}."));
    let shipped = Shipped::deserialize(shipped).map_err(|error| unreadable(&error))?;
    Python::attach(|py| {
        let step = match &shipped {
            Shipped::Plugin(plugin, configuration) => load::load(py, plugin, configuration)?,
            Shipped::Callable(pickled, configuration) => {
                let bytes: Vec<u8> = pickled.chars().map(|character| character as u8).collect();
                let loads = |bytes: &[u8]| {
                    let pickle = py.import(intern!(py, "pickle"))?;
                    pickle.call_method1(intern!(py, "loads"), (PyBytes::new(py, bytes),))
                };
                let given = loads(&bytes).map_err(|error| {
                    let message = format!("A worker cannot make a step of the pipeline: {}.", describe(py, &error));
                    let hint = "Define it at the top level of a module that can be imported, or run with `isolation=\"thread\"`.";
                    Error::from(ConfigError::new(message).with_hint(hint))
                })?;
                log::debug!("A worker unpickled a `{}`.", type_name(&given));
                load::from_callable(&given, configuration)?
            }
        };
        Ok(Arc::new(step) as Arc<dyn Step>)
    })
}

/// The world of a worker.
struct PythonWorker(PythonHost);

impl Worker for PythonWorker {
    fn host(&self) -> &dyn Host {
        &self.0
    }

    fn keep_last_words(&self, file: OwnedFd) {
        // The descriptor belongs to `faulthandler` from now on, which needs it when it is too late to close anything.
        let descriptor = file.into_raw_fd();
        Python::attach(|py| {
            let keep = || -> PyResult<()> {
                let handler = py.import("faulthandler")?;
                handler.call_method1("enable", (descriptor, false))?;
                handler.call_method1("register", (Signal::USR2.as_raw(), descriptor))?;
                Ok(())
            };
            if let Err(error) = keep() {
                error.write_unraisable(py, None);
            }
        });
    }
}

/// Whether this process is a copy that a fork has made of a worker.
static IS_COPY: AtomicBool = AtomicBool::new(false);

/// Whether this process is a copy that a fork has made of a worker. A copy may do what it likes, except go on as if it were the
/// worker.
#[inline]
pub(super) fn is_copy() -> bool {
    IS_COPY.load(Ordering::Relaxed)
}

/// Ends a copy that has come back from a step. The worker itself came back too, and what it brought counts.
#[cold]
pub(super) fn end_copy(py: Python<'_>, step: &str) -> ! {
    let message = format!(
        "The step `{}` forked, and its copy of the worker went on as if it were the worker; it was ended.\n",
        shown(step)
    );
    // Not through Python's objects, which may hold what the worker has not written yet.
    let _ = rustix::io::write(rustix::stdio::stderr(), message.as_bytes());
    if let Ok(os) = py.import(intern!(py, "os")) {
        let _ = os.call_method1(intern!(py, "_exit"), (0,));
    }
    std::process::abort()
}

/// Has every copy know that it is one.
fn watch_forks(py: Python<'_>) -> PyResult<()> {
    let note = PyCFunction::new_closure(py, None, None, |_, _| IS_COPY.store(true, Ordering::Relaxed))?;
    let after = PyDict::new(py);
    after.set_item("after_in_child", note)?;
    py.import(intern!(py, "os"))?
        .call_method(intern!(py, "register_at_fork"), (), Some(&after))?;
    Ok(())
}

/// Serves the supervisor that started this process. It never returns.
///
/// This is what a worker runs; nobody else has a use for it.
#[pyfunction]
pub(super) fn worker(py: Python<'_>) -> PyResult<()> {
    watch_forks(py)?;
    let arrived = Arrived::default();
    // A `KeyboardInterrupt` that a plugin raises is its own: nobody interrupts a worker.
    let _during = signals::during(&arrived);
    let served = py.detach(|| {
        let doorbell = take_doorbell()?;
        engine::serve(doorbell, &PythonWorker(PythonHost::default()))
    });
    let code = match served {
        Ok(()) => 0,
        Err(error) => {
            let sys = py.import(intern!(py, "sys"))?;
            let message = format!("A worker of text-processor cannot go on: {error}\n");
            sys.getattr(intern!(py, "stderr"))?
                .call_method1(intern!(py, "write"), (message,))?;
            1
        }
    };
    // As the workers of `multiprocessing` do: threads of plugins that never end must not keep the process.
    py.import(intern!(py, "os"))?
        .call_method1(intern!(py, "_exit"), (code,))?;
    Ok(())
}

/// Takes the doorbell away from standard input, where a plugin could read from it.
fn take_doorbell() -> std::io::Result<OwnedFd> {
    let doorbell = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let nothing = fs_err::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(doorbell)
}
