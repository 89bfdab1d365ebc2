//! Which folders plugins are taken from.
//!
//! Python puts the current directory, or the folder of the script that runs, in front of `sys.path`. A folder of metadata
//! there comes with whatever was unpacked or cloned, and nobody installed it. So it is trusted only if the folder is one of
//! the site's own, or if the site names it in a `.pth` file, as some editable installations do.

use pyo3::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is known of folders. It is asked about few: those that hold distributions with plugins.
#[derive(Default)]
pub(super) struct Trust {
    answers: HashMap<PathBuf, bool>,
}

impl Trust {
    pub(super) fn trusts(&mut self, py: Python<'_>, folder: &Path) -> bool {
        if let Some(&known) = self.answers.get(folder) {
            return known;
        }
        let real = real(folder);
        let trusted = !is_untrusted(py, &real) || is_of_site(py, &real);
        self.answers.insert(folder.to_owned(), trusted);
        trusted
    }
}

/// The folder without links; an empty path is the current directory, as it is on `sys.path`.
pub(super) fn real(folder: &Path) -> PathBuf {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    fs_err::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Whether it is the current directory, or the folder of the script that runs.
fn is_untrusted(py: Python<'_>, folder: &Path) -> bool {
    let current = std::env::current_dir().is_ok_and(|current| real(&current) == folder);
    current || script_folder(py).is_some_and(|script| real(&script) == folder)
}

/// The folder of the script. A module that runs with `-m` was found on the path, and its folder is the current one or not.
fn script_folder(py: Python<'_>) -> Option<PathBuf> {
    let main = py.import("__main__").ok()?;
    if !main.getattr("__spec__").ok()?.is_none() {
        return None;
    }
    let file: PathBuf = main.getattr("__file__").ok()?.extract().ok()?;
    Some(real(file.parent()?))
}

/// Whether the folder is one that packages are installed to, or one that such a folder names.
fn is_of_site(py: Python<'_>, folder: &Path) -> bool {
    let sites = site_folders(py).unwrap_or_default();
    sites.iter().any(|site| real(site) == folder) || sites.iter().any(|site| names_in_pth(site, folder))
}

fn site_folders(py: Python<'_>) -> PyResult<Vec<PathBuf>> {
    let paths = py.import("sysconfig")?.call_method0("get_paths")?;
    let mut sites: Vec<PathBuf> = vec![
        paths.get_item("purelib")?.extract()?,
        paths.get_item("platlib")?.extract()?,
    ];
    let site = py.import("site")?;
    sites.extend(site.call_method0("getsitepackages")?.extract::<Vec<PathBuf>>()?);
    if site.getattr("ENABLE_USER_SITE")?.is_truthy()? {
        sites.push(site.call_method0("getusersitepackages")?.extract()?);
    }
    Ok(sites)
}

/// Whether a `.pth` file of a site folder adds this folder to the path. A line is a folder unless it is a comment or an import.
fn names_in_pth(site: &Path, folder: &Path) -> bool {
    let Ok(entries) = fs_err::read_dir(site) else {
        return false;
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pth"))
        .filter_map(|path| fs_err::read(path).ok())
        .any(|bytes| {
            String::from_utf8_lossy(&bytes)
                .lines()
                .map(str::trim_end)
                .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("import"))
                .any(|line| real(&site.join(line)) == folder)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pth_file_names_folders_and_nothing_else() {
        let site = tempfile::tempdir().expect("a folder");
        let source = site.path().join("source");
        fs_err::create_dir(&source).expect("a folder");
        fs_err::write(site.path().join("x.pth"), "# source\nimport source\n").expect("a file");
        assert!(!names_in_pth(site.path(), &real(&source)));
        fs_err::write(site.path().join("y.pth"), "source\n").expect("a file");
        assert!(names_in_pth(site.path(), &real(&source)));
    }
}
