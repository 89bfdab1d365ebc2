//! Progress for a person who watches: a bar by bytes, the rate, the time left, and how many records met a bad fate.

use super::{Shell, numbers};
use crate::engine::{Progress, Watcher};
use crate::error::Interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// How often the bar is drawn at most, in a second.
const RATE: u8 = 12;

/// Watches a run: passes signals on, and draws the bar. Dropping it clears the bar.
pub(super) struct Progressing<'s> {
    shell: &'s dyn Shell,
    bar: Option<ProgressBar>,
    begun: bool,
}

impl<'s> Progressing<'s> {
    /// A watcher that draws on a terminal of so many columns, if there is one.
    pub(super) fn new(shell: &'s dyn Shell, columns: Option<usize>) -> Self {
        let bar = columns.map(|columns| {
            let width = u16::try_from(columns).unwrap_or(u16::MAX);
            Self::bar(Box::new(Terminal {
                width,
                writer: Mutex::new(io::stderr()),
            }))
        });
        Self {
            shell,
            bar,
            begun: false,
        }
    }

    /// Whether the run has come to where it reads and writes.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    fn bar(terminal: Box<dyn TermLike>) -> ProgressBar {
        let target = ProgressDrawTarget::term_like_with_hz(terminal, RATE);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style(UNSIZED));
        bar
    }
}

/// For inputs of known size.
const SIZED: &str = "{bar:10} {percent:>3} % {binary_bytes_per_sec:>11} {eta:>3} left  {wide_msg}";
/// For pipes, whose end nobody knows.
const UNSIZED: &str = "{binary_bytes:>10} {binary_bytes_per_sec:>11} {elapsed:>3}  {wide_msg}";

fn style(template: &str) -> ProgressStyle {
    // The templates are ours and tested; a mistake in one must not end a run.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("##-")
}

impl Watcher for Progressing<'_> {
    fn begun(&mut self) {
        self.begun = true;
    }

    fn tick(&mut self, progress: &Progress) -> Result<(), Interrupt> {
        self.shell.interrupted()?;
        if let Some(bar) = &self.bar {
            if let Some(total) = progress.total_bytes
                && bar.length() != Some(total)
            {
                bar.set_style(style(SIZED));
                bar.set_length(total);
            }
            bar.set_message(message(progress));
            bar.set_position(progress.bytes);
        }
        Ok(())
    }
}

impl Drop for Progressing<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn message(progress: &Progress) -> String {
    let mut message = format!("{} read", numbers::count(progress.read));
    for (number, word) in [(progress.rejected, "rejected"), (progress.quarantined, "quarantined")] {
        if number > 0 {
            message = format!("{message}, {} {word}", numbers::count(number));
        }
    }
    message
}

/// A terminal to draw on. indicatif's own would ask again whether it is one, and could not be tested.
struct Terminal<W> {
    width: u16,
    writer: Mutex<W>,
}

impl<W> std::fmt::Debug for Terminal<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Terminal")
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl<W: Write> Terminal<W> {
    fn send(&self, text: &str) -> io::Result<()> {
        self.with(|writer| writer.write_all(text.as_bytes()))
    }

    fn with(&self, act: impl FnOnce(&mut W) -> io::Result<()>) -> io::Result<()> {
        act(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn move_cursor(&self, distance: usize, direction: char) -> io::Result<()> {
        if distance == 0 {
            return Ok(());
        }
        self.send(&format!("\u{1b}[{distance}{direction}"))
    }
}

impl<W: Write + Send> TermLike for Terminal<W> {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, distance: usize) -> io::Result<()> {
        self.move_cursor(distance, 'A')
    }

    fn move_cursor_down(&self, distance: usize) -> io::Result<()> {
        self.move_cursor(distance, 'B')
    }

    fn move_cursor_right(&self, distance: usize) -> io::Result<()> {
        self.move_cursor(distance, 'C')
    }

    fn move_cursor_left(&self, distance: usize) -> io::Result<()> {
        self.move_cursor(distance, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.send(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.send(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.send("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.with(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::{Host, NoPlugins};
    use std::sync::Arc;

    #[derive(Debug, Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Calm;

    impl Shell for Calm {
        fn host(&self) -> &dyn Host {
            &NoPlugins
        }

        fn interrupted(&self) -> Result<(), Interrupt> {
            Ok(())
        }
    }

    struct Pressed;

    impl Shell for Pressed {
        fn host(&self) -> &dyn Host {
            &NoPlugins
        }

        fn interrupted(&self) -> Result<(), Interrupt> {
            Err(Interrupt::Interrupt)
        }
    }

    fn drawn(total_bytes: Option<u64>) -> String {
        let written = Shared::default();
        let bar = Progressing::bar(Box::new(Terminal {
            width: 80,
            writer: Mutex::new(written.clone()),
        }));
        let mut watcher = Progressing {
            shell: &Calm,
            bar: Some(bar),
            begun: false,
        };
        let progress = Progress {
            read: 1_234,
            out: 1_200,
            rejected: 31,
            quarantined: 3,
            bytes: 500,
            total_bytes,
        };
        watcher.tick(&progress).expect("nobody interrupts");
        if let Some(bar) = &watcher.bar {
            bar.force_draw();
        }
        drop(watcher);
        let bytes = written.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [SIZED, UNSIZED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
        let bar = drawn(Some(1_000));
        assert!(bar.contains("#----"), "{bar:?}");
        assert!(bar.contains(" 50 %"), "{bar:?}");
        assert!(bar.contains("1,234 read, 31 rejected, 3 quarantined"), "{bar:?}");
    }

    #[test]
    fn a_pipe_shows_what_came_through_and_no_time_left() {
        let bar = drawn(None);
        assert!(bar.contains("500 B"), "{bar:?}");
        assert!(!bar.contains('%') && !bar.contains("left"), "{bar:?}");
    }

    #[test]
    fn the_bar_is_cleared_at_the_end() {
        let bar = drawn(Some(1_000));
        let cleared = bar.rfind("\u{1b}[2K").expect("cleared");
        assert!(!bar[cleared..].contains("read"), "{bar:?}");
    }

    #[test]
    fn a_signal_stops_the_run() {
        let mut watcher = Progressing {
            shell: &Pressed,
            bar: None,
            begun: false,
        };
        assert_eq!(watcher.tick(&Progress::default()), Err(Interrupt::Interrupt));
    }
}
