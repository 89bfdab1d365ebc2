//! What can be written behind `text-processor run`.

use super::choices::{Compression, Format, Isolation, Nulls, OnError};
use super::values::{Expansion, Timeout, Workers, count, expansion, limit, seconds, size, timeout, workers};
use super::{INPUT, PipelineArguments};
use clap::Args;
use clap::builder::{StringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
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

const OUTPUT: &str = "Output";
const EXECUTION: &str = "Execution";
const REPORTING: &str = "Reporting";

/// What a run reads and writes, and how.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(in crate::cli) struct RunArguments {
    #[command(flatten)]
    pub(in crate::cli) pipeline: PipelineArguments,

    #[arg(
        value_name = "INPUT",
        help = "Files, patterns (`in/**/*.gz`) or addresses (`s3://b/*.gz`); `-` or nothing: standard input. gzip and zstd are recognised."
    )]
    pub(in crate::cli) inputs: Vec<OsString>,

    #[arg(
        long,
        value_name = "FORMAT",
        help_heading = INPUT,
        help = "How records lie in the inputs: text, a record per line; file, a record per file; jsonl, an object per line; parquet, arrow (an IPC file), stream (an IPC stream), csv and tsv, a record per row. Without it, the first bytes tell, or else the names."
    )]
    pub(in crate::cli) format: Option<Format>,

    #[arg(
        long,
        value_name = "FIELD",
        help_heading = INPUT,
        help = "The JSON key that holds the text. It overrides the pipeline file."
    )]
    pub(in crate::cli) text: Option<String>,

    #[arg(
        long,
        value_name = "FIELD",
        help_heading = INPUT,
        help = "The JSON key that identifies a record. It overrides the pipeline file."
    )]
    pub(in crate::cli) id: Option<String>,

    #[arg(
        long,
        value_name = "POLICY",
        default_value = "quarantine",
        hide_possible_values = true,
        help_heading = INPUT,
        help = "What becomes of a row whose text is null: keep, it passes untouched; reject; quarantine."
    )]
    pub(in crate::cli) nulls: Nulls,

    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| limit(&text)),
        help_heading = INPUT,
        help = "Read at most so many records."
    )]
    pub(in crate::cli) limit: Option<u64>,

    #[arg(
        long,
        help_heading = INPUT,
        help = "Accept a file that is named more than once, and read it as often."
    )]
    pub(in crate::cli) allow_repeat: bool,

    #[arg(
        short,
        long,
        value_name = "FILE",
        help_heading = OUTPUT,
        help = "The file or address for what goes out, compressed if it ends in `.gz` or `.zst`; `-` or nothing: standard output. A name that ends in `/`, or a directory: an output directory, which is committed shard by shard."
    )]
    pub(in crate::cli) output: Option<PathBuf>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = OUTPUT,
        help = "Write rejected records to a JSONL file, each with its step and reason. Without it they are counted only."
    )]
    pub(in crate::cli) rejected: Option<PathBuf>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = OUTPUT,
        help = "Write failed records to this JSONL file, each with its step and error. Without it they go to a file beside the output."
    )]
    pub(in crate::cli) quarantine: Option<PathBuf>,

    #[arg(long, help_heading = OUTPUT, help = "Replace files that exist, or the run in the output directory.")]
    pub(in crate::cli) overwrite: bool,

    #[arg(
        long,
        conflicts_with = "overwrite",
        help_heading = OUTPUT,
        help = "Go on with the run in the output directory where it ended, or begin if it holds none."
    )]
    pub(in crate::cli) resume: bool,

    #[arg(
        long,
        value_name = "BYTES",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = OUTPUT,
        help = "After how many bytes of the inputs a shard of the output directory ends: `64MiB`, the default, `1GiB`, `5000000`."
    )]
    pub(in crate::cli) shard_size: Option<u64>,

    #[arg(
        long,
        value_name = "HOW",
        help_heading = OUTPUT,
        help = "How what goes out to the output directory is compressed. Without it: as the inputs are, if all agree."
    )]
    pub(in crate::cli) compression: Option<Compression>,

    #[arg(
        long,
        value_name = "POLICY",
        help_heading = EXECUTION,
        help = "What happens when a record fails: raise, the run stops and nothing is committed; quarantine, the record is kept aside with its error. It overrides the pipeline file, whose default is quarantine."
    )]
    pub(in crate::cli) on_error: Option<OnError>,

    #[arg(
        long,
        value_name = "N|auto",
        default_value = "auto",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| workers(&text)),
        help_heading = EXECUTION,
        help = "How many threads read, run Rust steps and write; `auto`: one for each processor."
    )]
    pub(in crate::cli) workers: Workers,

    #[arg(
        long,
        value_name = "WHERE",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = EXECUTION,
        help = "Where plugins run: process, in as many workers as `--workers` says, which may crash without harm; thread, in this process; auto, in workers unless this Python runs them side by side in threads."
    )]
    pub(in crate::cli) isolation: Isolation,

    #[arg(
        long,
        value_name = "SECONDS|none",
        default_value = "300",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| timeout(&text)),
        help_heading = EXECUTION,
        help = "How long a worker may work on one record before it is killed and the record quarantined."
    )]
    pub(in crate::cli) timeout: Timeout,

    #[arg(
        long,
        value_name = "SIZE",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = EXECUTION,
        help = "How much memory a worker may have, such as `2GiB`. Without it: nine tenths of the machine's."
    )]
    pub(in crate::cli) memory: Option<u64>,

    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "60",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| seconds(&text)),
        help_heading = EXECUTION,
        help = "How long a worker may take to import its plugins and make its steps."
    )]
    pub(in crate::cli) load_timeout: Duration,

    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| limit(&text)),
        help_heading = EXECUTION,
        help = "Send at most so many records to a worker at once. Without it: as many as their size and the speed of the steps make sensible."
    )]
    pub(in crate::cli) batch_size: Option<u64>,

    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256MiB",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = EXECUTION,
        help = "About how much memory records may take that are being processed."
    )]
    pub(in crate::cli) memory_budget: u64,

    #[arg(
        long,
        value_name = "N|none",
        default_value = "200",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| expansion(&text)),
        help_heading = INPUT,
        help = "How many times as large as it is a compressed input may become, once it has become 64 MiB."
    )]
    pub(in crate::cli) max_expansion: Expansion,

    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = StringValueParser::new().try_map(|text| count(&text)),
        help_heading = EXECUTION,
        help = "Stop, and commit nothing, when more than so many records have failed."
    )]
    pub(in crate::cli) quarantine_limit: Option<u64>,

    #[arg(
        long,
        value_name = "SIZE",
        value_parser = StringValueParser::new().try_map(|text| size(&text)),
        help_heading = EXECUTION,
        help = "Stop, and commit nothing, when the quarantine has become larger."
    )]
    pub(in crate::cli) quarantine_bytes: Option<u64>,

    #[arg(
        long,
        value_name = "FILE",
        help_heading = REPORTING,
        help = "Write the report of the run to a JSON file."
    )]
    pub(in crate::cli) report: Option<PathBuf>,

    #[arg(
        long,
        help_heading = REPORTING,
        help = "Write the report as JSON instead of a table: to standard output if the data goes to a file, else to standard error."
    )]
    pub(in crate::cli) json: bool,

    #[arg(
        short,
        long,
        conflicts_with = "verbose",
        help_heading = REPORTING,
        help = "Show neither progress nor the closing table. Errors are still shown."
    )]
    pub(in crate::cli) quiet: bool,
}
