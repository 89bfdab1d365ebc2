//! Measures the way of texts into a `str` and back: by CPython's own functions, and by ours.
#![allow(dead_code, reason = "the files of the package are taken as they are")]

mod simd {
    pub(crate) mod transcode;
}
mod python {
    pub(crate) mod text;
}

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use python::text;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long both directions took.
#[derive(Clone, Copy, Default)]
struct Times {
    making: Duration,
    reading: Duration,
}

/// Makes and drops a `str` of each text, then reads fresh ones back into one buffer.
fn measure<'py>(
    py: Python<'py>,
    texts: &[String],
    buffer: &mut String,
    make: impl Fn(&str) -> Bound<'py, PyString>,
    read: impl Fn(&Bound<'py, PyString>, &mut String),
) -> Times {
    let start = Instant::now();
    for text in texts {
        drop(black_box(make(black_box(text))));
    }
    let making = start.elapsed();
    let made: Vec<_> = texts.iter().map(|text| PyString::new(py, text)).collect();
    buffer.clear();
    let start = Instant::now();
    for text in &made {
        read(text, buffer);
    }
    let reading = start.elapsed();
    Times { making, reading }
}

fn read_by_python(text: &Bound<'_, PyString>, buffer: &mut String) {
    let mut length = 0;
    // SAFETY: The thread is attached, the object is a `str`, and the UTF-8 lives as long as it does.
    let utf8 = unsafe {
        let start = ffi::PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut length);
        assert!(!start.is_null(), "a text has no surrogates");
        std::str::from_utf8_unchecked(std::slice::from_raw_parts(start.cast(), length as usize))
    };
    buffer.push_str(utf8);
}

/// The times of CPython and ours in nanoseconds per text, making and reading, the texts in small groups that both take in
/// turn: `[python_making, python_reading, our_making, our_reading]`.
#[pyfunction]
fn compare(py: Python<'_>, texts: Vec<String>) -> [f64; 4] {
    let mut sums = [Times::default(); 2];
    let mut buffer = String::new();
    for (round, group) in texts.chunks(64).enumerate() {
        for turn in 0..2 {
            let ours = (turn + round) % 2;
            let times = if ours == 1 {
                measure(
                    py,
                    group,
                    &mut buffer,
                    |text| text::new(py, text),
                    |text, buffer| {
                        let characters = text::characters(text).expect("a `str`");
                        assert!(characters.push_to(buffer).is_ok(), "a text has no surrogates");
                    },
                )
            } else {
                measure(py, group, &mut buffer, |text| PyString::new(py, text), read_by_python)
            };
            let written: usize = group.iter().map(String::len).sum();
            assert_eq!(buffer.len(), written, "what was read back is as long as what was made");
            sums[ours].making += times.making;
            sums[ours].reading += times.reading;
        }
    }
    [sums[0].making, sums[0].reading, sums[1].making, sums[1].reading]
        .map(|time| time.as_secs_f64() * 1e9 / texts.len() as f64)
}

#[pymodule]
fn transcoding(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compare, module)?)
}
