//! Python's `str`, made of bytes and read by its characters, and never by its methods: a subclass may have made those anything.
//!
//! CPython's own decoder checks again what is known to be UTF-8, and its encoder leaves a copy of the text in the `str`
//! for as long as that lives. Here a `str` is made at its final width and written once, and read from where it keeps its
//! characters. Where the inside of a `str` is not known (the limited API, other implementations), Python does both.

use crate::simd::transcode::Surrogate;
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
use crate::simd::transcode::{self, Form};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Makes a `str`, equal in all respects to the one that Python would make.
#[inline]
pub(crate) fn new<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    // Python keeps the empty `str` and those of one character up to U+00FF, and hands out the same each time.
    if text.len() <= 2 {
        return PyString::new(py, text);
    }
    decoded(py, text).unwrap_or_else(|| PyString::new(py, text))
}

#[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
fn decoded<'py>(_: Python<'py>, _: &str) -> Option<Bound<'py, PyString>> {
    None
}

/// The `str` of a text, or `None` where there is no memory for it.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
fn decoded<'py>(py: Python<'py>, text: &str) -> Option<Bound<'py, PyString>> {
    use transcode::{Measure, Width, to_four, to_latin1, to_two};
    // Measuring a short text would cost more than making it.
    if text.len() <= SHORT && transcode::is_short_ascii(text) {
        return filled(py, text.len(), 0x7F, |room| copy(text, room));
    }
    let form = Form::best();
    let Measure { width, characters } = transcode::measure(form, text);
    match width {
        Width::Ascii => filled(py, characters, 0x7F, |room| copy(text, room)),
        Width::Latin1 => filled(py, characters, 0xFF, |room| to_latin1(form, text, room)),
        Width::Two => filled(py, characters, 0xFFFF, |room| to_two(form, text, room)),
        Width::Four => filled(py, characters, 0x10_FFFF, |room| to_four(form, text, room)),
    }
}

/// Up to how many bytes a text is looked through for anything but ASCII before it is measured.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
const SHORT: usize = 256;

#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
#[inline]
#[expect(
    unsafe_code,
    reason = "the standard library has no safe way yet that is as quick for short texts"
)]
fn copy(text: &str, room: &mut [std::mem::MaybeUninit<u8>]) -> usize {
    assert_eq!(room.len(), text.len());
    // SAFETY: There is room for the text, and a text that is borrowed is not what is being written.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), room.as_mut_ptr().cast(), text.len()) };
    text.len()
}

/// A new `str` for characters up to the highest given, all of which `fill` writes, in the width that `highest` implies.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
#[inline]
#[expect(unsafe_code, reason = "PyO3 has no way to write into a new `str`")]
fn filled<U: Copy>(
    py: Python<'_>,
    characters: usize,
    highest: ffi::Py_UCS4,
    fill: impl FnOnce(&mut [std::mem::MaybeUninit<U>]) -> usize,
) -> Option<Bound<'_, PyString>> {
    let length = ffi::Py_ssize_t::try_from(characters).ok()?;
    // SAFETY: The thread is attached. The function returns a new reference to a `str`, or null with an exception set. Nobody
    // else knows the object yet, so that it may be written: `characters` units of the width that goes with `highest`. It
    // is returned only if all of them were written; otherwise it is dropped unread.
    unsafe {
        let made = ffi::PyUnicode_New(length, highest);
        let Some(made) = Bound::from_owned_ptr_or_opt(py, made) else {
            drop(PyErr::take(py));
            return None;
        };
        debug_assert_eq!(ffi::PyUnicode_KIND(made.as_ptr()) as usize, size_of::<U>());
        let room = std::slice::from_raw_parts_mut(ffi::PyUnicode_DATA(made.as_ptr()).cast(), characters);
        let written = fill(room);
        assert_eq!(written, characters, "a text has as many characters as were counted");
        Some(made.cast_into_unchecked::<PyString>())
    }
}

/// The text of a `str` that is all ASCII, where it keeps it; also `None` where the inside of a `str` is not known. It asks
/// less than [`characters`], for those who have one short text only.
#[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
pub(crate) fn ascii<'t>(_: &'t Bound<'_, PyString>) -> Option<&'t str> {
    None
}

/// The text of a `str` that is all ASCII, where it keeps it; also `None` where the inside of a `str` is not known. It asks
/// less than [`characters`], for those who have one short text only.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
#[inline]
#[expect(
    unsafe_code,
    reason = "reading a `str` in any other way takes longer than a short text has time"
)]
pub(crate) fn ascii<'t>(text: &'t Bound<'_, PyString>) -> Option<&'t str> {
    let object = text.as_ptr();
    // SAFETY: The thread is attached, the object is a `str`, and nobody writes to one that more than its maker knows. One
    // that says it is ASCII keeps so many bytes of ASCII, which is UTF-8, as it has characters.
    unsafe {
        if ffi::PyUnicode_IS_ASCII(object) == 0 {
            return None;
        }
        let length = usize::try_from(ffi::PyUnicode_GET_LENGTH(object)).ok()?;
        let bytes = std::slice::from_raw_parts(ffi::PyUnicode_DATA(object).cast::<u8>(), length);
        debug_assert!(bytes.is_ascii());
        Some(std::str::from_utf8_unchecked(bytes))
    }
}

/// The characters of a `str`, where it keeps them.
pub(crate) enum Characters<'t> {
    /// They are UTF-8 as they are.
    Utf8(&'t str),
    /// One byte each; some are above U+007F.
    #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
    Latin1(&'t [u8]),
    /// Two bytes each.
    #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
    Two(&'t [u16]),
    /// Four bytes each.
    #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
    Four(&'t [u32]),
    /// There is a surrogate among them.
    #[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
    Surrogate,
}

/// The characters of a `str`.
#[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
pub(crate) fn characters<'t>(text: &'t Bound<'_, PyString>) -> PyResult<Characters<'t>> {
    match text.to_str() {
        Ok(utf8) => Ok(Characters::Utf8(utf8)),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyUnicodeEncodeError>(text.py()) => {
            Ok(Characters::Surrogate)
        }
        Err(error) => Err(error),
    }
}

/// The characters of a `str`.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
#[inline]
#[expect(
    unsafe_code,
    reason = "reading a `str` in any other way makes a copy and leaves it there"
)]
pub(crate) fn characters<'t>(text: &'t Bound<'_, PyString>) -> PyResult<Characters<'t>> {
    use pyo3::types::string::PyStringData;
    // SAFETY: The thread is attached, and nobody writes to a `str` that more than its maker knows.
    Ok(match unsafe { text.data()? } {
        // Only a `str` whose characters are all ASCII keeps them right behind the smaller of its two heads. A `str` that
        // keeps them elsewhere is read as Latin-1, which is right for ASCII too.
        PyStringData::Ucs1(units)
            if units.as_ptr().addr() == text.as_ptr().addr() + size_of::<ffi::PyASCIIObject>() =>
        {
            debug_assert!(units.is_ascii());
            // SAFETY: ASCII is UTF-8.
            Characters::Utf8(unsafe { std::str::from_utf8_unchecked(units) })
        }
        PyStringData::Ucs1(units) => Characters::Latin1(units),
        PyStringData::Ucs2(units) => Characters::Two(units),
        PyStringData::Ucs4(units) => Characters::Four(units),
    })
}

impl Characters<'_> {
    /// Appends them to a string; none if there is a surrogate among them, be it one of a pair.
    #[inline]
    pub(crate) fn push_to(&self, out: &mut String) -> Result<(), Surrogate> {
        match self {
            Self::Utf8(text) => out.push_str(text),
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Latin1(units) => transcode::push_latin1(Form::best(), units, out),
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Two(units) => return transcode::push_two(Form::best(), units, out),
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Four(units) => return transcode::push_four(Form::best(), units, out),
            #[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
            Self::Surrogate => return Err(Surrogate),
        }
        Ok(())
    }

    /// Whether there is a surrogate among them. Most texts cannot have one, and are not looked through.
    pub(crate) fn has_surrogate(&self) -> bool {
        match self {
            Self::Utf8(_) => false,
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Latin1(_) => false,
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Two(units) => transcode::has_surrogate_two(units),
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Four(units) => transcode::has_surrogate_four(units),
            #[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
            Self::Surrogate => true,
        }
    }

    /// How many bytes of UTF-8 they are.
    pub(crate) fn utf8_length(&self) -> usize {
        match self {
            Self::Utf8(text) => text.len(),
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Latin1(units) => units.iter().map(|&unit| 1 + usize::from(unit >= 0x80)).sum(),
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Two(units) => units
                .iter()
                .map(|&unit| 1 + usize::from(unit >= 0x80) + usize::from(unit >= 0x800))
                .sum(),
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            Self::Four(units) => units
                .iter()
                .map(|&unit| 1 + usize::from(unit >= 0x80) + usize::from(unit >= 0x800) + usize::from(unit >= 0x1_0000))
                .sum(),
            #[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
            Self::Surrogate => 0,
        }
    }
}

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
