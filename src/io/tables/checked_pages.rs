//! Looks at the header of each page of Parquet before the library believes it: the library makes room for as many bytes
//! as a page says that it becomes, and for as many values as it says that it has.

use super::page_header::PageHeader;
use crate::step::Limits;
use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many bytes a page may become, however few it has in the file: as many as writers put into one, and some more.
const USUAL: u64 = 2 << 20;

/// So many bytes the pages that are in memory together, one of each column, may become beyond what is allowed to each.
const TOGETHER: u64 = 64 << 20;

/// How many bytes are read where a header begins, and how many it has at most. Those with statistics hold two values.
const FIRST_LOOK: u64 = 1 << 10;
const LONGEST: u64 = 64 << 20;

/// The pages of a row group, read from what holds the file.
pub(super) struct CheckedPages<R>(Arc<Pages<R>>);

struct Pages<R> {
    reader: R,
    /// In the order in which they lie in the file.
    columns: Vec<Column>,
    limits: Limits,
}

/// Where the pages of a column lie, and how many values they have together.
struct Column {
    name: String,
    begin: u64,
    end: u64,
    values: i64,
    /// How many bytes a page of it became at most, beyond what is allowed to each.
    beyond: AtomicU64,
}

impl<R> CheckedPages<R> {
    /// The pages of a group.
    pub(super) fn new(reader: R, group: &RowGroupMetaData, limits: Limits) -> Self {
        let column = |column: &ColumnChunkMetaData| {
            let (begin, length) = column.byte_range();
            Column {
                name: column.column_path().string(),
                begin,
                end: begin.saturating_add(length),
                values: column.num_values(),
                beyond: AtomicU64::new(0),
            }
        };
        let mut columns: Vec<Column> = group.columns().iter().map(column).collect();
        columns.sort_by_key(|column| column.begin);
        Self(Arc::new(Pages {
            reader,
            columns,
            limits,
        }))
    }
}

impl<R: ChunkReader> Pages<R> {
    /// The bytes of the header at a place, if it can be believed.
    fn header(&self, place: u64) -> io::Result<Bytes> {
        let behind = self.columns.partition_point(|column| column.begin <= place);
        let column = behind.checked_sub(1).map(|before| &self.columns[before]);
        let Some(column) = column.filter(|column| place < column.end) else {
            return Err(io::Error::other("a page lies outside of its column"));
        };
        let mut look = FIRST_LOOK;
        loop {
            let there = column.end - place;
            let length = usize::try_from(look.min(there)).map_err(io::Error::other)?;
            let bytes = self.reader.get_bytes(place, length).map_err(io::Error::other)?;
            if let Some(header) = PageHeader::read(&bytes) {
                return match self.doubt(&header, column) {
                    None => Ok(bytes.slice(..header.length)),
                    Some(doubt) => Err(io::Error::other(format!(
                        "a page of its column `{}` {doubt}",
                        column.name
                    ))),
                };
            }
            if look >= there.min(LONGEST) {
                let message = format!("the header of a page of its column `{}` cannot be read", column.name);
                return Err(io::Error::other(message));
            }
            look *= 16;
        }
    }

    /// Why a header is not believed, if so.
    fn doubt(&self, header: &PageHeader, column: &Column) -> Option<String> {
        let (unpacked, packed) = (u64::try_from(header.unpacked).ok()?, u64::try_from(header.packed).ok()?);
        let expansion = self.limits.expansion;
        let allowed = expansion.map_or(u64::MAX, |expansion| USUAL.max(packed.saturating_mul(expansion)));
        if unpacked > allowed {
            column.beyond.fetch_max(unpacked - allowed, Ordering::Relaxed);
            let beyond = self.columns.iter().map(|column| column.beyond.load(Ordering::Relaxed));
            if beyond.sum::<u64>() > TOGETHER.max(self.limits.record_bytes as u64) {
                return Some(format!(
                    "says that it becomes {unpacked} bytes, of {packed}: if it is what it should be, allow more with \
                     `--max-expansion`"
                ));
            }
        }
        let values = i64::from(header.values?);
        // Each value of a dictionary takes a byte at least.
        let most = if header.is_dictionary {
            i64::from(header.unpacked)
        } else {
            column.values
        };
        (values > most).then(|| format!("says that it has {values} values, where there are {most} at most"))
    }
}

impl<R: ChunkReader> Length for CheckedPages<R> {
    fn len(&self) -> u64 {
        self.0.reader.len()
    }
}

impl<R: ChunkReader> ChunkReader for CheckedPages<R> {
    type T = HeaderReader<R>;

    /// Nothing but headers is read so, and nothing at all where the library has seen the header before.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(HeaderReader {
            pages: Arc::clone(&self.0),
            place: start,
            header: None,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.0.reader.get_bytes(start, length)
    }
}

/// Reads one header, and nothing behind it.
pub(super) struct HeaderReader<R> {
    pages: Arc<Pages<R>>,
    place: u64,
    header: Option<Cursor<Bytes>>,
}

impl<R: ChunkReader> Read for HeaderReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let header = match &mut self.header {
            Some(header) => header,
            none => none.insert(Cursor::new(self.pages.header(self.place)?)),
        };
        header.read(into)
    }
}
