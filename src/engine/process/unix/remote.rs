//! Steps that are made in a worker only: what a plugin does while it is imported cannot harm the engine.

use super::child::Child;
use super::death::Death;
use super::wire::Load;
use super::{First, Isolating, Supervision};
use crate::batch::Batch;
use crate::error::{Error, Failure, FailureKind, FileError, Interrupt, PluginError, PluginFault, Result};
use crate::plan::Plan;
use crate::plugins::{Discovery, Host, Plugin, WorkerCommand};
use crate::record::Value;
use crate::step::{
    Configuration, Context, Declaration, Limits, Origin, PlacedStep, Pulse, Scratch, Segment, Step, Verdict,
};
use std::any::Any;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A host whose plugins are loaded in a worker, which is kept for the run.
pub struct RemoteHost<'h> {
    host: &'h dyn Host,
    isolating: Isolating,
    limits: Limits,
    interrupted: &'h (dyn Fn() -> Result<(), Interrupt> + Sync),
    worker: Mutex<Option<Child>>,
}

impl<'h> RemoteHost<'h> {
    /// The same plugins as those of `host`. Somebody who waits for one to be loaded is not kept once `interrupted` says so.
    pub fn new(
        host: &'h dyn Host,
        isolating: Isolating,
        limits: Limits,
        interrupted: &'h (dyn Fn() -> Result<(), Interrupt> + Sync),
    ) -> Self {
        Self {
            host,
            isolating,
            limits,
            interrupted,
            worker: Mutex::default(),
        }
    }

    /// How the segments of a plan that this host made are run in workers. The worker that has loaded its plugins is the first.
    pub fn supervise(self, plan: &Plan) -> Result<Option<Supervision>> {
        let mut supervision = Supervision::of(plan, &self, self.limits, &self.isolating)?;
        if let Some(supervision) = &mut supervision {
            supervision.first = First(Arc::new(self.worker));
        }
        Ok(supervision)
    }

    /// What a worker says of a step that it has made: its declaration, and the fingerprint of its files.
    fn ask(&self, plugin: &Plugin, shipped: &serde_json::Value) -> Result<(Declaration, Option<String>)> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let child = match &mut *worker {
            Some(child) => child,
            none => none.insert(self.start()?),
        };
        let load = Load::new(vec![shipped.clone()], Vec::new(), self.limits, &self.isolating);
        let stopped = || (self.interrupted)().is_err();
        let answer = child.load(&load.write()?, self.isolating.load_timeout, &stopped);
        for line in child.take_output().iter().flat_map(|printed| printed.lines()) {
            super::log_printed(line);
        }
        let answer = answer.map_err(|death| {
            *worker = None;
            (self.interrupted)()
                .map_err(Error::Interrupted)
                .err()
                .unwrap_or_else(|| {
                    let origin = Origin {
                        distribution: plugin.distribution.clone(),
                        version: plugin.version.clone(),
                        entry_point: plugin.entry_point.clone(),
                    };
                    died_while_loading(&death, std::iter::once((plugin.name.as_str(), Some(&origin))))
                })
        })?;
        let told = answer?.steps.into_iter().next();
        told.ok_or_else(|| Error::Internal("A worker told of no step.".to_owned()))
    }

    fn start(&self) -> Result<Child> {
        let command = self.host.worker_command().map_err(Error::Internal)?;
        Child::start(&command).map_err(|error| cannot_start(&command, &error))
    }
}

/// The error of a worker that cannot even be started.
pub(super) fn cannot_start(command: &WorkerCommand, error: &std::io::Error) -> Error {
    let mut failed = FileError::of(Path::new(&command.program), "starting a worker with", error);
    failed.hint = Some("`--isolation thread` runs plugins in this process instead.".to_owned());
    Error::Output(Box::new(failed))
}

/// The error of a worker that died while it loaded these steps.
pub(super) fn died_while_loading<'s>(
    death: &Death,
    steps: impl Iterator<Item = (&'s str, Option<&'s Origin>)>,
) -> Error {
    let steps: Vec<_> = steps.collect();
    let labels: Vec<String> = steps
        .iter()
        .map(|(name, origin)| match origin {
            Some(origin) => format!("`{name}` ({})", origin.distribution_with_version()),
            None => format!("`{name}`"),
        })
        .collect();
    let mut message = format!("The worker {} while it loaded {}.", death.how, labels.join(", "));
    if let Some(stack) = &death.stack {
        message = format!("{message}\n{stack}");
    }
    let name = steps.first().map_or("", |(name, _)| name);
    let mut error = PluginError::new(PluginFault::Load, name, message);
    if let [(_, Some(origin))] = steps[..] {
        error.distribution = Some(origin.distribution.clone());
        error.version.clone_from(&origin.version);
        error.entry_point = Some(origin.entry_point.clone());
    }
    if death.kind == FailureKind::StepTimeout {
        error.hint = Some("`--load-timeout` gives a plugin more time.".to_owned());
    }
    error.into()
}

impl Host for RemoteHost<'_> {
    fn discover(&self) -> Result<Arc<Discovery>> {
        self.host.discover()
    }

    fn load(&self, plugin: &Plugin, configuration: &Configuration) -> Result<Arc<dyn Step>> {
        let shipped = self.host.ship_plugin(plugin, configuration).map_err(Error::Internal)?;
        let (declaration, files) = self.ask(plugin, &shipped)?;
        Ok(Arc::new(RemoteStep {
            declaration,
            files,
            configuration: configuration.clone(),
            shipped,
        }))
    }

    fn describe(&self, plugin: &Plugin) -> Result<Declaration> {
        self.host.describe(plugin)
    }

    fn fuse(&self, steps: Vec<PlacedStep>) -> Box<dyn Segment> {
        Box::new(RemoteSegment(steps))
    }

    fn has_lock(&self) -> bool {
        self.host.has_lock()
    }

    fn worker_command(&self) -> std::result::Result<WorkerCommand, String> {
        self.host.worker_command()
    }

    fn ship(&self, step: &Arc<dyn Step>) -> std::result::Result<serde_json::Value, String> {
        let any: &dyn Any = &**step;
        match any.downcast_ref::<RemoteStep>() {
            Some(step) => Ok(step.shipped.clone()),
            None => self.host.ship(step),
        }
    }

    fn unpack(&self, shipped: &serde_json::Value) -> Result<Arc<dyn Step>> {
        self.host.unpack(shipped)
    }
}

/// A step that a worker has made. It is known here by what it declares.
struct RemoteStep {
    declaration: Declaration,
    configuration: Configuration,
    files: Option<String>,
    shipped: serde_json::Value,
}

impl Step for RemoteStep {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        self.configuration.clone()
    }

    fn files_fingerprint(&self) -> Option<String> {
        self.files.clone()
    }

    fn apply<'t>(
        &self,
        _text: &'t str,
        _asked: &[Value],
        _scratch: &'t mut Scratch<'_>,
    ) -> std::result::Result<Verdict<'t>, Failure> {
        Err(Failure::new(FailureKind::StepError, "The step runs in workers only."))
    }
}

/// A segment that only workers can run.
struct RemoteSegment(Vec<PlacedStep>);

impl Segment for RemoteSegment {
    fn steps(&self) -> &[PlacedStep] {
        &self.0
    }

    fn on_calling_thread(&self) -> bool {
        true
    }

    fn run(&self, _batch: &mut Batch, _context: &Context, _pulse: &mut Pulse<'_>) -> Result<()> {
        Err(Error::Internal(
            "A segment of workers was run in the process of the engine.".to_owned(),
        ))
    }
}
