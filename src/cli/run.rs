//! `text-processor run`: runs a pipeline over files.

use super::arguments::RunArguments;
use super::console::Console;
use super::progress::Progressing;
use super::{Shell, pipeline, report};
use crate::engine::{self, RunOptions};
use crate::error::{ConfigError, Error, Result, Shown};
use crate::io::{self, Input};
use crate::ledger::Report;
use crate::step::Limits;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Runs a pipeline and tells how it went.
pub(super) fn run(arguments: &RunArguments, verbose: bool, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let output = named(arguments.output.as_deref());
    refuse_folders(arguments, output)?;
    if arguments.inputs.is_empty() && console.input_is_terminal {
        return Err(ConfigError::new(
            "No input is named, and standard input is a terminal, where nothing waits to be read.",
        )
        .with_hint("Name a file, pipe something in, or name `-` to type the text yourself.")
        .into());
    }
    let plan = pipeline::plan(&arguments.pipeline, shell.host(), |pipeline| {
        pipeline.text = arguments.text.clone().or(pipeline.text.take());
        pipeline.id = arguments.id.clone().or(pipeline.id.take());
        pipeline.on_error = arguments.on_error.map(Into::into).or(pipeline.on_error);
    })?;
    let standard_input = [OsString::from("-")];
    let patterns = if arguments.inputs.is_empty() {
        &standard_input[..]
    } else {
        &arguments.inputs
    };
    let inputs = io::locate(patterns, arguments.allow_repeat)?;
    // The report's file is opened before the run, so that a place that cannot be written stops it while nothing is lost.
    let report_sink = match &arguments.report {
        Some(path) => {
            refuse_report(path, arguments, &inputs)?;
            Some(io::open_sink(Some(path), arguments.overwrite)?)
        }
        None => None,
    };
    let options = RunOptions {
        inputs,
        format: arguments.format.map(Into::into),
        output: output.map(Path::to_owned),
        rejected: arguments.rejected.clone(),
        quarantine: arguments.quarantine.clone(),
        overwrite: arguments.overwrite,
        workers: arguments.workers.number(),
        limit: arguments.limit,
        limits: Limits::default(),
    };
    let silent = arguments.quiet || arguments.json;
    // A bar would be torn apart by log lines, and by data that goes to the same terminal.
    let shown = console.messages.terminal && !silent && !verbose && (output.is_some() || !console.output.terminal);
    let outcome = {
        let mut watcher = Progressing::new(shell, shown.then_some(console.messages.width));
        engine::run(&plan, &options, &mut watcher)
    };
    let report = outcome?;
    if let Some(mut sink) = report_sink {
        let mut json = as_json(&report)?;
        json.push('\n');
        sink.write(json.as_bytes())?;
        sink.commit()?;
    }
    tell(&report, arguments, output.is_some(), console)?;
    Ok(report.exit_code())
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
fn refuse_folders(arguments: &RunArguments, output: Option<&Path>) -> Result<()> {
    if let Some(path) = output
        && is_folder(path)
    {
        return Err(ConfigError::new(format!(
            "The output `{}` is a directory. Output directories come in a later release.",
            Shown(path)
        ))
        .with_hint("Name one file, such as `-o out.jsonl`; any number of inputs can go into it.")
        .into());
    }
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
        if is_folder(path) {
            return Err(ConfigError::new(format!(
                "`--{option}` needs a file, and `{}` is a directory.",
                Shown(path)
            ))
            .into());
        }
    }
    Ok(())
}

fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir()
}

/// The engine checks its own files against each other; the report is ours.
fn refuse_report(report: &Path, arguments: &RunArguments, inputs: &[Input]) -> Result<()> {
    let place = place(report);
    let same = |path: &Path| place.is_some() && self::place(path) == place;
    let outputs = [
        ("`--output`", named(arguments.output.as_deref())),
        ("`--rejected`", arguments.rejected.as_deref()),
        ("`--quarantine`", arguments.quarantine.as_deref()),
    ];
    let clash = outputs.iter().find(|(_, path)| path.is_some_and(same));
    let clash = clash.map(|(option, _)| *option).or_else(|| {
        let mut paths = inputs.iter().filter_map(|input| input.path.as_deref());
        paths.any(same).then_some("an input")
    });
    match clash {
        Some(other) => Err(ConfigError::new(format!(
            "`--report` and {other} name the same file, `{}`.",
            Shown(report)
        ))
        .with_hint("Give the report a file of its own.")
        .into()),
        None => Ok(()),
    }
}

/// Where a file is or will be, with links resolved as far as it exists. A device is no place: two may well write to it.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(found) = fs_err::canonicalize(path) {
        return found.is_file().then_some(found);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs_err::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
    Some(folder.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_however_it_is_spelled() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.txt");
        fs_err::write(&file, "x").expect("written");
        assert_eq!(place(&file), place(&folder.path().join(".").join("a.txt")));
        assert_eq!(place(&folder.path().join("new")), place(&folder.path().join("./new")));
        assert_ne!(place(&file), place(&folder.path().join("new")));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_and_a_missing_folder_are_no_place() {
        assert_eq!(place(Path::new("/dev/null")), None);
        assert_eq!(place(Path::new("/no/such/folder/at/all")), None);
    }
}
