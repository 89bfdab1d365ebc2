//! What is to be done: a pipeline as somebody wrote it, and the plan that the engine runs.
//!
//! A [`Pipeline`] comes from a file (`config`), from arguments of the command (`arguments`) or from a program. [`Plan::new`]
//! finds and loads its steps, puts them in order (`order`) and fuses them to segments.

mod arguments;
mod chain;
mod config;
mod document;
mod explanation;
mod halving;
mod order;
mod rhythm;
mod segment;
mod workbench;

pub use chain::{Chain, Manner, Watches};
pub use document::Place;
pub use explanation::ExplainedStep;
pub use halving::{MOST_FAILED, call_in_halves};
pub use rhythm::Rhythm;
pub use segment::{Changes, RustSegment, passes};
pub use workbench::{
    End, Extent, TIMED_EACH, Watch, Workbench, cut, missing_field, output_too_large, panic_message, quietly,
};

use crate::error::{ConfigError, Error, Result, shown};
use crate::plugins::{self, Discovery, Host, Resolved};
use crate::step::{Configuration, Declaration, PlacedStep, Runtime, Segment, Step};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
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
    /// Where it stands in the file or the argument that it comes from.
    pub place: Option<Place>,
}

impl PipelineStep {
    /// A step by its name.
    pub fn named(name: impl Into<String>, configuration: Configuration) -> Self {
        Self {
            reference: StepReference::Name(name.into()),
            configuration,
            place: None,
        }
    }

    /// A step that the caller made.
    #[must_use]
    pub fn given(step: Arc<dyn Step>) -> Self {
        Self {
            reference: StepReference::Given(step),
            configuration: Configuration::new(),
            place: None,
        }
    }

    /// Gives an error that was found in this step its place, if the step has one.
    fn locate(&self, error: Error) -> Error {
        match &self.place {
            Some(place) => place.locate(error),
            None => error,
        }
    }
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
    pub fn from_file(path: &Path) -> Result<Self> {
        config::read(path)
    }

    /// Reads steps as the command line gives them: `name` or `name:key=value,key=value`.
    pub fn from_arguments(arguments: &[String]) -> Result<Self> {
        let steps = arguments.iter().map(|argument| arguments::parse(argument));
        Ok(Self {
            steps: steps.collect::<Result<_, ConfigError>>()?,
            ..Self::default()
        })
    }

    /// Every installed plugin, in automatic order. Plugins are named in full here, so that two with one short name are no collision.
    pub fn discover(host: &dyn Host) -> Result<Self> {
        let mut names: Vec<String> = host
            .discover()?
            .plugins
            .iter()
            .map(|plugin| plugin.name.clone())
            .collect();
        // A distribution that registers a name twice is one entry here; using the name is the error that says so.
        names.sort();
        names.dedup();
        Ok(Self {
            steps: names
                .into_iter()
                .map(|name| PipelineStep::named(name, Configuration::new()))
                .collect(),
            order: OrderMode::Auto,
            ..Self::default()
        })
    }
}

/// A step of a plan.
#[derive(Clone)]
pub struct PlannedStep {
    /// The step.
    pub step: Arc<dyn Step>,
    /// The configuration as the pipeline gives it, without the defaults.
    pub configuration: Configuration,
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
    /// What steps declare about steps that are absent, and that therefore holds for nothing: finished sentences.
    pub inactive: Vec<String>,
}

impl Plan {
    /// The most steps that a plan can have: batches number steps and fields with 16 bits.
    pub const STEP_LIMIT: usize = 65_000;

    /// Validates and orders a pipeline: finds, loads and configures each step and fuses them. Everything that can be
    /// wrong with a pipeline or its plugins is found here, before any data is read.
    pub fn new(pipeline: &Pipeline, host: &dyn Host) -> Result<Self> {
        if pipeline.steps.len() > Self::STEP_LIMIT {
            let message = format!(
                "The pipeline has {} steps, and at most {} are possible.",
                pipeline.steps.len(),
                Self::STEP_LIMIT
            );
            return Err(ConfigError::new(message).into());
        }
        let loader = Loader {
            host,
            discovery: OnceCell::new(),
        };
        let load = |step: &PipelineStep| loader.load(step).map_err(|error| step.locate(error));
        let listed = pipeline
            .steps
            .iter()
            .map(load)
            .collect::<Result<Vec<Arc<dyn Step>>>>()?;
        let declarations: Vec<&Declaration> = listed.iter().map(|step| step.declaration()).collect();
        let ordered = match pipeline.order {
            OrderMode::Explicit => order::check(&declarations),
            OrderMode::Auto => order::sort(&declarations),
        };
        let ordered = ordered.map_err(|fault| pipeline.steps[fault.step].locate(fault.error.into()))?;
        let text = pipeline.text.clone().unwrap_or_else(|| "text".to_owned());
        let id = pipeline.id.clone().unwrap_or_else(|| "id".to_owned());
        for &index in &ordered.steps {
            check_added_fields(declarations[index], &text, &id)
                .map_err(|error| pipeline.steps[index].locate(error.into()))?;
        }
        let sorted: Vec<Arc<dyn Step>> = ordered.steps.iter().map(|&index| Arc::clone(&listed[index])).collect();
        let (fields, placed) = number_fields(&sorted)?;
        let planned = |((step, reasons), &index): ((Arc<dyn Step>, Vec<String>), &usize)| PlannedStep {
            step,
            configuration: pipeline.steps[index].configuration.clone(),
            reasons,
        };
        let steps = sorted.into_iter().zip(ordered.reasons).zip(&ordered.steps);
        Ok(Self {
            steps: steps.map(planned).collect(),
            segments: fuse(placed, host),
            fields,
            text,
            id,
            on_error: pipeline.on_error.unwrap_or_default(),
            inactive: ordered.inactive,
        })
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .steps
            .iter()
            .map(|step| step.step.declaration().name.as_str())
            .collect();
        formatter
            .debug_struct("Plan")
            .field("steps", &names)
            .field("segments", &self.segments.len())
            .field("text", &self.text)
            .field("id", &self.id)
            .field("on_error", &self.on_error)
            .finish_non_exhaustive()
    }
}

/// Finds and loads steps, and asks the host what is installed once at most, and only if a name is no built-in's.
struct Loader<'h> {
    host: &'h dyn Host,
    discovery: OnceCell<Arc<Discovery>>,
}

impl Loader<'_> {
    fn load(&self, step: &PipelineStep) -> Result<Arc<dyn Step>> {
        let name = match &step.reference {
            StepReference::Given(step) => return Ok(Arc::clone(step)),
            StepReference::Name(name) => name,
        };
        let (canonical, loaded) = match plugins::resolve_with(name, || self.discover())? {
            Resolved::BuiltIn(built_in) => (
                built_in.name.to_owned(),
                (built_in.build)(&step.configuration).map_err(Error::from),
            ),
            Resolved::Plugin(plugin) => {
                let loaded = self.host.load(&plugin, &step.configuration);
                (plugin.name, loaded)
            }
        };
        loaded.map_err(|error| name_step(error, &canonical))
    }

    fn discover(&self) -> Result<Arc<Discovery>> {
        if let Some(discovery) = self.discovery.get() {
            return Ok(Arc::clone(discovery));
        }
        let discovery = self.host.discover()?;
        Ok(Arc::clone(self.discovery.get_or_init(|| discovery)))
    }
}

/// Makes an error of a step's configuration say which step it is about: a step that checks its own need not know its name.
fn name_step(error: Error, name: &str) -> Error {
    match error {
        Error::Config(mut error) if !error.message.contains(&format!("tep `{name}`")) => {
            error.message = format!("Step `{name}`: {}", error.message);
            Error::Config(error)
        }
        other => other,
    }
}

/// A step may not add a field that the source needs for itself.
fn check_added_fields(declaration: &Declaration, text: &str, id: &str) -> Result<(), ConfigError> {
    for field in &declaration.fields {
        for (key, name, holds) in [("text", text, "holds the text"), ("id", id, "identifies the record")] {
            if field.name == name {
                let name = shown(name);
                let message = format!(
                    "Step `{}` adds the field `{name}`, but `{name}` {holds} in this pipeline.",
                    shown(&declaration.name)
                );
                let hint = format!("Name another field with `{key}` in `[pipeline]`, or leave the step out.");
                return Err(ConfigError::new(message).with_hint(hint));
            }
        }
    }
    Ok(())
}

/// Gives each field that steps add or ask for its number, in the order in which they are first mentioned.
fn number_fields(steps: &[Arc<dyn Step>]) -> Result<(Vec<PlanField>, Vec<PlacedStep>)> {
    let mut fields: Vec<PlanField> = Vec::new();
    let mut numbers: HashMap<String, u16> = HashMap::new();
    let mut number = |name: &str, fields: &mut Vec<PlanField>| -> Result<u16> {
        if let Some(&number) = numbers.get(name) {
            return Ok(number);
        }
        let too_many = |_| ConfigError::new(format!("The steps use more than {} fields.", u16::MAX));
        let number = u16::try_from(fields.len()).map_err(too_many)?;
        numbers.insert(name.to_owned(), number);
        fields.push(PlanField {
            name: name.to_owned(),
            added_by: None,
            from_source: false,
        });
        Ok(number)
    };
    let mut placed = Vec::with_capacity(steps.len());
    for (index, step) in (0_u16..).zip(steps) {
        let declaration = step.declaration();
        let mut asks = Vec::with_capacity(declaration.asks.len());
        for asked in &declaration.asks {
            let field = number(&asked.name, &mut fields)?;
            if fields[usize::from(field)].added_by.is_none() {
                fields[usize::from(field)].from_source = true;
            }
            asks.push(field);
        }
        let mut adds = Vec::with_capacity(declaration.fields.len());
        for added in &declaration.fields {
            let field = number(&added.name, &mut fields)?;
            fields[usize::from(field)].added_by = Some(index);
            adds.push(field);
        }
        placed.push(PlacedStep {
            index,
            step: Arc::clone(step),
            asks,
            adds,
        });
    }
    Ok((fields, placed))
}

/// Fuses consecutive steps of one runtime to segments.
fn fuse(steps: Vec<PlacedStep>, host: &dyn Host) -> Vec<Box<dyn Segment>> {
    let mut segments: Vec<Box<dyn Segment>> = Vec::new();
    let mut steps = steps.into_iter().peekable();
    while let Some(first) = steps.next() {
        let runtime = first.step.declaration().runtime;
        let mut run = vec![first];
        while let Some(next) = steps.next_if(|next| next.step.declaration().runtime == runtime) {
            run.push(next);
        }
        segments.push(match runtime {
            Runtime::Rust => Box::new(RustSegment::new(run)),
            Runtime::Python => host.fuse(run),
        });
    }
    segments
}

#[cfg(test)]
mod tests;
