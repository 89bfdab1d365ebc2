//! The transcoder looks into a `str` where it knows its inside.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
