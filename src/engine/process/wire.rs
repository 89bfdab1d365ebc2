//! What is said between the engine and a worker once, as JSON: the steps to load, and how that went.

use super::Isolating;
use crate::error::{Cause, ConfigError, Error, PluginError, PluginFault, Result};
use crate::plugins::Host;
use crate::step::{Declaration, Limits, PlacedStep};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What a worker is told to load.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Load {
    /// The process that started it.
    pub(super) supervisor: u32,
    /// Steps that it is to make and tell of. Each is kept until a segment needs it.
    pub(super) steps: Vec<serde_json::Value>,
    /// The segments that it is to run.
    pub(super) segments: Vec<Segment>,
    pub(super) record_bytes: usize,
    pub(super) parts: usize,
    pub(super) json_depth: usize,
    /// How many bytes of memory it may have.
    pub(super) memory: Option<u64>,
    /// Whether it tells of the files that the steps are made of.
    pub(super) files: bool,
}

/// A segment of the plan.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Segment {
    /// Its number in the plan.
    pub(super) number: usize,
    pub(super) steps: Vec<Placed>,
}

/// A step at its place.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Placed {
    pub(super) index: u16,
    pub(super) asks: Vec<u16>,
    pub(super) adds: Vec<u16>,
    /// What the host made of the step.
    pub(super) shipped: serde_json::Value,
}

impl Segment {
    /// Ships the steps of a segment; or says why one of them cannot be.
    pub(super) fn of(number: usize, steps: &[PlacedStep], host: &dyn Host) -> std::result::Result<Self, String> {
        let place = |placed: &PlacedStep| {
            Ok(Placed {
                index: placed.index,
                asks: placed.asks.clone(),
                adds: placed.adds.clone(),
                shipped: host.ship(&placed.step)?,
            })
        };
        let steps = steps.iter().map(place).collect::<std::result::Result<_, String>>()?;
        Ok(Self { number, steps })
    }
}

impl Load {
    pub(super) fn new(
        steps: Vec<serde_json::Value>,
        segments: Vec<Segment>,
        limits: Limits,
        isolating: &Isolating,
    ) -> Self {
        Self {
            supervisor: std::process::id(),
            steps,
            segments,
            record_bytes: limits.record_bytes,
            parts: limits.parts,
            json_depth: limits.json_depth,
            memory: isolating.memory,
            files: isolating.files,
        }
    }

    /// As a worker is told.
    pub(super) fn write(&self) -> Result<String> {
        let unsayable = |error| Error::Internal(format!("The steps cannot be sent to a worker: {error}."));
        serde_json::to_string(self).map_err(unsayable)
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            record_bytes: self.record_bytes,
            parts: self.parts,
            json_depth: self.json_depth,
            ..Limits::default()
        }
    }
}

/// What a worker has loaded.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Loaded {
    /// What the steps declare that were to be told of, and the fingerprints of their files.
    pub(super) steps: Vec<(Declaration, Option<String>)>,
    /// The steps of the segments, by their index in the plan, and the fingerprints of their files.
    pub(super) files: Vec<(u16, Option<String>)>,
}

/// How the loading went.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Loaded(Loaded),
    Failed(Box<Told>),
}

/// An error as another process tells it.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    message: String,
    hint: Option<String>,
    /// For a mistake in a configuration: the key that is wrong, and what would have been right.
    key: Option<String>,
    suggestion: Option<String>,
    /// For an error of a plugin: what is wrong with it.
    fault: Option<String>,
    plugin: Option<String>,
    distribution: Option<String>,
    version: Option<String>,
    entry_point: Option<String>,
    /// What the plugin raised, in a line, and its traceback.
    cause: Option<(String, String)>,
}

const FAULTS: [(&str, PluginFault); 5] = [
    ("not_found", PluginFault::NotFound),
    ("collision", PluginFault::Collision),
    ("load", PluginFault::Load),
    ("contract", PluginFault::Contract),
    ("order", PluginFault::Order),
];

/// Writes how the loading went.
pub(super) fn write_loaded(loaded: Result<Loaded>) -> Vec<u8> {
    let told = |error: Error| {
        let mut told = Told {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
            key: None,
            suggestion: None,
            fault: None,
            plugin: None,
            distribution: None,
            version: None,
            entry_point: None,
            cause: None,
        };
        if let Error::Config(error) = &error {
            told.message.clone_from(&error.message);
            told.key.clone_from(&error.key);
            told.suggestion.clone_from(&error.suggestion);
        }
        if let Error::Plugin(error) = &error {
            told.message.clone_from(&error.message);
            let fault = FAULTS.iter().find(|(_, fault)| *fault == error.fault);
            told.fault = fault.map(|(name, _)| (*name).to_owned());
            told.plugin = Some(error.plugin.clone());
            told.distribution.clone_from(&error.distribution);
            told.version.clone_from(&error.version);
            told.entry_point.clone_from(&error.entry_point);
            told.cause = error
                .cause
                .as_ref()
                .map(|cause| (format!("{cause}"), format!("{cause:#}")));
        }
        Box::new(told)
    };
    let outcome = loaded.map_or_else(|error| Outcome::Failed(told(error)), Outcome::Loaded);
    serde_json::to_vec(&outcome).unwrap_or_default()
}

/// Reads how the loading went. `None`: that is no answer.
pub(super) fn read_loaded(bytes: &[u8]) -> Option<Result<Loaded>> {
    let told = match serde_json::from_slice(bytes).ok()? {
        Outcome::Loaded(loaded) => return Some(Ok(loaded)),
        Outcome::Failed(told) => told,
    };
    let fault = told
        .fault
        .and_then(|name| FAULTS.iter().find(|(known, _)| *known == name));
    Some(Err(match fault {
        Some((_, fault)) => {
            let mut error = PluginError::new(*fault, told.plugin.unwrap_or_default(), told.message);
            error.hint = told.hint;
            error.distribution = told.distribution;
            error.version = told.version;
            error.entry_point = told.entry_point;
            error.cause = told
                .cause
                .map(|(shown, traceback)| Arc::new(ToldCause { shown, traceback }) as Cause);
            error.into()
        }
        None => {
            let mut error = ConfigError::new(told.message).with_suggestion(told.suggestion);
            error.hint = told.hint;
            error.key = told.key;
            error.into()
        }
    }))
}

/// What a plugin raised in another process: its text is all that came over.
#[derive(Debug)]
struct ToldCause {
    shown: String,
    traceback: String,
}

impl fmt::Display for ToldCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if formatter.alternate() {
            &self.traceback
        } else {
            &self.shown
        })
    }
}

impl std::error::Error for ToldCause {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_plugin_comes_over_with_all_it_says() {
        let mut error =
            PluginError::new(PluginFault::Contract, "acme/words", "It is no step.").with_hint("Make it one.");
        error.distribution = Some("acme".to_owned());
        error.cause = Some(Arc::new(ToldCause {
            shown: "TypeError: no".to_owned(),
            traceback: "Traceback …".to_owned(),
        }));
        let told = read_loaded(&write_loaded(Err(error.into()))).expect("an answer");
        let Err(Error::Plugin(told)) = told else {
            panic!("an error of a plugin")
        };
        assert_eq!(
            (told.fault, told.plugin.as_str()),
            (PluginFault::Contract, "acme/words")
        );
        assert_eq!(
            (told.message.as_str(), told.hint.as_deref()),
            ("It is no step.", Some("Make it one."))
        );
        let cause = told.cause.expect("a cause");
        assert_eq!(
            (format!("{cause}"), format!("{cause:#}")),
            ("TypeError: no".into(), "Traceback …".into())
        );
    }

    #[test]
    fn a_mistake_in_a_configuration_comes_over_with_its_key() {
        let error = ConfigError::new("It is too large.")
            .with_key("maximum")
            .with_hint("Make it smaller.");
        let error = error.with_suggestion(Some("minimum".to_owned()));
        let Some(Err(Error::Config(told))) = read_loaded(&write_loaded(Err(error.clone().into()))) else {
            panic!("a mistake in a configuration")
        };
        assert_eq!(*told, error);
    }

    #[test]
    fn garbage_is_no_answer() {
        assert!(read_loaded(b"").is_none());
        let loaded = read_loaded(&write_loaded(Ok(Loaded::default())));
        assert!(matches!(loaded, Some(Ok(loaded)) if loaded.steps.is_empty()));
    }
}
