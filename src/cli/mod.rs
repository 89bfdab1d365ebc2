//! The command `text-processor`: arguments, tables, progress. It knows plugins only through [`crate::plugins::Host`].
//!
//! [`main`] parses the command line ([`arguments`]) and calls one function per command; each of these writes its answer
//! to the output of a [`console::Console`] and returns an exit code. Errors come back here and are shown in one place.

mod arguments;
mod console;
mod difference;
mod errors;
mod explain;
mod numbers;
mod pipeline;
mod plugins;
mod progress;
mod records;
mod report;
mod run;
mod style;
mod table;
#[cfg(test)]
mod tests;
mod trace;
mod verify;
mod why;

use crate::engine::Watcher;
use crate::error::{Error, Interrupt, Result, Shown};
use crate::plugins::Host;
use arguments::{Arguments, Command, PluginsCommand};
use clap::{CommandFactory, FromArgMatches};
use console::Console;
use log::LevelFilter;
use std::ffi::OsString;

/// What the command needs of the world that started it.
pub trait Shell: Sync {
    /// The world that has plugins.
    fn host(&self) -> &dyn Host;

    /// Whether somebody asked the process to stop (a signal arrived). Asked about twenty times a second.
    fn interrupted(&self) -> Result<(), Interrupt>;

    /// Says how much the log should tell, once, before anything is done: `Error`, `Info` with `-v`, `Debug` with `-vv`, and
    /// `Warn` with `--quiet`, which shows no closing table. A world without a log of its own need not care.
    fn set_verbosity(&self, _level: LevelFilter) {}
}

/// A watcher that passes signals on and draws progress on standard error: if it is a terminal, or as `wanted` says.
pub fn progress<'s>(shell: &'s dyn Shell, wanted: Option<bool>) -> Box<dyn Watcher + 's> {
    let messages = Console::of_process().messages;
    let shown = wanted.unwrap_or(messages.terminal);
    Box::new(progress::Progressing::new(shell, shown.then_some(messages.width)))
}

/// Has standard input be empty if whoever started the process has closed it. To be called before anything is opened, which
/// would take its number, and be read in its place.
#[cfg(unix)]
pub fn keep_standard_input() {
    if rustix::io::fcntl_getfd(rustix::stdio::stdin()).is_err() {
        // The lowest number that is free is the one of standard input. It stays open as long as the process lives.
        let _ = fs_err::File::open("/dev/null").map(std::mem::forget);
    }
}

/// Runs the command with its arguments, the program's name first. Returns the exit code.
pub fn main(arguments: &[OsString], shell: &dyn Shell) -> u8 {
    execute(arguments, shell, &mut Console::of_process())
}

/// Tells of an error as the command does. Returns the exit code.
#[must_use]
pub fn end_with(error: &Error) -> u8 {
    errors::tell(&mut Console::of_process().messages, error, false);
    error.exit_code()
}

fn execute(arguments: &[OsString], shell: &dyn Shell, console: &mut Console<'_>) -> u8 {
    let parsed = Arguments::command()
        .term_width(console.output.width.min(100))
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| shown_safely(error, arguments));
    let (outcome, verbose) = match parsed {
        Ok(arguments) => {
            shell.set_verbosity(verbosity(&arguments));
            (obey(&arguments, shell, console), arguments.verbose > 0)
        }
        Err(error) => (show_usage(&error, console), false),
    };
    // What was answered before an error is an answer still.
    let flushed = console.output.flush();
    match outcome.and_then(|code| flushed.map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            errors::tell(&mut console.messages, &error, verbose);
            error.exit_code()
        }
    }
}

fn obey(arguments: &Arguments, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    match &arguments.command {
        Command::Run(command) => run::run(command, arguments.verbose > 0, shell, console),
        Command::Explain(command) => explain::explain(command, shell, console),
        Command::Trace(command) => trace::trace(command, shell, console),
        Command::Why(command) => why::why(command, shell, console),
        Command::Verify(command) => verify::verify(command, shell, console),
        Command::Plugins { command } => match command {
            PluginsCommand::List { json } => plugins::list(*json, shell, console),
            PluginsCommand::Show { name, json } => plugins::show(name, *json, shell, console),
            PluginsCommand::Doctor { json } => plugins::doctor(*json, shell, console),
        },
    }
}

fn verbosity(arguments: &Arguments) -> LevelFilter {
    let quiet = matches!(&arguments.command, Command::Run(command) if command.quiet);
    match arguments.verbose {
        // What a run warns of (damaged input) stands in its closing table too; where there is no table, it must be logged.
        _ if quiet => LevelFilter::Warn,
        0 => LevelFilter::Error,
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    }
}

/// The same mistake, made with arguments that cannot forge lines of ours: clap repeats what was typed as it is.
fn shown_safely(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let escaped: Vec<String> = arguments
        .iter()
        .map(|argument| Shown(argument.as_ref()).to_string())
        .collect();
    if !error.use_stderr()
        || arguments
            .iter()
            .zip(&escaped)
            .all(|(argument, escaped)| argument == escaped.as_str())
    {
        return error;
    }
    let again = Arguments::command().try_get_matches_from(escaped);
    again.err().unwrap_or(error)
}

/// Shows what clap has to say: help and version as an answer, mistakes as messages.
fn show_usage(error: &clap::Error, console: &mut Console<'_>) -> Result<u8> {
    let text = error.render();
    let stream = if error.use_stderr() {
        &mut console.messages
    } else {
        &mut console.output
    };
    // A mistake repeats what was typed, which may hold anything; then it is shown without colour, and escaped.
    let plain = text.to_string();
    let safe = style::lines(&plain);
    let shown = if stream.paint.colour && safe == plain {
        text.ansi().to_string()
    } else {
        safe.into_owned()
    };
    if error.use_stderr() {
        stream.tell(&shown);
        return Ok(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    stream.write(&shown)?;
    Ok(0)
}

/// Stops a command that works on one thing after another when a signal has arrived.
fn stop_if_interrupted(shell: &dyn Shell) -> Result<()> {
    shell.interrupted().map_err(Error::Interrupted)
}
