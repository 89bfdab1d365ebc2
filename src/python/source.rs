//! The tables of an object that has Arrow's C interface, read as they are asked for.

use crate::error::Error;
use crate::plan::quietly;
use crate::python::alignment::{array_capsules, stream_capsule};
use crate::python::exceptions::{message_of, to_python as raise};
use crate::python::values::type_name;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_select::nullif::nullif;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3_arrow::ffi::{ArrayIterator, ArrayReader};
use pyo3_arrow::{PyArray, PyArrayReader};
use std::sync::Arc;

/// Structures that are read as tables.
struct Source {
    arrays: Box<dyn ArrayReader + Send>,
    schema: SchemaRef,
}

impl Iterator for Source {
    type Item = Result<RecordBatch, ArrowError>;

    /// The next table. What a library hands on that does not keep to its own schema makes `arrow-rs` panic, and is an error here.
    fn next(&mut self) -> Option<Self::Item> {
        let next = quietly(|| {
            let array = self.arrays.next()?;
            Some(array.and_then(|array| table_of(&array, &self.schema)))
        });
        next.unwrap_or_else(|_| {
            let message = "The table's own library cannot hand it on: it told of a table that does not fit the schema.";
            Some(Err(ArrowError::CDataInterface(message.to_owned())))
        })
    }
}

impl RecordBatchReader for Source {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The tables of an object.
pub(super) fn source(table: &Bound<'_, PyAny>) -> PyResult<Box<dyn RecordBatchReader + Send>> {
    let py = table.py();
    let arrays: Box<dyn ArrayReader + Send> = if table.hasattr(intern!(py, "__arrow_c_stream__"))? {
        let capsule = stream_capsule(table)?;
        let reader = PyArrayReader::from_arrow_pycapsule(&capsule).and_then(PyArrayReader::into_reader);
        reader.map_err(|error| no_schema(py, &error))?
    } else if table.hasattr(intern!(py, "__arrow_c_array__"))? {
        let (schema, array) = array_capsules(table)?;
        let (array, field) = PyArray::from_arrow_pycapsule(&schema, &array)?.into_inner();
        Box::new(ArrayIterator::new([Ok(array)], field))
    } else {
        return Err(not_arrow(table));
    };
    let field = arrays.field();
    let Some(schema) = schema_of(&field) else {
        return Err(no_table(table, field.data_type()));
    };
    Ok(Box::new(Source { arrays, schema }))
}

/// The schema of tables that come as structures; `None` for what are no structures.
fn schema_of(field: &Field) -> Option<SchemaRef> {
    let DataType::Struct(fields) = field.data_type() else {
        return None;
    };
    // A structure that may be null as a whole is a row of nulls then.
    let nullable = |own: &FieldRef| {
        if !field.is_nullable() || own.is_nullable() {
            return Arc::clone(own);
        }
        Arc::new(own.as_ref().clone().with_nullable(true))
    };
    let fields: Vec<_> = fields.iter().map(nullable).collect();
    Some(Arc::new(Schema::new(fields).with_metadata(field.metadata().clone())))
}

/// The table that structures are.
fn table_of(array: &ArrayRef, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = array.len();
    let Some(structs) = array.as_struct_opt() else {
        let message = format!("Expected structures, got {}.", array.data_type());
        return Err(ArrowError::CDataInterface(message));
    };
    let (_, mut columns, nulls) = structs.clone().into_parts();
    if let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) {
        for column in &mut columns {
            *column = without(column, &nulls)?;
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// A column that is null also where its structure is. Types that have no nulls of their own stay as they are.
fn without(column: &ArrayRef, nulls: &NullBuffer) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Union(..) | DataType::RunEndEncoded(..) => Ok(Arc::clone(column)),
        _ => nullif(column, &BooleanArray::new(!nulls.inner(), None)),
    }
}

/// The error of a stream that cannot tell what it holds.
fn no_schema(py: Python<'_>, error: &PyErr) -> PyErr {
    let message = format!(
        "The table cannot be read: {}.",
        message_of(py, error).trim_end_matches('.')
    );
    raise(py, Error::input("the table", message))
}

/// The error of an object that speaks Arrow and is a column.
fn no_table(table: &Bound<'_, PyAny>, found: &DataType) -> PyErr {
    let message = format!(
        "`table` is a `{}`, which does not have columns with names: it is a column of {found}.",
        type_name(table)
    );
    let note = "Make it a table with one column, which is called `text`.";
    with_note(table.py(), PyTypeError::new_err(message), note)
}

fn not_arrow(table: &Bound<'_, PyAny>) -> PyErr {
    let py = table.py();
    let message = format!(
        "`table` is a `{}`, which has none of Arrow's C interface: neither `__arrow_c_stream__` nor `__arrow_c_array__`.",
        type_name(table)
    );
    let module = table.get_type().module();
    let is_pandas = module.is_ok_and(|module| module.to_string_lossy().starts_with("pandas"));
    let note = if is_pandas {
        "pandas has it from version 2.2 on. With an older one, pass `pyarrow.Table.from_pandas(frame)`."
    } else {
        "Make a table of it first, with `pyarrow.table(...)` or `polars.DataFrame(...)`; `records` takes mappings, and \
         `map_batches` a `dict` of columns."
    };
    with_note(py, PyTypeError::new_err(message), note)
}

fn with_note(py: Python<'_>, error: PyErr, note: &str) -> PyErr {
    match error.add_note(py, note) {
        Ok(()) => error,
        Err(second) => second,
    }
}
