//! `Pipeline.process` by Python's calling convention for exactly one argument.
//!
//! PyO3's methods take any number of arguments, by position and by name. To sort those out takes longer than `trim` takes
//! for a short text, so for the one method that is called with single short texts, in loops, it is done without.

use crate::plan::panic_message;
use crate::python::pipeline::PyPipeline;
use crate::python::values;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ffi::CString;
use std::ops::ControlFlow;
use std::panic::catch_unwind;

/// Puts `process` of this module in the place of the method that PyO3 made, with that one's documentation.
#[expect(unsafe_code, reason = "PyO3 has no method of this calling convention")]
pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<PyPipeline>();
    let name = intern!(py, "process");
    let made = class.getattr(name)?;
    let signature = made.getattr(intern!(py, "__text_signature__"))?;
    let documentation = made.getattr(intern!(py, "__doc__"))?;
    // Python reads the signature out of the documentation of what is not written in Python.
    let documentation = CString::new(format!("process{signature}\n--\n\n{documentation}"))?;
    // The class lives as long as the process, and its method with it.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"process".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: process },
        ml_flags: ffi::METH_O,
        ml_doc: documentation.into_raw(),
    }));
    // SAFETY: The thread is attached, the class is one, and the definition and what it points to are never freed. The
    // function returns a new reference, or null with an exception set.
    let method = unsafe {
        let descriptor = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
        Bound::from_owned_ptr_or_err(py, descriptor)?
    };
    class.setattr(name, method)
}

/// Runs the steps of a pipeline over a text.
///
/// It does not note for PyO3 that this thread is attached, which saves as much again. Where PyO3 wants to know that, it asks
/// Python; and references that it puts aside until it knows are let go on the way out, which only failures make necessary.
///
/// # Safety
/// The thread is attached, `pipeline` is a `Pipeline` and `text` is any object: a method descriptor of the class, which is
/// the only way here, makes sure of it.
#[expect(unsafe_code, reason = "this is what Python calls")]
unsafe extern "C" fn process(pipeline: *mut ffi::PyObject, text: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: The thread is attached.
    let py = unsafe { Python::assume_attached() };
    let processed = catch_unwind(|| {
        // SAFETY: Python holds on to both objects during the call, and the class of the first is known.
        let (pipeline, text) = unsafe {
            let pipeline = Borrowed::from_ptr(py, pipeline).cast_unchecked::<PyPipeline>();
            (pipeline, Borrowed::from_ptr(py, text))
        };
        let pipeline = pipeline.get();
        let Ok(text) = text.cast::<PyString>() else {
            return give_up(py, not_a_text(&text));
        };
        if let Err(error) = pipeline.refuse_split(py, "process") {
            return give_up(py, error);
        }
        let mut text = text.to_owned();
        match pipeline.single().run_alone(&mut text) {
            ControlFlow::Continue(()) => text.into_ptr(),
            ControlFlow::Break(halt) => match pipeline.halted(py, halt, None) {
                Ok(()) => py.None().into_ptr(),
                Err(error) => give_up(py, error),
            },
        }
    });
    processed.unwrap_or_else(|panic| {
        let message = panic_message("The engine", &*panic);
        give_up(py, PanicException::new_err((message,)))
    })
}

#[cold]
fn not_a_text(given: &Bound<'_, PyAny>) -> PyErr {
    let found = values::type_name(given);
    PyTypeError::new_err(format!("`text` is a `{found}`, and texts are `str`."))
}

/// Sets the exception. Attaching lets go of the references that were put aside; it comes before, because their destructors
/// may run Python code.
#[cold]
fn give_up(py: Python<'_>, error: PyErr) -> *mut ffi::PyObject {
    // An interpreter that is shutting down lets nobody attach, and what was put aside ends with it.
    let _ = Python::try_attach(|_| ());
    error.restore(py);
    std::ptr::null_mut()
}
