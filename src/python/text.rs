//! Python's `str`, read by its characters and never by its methods: a subclass may have made those anything.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::types::string::PyStringData;

/// How many characters a text has.
#[expect(unsafe_code, reason = "`len()` of a subclass would call its own method")]
pub(crate) fn length(text: &Bound<'_, PyString>) -> usize {
    // SAFETY: The thread is attached and the object is a `str`. The function reads the length from the object itself.
    let length = unsafe { ffi::PyUnicode_GetLength(text.as_ptr()) };
    usize::try_from(length).unwrap_or(0)
}

/// The text as exactly a `str`: itself, or a copy of the characters of a subclass.
#[expect(unsafe_code, reason = "`str()` of a subclass would call its own method")]
pub(crate) fn exact<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: The thread is attached and the object is a `str`. The function returns a new reference to exactly a `str`,
    // or null with an exception set.
    unsafe {
        let copy = Bound::from_owned_ptr_or_err(text.py(), ffi::PyUnicode_FromObject(text.as_ptr()))?;
        Ok(copy.cast_into_unchecked::<PyString>())
    }
}

/// The first characters of a text, with `�` for what is no character. Cutting comes before encoding: a text may have a hundred megabytes.
#[expect(unsafe_code, reason = "slicing a subclass would call its own method")]
pub(crate) fn beginning(text: &Bound<'_, PyString>, characters: usize) -> String {
    if length(text) <= characters {
        return text.to_string_lossy().into_owned();
    }
    let end = ffi::Py_ssize_t::try_from(characters).unwrap_or(ffi::Py_ssize_t::MAX);
    // SAFETY: The thread is attached, the object is a `str`, and the range begins at its start. The function returns a
    // new reference to a `str`, or null with an exception set.
    let cut = unsafe {
        Bound::from_owned_ptr_or_err(text.py(), ffi::PyUnicode_Substring(text.as_ptr(), 0, end))
            .map(|cut| cut.cast_into_unchecked::<PyString>())
    };
    cut.map(|cut| cut.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether a text holds surrogate code points, which are not characters. Most texts cannot, and are not looked through.
#[expect(
    unsafe_code,
    reason = "encoding a text only to see whether that is possible would cost a copy of it"
)]
pub(crate) fn has_surrogate(text: &Bound<'_, PyString>) -> PyResult<bool> {
    const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;
    // SAFETY: The thread is attached, and nobody writes to a `str` that more than its maker knows; the slices are read here only.
    Ok(match unsafe { text.data()? } {
        PyStringData::Ucs1(_) => false,
        PyStringData::Ucs2(units) => units.iter().any(|&unit| SURROGATES.contains(&u32::from(unit))),
        PyStringData::Ucs4(units) => units.iter().any(|unit| SURROGATES.contains(unit)),
    })
}
