//! Encodes row groups of Parquet whose pages have checksums. The library verifies them and does not write them.
//!
//! It hands each page over as it will lie in the file, its header first. Here the CRC-32 of the page is put into that header,
//! and what tells of places and lengths behind it is mended.

use super::page_header::PageHeader;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use parquet::arrow::arrow_writer::{
    ArrowRowGroupWriterFactory, PageKey, PageStore, PageStoreArgs, PageStoreFactory, compute_leaves,
};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Encodes one row group. Any thread may.
pub(super) struct GroupEncoder {
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
    pages: GroupPages,
}

impl GroupEncoder {
    /// An encoder of a group for this file, whose columns are those of the schema.
    pub(super) fn new<W: Write + Send>(file: &SerializedFileWriter<W>, schema: SchemaRef) -> Self {
        let pages = GroupPages::default();
        let factory = ArrowRowGroupWriterFactory::new(file, Arc::clone(&schema));
        Self {
            schema,
            factory: factory.with_page_store_factory(Arc::new(pages.clone())),
            pages,
        }
    }

    /// Encodes the rows of the group, which is the one of this number.
    pub(super) fn encode(&self, number: usize, table: &RecordBatch) -> Result<Vec<EncodedColumn>> {
        let mut writers = self.factory.create_column_writers(number)?.into_iter();
        let mut columns = Vec::new();
        for (field, column) in self.schema.fields().iter().zip(table.columns()) {
            for leaf in compute_leaves(field, column)? {
                let mut writer = writers.next().ok_or_else(|| misunderstood("it has more columns"))?;
                writer.write(&leaf)?;
                let close = writer.close()?.close().clone();
                columns.push(EncodedColumn::new(self.pages.take(columns.len())?, close)?);
            }
        }
        Ok(columns)
    }
}

/// A column of a group, as it will stand in the file.
pub(super) struct EncodedColumn {
    parts: Parts,
    close: ColumnCloseResult,
}

impl EncodedColumn {
    /// Puts pages in order, the dictionary first, and mends what is known of them.
    fn new(pages: Vec<Page>, mut close: ColumnCloseResult) -> Result<Self> {
        let grown: i64 = pages.iter().map(|page| i64::from(page.grown)).sum();
        // The library gives a dictionary out when its column ends, and it stands before its column in the file.
        let (dictionary, data): (Vec<Page>, Vec<Page>) = pages.into_iter().partition(|page| page.is_dictionary);
        let data_place: i64 = dictionary.iter().map(|page| page.length).sum();
        if let Some(index) = &mut close.offset_index {
            if index.page_locations.len() != data.len() {
                return Err(misunderstood("its index has another number of pages"));
            }
            let mut place = data_place;
            for (location, page) in index.page_locations.iter_mut().zip(&data) {
                location.offset = place;
                location.compressed_page_size += page.grown;
                place += page.length;
            }
        }
        let (packed, unpacked) = (close.metadata.compressed_size(), close.metadata.uncompressed_size());
        let metadata = close.metadata.into_builder();
        close.metadata = metadata
            .set_dictionary_page_offset((!dictionary.is_empty()).then_some(0))
            .set_data_page_offset(data_place)
            .set_total_compressed_size(packed + grown)
            .set_total_uncompressed_size(unpacked + grown)
            .build()?;
        close.bytes_written = close.bytes_written.saturating_add_signed(grown);
        let parts: VecDeque<Bytes> = dictionary
            .into_iter()
            .chain(data)
            .flat_map(|page| [page.header.into(), page.data])
            .collect();
        let length = parts.iter().map(Bytes::len).sum::<usize>() as u64;
        if (length, Ok(length)) != (close.bytes_written, u64::try_from(packed + grown)) {
            return Err(misunderstood("its pages have another length"));
        }
        let parts = Parts {
            parts: Mutex::new(parts),
            length,
        };
        Ok(Self { parts, close })
    }

    /// Adds the column to a group of the file.
    pub(super) fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        group.append_column(&self.parts, self.close)
    }
}

/// The bytes of a column, which are read once, from their begin. Each part goes when it has been read.
struct Parts {
    parts: Mutex<VecDeque<Bytes>>,
    length: u64,
}

impl Length for Parts {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Parts {
    type T = PartsReader;

    fn get_read(&self, start: u64) -> Result<PartsReader> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        match start {
            0 => Ok(PartsReader(std::mem::take(&mut parts))),
            _ => Err(misunderstood("a column is not read from its begin")),
        }
    }

    fn get_bytes(&self, _: u64, _: usize) -> Result<Bytes> {
        Err(misunderstood("a part of a column was asked for"))
    }
}

struct PartsReader(VecDeque<Bytes>);

impl Read for PartsReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.0.front_mut() {
            if part.is_empty() {
                self.0.pop_front();
                continue;
            }
            let read = part.len().min(into.len());
            into[..read].copy_from_slice(&part.split_to(read));
            return Ok(read);
        }
        Ok(0)
    }
}

/// A page with its checksum.
struct Page {
    is_dictionary: bool,
    header: Vec<u8>,
    data: Bytes,
    /// How many bytes the page takes, and how many of them the checksum takes.
    length: i64,
    grown: i32,
}

impl Page {
    fn new(header: &[u8], data: Bytes) -> Result<Self> {
        let read = PageHeader::read(header).filter(|read| read.length == header.len());
        let read = read.ok_or_else(|| misunderstood("the header of a page is not what was expected"))?;
        let sum = checksum(CrcAlgorithm::Crc32IsoHdlc, &data) as u32;
        let summed = read.with_checksum(header, sum);
        let summed = summed.ok_or_else(|| misunderstood("the header of a page has no place for a checksum"))?;
        Ok(Self {
            is_dictionary: read.is_dictionary,
            length: i64::try_from(summed.len() + data.len())?,
            grown: i32::try_from(summed.len() - header.len())?,
            header: summed,
            data,
        })
    }
}

/// The pages of each column of a group, in the order in which they were made.
#[derive(Clone, Default)]
struct GroupPages(Arc<Mutex<Vec<ColumnPages>>>);

impl std::fmt::Debug for GroupPages {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GroupPages").finish_non_exhaustive()
    }
}

/// The pages of one column, of which the last may be a header that waits for its data.
#[derive(Default)]
struct ColumnPages {
    pages: Vec<Page>,
    header: Option<Bytes>,
}

impl GroupPages {
    fn with<T>(&self, column: usize, change: impl FnOnce(&mut ColumnPages) -> Result<T>) -> Result<T> {
        let mut columns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match columns.get_mut(column) {
            Some(pages) => change(pages),
            None => Err(misunderstood("it has more columns")),
        }
    }

    fn take(&self, column: usize) -> Result<Vec<Page>> {
        self.with(column, |column| match column.header {
            None => Ok(std::mem::take(&mut column.pages)),
            Some(_) => Err(misunderstood("a page has a header only")),
        })
    }
}

impl PageStoreFactory for GroupPages {
    fn create(&self, column: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        let mut columns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = columns.len().max(column.column_index() + 1);
        columns.resize_with(number, ColumnPages::default);
        Ok(Box::new(PagesOfColumn {
            group: self.clone(),
            column: column.column_index(),
            put: 0,
        }))
    }
}

/// Where the library puts the pages of one column: header, data, header, data.
struct PagesOfColumn {
    group: GroupPages,
    column: usize,
    put: u64,
}

impl PageStore for PagesOfColumn {
    fn put(&mut self, value: Bytes) -> Result<PageKey> {
        self.put += 1;
        self.group.with(self.column, |column| {
            match column.header.take() {
                None => column.header = Some(value),
                Some(header) => column.pages.push(Page::new(&header, value)?),
            }
            Ok(PageKey::new(self.put))
        })
    }

    /// Nobody asks for single pages: they are taken from the group all at once.
    fn take(&mut self, _: PageKey) -> Result<Bytes> {
        Err(misunderstood("a page was asked for"))
    }
}

fn misunderstood(reason: &str) -> ParquetError {
    ParquetError::General(format!(
        "the encoder of Parquet works in another way than expected: {reason}"
    ))
}

#[cfg(test)]
#[path = "page_checksums_tests.rs"]
mod tests;
