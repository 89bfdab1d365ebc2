//! Columns: what a table's rows are as records, and what became of them as a table.
//!
//! A [`ColumnDecoder`] makes records of the rows of a record batch, whose texts stay where they lie. A [`ColumnEncoder`]
//! makes a record batch of what became of them: the other columns as they came, the fields that steps have added as typed
//! columns, and the texts in the type in which they came. A column that no step has changed is not copied.

mod decoder;
mod encoder;
mod objects;
mod texts;
mod unambiguous;
mod values;
mod views;

pub use decoder::{ColumnDecoder, Nulls, Part, TextType};
pub use encoder::{ColumnEncoder, Fates, TableEncoder};
pub use objects::{ObjectTable, SchemaLearner};
pub use texts::{lent_array, text_array, view_array};
#[cfg(feature = "python")]
pub(crate) use values::{Reading, column, values};
