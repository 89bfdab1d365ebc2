//! Reading and writing gzip and Zstandard.

use super::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// The least window that can be asked of the Zstandard decoder, as a power of two.
const LEAST_WINDOW_LOG: u32 = 10;

/// How many bytes our own Zstandard data need to look back at, at most.
const OWN_WINDOW: usize = 128 << 20;

/// How many bytes are read at once.
const READ_AT_ONCE: usize = 256 << 10;

impl Compression {
    /// What the extension of a name says: `.gz`, `.zst` and `.zstd`, in any case.
    #[must_use]
    pub fn from_name(path: &Path) -> Self {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// What the first bytes of a file say. This counts; the name is only believed where nothing was written yet.
    #[must_use]
    pub fn from_magic(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame with data, or one to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// What the names of files end with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// A reader of what of this compression we have written.
    pub(super) fn open(self, stored: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            Self::None => Box::new(stored),
            _ => Box::new(BufReader::with_capacity(
                READ_AT_ONCE,
                self.reader(Box::new(stored), OWN_WINDOW)?,
            )),
        })
    }

    /// What a person calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
        }
    }

    /// A reader of what was compressed. Zstandard data that need more than `window` bytes to look back at are refused: a
    /// small file could take the memory of the machine.
    pub(super) fn reader(self, reader: Box<dyn BufRead + Send>, window: usize) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::None => Box::new(reader),
            Self::Gzip => Box::new(GzipMembers(Some(GzDecoder::new(reader)))),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
                decoder.window_log_max(window.max(1).ilog2().max(LEAST_WINDOW_LOG))?;
                Box::new(decoder)
            }
        })
    }

    /// A writer that compresses.
    pub(super) fn writer<W: Write + Send>(self, writer: W) -> io::Result<Compressor<W>> {
        Ok(match self {
            Self::None => Compressor::None(writer),
            Self::Gzip => Compressor::Gzip(GzEncoder::new(writer, flate2::Compression::default())),
            Self::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(writer, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                Compressor::Zstd(encoder)
            }
        })
    }
}

/// Reads the members of a gzip file one after the other, as `gzip` itself does: zeros between and behind them are padding,
/// anything else that is no member is an error.
struct GzipMembers<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let at_end = skip_zeros(member.get_mut())?;
            self.0 = self
                .0
                .take()
                .filter(|_| !at_end)
                .map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

/// Passes over zeros. Returns whether nothing follows them.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(true);
        }
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        let something = zeros < buffer.len();
        reader.consume(zeros);
        if something {
            return Ok(false);
        }
    }
}

/// Compresses what is written to it.
pub(super) enum Compressor<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// Writes what is still held back, and returns the writer.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::None(writer) => Ok(writer),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }

    /// Whatever takes what was compressed.
    pub(super) fn writer_mut(&mut self) -> &mut W {
        match self {
            Self::None(writer) => writer,
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    /// Hands on what the buffer behind an uncompressed writer holds. Compressors keep theirs: flushing them costs bytes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(writer) => writer.flush(),
            Self::Gzip(_) | Self::Zstd(_) => Ok(()),
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::None(writer) => writer.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }
}

#[cfg(test)]
pub(super) fn compressed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut compressor = compression.writer(Vec::new()).expect("a compressor");
    compressor.write_all(bytes).expect("memory takes everything");
    compressor.finish().expect("memory takes everything")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let compression = Compression::from_magic(&bytes);
        let mut out = Vec::new();
        compression
            .reader(Box::new(io::Cursor::new(bytes)), 128 << 20)?
            .read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn members_frames_and_padding_are_read_as_one() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut bytes = compressed(compression, b"one ");
            bytes.extend(compressed(compression, b""));
            bytes.extend(compressed(compression, b"two"));
            assert_eq!(Compression::from_magic(&bytes), compression);
            assert_eq!(read(bytes).unwrap(), b"one two");
        }
        let mut padded = compressed(Compression::Gzip, b"one");
        padded.extend([0; 512]);
        padded.extend(compressed(Compression::Gzip, b" two"));
        padded.extend([0; 3]);
        assert_eq!(read(padded).unwrap(), b"one two");
    }

    #[test]
    fn a_skippable_frame_is_skipped() {
        let mut bytes = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        bytes.extend(compressed(Compression::Zstd, b"data"));
        assert_eq!(read(bytes).unwrap(), b"data");
    }

    #[test]
    fn garbage_behind_a_member_is_an_error() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut bytes = compressed(compression, b"one");
            bytes.extend(b"garbage");
            assert!(read(bytes).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        // A frame header that asks for a window of 2 GiB, and an empty last block.
        let bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
        let error = read(bytes).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    #[test]
    fn names_tell_the_compression_of_what_is_written() {
        for (name, expected) in [
            ("a.jsonl", Compression::None),
            ("a.jsonl.GZ", Compression::Gzip),
            ("a.zst", Compression::Zstd),
            ("gz", Compression::None),
        ] {
            assert_eq!(Compression::from_name(Path::new(name)), expected);
        }
    }
}
