//! `text-processor run`: runs a pipeline over files.

use super::arguments::RunArguments;
use super::console::Console;
use super::progress::Progressing;
use super::style::Tone;
use super::{Shell, errors, pipeline, report};
#[cfg(unix)]
use crate::engine::RemoteHost;
use crate::engine::{self, Isolating, RunOptions, Supervision};
use crate::error::{ConfigError, Error, Result, Shown};
use crate::io::{self, Input, Output};
use crate::ledger::Report;
use crate::plan::{Pipeline, Plan};
use crate::step::{Cancel, Limits};
use std::ffi::OsString;
use std::path::Path;

/// Runs a pipeline and tells how it went.
pub(super) fn run(arguments: &RunArguments, verbose: bool, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let output = named(arguments.output.as_deref());
    refuse_folders(arguments)?;
    if arguments.inputs.is_empty() && console.input_is_terminal {
        return Err(ConfigError::new(
            "No input is named, and standard input is a terminal, where nothing waits to be read.",
        )
        .with_hint("Name a file, pipe something in, or name `-` to type the text yourself.")
        .into());
    }
    let limits = Limits {
        expansion: arguments.max_expansion.0,
        ..Limits::default()
    };
    let (plan, supervision) = plan(arguments, limits, shell)?;
    let standard_input = [OsString::from("-")];
    let patterns = if arguments.inputs.is_empty() {
        &standard_input[..]
    } else {
        &arguments.inputs
    };
    let mut watcher = Progressing::new(shell, None);
    let inputs = engine::attend(&mut watcher, |cancel| {
        let inputs = io::locate(patterns, arguments.allow_repeat, cancel)?;
        if let Some(path) = &arguments.report {
            check_report(path, arguments, output, &inputs, cancel)?;
        }
        Ok(inputs)
    })?;
    // The report's file is opened before the run, so that a place that cannot be written stops it while nothing is lost.
    let report_sink = match &arguments.report {
        Some(path) => Some(io::open_sink(Some(path), arguments.overwrite || arguments.resume)?),
        None => None,
    };
    let options = RunOptions {
        inputs,
        format: arguments.format.map(Into::into),
        output: output.map(Path::to_owned),
        rejected: arguments.rejected.clone(),
        quarantine: arguments.quarantine.clone(),
        overwrite: arguments.overwrite,
        resume: arguments.resume,
        shard_bytes: arguments.shard_size,
        compression: arguments.compression.map(Into::into),
        workers: arguments.workers.number(),
        supervision,
        on_error: None,
        limit: arguments.limit,
        nulls: arguments.nulls.into(),
        limits,
        memory_budget: usize::try_from(arguments.memory_budget).unwrap_or(usize::MAX),
        quarantine_limit: arguments.quarantine_limit,
        quarantine_bytes: arguments.quarantine_bytes,
    };
    let silent = arguments.quiet || arguments.json;
    // A bar would be torn apart by log lines, and by data that goes to the same terminal.
    let shown = console.messages.terminal && !silent && !verbose && (output.is_some() || !console.output.terminal);
    let (outcome, has_begun) = {
        let mut watcher = Progressing::new(shell, shown.then_some(console.messages.width));
        let outcome = engine::run(&plan, &options, &mut watcher);
        (outcome, watcher.has_begun())
    };
    let report = match outcome {
        Err(error) if has_begun && options.directory().is_some() && ended_midway(&error) => {
            errors::tell(&mut console.messages, &error, verbose);
            let hint = console.messages.painted(Tone::Hint, "hint:");
            let told = format!("{hint} The shards that were committed stay; `--resume` goes on behind them.\n");
            console.messages.tell(&told);
            return Ok(error.exit_code());
        }
        outcome => outcome?,
    };
    if let Some(mut sink) = report_sink {
        let mut json = as_json(&report)?;
        json.push('\n');
        sink.write(json.as_bytes())?;
        sink.commit()?;
    }
    tell(&report, arguments, output.is_some(), console)?;
    Ok(report.exit_code())
}

/// Makes the plan, and decides where the segments of plugins run. Those that run in workers are loaded there too.
fn plan(arguments: &RunArguments, limits: Limits, shell: &dyn Shell) -> Result<(Plan, Option<Supervision>)> {
    let adjust = |pipeline: &mut Pipeline| {
        pipeline.text = arguments.text.clone().or(pipeline.text.take());
        pipeline.id = arguments.id.clone().or(pipeline.id.take());
        pipeline.on_error = arguments.on_error.map(Into::into).or(pipeline.on_error);
    };
    let isolating = Isolating {
        isolation: arguments.isolation.into(),
        timeout: arguments.timeout.0,
        memory: arguments.memory,
        load_timeout: arguments.load_timeout,
        batch_records: arguments.batch_size.map(|records| records as usize),
        files: arguments.output.as_deref().is_some_and(io::is_directory),
    };
    #[cfg(unix)]
    if isolating.wants_workers(shell.host()) {
        let interrupted = || shell.interrupted();
        let host = RemoteHost::new(shell.host(), isolating, limits, &interrupted);
        let plan = pipeline::plan(&arguments.pipeline, &host, adjust)?;
        let supervision = host.supervise(&plan)?;
        return Ok((plan, supervision));
    }
    let plan = pipeline::plan(&arguments.pipeline, shell.host(), adjust)?;
    let supervision = Supervision::of(&plan, shell.host(), limits, &isolating)?;
    Ok((plan, supervision))
}

/// Whether an error ended a run that may have committed shards, and that can go on.
fn ended_midway(error: &Error) -> bool {
    matches!(error, Error::Interrupted(_) | Error::Output(_) | Error::Record(_))
}

fn tell(report: &Report, arguments: &RunArguments, to_file: bool, console: &mut Console<'_>) -> Result<()> {
    if arguments.json {
        if to_file {
            console.output.json(report)?;
        } else {
            console.messages.tell(&(as_json(report)? + "\n"));
        }
    } else if !arguments.quiet {
        let (width, paint) = (console.messages.width, console.messages.paint);
        console.messages.tell(&report::closing(report, width, paint));
    }
    Ok(())
}

fn as_json(report: &Report) -> Result<String> {
    serde_json::to_string_pretty(report)
        .map_err(|error| Error::Internal(format!("The report cannot be written as JSON: {error}.")))
}

/// The file that an option names: `-` is a standard stream.
fn named(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| path.as_os_str() != "-")
}

/// A folder is no file. Standing where a file is expected, it is a mistake that is better told before the run.
fn refuse_folders(arguments: &RunArguments) -> Result<()> {
    let others = [
        ("rejected", &arguments.rejected),
        ("quarantine", &arguments.quarantine),
        ("report", &arguments.report),
    ];
    for (option, path) in others {
        let Some(path) = path else { continue };
        if path.as_os_str() == "-" {
            return Err(ConfigError::new(format!("`--{option}` needs a file and got `-`."))
                .with_hint("Standard output is for what goes out; on most systems `/dev/stdout` names it as a file.")
                .into());
        }
        if io::is_directory(path) {
            return Err(ConfigError::new(format!(
                "`--{option}` needs a file, and `{}` is a directory.",
                Shown(path)
            ))
            .into());
        }
    }
    Ok(())
}

/// The engine checks its own files against each other, but it does not know the report.
fn check_report(
    report: &Path,
    arguments: &RunArguments,
    output: Option<&Path>,
    inputs: &[Input],
    cancel: &Cancel,
) -> Result<()> {
    let files = [
        ("output", output.filter(|path| !io::is_directory(path))),
        ("file of rejected records", arguments.rejected.as_deref()),
        ("quarantine file", arguments.quarantine.as_deref()),
        ("report", Some(report)),
    ];
    let files: Vec<Output<'_>> = files
        .iter()
        .filter_map(|&(role, path)| path.map(|path| Output { role, path }))
        .collect();
    // Whoever goes on with a run wants its report where the last sitting may have put one.
    io::check_output(inputs, &files, arguments.overwrite || arguments.resume, cancel)
}
