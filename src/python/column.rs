//! `Column`: an Arrow array on its way to a plugin.

use arrow_array::{Array, ArrayRef};
use arrow_schema::Field;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::error::PyArrowResult;
use pyo3_arrow::ffi::{to_array_pycapsules, to_schema_pycapsule};
use std::sync::Arc;

/// What a step gets that is declared with `arrow=True`: the texts of many records, or the values of a field.
///
/// It has the Arrow PyCapsule interface, so that libraries take it as it is, without copying a text:
/// `polars.Series(column)`, `pyarrow.array(column)`. Its texts are of the type `string_view`; who wants another one says
/// so, as in `pyarrow.array(column, pyarrow.string())`, and gets a copy.
#[pyclass(frozen, name = "Column", module = "text_processor")]
pub(super) struct PyColumn(pub(super) ArrayRef);

impl PyColumn {
    fn field(&self) -> Field {
        Field::new("", self.0.data_type().clone(), true)
    }
}

#[pymethods]
impl PyColumn {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("<Column of {} values, {}>", self.0.len(), self.0.data_type())
    }

    /// The array and its schema, as the Arrow PyCapsule interface says.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyArrowResult<Bound<'py, PyTuple>> {
        to_array_pycapsules(py, Arc::new(self.field()), &*self.0, requested_schema)
    }

    /// The schema, as the Arrow PyCapsule interface says.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyArrowResult<Bound<'py, PyCapsule>> {
        to_schema_pycapsule(py, self.field())
    }
}
