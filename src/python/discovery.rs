//! Finds the plugins that installed distributions offer, without importing any of them.
//!
//! Python's `entry_points()` raises for everybody when one unrelated package has a bad byte. So each finder and each
//! distribution is asked by itself, and what is wrong with one becomes a [`Finding`] that hides nothing else. The finders
//! say which distributions there are; the files of those that lie in ordinary folders are read here, which is what makes it quick.

mod findings;
mod metadata;
mod trust;

use crate::error::{Error, Result, Shown};
use crate::plugins::{Discovery, Finding, GROUP, Plugin, Severity, fold, parse_entry_points};
use crate::python::exceptions::describe;
use crate::python::values::type_name;
use metadata::{Folder, Header};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use trust::Trust;

/// Looks at everything that is installed.
pub(super) fn discover(py: Python<'_>) -> Result<Discovery> {
    let mut search = Search::default();
    search.ask_finders(py).map_err(|error| {
        Error::Internal(format!(
            "The finders of Python cannot be asked: {}.",
            describe(py, &error)
        ))
    })?;
    Ok(search.conclude(py))
}

/// A distribution that offers plugins, or may hide one that does.
struct Candidate {
    folder: Folder,
    /// The place of the folder that holds it among the folders that were searched: the first is imported from.
    rank: usize,
    entry_points: Option<String>,
}

#[derive(Default)]
struct Search {
    distributions: usize,
    findings: Vec<Finding>,
    /// Folded name of the distribution, and those that have it.
    candidates: BTreeMap<String, Vec<Candidate>>,
    seen: HashSet<PathBuf>,
    parents: HashMap<PathBuf, (PathBuf, usize)>,
}

impl Search {
    /// Asks what `importlib.metadata.distributions()` asks. That function stops at the first finder that raises, and importing
    /// its module takes longer than all the rest, so what Python's own finder would say is read from the folders directly.
    fn ask_finders(&mut self, py: Python<'_>) -> PyResult<()> {
        let own = py.import("_frozen_importlib_external")?.getattr("PathFinder")?;
        for finder in py.import("sys")?.getattr("meta_path")?.try_iter()? {
            let finder = finder?;
            let asked = match finder.getattr_opt("find_distributions") {
                Ok(Some(find)) if finder.is(&own) && !find.is_none() => self.look_along_path(py),
                Ok(Some(find)) if !find.is_none() => self.ask(&find, None),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = asked {
                let finding = findings::finder_failed(&type_name(&finder), &describe(py, &error));
                self.findings.push(finding);
            }
        }
        Ok(())
    }

    /// Looks at the distributions that lie in the folders of `sys.path`, and asks Python for those that lie in archives.
    fn look_along_path(&mut self, py: Python<'_>) -> PyResult<()> {
        for entry in py.import("sys")?.getattr("path")?.try_iter()? {
            let entry = entry?;
            // What is no path is skipped, as Python skips it when it imports.
            let Ok(folder) = entry.extract::<PathBuf>() else {
                continue;
            };
            match metadata::distributions(&folder) {
                Ok(found) => {
                    self.distributions += found.len();
                    for path in found {
                        self.look_at_folder(path);
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotADirectory => {
                    let finder = py.import("importlib.metadata")?.getattr("MetadataPathFinder")?;
                    self.ask(&finder.getattr("find_distributions")?, Some(&entry))?;
                }
                // Most paths name a folder or two that are not there, and what no file can be called is not there either.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {}
                Err(error) => self.findings.push(findings::unlisted(&folder, &error)),
            }
        }
        Ok(())
    }

    /// Asks a finder for all distributions, or for those at one place.
    fn ask(&mut self, find: &Bound<'_, PyAny>, place: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = find.py();
        let path_type = py.import("pathlib")?.getattr("Path")?;
        let arguments = PyDict::new(py);
        if let Some(place) = place {
            arguments.set_item("path", [place])?;
        }
        let finder = py.import("importlib.metadata")?.getattr("DistributionFinder")?;
        let context = finder.getattr("Context")?.call((), Some(&arguments))?;
        for distribution in find.call1((context,))?.try_iter()? {
            self.look_at(&distribution?, &path_type);
        }
        Ok(())
    }

    fn look_at(&mut self, distribution: &Bound<'_, PyAny>, path_type: &Bound<'_, PyAny>) {
        self.distributions += 1;
        if let Some(path) = ordinary_path(distribution, path_type) {
            self.look_at_folder(path);
        } else {
            self.look_at_object(distribution);
        }
    }

    /// A distribution whose metadata lies in an ordinary folder, as nearly all do.
    fn look_at_folder(&mut self, path: PathBuf) {
        let folder = Folder::new(path);
        let (parent, rank) = self.rank_of(folder.parent());
        if !self.seen.insert(parent.join(folder.file_name())) {
            return;
        }
        let entry_points = match folder.read("entry_points.txt") {
            Ok(entry_points) => entry_points,
            Err(error) => {
                let path = folder.path().join("entry_points.txt");
                self.findings.push(findings::unreadable(
                    &folder.name(),
                    &path,
                    "unreadable_entry_points",
                    &error.to_string(),
                ));
                None
            }
        };
        let entry_points = entry_points.and_then(|bytes| self.offered(&folder, bytes));
        self.candidates
            .entry(fold(&folder.name()))
            .or_default()
            .push(Candidate {
                folder,
                rank,
                entry_points,
            });
    }

    /// A distribution that only its own object can read: in an archive, or of another finder.
    fn look_at_object(&mut self, distribution: &Bound<'_, PyAny>) {
        let py = distribution.py();
        let location = distribution
            .getattr("_path")
            .and_then(|path| path.str())
            .map(|path| path.to_string_lossy().into_owned());
        let location = location.unwrap_or_else(|_| type_name(distribution));
        let text: Result<Option<String>, PyErr> = distribution
            .call_method1("read_text", ("entry_points.txt",))
            .and_then(|text| text.extract());
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                self.findings.push(findings::unreadable(
                    "",
                    Path::new(&location),
                    "unreadable_entry_points",
                    &describe(py, &error),
                ));
                return;
            }
        };
        let Some(text) = text.filter(|text| text.contains(GROUP)) else {
            return;
        };
        let header = distribution
            .call_method1("read_text", ("METADATA",))
            .and_then(|text| text.extract::<Option<String>>());
        let header = match header {
            Ok(header) => Header::read(header.unwrap_or_default().as_bytes()),
            Err(error) => {
                self.findings.push(findings::unreadable(
                    "",
                    Path::new(&location),
                    "unreadable_metadata",
                    &describe(py, &error),
                ));
                return;
            }
        };
        let (_, rank) = self.rank_of(Path::new(&location).parent().unwrap_or(Path::new("")));
        let folder = Folder::of_archive(PathBuf::from(location), header);
        self.candidates
            .entry(fold(&folder.name()))
            .or_default()
            .push(Candidate {
                folder,
                rank,
                entry_points: Some(text),
            });
    }

    /// The real path of a folder that holds distributions, and its place among those that were searched.
    fn rank_of(&mut self, parent: &Path) -> (PathBuf, usize) {
        if let Some(known) = self.parents.get(parent) {
            return known.clone();
        }
        let real = trust::real(parent);
        let rank = self
            .parents
            .values()
            .find(|(known, _)| *known == real)
            .map_or(self.parents.len(), |(_, rank)| *rank);
        self.parents.insert(parent.to_owned(), (real.clone(), rank));
        (real, rank)
    }

    /// The text of an `entry_points.txt` that may offer plugins. A file of another group's is nobody's business here,
    /// whatever is wrong with it.
    fn offered(&mut self, folder: &Folder, bytes: Vec<u8>) -> Option<String> {
        if memchr::memmem::find(&bytes, GROUP.as_bytes()).is_none() {
            if std::str::from_utf8(&bytes).is_err() {
                self.findings.push(findings::not_utf8(folder, &bytes));
            }
            return None;
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) => {
                self.findings.push(findings::not_utf8(folder, error.as_bytes()));
                // The lines without the bad byte are still good; the bad one has a character that no name and no reference can have.
                Some(String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
        }
    }

    fn conclude(mut self, py: Python<'_>) -> Discovery {
        let mut trust = Trust::default();
        let mut plugins = Vec::new();
        for (_, same_name) in std::mem::take(&mut self.candidates) {
            let Some(chosen) = self.choose(py, &mut trust, same_name) else {
                continue;
            };
            self.read_plugins(&chosen, &mut plugins);
        }
        plugins.sort_by(|left, right| {
            (&left.name, &left.short_name, &left.entry_point).cmp(&(&right.name, &right.short_name, &right.entry_point))
        });
        self.note_names(&plugins);
        self.findings.sort();
        self.findings.dedup();
        Discovery {
            plugins,
            findings: self.findings,
            distributions: self.distributions,
        }
    }

    /// Of the distributions with one name, the one whose modules are imported: the first on `sys.path` that is whole and
    /// trusted. In one folder it is the one with the highest version, as an upgrade that was interrupted leaves it.
    fn choose(&mut self, py: Python<'_>, trust: &mut Trust, mut same_name: Vec<Candidate>) -> Option<Candidate> {
        same_name.retain(|candidate| {
            let whole = candidate.folder.has_metadata();
            if !whole {
                self.findings.push(findings::stale(&candidate.folder));
            }
            whole
        });
        if same_name.iter().all(|candidate| candidate.entry_points.is_none()) {
            return None;
        }
        same_name.retain(|candidate| {
            let trusted = trust.trusts(py, candidate.folder.parent());
            if !trusted && candidate.entry_points.is_some() {
                self.findings.push(findings::untrusted(&candidate.folder));
            }
            trusted
        });
        same_name.sort_by(|left, right| {
            (
                left.rank,
                std::cmp::Reverse(left.folder.version_key()),
                left.folder.path(),
            )
                .cmp(&(
                    right.rank,
                    std::cmp::Reverse(right.folder.version_key()),
                    right.folder.path(),
                ))
        });
        let mut same_name = same_name.into_iter();
        let chosen = same_name.next()?;
        for hidden in same_name {
            self.findings.push(findings::duplicate(
                &chosen.folder,
                &hidden.folder,
                chosen.rank == hidden.rank,
            ));
        }
        Some(chosen)
    }

    fn read_plugins(&mut self, candidate: &Candidate, plugins: &mut Vec<Plugin>) {
        let Some(text) = &candidate.entry_points else {
            return;
        };
        let folder = &candidate.folder;
        let header = folder.header();
        let distribution = folder.name();
        let file = Shown(&folder.path().join("entry_points.txt")).to_string();
        let (entries, findings) = parse_entry_points(text, GROUP);
        if !findings.is_empty() || !entries.is_empty() {
            self.findings.extend(header.problem(&distribution, folder.path()));
        }
        for finding in findings {
            self.findings.push(Finding {
                distribution: Some(distribution.clone()),
                code: finding.code.to_owned(),
                severity: Severity::Error,
                path: Some(file.clone()),
                line: Some(finding.line),
                message: finding.message,
                hint: None,
            });
        }
        for entry in entries {
            plugins.push(Plugin {
                name: format!("{}/{}", fold(&distribution), fold(&entry.name)),
                short_name: entry.name,
                distribution: distribution.clone(),
                version: header.version.clone(),
                entry_point: entry.value,
                location: Shown(folder.path()).to_string(),
                editable: folder.is_editable(),
            });
        }
    }

    /// Notes the short names that cannot be used alone.
    fn note_names(&mut self, plugins: &[Plugin]) {
        let mut by_name: BTreeMap<String, Vec<&Plugin>> = BTreeMap::new();
        for plugin in plugins {
            by_name.entry(fold(&plugin.short_name)).or_default().push(plugin);
        }
        for (name, sharing) in by_name {
            if crate::steps::built_in(&name).is_some() {
                for plugin in &sharing {
                    self.findings.push(findings::named(
                        plugin,
                        "reserved_name",
                        format!(
                            "`{name}` is the name of a built-in step, so it does not stand for the plugin of {}.",
                            plugin.distribution
                        ),
                        format!("Write `{}` for the plugin.", plugin.name),
                    ));
                }
            }
            let first = &sharing[0].distribution;
            if sharing.iter().any(|plugin| fold(&plugin.distribution) != fold(first)) {
                let list: Vec<_> = sharing.iter().map(|plugin| format!("`{}`", plugin.name)).collect();
                for plugin in &sharing {
                    self.findings.push(findings::named(
                        plugin,
                        "shared_name",
                        format!("Several distributions offer the name `{name}`: {}.", list.join(", ")),
                        format!("Write `{}` for this one.", plugin.name),
                    ));
                }
            }
        }
    }
}

/// The path of the metadata, if it is a folder of the file system.
fn ordinary_path(distribution: &Bound<'_, PyAny>, path_type: &Bound<'_, PyAny>) -> Option<PathBuf> {
    let path = distribution.getattr(pyo3::intern!(distribution.py(), "_path")).ok()?;
    if !path.is_instance(path_type).unwrap_or(false) {
        return None;
    }
    path.extract().ok()
}
