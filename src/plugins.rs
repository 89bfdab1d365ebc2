//! What the core knows of plugins: what is installed, and a trait that loads and runs them.
//!
//! The core never imports a plugin. It asks a [`Host`] what is installed (which imports nothing), and asks it to load
//! those that a pipeline names. `src/python/` is the host over `importlib.metadata`; tests make hosts of their own.

mod entry_points;
mod names;

pub use entry_points::{EntryPoint, ParseFinding, parse_entry_points};
pub(crate) use names::resolve_with;
pub use names::{OWN_DISTRIBUTION, Resolved, fold, listed, nearest, resolve, split_name};

use crate::error::{Error, PluginError, PluginFault, Result};
use crate::step::{Configuration, PlacedStep, Segment, Step};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::sync::Arc;

/// The entry-point group that plugins register in.
pub const GROUP: &str = "text_processor.plugins";

/// A plugin that some installed distribution offers. Knowing it imported nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// The canonical name, `distribution/name`, both folded.
    pub name: String,
    /// The name as the entry point spells it.
    pub short_name: String,
    /// The distribution that ships it, as it spells itself.
    pub distribution: String,
    /// That distribution's version, if its metadata says one.
    pub version: Option<String>,
    /// The entry point's value, `module:attribute`.
    pub entry_point: String,
    /// Where the distribution's metadata lies.
    pub location: String,
    /// Whether the distribution was installed as editable.
    pub editable: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something can be used, but not as somebody probably thinks.
    Warning,
    /// Something cannot be used.
    Error,
}

/// An anomaly of an installed distribution. It never hides another distribution's plugins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The distribution, as far as it is known.
    pub distribution: Option<String>,
    /// A stable word: `unreadable_metadata`, `unreadable_entry_points`, `malformed_line`, `invalid_name`,
    /// `invalid_reference`, `duplicate_name`, `duplicate_distribution`, `reserved_name`, `shared_name`, `stale_metadata`, `untrusted_location`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// The file or folder.
    pub path: Option<String>,
    /// The line in that file, counted from 1.
    pub line: Option<usize>,
    /// A finished sentence.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

/// What is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Discovery {
    /// The plugins, sorted by canonical name.
    pub plugins: Vec<Plugin>,
    /// The anomalies, sorted.
    pub findings: Vec<Finding>,
    /// How many distributions were looked at.
    pub distributions: usize,
}

/// The world that has plugins.
pub trait Host: Send + Sync {
    /// What is installed. Imports no plugin. The answer does not depend on the order of directories.
    fn discover(&self) -> Result<Arc<Discovery>>;

    /// Imports a plugin and makes a step of it. Everything that can be wrong is found here, before any data is read.
    fn load(&self, plugin: &Plugin, configuration: &Configuration) -> Result<Arc<dyn Step>>;

    /// Imports a plugin and returns what it declares, without configuring it: for lists and for the order of
    /// plugins whose configuration is not known.
    fn describe(&self, plugin: &Plugin) -> Result<crate::step::Declaration>;

    /// Fuses consecutive steps of this host into one segment.
    fn fuse(&self, steps: Vec<PlacedStep>) -> Box<dyn Segment>;

    /// Whether a lock lets only one thread at a time execute steps of this host, so that only processes run them side by side.
    fn has_lock(&self) -> bool {
        false
    }

    /// How a worker is started, a process with this same host; or why it cannot be, as a finished sentence.
    fn worker_command(&self) -> std::result::Result<WorkerCommand, String> {
        Err("This host has no workers.".to_owned())
    }

    /// What a worker needs to make one of this host's steps again; or why it cannot, as a finished sentence.
    fn ship(&self, step: &Arc<dyn Step>) -> std::result::Result<serde_json::Value, String> {
        Err(format!(
            "The step `{}` cannot be made in another process.",
            crate::error::shown(&step.declaration().name)
        ))
    }

    /// What a worker needs to make a step of a plugin that was not loaded here.
    fn ship_plugin(
        &self,
        plugin: &Plugin,
        configuration: &Configuration,
    ) -> std::result::Result<serde_json::Value, String> {
        let _ = configuration;
        Err(format!(
            "The plugin `{}` cannot be loaded in another process.",
            crate::error::shown(&plugin.name)
        ))
    }

    /// Makes a step, in a worker, of what [`Host::ship`] or [`Host::ship_plugin`] made of it.
    fn unpack(&self, shipped: &serde_json::Value) -> Result<Arc<dyn Step>> {
        Err(Error::Internal(format!("This host has no step for {shipped}.")))
    }
}

/// How a worker is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What its environment has besides that of this process.
    pub environment: Vec<(OsString, OsString)>,
}

/// The host where there are no plugins: the core by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlugins;

impl Host for NoPlugins {
    fn discover(&self) -> Result<Arc<Discovery>> {
        Ok(Arc::default())
    }

    fn load(&self, plugin: &Plugin, _configuration: &Configuration) -> Result<Arc<dyn Step>> {
        Err(no_plugins(plugin))
    }

    fn describe(&self, plugin: &Plugin) -> Result<crate::step::Declaration> {
        Err(no_plugins(plugin))
    }

    fn fuse(&self, _steps: Vec<PlacedStep>) -> Box<dyn Segment> {
        unreachable!("a host without plugins has no steps to fuse")
    }
}

fn no_plugins(plugin: &Plugin) -> Error {
    PluginError::new(
        PluginFault::Load,
        &plugin.name,
        "This build of text-processor has no plugin host.",
    )
    .into()
}
