//! What `--help` says of each command.

use super::*;

#[test]
fn help_is_an_answer() {
    let help = command(&["--help"]);
    assert_eq!((help.code, help.messages.as_str()), (0, ""));
    insta::assert_snapshot!(help.output, @r"
    Cleans, filters, annotates, redacts and splits text. Its steps are built in or
    come from pip packages.

    Usage: text-processor [OPTIONS] <COMMAND>

    Commands:
      run      Run a pipeline over files, or from standard input to standard output.
      explain  Show the order of the steps, with the reason of each position.
      trace    Show what each step makes of a text.
      why      Tell what became of a record of an output directory: at which step,
               why, and where it stands.
      verify   Prove from the files of an output directory that every record is
               there, once.
      plugins  Show which plugins are installed, what they declare, and what is
               wrong with them.

    Options:
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help
      -V, --version     Print version

    Examples:
      text-processor run -s trim-lines notes.txt
      text-processor run -p pipeline.toml 'in/*.jsonl.zst' -o out.jsonl.zst
      text-processor trace -s trim-lines -s collapse-whitespace '  some   text'
      text-processor plugins list

    `text-processor COMMAND --help` explains each command.
    ");
}

#[test]
fn help_on_run() {
    insta::assert_snapshot!(command(&["run", "--help"]).output, @r"
    Run a pipeline over files, or from standard input to standard output.

    Usage: text-processor run [OPTIONS] <--pipeline <FILE>|--step <STEP>|--discover> [INPUT]...

    Arguments:
      [INPUT]...  Files, patterns (`in/**/*.gz`) or addresses (`s3://b/*.gz`); `-`
                  or nothing: standard input. gzip and zstd are recognised.

    Options:
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help

    Pipeline (one of these):
      -p, --pipeline <FILE>  Read the pipeline from a TOML file.
      -s, --step <STEP>      Add a step: `name`, or `name:key=value,key=value`.
                             Repeat it for more steps; they run in the order given.
          --discover         Use every installed plugin, in the order that follows
                             from what they declare. This imports them all.

    Input:
          --format <FORMAT>         How records lie in the inputs: text, a record
                                    per line; file, a record per file; jsonl, an
                                    object per line; parquet, arrow (an IPC file),
                                    stream (an IPC stream), csv and tsv, a record
                                    per row. Without it, the first bytes tell, or
                                    else the names. [possible values: text, file,
                                    jsonl, parquet, arrow, stream, csv, tsv]
          --text <FIELD>            The JSON key that holds the text. It overrides
                                    the pipeline file.
          --id <FIELD>              The JSON key that identifies a record. It
                                    overrides the pipeline file.
          --nulls <POLICY>          What becomes of a row whose text is null: keep,
                                    it passes untouched; reject; quarantine.
                                    [default: quarantine]
          --limit <N>               Read at most so many records.
          --allow-repeat            Accept a file that is named more than once, and
                                    read it as often.
          --max-expansion <N|none>  How many times as large as it is a compressed
                                    input may become, once it has become 64 MiB.
                                    [default: 200]

    Output:
      -o, --output <FILE>       The file or address for what goes out, compressed if
                                it ends in `.gz` or `.zst`; `-` or nothing: standard
                                output. A name that ends in `/`, or a directory: an
                                output directory, which is committed shard by shard.
          --rejected <FILE>     Write rejected records to a JSONL file, each with
                                its step and reason. Without it they are counted
                                only.
          --quarantine <FILE>   Write failed records to this JSONL file, each with
                                its step and error. Without it they go to a file
                                beside the output.
          --overwrite           Replace files that exist, or the run in the output
                                directory.
          --resume              Go on with the run in the output directory where it
                                ended, or begin if it holds none.
          --shard-size <BYTES>  After how many bytes of the inputs a shard of the
                                output directory ends: `64MiB`, the default, `1GiB`,
                                `5000000`.
          --compression <HOW>   How what goes out to the output directory is
                                compressed. Without it: as the inputs are, if all
                                agree. [possible values: none, gzip, zstd]

    Execution:
          --on-error <POLICY>
              What happens when a record fails: raise, the run stops and nothing is
              committed; quarantine, the record is kept aside with its error. It
              overrides the pipeline file, whose default is quarantine. [possible
              values: raise, quarantine]
          --workers <N|auto>
              How many threads read, run Rust steps and write; `auto`: one for each
              processor. [default: auto]
          --isolation <WHERE>
              Where plugins run: process, in as many workers as `--workers` says,
              which may crash without harm; thread, in this process; auto, in
              workers unless this Python runs them side by side in threads.
              [default: auto]
          --timeout <SECONDS|none>
              How long a worker may work on one record before it is killed and the
              record quarantined. [default: 300]
          --memory <SIZE>
              How much memory a worker may have, such as `2GiB`. Without it: nine
              tenths of the machine's.
          --load-timeout <SECONDS>
              How long a worker may take to import its plugins and make its steps.
              [default: 60]
          --batch-size <N>
              Send at most so many records to a worker at once. Without it: as many
              as their size and the speed of the steps make sensible.
          --memory-budget <SIZE>
              About how much memory records may take that are being processed.
              [default: 256MiB]
          --quarantine-limit <N>
              Stop, and commit nothing, when more than so many records have failed.
          --quarantine-bytes <SIZE>
              Stop, and commit nothing, when the quarantine has become larger.

    Reporting:
          --report <FILE>  Write the report of the run to a JSON file.
          --json           Write the report as JSON instead of a table: to standard
                           output if the data goes to a file, else to standard
                           error.
      -q, --quiet          Show neither progress nor the closing table. Errors are
                           still shown.

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
      152  The limit on processor time was reached.
    ");
}

#[test]
fn help_on_explain() {
    insta::assert_snapshot!(command(&["explain", "--help"]).output, @r"
    Show the order of the steps, with the reason of each position.

    Usage: text-processor explain [OPTIONS] <--pipeline <FILE>|--step <STEP>|--discover>

    Options:
          --json        Answer as JSON.
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help

    Pipeline (one of these):
      -p, --pipeline <FILE>  Read the pipeline from a TOML file.
      -s, --step <STEP>      Add a step: `name`, or `name:key=value,key=value`.
                             Repeat it for more steps; they run in the order given.
          --discover         Use every installed plugin, in the order that follows
                             from what they declare. This imports them all.

    Examples:
      text-processor explain -p pipeline.toml
      text-processor explain --discover --json
    ");
}

#[test]
fn help_on_trace() {
    insta::assert_snapshot!(command(&["trace", "--help"]).output, @r"
    Show what each step makes of a text.

    Usage: text-processor trace [OPTIONS] <--pipeline <FILE>|--step <STEP>|--discover> [TEXT]

    Arguments:
      [TEXT]  The text; `-` or nothing: all of standard input.

    Options:
          --json        Answer as JSON Lines: one object per text, nothing
                        shortened.
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help

    Pipeline (one of these):
      -p, --pipeline <FILE>  Read the pipeline from a TOML file.
      -s, --step <STEP>      Add a step: `name`, or `name:key=value,key=value`.
                             Repeat it for more steps; they run in the order given.
          --discover         Use every installed plugin, in the order that follows
                             from what they declare. This imports them all.

    Input:
          --input <FILE>  Trace the first records of a file instead: its lines, or
                          the texts of a JSONL file.
          --limit <N>     How many records of the file to trace. [default: 10]

    Examples:
      text-processor trace -s trim-lines -s reverse '  some text  '
      text-processor trace -p pipeline.toml --input notes.jsonl --limit 3
      echo 'some text' | text-processor trace --discover
    ");
}

#[test]
fn help_on_plugins() {
    let mut help = command(&["plugins", "--help"]).output;
    for subcommand in ["list", "show", "doctor"] {
        help.push_str("\n────\n");
        help.push_str(&command(&["plugins", subcommand, "--help"]).output);
    }
    insta::assert_snapshot!(help, @r"
    Show which plugins are installed, what they declare, and what is wrong with
    them.

    Usage: text-processor plugins [OPTIONS] <COMMAND>

    Commands:
      list    List the installed plugins and the built-in steps. Nothing is
              imported.
      show    Show what a step declares: kind, order, fields, parameters. A plugin
              is imported for that.
      doctor  Look for what is wrong with installed plugins. Nothing is imported.

    Options:
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help

    ────
    List the installed plugins and the built-in steps. Nothing is imported.

    Usage: text-processor plugins list [OPTIONS]

    Options:
          --json        Answer as JSON.
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help

    ────
    Show what a step declares: kind, order, fields, parameters. A plugin is imported
    for that.

    Usage: text-processor plugins show [OPTIONS] <NAME>

    Arguments:
      <NAME>  The name of a built-in step or of a plugin.

    Options:
          --json        Answer as JSON.
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help

    ────
    Look for what is wrong with installed plugins. Nothing is imported.

    Usage: text-processor plugins doctor [OPTIONS]

    Options:
          --json        Answer as JSON.
      -v, --verbose...  Log what happens; twice: in detail.
      -h, --help        Print help

    It ends with 0 if no finding is an error, else with 7.
    ");
}
