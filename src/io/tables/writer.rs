//! Writes files of tables: what goes out is gathered into groups of rows, any thread encodes a group, and the groups are
//! joined in order.
//!
//! Where a group ends depends on its rows only, and each is encoded in one go: the same rows make the same bytes, however
//! they were cut into batches and whoever encoded them.

use super::guarded;
use super::page_checksums::{EncodedColumn, GroupEncoder};
use super::parquet::TableDefaults;
use super::weight::weight;
use crate::error::{ConfigError, Error, Result};
use crate::io::Format;
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow_select::concat::concat_batches;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many rows a group has at most, where no input says.
const USUAL_ROWS: usize = 1 << 20;

/// How hard Zstandard tries: as hard as it does where nobody says.
const ZSTD_LEVEL: i32 = 3;

/// How the file of a run is written.
#[derive(Debug, Clone)]
pub struct TableForm {
    format: Format,
    schema: SchemaRef,
    properties: Arc<WriterProperties>,
    /// The columns that are stored as another type than they have.
    stored: Vec<usize>,
    most_rows: usize,
    most_bytes: usize,
}

impl TableForm {
    /// A file of a schema, stored as the first input is (`defaults`), in groups of about so many bytes at most.
    ///
    /// # Errors
    /// If the format cannot hold one of the columns.
    pub fn new(
        format: Format,
        schema: &SchemaRef,
        source: Option<Format>,
        text: &str,
        defaults: &TableDefaults,
        group_bytes: usize,
    ) -> Result<Self, ConfigError> {
        let keeps_dictionaries = matches!(source, Some(Format::Arrow | Format::Stream));
        let is_plain = |field: &Field| !(keeps_dictionaries && field.name() != text);
        let fields = schema.fields().iter().map(|field| {
            let stored = match format {
                Format::Arrow if is_plain(field) => without_dictionary(field.data_type()),
                Format::Parquet => with_milliseconds(field.data_type()),
                _ => None,
            };
            stored.map_or_else(
                || field.as_ref().clone(),
                |stored| field.as_ref().clone().with_data_type(stored),
            )
        });
        let fields: Vec<Field> = fields.collect();
        let changed = schema.fields().iter().zip(&fields).enumerate();
        let stored = changed
            .filter(|(_, (field, stored))| field.data_type() != stored.data_type())
            .map(|(column, _)| column)
            .collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let form = Self {
            properties: Arc::new(properties(&schema, defaults)),
            format,
            schema,
            stored,
            most_rows: defaults.group_rows.unwrap_or(USUAL_ROWS).clamp(1, USUAL_ROWS),
            most_bytes: group_bytes,
        };
        form.try_columns()?;
        Ok(form)
    }

    /// Writes a row of nulls to each column, in memory. The library can store fewer types than it has, and the type alone does
    /// not tell which.
    fn try_columns(&self) -> Result<(), ConfigError> {
        for field in self.schema.fields() {
            let schema = Arc::new(Schema::new(vec![field.as_ref().clone().with_nullable(true)]));
            let form = Self {
                schema: Arc::clone(&schema),
                stored: Vec::new(),
                ..self.clone()
            };
            let written = guarded(|| -> Result<(), Error> {
                let row = RecordBatch::try_new(Arc::clone(&schema), vec![new_null_array(field.data_type(), 1)]);
                let mut writer = TableWriter::new(&form, 0)?;
                for group in writer.add(row.map_err(|error| internal(&error))?) {
                    writer.join(group.encode()?)?;
                }
                writer.finish().map(drop)
            });
            if let Err(reason) = written {
                log::debug!("The column {} cannot be written: {reason}.", field.name());
                return Err(ConfigError::new(format!(
                    "The column `{}` holds {}, which {} cannot hold.",
                    field.name(),
                    field.data_type(),
                    self.format.title()
                ))
                .with_hint("Write to a file of another format, such as `.arrow` or `.jsonl`."));
            }
        }
        Ok(())
    }

    fn file(&self) -> Result<File, ParquetError> {
        Ok(match self.format {
            Format::Parquet => {
                let parquet_schema = ArrowSchemaConverter::new().convert(&self.schema)?;
                let (root, properties) = (parquet_schema.root_schema_ptr(), Arc::clone(&self.properties));
                File::Parquet(SerializedFileWriter::new(Vec::new(), root, properties)?)
            }
            Format::Stream => File::Stream(StreamWriter::try_new(Vec::new(), &self.schema)?),
            _ => File::Arrow(FileWriter::try_new(Vec::new(), &self.schema)?),
        })
    }
}

/// An Arrow file can hold one dictionary of a column only, so those of which there may be more are written out.
fn without_dictionary(r#type: &DataType) -> Option<DataType> {
    match r#type {
        DataType::Dictionary(_, values) => Some(values.as_ref().clone()),
        _ => None,
    }
}

/// Parquet has no seconds, and no dates in milliseconds: the library stores them as numbers, which other programs would not
/// know for times. At any depth.
///
/// A date in milliseconds is one of whole days, as Arrow defines it, and becomes a date in days.
fn with_milliseconds(r#type: &DataType) -> Option<DataType> {
    let in_field = |field: &FieldRef| {
        let r#type = with_milliseconds(field.data_type())?;
        Some(Arc::new(field.as_ref().clone().with_data_type(r#type)))
    };
    match r#type {
        DataType::Timestamp(TimeUnit::Second, zone) => Some(DataType::Timestamp(TimeUnit::Millisecond, zone.clone())),
        DataType::Time32(TimeUnit::Second) => Some(DataType::Time32(TimeUnit::Millisecond)),
        DataType::Date64 => Some(DataType::Date32),
        DataType::List(item) => in_field(item).map(DataType::List),
        DataType::LargeList(item) => in_field(item).map(DataType::LargeList),
        DataType::FixedSizeList(item, size) => in_field(item).map(|item| DataType::FixedSizeList(item, *size)),
        DataType::Struct(members) => {
            let stored: Vec<Option<FieldRef>> = members.iter().map(in_field).collect();
            let is_changed = stored.iter().any(Option::is_some);
            let members = stored.into_iter().zip(members.iter());
            let members = members.map(|(stored, member)| stored.unwrap_or_else(|| Arc::clone(member)));
            is_changed.then(|| DataType::Struct(members.collect()))
        }
        _ => None,
    }
}

fn properties(schema: &Schema, defaults: &TableDefaults) -> WriterProperties {
    let codec = |compression: Compression| match compression {
        // Files do not tell its level; and nobody writes LZO any more, this library neither.
        Compression::ZSTD(_) | Compression::LZO => zstd(),
        other => other,
    };
    let first = defaults.compression.first();
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("text-processor ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(first.map_or_else(zstd, |(_, compression)| codec(*compression)))
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(key_values(schema));
    for (column, compression) in &defaults.compression {
        builder = builder.set_column_compression(column.clone(), codec(*compression));
    }
    let mut properties = builder.build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    properties
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default())
}

/// The metadata of the schema, in one order always.
fn key_values(schema: &Schema) -> Option<Vec<KeyValue>> {
    let sorted: BTreeMap<&String, &String> = schema.metadata().iter().collect();
    let values: Vec<KeyValue> = sorted
        .into_iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
        .collect();
    Some(values).filter(|values| !values.is_empty())
}

/// A file that is being made in memory, and is taken from there piece by piece.
enum File {
    Parquet(SerializedFileWriter<Vec<u8>>),
    Arrow(FileWriter<Vec<u8>>),
    Stream(StreamWriter<Vec<u8>>),
}

/// Rows that make one group of a file.
pub struct TableGroup {
    /// The number of the file, and its own within the file.
    file: u64,
    number: usize,
    tables: Vec<RecordBatch>,
    /// About how many bytes of memory the tables hold.
    held: usize,
    schema: SchemaRef,
    stored: Vec<usize>,
    encoder: Option<GroupEncoder>,
}

impl std::fmt::Debug for TableGroup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TableGroup")
            .field("file", &self.file)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// A group as it will stand in the file.
pub struct EncodedGroup {
    file: u64,
    number: usize,
    /// How many bytes its rows held.
    held: usize,
    content: Content,
}

impl EncodedGroup {
    /// The number of the file that it belongs to.
    #[must_use]
    pub fn file(&self) -> u64 {
        self.file
    }
}

enum Content {
    Columns(Vec<EncodedColumn>),
    Table(RecordBatch),
}

impl TableGroup {
    /// Encodes the group. Any thread may, and several may encode groups of one file.
    pub fn encode(self) -> Result<EncodedGroup> {
        let (file, number, held) = (self.file, self.number, self.held);
        let content = self.content().map_err(|error| internal(&error))?;
        Ok(EncodedGroup {
            file,
            number,
            held,
            content,
        })
    }

    fn content(self) -> Result<Content, ParquetError> {
        let tables = self
            .tables
            .iter()
            .map(|table| as_stored(table, &self.stored, &self.schema))
            .collect::<Result<Vec<_>, _>>()?;
        drop(self.tables);
        let table = concat_batches(&self.schema, &tables)?;
        drop(tables);
        Ok(match self.encoder {
            Some(encoder) => Content::Columns(encoder.encode(self.number, &table)?),
            None => Content::Table(table),
        })
    }
}

/// A table whose columns of these numbers have the types that they are stored as. A value that these cannot hold is an error.
fn as_stored(table: &RecordBatch, stored: &[usize], schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if stored.is_empty() {
        return Ok(table.clone());
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut columns: Vec<ArrayRef> = table.columns().to_vec();
    for &column in stored {
        columns[column] = cast_with_options(&columns[column], schema.field(column).data_type(), &options)?;
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn internal(error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("Rows could not be encoded: {error}."))
}

/// A file that is being written.
pub struct TableWriter {
    form: TableForm,
    /// What tells its groups from those of other files.
    number: u64,
    file: File,
    /// Rows of the group that is not full yet, and how much they weigh.
    tables: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    /// How many groups were given out to be encoded, and how many stand in the file.
    given: usize,
    joined: usize,
    /// How many bytes the rows hold that are being encoded.
    encoding: usize,
    /// Groups whose turn has not come.
    waiting: BTreeMap<usize, Content>,
}

impl TableWriter {
    /// Begins a file, whose groups bear its number.
    pub fn new(form: &TableForm, number: u64) -> Result<Self> {
        Ok(Self {
            number,
            file: form.file().map_err(|error| internal(&error))?,
            form: form.clone(),
            tables: Vec::new(),
            rows: 0,
            bytes: 0,
            given: 0,
            joined: 0,
            encoding: 0,
            waiting: BTreeMap::new(),
        })
    }

    /// Adds rows. The groups that they fill are given out to be encoded, and must come back by [`TableWriter::join`].
    pub fn add(&mut self, table: RecordBatch) -> Vec<TableGroup> {
        let mut full = Vec::new();
        let mut rest = table;
        while rest.num_rows() > 0 {
            let weighs = weight(&rest);
            let rows_left = self.form.most_rows - self.rows;
            if rest.num_rows() < rows_left && self.bytes + weighs < self.form.most_bytes {
                self.rows += rest.num_rows();
                self.bytes += weighs;
                self.tables.push(rest);
                break;
            }
            let mut taken = 0;
            while taken < rest.num_rows().min(rows_left) && self.bytes < self.form.most_bytes {
                self.bytes += weight(&rest.slice(taken, 1));
                taken += 1;
            }
            self.rows += taken;
            self.tables.push(rest.slice(0, taken));
            rest = rest.slice(taken, rest.num_rows() - taken);
            if self.rows >= self.form.most_rows || self.bytes >= self.form.most_bytes {
                full.extend(self.give());
            }
        }
        full
    }

    /// About how many bytes of memory wait to be encoded, or are being encoded.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes + self.encoding
    }

    /// Whether every group that was given out has come back.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.joined == self.given
    }

    /// Gives out what is gathered to be encoded, as a group that need not be full: the last of the file.
    pub fn give(&mut self) -> Option<TableGroup> {
        if self.tables.is_empty() {
            return None;
        }
        let number = self.given;
        let held = self.bytes;
        self.given += 1;
        self.encoding += held;
        (self.rows, self.bytes) = (0, 0);
        Some(TableGroup {
            file: self.number,
            number,
            held,
            tables: std::mem::take(&mut self.tables),
            schema: Arc::clone(&self.form.schema),
            stored: self.form.stored.clone(),
            encoder: match &self.file {
                File::Parquet(writer) => Some(GroupEncoder::new(writer, Arc::clone(&self.form.schema))),
                File::Arrow(_) | File::Stream(_) => None,
            },
        })
    }

    /// Takes an encoded group back, and returns the bytes that can be written now.
    pub fn join(&mut self, group: EncodedGroup) -> Result<Vec<u8>> {
        self.encoding = self.encoding.saturating_sub(group.held);
        self.waiting.insert(group.number, group.content);
        let mut bytes = Vec::new();
        while let Some(content) = self.waiting.remove(&self.joined) {
            self.joined += 1;
            self.append(content).map_err(|error| internal(&error))?;
            let made = self.take().map_err(|error| internal(&error))?;
            if bytes.is_empty() {
                bytes = made;
            } else {
                bytes.extend_from_slice(&made);
            }
        }
        Ok(bytes)
    }

    fn append(&mut self, content: Content) -> Result<(), ParquetError> {
        match (&mut self.file, content) {
            (File::Parquet(writer), Content::Columns(columns)) => {
                let mut group = writer.next_row_group()?;
                for column in columns {
                    column.append_to(&mut group)?;
                }
                group.close()?;
            }
            (File::Arrow(writer), Content::Table(table)) => writer.write(&table)?,
            (File::Stream(writer), Content::Table(table)) => writer.write(&table)?,
            _ => return Err(ParquetError::General("a group of another format came back".to_owned())),
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Vec<u8>, ParquetError> {
        Ok(match &mut self.file {
            File::Parquet(writer) => {
                writer.flush()?;
                std::mem::take(writer.inner_mut())
            }
            File::Arrow(writer) => std::mem::take(writer.get_mut()),
            File::Stream(writer) => std::mem::take(writer.get_mut()),
        })
    }

    /// Encodes what is left, ends the file, and returns its last bytes. All groups must have come back.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let mut bytes = match self.give() {
            Some(group) => self.join(group.encode()?)?,
            None => Vec::new(),
        };
        if !self.has_all() {
            return Err(Error::Internal("A group of rows did not come back.".to_owned()));
        }
        let ended = match &mut self.file {
            File::Parquet(writer) => writer.finish().map(drop),
            File::Arrow(writer) => writer.finish().map_err(Into::into),
            File::Stream(writer) => writer.finish().map_err(Into::into),
        };
        let last = ended.and_then(|()| self.take()).map_err(|error| internal(&error))?;
        bytes.extend_from_slice(&last);
        Ok(bytes)
    }
}
