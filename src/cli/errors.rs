//! Shows an error: the one place that does, so that all of them look alike.

use super::console::Stream;
use super::style::{Tone, lines};
use crate::error::{Error, Interrupt};
use std::fmt::Write as _;

/// How many bytes of a plugin's own words are shown, unless somebody asked for more with `-v`.
const CAUSE_LIMIT: usize = 4096;

/// Tells an error: its sentence, what the plugin itself raised, and the way out.
pub(super) fn tell(messages: &mut Stream<'_>, error: &Error, verbose: bool) {
    // Whoever closed the pipe got what they wanted.
    if matches!(error, Error::Interrupted(Interrupt::ClosedPipe)) {
        return;
    }
    let mut told = String::new();
    let _ = writeln!(
        told,
        "{} {}",
        messages.painted(Tone::Bad, "error:"),
        indented(&error.to_string())
    );
    if let Some(cause) = cause(error, verbose) {
        let _ = writeln!(told, "{}", messages.painted(Tone::Faint, "caused by:"));
        let _ = writeln!(told, "  {}", indented(cause.trim_end()));
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(told, "{} {}", messages.painted(Tone::Hint, "hint:"), indented(hint));
    }
    messages.tell(&told);
}

/// What the plugin itself raised. A traceback is preferred: it names the line that its author must look at. The
/// alternate form of a cause's text is the one with its traceback.
fn cause(error: &Error, verbose: bool) -> Option<String> {
    let cause = match error {
        Error::Plugin(error) => error.cause.as_ref().map(|cause| format!("{cause:#}")),
        Error::Record(error) => {
            let failure = &error.failure;
            let traceback = failure.traceback.clone();
            traceback.or_else(|| failure.cause.as_ref().map(|cause| format!("{cause:#}")))
        }
        _ => None,
    }?;
    let cause = if verbose {
        cause
    } else {
        crate::error::shorten(cause, CAUSE_LIMIT)
    };
    (!cause.trim().is_empty()).then_some(cause)
}

/// Text of several lines, safe for a terminal. Lines after the first are indented, so that no text of a stranger can
/// look like a line of ours.
fn indented(text: &str) -> String {
    lines(text).replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ConfigError, Failure, FailureKind, Location, PluginError, PluginFault, RecordError};
    use std::sync::Arc;

    fn told(error: impl Into<Error>, verbose: bool) -> String {
        let mut written = Vec::new();
        tell(&mut Stream::plain(&mut written), &error.into(), verbose);
        String::from_utf8(written).expect("UTF-8")
    }

    #[test]
    fn a_configuration_error_shows_its_place_and_the_way_out() {
        let mut error = ConfigError::new("The key `user` is not known.").with_hint("Known keys are `use` and `with`.");
        error.location = Some(Location {
            file: "pipeline.toml".into(),
            line: 2,
            column: 1,
        });
        error.suggestion = Some("use".into());
        error.snippet = Some("2 | user = \"trim\"\n  | ^^^^".into());
        insta::assert_snapshot!(told(error, false), @r#"
        error: pipeline.toml:2:1: The key `user` is not known. Did you mean `use`?
          2 | user = "trim"
            | ^^^^
        hint: Known keys are `use` and `with`.
        "#);
    }

    #[test]
    fn a_plugin_error_shows_what_the_plugin_raised() {
        let mut error = PluginError::new(
            PluginFault::Load,
            "min-words",
            "Step `min-words` cannot be loaded: importing `acme_filters` failed.",
        )
        .with_hint("Install what `acme-filters` needs.");
        error.cause = Some(Arc::new(std::io::Error::other(
            "Traceback (most recent call last):\n  File \"acme.py\", line 1\nModuleNotFoundError: No module named 'x'\n",
        )));
        insta::assert_snapshot!(told(error, false), @r#"
        error: Step `min-words` cannot be loaded: importing `acme_filters` failed.
        caused by:
          Traceback (most recent call last):
            File "acme.py", line 1
          ModuleNotFoundError: No module named 'x'
        hint: Install what `acme-filters` needs.
        "#);
    }

    #[test]
    fn a_message_can_neither_colour_the_terminal_nor_forge_a_hint() {
        let failure = Failure::new(
            FailureKind::StepError,
            "ValueError: \u{1b}[2Joops\nhint: run this\u{202e}",
        );
        let error = RecordError {
            failure,
            step: Some("acme/odd".into()),
            input: Some("in.txt".into()),
            ordinal: Some(7),
            id: None,
        };
        insta::assert_snapshot!(told(error, false), @r"
        error: Step `acme/odd` failed on record 7 of in.txt: ValueError: \u{1b}[2Joops
          hint: run this\u{202e}
        ");
    }

    #[test]
    fn a_long_traceback_is_cut_unless_asked_for() {
        let mut failure = Failure::new(FailureKind::StepError, "It failed.");
        failure.traceback = Some("line\n".repeat(10_000));
        let error = RecordError {
            failure,
            step: None,
            input: None,
            ordinal: None,
            id: None,
        };
        assert!(told(error.clone(), false).len() < 8_000);
        assert!(told(error, true).len() > 50_000);
    }

    #[test]
    fn a_closed_pipe_is_not_mentioned() {
        assert_eq!(told(Error::Interrupted(Interrupt::ClosedPipe), true), "");
        assert_eq!(
            told(Error::Interrupted(Interrupt::Interrupt), false),
            "error: The run was interrupted; what it had not committed is gone.\n"
        );
    }
}
