//! The errors of the core: one enum, whose messages are finished sentences.
//!
//! An error that a user sees says what went wrong, where (file, line, step, distribution, record), what was expected, and
//! the way out. The way out is kept apart from the message as a `hint`, so that a face can show it in its own manner:
//! the command prints it on a line of its own, Python attaches it to the exception as a note.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the core's fallible functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of another world (a Python exception, say) that caused one of ours. It is carried, never interpreted.
pub type Cause = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// Everything that can stop a pipeline from being built or a run from ending well.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pipeline file, an option, or the configuration of a step is wrong. Nothing was read.
    #[error("{0}")]
    Config(Box<ConfigError>),
    /// A plugin that a pipeline names cannot be found, loaded, ordered, or does not keep the contract. Nothing was read.
    #[error("{0}")]
    Plugin(Box<PluginError>),
    /// One record could not be processed, and the caller asked for an error instead of a quarantine.
    #[error("{0}")]
    Record(Box<RecordError>),
    /// An input cannot be read.
    #[error("{0}")]
    Input(Box<FileError>),
    /// An output cannot be written. What was written so far lies in temporary files that were removed.
    #[error("{0}")]
    Output(Box<FileError>),
    /// The run was stopped because too much went wrong. What was committed before stays.
    #[error("{0}")]
    Stopped(Box<StopError>),
    /// A run cannot go on where another one ended: something is not what it was.
    #[error("{0}")]
    Resume(Box<ResumeError>),
    /// Another run writes to the same output.
    #[error("{0}")]
    Locked(Box<FileError>),
    /// The run was stopped from outside before it was complete. No file was committed; shards of an output directory may be.
    #[error("{0}")]
    Interrupted(Interrupt),
    /// A promise of this program was broken by this program.
    #[error("{0} This is a bug in text-processor: please report it.")]
    Internal(String),
}

impl Error {
    /// The exit code of the command that ends with this error (the table stands in `docs/faults.md`).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Record(_) | Self::Stopped(_) => 4,
            Self::Input(_) => 5,
            Self::Output(_) => 6,
            Self::Plugin(_) => 7,
            Self::Resume(_) | Self::Locked(_) => 8,
            Self::Internal(_) => 70,
            Self::Interrupted(Interrupt::HangUp) => 129,
            Self::Interrupted(Interrupt::Interrupt) => 130,
            Self::Interrupted(Interrupt::ClosedPipe) => 141,
            Self::Interrupted(Interrupt::Terminate) => 143,
            Self::Interrupted(Interrupt::TimeUp) => 152,
        }
    }

    /// The way out, where one is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Config(error) => error.hint.as_deref(),
            Self::Plugin(error) => error.hint.as_deref(),
            Self::Record(error) => error.failure.hint.as_deref(),
            Self::Input(error) | Self::Output(error) | Self::Locked(error) => error.hint.as_deref(),
            Self::Resume(error) => error.hint.as_deref(),
            Self::Stopped(error) => error.hint.as_deref(),
            Self::Interrupted(_) | Self::Internal(_) => None,
        }
    }

    /// An input error about a file, with the operating system's reason.
    pub fn input(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Input(Box::new(FileError::new(path, message)))
    }

    /// An output error about a file, with the operating system's reason.
    pub fn output(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Output(Box::new(FileError::new(path, message)))
    }
}

impl From<ResumeError> for Error {
    fn from(error: ResumeError) -> Self {
        Self::Resume(Box::new(error))
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl From<PluginError> for Error {
    fn from(error: PluginError) -> Self {
        Self::Plugin(Box::new(error))
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        Self::Record(Box::new(error))
    }
}

impl From<StopError> for Error {
    fn from(error: StopError) -> Self {
        Self::Stopped(Box::new(error))
    }
}

/// What there was too much of, so that a run stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// Records in quarantine.
    QuarantineLimit,
    /// Records that took their worker down.
    CrashLoop,
}

/// Why a run stopped by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StopError {
    /// What there was too much of.
    pub kind: StopKind,
    /// A finished sentence.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl StopError {
    /// Too many of the last records took their worker down.
    #[must_use]
    pub fn crash_loop(crashes: usize, of: usize) -> Self {
        Self {
            kind: StopKind::CrashLoop,
            message: format!("{crashes} of the last {of} records took their worker down; the run was stopped."),
            hint: Some("The quarantine file of a run over a part of the input shows how the worker died.".to_owned()),
        }
    }

    /// More was quarantined than the run may have: `much` of it, in words, with the limit.
    pub fn quarantine_limit(much: impl fmt::Display) -> Self {
        Self {
            kind: StopKind::QuarantineLimit,
            message: format!("The quarantine has {much}; the run was stopped, and what it had not committed is gone."),
            hint: Some(
                "Run the pipeline over a part of the input with `--limit` to see in its quarantine file why records fail."
                    .to_owned(),
            ),
        }
    }
}

/// One thing that is not what it was when a run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is, in words: `the size of a shard`.
    pub what: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub now: String,
}

/// An output directory that a run cannot go on with.
#[derive(Debug, Clone)]
pub struct ResumeError {
    /// The directory.
    pub path: PathBuf,
    /// A finished sentence.
    pub message: String,
    /// What has changed since the run began, if it is that.
    pub differences: Vec<Difference>,
    /// The way out.
    pub hint: Option<String>,
}

impl ResumeError {
    /// How many differences the message names.
    const NAMED: usize = 5;

    /// An error of which only the sentence and the way out are known.
    pub fn new(path: impl Into<PathBuf>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            differences: Vec::new(),
            hint: Some(hint.into()),
        }
    }

    /// The error of a run that was begun with something else.
    #[must_use]
    pub fn changed(path: &Path, differences: Vec<Difference>) -> Self {
        let named = differences.iter().take(Self::NAMED).map(|difference| {
            let Difference { what, before, now } = difference;
            format!("{what} was {} and is {}", shown(before), shown(now))
        });
        let mut told = named.collect::<Vec<_>>().join("; ");
        if let Some(more) = differences.len().checked_sub(Self::NAMED).filter(|&more| more > 0) {
            told = format!("{told}; and {more} more");
        }
        let message = format!(
            "The run in `{}` cannot go on, because it was begun with something else: {told}.",
            Shown(path)
        );
        Self {
            path: path.to_owned(),
            message,
            differences,
            hint: Some("Run it as it was begun, name another directory, or begin again with `--overwrite`.".to_owned()),
        }
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ResumeError {}

/// What stopped a run from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupt {
    /// SIGINT: somebody pressed Ctrl-C.
    #[error("The run was interrupted; what it had not committed is gone.")]
    Interrupt,
    /// SIGTERM.
    #[error("The run was terminated; what it had not committed is gone.")]
    Terminate,
    /// SIGHUP: the terminal was closed.
    #[error("The terminal was closed; what the run had not committed is gone.")]
    HangUp,
    /// SIGXCPU: the process has used as much processor time as it may.
    #[error("The limit on processor time was reached (see `ulimit -t`); what the run had not committed is gone.")]
    TimeUp,
    /// The reader of standard output went away.
    #[error("Standard output was closed by its reader.")]
    ClosedPipe,
}

/// A mistake in a pipeline file, an option or a step's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigError {
    /// A finished sentence.
    pub message: String,
    /// Where the mistake stands, if it stands in a file.
    pub location: Option<Location>,
    /// The offending line with a caret under the mistake, in plain text.
    pub snippet: Option<String>,
    /// The nearest name that would have been right.
    pub suggestion: Option<String>,
    /// The way out.
    pub hint: Option<String>,
    /// The key of the configuration that is wrong, so that whoever knows the file can find its place.
    pub key: Option<String>,
}

/// A place in a file that a person wrote. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", Shown(&self.file), self.line, self.column)
    }
}

impl ConfigError {
    /// A mistake of which only the sentence is known.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the key of the configuration that is wrong.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Offers the nearest name that would have been right.
    #[must_use]
    pub fn with_suggestion(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(formatter, "{location}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(formatter, " Did you mean `{suggestion}`?")?;
        }
        if let Some(snippet) = &self.snippet {
            write!(formatter, "\n{snippet}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// What is wrong with a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginFault {
    /// No built-in and no installed plugin has the name.
    NotFound,
    /// Several distributions offer the name.
    Collision,
    /// Importing or creating it failed.
    Load,
    /// It loads, but is not what a plugin must be.
    Contract,
    /// Its place among the other steps cannot be satisfied.
    Order,
}

/// A plugin that is used and cannot be.
#[derive(Debug, Clone)]
pub struct PluginError {
    /// What is wrong with it.
    pub fault: PluginFault,
    /// A finished sentence.
    pub message: String,
    /// The step's name as the pipeline gives it.
    pub plugin: String,
    /// The distribution that ships it.
    pub distribution: Option<String>,
    /// That distribution's version.
    pub version: Option<String>,
    /// The entry point's value, `module:attribute`.
    pub entry_point: Option<String>,
    /// Where the pipeline names it, if it does so in a file.
    pub location: Option<Location>,
    /// The line that names it with a caret under the name, in plain text.
    pub snippet: Option<String>,
    /// The way out.
    pub hint: Option<String>,
    /// What the plugin itself raised.
    pub cause: Option<Cause>,
}

impl PluginError {
    /// An error of which only the sentence and the plugin's name are known.
    pub fn new(fault: PluginFault, plugin: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            plugin: plugin.into(),
            distribution: None,
            version: None,
            entry_point: None,
            location: None,
            snippet: None,
            hint: None,
            cause: None,
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(formatter, "{location}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some(snippet) = &self.snippet {
            write!(formatter, "\n{snippet}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PluginError {}

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
    /// The record does not fit the columns of the output.
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
        match &self.step {
            Some(step) => write!(formatter, "Step `{step}` failed")?,
            None => formatter.write_str("The record cannot be used")?,
        }
        if let (Some(input), Some(ordinal)) = (&self.input, self.ordinal) {
            write!(formatter, " on record {ordinal} of {}", Shown(Path::new(input)))?;
        } else if let Some(ordinal) = self.ordinal {
            write!(formatter, " on record {ordinal}")?;
        }
        if let Some(id) = &self.id {
            write!(formatter, " (id {id:?})")?;
        }
        write!(formatter, ": {}", self.failure.message)
    }
}

impl std::error::Error for RecordError {}

/// A file that cannot be read or written.
#[derive(Debug, Clone)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// A finished sentence.
    pub message: String,
    /// The operating system's error number, where there is one.
    pub errno: Option<i32>,
    /// The way out.
    pub hint: Option<String>,
}

impl FileError {
    /// An error without the operating system's number.
    pub fn new(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            errno: None,
            hint: None,
        }
    }

    /// An error that the operating system reported while `doing` (a gerund: "reading", "renaming").
    pub fn of(path: impl Into<PathBuf>, doing: &str, error: &std::io::Error) -> Self {
        let path = path.into();
        let error = innermost(error);
        let reason = error.to_string();
        let message = format!(
            "{} {} failed: {}.",
            capitalized(doing),
            Shown(&path),
            reason.trim_end_matches('.')
        );
        Self {
            path,
            message,
            errno: error.raw_os_error(),
            hint: error.raw_os_error().and_then(way_out).map(str::to_owned),
        }
    }

    /// Whether the system, and not the file, is to blame: it has no more of something.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        matches!(self.errno, Some(NO_MEMORY | NO_MORE_FILES | NO_MORE_FILES_HERE))
    }
}

const NO_MEMORY: i32 = 12;
const NO_MORE_FILES: i32 = 23;
const NO_MORE_FILES_HERE: i32 = 24;

/// The way out of errors of the system, by their numbers, which are the same on all systems like Unix.
fn way_out(errno: i32) -> Option<&'static str> {
    Some(match errno {
        NO_MEMORY => "Give the run less to hold at once, with `--memory-budget` and `--workers`.",
        NO_MORE_FILES => "Too many files are open on this machine.",
        NO_MORE_FILES_HERE => "The limit on open files is reached: see `ulimit -n`.",
        27 => "The limit on the size of files may be reached: see `ulimit -f`.",
        28 => "Make room on the disk, or write to another.",
        30 => "Write to another place: this file system is read-only.",
        _ => return None,
    })
}

/// The error of the operating system inside one that somebody wrapped: the wrapping names a path again, and hides the number.
fn innermost(error: &std::io::Error) -> &std::io::Error {
    let mut found = error;
    let mut next: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = next {
        found = inner.downcast_ref().unwrap_or(found);
        next = inner.source();
    }
    found
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + characters.as_str())
        .unwrap_or_default()
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for FileError {}

/// Shows a path (or any text that a stranger chose) on one line of a terminal: control characters, line ends, escapes and
/// the characters that reorder text are escaped, and bytes that are not UTF-8 are shown as `\xNN`.
pub struct Shown<'p>(pub &'p Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write as _;
        for chunk in self.0.as_os_str().as_encoded_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                if needs_escape(character) {
                    write!(formatter, "{}", character.escape_unicode())?;
                } else {
                    formatter.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(formatter, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A text that a stranger chose, fit to stand in a sentence on a terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    Shown(Path::new(text)).to_string()
}

/// Whether a character could move the cursor, colour the terminal, break the line, or reorder what is shown around it.
#[must_use]
pub fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_escapes_what_could_harm_a_terminal() {
        assert_eq!(
            Shown(Path::new("a\u{1b}[31m\nb\u{202e}.txt")).to_string(),
            "a\\u{1b}[31m\\u{a}b\\u{202e}.txt"
        );
        assert_eq!(Shown(Path::new("grüße.txt")).to_string(), "grüße.txt");
    }

    #[cfg(unix)]
    #[test]
    fn shown_spells_out_bytes_that_are_not_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff.txt"));
        assert_eq!(Shown(path).to_string(), "a\\xff.txt");
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let failure = Failure::new(FailureKind::StepError, "é".repeat(10_000));
        assert!(failure.message.len() <= Failure::MESSAGE_LIMIT);
        assert!(failure.message.ends_with("é […]"));
    }
}
