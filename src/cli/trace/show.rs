//! A trace for a person: each step with what it changed.
//!
//! In what differs, white space is made visible (`·` a space, `→` a tab, `⏎` a line end). Without colour, what went
//! stands in `[-…-]` and what came in `{+…+}`.

use super::answer;
use crate::cli::difference::{Change, Line, compare};
use crate::cli::numbers;
use crate::cli::style::{Paint, Tone, one_line, push_escaped};
use crate::engine::{TraceEntry, TraceOutcome};
use crate::error::needs_escape;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// How many changed lines of a step are shown on each side.
const LINES: usize = 40;
/// How many characters of an unchanged stretch are shown at each of its ends.
const EDGE: usize = 30;
/// How many characters of a changed stretch are shown at each of its ends.
const CHANGED_EDGE: usize = 200;
/// Names of steps are padded to at most this many columns.
const NAME: usize = 30;

/// Shows a trace. `names` are the steps of the plan in order: they tell how far each part of a split went.
pub(super) fn show(text: &str, entries: &[TraceEntry], names: &[&str], width: usize, paint: Paint) -> String {
    let name = names.iter().map(|name| name.width()).max().unwrap_or(0).min(NAME);
    let mut shower = Shower {
        written: String::new(),
        steps: names.len(),
        name,
        width,
        paint,
    };
    shower.preview(0, "text", text);
    shower.follow(text, entries, 0, 0);
    shower.written
}

struct Shower {
    written: String,
    steps: usize,
    name: usize,
    width: usize,
    paint: Paint,
}

impl Shower {
    /// Shows how a text went through the steps from `position` on. Returns the entries that belong to other parts.
    fn follow<'e>(
        &mut self,
        text: &'e str,
        mut entries: &'e [TraceEntry],
        mut position: usize,
        depth: usize,
    ) -> &'e [TraceEntry] {
        let mut current = text;
        while position < self.steps
            && let Some((entry, rest)) = entries.split_first()
        {
            entries = rest;
            position += 1;
            self.entry(entry, position, depth);
            match &entry.outcome {
                TraceOutcome::Text(after) => current = after,
                TraceOutcome::Kept | TraceOutcome::Annotated(_) => {}
                TraceOutcome::Rejected(_) | TraceOutcome::Failed(..) => return entries,
                TraceOutcome::Split(parts) => {
                    for (index, part) in parts.iter().enumerate() {
                        let label = format!("part {} of {}", index + 1, parts.len());
                        self.preview(depth + 1, &label, part);
                        entries = self.follow(part, entries, position, depth + 1);
                    }
                    return entries;
                }
            }
        }
        self.preview(depth, "out", current);
        entries
    }

    fn entry(&mut self, entry: &TraceEntry, position: usize, depth: usize) {
        let changed = matches!(&entry.outcome, TraceOutcome::Text(after) if *after != entry.before);
        let (tone, outcome) = match &entry.outcome {
            TraceOutcome::Text(_) if changed => (Tone::Warning, "changed".to_owned()),
            TraceOutcome::Text(_) => (Tone::Faint, "unchanged".to_owned()),
            TraceOutcome::Kept => (Tone::Good, "kept".to_owned()),
            TraceOutcome::Rejected(reason) => (Tone::Bad, format!("rejected: {}", one_line(reason))),
            TraceOutcome::Annotated(fields) => (Tone::Good, annotated(fields)),
            TraceOutcome::Split(parts) => (
                Tone::Warning,
                format!("split into {}", numbers::counted(parts.len() as u64, "part")),
            ),
            TraceOutcome::Failed(kind, message) => {
                (Tone::Bad, format!("failed ({}): {}", one_line(kind), one_line(message)))
            }
        };
        let name = one_line(&entry.step);
        let padding = " ".repeat(self.name.saturating_sub(name.width()));
        let _ = writeln!(
            self.written,
            "{}{position:>3}  {}{padding}  {}  {}",
            "  ".repeat(depth),
            self.paint.paint(Tone::Strong, &name),
            self.paint.paint(tone, &outcome),
            self.paint
                .paint(Tone::Faint, &format!("({})", numbers::nanoseconds(entry.nanoseconds))),
        );
        if changed && let TraceOutcome::Text(after) = &entry.outcome {
            self.difference(&entry.before, after, depth);
        }
    }

    /// One line that gives an impression of a text.
    fn preview(&mut self, depth: usize, label: &str, text: &str) {
        let start = format!("{}     {label}: ", "  ".repeat(depth));
        let room = self.width.saturating_sub(start.width() + 2).max(20);
        let mut shown = String::new();
        for character in text.chars() {
            let end = shown.len();
            unchanged_character(&mut shown, character);
            if shown.width() >= room {
                shown.truncate(end);
                shown.push('…');
                break;
            }
        }
        let _ = writeln!(
            self.written,
            "{}",
            self.paint.paint(Tone::Faint, &format!("{start}\"{shown}\""))
        );
    }

    fn difference(&mut self, before: &str, after: &str, depth: usize) {
        let changes = compare(before, after);
        let last = changes.len().saturating_sub(1);
        let (mut gone, mut come) = (0, 0);
        for (index, change) in changes.iter().enumerate() {
            match change {
                Change::Same(lines) => self.same(lines, index > 0, index < last, depth),
                Change::Changed { before, after } => {
                    self.side(before, &mut gone, Side::Before, depth);
                    self.side(after, &mut come, Side::After, depth);
                }
            }
        }
        let hidden = gone.saturating_sub(LINES) + come.saturating_sub(LINES);
        if hidden > 0 {
            let more = numbers::counted(hidden as u64, "more changed line");
            self.aside(&format!("… {more}; `--json` shows everything"), depth);
        }
    }

    /// Lines that stayed: one beside each change, and how many there are in between.
    fn same(&mut self, lines: &[&str], after_change: bool, before_change: bool, depth: usize) {
        let shown_first = usize::from(after_change).min(lines.len());
        let shown_last = usize::from(before_change).min(lines.len() - shown_first);
        for line in &lines[..shown_first] {
            self.unchanged(line, depth);
        }
        let hidden = lines.len() - shown_first - shown_last;
        if hidden > 0 {
            let hidden = numbers::counted(hidden as u64, "unchanged line");
            self.aside(&format!("… {hidden}"), depth);
        }
        for line in &lines[lines.len() - shown_last..] {
            self.unchanged(line, depth);
        }
    }

    fn unchanged(&mut self, line: &str, depth: usize) {
        let line = elide(line.trim_end_matches('\n'), 2 * EDGE, unchanged_character);
        self.aside(if line.is_empty() { "⏎" } else { &line }, depth);
    }

    fn aside(&mut self, text: &str, depth: usize) {
        let indent = "  ".repeat(depth);
        let line = format!("{indent}       {}", self.paint.paint(Tone::Faint, text));
        self.written.push_str(line.trim_end());
        self.written.push('\n');
    }

    fn side(&mut self, lines: &[Line<'_>], shown: &mut usize, side: Side, depth: usize) {
        let (sign, tone, differs, open, close) = match side {
            Side::Before => ('-', Tone::Bad, Tone::Removed, "[-", "-]"),
            Side::After => ('+', Tone::Good, Tone::Added, "{+", "+}"),
        };
        for line in lines {
            *shown += 1;
            if *shown > LINES {
                continue;
            }
            let sign = self.paint.paint(tone, if sign == '-' { "-" } else { "+" });
            let _ = write!(self.written, "{}     {sign} ", "  ".repeat(depth));
            for piece in line {
                if piece.differs {
                    let text = elide(piece.text, CHANGED_EDGE, changed_character);
                    if self.paint.colour {
                        self.written.push_str(&self.paint.paint(differs, &text));
                    } else {
                        let _ = write!(self.written, "{open}{text}{close}");
                    }
                } else {
                    self.written
                        .push_str(&elide(piece.text.trim_end_matches('\n'), EDGE, unchanged_character));
                }
            }
            self.written.push('\n');
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

fn annotated(fields: &[(String, crate::record::Value)]) -> String {
    let fields = fields.iter().map(|(name, value)| {
        let value = elide(&answer::value(value).to_string(), EDGE, unchanged_character);
        format!("{} = {value}", one_line(name))
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn unchanged_character(written: &mut String, character: char) {
    if needs_escape(character) {
        push_escaped(written, character);
    } else {
        written.push(character);
    }
}

fn changed_character(written: &mut String, character: char) {
    match character {
        ' ' => written.push('·'),
        '\t' => written.push('→'),
        '\n' => written.push('⏎'),
        _ => unchanged_character(written, character),
    }
}

/// A text with its middle left out, if there is much of it.
fn elide(text: &str, edge: usize, push: impl Fn(&mut String, char)) -> String {
    let mut written = String::new();
    let head_end = text.char_indices().nth(edge).map_or(text.len(), |(index, _)| index);
    let tail_start = text.char_indices().rev().nth(edge - 1).map_or(0, |(index, _)| index);
    let short = tail_start <= head_end;
    let head = if short { text } else { &text[..head_end] };
    head.chars().for_each(|character| push(&mut written, character));
    if !short {
        let hidden = text[head_end..tail_start].chars().count() as u64;
        let _ = write!(written, " …{}… ", numbers::count(hidden));
        text[tail_start..]
            .chars()
            .for_each(|character| push(&mut written, character));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Value;

    const PLAIN: Paint = Paint { colour: false };

    fn entry(step: &str, before: &str, outcome: TraceOutcome) -> TraceEntry {
        TraceEntry {
            step: step.into(),
            before: before.into(),
            outcome,
            nanoseconds: 1_250,
        }
    }

    #[test]
    fn the_article() {
        let raw = "\n    hello world\n    this is a test\n    ";
        let trimmed = "\nhello world\nthis is a test\n";
        let reversed = "\ndlrow olleh\ntset a si siht";
        let entries = [
            entry("trim-lines", raw, TraceOutcome::Text(trimmed.into())),
            entry("reverse", trimmed, TraceOutcome::Text(reversed.into())),
            entry("strip-control", reversed, TraceOutcome::Text(reversed.into())),
            entry("length", reversed, TraceOutcome::Kept),
            entry(
                "language",
                reversed,
                TraceOutcome::Annotated(vec![
                    ("language".into(), Value::Text("cy".into())),
                    ("score".into(), Value::Float(0.25)),
                ]),
            ),
        ];
        let names = ["trim-lines", "reverse", "strip-control", "length", "language"];
        insta::assert_snapshot!(show(raw, &entries, &names, 80, PLAIN), @r#"
           text: "\n    hello world\n    this is a test\n    "
        1  trim-lines     changed  (1.2 µs)
             ⏎
           - [-····-]hello world
           - [-····-]this is a test
           - [-····-]
           + hello world
           + this is a test
        2  reverse        changed  (1.2 µs)
             ⏎
           - [-hello-] [-world-]
           - [-this·is-] a [-test⏎-]
           + {+dlrow+} {+olleh+}
           + {+tset+} a {+si·siht+}
        3  strip-control  unchanged  (1.2 µs)
        4  length         kept  (1.2 µs)
        5  language       language = "cy", score = 0.25  (1.2 µs)
           out: "\ndlrow olleh\ntset a si siht"
        "#);
    }

    #[test]
    fn parts_are_followed_one_after_the_other() {
        let entries = [
            entry(
                "sentences",
                "A. B!",
                TraceOutcome::Split(vec!["A.".into(), "B!".into()]),
            ),
            entry("upper", "A.", TraceOutcome::Text("A.".into())),
            entry("no-marks", "A.", TraceOutcome::Kept),
            entry("upper", "B!", TraceOutcome::Text("B!".into())),
            entry("no-marks", "B!", TraceOutcome::Rejected("mark".into())),
        ];
        let names = ["sentences", "upper", "no-marks"];
        insta::assert_snapshot!(show("A. B!", &entries, &names, 80, PLAIN), @r#"
           text: "A. B!"
        1  sentences  split into 2 parts  (1.2 µs)
             part 1 of 2: "A."
          2  upper      unchanged  (1.2 µs)
          3  no-marks   kept  (1.2 µs)
             out: "A."
             part 2 of 2: "B!"
          2  upper      unchanged  (1.2 µs)
          3  no-marks   rejected: mark  (1.2 µs)
        "#);
    }

    #[test]
    fn a_failure_says_why() {
        let entries = [entry(
            "odd",
            "a",
            TraceOutcome::Failed("bad_return".into(), "Expected text, found `int`.".into()),
        )];
        insta::assert_snapshot!(show("a", &entries, &["odd", "never"], 80, PLAIN), @r#"
           text: "a"
        1  odd    failed (bad_return): Expected text, found `int`.  (1.2 µs)
        "#);
    }

    #[test]
    fn a_text_cannot_colour_the_terminal() {
        let entries = [
            entry(
                "a\u{1b}[1m",
                "\u{1b}[2Jx\u{202e}",
                TraceOutcome::Text("\u{1b}[3Jx".into()),
            ),
            entry("b", "\u{1b}[3Jx", TraceOutcome::Rejected("\u{7}\n".into())),
        ];
        let shown = show("\u{1b}[2Jx\u{202e}", &entries, &["a", "b"], 80, PLAIN);
        assert!(
            !shown.contains(|character| character != '\n' && needs_escape(character)),
            "{shown}"
        );
        assert!(shown.contains("\\u{1b}"), "{shown}");
    }

    #[test]
    fn colour_replaces_the_brackets() {
        let entries = [entry("trim", " a", TraceOutcome::Text("a".into()))];
        let shown = show(" a", &entries, &["trim"], 80, Paint { colour: true });
        assert!(!shown.contains("[-"), "{shown}");
        assert!(shown.contains("\u{1b}[30m\u{1b}[41m·\u{1b}[0m"), "{shown:?}");
    }

    fn numbered(lines: u32) -> String {
        let lines: Vec<String> = (0..lines).map(|line| format!("line {line}\n")).collect();
        lines.concat()
    }

    #[test]
    fn long_texts_are_shown_in_part() {
        let before = numbered(500).replace('\n', " \n");
        let after = before.replace(" \n", "\n");
        let entries = [entry("trim-lines", &before, TraceOutcome::Text(after))];
        let shown = show(&before, &entries, &["trim-lines"], 80, PLAIN);
        assert!(shown.lines().count() < 100, "{shown}");
        assert!(
            shown.contains("… 920 more changed lines; `--json` shows everything"),
            "{shown}"
        );
        assert_eq!(elide(&"x".repeat(100), 5, unchanged_character), "xxxxx …90… xxxxx");
        assert_eq!(elide("xxxxxxxxxx", 5, unchanged_character), "xxxxxxxxxx");
    }

    #[test]
    fn lines_that_stayed_are_counted() {
        let before = numbered(10);
        let after = before.replace("line 5", "Line 5");
        let entries = [entry("case", &before, TraceOutcome::Text(after))];
        insta::assert_snapshot!(show(&before, &entries, &["case"], 60, PLAIN), @r#"
           text: "line 0\nline 1\nline 2\nline 3\nline 4\nline 5…"
        1  case  changed  (1.2 µs)
             … 4 unchanged lines
             line 4
           - [-l-]ine 5
           + {+L+}ine 5
             line 6
             … 3 unchanged lines
           out: "line 0\nline 1\nline 2\nline 3\nline 4\nLine 5…"
        "#);
    }
}
