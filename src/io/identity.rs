//! What makes an input the same input while it is read, and when a run goes on: its size, its time of modification and
//! some of its bytes.

use super::remote::{RemoteObject, is_strong};
use super::{Compression, Input, InputLocation};
use crate::error::{Error, FileError, Result};
use crate::step::Cancel;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// How many bytes are looked at, at the beginning and at the end.
const LOOKED_AT: u64 = 64 << 10;

/// The size of an input and when it was modified, by which it is noticed that somebody has written to it: part of what was
/// read would be from before and part from afterwards. Of an object, its store tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size: u64,
    modified: Option<u64>,
}

impl Version {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let since = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self {
            size: metadata.len(),
            modified: since.and_then(|since| u64::try_from(since.as_nanos()).ok()),
        }
    }

    /// The version of the ordinary file that a path leads to.
    fn at(path: &Path) -> Option<Self> {
        metadata(path).as_ref().map(Self::of)
    }

    /// Fails if an input was of this version and is of another, or is gone.
    pub(super) fn check_unchanged(&self, input: &str, path: &Path, now: Option<&Self>) -> Result<()> {
        match now {
            Some(now) if now == self => Ok(()),
            Some(_) => Err(unlike(input, path, "changed")),
            None => Err(unlike(input, path, "removed")),
        }
    }
}

/// The error of an input that was "changed" or "removed".
fn unlike(input: &str, path: &Path, what: &str) -> Error {
    let message =
        format!("The input `{input}` was {what} while it was read; what was being made of it is not committed.");
    let mut error = FileError::new(path, message);
    error.hint = Some(
        "Let nothing write to it, or read a copy of it, and begin again (an output directory with `--overwrite`). What is \
         still being written can be read through a pipe."
            .to_owned(),
    );
    Error::Input(Box::new(error))
}

/// Fails if an object is not what it was when it was first looked at.
pub(super) fn check_object(input: &str, object: &RemoteObject, cancel: &Cancel) -> Result<()> {
    match object.is_unchanged(cancel) {
        Ok(Some(true)) => Ok(()),
        Ok(Some(false)) => Err(unlike(input, object.as_path(), "changed")),
        Ok(None) => Err(unlike(input, object.as_path(), "removed")),
        Err(error) => Err(Error::Input(Box::new(object.url().failed("looking at", &error)))),
    }
}

/// An input as it was when a run began. Everything but the name is `None` where it is not known: of pipes, and of what
/// cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputIdentity {
    /// What a person calls it.
    pub name: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// When it was modified, in nanoseconds since 1970.
    pub modified: Option<u64>,
    /// The BLAKE3 hash of its first and its last 64 KiB, in hexadecimal; of a file only.
    pub content: Option<String>,
    /// The `ETag` of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl InputIdentity {
    /// Looks at an input.
    #[must_use]
    pub fn of(input: &Input) -> Self {
        let name = input.name.clone();
        let unknown = Self {
            name: name.clone(),
            size: None,
            modified: None,
            content: None,
            tag: None,
        };
        match &input.location {
            InputLocation::Standard => unknown,
            InputLocation::Object(object) => Self {
                name,
                size: object.size(),
                modified: object.modified(),
                content: None,
                tag: object.tag().map(str::to_owned),
            },
            InputLocation::File(path) => Version::at(path).map_or(unknown, |version| Self {
                name,
                size: Some(version.size),
                modified: version.modified,
                content: content(path).ok(),
                tag: None,
            }),
        }
    }

    /// Whether its store has told what its bytes are: a weak tag promises nothing about them.
    #[must_use]
    pub fn has_strong_tag(&self) -> bool {
        self.tag.as_deref().is_some_and(is_strong)
    }

    /// Fails if the input was written to, replaced or removed since: a run that goes on finds it by its name. Of a pipe,
    /// nobody can tell.
    pub fn check_unchanged(&self, input: &Input, cancel: &Cancel) -> Result<()> {
        let (path, size) = match (&input.location, self.size) {
            (InputLocation::Object(object), _) => return check_object(&self.name, object, cancel),
            (InputLocation::File(path), Some(size)) => (path, size),
            (InputLocation::Standard, _) | (InputLocation::File(_), None) => return Ok(()),
        };
        let before = Version {
            size,
            modified: self.modified,
        };
        before.check_unchanged(&self.name, path, Version::at(path).as_ref())
    }
}

/// How an input is compressed, by its first bytes; `None` for pipes and for what cannot be read.
#[must_use]
pub fn compression_of(input: &Input) -> Option<Compression> {
    let path = match &input.location {
        InputLocation::Standard => return None,
        InputLocation::Object(object) => return object.is_there().then(|| Compression::from_magic(object.head())),
        InputLocation::File(path) => path,
    };
    metadata(path)?;
    let mut head = Vec::new();
    fs_err::File::open(path).ok()?.take(4).read_to_end(&mut head).ok()?;
    Some(Compression::from_magic(&head))
}

fn metadata(path: &Path) -> Option<Metadata> {
    fs_err::metadata(path).ok().filter(Metadata::is_file)
}

fn content(path: &Path) -> io::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(LOOKED_AT).read_to_end(&mut bytes)?;
    let size = file.metadata()?.len();
    if size > LOOKED_AT {
        file.seek(SeekFrom::Start(LOOKED_AT.max(size - LOOKED_AT)))?;
        file.take(LOOKED_AT).read_to_end(&mut bytes)?;
    }
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::open_input::OpenInput;
    use super::*;
    use std::fs::File;
    use std::path::PathBuf;

    fn input(path: PathBuf) -> Input {
        Input {
            name: "it".to_owned(),
            location: InputLocation::File(path),
        }
    }

    #[test]
    fn the_beginning_and_the_end_count() {
        let folder = tempfile::tempdir().unwrap();
        let input = input(folder.path().join("in.txt"));
        let path = input.path().unwrap().to_owned();
        let mut bytes = vec![b'a'; 300 << 10];
        let mut seen = Vec::new();
        for place in [0, bytes.len() - 1, 100] {
            bytes[place] ^= 1;
            fs_err::write(&path, &bytes).unwrap();
            let identity = InputIdentity::of(&input);
            assert_eq!(identity.size, Some(bytes.len() as u64));
            assert!(!seen.contains(&identity.content), "{place}");
            seen.push(identity.content);
        }
    }

    /// What is said of an input that was changed in some way since it was opened: by whoever has it open, and by its name.
    fn said_after(change: impl Fn(&Path)) -> [Option<String>; 2] {
        let folder = tempfile::tempdir().unwrap();
        let input = input(folder.path().join("in.txt"));
        let path = input.path().unwrap().to_owned();
        fs_err::write(&path, b"one").unwrap();
        let identity = InputIdentity::of(&input);
        let file = File::from(fs_err::File::open(&path).unwrap());
        let open = OpenInput::of(&file, &file.metadata().unwrap(), &input)
            .unwrap()
            .unwrap();
        change(&path);
        [
            open.check_unchanged(),
            identity.check_unchanged(&input, &Cancel::default()),
        ]
        .map(|checked| {
            let error = checked.err()?;
            assert_eq!(error.exit_code(), 5);
            assert!(error.hint().is_some());
            Some(error.to_string())
        })
    }

    fn message(what: &str) -> String {
        format!("The input `it` was {what} while it was read; what was being made of it is not committed.")
    }

    #[test]
    fn a_file_that_nobody_touches_is_unchanged() {
        assert_eq!(said_after(|_| ()), [None, None]);
    }

    #[test]
    fn a_file_that_is_written_to_is_noticed_by_both() {
        let longer = said_after(|path| fs_err::write(path, b"one, two").unwrap());
        assert_eq!(longer, [Some(message("changed")), Some(message("changed"))]);
        let later = UNIX_EPOCH + std::time::Duration::from_secs(1);
        let rewritten = said_after(|path| {
            let file = fs_err::File::options().write(true).open(path).unwrap();
            file.file().set_modified(later).unwrap();
        });
        assert_eq!(rewritten, [Some(message("changed")), Some(message("changed"))]);
    }

    #[test]
    fn a_file_that_is_replaced_or_removed_stays_what_it_was_for_whoever_has_it_open() {
        let replaced = said_after(|path| {
            let other = path.with_extension("other");
            fs_err::write(&other, b"another").unwrap();
            fs_err::rename(other, path).unwrap();
        });
        assert_eq!(replaced, [None, Some(message("changed"))]);
        let removed = said_after(|path| fs_err::remove_file(path).unwrap());
        assert_eq!(removed, [None, Some(message("removed"))]);
    }

    #[test]
    fn of_a_pipe_nobody_can_tell() {
        let pipe = Input::standard();
        InputIdentity::of(&pipe)
            .check_unchanged(&pipe, &Cancel::default())
            .unwrap();
    }

    #[test]
    fn what_is_not_there_has_a_name_only() {
        let identity = InputIdentity::of(&input("/nowhere/at/all".into()));
        assert_eq!((identity.size, identity.modified, identity.content), (None, None, None));
    }
}
