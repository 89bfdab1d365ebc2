//! What can be written on the command line, and the help about it.

mod choices;
mod run;
mod values;

pub(super) use run::RunArguments;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand};
use std::path::PathBuf;
use values::limit;

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
        after_help = run::EXAMPLES
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
