//! What changed between two texts: lines that stayed, lines that went, lines that came, and what differs inside them.
//!
//! Lines are compared first, then the words of lines that changed, then the characters of words that are nearly alike.
//! Each comparison has a deadline, after which it is coarser but still right: showing a change must not take longer than
//! making it.

use similar::{Algorithm, DiffTag, capture_diff_slices_deadline, get_diff_ratio};
use std::time::{Duration, Instant};
use unicode_segmentation::UnicodeSegmentation;

/// How long comparing two texts may take before it becomes coarser.
const BUDGET: Duration = Duration::from_millis(200);
/// How alike two pieces must be for their characters to be compared. Below that, single letters that happen to be
/// equal make a change harder to read.
const ALIKE: f32 = 0.5;

/// A piece of a line, and whether the other text lacks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    /// The piece.
    pub(super) text: &'t str,
    /// Whether it is what differs.
    pub(super) differs: bool,
}

/// A line, in pieces, with its line end.
pub(super) type Line<'t> = Vec<Piece<'t>>;

/// Lines that follow each other and met the same fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change<'t> {
    /// They stayed.
    Same(Vec<&'t str>),
    /// These went and those came.
    Changed {
        /// What went.
        before: Vec<Line<'t>>,
        /// What came.
        after: Vec<Line<'t>>,
    },
}

/// Compares two texts.
pub(super) fn compare<'t>(before: &'t str, after: &'t str) -> Vec<Change<'t>> {
    let deadline = Instant::now() + BUDGET;
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline))
        .into_iter()
        .map(|operation| {
            let (tag, gone, come) = operation.as_tag_tuple();
            if tag == DiffTag::Equal {
                return Change::Same(old[gone].to_vec());
            }
            let (gone, come) = (span(before, &old[gone]), span(after, &new[come]));
            let (before, after) = compare_words(gone, come, deadline);
            Change::Changed {
                before: into_lines(before),
                after: into_lines(after),
            }
        })
        .collect()
}

/// The stretch of `text` from the first to the last of these slices of it, which lie side by side.
fn span<'t>(text: &'t str, slices: &[&'t str]) -> &'t str {
    let (Some(first), Some(last)) = (slices.first(), slices.last()) else {
        return "";
    };
    let start = first.as_ptr() as usize - text.as_ptr() as usize;
    let end = last.as_ptr() as usize - text.as_ptr() as usize + last.len();
    &text[start..end]
}

fn compare_words<'t>(before: &'t str, after: &'t str, deadline: Instant) -> (Line<'t>, Line<'t>) {
    let old: Vec<&str> = before.split_word_bounds().collect();
    let new: Vec<&str> = after.split_word_bounds().collect();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for operation in capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline)) {
        let (tag, gone, come) = operation.as_tag_tuple();
        let (gone, come) = (span(before, &old[gone]), span(after, &new[come]));
        match tag {
            DiffTag::Replace => compare_characters(gone, come, deadline, &mut left, &mut right),
            _ => push_both(gone, come, tag != DiffTag::Equal, &mut left, &mut right),
        }
    }
    (left, right)
}

fn compare_characters<'t>(
    before: &'t str,
    after: &'t str,
    deadline: Instant,
    left: &mut Line<'t>,
    right: &mut Line<'t>,
) {
    let old: Vec<&str> = before.graphemes(true).collect();
    let new: Vec<&str> = after.graphemes(true).collect();
    let operations = capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline));
    if get_diff_ratio(&operations, old.len(), new.len()) < ALIKE {
        return push_both(before, after, true, left, right);
    }
    for operation in operations {
        let (tag, gone, come) = operation.as_tag_tuple();
        let (gone, come) = (span(before, &old[gone]), span(after, &new[come]));
        push_both(gone, come, tag != DiffTag::Equal, left, right);
    }
}

fn push_both<'t>(gone: &'t str, come: &'t str, differs: bool, left: &mut Line<'t>, right: &mut Line<'t>) {
    for (text, line) in [(gone, left), (come, right)] {
        if !text.is_empty() {
            line.push(Piece { text, differs });
        }
    }
}

/// Cuts pieces at line ends, and joins them to lines.
fn into_lines(pieces: Line<'_>) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    for piece in pieces {
        for text in piece.text.split_inclusive('\n') {
            line.push(Piece { text, ..piece });
            if text.ends_with('\n') {
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The changes as text: `[-gone-]` and `{+come+}`.
    fn written(before: &str, after: &str) -> String {
        let mut written = String::new();
        let mut side = |sign: &str, lines: Vec<Line<'_>>, open: &str, close: &str| {
            for line in lines {
                written.push_str(sign);
                for piece in line {
                    let (open, close) = if piece.differs { (open, close) } else { ("", "") };
                    written.extend([open, &piece.text.replace('\n', "⏎"), close]);
                }
                written.push('\n');
            }
        };
        for change in compare(before, after) {
            match change {
                Change::Same(lines) => {
                    let lines = lines.into_iter().map(|text| vec![Piece { text, differs: false }]);
                    side("  ", lines.collect(), "", "");
                }
                Change::Changed { before, after } => {
                    side("- ", before, "[-", "-]");
                    side("+ ", after, "{+", "+}");
                }
            }
        }
        written
    }

    #[test]
    fn spaces_that_went_are_marked_alone() {
        insta::assert_snapshot!(written("  hello world\nsame\n", "hello world\nsame\n"), @r"
        - [-  -]hello world⏎
        + hello world⏎
          same⏎
        ");
    }

    #[test]
    fn letters_are_marked_in_words_that_are_alike() {
        insta::assert_snapshot!(written("hello there", "Hello there"), @r"
        - [-h-]ello there
        + {+H+}ello there
        ");
    }

    #[test]
    fn words_that_are_not_alike_are_marked_whole() {
        insta::assert_snapshot!(written("abcdef tail", "uvwxyz tail"), @r"
        - [-abcdef-] tail
        + {+uvwxyz+} tail
        ");
    }

    #[test]
    fn a_final_line_end_that_went_is_a_change() {
        insta::assert_snapshot!(written("a\nb\n", "a\nb"), @r"
          a⏎
        - b[-⏎-]
        + b
        ");
    }

    #[test]
    fn everything_may_go_or_come() {
        assert_eq!(written("a", ""), "- [-a-]\n");
        assert_eq!(written("", "a"), "+ {+a+}\n");
        assert_eq!(written("", ""), "");
    }

    #[test]
    fn two_long_strange_texts_are_compared_in_time() {
        let text = |factor: u32| {
            let words: Vec<String> = (0..200_000)
                .map(|number| (number * factor % 199_999).to_string())
                .collect();
            words.join(" ")
        };
        let (before, after) = (text(1), text(7));
        let start = Instant::now();
        let changes = compare(&before, &after);
        assert!(!changes.is_empty());
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }

    proptest! {
        #[test]
        fn both_texts_can_be_put_together_again(before in "[ab \n]{0,40}", after in "[ab \n]{0,40}") {
            let (mut left, mut right) = (String::new(), String::new());
            for change in compare(&before, &after) {
                match change {
                    Change::Same(lines) => {
                        left.push_str(&lines.concat());
                        right.push_str(&lines.concat());
                    }
                    Change::Changed { before, after } => {
                        left.extend(before.iter().flatten().map(|piece| piece.text));
                        right.extend(after.iter().flatten().map(|piece| piece.text));
                    }
                }
            }
            prop_assert_eq!(left, before);
            prop_assert_eq!(right, after);
        }
    }
}
