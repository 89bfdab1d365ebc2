//! The trait every step implements, what a step says of itself, and its verdict on a record.
//!
//! A step sees one text and returns a [`Verdict`]. Consecutive steps with one runtime are fused into a [`Segment`], which
//! runs them over a batch in one go; the engine knows segments only. Built-ins run in a [`crate::engine`] segment, plugins in one that their host makes.

mod marker;

pub use marker::{Marker, Noted};

use crate::batch::Batch;
use crate::error::{Failure, Interrupt, Result, shown};
use crate::record::{Field, Value};
use crate::sweep::Rule;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The configuration of a step: the `with` table of a pipeline file, as JSON values.
pub type Configuration = serde_json::Map<String, serde_json::Value>;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Makes a text of a text.
    Map,
    /// Keeps or rejects.
    Filter,
    /// Adds fields.
    Annotate,
    /// Makes many texts of one.
    Split,
}

impl Kind {
    /// The word for this kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Filter => "filter",
            Self::Annotate => "annotate",
            Self::Split => "split",
        }
    }
}

/// Where in an automatic order a step belongs. The variants stand in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Undo encodings: entities, escapes, broken UTF-8.
    Decode,
    /// Bring characters and white space into one form.
    Normalize,
    /// Reject what is not wanted.
    Filter,
    /// Change the text; the default.
    #[default]
    Transform,
    /// Remove what must not leave the house.
    Redact,
    /// Add fields.
    Annotate,
    /// Give the result its final shape.
    Emit,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Self; 7] = [
        Self::Decode,
        Self::Normalize,
        Self::Filter,
        Self::Transform,
        Self::Redact,
        Self::Annotate,
        Self::Emit,
    ];

    /// The word for this stage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Normalize => "normalize",
            Self::Filter => "filter",
            Self::Transform => "transform",
            Self::Redact => "redact",
            Self::Annotate => "annotate",
            Self::Emit => "emit",
        }
    }
}

/// Which world executes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Rust, on any thread.
    Rust,
    /// Python, where the interpreter allows it.
    Python,
}

/// What a step is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalledWith {
    /// One text at a time.
    #[default]
    Text,
    /// A list of texts, to which it returns a list of as many results.
    List,
    /// An Arrow array of texts, to which it returns one of as many results.
    Arrow,
}

/// A field that a step asks for by the name of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The field's name.
    pub name: String,
    /// Whether a record without the field fails. Without that, the step's own default is used.
    pub required: bool,
}

/// One value that a step can be configured with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its key.
    pub name: String,
    /// Its type, in words a person reads: `integer`, `text`, `list of text`, or what a plugin's annotation says.
    pub r#type: String,
    /// What it is when it is not given; `None` where it must be given.
    pub default: Option<serde_json::Value>,
    /// What it does: one sentence. Empty where a plugin does not say.
    pub description: String,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The distribution that ships it.
    pub distribution: String,
    /// That distribution's version, if its metadata says one.
    pub version: Option<String>,
    /// The entry point's value, `module:attribute`.
    pub entry_point: String,
}

impl Origin {
    /// The distribution with its version, as reports name it.
    #[must_use]
    pub fn distribution_with_version(&self) -> String {
        distribution_with_version(&self.distribution, self.version.as_deref())
    }
}

/// A distribution as a person names it: with its version, where that is known.
#[must_use]
pub fn distribution_with_version(distribution: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{} {}", shown(distribution), shown(version)),
        None => shown(distribution),
    }
}

/// What a step says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// The canonical name: a built-in's own (`trim-lines`), a plugin's `distribution/name`, a callable's qualified name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Where in an automatic order it belongs.
    pub stage: Stage,
    /// Steps that it must run before, if they are there.
    pub before: Vec<String>,
    /// Steps that it must run after, if they are there.
    pub after: Vec<String>,
    /// Steps that must be there, and run before it.
    pub requires: Vec<String>,
    /// The fields that it adds.
    pub fields: Vec<Field>,
    /// The fields that it asks for, in the order of its parameters.
    pub asks: Vec<Asked>,
    /// What it can be configured with.
    pub parameters: Vec<Parameter>,
    /// What executes it.
    pub runtime: Runtime,
    /// What it is called with.
    pub called_with: CalledWith,
    /// Where it comes from; `None` for built-ins and for callables that were passed in.
    pub origin: Option<Origin>,
    /// What it does, in one sentence.
    pub summary: String,
}

impl Declaration {
    /// The declaration of a built-in.
    #[must_use]
    pub fn built_in(name: &str, kind: Kind, stage: Stage, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            stage,
            before: Vec::new(),
            after: Vec::new(),
            requires: Vec::new(),
            fields: Vec::new(),
            asks: Vec::new(),
            parameters: Vec::new(),
            runtime: Runtime::Rust,
            called_with: CalledWith::Text,
            origin: None,
            summary: summary.to_owned(),
        }
    }
}

/// What a step makes of a record. Texts are borrowed, from the input (unchanged, or a part of it) or from the scratch.
#[derive(Debug)]
pub enum Verdict<'t> {
    /// The record goes on with this text. A filter or an annotator returns [`Verdict::Keep`].
    Text(&'t str),
    /// The record goes on as it is.
    Keep,
    /// The record is rejected, with a short reason: a stable word such as `too_short`, not a sentence.
    Reject(Cow<'static, str>),
    /// The record goes on with these values for the fields that the step declared, in their order.
    Annotate(Vec<Value>),
    /// The record goes on as these texts.
    Split(Vec<String>),
}

/// What a step may use while it works on a record.
#[derive(Debug)]
pub struct Scratch<'c> {
    /// An empty string to write the new text to.
    pub text: String,
    /// Tells whether the run is being stopped, for steps that can take long on one record.
    pub cancel: &'c Cancel,
}

/// One operation of a pipeline.
///
/// It is [`Any`], so that a host can recognise its own steps among those of a plan.
pub trait Step: Any + Send + Sync {
    /// What the step says of itself.
    fn declaration(&self) -> &Declaration;

    /// The configuration that would make this step again.
    fn configuration(&self) -> Configuration;

    /// What the step does, if that can be said of single characters. Neighbours that have rules may be run as one pass, so a
    /// rule must say all that [`Step::apply`] does to a text, and the step must fail on none within the limits.
    fn rule(&self) -> Option<Rule> {
        None
    }

    /// A fingerprint of the files that the step is made of, in hexadecimal, if it is made of files that are not
    /// text-processor's own. Whoever goes on with a run must do so with the same. It may take as long as reading them.
    fn files_fingerprint(&self) -> Option<String> {
        None
    }

    /// Works on one record. `asked` holds the values of the fields the step asks for, in the order of its declaration.
    /// A text that is not changed must be returned as the very slice that came in: that is how the engine knows.
    fn apply<'t>(
        &self,
        text: &'t str,
        asked: &[Value],
        scratch: &'t mut Scratch<'_>,
    ) -> std::result::Result<Verdict<'t>, Failure>;

    /// For a step that always leaves a part of the text, and asks for nothing: that part, the very slice that [`Step::apply`]
    /// would return. A text that comes alone is cut by this, because to make a scratch ready takes longer than to cut it.
    fn part<'t>(&self, text: &'t str) -> Option<&'t str> {
        let _ = text;
        None
    }
}

/// A step at its place in a plan.
#[derive(Clone)]
pub struct PlacedStep {
    /// Its index in the plan.
    pub index: u16,
    /// The step.
    pub step: Arc<dyn Step>,
    /// The plan's numbers of the fields it asks for, in the order of its declaration.
    pub asks: Vec<u16>,
    /// The plan's numbers of the fields it adds, in the order of its declaration.
    pub adds: Vec<u16>,
}

/// A run of consecutive steps with one runtime, executed in one go per batch.
///
/// A segment never loses a record: each row that was live is live afterwards, or there is a casualty for it.
pub trait Segment: Send + Sync {
    /// The steps, in order.
    fn steps(&self) -> &[PlacedStep];

    /// Whether the segment must run on the thread that called the engine. Python segments do where a lock lets only one
    /// thread at a time execute Python: that thread already knows the interpreter, gets its signals, and has no rival for the lock.
    fn on_calling_thread(&self) -> bool;

    /// Runs the steps over the live rows of the batch, and calls `pulse` every few rows. An error ends the run; the
    /// failure of a record is no error.
    fn run(&self, batch: &mut Batch, context: &Context, pulse: &mut Pulse<'_>) -> Result<()>;
}

/// What executes a segment; `None` for one without steps.
#[must_use]
pub fn runtime(segment: &dyn Segment) -> Option<Runtime> {
    segment.steps().first().map(|placed| placed.step.declaration().runtime)
}

/// What a segment calls now and then, so that a batch which takes long holds nobody up: it tells whether to stop, and
/// on the calling thread it is where signals are seen and progress is shown.
pub type Pulse<'p> = dyn FnMut() -> Result<(), Interrupt> + 'p;

/// What a segment needs to know of its run.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Tells whether the run is being stopped.
    pub cancel: Cancel,
    /// The limits on what steps may make.
    pub limits: Limits,
    /// Where the segment notes what it is working on.
    pub marker: Marker,
    /// Whether steps that take many texts at a time get them one by one: then the marker names the record of which one dies.
    pub apart: bool,
}

/// Limits that keep one record, or one input, from taking the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that a record may have when it is read, and its text when a step has written it.
    pub record_bytes: usize,
    /// The most parts that a split may make of one record.
    pub parts: usize,
    /// How deep the JSON of a record may be nested.
    pub json_depth: usize,
    /// How many times as large as it is a compressed input may become, once it has become large; `None`: any number.
    pub expansion: Option<u64>,
    /// How many bytes decompression may take to look back at, in whole powers of two.
    pub window: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 16 << 20,
            parts: 1_000_000,
            json_depth: 128,
            expansion: Some(200),
            window: 128 << 20,
        }
    }
}

/// Tells all threads of a run to stop. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everybody to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether everybody was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bounds the time of a step that may take long on one record. Check it often: reading the clock is cheap beside a search.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline so far from now.
    #[must_use]
    pub fn after(budget: Duration) -> Self {
        // A budget of centuries means none.
        Self(
            Instant::now()
                .checked_add(budget)
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400 * 365)),
        )
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }
}
