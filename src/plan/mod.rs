//! What is to be done: a pipeline as somebody wrote it, and the plan that the engine runs.

mod segment;
mod workbench;

pub use segment::{Changes, RustSegment, passes};
pub use workbench::{
    End, Place, TIMED_EACH, Watch, Workbench, cancelled_at, missing_field, output_too_large, panic_message,
};

use crate::error::{Error, Result};
use crate::plugins::Host;
use crate::step::{Configuration, Segment, Step};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What happens to a record that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The run stops with an error; nothing is committed.
    Raise,
    /// The record is kept aside with its error, and the run goes on.
    #[default]
    Quarantine,
}

/// How the steps of a pipeline are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderMode {
    /// As they are listed; what the steps declare is checked against it.
    #[default]
    Explicit,
    /// By what the steps declare.
    Auto,
}

/// A step as a pipeline names it.
#[derive(Clone)]
pub enum StepReference {
    /// By name: a built-in's, a plugin's short one, or `distribution/name`.
    Name(String),
    /// A step that the caller made (of a Python callable, say).
    Given(Arc<dyn Step>),
}

/// One entry of a pipeline.
#[derive(Clone)]
pub struct PipelineStep {
    /// Which step.
    pub reference: StepReference,
    /// Its configuration. Empty for a given step, which is configured already.
    pub configuration: Configuration,
}

/// A pipeline as somebody wrote it: steps with their configuration, and the error policy. Not validated yet.
#[derive(Clone, Default)]
pub struct Pipeline {
    /// The steps.
    pub steps: Vec<PipelineStep>,
    /// How they are put in order.
    pub order: OrderMode,
    /// The column or JSON key that holds the text; `None`: not said.
    pub text: Option<String>,
    /// The column or JSON key that identifies a record; `None`: not said.
    pub id: Option<String>,
    /// What happens to a record that fails; `None`: not said.
    pub on_error: Option<OnError>,
    /// The file it comes from.
    pub file: Option<PathBuf>,
}

impl Pipeline {
    /// Reads a pipeline file. Errors show the line with a caret.
    pub fn from_file(_path: &Path) -> Result<Self> {
        Err(Error::Internal("Not built yet.".into()))
    }

    /// Reads steps as the command line gives them: `name` or `name:key=value,key=value`.
    pub fn from_arguments(_arguments: &[String]) -> Result<Self> {
        Err(Error::Internal("Not built yet.".into()))
    }

    /// Every installed plugin, in automatic order.
    pub fn discover(_host: &dyn Host) -> Result<Self> {
        Err(Error::Internal("Not built yet.".into()))
    }
}

/// A step of a plan.
#[derive(Clone)]
pub struct PlannedStep {
    /// The step.
    pub step: Arc<dyn Step>,
    /// Why it stands where it stands, for `explain`: finished sentences.
    pub reasons: Vec<String>,
}

/// A field that the steps of a plan add or ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanField {
    /// Its name.
    pub name: String,
    /// The index of the step that adds it; `None` if it must come with the record.
    pub added_by: Option<u16>,
    /// Whether a step asks for it before any step has added it, so that the source must read it.
    pub from_source: bool,
}

/// A pipeline that has been validated and ordered, ready to run.
pub struct Plan {
    /// The steps in order.
    pub steps: Vec<PlannedStep>,
    /// The same steps, fused.
    pub segments: Vec<Box<dyn Segment>>,
    /// The fields that steps add or ask for; steps and batches know them by their index here.
    pub fields: Vec<PlanField>,
    /// The column or JSON key that holds the text.
    pub text: String,
    /// The column or JSON key that identifies a record.
    pub id: String,
    /// What happens to a record that fails.
    pub on_error: OnError,
}

impl Plan {
    /// Validates and orders a pipeline: finds, loads and configures each step and fuses them. Everything that can be
    /// wrong with a pipeline or its plugins is found here, before any data is read.
    pub fn new(_pipeline: &Pipeline, _host: &dyn Host) -> Result<Self> {
        Err(Error::Internal("Not built yet.".into()))
    }
}
