//! Why one record failed.

use super::{Cause, Shown};
use std::fmt;
use std::path::Path;

/// Why a record failed. The name of each kind is what the quarantine file says under `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The bytes are not UTF-8.
    Utf8,
    /// The line is not JSON.
    Json,
    /// The JSON is nested deeper than the limit.
    JsonDepth,
    /// The JSON value is not an object.
    NotObject,
    /// The record lacks a field that is needed.
    MissingField,
    /// A field has a type that cannot be used.
    FieldType,
    /// An object has the same key twice.
    DuplicateKey,
    /// The text holds a surrogate code point, which is not a character.
    Surrogate,
    /// A number cannot be kept as it is.
    Number,
    /// The record is larger than the limit; it was not loaded.
    RecordTooLarge,
    /// A step made a text that is larger than the limit.
    OutputTooLarge,
    /// A step raised an exception.
    StepError,
    /// A step returned something that its kind does not allow.
    BadReturn,
    /// A step ran out of memory.
    StepMemory,
    /// A step took longer than it may.
    StepTimeout,
    /// A step panicked: a bug in it.
    StepPanic,
    /// A step took its worker down.
    StepCrash,
    /// A step that must not let anything pass could not decide.
    Undecided,
    /// A step that checks texts was told to fail where it would reject.
    Invalid,
    /// A split made more parts than the limit.
    Fanout,
    /// The output's format cannot hold the text.
    Unrepresentable,
    /// The record does not fit the columns of the output, or those of its own table.
    Schema,
    /// A part of an input whose records cannot be counted is damaged.
    Segment,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 23] = [
        Self::Utf8,
        Self::Json,
        Self::JsonDepth,
        Self::NotObject,
        Self::MissingField,
        Self::FieldType,
        Self::DuplicateKey,
        Self::Surrogate,
        Self::Number,
        Self::RecordTooLarge,
        Self::OutputTooLarge,
        Self::StepError,
        Self::BadReturn,
        Self::StepMemory,
        Self::StepTimeout,
        Self::StepPanic,
        Self::StepCrash,
        Self::Undecided,
        Self::Invalid,
        Self::Fanout,
        Self::Unrepresentable,
        Self::Schema,
        Self::Segment,
    ];

    /// The kind that a word stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The word for this kind in files, tables and exceptions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Json => "json",
            Self::JsonDepth => "json_depth",
            Self::NotObject => "not_object",
            Self::MissingField => "missing_field",
            Self::FieldType => "field_type",
            Self::DuplicateKey => "duplicate_key",
            Self::Surrogate => "surrogate",
            Self::Number => "number",
            Self::RecordTooLarge => "record_too_large",
            Self::OutputTooLarge => "output_too_large",
            Self::StepError => "step_error",
            Self::BadReturn => "bad_return",
            Self::StepMemory => "step_memory",
            Self::StepTimeout => "step_timeout",
            Self::StepPanic => "step_panic",
            Self::StepCrash => "step_crash",
            Self::Undecided => "undecided",
            Self::Invalid => "invalid",
            Self::Fanout => "fanout",
            Self::Unrepresentable => "unrepresentable",
            Self::Schema => "schema",
            Self::Segment => "segment",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why one record failed: what a step or a decoder returns instead of a verdict. It does not know the record or the
/// step; the engine adds them when it turns a failure into a [`RecordError`] or a line of the quarantine file.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// A finished sentence, at most [`Failure::MESSAGE_LIMIT`] bytes.
    pub message: String,
    /// The class of the exception, for a step that raised one.
    pub error_type: Option<String>,
    /// The traceback of that exception, at most [`Failure::MESSAGE_LIMIT`] bytes.
    pub traceback: Option<String>,
    /// The way out.
    pub hint: Option<String>,
    /// What the step itself raised.
    pub cause: Option<Cause>,
    /// How often the record was tried.
    pub attempts: u32,
}

impl Failure {
    /// How many bytes of a message or a traceback are kept: a failing step must not fill the disk with its errors.
    pub const MESSAGE_LIMIT: usize = 4096;

    /// A failure of which only the sentence is known.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let message = shorten(message.into(), Self::MESSAGE_LIMIT);
        Self {
            kind,
            message,
            error_type: None,
            traceback: None,
            hint: None,
            cause: None,
            attempts: 1,
        }
    }

    /// The failure of a record that was not loaded because it is larger than the limit.
    #[must_use]
    pub fn too_large_to_load(bytes: u64, limit: usize) -> Self {
        let message = format!("The record has {bytes} bytes, more than the limit of {limit}; it was not loaded.");
        Self::new(FailureKind::RecordTooLarge, message)
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Cuts a text to at most `limit` bytes, at a character boundary, and says so where it cut.
#[must_use]
pub fn shorten(mut text: String, limit: usize) -> String {
    const MARK: &str = " […]";
    if text.len() > limit {
        let mut end = limit.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

/// A failure of one record, with the record and the step it happened in.
#[derive(Debug, Clone)]
pub struct RecordError {
    /// Why it failed.
    pub failure: Failure,
    /// The step that failed; `None` if the record could not be decoded or encoded.
    pub step: Option<String>,
    /// The input, as a person would name it (a path, `standard input`).
    pub input: Option<String>,
    /// The record's number in its input, counted from 0.
    pub ordinal: Option<u64>,
    /// The record's own identity, where its format has one.
    pub id: Option<String>,
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_input = self
            .input
            .as_ref()
            .map_or_else(String::new, |input| format!(" of {}", Shown(Path::new(input))));
        let id = self.id.as_ref().map_or_else(String::new, |id| format!(" (id {id:?})"));
        match (&self.step, self.ordinal) {
            (Some(step), Some(ordinal)) => write!(formatter, "Step `{step}` failed on record {ordinal}{of_input}{id}")?,
            (Some(step), None) => write!(formatter, "Step `{step}` failed{id}")?,
            (None, Some(ordinal)) => write!(formatter, "Record {ordinal}{of_input}{id} cannot be used")?,
            (None, None) => write!(formatter, "The record{id} cannot be used")?,
        }
        write!(formatter, ": {}", self.failure.message)
    }
}

impl std::error::Error for RecordError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_record() {
        let error = |step: Option<&str>, ordinal, id: Option<&str>| {
            let error = RecordError {
                failure: Failure::new(FailureKind::Json, "It is bad."),
                step: step.map(str::to_owned),
                input: Some("in.jsonl".to_owned()),
                ordinal,
                id: id.map(str::to_owned),
            };
            error.to_string()
        };
        assert_eq!(
            error(None, Some(0), None),
            "Record 0 of in.jsonl cannot be used: It is bad."
        );
        let said = error(Some("trim"), Some(7), Some("a"));
        assert_eq!(
            said,
            "Step `trim` failed on record 7 of in.jsonl (id \"a\"): It is bad."
        );
        assert_eq!(error(None, None, None), "The record cannot be used: It is bad.");
        assert_eq!(error(Some("trim"), None, None), "Step `trim` failed: It is bad.");
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let failure = Failure::new(FailureKind::StepError, "é".repeat(10_000));
        assert!(failure.message.len() <= Failure::MESSAGE_LIMIT);
        assert!(failure.message.ends_with("é […]"));
    }
}
