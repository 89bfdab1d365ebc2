//! Cuts bytes into lines. A line ends with `\n`, and an `\r` before it belongs to the line end; nothing else ends a line.

use crate::batch::Span;
use crate::error::{Failure, FailureKind};
use memchr::memchr_iter;

/// A line: its bytes without the line end, and how many bytes of line end follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) raw: Span,
    pub(super) line_end: u8,
}

/// The lines of some bytes. What follows the last line end is a line of its own, unless it is nothing.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    let mut start = 0;
    let rest = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
    let unterminated = (rest < bytes.len()).then(|| Line {
        raw: Span::new(rest..bytes.len()),
        line_end: 0,
    });
    memchr_iter(b'\n', bytes)
        .map(move |end| {
            let content = content_end(bytes, start, end);
            let line = Line {
                raw: Span::new(start..content),
                line_end: (end + 1 - content) as u8,
            };
            start = end + 1;
            line
        })
        .chain(unterminated)
}

/// Where the content of the line ends whose `\n` is at `end`.
pub(super) fn content_end(bytes: &[u8], start: usize, end: usize) -> usize {
    if end > start && bytes[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

/// The failure of a record whose bytes are not UTF-8.
pub(super) fn not_utf8(record: &[u8]) -> Failure {
    // The fast check does not say where; this one runs for broken records only.
    let offset = std::str::from_utf8(record).map_or_else(|error| error.valid_up_to(), |_| record.len());
    let byte = record.get(offset).copied().unwrap_or_default();
    Failure::new(
        FailureKind::Utf8,
        format!(
            "The bytes are not UTF-8: expected a character at byte offset {offset} of the record, found `0x{byte:02x}`."
        ),
    )
    .with_hint("Convert the input to UTF-8 first, with `iconv` for example.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(bytes: &[u8]) -> Vec<(&[u8], u8)> {
        lines(bytes)
            .map(|line| (&bytes[line.raw.range()], line.line_end))
            .collect()
    }

    #[test]
    fn only_a_line_feed_ends_a_line() {
        let text = "a\r\nb\rc\u{2028}d\u{b}e\u{c}f\u{85}g\n\r\n\nh\r";
        assert_eq!(
            cut(text.as_bytes()),
            [
                (&b"a"[..], 2),
                ("b\rc\u{2028}d\u{b}e\u{c}f\u{85}g".as_bytes(), 1),
                (b"", 2),
                (b"", 1),
                (b"h\r", 0)
            ]
        );
        assert_eq!(cut(b""), []);
    }

    #[test]
    fn the_message_names_the_byte() {
        let failure = not_utf8(b"abc\xffdef");
        assert_eq!(failure.kind, FailureKind::Utf8);
        assert_eq!(
            failure.message,
            "The bytes are not UTF-8: expected a character at byte offset 3 of the record, found `0xff`."
        );
    }
}
