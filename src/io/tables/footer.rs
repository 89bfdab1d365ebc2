//! Compares what the footer of a Parquet file says twice. Nothing else tells that it is damaged: it has no checksum.

use super::thrift::{BINARY, END, I32, LIST, STRUCTURE, Walk};
use parquet::basic::Type;
use parquet::file::metadata::{ColumnChunkMetaData, LevelHistogram, ParquetMetaData, RowGroupMetaData};

/// The numbers of fields, as the format has them: of a footer, of a row group, of a part of a column, and of what it tells.
const ROW_GROUPS: i64 = 4;
const COLUMNS: i64 = 1;
const TOLD: i64 = 3;
const TYPE: i64 = 1;
const PATH: i64 = 3;

/// The types of columns, in the order of their numbers.
const TYPES: [Type; 8] = [
    Type::BOOLEAN,
    Type::INT32,
    Type::INT64,
    Type::INT96,
    Type::FLOAT,
    Type::DOUBLE,
    Type::BYTE_ARRAY,
    Type::FIXED_LEN_BYTE_ARRAY,
];

/// Refuses a footer that contradicts itself: in how many rows there are, and in the names, the types and the nesting of its
/// columns.
pub(super) fn check(footer: &[u8], metadata: &ParquetMetaData) -> Result<(), String> {
    let groups = metadata.row_groups();
    let rows = groups
        .iter()
        .try_fold(0_i64, |rows, group| rows.checked_add(group.num_rows()));
    if rows != Some(metadata.file_metadata().num_rows()) {
        return Err("its row groups have another number of rows than it says".to_owned());
    }
    for (number, group) in groups.iter().enumerate() {
        let is_other = |column: &&ColumnChunkMetaData| {
            column.column_descr().max_rep_level() == 0 && column.num_values() != group.num_rows()
        };
        if let Some(column) = group.columns().iter().find(is_other) {
            return Err(format!(
                "column `{}` of its row group {number} has {} values in {} rows",
                column.column_path().string(),
                column.num_values(),
                group.num_rows()
            ));
        }
        if !group.columns().iter().all(has_its_levels) {
            return Err(format!(
                "columns of its row group {number} are nested in another way than they say"
            ));
        }
    }
    let mut columns = groups.iter().flat_map(RowGroupMetaData::columns);
    let agree = each_column(&mut Walk::new(footer), &mut |r#type, path| {
        let column = columns.next()?;
        let is_type = r#type.is_none_or(|number| TYPES.get(number as usize) == Some(&column.column_type()));
        let parts = column.column_path().parts();
        let is_path = path.is_empty() || path.iter().copied().eq(parts.iter().map(String::as_bytes));
        (is_type && is_path).then_some(())
    });
    agree.ok_or_else(|| "its columns have other names or types in one place than in another".to_owned())
}

/// Whether a column counts as many levels of nulls and of lists as it has, if it counts them.
fn has_its_levels(column: &ColumnChunkMetaData) -> bool {
    let counts_all = |counted: Option<&LevelHistogram>, most: i16| {
        counted.is_none_or(|levels| levels.is_empty() || i64::try_from(levels.len()) == Ok(i64::from(most) + 1))
    };
    let descriptor = column.column_descr();
    counts_all(column.definition_level_histogram(), descriptor.max_def_level())
        && counts_all(column.repetition_level_histogram(), descriptor.max_rep_level())
}

/// Calls `visit` with the number of the type and with the names of each part of a column, as far as they are told. `None`
/// from it ends the walk.
fn each_column<'b>(
    footer: &mut Walk<'b>,
    visit: &mut impl FnMut(Option<i32>, Vec<&'b [u8]>) -> Option<()>,
) -> Option<()> {
    fields(footer, |footer, field| match field {
        (ROW_GROUPS, LIST) => structures(footer, |group| {
            fields(group, |group, field| match field {
                (COLUMNS, LIST) => structures(group, |column| {
                    fields(column, |column, field| match field {
                        (TOLD, STRUCTURE) => {
                            let (mut r#type, mut path) = (None, Vec::new());
                            fields(column, |told, field| match field {
                                (TYPE, I32) => told.signed_32().map(|number| r#type = Some(number)),
                                (PATH, LIST) => {
                                    let (count, BINARY) = told.list()? else { return None };
                                    (0..count).try_for_each(|_| told.binary().map(|name| path.push(name)))
                                }
                                (_, other) => told.pass(other),
                            })?;
                            visit(r#type, path)
                        }
                        (_, other) => column.pass(other),
                    })
                }),
                (_, other) => group.pass(other),
            })
        }),
        (_, other) => footer.pass(other),
    })
}

/// Calls `visit` with the number and the type of each field of a structure, whose value it passes over.
fn fields<'b>(walk: &mut Walk<'b>, mut visit: impl FnMut(&mut Walk<'b>, (i64, u8)) -> Option<()>) -> Option<()> {
    let mut number = 0;
    loop {
        match walk.field(&mut number)? {
            END => return Some(()),
            r#type => visit(walk, (number, r#type))?,
        }
    }
}

/// Calls `visit` at each structure of a list.
fn structures<'b>(walk: &mut Walk<'b>, mut visit: impl FnMut(&mut Walk<'b>) -> Option<()>) -> Option<()> {
    let (count, STRUCTURE) = walk.list()? else { return None };
    (0..count).try_for_each(|_| visit(walk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, types::Int32Type};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::ParquetMetaDataReader;
    use std::sync::Arc;

    fn footer() -> Vec<u8> {
        let table = RecordBatch::try_from_iter([
            ("number", Arc::new(Int64Array::from_iter_values(0..77)) as ArrayRef),
            ("a name", Arc::new(StringArray::from(vec!["text"; 77]))),
            (
                "list",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
                    Some(vec![
                        Some(1),
                        None
                    ]);
                    77
                ])),
            ),
        ]);
        let table = table.unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), table.schema(), None).unwrap();
        writer.write(&table).unwrap();
        let file = writer.into_inner().unwrap();
        let [.., a, b, c, d, _, _, _, _] = file[..] else {
            unreachable!()
        };
        let end = file.len() - 8;
        file[end - u32::from_le_bytes([a, b, c, d]) as usize..end].to_vec()
    }

    fn checked(footer: &[u8]) -> Result<(), String> {
        check(footer, &ParquetMetaDataReader::decode_metadata(footer).unwrap())
    }

    /// Changes a byte so far from where these bytes stand first, or last.
    fn changed(mut footer: Vec<u8>, mark: &[u8], is_first: bool, from_there: isize, byte: u8) -> Vec<u8> {
        let mut places = (0..footer.len()).filter(|&place| footer[place..].starts_with(mark));
        let place = if is_first { places.next() } else { places.next_back() };
        footer[place.unwrap().checked_add_signed(from_there).unwrap()] = byte;
        footer
    }

    #[test]
    fn what_is_said_twice_must_agree() {
        assert_eq!(checked(&footer()), Ok(()));
        for is_first in [true, false] {
            let named = changed(footer(), b"\x06a name", is_first, 3, b'X');
            assert!(checked(&named).unwrap_err().contains("names or types"));
        }
        // Before the name of a column in the schema stand its type, and whether it is optional.
        let typed = changed(footer(), b"\x18\x06number", true, -3, 10);
        assert!(checked(&typed).unwrap_err().contains("names or types"));
        let nested = changed(footer(), b"\x18\x04item", true, -1, 0);
        assert!(checked(&nested).unwrap_err().contains("nested in another way"));
        // Behind the schema stands the number of rows.
        let counted = changed(footer(), b"\x00\x16\x9a\x01\x19", true, 2, 0x9c);
        assert!(checked(&counted).unwrap_err().contains("another number of rows"));
    }
}
