//! How much rows weigh: about how many bytes they take, summed over rows. What a group of rows holds depends on nothing
//! else, so that the same rows make the same file however they came.

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;

/// How much the rows of a table weigh.
pub(super) fn weight(table: &RecordBatch) -> usize {
    table.columns().iter().map(of_column).sum()
}

fn of_column(column: &ArrayRef) -> usize {
    const FIXED: usize = 8;
    let rows = column.len();
    let fixed = rows * FIXED;
    let length = |(first, last): (usize, usize)| last - first;
    fixed
        + match column.data_type() {
            DataType::Utf8 => length(between(column.as_string::<i32>().value_offsets())),
            DataType::LargeUtf8 => length(between(column.as_string::<i64>().value_offsets())),
            DataType::Binary => length(between(column.as_binary::<i32>().value_offsets())),
            DataType::LargeBinary => length(between(column.as_binary::<i64>().value_offsets())),
            // The length stands in the lowest four bytes of a view.
            DataType::Utf8View => of_views(column.as_string_view().views()),
            DataType::BinaryView => of_views(column.as_binary_view().views()),
            DataType::FixedSizeBinary(size) => rows * *size as usize,
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                let (begin, end) = between(list.value_offsets());
                of_column(&list.values().slice(begin, end - begin))
            }
            DataType::LargeList(_) => {
                let list = column.as_list::<i64>();
                let (begin, end) = between(list.value_offsets());
                of_column(&list.values().slice(begin, end - begin))
            }
            DataType::FixedSizeList(_, size) => {
                let list = column.as_fixed_size_list();
                let size = *size as usize;
                of_column(&list.values().slice(0, rows * size))
            }
            DataType::Struct(_) => column.as_struct().columns().iter().map(of_column).sum(),
            DataType::Map(..) => {
                let map = column.as_map();
                let (begin, end) = between(map.value_offsets());
                let entries = map.entries().slice(begin, end - begin);
                entries.columns().iter().map(of_column).sum()
            }
            _ => 0,
        }
}

fn between<O: ArrowNativeType>(offsets: &[O]) -> (usize, usize) {
    let at = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
    (at(offsets.first()), at(offsets.last()))
}

fn of_views(views: &[u128]) -> usize {
    views.iter().map(|view| *view as u32 as usize).sum()
}
