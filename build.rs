//! Tells the boundary to Python which Python it is compiled for: what is inside a `str` is known for some of them only.

fn main() {
    #[cfg(feature = "python")]
    pyo3_build_config::use_pyo3_cfgs();
    println!("cargo::rerun-if-changed=build.rs");
}
