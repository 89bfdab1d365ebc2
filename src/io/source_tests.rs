//! Batches from files of all kinds: sizes, limits, damage, disguises.

use super::super::Compression;
use super::super::compression::compressed;
use super::super::tests::input_of;
use super::*;
use crate::io::InputLocation;
use std::io::{self, Cursor, Read};

/// What a source gave, one entry per record or unreadable thing.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Piece {
    Line(u64, u64, Vec<u8>),
    Large(u64, u64, u64, String),
    Segment(u64, String),
}

fn pieces_of(source: &mut dyn Source, size: usize) -> Vec<Piece> {
    let mut batch = Batch::new();
    let mut pieces = Vec::new();
    loop {
        batch.clear();
        if !source.fill(&mut batch, size, u64::MAX).expect("a batch") {
            assert!(!source.fill(&mut batch, size, u64::MAX).expect("the end stays the end"));
            return pieces;
        }
        let (mut ordinal, mut offset) = (batch.first_ordinal, batch.first_offset);
        match &batch.unread {
            Some(Unread::Record { length, hash }) => {
                assert!(batch.raw().len() <= KEPT_BYTES);
                pieces.push(Piece::Large(ordinal, offset, *length, hash.clone()));
            }
            Some(Unread::Segment(failure)) => pieces.push(Piece::Segment(offset, failure.message.clone())),
            None => {
                for line in batch.raw().split_inclusive(|&byte| byte == b'\n') {
                    pieces.push(Piece::Line(ordinal, offset, line.to_vec()));
                    ordinal += 1;
                    offset += line.len() as u64;
                }
            }
        }
    }
}

fn pieces(bytes: &[u8], suffix: &str, limit: usize, size: usize) -> Vec<Piece> {
    let (_file, input) = input_of(bytes, suffix);
    let limits = Limits {
        record_bytes: limit,
        ..Limits::default()
    };
    let mut source = open_source(&input, Format::Text, limits, &Cancel::default()).expect("a source");
    let pieces = pieces_of(source.as_mut(), size);
    assert_eq!(source.position(), bytes.len() as u64);
    assert_eq!(source.total(), Some(bytes.len() as u64));
    pieces
}

fn line(ordinal: u64, offset: u64, bytes: &[u8]) -> Piece {
    Piece::Line(ordinal, offset, bytes.to_vec())
}

fn large(ordinal: u64, offset: u64, bytes: &[u8]) -> Piece {
    let hash = blake3::hash(bytes).to_hex().to_string();
    Piece::Large(ordinal, offset, bytes.len() as u64, hash)
}

#[test]
fn a_record_beyond_the_limit_stands_alone_whatever_the_size() {
    for end in ["\n", "\r\n"] {
        for length in [11, 12, 13, 100, 300_000] {
            let giant = "x".repeat(length);
            let text = format!("one{end}{giant}{end}0123456789{end}{giant}");
            let after = |lines: &[&str]| lines.iter().map(|line| line.len() + end.len()).sum::<usize>() as u64;
            for size in (1..30).chain([1_000, 1 << 20]) {
                assert_eq!(
                    pieces(text.as_bytes(), "", 10, size),
                    [
                        line(0, 0, format!("one{end}").as_bytes()),
                        large(1, after(&["one"]), giant.as_bytes()),
                        line(2, after(&["one", &giant]), format!("0123456789{end}").as_bytes()),
                        large(3, after(&["one", &giant, "0123456789"]), giant.as_bytes()),
                    ],
                    "length {length}, size {size}"
                );
            }
        }
    }
}

#[test]
fn a_carriage_return_counts_only_where_it_ends_no_line() {
    for size in 1..20 {
        assert_eq!(
            pieces(b"012345678\r\r\n", "", 10, size),
            [line(0, 0, b"012345678\r\r\n")]
        );
        assert_eq!(
            pieces(b"0123456789\r\r\n", "", 10, size),
            [large(0, 0, b"0123456789\r")]
        );
        assert_eq!(pieces(b"0123456789\r", "", 10, size), [large(0, 0, b"0123456789\r")]);
    }
}

#[test]
fn compressed_input_gives_the_same_lines() {
    let text = (0..1000)
        .map(|number| format!("line {number}\n"))
        .collect::<Vec<_>>()
        .concat();
    let expected = pieces(text.as_bytes(), ".txt", 1 << 20, 1000);
    assert_eq!(expected.len(), 1000);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let bytes = compressed(compression, text.as_bytes());
        for suffix in [".txt.gz", ".txt.zst", ".txt"] {
            assert_eq!(pieces(&bytes, suffix, 1 << 20, 777), expected);
        }
    }
    assert_eq!(pieces(text.as_bytes(), ".gz", 1 << 20, 100), expected);
}

#[test]
fn empty_inputs_have_no_records() {
    assert_eq!(pieces(b"", ".gz", 10, 10), []);
    assert_eq!(pieces(b"", ".jsonl", 10, 10), []);
    assert_eq!(pieces(&compressed(Compression::Zstd, b""), "", 10, 10), []);
    assert_eq!(pieces(b"\xef\xbb\xbf", "", 10, 10), []);
}

#[test]
fn whole_records_before_a_cut_are_delivered_and_the_rest_is_one_segment() {
    let lines = (0..5000).map(|number| format!("line number {}\n", number * 7919 % 5003));
    let text = lines.collect::<Vec<_>>().concat();
    let whole = pieces(text.as_bytes(), "", 1 << 20, 1 << 16);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let bytes = compressed(compression, text.as_bytes());
        for part in 1..20 {
            let cut = (bytes.len() * part / 20).max(4);
            let found = pieces(&bytes[..cut], "", 1 << 20, 1000);
            let (last, lines) = found.split_last().expect("a segment at least");
            assert_eq!(lines, &whole[..lines.len()]);
            let end = lines.last().map_or(0, |last| match last {
                Piece::Line(_, offset, line) => offset + line.len() as u64,
                other => panic!("{other:?}"),
            });
            let Piece::Segment(offset, message) = last else {
                panic!("{last:?}");
            };
            assert_eq!(*offset, end);
            assert!(message.contains("are cut off before their end"), "{message}");
            assert!(
                message.contains(&format!("byte offset {end} after decompression")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_wrong_checksum_and_garbage_are_segments() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut bytes = compressed(compression, b"one\ntwo\nthr");
        let checksum = bytes.len() - if compression == Compression::Gzip { 8 } else { 4 };
        bytes[checksum] ^= 1;
        let found = pieces(&bytes, "", 100, 100);
        let Some(Piece::Segment(_, message)) = found.last() else {
            panic!("{found:?}");
        };
        assert!(message.contains("are damaged"), "{message}");
        let mut bytes = compressed(compression, b"one\ntwo\n");
        bytes.extend(b"garbage");
        let found = pieces(&bytes, "", 100, 100);
        assert_eq!(&found[..2], [line(0, 0, b"one\n"), line(1, 4, b"two\n")]);
        assert!(matches!(&found[2..], [Piece::Segment(8, _)]), "{found:?}");
    }
}

#[test]
fn a_file_beyond_the_limit_is_hashed_and_not_loaded() {
    let bytes = vec![b'x'; 10_000];
    let (_file, input) = input_of(&bytes, "");
    let limits = Limits {
        record_bytes: 5000,
        ..Limits::default()
    };
    let mut source = open_source(&input, Format::File, limits, &Cancel::default()).unwrap();
    assert_eq!(pieces_of(source.as_mut(), 100), [large(0, 0, &bytes)]);
}

#[test]
fn disguises_are_refused_with_an_input_error() {
    let zipped = compressed(Compression::Gzip, b"{}");
    for (bytes, suffix, expected) in [
        (&b"PAR1\x15\x04"[..], ".jsonl", "looks like a Parquet file"),
        (b"\xfe\xff\0h", ".jsonl", "is encoded as UTF-16BE"),
        (
            &compressed(Compression::Gzip, &zipped),
            ".jsonl.gz.gz",
            "compressed twice",
        ),
    ] {
        let (_file, input) = input_of(bytes, suffix);
        let error = open_source(&input, Format::Jsonl, Limits::default(), &Cancel::default())
            .err()
            .expect("an error");
        assert_eq!(error.exit_code(), 5);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_cannot_be_opened_is_an_input_error() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("none"), folder.path().to_owned()] {
        let input = Input::file(path);
        let error = open_source(&input, Format::Text, Limits::default(), &Cancel::default())
            .err()
            .expect("an error");
        assert_eq!(error.exit_code(), 5, "{error}");
    }
}

/// Gives what it has in short pieces, is interrupted in between, and fails at the end.
struct Trickle {
    bytes: Cursor<Vec<u8>>,
    interrupted: bool,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(3);
        match self.bytes.read(&mut buffer[..most])? {
            0 => Err(io::Error::other("the cable was pulled")),
            read => Ok(read),
        }
    }
}

#[test]
fn short_reads_interruptions_and_failures_lose_no_whole_record() {
    let text = b"one\ntwo and more\nthree, four and fi";
    let input = Input::standard();
    for total in [None, Some(text.len() as u64)] {
        let trickle = Trickle {
            bytes: Cursor::new(text.to_vec()),
            interrupted: false,
        };
        let stream = Stream::new(
            Box::new(trickle),
            &input,
            Format::Text,
            total,
            Limits::default(),
            &Cancel::default(),
        )
        .unwrap();
        let mut source = LineSource::new(stream, 100);
        let message = "Reading standard input failed: the cable was pulled. Everything from byte offset 17 on is lost.";
        assert_eq!(
            pieces_of(&mut source, 1000),
            [
                line(0, 0, b"one\n"),
                line(1, 4, b"two and more\n"),
                Piece::Segment(17, message.to_owned())
            ]
        );
    }
}

/// A line that never ends, and asks for a stop in the middle of it.
struct Endless {
    reads: usize,
    cancel: Cancel,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        assert!(self.reads < 100, "the source goes on reading");
        if self.reads == 50 {
            self.cancel.cancel();
        }
        buffer.fill(b'x');
        Ok(buffer.len())
    }
}

#[test]
fn a_record_without_an_end_is_no_reason_to_go_on_when_the_run_is_stopped() {
    let cancel = Cancel::default();
    let endless = Endless {
        reads: 0,
        cancel: cancel.clone(),
    };
    let input = Input {
        name: "endless".to_owned(),
        location: InputLocation::Standard,
    };
    let stream = Stream::new(
        Box::new(endless),
        &input,
        Format::Text,
        Some(1 << 40),
        Limits::default(),
        &cancel,
    )
    .unwrap();
    let mut source = LineSource::new(stream, 1000);
    let mut batch = Batch::new();
    assert!(source.fill(&mut batch, 100, u64::MAX).unwrap());
    assert!(matches!(batch.unread, Some(Unread::Segment(_))));
    batch.clear();
    assert!(!source.fill(&mut batch, 100, u64::MAX).unwrap());
}
