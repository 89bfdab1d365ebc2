//! What some types of Parquet are read as, where the library's own choice would change values without a word.

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::schema::types::ColumnDescriptor;
use std::sync::Arc;

/// Under this key, whoever has written a file from Arrow says which types its columns had.
const ARROW_SCHEMA: &str = "ARROW:schema";

/// The key by which the library knows that a column of times is one of Greenwich's when it writes it.
const ADJUSTED_TO_UTC: &str = "adjusted_to_utc";

/// Reads a file's times of 96 bits, whose writers count days and microseconds, in microseconds: in nanoseconds, which is the
/// library's choice, years before 1678 and after 2262 become others.
pub(super) fn with_times(read: ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ParquetError> {
    let is_old = |column: &ColumnDescriptor| column.physical_type() == PhysicalType::INT96;
    let metadata = read.metadata();
    if says_types(metadata.file_metadata()) || !leaves(metadata).iter().any(|column| is_old(column)) {
        return Ok(read);
    }
    let leaves = leaves(metadata);
    let mut next = leaves.iter();
    let fields = replaced(read.schema().fields(), &mut |field| {
        let is_old = next.next().is_some_and(|column| is_old(column));
        match field.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, zone) if is_old => {
                Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
            }
            _ => None,
        }
    });
    let schema = Schema::new_with_metadata(fields, read.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(metadata), options)
}

/// The schema of a file, whose times say whether they are those of Greenwich, which Arrow has no type for.
pub(super) fn schema_of(read: &ArrowReaderMetadata) -> SchemaRef {
    let schema = read.schema();
    let file = read.metadata().file_metadata();
    if says_types(file) {
        return Arc::clone(schema);
    }
    let roots = file.schema_descr().root_schema().get_fields();
    let is_adjusted = |root: &parquet::schema::types::Type| {
        let logical = root.get_basic_info().logical_type_ref();
        matches!(logical, Some(LogicalType::Time(time)) if time.is_adjusted_to_u_t_c)
    };
    if !roots.iter().any(|root| is_adjusted(root)) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().zip(roots).map(|(field, root)| {
        let mut metadata = field.metadata().clone();
        if is_adjusted(root) {
            metadata.insert(ADJUSTED_TO_UTC.to_owned(), String::new());
        }
        field.as_ref().clone().with_metadata(metadata)
    });
    let fields: Vec<Field> = fields.collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The columns whose values would not be read whole, each with the reason behind its name. An interval of Parquet has
/// months, days and milliseconds, and the library reads either the months or the rest.
pub(super) fn unreadable_columns(read: &ArrowReaderMetadata) -> Vec<(usize, &'static str)> {
    let metadata = read.metadata();
    if says_types(metadata.file_metadata()) {
        return Vec::new();
    }
    let descriptor = metadata.file_metadata().schema_descr();
    let mut columns: Vec<usize> = leaves(metadata)
        .iter()
        .enumerate()
        .filter(|(_, column)| column.converted_type() == ConvertedType::INTERVAL)
        .map(|(leaf, _)| descriptor.get_column_root_idx(leaf))
        .collect();
    columns.dedup();
    let reason = "holds intervals of months, days and milliseconds, of which only a part can be read";
    columns.into_iter().map(|column| (column, reason)).collect()
}

fn says_types(file: &FileMetaData) -> bool {
    let mut pairs = file.key_value_metadata().into_iter().flatten();
    pairs.any(|pair| pair.key == ARROW_SCHEMA)
}

fn leaves(metadata: &ParquetMetaData) -> &[Arc<ColumnDescriptor>] {
    metadata.file_metadata().schema_descr().columns()
}

/// Fields whose leaves, in order, have the types that `replace` has for them.
fn replaced(fields: &Fields, replace: &mut impl FnMut(&Field) -> Option<DataType>) -> Fields {
    fields.iter().map(|field| replaced_field(field, replace)).collect()
}

fn replaced_field(field: &FieldRef, replace: &mut impl FnMut(&Field) -> Option<DataType>) -> FieldRef {
    let r#type = match field.data_type() {
        DataType::Struct(members) => DataType::Struct(replaced(members, replace)),
        DataType::List(item) => DataType::List(replaced_field(item, replace)),
        DataType::LargeList(item) => DataType::LargeList(replaced_field(item, replace)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(replaced_field(item, replace), *size),
        DataType::ListView(item) => DataType::ListView(replaced_field(item, replace)),
        DataType::LargeListView(item) => DataType::LargeListView(replaced_field(item, replace)),
        DataType::Map(members, sorted) => DataType::Map(replaced_field(members, replace), *sorted),
        leaf => replace(field).unwrap_or_else(|| leaf.clone()),
    };
    Arc::new(field.as_ref().clone().with_data_type(r#type))
}
