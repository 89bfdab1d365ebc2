//! What can be written on the command line, and the help about it.

use crate::engine::MOST_WORKERS;
use clap::builder::{StringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "text-processor",
    bin_name = "text-processor",
    version,
    about = "Cleans, filters, annotates, redacts and splits text. Its steps are built in or come from pip packages.",
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    next_line_help = false,
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,

    #[arg(
        short,
        long,
        global = true,
        action = ArgAction::Count,
        help = "Log what happens; twice: in detail."
    )]
    pub(super) verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  text-processor run -s trim-lines notes.txt
  text-processor run -p pipeline.toml 'in/*.jsonl.zst' -o out.jsonl.zst
  text-processor trace -s trim-lines -s collapse-whitespace '  some   text'
  text-processor plugins list

`text-processor COMMAND --help` explains each command.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(
        about = "Run a pipeline over files, or from standard input to standard output.",
        after_help = RUN_EXAMPLES
    )]
    Run(Box<RunArguments>),
    #[command(
        about = "Show the order of the steps, with the reason of each position.",
        after_help = EXPLAIN_EXAMPLES
    )]
    Explain(ExplainArguments),
    #[command(about = "Show what each step makes of a text.", after_help = TRACE_EXAMPLES)]
    Trace(TraceArguments),
    #[command(
        about = "Tell what became of a record of an output directory: at which step, why, and where it stands.",
        after_help = WHY_EXAMPLES
    )]
    Why(WhyArguments),
    #[command(
        about = "Prove from the files of an output directory that every record is there, once.",
        after_help = VERIFY_CODES
    )]
    Verify(VerifyArguments),
    #[command(about = "Show which plugins are installed, what they declare, and what is wrong with them.")]
    Plugins {
        #[command(subcommand)]
        command: PluginsCommand,
    },
}

const RUN_EXAMPLES: &str = "\
Examples:
  cat notes.txt | text-processor run -s trim-lines > clean.txt
  text-processor run -p pipeline.toml 'in/*.jsonl.gz' -o out.jsonl.gz
  text-processor run -s length:minimum=5,unit=words notes.txt -o long.txt

Exit codes:
    0  Everything went well.
    2  The command line, the pipeline or a step's configuration is wrong.
    3  The run is complete; some records are quarantined.
    4  A record failed, or too many did, and the run was told to stop then.
    5  An input is damaged or missing; the rest was processed.
    6  An output cannot be written.
    7  A plugin cannot be found, loaded or ordered.
    8  The run in the output directory cannot go on, or another writes to it.
   70  A bug in text-processor.
  129  The terminal was closed.
  130  Interrupted.
  141  The reader of standard output went away.
  143  Terminated.
  152  The limit on processor time was reached.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  text-processor explain -p pipeline.toml
  text-processor explain --discover --json";

const TRACE_EXAMPLES: &str = "\
Examples:
  text-processor trace -s trim-lines -s reverse '  some text  '
  text-processor trace -p pipeline.toml --input notes.jsonl --limit 3
  echo 'some text' | text-processor trace --discover";

const WHY_EXAMPLES: &str = "\
Examples:
  text-processor why out/ article-17
  text-processor why out/ in/part-3.jsonl:7
  text-processor why out/ 7 --json";

const VERIFY_CODES: &str = "\
Exit codes:
    0  The run is complete, and everything is there.
    5  Something is damaged; the answer says what and where.
    8  Everything is there as far as the run has come: go on with `--resume`.";

const PIPELINE: &str = "Pipeline (one of these)";
const INPUT: &str = "Input";
const OUTPUT: &str = "Output";
const EXECUTION: &str = "Execution";
const REPORTING: &str = "Reporting";

/// Which pipeline.
#[derive(Debug, Default, Args)]
#[group(id = "source_of_steps", required = true, multiple = false)]
pub(super) struct PipelineArguments {
    #[arg(
        short,
        long,
        value_name = "FILE",
        help_heading = PIPELINE,
        help = "Read the pipeline from a TOML file."
    )]
    pub(super) pipeline: Option<PathBuf>,

    #[arg(
        short,
        long = "step",
        value_name = "STEP",
        help_heading = PIPELINE,
        help = "Add a step: `name`, or `name:key=value,key=value`. Repeat it for more steps; they run in the order given."
    )]
    pub(super) steps: Vec<String>,

    #[arg(
        long,
        help_heading = PIPELINE,
        help = "Use every installed plugin, in the order that follows from what they declare. This imports them all."
    )]
    pub(super) discover: bool,
}

/// What a run reads and writes, and how.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) pipeline: PipelineArguments,

    #[arg(
        value_name = "INPUT",
        help = "Files or patterns such as `in/**/*.jsonl.gz`; `-` or nothing: standard input. gzip and zstd are recognised."
    )]
    pub(super) inputs: Vec<OsString>,

    #[arg(
        long,
        value_name = "FORMAT",
        help_heading = INPUT,
        help = "How records lie in the inputs: text, a record per line; file, a record per file; jsonl, an object per line; parquet, arrow (an IPC file), stream (an IPC stream), csv and tsv, a record per row. Without it, the first bytes tell, or else the names."
    )]
    pub(super) format: Option<Format>,

    #[arg(
        long,
        value_name = "FIELD",
        help_heading = INPUT,
        help = "The JSON key that holds the text. It overrides the pipeline file."
    )]
    pub(super) text: Option<String>,

    #[arg(
        long,
        value_name = "FIELD",
        help_heading = INPUT,
        help = "The JSON key that identifies a record. It overrides the pipeline file."
    )]
    pub(super) id: Option<String>,

    #[arg(
        long,
        value_name = "POLICY",
        default_value = "quarantine",
        hide_possible_values = true,
        help_heading = INPUT,
        help = "What becomes of a row whose text is null: keep, it passes untouched; reject; quarantine."
    )]
    pub(super) nulls: Nulls,

    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| limit(&text)),
        help_heading = INPUT,
        help = "Read at most so many records."
    )]
    pub(super) limit: Option<u64>,

    #[arg(
        long,
        help_heading = INPUT,
        help = "Accept a file that is named more than once, and read it as often."
    )]
    pub(super) allow_repeat: bool,

    #[arg(
        short,
        long,
        value_name = "FILE",
        help_heading = OUTPUT,
        help = "The file for what goes out, compressed if it ends in `.gz` or `.zst`; `-` or nothing: standard output. A name that ends in `/`, or a directory: an output directory, which is committed shard by shard."
    )]
    pub(super) output: Option<PathBuf>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = OUTPUT,
        help = "Write rejected records to a JSONL file, each with its step and reason. Without it they are counted only."
    )]
    pub(super) rejected: Option<PathBuf>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = OUTPUT,
        help = "Write failed records to this JSONL file, each with its step and error. Without it they go to a file beside the output."
    )]
    pub(super) quarantine: Option<PathBuf>,

    #[arg(long, help_heading = OUTPUT, help = "Replace files that exist, or the run in the output directory.")]
    pub(super) overwrite: bool,

    #[arg(
        long,
        conflicts_with = "overwrite",
        help_heading = OUTPUT,
        help = "Go on with the run in the output directory where it ended, or begin if it holds none."
    )]
    pub(super) resume: bool,

    #[arg(
        long,
        value_name = "BYTES",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = OUTPUT,
        help = "After how many bytes of the inputs a shard of the output directory ends: `64MiB`, the default, `1GiB`, `5000000`."
    )]
    pub(super) shard_size: Option<u64>,

    #[arg(
        long,
        value_name = "HOW",
        help_heading = OUTPUT,
        help = "How what goes out to the output directory is compressed. Without it: as the inputs are, if all agree."
    )]
    pub(super) compression: Option<Compression>,

    #[arg(
        long,
        value_name = "POLICY",
        help_heading = EXECUTION,
        help = "What happens when a record fails: raise, the run stops and nothing is committed; quarantine, the record is kept aside with its error. It overrides the pipeline file, whose default is quarantine."
    )]
    pub(super) on_error: Option<OnError>,

    #[arg(
        long,
        value_name = "N|auto",
        default_value = "auto",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| workers(&text)),
        help_heading = EXECUTION,
        help = "How many threads read, run Rust steps and write; `auto`: one for each processor."
    )]
    pub(super) workers: Workers,

    #[arg(
        long,
        value_name = "WHERE",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = EXECUTION,
        help = "Where plugins run: process, in as many workers as `--workers` says, which may crash without harm; thread, in this process; auto, in workers unless this Python runs them side by side in threads."
    )]
    pub(super) isolation: Isolation,

    #[arg(
        long,
        value_name = "SECONDS|none",
        default_value = "300",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| timeout(&text)),
        help_heading = EXECUTION,
        help = "How long a worker may work on one record before it is killed and the record quarantined."
    )]
    pub(super) timeout: Timeout,

    #[arg(
        long,
        value_name = "SIZE",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = EXECUTION,
        help = "How much memory a worker may have, such as `2GiB`. Without it: nine tenths of the machine's."
    )]
    pub(super) memory: Option<u64>,

    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "60",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| seconds(&text)),
        help_heading = EXECUTION,
        help = "How long a worker may take to import its plugins and make its steps."
    )]
    pub(super) load_timeout: Duration,

    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| limit(&text)),
        help_heading = EXECUTION,
        help = "Send at most so many records to a worker at once. Without it: as many as their size and the speed of the steps make sensible."
    )]
    pub(super) batch_size: Option<u64>,

    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MiB",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = EXECUTION,
        help = "About how much memory records may take that are being processed."
    )]
    pub(super) memory_budget: u64,

    #[arg(
        long,
        value_name = "N|none",
        default_value = "200",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| expansion(&text)),
        help_heading = INPUT,
        help = "How many times as large as it is a compressed input may become, once it has become 64 MiB."
    )]
    pub(super) max_expansion: Expansion,

    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| count(&text)),
        help_heading = EXECUTION,
        help = "Stop, and commit nothing, when more than so many records have failed."
    )]
    pub(super) quarantine_limit: Option<u64>,

    #[arg(
        long,
        value_name = "SIZE",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = EXECUTION,
        help = "Stop, and commit nothing, when the quarantine has become larger."
    )]
    pub(super) quarantine_bytes: Option<u64>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = REPORTING,
        help = "Write the report of the run to a JSON file."
    )]
    pub(super) report: Option<PathBuf>,

    #[arg(
        long,
        help_heading = REPORTING,
        help = "Write the report as JSON instead of a table: to standard output if the data goes to a file, else to standard error."
    )]
    pub(super) json: bool,

    #[arg(
        short,
        long,
        conflicts_with = "verbose",
        help_heading = REPORTING,
        help = "Show neither progress nor the closing table. Errors are still shown."
    )]
    pub(super) quiet: bool,
}

/// What to explain.
#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) pipeline: PipelineArguments,

    #[arg(long, help = "Answer as JSON.")]
    pub(super) json: bool,
}

/// What to trace.
#[derive(Debug, Args)]
pub(super) struct TraceArguments {
    #[command(flatten)]
    pub(super) pipeline: PipelineArguments,

    #[arg(
        value_name = "TEXT",
        conflicts_with = "input",
        help = "The text; `-` or nothing: all of standard input."
    )]
    pub(super) text: Option<String>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = INPUT,
        help = "Trace the first records of a file instead: its lines, or the texts of a JSONL file."
    )]
    pub(super) input: Option<PathBuf>,

    #[arg(
        long,
        value_name = "N",
        requires = "input",
        default_value = "10",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| limit(&text)),
        help_heading = INPUT,
        help = "How many records of the file to trace."
    )]
    pub(super) limit: u64,

    #[arg(long, help = "Answer as JSON Lines: one object per text, nothing shortened.")]
    pub(super) json: bool,
}

/// Which record to tell about.
#[derive(Debug, Args)]
pub(super) struct WhyArguments {
    #[arg(value_name = "OUTPUT", help = "The output directory.")]
    pub(super) output: PathBuf,

    #[arg(
        value_name = "ID",
        help = "The record's own identity, its input and its number there (`in.jsonl:7`, counted from 0), or its number where there is one input."
    )]
    pub(super) id: String,

    #[arg(long, help = "Answer as JSON.")]
    pub(super) json: bool,
}

/// What to verify.
#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    #[arg(value_name = "OUTPUT", help = "The output directory.")]
    pub(super) output: PathBuf,

    #[arg(long, help = "Answer as JSON.")]
    pub(super) json: bool,
}

/// What to tell about plugins.
#[derive(Debug, Subcommand)]
pub(super) enum PluginsCommand {
    #[command(about = "List the installed plugins and the built-in steps. Nothing is imported.")]
    List {
        #[arg(long, help = "Answer as JSON.")]
        json: bool,
    },
    #[command(about = "Show what a step declares: kind, order, fields, parameters. A plugin is imported for that.")]
    Show {
        #[arg(value_name = "NAME", help = "The name of a built-in step or of a plugin.")]
        name: String,
        #[arg(long, help = "Answer as JSON.")]
        json: bool,
    },
    #[command(
        about = "Look for what is wrong with installed plugins. Nothing is imported.",
        after_help = "It ends with 0 if no finding is an error, else with 7."
    )]
    Doctor {
        #[arg(long, help = "Answer as JSON.")]
        json: bool,
    },
}

/// How records lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    File,
    Jsonl,
    Parquet,
    Arrow,
    Stream,
    Csv,
    Tsv,
}

impl From<Format> for crate::io::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::File => Self::File,
            Format::Jsonl => Self::Jsonl,
            Format::Parquet => Self::Parquet,
            Format::Arrow => Self::Arrow,
            Format::Stream => Self::Stream,
            Format::Csv => Self::Csv,
            Format::Tsv => Self::Tsv,
        }
    }
}

/// What becomes of a record whose text is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Nulls {
    Keep,
    Reject,
    Quarantine,
}

impl From<Nulls> for crate::columns::Nulls {
    fn from(nulls: Nulls) -> Self {
        match nulls {
            Nulls::Keep => Self::Keep,
            Nulls::Reject => Self::Reject,
            Nulls::Quarantine => Self::Quarantine,
        }
    }
}

/// How what goes out to a directory is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl From<Compression> for crate::io::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Gzip => Self::Gzip,
            Compression::Zstd => Self::Zstd,
        }
    }
}

/// What happens to a record that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnError {
    Raise,
    Quarantine,
}

impl From<OnError> for crate::plan::OnError {
    fn from(policy: OnError) -> Self {
        match policy {
            OnError::Raise => Self::Raise,
            OnError::Quarantine => Self::Quarantine,
        }
    }
}

/// Where plugins run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Isolation {
    Auto,
    Thread,
    Process,
}

impl From<Isolation> for crate::engine::Isolation {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::Auto => Self::Auto,
            Isolation::Thread => Self::Thread,
            Isolation::Process => Self::Process,
        }
    }
}

/// How long something may take; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeout(pub(super) Option<Duration>);

fn timeout(text: &str) -> Result<Timeout, String> {
    if text == "none" {
        return Ok(Timeout(None));
    }
    match seconds(text) {
        Ok(seconds) => Ok(Timeout(Some(seconds))),
        Err(expected) => Err(format!("{expected}, or `none`")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "expected a number of seconds above 0".into())
}

/// How many times as large compressed data may become; `None`: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expansion(pub(super) Option<u64>);

fn expansion(text: &str) -> Result<Expansion, String> {
    if text == "none" {
        return Ok(Expansion(None));
    }
    match limit(text) {
        Ok(times) => Ok(Expansion(Some(times))),
        Err(expected) => Err(format!("{expected}, or `none`")),
    }
}

/// How many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workers {
    /// One for each processor.
    Auto,
    /// So many.
    Number(usize),
}

impl Workers {
    /// The number of threads on this machine.
    pub(super) fn number(self) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Auto => std::thread::available_parallelism().map_or(1, |number| number.get().min(MOST_WORKERS)),
        }
    }
}

fn workers(text: &str) -> Result<Workers, String> {
    if text == "auto" {
        return Ok(Workers::Auto);
    }
    match text.parse() {
        Ok(number) if (1..=MOST_WORKERS).contains(&number) => Ok(Workers::Number(number)),
        _ => Err(format!("expected `auto` or a whole number from 1 to {MOST_WORKERS}")),
    }
}

/// A number of bytes, with or without a unit.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "KiB" | "K" => Some(1 << 10),
        "MB" => Some(1_000_000),
        "MiB" | "M" => Some(1 << 20),
        "GB" => Some(1_000_000_000),
        "GiB" | "G" => Some(1 << 30),
        "TB" => Some(1_000_000_000_000),
        "TiB" | "T" => Some(1 << 40),
        _ => None,
    };
    let bytes = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    bytes
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "expected a number of bytes such as `64MiB`, `500kB` or `1000000`".to_owned())
}

fn limit(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".into())
}
