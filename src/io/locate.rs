//! Finds the inputs that paths and patterns name.
//!
//! A pattern is `*`, `?`, `[abc]` and `**` (any folders), as a shell knows them: a leading dot must be spelled out, and
//! `**` follows no links. Names need not be UTF-8, which is why the folders are walked here and not by the `glob` crate.

use super::folder::folder_of;
use super::remote::{self, ObjectUrl, Place, RemoteObject};
use super::{Input, InputLocation};
use crate::error::{ConfigError, Error, FileError, Result, Shown};
use crate::step::Cancel;
use glob::{MatchOptions, Pattern};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Finds the inputs that paths, addresses and patterns name, in order; `-` is standard input. The matches of a pattern are
/// sorted. Once it is cancelled, no store is waited for.
///
/// One file given twice, by whatever names, is an error unless `allow_repeat`. A file that does not exist is
/// left for the run to report, so that the others are processed, unless nothing exists at all.
pub fn locate(patterns: &[OsString], allow_repeat: bool, cancel: &Cancel) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    let mut urls = Vec::new();
    for pattern in patterns {
        if pattern == "-" {
            inputs.push(Some(Input::standard()));
        } else if let Some(url) = ObjectUrl::of(Path::new(pattern))? {
            let found = if remote::is_pattern(&url) {
                remote::matches(&url, cancel)?
            } else {
                url.check_object("input", every_file_in)?;
                vec![url]
            };
            inputs.extend(found.iter().map(|_| None));
            urls.extend(found);
        } else if is_pattern(pattern) && !exists(Path::new(pattern)) {
            inputs.extend(matches(pattern)?.into_iter().map(Input::file).map(Some));
        } else {
            let path = PathBuf::from(pattern);
            if path.is_dir() {
                return Err(directory(&path));
            }
            inputs.push(Some(Input::file(path)));
        }
    }
    // All objects are looked at together: each takes its time, and they are independent.
    let mut objects = RemoteObject::look_at(urls, cancel)?.into_iter().map(Input::object);
    let inputs: Vec<Input> = inputs
        .into_iter()
        .filter_map(|input| input.or_else(|| objects.next()))
        .collect();
    if !allow_repeat {
        refuse_repeats(&inputs)?;
    }
    let missing = |input: &Input| match &input.location {
        InputLocation::Standard => false,
        InputLocation::File(path) => !exists(path),
        InputLocation::Object(object) => object.check().is_err(),
    };
    if !inputs.is_empty() && inputs.iter().all(missing) {
        if let InputLocation::Object(object) = &inputs[0].location {
            // Its store says more than that there is nothing.
            object.check().map_err(|error| Error::Input(Box::new(error)))?;
        }
        let first = inputs[0].address();
        let message = if inputs.len() == 1 {
            format!("The input `{}` does not exist.", inputs[0].name)
        } else {
            format!(
                "None of the {} inputs exists; the first is `{}`.",
                inputs.len(),
                inputs[0].name
            )
        };
        let mut error = FileError::new(first, message);
        error.errno = Some(2);
        error.hint = Some("Check the path: it counts from the current directory.".to_owned());
        return Err(Error::Input(Box::new(error)));
    }
    Ok(inputs)
}

/// Whether something has this name, even a link that leads nowhere.
fn exists(path: &Path) -> bool {
    fs_err::symlink_metadata(path).is_ok()
}

fn directory(path: &Path) -> Error {
    let shown = Shown(path).to_string();
    let folder = shown.trim_end_matches('/');
    ConfigError::new(format!("The input `{shown}` is a directory; expected a file."))
        .with_hint(every_file_in(folder))
        .into()
}

/// How to name what is in a folder.
fn every_file_in(folder: &str) -> String {
    format!("Name the files in it with a pattern: `{folder}/*.jsonl`, or `{folder}/**/*.jsonl` for all levels.")
}

/// What makes two names the same file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// Standard input.
    Standard,
    /// A file that exists: its device and its number there.
    File(u64, u64),
    /// A file that does not exist (yet), by its canonical folder and its name.
    Path(PathBuf),
    /// An object, however its address is spelled.
    Object(Place),
}

impl Identity {
    /// Of what an input is read from.
    pub(super) fn of_input(input: &Input) -> Self {
        match &input.location {
            InputLocation::Standard => Self::Standard,
            InputLocation::File(path) => Self::of(path),
            InputLocation::Object(object) => Self::Object(object.url().place().clone()),
        }
    }

    /// Of a file.
    pub(super) fn of(path: &Path) -> Self {
        #[cfg(unix)]
        if let Ok(metadata) = fs_err::metadata(path) {
            use std::os::unix::fs::MetadataExt as _;
            return Self::File(metadata.dev(), metadata.ino());
        }
        if let Ok(path) = fs_err::canonicalize(path) {
            return Self::Path(path);
        }
        let canonical = fs_err::canonicalize(folder_of(path));
        Self::Path(match (canonical, path.file_name()) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => path.to_owned(),
        })
    }
}

fn refuse_repeats(inputs: &[Input]) -> Result<()> {
    let mut seen: HashMap<Identity, &str> = HashMap::new();
    for input in inputs {
        let Some(other) = seen.insert(Identity::of_input(input), &input.name) else {
            continue;
        };
        let message = if *other == input.name {
            format!("The input `{other}` is given twice.")
        } else {
            format!("The inputs `{other}` and `{}` are the same file.", input.name)
        };
        return Err(ConfigError::new(message)
            .with_hint("Leave one out, or say `--allow-repeat` to process it as often as it is given.")
            .into());
    }
    Ok(())
}

/// Whether an input lies in a folder, by whatever names.
#[must_use]
pub fn is_within(input: &Input, folder: &Path) -> bool {
    let canonical = |path: &Path| fs_err::canonicalize(path).ok();
    if let InputLocation::Object(object) = &input.location {
        let folder = ObjectUrl::of(folder).ok().flatten();
        return folder.is_some_and(|folder| object.url().place().is_below(folder.place()));
    }
    match (input.path().and_then(canonical), canonical(folder)) {
        (Some(path), Some(folder)) => path.starts_with(folder),
        _ => false,
    }
}

fn is_pattern(name: &OsStr) -> bool {
    name.as_encoded_bytes()
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// One level of a pattern.
enum Level {
    /// Goes to this name, or up, or to the root.
    Name(OsString),
    /// Goes to every name like this.
    Like(Pattern),
    /// Goes to this folder and to all folders below it.
    Below,
}

fn levels(pattern: &OsStr) -> Result<Vec<Level>> {
    let levels = Path::new(pattern).components().map(|component| match component {
        Component::Normal(name) if is_pattern(name) => level(name, Path::new(pattern)),
        other => Ok(Level::Name(other.as_os_str().to_owned())),
    });
    levels.collect()
}

fn level(name: &OsStr, pattern: &Path) -> Result<Level> {
    let invalid = |why: String, hint: &str| {
        let message = format!("The pattern `{}` is not valid: {why}.", Shown(pattern));
        Err(ConfigError::new(message).with_hint(hint).into())
    };
    match name.to_str() {
        None => invalid("it is not UTF-8".to_owned(), "Name the file without a pattern."),
        Some("**") => Ok(Level::Below),
        Some(text) => Pattern::new(text).map(Level::Like).or_else(|error| {
            invalid(
                format!("{} in `{}`", error.msg, Shown(Path::new(text))),
                "`*`, `?` and `[abc]` match within a name; `**` stands alone, for any folders.",
            )
        }),
    }
}

/// The files that a pattern names, sorted.
fn matches(pattern: &OsStr) -> Result<Vec<PathBuf>> {
    let levels = levels(pattern)?;
    let mut found = Vec::new();
    walk(PathBuf::new(), &levels, &mut found)?;
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        let path = Path::new(pattern);
        let mut error = FileError::new(path, format!("The pattern `{}` matches no file.", Shown(path)));
        error.hint = Some("Check the path: it counts from the current directory.".to_owned());
        return Err(Error::Input(Box::new(error)));
    }
    Ok(found)
}

/// Follows the levels of a pattern from `path` on. The recursion is as deep as the folders are.
fn walk(path: PathBuf, levels: &[Level], found: &mut Vec<PathBuf>) -> Result<()> {
    let Some((level, rest)) = levels.split_first() else {
        if !path.is_dir() {
            found.push(path);
        }
        return Ok(());
    };
    match level {
        Level::Name(name) => {
            let path = path.join(name);
            if exists(&path) {
                walk(path, rest, found)?;
            }
        }
        Level::Like(pattern) => {
            for (name, _) in entries(&path)? {
                if is_like(pattern, &name) {
                    let next = path.join(name);
                    if rest.is_empty() || next.is_dir() {
                        walk(next, rest, found)?;
                    }
                }
            }
        }
        Level::Below => {
            for (name, is_folder) in entries(&path)? {
                let hidden = name.as_encoded_bytes().starts_with(b".");
                if is_folder && !hidden {
                    walk(path.join(name), levels, found)?;
                } else if !is_folder && !hidden && rest.is_empty() {
                    walk(path.join(name), rest, found)?;
                }
            }
            if !rest.is_empty() {
                walk(path, rest, found)?;
            }
        }
    }
    Ok(())
}

/// Whether a name is like a pattern. Bytes that are not UTF-8 count as one odd character each.
fn is_like(pattern: &Pattern, name: &OsStr) -> bool {
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    pattern.matches_with(&name.to_string_lossy(), options)
}

/// The names in a folder, and whether each is a folder itself (and no link to one).
fn entries(path: &Path) -> Result<Vec<(OsString, bool)>> {
    let folder = if path == Path::new("") { Path::new(".") } else { path };
    let failed = |error: std::io::Error| Error::Input(Box::new(FileError::of(folder, "listing", &error)));
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        entries.push((entry.file_name(), is_folder));
    }
    Ok(entries)
}

#[cfg(test)]
#[path = "locate_tests.rs"]
mod tests;
