//! Records of cells: what they are is what `csv` says, whatever pieces the bytes come in.

use super::*;
use crate::io::{Format, Input, InputLocation};
use crate::step::{Cancel, Limits};
use proptest::prelude::*;
use std::io::{self, Read};

/// Gives bytes in pieces of these lengths, over and over, and then perhaps an error.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    lengths: Vec<usize>,
    calls: usize,
    fails: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.lengths[self.calls % self.lengths.len()];
        self.calls += 1;
        let rest = &self.bytes[self.at..];
        let piece = &rest[..length.min(rest.len()).min(buffer.len())];
        if piece.is_empty() && self.fails {
            return Err(io::Error::other("the disk is on fire"));
        }
        buffer[..piece.len()].copy_from_slice(piece);
        self.at += piece.len();
        Ok(piece.len())
    }
}

fn records(bytes: &[u8], lengths: &[usize], limit: usize, fails: bool) -> CellRecords {
    let pieces = Pieces {
        bytes: bytes.to_vec(),
        at: 0,
        lengths: lengths.to_vec(),
        calls: 0,
        fails,
    };
    let input = Input {
        name: "in".to_owned(),
        location: InputLocation::Standard,
    };
    let limits = Limits::default();
    let stream = Stream::new(Box::new(pieces), &input, Format::Csv, None, limits, &Cancel::default());
    CellRecords::new(stream.expect("a stream"), b',', limit)
}

/// What is found: each record by its line, its bytes and its cells, and the others by a word.
fn found(mut records: CellRecords) -> Vec<(u64, Vec<u8>, Vec<String>)> {
    let mut all = Vec::new();
    loop {
        let found = records.read();
        let word = |word: &str| vec![word.to_owned()];
        let (bytes, cells, goes_on) = match found {
            Found::Record => {
                let cells = records.cells().map(|cells| cells.map(str::to_owned).collect());
                (
                    records.raw().to_vec(),
                    cells.unwrap_or_else(|| word("<not UTF-8>")),
                    true,
                )
            }
            Found::TooLarge(passed) => {
                let said = vec!["<too large>".to_owned(), passed.length.to_string(), passed.hash()];
                (passed.first, said, true)
            }
            Found::Unclosed(first) => (first, word("<unclosed>"), false),
            Found::Failed(reason) => (Vec::new(), vec!["<failed>".to_owned(), reason], false),
            Found::End => return all,
        };
        all.push((records.line(), bytes, cells));
        if !goes_on {
            return all;
        }
    }
}

fn row(line: u64, bytes: &[u8], cells: &[&str]) -> (u64, Vec<u8>, Vec<String>) {
    let cells = cells.iter().map(|&cell| cell.to_owned()).collect();
    (line, bytes.to_vec(), cells)
}

#[test]
fn each_record_is_known_with_its_line_and_its_bytes() {
    let bytes = b"a,b\r\n\r\n\n1,\"x\ny\"\n2,\xff,3\r\"\",\xc3,\xa9\n4";
    for length in 1..bytes.len() {
        assert_eq!(
            found(records(bytes, &[length], 100, false)),
            [
                row(1, b"a,b", &["a", "b"]),
                row(4, b"1,\"x\ny\"", &["1", "x\ny"]),
                row(6, b"2,\xff,3", &["<not UTF-8>"]),
                // Together the last two cells would be a character.
                row(6, b"\"\",\xc3,\xa9", &["<not UTF-8>"]),
                row(7, b"4", &["4"]),
            ]
        );
    }
}

#[test]
fn a_record_over_the_limit_is_passed_over() {
    let long = format!("1,\"{}\n{}\"", "x".repeat(6000), "y".repeat(6000));
    let bytes = format!("a,b\n{long}\r\n2,c\n{long}");
    let hash = blake3::hash(long.as_bytes()).to_hex().to_string();
    let large = |line| {
        let length = long.len().to_string();
        row(line, &long.as_bytes()[..KEPT_BYTES], &["<too large>", &length, &hash])
    };
    for lengths in [[1000, 1].as_slice(), &[7], &[100_000]] {
        let rows = found(records(bytes.as_bytes(), lengths, long.len() - 1, false));
        assert_eq!(
            rows,
            [
                row(1, b"a,b", &["a", "b"]),
                large(2),
                row(4, b"2,c", &["2", "c"]),
                large(5)
            ]
        );
        let rows = found(records(bytes.as_bytes(), lengths, long.len(), false));
        assert!(rows.iter().all(|(_, _, cells)| cells.len() == 2));
    }
}

#[test]
fn memory_is_taken_for_what_a_record_may_have() {
    let mut bytes = b"a\n".to_vec();
    bytes.resize(20 << 20, b'x');
    bytes.extend_from_slice(b"\nb\n");
    let mut records = records(&bytes, &[1 << 20], 1 << 20, false);
    let mut most = 0;
    let mut rows = 0;
    while !matches!(records.read(), Found::End) {
        rows += 1;
        most = most.max(records.held());
    }
    assert_eq!(rows, 3);
    assert!(most < 6 << 20, "{most} bytes");
}

#[test]
fn a_quote_that_is_never_closed_is_told() {
    for (bytes, first) in [
        (&b"a\n\"b\nc\n"[..], &b"\"b\nc\n"[..]),
        (b"a\n\"", b"\""),
        (b"a\n1,\"\"\"", b"1,\"\"\""),
    ] {
        let rows = found(records(bytes, &[3], 100, false));
        assert_eq!(rows, [row(1, b"a", &["a"]), row(2, first, &["<unclosed>"])]);
    }
    // However much it swallows.
    let bytes = [b"a\n\"".as_slice(), &[b'x'; 10_000]].concat();
    let rows = found(records(&bytes, &[999], 100, false));
    assert_eq!(rows[1], row(2, &bytes[2..2 + KEPT_BYTES], &["<unclosed>"]));
    for bytes in [&b"a\n\"\""[..], b"a\n\"b\"", b"a\nb\"", b"a\n\"b\"\n\n", b""] {
        let rows = found(records(bytes, &[2], 100, false));
        assert!(rows.iter().all(|(_, _, cells)| cells[0] != "<unclosed>"), "{rows:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let rows = found(records(b"a\nb\nc", &[4], 100, true));
    let end = row(3, b"", &["<failed>", "the disk is on fire"]);
    assert_eq!(rows, [row(1, b"a", &["a"]), row(2, b"b", &["b"]), end]);
}

proptest! {
    #[test]
    fn records_are_what_csv_says(
        bytes in "[a,\"\n\ré]{0,60}",
        lengths in prop::collection::vec(1_usize..9, 1..4),
    ) {
        // Where a quote is open at the end, `csv` says nothing.
        let closed = [bytes.as_bytes(), b"\n"].concat();
        let mut expected = Vec::new();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&closed[..]);
        for record in reader.records() {
            let record = record.expect("a record");
            expected.push(record.iter().map(str::to_owned).collect::<Vec<_>>());
        }
        let mut rows = found(records(&closed, &lengths, 1000, false));
        if rows.last().is_some_and(|(_, _, cells)| cells[0] == "<unclosed>") {
            rows.pop();
            expected.pop();
        }
        let cells: Vec<_> = rows.into_iter().map(|(_, _, cells)| cells).collect();
        prop_assert_eq!(cells, expected);
    }

    #[test]
    fn the_bytes_of_records_are_all_that_was_read(
        bytes in "[a,\"\n\r]{0,60}",
        lengths in prop::collection::vec(1_usize..9, 1..4),
    ) {
        let rows = found(records(bytes.as_bytes(), &lengths, 1000, false));
        let mut rest = bytes.as_bytes();
        for (_, raw, _) in rows {
            let line_ends = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            rest = &rest[line_ends..];
            prop_assert_eq!(&rest[..raw.len()], &raw[..]);
            rest = &rest[raw.len()..];
        }
        prop_assert!(rest.iter().all(|byte| matches!(byte, b'\n' | b'\r')));
    }
}
