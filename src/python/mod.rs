//! The boundary to Python: the only place that knows pyo3.
//!
//! `discovery` finds what is installed and `load` makes steps of it; `call` runs one step on one `str`, `list_call` on a list
//! of them and `arrow_call` on a column. `segment` runs fused steps over a batch, one record after the other, and `abreast`
//! many records at a time; `single` runs them over one text, for which `entry` is the door. `pipeline`, `record`, `report`,
//! `table` and `stream` are what Python users see.

// What stands above a class or a method here is its Python docstring, in Google style.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]
// PyO3 hands over what it converts; a method that only looks at it must take it all the same.
#![allow(clippy::needless_pass_by_value)]

mod abreast;
mod alignment;
mod arrow_call;
mod arrow_verdict;
mod call;
mod column;
mod command;
mod discovery;
mod entry;
mod exceptions;
mod failure;
mod host;
mod iterators;
mod list_call;
mod list_verdict;
mod load;
mod logging;
mod many;
mod mapping;
mod names;
mod pipeline;
mod record;
mod report;
mod run;
mod segment;
mod signals;
mod single;
mod source;
mod step;
mod stream;
mod table;
mod text;
mod texts;
mod traceback;
mod turn;
mod values;
mod verdict;
#[cfg(unix)]
mod worker;

use pyo3::prelude::*;

/// The engine of text-processor.
#[pymodule]
mod _engine {
    #[cfg(unix)]
    use super::signals;
    use super::{entry, logging};
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::column::PyColumn;
    #[pymodule_export]
    use super::command::{command, tell_interrupted};
    #[pymodule_export]
    use super::pipeline::PyPipeline;
    #[pymodule_export]
    use super::record::PyRecord;
    #[pymodule_export]
    use super::report::{PyReport, PyTraceEntry};
    #[pymodule_export]
    use super::stream::PyTableReader;
    #[pymodule_export]
    use super::table::PyTable;
    #[cfg(unix)]
    #[pymodule_export]
    use super::worker::worker;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        entry::install(module.py())?;
        #[cfg(unix)]
        signals::notice_forks(module.py())?;
        logging::install();
        Ok(())
    }
}
