//! The two streams a command writes to. Data and answers go to the output, everything else to the messages.
//!
//! Nothing here panics when a reader goes away, as `println!` does: a closed output ends the command with exit code
//! 141 and without a word, and nobody is left to tell about closed messages.

use super::style::{Paint, Tone};
use crate::error::{Error, FileError, Interrupt, Result};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

/// How wide tables and help are where no terminal says it.
const WIDTH: usize = 80;
/// Wider than this, lines become hard to follow.
const WIDEST: usize = 120;

/// One of the two streams.
pub(super) struct Stream<'w> {
    writer: Box<dyn Write + 'w>,
    /// How to colour what is written here.
    pub(super) paint: Paint,
    /// How many columns to fill.
    pub(super) width: usize,
    /// Whether a person is watching.
    pub(super) terminal: bool,
}

impl Stream<'_> {
    /// A stream that is no terminal.
    #[cfg(test)]
    pub(super) fn plain<'w>(writer: impl Write + 'w) -> Stream<'w> {
        Stream {
            writer: Box::new(writer),
            paint: Paint { colour: false },
            width: WIDTH,
            terminal: false,
        }
    }

    /// Writes an answer. Everything is buffered until [`Stream::flush`].
    pub(super) fn write(&mut self, text: &str) -> Result<()> {
        self.writer.write_all(text.as_bytes()).map_err(|error| failed(&error))
    }

    /// Writes an answer and the end of its line.
    pub(super) fn line(&mut self, text: &str) -> Result<()> {
        self.write(text)?;
        self.write("\n")
    }

    /// Writes a JSON value on lines of its own, indented where a person may be reading.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let json = serde_json::to_string_pretty(value)
            .map_err(|error| Error::Internal(format!("An answer cannot be written as JSON: {error}.")))?;
        self.line(&json)
    }

    /// Hands everything that was written to whoever reads it.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| failed(&error))
    }

    /// Tells something beside the answer. If that is impossible, nobody is there to be told so.
    pub(super) fn tell(&mut self, text: &str) {
        let _ = self.writer.write_all(text.as_bytes());
        let _ = self.writer.flush();
    }

    /// A text in a tone, as this stream shows it.
    pub(super) fn painted<'t>(&self, tone: Tone, text: &'t str) -> std::borrow::Cow<'t, str> {
        self.paint.paint(tone, text)
    }
}

fn failed(error: &io::Error) -> Error {
    if error.kind() == ErrorKind::BrokenPipe {
        return Error::Interrupted(Interrupt::ClosedPipe);
    }
    let reason = error.to_string();
    let mut file = FileError::new(
        "standard output",
        format!("Writing standard output failed: {}.", reason.trim_end_matches('.')),
    );
    file.errno = error.raw_os_error();
    Error::Output(Box::new(file))
}

/// Where a command reads from and writes to.
pub(super) struct Console<'w> {
    /// For data and answers.
    pub(super) output: Stream<'w>,
    /// For everything else.
    pub(super) messages: Stream<'w>,
    /// Whether standard input is a terminal, so that reading it would wait for somebody who may not know.
    pub(super) input_is_terminal: bool,
}

impl Console<'static> {
    /// The streams of this process. Standard output is not locked, because a run writes its data there too.
    pub(super) fn of_process() -> Self {
        let (output, messages) = (io::stdout(), io::stderr());
        let width = terminal_size::terminal_size_of(&messages).or_else(|| terminal_size::terminal_size_of(&output));
        let width = width.map_or(WIDTH, |(columns, _)| usize::from(columns.0).clamp(20, WIDEST));
        let (output_terminal, messages_terminal) = (output.is_terminal(), messages.is_terminal());
        let variable = |name: &str| std::env::var_os(name);
        Self {
            output: Stream {
                writer: Box::new(BufWriter::with_capacity(1 << 16, output)),
                paint: Paint::decide(output_terminal, variable),
                width,
                terminal: output_terminal,
            },
            messages: Stream {
                writer: Box::new(BufWriter::new(messages)),
                paint: Paint::decide(messages_terminal, variable),
                width,
                terminal: messages_terminal,
            },
            input_is_terminal: io::stdin().is_terminal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_went_away_ends_the_command_quietly() {
        let error = Stream::plain(Failing(ErrorKind::BrokenPipe)).line("x").unwrap_err();
        assert_eq!(error.exit_code(), 141);
    }

    #[test]
    fn a_full_disk_is_an_output_error() {
        let error = Stream::plain(Failing(ErrorKind::StorageFull)).flush().unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert_eq!(error.to_string(), "Writing standard output failed: no storage space.");
    }

    #[test]
    fn messages_that_nobody_reads_are_no_error() {
        Stream::plain(Failing(ErrorKind::BrokenPipe)).tell("x");
    }
}
