//! Readies what other programs hand over through Arrow's C interface for a library that wants offsets aligned.
//!
//! The interface recommends that buffers lie at multiples of eight bytes and does not demand it, and what was received over
//! a network, as the partitions of Dask are, lies anywhere. `arrow-rs` aligns what it takes, but reads some numbers before it
//! does: the last offset of texts, and how long the buffers of views are. Only these are copied here where they need it.

use crate::python::values::type_name;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_schema::DataType;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// The schema and the array of an object that has `__arrow_c_array__`, readied.
pub(super) fn array_capsules<'py>(
    object: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
    let capsules = object.call_method0(intern!(object.py(), "__arrow_c_array__"))?;
    let (schema, array) = capsules.extract()?;
    ready_array(object, &schema, &array)?;
    Ok((schema, array))
}

/// The stream of an object that has `__arrow_c_stream__`, whose arrays are readied when they come.
pub(super) fn stream_capsule<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyCapsule>> {
    let capsule = object.call_method0(intern!(object.py(), "__arrow_c_stream__"))?;
    let capsule = capsule.cast_into()?;
    ready_stream(object, &capsule)?;
    Ok(capsule)
}

/// The error of an object of which some of the types are unknown: it names the first column of such a type.
fn unknown_type(object: &Bound<'_, PyAny>, schema: &FFI_ArrowSchema) -> PyErr {
    let py = object.py();
    let is_unknown = |schema: &&FFI_ArrowSchema| DataType::try_from(*schema).is_err();
    let (place, format) = match schema.children().find(is_unknown) {
        Some(column) => (
            format!(
                "the column `{}` of a `{}`",
                column.name().unwrap_or_default(),
                type_name(object)
            ),
            column.format(),
        ),
        None => (format!("a `{}`", type_name(object)), schema.format()),
    };
    let error = PyTypeError::new_err(format!(
        "The type of {place} is not known here: Arrow's C interface tells of it as `{format}`."
    ));
    match error.add_note(py, "Leave the column out, or cast it to another type first.") {
        Ok(()) => error,
        Err(second) => second,
    }
}

/// Readies the array in a pair of capsules.
#[expect(unsafe_code, reason = "what the capsules hold is said by their names only")]
fn ready_array(object: &Bound<'_, PyAny>, schema: &Bound<'_, PyCapsule>, array: &Bound<'_, PyCapsule>) -> PyResult<()> {
    let schema = schema.pointer_checked(Some(SCHEMA))?.cast::<FFI_ArrowSchema>();
    let array = array.pointer_checked(Some(ARRAY))?.cast::<FFI_ArrowArray>();
    // SAFETY: capsules of these names hold structures of these types, which nobody else uses while we are attached.
    unsafe {
        let r#type = DataType::try_from(schema.as_ref()).map_err(|_| unknown_type(object, schema.as_ref()))?;
        ready(array.as_ptr(), &r#type);
    }
    Ok(())
}

/// Readies every array of the stream in a capsule, when it comes.
#[expect(unsafe_code, reason = "what the capsule holds is said by its name only")]
fn ready_stream(object: &Bound<'_, PyAny>, capsule: &Bound<'_, PyCapsule>) -> PyResult<()> {
    let stream = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds a structure of this type, which nobody else uses while we are attached. It is
    // replaced by one that owns it.
    unsafe {
        let Some(schema) = schema_of(stream.as_ptr()) else {
            return Ok(());
        };
        let r#type = DataType::try_from(&schema).map_err(|_| unknown_type(object, &schema))?;
        let source = ptr::read(stream.as_ptr());
        let own = Box::new(Forwarded { source, r#type });
        let readying = FFI_ArrowArrayStream {
            get_schema: Some(get_schema),
            get_next: Some(get_next),
            get_last_error: Some(get_last_error),
            release: Some(release_stream),
            private_data: Box::into_raw(own).cast(),
        };
        ptr::write(stream.as_ptr(), readying);
    }
    Ok(())
}

/// The schema of the arrays of a stream; `None` if it has none, which whoever takes the stream tells of.
///
/// # Safety
/// The stream must be valid, unless it was released.
#[expect(unsafe_code, reason = "the functions of a stream are pointers")]
unsafe fn schema_of(stream: *mut FFI_ArrowArrayStream) -> Option<FFI_ArrowSchema> {
    let mut schema = FFI_ArrowSchema::empty();
    // SAFETY: the stream is valid, and the schema is ours to write.
    unsafe {
        (*stream).release?;
        let code = (*stream).get_schema?(stream, &raw mut schema);
        (code == 0).then_some(schema)
    }
}

/// A stream of somebody else, behind one whose arrays are readied.
struct Forwarded {
    source: FFI_ArrowArrayStream,
    r#type: DataType,
}

/// # Safety
/// The stream must be one that [`ready_stream`] has made, and not released.
#[expect(unsafe_code, reason = "the interface is made of pointers")]
unsafe fn forwarded<'a>(stream: *mut FFI_ArrowArrayStream) -> &'a mut Forwarded {
    // SAFETY: its data are of this type, and a stream is used by one thread at a time.
    unsafe { &mut *(*stream).private_data.cast::<Forwarded>() }
}

#[expect(unsafe_code, reason = "the interface is made of pointers")]
unsafe extern "C" fn get_schema(stream: *mut FFI_ArrowArrayStream, schema: *mut FFI_ArrowSchema) -> c_int {
    // SAFETY: the caller keeps to the interface; a stream of which the type is known has this function.
    unsafe {
        let source = &raw mut forwarded(stream).source;
        (*source).get_schema.map_or(-1, |function| function(source, schema))
    }
}

#[expect(unsafe_code, reason = "the interface is made of pointers")]
unsafe extern "C" fn get_next(stream: *mut FFI_ArrowArrayStream, array: *mut FFI_ArrowArray) -> c_int {
    // SAFETY: the caller keeps to the interface. What was written to `array` is valid where the code says so.
    unsafe {
        let own = forwarded(stream);
        let source = &raw mut own.source;
        let code = (*source).get_next.map_or(-1, |function| function(source, array));
        if code == 0 {
            ready(array, &own.r#type);
        }
        code
    }
}

#[expect(unsafe_code, reason = "the interface is made of pointers")]
unsafe extern "C" fn get_last_error(stream: *mut FFI_ArrowArrayStream) -> *const c_char {
    // SAFETY: the caller keeps to the interface.
    unsafe {
        let source = &raw mut forwarded(stream).source;
        (*source)
            .get_last_error
            .map_or(ptr::null(), |function| function(source))
    }
}

#[expect(unsafe_code, reason = "the interface is made of pointers")]
unsafe extern "C" fn release_stream(stream: *mut FFI_ArrowArrayStream) {
    // SAFETY: the data were made by `ready_stream`, and a stream is released once. The source is released with them.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<Forwarded>()));
        (*stream).release = None;
    }
}

/// What was copied for an array, and the array itself, which is released before.
struct Readied {
    source: FFI_ArrowArray,
    copies: Copies,
}

#[derive(Default)]
struct Copies {
    numbers: Vec<Vec<u64>>,
    pointers: Vec<Vec<*const c_void>>,
}

/// Readies an array, which is replaced by one that owns it if anything was copied.
///
/// # Safety
/// The array must be valid, or released, and of the type.
#[expect(unsafe_code, reason = "the interface is made of pointers")]
unsafe fn ready(array: *mut FFI_ArrowArray, r#type: &DataType) {
    let mut copies = Copies::default();
    // SAFETY: the array is valid, which the caller sees to; it is moved as the interface allows it.
    unsafe {
        if (*array).release.is_none() {
            return;
        }
        copies.of(&mut *array, r#type);
        if copies.numbers.is_empty() {
            return;
        }
        let source = ptr::read(array);
        let mut readied = FFI_ArrowArray {
            length: source.length,
            null_count: source.null_count,
            offset: source.offset,
            n_buffers: source.n_buffers,
            n_children: source.n_children,
            buffers: source.buffers,
            children: source.children,
            dictionary: source.dictionary,
            release: Some(release_array),
            private_data: ptr::null_mut(),
        };
        readied.private_data = Box::into_raw(Box::new(Readied { source, copies })).cast();
        ptr::write(array, readied);
    }
}

#[expect(unsafe_code, reason = "the interface is made of pointers")]
unsafe extern "C" fn release_array(array: *mut FFI_ArrowArray) {
    // SAFETY: the data were made by `ready`, and an array is released once.
    unsafe {
        let Readied { source, copies } = *Box::from_raw((*array).private_data.cast::<Readied>());
        drop(source);
        drop(copies);
        (*array).release = None;
    }
}

impl Copies {
    /// Copies what is read too early in an array and below it. The array has other pointers then, which it does not own.
    ///
    /// # Safety
    /// The array must be valid and of the type, and must not outlive `self`.
    #[expect(unsafe_code, reason = "the interface is made of pointers")]
    unsafe fn of(&mut self, array: &mut FFI_ArrowArray, r#type: &DataType) {
        let rows = usize::try_from(array.length.saturating_add(array.offset)).unwrap_or(0);
        let buffers = usize::try_from(array.n_buffers).unwrap_or(0);
        // An array without rows may have no offsets, and nobody reads them.
        let offsets = if array.length > 0 { rows + 1 } else { 0 };
        // SAFETY: the array is valid and of the type, which says what its buffers and children are; the dictionary is valid as
        // long as the array.
        unsafe {
            match r#type {
                DataType::Utf8 | DataType::Binary => self.numbers(array, 1, size_of::<i32>(), offsets),
                DataType::LargeUtf8 | DataType::LargeBinary => self.numbers(array, 1, size_of::<i64>(), offsets),
                // Validity, views, any number of buffers, and how long each of those is.
                DataType::Utf8View | DataType::BinaryView if buffers > 3 => {
                    self.numbers(array, buffers - 1, size_of::<i64>(), buffers - 3);
                }
                DataType::Dictionary(_, values) => {
                    if let Some(dictionary) = array.dictionary.as_mut() {
                        self.of(dictionary, values);
                    }
                }
                DataType::List(field)
                | DataType::LargeList(field)
                | DataType::ListView(field)
                | DataType::LargeListView(field)
                | DataType::FixedSizeList(field, _)
                | DataType::Map(field, _) => self.children(array, [field.data_type()]),
                DataType::Struct(fields) => self.children(array, fields.iter().map(|field| field.data_type())),
                DataType::Union(fields, _) => self.children(array, fields.iter().map(|(_, field)| field.data_type())),
                DataType::RunEndEncoded(ends, values) => {
                    self.children(array, [ends.data_type(), values.data_type()]);
                }
                // Arrow counts none. Polars counts one, as older versions of Arrow did.
                DataType::Null => array.n_buffers = 0,
                _ => {}
            }
        }
    }

    /// Goes on with the children of an array.
    ///
    /// # Safety
    /// As for [`Copies::of`].
    #[expect(unsafe_code, reason = "the interface is made of pointers")]
    unsafe fn children<'t>(&mut self, array: &FFI_ArrowArray, types: impl IntoIterator<Item = &'t DataType>) {
        let count = usize::try_from(array.n_children).unwrap_or(0);
        for (index, r#type) in types.into_iter().enumerate().take(count) {
            // SAFETY: an array has as many valid children as it says, which the consumer may write to, since it may move them.
            unsafe {
                if let Some(child) = array.children.add(index).read_unaligned().as_mut() {
                    self.of(child, r#type);
                }
            }
        }
    }

    /// Copies a buffer of so many numbers of so many bytes if it does not lie at a multiple of that.
    ///
    /// # Safety
    /// As for [`Copies::of`], and the array must have that buffer, if it has so many.
    #[expect(unsafe_code, reason = "the interface is made of pointers")]
    unsafe fn numbers(&mut self, array: &mut FFI_ArrowArray, index: usize, size: usize, count: usize) {
        let buffers = usize::try_from(array.n_buffers).unwrap_or(0);
        if index >= buffers || count == 0 {
            return;
        }
        // SAFETY: an array has as many pointers to buffers as it says, and the buffer holds all of the numbers. The copy
        // is as large, and nobody writes to either.
        unsafe {
            let pointer = array.buffers.add(index).read_unaligned();
            if pointer.is_null() || pointer.addr().is_multiple_of(size) {
                return;
            }
            let mut copy = vec![0_u64; (count * size).div_ceil(size_of::<u64>())];
            ptr::copy_nonoverlapping(pointer.cast::<u8>(), copy.as_mut_ptr().cast(), count * size);
            let mut pointers: Vec<_> = (0..buffers)
                .map(|index| array.buffers.add(index).read_unaligned())
                .collect();
            pointers[index] = copy.as_ptr().cast();
            array.buffers = pointers.as_mut_ptr();
            self.numbers.push(copy);
            self.pointers.push(pointers);
        }
    }
}
