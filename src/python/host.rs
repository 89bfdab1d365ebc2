//! The world that has plugins: what the core asks of Python.

use crate::error::Result;
use crate::plugins::{Discovery, Host, Plugin, WorkerCommand};
use crate::python::segment::PythonSegment;
use crate::python::turn::ONE_ATTACHED;
#[cfg(unix)]
use crate::python::worker;
use crate::python::{discovery, load, signals};
use crate::step::{Configuration, Declaration, PlacedStep, Segment, Step};
use pyo3::prelude::*;
use std::sync::{Arc, OnceLock};

/// The host over the interpreter's own packages. It looks once; a new host sees what was installed since.
#[derive(Default)]
pub(crate) struct PythonHost {
    discovery: OnceLock<Arc<Discovery>>,
}

impl Host for PythonHost {
    fn discover(&self) -> Result<Arc<Discovery>> {
        if let Some(known) = self.discovery.get() {
            return Ok(Arc::clone(known));
        }
        // Two threads may look at the same time, and see the same. Nobody waits for the other while holding the interpreter.
        let found = Python::attach(discovery::discover)?;
        Ok(Arc::clone(self.discovery.get_or_init(|| Arc::new(found))))
    }

    fn load(&self, plugin: &Plugin, configuration: &Configuration) -> Result<Arc<dyn Step>> {
        let step = Python::attach(|py| signals::attend(py, || load::load(py, plugin, configuration)))?;
        Ok(Arc::new(step))
    }

    fn describe(&self, plugin: &Plugin) -> Result<Declaration> {
        Python::attach(|py| signals::attend(py, || load::describe_plugin(py, plugin)))
    }

    fn fuse(&self, steps: Vec<PlacedStep>) -> Box<dyn Segment> {
        Box::new(PythonSegment::new(steps))
    }

    fn has_lock(&self) -> bool {
        ONE_ATTACHED
    }

    #[cfg(unix)]
    fn worker_command(&self) -> std::result::Result<WorkerCommand, String> {
        Python::attach(worker::command)
    }

    #[cfg(unix)]
    fn ship(&self, step: &Arc<dyn Step>) -> std::result::Result<serde_json::Value, String> {
        worker::ship(step)
    }

    #[cfg(unix)]
    fn ship_plugin(
        &self,
        plugin: &Plugin,
        configuration: &Configuration,
    ) -> std::result::Result<serde_json::Value, String> {
        worker::ship_plugin(plugin.clone(), configuration.clone())
    }

    #[cfg(unix)]
    fn unpack(&self, shipped: &serde_json::Value) -> Result<Arc<dyn Step>> {
        worker::unpack(shipped)
    }
}
