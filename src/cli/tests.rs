//! The command as a whole: what it accepts, what it answers, and how it ends.

use super::console::Stream;
use super::*;
use crate::plugins::{Discovery, Finding, Plugin, Severity};
use crate::step::{Configuration, Declaration, PlacedStep, Segment, Step};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

mod help;

/// A world with one plugin, which must never be imported.
struct Untouched(Vec<Finding>);

impl Host for Untouched {
    fn discover(&self) -> Result<Arc<Discovery>> {
        let plugin = Plugin {
            name: "acme/reverse".into(),
            short_name: "reverse".into(),
            distribution: "acme".into(),
            version: Some("1.0".into()),
            entry_point: "acme:process".into(),
            location: "/site-packages/acme-1.0.dist-info".into(),
            editable: false,
        };
        Ok(Arc::new(Discovery {
            plugins: vec![plugin],
            findings: self.0.clone(),
            distributions: 2,
        }))
    }

    fn load(&self, _plugin: &Plugin, _configuration: &Configuration) -> Result<Arc<dyn Step>> {
        unreachable!("nothing may be imported")
    }

    fn describe(&self, _plugin: &Plugin) -> Result<Declaration> {
        unreachable!("nothing may be imported")
    }

    fn fuse(&self, _steps: Vec<PlacedStep>) -> Box<dyn Segment> {
        unreachable!("nothing may be imported")
    }
}

impl Shell for (Untouched, Mutex<Option<LevelFilter>>) {
    fn host(&self) -> &dyn Host {
        &self.0
    }

    fn interrupted(&self) -> Result<(), Interrupt> {
        Ok(())
    }

    fn set_verbosity(&self, level: LevelFilter) {
        *self.1.lock().expect("one thread") = Some(level);
    }
}

struct Ended {
    code: u8,
    output: String,
    messages: String,
    level: Option<LevelFilter>,
}

fn shell(findings: Vec<Finding>) -> (Untouched, Mutex<Option<LevelFilter>>) {
    (Untouched(findings), Mutex::new(None))
}

fn ended(findings: Vec<Finding>, arguments: &[&str]) -> Ended {
    let (mut output, mut messages) = (Vec::new(), Vec::new());
    let shell = shell(findings);
    let arguments = ["/usr/bin/text-processor"].iter().chain(arguments).map(OsString::from);
    let code = execute(
        &arguments.collect::<Vec<_>>(),
        &shell,
        &mut Console {
            output: Stream::plain(&mut output),
            messages: Stream::plain(&mut messages),
            input_is_terminal: true,
        },
    );
    Ended {
        code,
        output: String::from_utf8(output).expect("UTF-8"),
        messages: String::from_utf8(messages).expect("UTF-8"),
        level: *shell.1.lock().expect("one thread"),
    }
}

fn command(arguments: &[&str]) -> Ended {
    ended(Vec::new(), arguments)
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn the_version_is_an_answer() {
    let version = command(&["--version"]);
    assert_eq!(
        version.output,
        format!("text-processor {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(version.code, 0);
}

#[test]
fn numbers_out_of_range_are_mistakes() {
    for number in ["0", "-1", "1000000", "many", "1.5", ""] {
        let workers = command(&["run", "-s", "trim", "--workers", number, "in.txt"]);
        assert_eq!((workers.code, workers.output.as_str()), (2, ""), "{number}");
        assert!(
            workers
                .messages
                .contains("expected `auto` or a whole number from 1 to 1024"),
            "{}",
            workers.messages
        );
    }
    let limit = command(&["run", "-s", "trim", "--limit", "-5", "in.txt"]);
    assert_eq!(limit.code, 2);
    assert!(
        limit.messages.contains("expected a whole number of at least 1"),
        "{}",
        limit.messages
    );
}

#[test]
fn what_this_release_cannot_do_is_not_offered() {
    for option in ["--isolation=container", "--workers=none"] {
        assert_eq!(command(&["run", "-s", "trim", option, "in.txt"]).code, 2, "{option}");
    }
}

#[test]
fn exactly_one_pipeline_is_needed() {
    for arguments in [
        &["run", "in.txt"][..],
        &["run", "-s", "trim", "-p", "pipeline.toml", "in.txt"],
        &["run", "-s", "trim", "--discover", "in.txt"],
        &["explain"],
        &["trace", "text"],
    ] {
        let mistake = command(arguments);
        assert_eq!(mistake.code, 2, "{arguments:?}");
        assert!(mistake.messages.contains("--discover"), "{}", mistake.messages);
    }
}

#[test]
fn an_argument_cannot_colour_the_terminal() {
    let mistake = command(&["run", "--\u{1b}[2Jresume\u{202e}"]);
    assert_eq!(mistake.code, 2);
    assert!(
        !mistake.messages.contains(['\u{1b}', '\u{202e}']),
        "{}",
        mistake.messages
    );
}

#[test]
fn a_terminal_is_not_waited_for() {
    let run = command(&["run", "-s", "trim-lines"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.messages, @r"
    error: No input is named, and standard input is a terminal, where nothing waits to be read.
    hint: Name a file, pipe something in, or name `-` to type the text yourself.
    ");
    let trace = command(&["trace", "-s", "trim-lines"]);
    assert_eq!(trace.code, 2);
    insta::assert_snapshot!(trace.messages, @r"
    error: No text is given, and standard input is a terminal, where nothing waits to be read.
    hint: Give the text as an argument, name a file with `--input`, or name `-` to type the text yourself.
    ");
}

#[test]
fn folders_are_no_files() {
    for option in ["--rejected", "--quarantine", "--report"] {
        for path in [".", "-"] {
            let run = command(&["run", "-s", "trim-lines", "in.txt", option, path]);
            assert_eq!(run.code, 2, "{option} {path}");
            assert!(
                run.messages.contains(&format!("`{option}` needs a file")),
                "{}",
                run.messages
            );
        }
    }
}

#[test]
fn verbosity_reaches_the_log() {
    for (arguments, level) in [
        (&["plugins", "list"][..], LevelFilter::Error),
        (&["-v", "plugins", "list"], LevelFilter::Info),
        (&["plugins", "list", "-vv"], LevelFilter::Debug),
        (&["run", "-q", "-s", "trim"], LevelFilter::Warn),
    ] {
        assert_eq!(command(arguments).level, Some(level), "{arguments:?}");
    }
    assert_eq!(command(&["run", "-q", "-v", "-s", "trim", "in.txt"]).code, 2);
}

#[test]
fn a_list_imports_nothing() {
    let list = command(&["plugins", "list"]);
    assert_eq!((list.code, list.messages.as_str()), (0, ""));
    assert!(list.output.contains("acme:process"), "{}", list.output);
    assert!(list.output.contains("trim-lines"), "{}", list.output);
    let json: serde_json::Value = serde_json::from_str(&command(&["plugins", "list", "--json"]).output).expect("JSON");
    assert_eq!(json["plugins"][0]["use"], "reverse");
    assert_eq!(json["plugins"][0]["location"], "/site-packages/acme-1.0.dist-info");
}

#[test]
fn the_doctor_ends_with_7_only_for_errors() {
    let finding = |severity| Finding {
        distribution: None,
        code: "unreadable_metadata".into(),
        severity,
        path: None,
        line: None,
        message: "It cannot be read.".into(),
        hint: None,
    };
    assert_eq!(ended(vec![], &["plugins", "doctor"]).code, 0);
    assert_eq!(ended(vec![finding(Severity::Warning)], &["plugins", "doctor"]).code, 0);
    assert_eq!(ended(vec![finding(Severity::Error)], &["plugins", "doctor"]).code, 7);
    let doctor = ended(vec![finding(Severity::Error)], &["plugins", "doctor", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&doctor.output).expect("JSON");
    assert_eq!(
        (doctor.code, json["findings"][0]["severity"].as_str()),
        (7, Some("error"))
    );
}

#[test]
fn a_reader_that_goes_away_ends_every_answer_quietly() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["plugins", "list"],
        &["plugins", "doctor"],
    ] {
        let mut messages = Vec::new();
        let mut console = Console {
            output: Stream::plain(Closed),
            messages: Stream::plain(&mut messages),
            input_is_terminal: true,
        };
        let arguments = ["text-processor"].iter().chain(arguments).map(OsString::from);
        let code = execute(&arguments.collect::<Vec<_>>(), &shell(Vec::new()), &mut console);
        drop(console);
        assert_eq!((code, messages.len()), (141, 0));
    }
}

#[test]
fn every_option_is_documented() {
    fn check(command: &clap::Command, documentation: &str) {
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            assert!(
                documentation.contains(&format!("`--{long}")),
                "`--{long}` of `{}` is missing in docs/command.md",
                command.get_name()
            );
        }
        for subcommand in command.get_subcommands() {
            check(subcommand, documentation);
        }
    }
    check(&Arguments::command(), include_str!("../../docs/command.md"));
}
