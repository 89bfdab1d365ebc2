//! What is written is read back by the library, which verifies the checksums and finds pages by the index of their places.

use super::*;
use arrow_array::{ArrayRef, Int64Array, ListArray, NullArray, StringArray, StructArray, types::Int32Type};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::{WriterProperties, WriterVersion};
use std::ops::Range;

const ROWS: usize = 1000;

/// Two columns of several pages each, nested ones, and one of nulls.
fn table(first: i64) -> RecordBatch {
    let numbers = || (first..).take(ROWS);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(numbers().map(|number| {
        let items = (0..number as i32 % 4).map(|item| (item > 0).then_some(item));
        (number % 5 != 0).then(|| items.collect::<Vec<_>>())
    }));
    let texts = numbers().map(|number| (number % 3 != 0).then(|| format!("text {number}")));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(
        numbers().map(|number| format!("word {}", number % 9)),
    ));
    let inner = StructArray::try_from(vec![("text", Arc::clone(&texts)), ("word", Arc::clone(&words))]).unwrap();
    RecordBatch::try_from_iter([
        ("number", Arc::new(Int64Array::from_iter_values(numbers())) as ArrayRef),
        ("text", texts),
        ("word", words),
        ("list", Arc::new(list)),
        ("inner", Arc::new(inner)),
        ("null", Arc::new(NullArray::new(ROWS))),
    ])
    .unwrap()
}

/// Every way to write: both versions of pages, with and without compression and dictionaries, and a dictionary that is given
/// up when it is too large.
fn ways() -> Vec<WriterProperties> {
    let mut ways = Vec::new();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            for dictionary_bytes in [0, 2000, 1 << 20] {
                let way = WriterProperties::builder()
                    .set_writer_version(version)
                    .set_compression(compression)
                    .set_dictionary_enabled(dictionary_bytes > 0)
                    .set_dictionary_page_size_limit(dictionary_bytes.max(1))
                    .set_write_batch_size(50)
                    .set_data_page_row_count_limit(120);
                ways.push(way.build());
            }
        }
    }
    ways
}

fn write(properties: WriterProperties, tables: &[RecordBatch]) -> Vec<u8> {
    let schema = table(0).schema();
    let root = ArrowSchemaConverter::new().convert(&schema).unwrap().root_schema_ptr();
    let mut file = SerializedFileWriter::new(Vec::new(), root, Arc::new(properties)).unwrap();
    for (number, table) in tables.iter().enumerate() {
        let columns = GroupEncoder::new(&file, Arc::clone(&schema))
            .encode(number, table)
            .unwrap();
        let mut group = file.next_row_group().unwrap();
        for column in columns {
            column.append_to(&mut group).unwrap();
        }
        group.close().unwrap();
    }
    file.into_inner().unwrap()
}

fn builder(file: &[u8]) -> Result<ParquetRecordBatchReaderBuilder<Bytes>> {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::copy_from_slice(file), options)
}

fn read(file: &[u8]) -> std::result::Result<Vec<RecordBatch>, String> {
    let reader = builder(file).and_then(|builder| builder.with_batch_size(ROWS).build());
    let tables = reader.map_err(|error| error.to_string())?;
    tables
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// Where the header and the data of each page lie, and whether it is that of a dictionary.
fn pages(file: &[u8], metadata: &ParquetMetaData) -> Vec<(PageHeader, Range<usize>)> {
    let mut pages = Vec::new();
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let (begin, length) = column.byte_range();
        let (mut place, end) = (begin as usize, (begin + length) as usize);
        while place < end {
            let header = PageHeader::read(&file[place..end]).unwrap();
            let data = place + header.length..place + header.length + header.packed as usize;
            place = data.end;
            pages.push((header, data));
        }
        assert_eq!(place, end, "the pages of a column fill it");
    }
    pages
}

#[test]
fn every_page_has_its_checksum_and_every_row_is_read_back() {
    for way in ways() {
        let tables = [table(0), table(5000), table(0).slice(0, 1)];
        let file = write(way.clone(), &tables);
        assert_eq!(read(&file).unwrap(), tables, "{way:?}");
        let builder = builder(&file).unwrap();
        for (header, data) in pages(&file, builder.metadata()) {
            let sum = checksum(CrcAlgorithm::Crc32IsoHdlc, &file[data]) as u32;
            assert_eq!(header.checksum, Some(sum), "{way:?}");
        }
    }
    assert_eq!(
        read(&write(WriterProperties::default(), &[])).unwrap(),
        [] as [RecordBatch; 0]
    );
}

#[test]
fn what_is_known_of_places_and_lengths_is_true() {
    for way in ways() {
        let file = write(way, &[table(0), table(5000)]);
        let builder = builder(&file).unwrap();
        let metadata = builder.metadata();
        let mut pages = pages(&file, metadata).into_iter();
        let mut with_dictionary = 0;
        for (group, indices) in metadata.row_groups().iter().zip(metadata.offset_index().unwrap()) {
            for (column, index) in group.columns().iter().zip(indices) {
                let mut unpacked = 0_u64;
                if let Some(place) = column.dictionary_page_offset() {
                    let (header, data) = pages.next().unwrap();
                    assert!(header.is_dictionary);
                    assert_eq!(data.start - header.length, place as usize);
                    unpacked += header.length as u64 + u64::from(header.unpacked.unsigned_abs());
                    with_dictionary += 1;
                }
                for (number, location) in index.page_locations().iter().enumerate() {
                    let (header, data) = pages.next().unwrap();
                    assert!(!header.is_dictionary);
                    assert_eq!(data.start - header.length, location.offset as usize);
                    assert_eq!(data.len() + header.length, location.compressed_page_size as usize);
                    assert!(number > 0 || location.offset == column.data_page_offset());
                    unpacked += header.length as u64 + u64::from(header.unpacked.unsigned_abs());
                }
                assert_eq!(column.uncompressed_size().unsigned_abs(), unpacked);
                assert!(column.column_path().string() == "null" || index.page_locations().len() > 4);
            }
        }
        assert!(pages.next().is_none());
        let mut encodings = metadata.row_group(0).column(0).encodings();
        assert_eq!(
            with_dictionary > 0,
            encodings.any(|encoding| encoding == Encoding::RLE_DICTIONARY)
        );
    }
}

#[test]
fn single_rows_are_found_by_the_index() {
    for way in ways() {
        let file = write(way, &[table(0), table(5000)]);
        for row in (0..2 * ROWS).step_by(97) {
            let selection = RowSelection::from(vec![RowSelector::skip(row), RowSelector::select(1)]);
            let reader = builder(&file).unwrap().with_row_selection(selection).build().unwrap();
            let found: Vec<RecordBatch> = reader.map(|table| table.unwrap()).collect();
            assert_eq!(found, [table(if row < ROWS { 0 } else { 5000 }).slice(row % ROWS, 1)]);
        }
    }
}

#[test]
fn a_flipped_bit_in_any_page_is_noticed() {
    let mut flips = 0;
    for way in ways() {
        let mut file = write(way, &[table(0)]);
        let pages = pages(&file, builder(&file).unwrap().metadata());
        for (number, (_, data)) in pages.into_iter().enumerate() {
            // A page of nulls has no bytes that could be damaged.
            for place in data.step_by(61) {
                let bit = 1 << (number % 8);
                file[place] ^= bit;
                let read = read(&file);
                file[place] ^= bit;
                assert!(read.is_err_and(|error| error.contains("checksum")), "byte {place}");
                flips += 1;
            }
        }
    }
    assert!(flips > 2000, "{flips}");
}

#[test]
fn a_header_that_is_another_than_expected_is_no_page() {
    assert!(Page::new(b"nonsense", Bytes::new()).is_err());
    let pages = GroupPages::default();
    assert!(pages.take(0).is_err());
}
