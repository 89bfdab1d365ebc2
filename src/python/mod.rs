//! The boundary to Python: the only place that knows pyo3.

mod call;
mod discovery;
mod exceptions;
mod failure;
mod host;
mod load;
mod names;
mod probe;
mod segment;
mod step;
mod text;
mod values;
mod verdict;

use pyo3::prelude::*;

/// The engine of text-processor.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use super::probe::{PythonProbe, probe_discovery};

    #[pymodule_init]
    fn init() {}
}
