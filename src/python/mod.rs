//! The boundary to Python: the only place that knows pyo3.

use pyo3::prelude::*;

/// The engine of text-processor.
#[pymodule]
mod _engine {
    #[pymodule_init]
    fn init() {}
}
