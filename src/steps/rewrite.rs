//! How a step writes a text that is mostly the old one: it keeps ranges of the old text and writes what is new between
//! them. What is kept is copied in runs, and only once it is certain that a copy is needed: a text of which one range
//! is kept, and nothing is written, stays where it is.

use crate::error::{Failure, FailureKind};
use crate::step::{Limits, Scratch};
use std::ops::Range;

/// A text that is being made from an old one.
pub(super) struct Rewrite<'t> {
    text: &'t str,
    out: &'t mut String,
    /// The range of the old text that belongs to the new one but was not copied yet.
    run: Range<usize>,
    wrote: bool,
}

impl<'t> Rewrite<'t> {
    /// Begins a new text with nothing in it. The scratch's text is empty.
    pub(super) fn new(text: &'t str, scratch: &'t mut Scratch<'_>) -> Self {
        debug_assert!(scratch.text.is_empty());
        Self {
            text,
            out: &mut scratch.text,
            run: 0..0,
            wrote: false,
        }
    }

    /// Appends a range of the old text.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if self.run.is_empty() {
            self.run = range;
        } else if self.run.end == range.start {
            self.run.end = range.end;
        } else {
            self.copy_run();
            self.run = range;
        }
    }

    /// Appends something new.
    pub(super) fn write(&mut self, new: &str) {
        self.begin_write().push_str(new);
    }

    /// The new text so far, for something new to be appended to it.
    pub(super) fn begin_write(&mut self) -> &mut String {
        self.copy_run();
        self.wrote = true;
        self.out
    }

    /// How many bytes the new text has so far.
    pub(super) fn len(&self) -> usize {
        self.out.len() + self.run.len()
    }

    fn copy_run(&mut self) {
        if !self.run.is_empty() {
            self.out.push_str(&self.text[self.run.clone()]);
            self.run = 0..0;
            self.wrote = true;
        }
    }

    /// Forgets the new text: a step that fails leaves nothing in its scratch.
    pub(super) fn abandon(self) {
        self.out.clear();
    }

    /// Forgets the new text because it became larger than `limit`, which is [`output_limit`].
    pub(super) fn too_large(self, limit: usize) -> Failure {
        self.abandon();
        Failure::new(
            FailureKind::OutputTooLarge,
            format!("The new text would have more than {limit} bytes, which is the limit."),
        )
    }

    /// The new text: a slice of the old one wherever that is possible, and the very same slice if nothing changed.
    pub(super) fn finish(mut self) -> &'t str {
        if self.wrote {
            self.copy_run();
            self.out
        } else {
            &self.text[self.run]
        }
    }
}

/// The most bytes that a built-in step may make of a text of `length` bytes: the default limit on a record, or three times
/// the text, whichever is more. Canonical normalization at most triples a text, so it always fits.
pub(super) fn output_limit(length: usize) -> usize {
    Limits::default().record_bytes.max(length.saturating_mul(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Cancel;

    fn rewrite(text: &str, work: impl FnOnce(&mut Rewrite<'_>)) -> (String, bool) {
        let cancel = Cancel::default();
        let mut scratch = Scratch {
            text: String::new(),
            cancel: &cancel,
        };
        let mut rewrite = Rewrite::new(text, &mut scratch);
        work(&mut rewrite);
        let new = rewrite.finish();
        let borrowed = text.as_bytes().as_ptr_range().contains(&new.as_ptr());
        (new.to_owned(), borrowed)
    }

    #[test]
    fn adjacent_ranges_are_a_slice() {
        let work = |rewrite: &mut Rewrite<'_>| {
            rewrite.keep(1..2);
            rewrite.keep(2..2);
            rewrite.keep(2..4);
        };
        assert_eq!(rewrite("abcde", work), ("bcd".into(), true));
    }

    #[test]
    fn ranges_with_gaps_and_new_text_are_copied() {
        let work = |rewrite: &mut Rewrite<'_>| {
            rewrite.keep(0..1);
            rewrite.keep(2..3);
            rewrite.write("-");
            rewrite.keep(4..5);
        };
        assert_eq!(rewrite("abcde", work), ("ac-e".into(), false));
    }

    #[test]
    fn nothing_kept_is_an_empty_slice() {
        assert_eq!(rewrite("abc", |_| ()), (String::new(), true));
    }
}
