//! Files that cannot be read or written, and what the operating system says of them.

use super::Shown;
use std::fmt;
use std::path::PathBuf;

/// A file that cannot be read or written.
#[derive(Debug, Clone)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// A finished sentence.
    pub message: String,
    /// The operating system's error number, where there is one.
    pub errno: Option<i32>,
    /// The way out.
    pub hint: Option<String>,
}

impl FileError {
    /// An error without the operating system's number.
    pub fn new(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            errno: None,
            hint: None,
        }
    }

    /// An error that the operating system reported while `doing` (a gerund: "reading", "renaming").
    pub fn of(path: impl Into<PathBuf>, doing: &str, error: &std::io::Error) -> Self {
        let path = path.into();
        let error = innermost(error);
        let reason = error.to_string();
        let message = format!(
            "{} {} failed: {}.",
            capitalized(doing),
            Shown(&path),
            reason.trim_end_matches('.')
        );
        Self {
            path,
            message,
            errno: error.raw_os_error(),
            hint: error.raw_os_error().and_then(way_out).map(str::to_owned),
        }
    }

    /// Whether the system, and not the file, is to blame: it has no more of something.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        matches!(self.errno, Some(NO_MEMORY | NO_MORE_FILES | NO_MORE_FILES_HERE))
    }
}

const NO_MEMORY: i32 = 12;
const NO_MORE_FILES: i32 = 23;
const NO_MORE_FILES_HERE: i32 = 24;

/// The way out of errors of the system, by their numbers, which are the same on all systems like Unix.
fn way_out(errno: i32) -> Option<&'static str> {
    Some(match errno {
        NO_MEMORY => "Give the run less to hold at once, with `--memory-budget` and `--workers`.",
        NO_MORE_FILES => "Too many files are open on this machine.",
        NO_MORE_FILES_HERE => "The limit on open files is reached: see `ulimit -n`.",
        27 => "The limit on the size of files may be reached: see `ulimit -f`.",
        28 => "Make room on the disk, or write to another.",
        30 => "Write to another place: this file system is read-only.",
        _ => return None,
    })
}

/// The error of the operating system inside one that somebody wrapped: the wrapping names a path again, and hides the number.
fn innermost(error: &std::io::Error) -> &std::io::Error {
    let mut found = error;
    let mut next: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = next {
        found = inner.downcast_ref().unwrap_or(found);
        next = inner.source();
    }
    found
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + characters.as_str())
        .unwrap_or_default()
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for FileError {}
