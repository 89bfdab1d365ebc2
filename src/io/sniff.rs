//! What a file looks like from its first bytes, whatever its name says.

use super::{Compression, Format, Input, InputLocation};
use crate::error::{FileError, Shown};
use std::io::Read as _;
use std::path::Path;

/// How many bytes are looked at, if there are so many.
pub(super) const HEAD: usize = 512;

/// How many bytes are waited for: on a pipe, more may take long to come.
pub(super) const LEAST_HEAD: usize = 16;

/// What those files are called that may be read as what they are.
const PARQUET: &str = "a Parquet file";
const ARROW: &str = "an Arrow file";
const STREAM: &str = "an Arrow stream";
const ENCRYPTED: &str = "an encrypted Parquet file";

/// The UTF-8 byte order mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes of byte order mark the data begin with.
pub(super) fn byte_order_mark(head: &[u8]) -> usize {
    if head.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    }
}

/// Refuses data (already decompressed) that are not what they should be: their records would be garbage, each of them.
pub(super) fn check(head: &[u8], name: &str, path: Option<&Path>, format: Format) -> Result<(), FileError> {
    let refuse = |message: String, hint: &str| {
        let mut error = FileError::new(path.unwrap_or(Path::new("-")), message);
        error.hint = Some(hint.to_owned());
        Err(error)
    };
    if let Some(encoding) = other_encoding(head) {
        return refuse(
            format!("{name} is encoded as {encoding}; expected UTF-8."),
            &format!("Convert it first: `iconv -f {encoding} -t UTF-8`."),
        );
    }
    let expected = format.title();
    let is_own = |found: &str| match format {
        Format::Parquet => found == PARQUET,
        Format::Arrow => found == ARROW,
        Format::Stream => found == STREAM,
        _ => false,
    };
    if let Some(found) = binary(head).filter(|found| !is_own(found)) {
        return refuse(
            format!("{name} looks like {found}; expected {expected}."),
            match found {
                ENCRYPTED => "Decrypt it first, with the program that encrypted it.",
                STREAM => "Read it with `--format stream`.",
                PARQUET => {
                    "Read it with `--format parquet`. What comes through a pipe must be written to a file first."
                }
                ARROW => {
                    "Read it with `--format arrow`. What comes through a pipe must be written to a file first; an Arrow stream \
                     can be read from a pipe with `--format stream`."
                }
                _ => "Convert or unpack it first.",
            },
        );
    }
    let columns = path.and_then(Path::extension).and_then(|extension| {
        let columns = ["parquet", "arrow", "feather", "ipc"];
        columns.into_iter().find(|name| extension.eq_ignore_ascii_case(name))
    });
    let markup = markup(head);
    if let Some(extension) = columns.filter(|_| markup.is_some() || !format.is_table()) {
        return refuse(
            format!(
                "{name} is named like a `.{extension}` file but looks like {}.",
                markup.unwrap_or("text")
            ),
            "Look at what was stored there: a failed download often leaves an error page. Rename it if it is what you want.",
        );
    }
    if let (Format::Jsonl | Format::Csv | Format::Tsv, Some(markup)) = (format, markup) {
        return refuse(
            format!("{name} looks like {markup}; expected {expected}."),
            "Look at what was stored there: a failed download often leaves an error page.",
        );
    }
    Ok(())
}

/// Refuses an input, of which parts are read in any order, that is not what it should be.
pub(super) fn check_input(input: &Input, format: Format) -> Result<(), FileError> {
    let path = match &input.location {
        InputLocation::Standard => return Ok(()),
        InputLocation::File(path) => path,
        InputLocation::Object(object) => {
            let head = object.head();
            return check(
                &head[..head.len().min(HEAD)],
                &quoted(object.as_path()),
                Some(object.as_path()),
                format,
            );
        }
    };
    let failed = |error: std::io::Error| FileError::of(path, "reading", &error);
    let mut head = Vec::new();
    let file = fs_err::File::open(path).map_err(failed)?;
    file.take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
    check(&head, &quoted(path), Some(path), format)
}

/// The format that the first bytes of a file tell of. Of a pipe nothing is read.
pub(super) fn format(path: &Path) -> Option<Format> {
    let metadata = fs_err::metadata(path).ok()?;
    if !metadata.is_file() {
        return None;
    }
    let mut head = Vec::new();
    fs_err::File::open(path).ok()?.take(16).read_to_end(&mut head).ok()?;
    format_of(&head)
}

/// The format that first bytes tell of.
pub(super) fn format_of(head: &[u8]) -> Option<Format> {
    // An Arrow stream begins with the mark of a message, its length, and a table of FlatBuffers.
    match *head {
        [b'P', b'A', b'R', b'1' | b'E', 0x15, ..] => Some(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', 0, 0, ..] => Some(Format::Arrow),
        [0xff, 0xff, 0xff, 0xff, _, _, 0 | 1, 0, ..] => Some(Format::Stream),
        _ => None,
    }
}

fn other_encoding(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, 0, 0, ..] => Some("UTF-32LE"),
        [0, 0, 0xfe, 0xff, ..] => Some("UTF-32BE"),
        [0xff, 0xfe, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] => Some("UTF-16BE"),
        _ => None,
    }
}

/// The marks are those no text begins with.
fn binary(head: &[u8]) -> Option<&'static str> {
    const MARKS: &[(&[u8], &str)] = &[
        (b"PAR1\x15", PARQUET),
        (b"PARE\x15", ENCRYPTED),
        (b"ARROW1\0\0", ARROW),
        (b"Obj\x01", "an Avro file"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"\x04\x22\x4d\x18", "LZ4 data"),
        (b"%PDF-1.", "a PDF document"),
        (b"%PDF-2.", "a PDF document"),
        (b"SQLite format 3\0", "an SQLite database"),
    ];
    if format_of(head) == Some(Format::Stream) {
        return Some(STREAM);
    }
    if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        return Some("bzip2 data");
    }
    match Compression::from_magic(head) {
        Compression::Gzip => return Some("gzip data that were compressed twice"),
        Compression::Zstd => return Some("Zstandard data that were compressed twice"),
        Compression::None => {}
    }
    MARKS
        .iter()
        .find_map(|&(mark, name)| head.starts_with(mark).then_some(name))
}

fn markup(head: &[u8]) -> Option<&'static str> {
    let start = head.trim_ascii_start();
    let begins = |mark: &str| {
        start
            .get(..mark.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(mark.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") {
        Some("HTML")
    } else if begins("<?xml") {
        Some("XML")
    } else {
        None
    }
}

/// The name of a file as it stands in a message.
pub(super) fn quoted(path: &Path) -> String {
    format!("`{}`", Shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &[u8], path: &str, format: Format) -> Option<String> {
        let path = Path::new(path);
        let error = check(head, &quoted(path), Some(path), format).err()?;
        assert!(error.hint.is_some());
        Some(error.message)
    }

    #[test]
    fn what_a_file_really_is_stands_in_the_message() {
        for (head, path, format, expected) in [
            (
                &b"PAR1\x15\x04"[..],
                "a.jsonl",
                Format::Jsonl,
                "`a.jsonl` looks like a Parquet file; expected JSON Lines.",
            ),
            (
                b"\xff\xff\xff\xff\x78\0\0\0\x10\0",
                "-",
                Format::Text,
                "`-` looks like an Arrow stream; expected plain text.",
            ),
            (
                b"\xff\xfeh\0i\0",
                "a.txt",
                Format::Text,
                "`a.txt` is encoded as UTF-16LE; expected UTF-8.",
            ),
            (
                b"\xff\xfe\0\0h\0\0\0",
                "a.txt",
                Format::Text,
                "`a.txt` is encoded as UTF-32LE; expected UTF-8.",
            ),
            (
                b"\n<!DOCTYPE HTML><p>",
                "a.parquet",
                Format::Text,
                "`a.parquet` is named like a `.parquet` file but looks like HTML.",
            ),
            (
                b"<html>",
                "a.jsonl",
                Format::Jsonl,
                "`a.jsonl` looks like HTML; expected JSON Lines.",
            ),
        ] {
            assert_eq!(message(head, path, format).as_deref(), Some(expected));
        }
    }

    #[test]
    fn text_is_text() {
        for head in [
            &b""[..],
            b"PAR1 is a magic number",
            b"<html>",
            b"BZh",
            b"\0\xff",
            b"\xef\xbb\xbfa",
        ] {
            assert_eq!(message(head, "a.txt", Format::Text), None);
        }
        assert_eq!(message(b"[1]", "a.jsonl", Format::Jsonl), None);
        let stream = b"\xff\xff\xff\xff\x78\0\0\0\x10\0";
        assert_eq!(message(stream, "a.arrows", Format::Stream), None);
    }
}
