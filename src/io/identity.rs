//! What makes an input the same input when a run goes on: its name, size, time of modification and some of its bytes.

use super::{Compression, Input};
use crate::error::{Error, FileError};
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// How many bytes are looked at, at the beginning and at the end.
const LOOKED_AT: u64 = 64 << 10;

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
    /// The BLAKE3 hash of its first and its last 64 KiB, in hexadecimal.
    pub content: Option<String>,
}

impl InputIdentity {
    /// Looks at an input.
    #[must_use]
    pub fn of(input: &Input) -> Self {
        let path = input.path.as_deref();
        let metadata = path.and_then(metadata);
        Self {
            name: input.name.clone(),
            size: metadata.as_ref().map(Metadata::len),
            modified: metadata.as_ref().and_then(modified),
            content: path.filter(|_| metadata.is_some()).and_then(|path| content(path).ok()),
        }
    }

    /// Fails if the file was written to, replaced or removed since. Of a pipe, nobody can tell.
    pub fn check_unchanged(&self, input: &Input) -> Result<(), Error> {
        let Some(path) = input.path.as_deref().filter(|_| self.size.is_some()) else {
            return Ok(());
        };
        let now = metadata(path);
        if now.as_ref().map(Metadata::len) == self.size && now.as_ref().and_then(modified) == self.modified {
            return Ok(());
        }
        let message = match now {
            None => format!("The input `{}` was removed while it was read.", self.name),
            Some(_) => format!("The input `{}` was changed while it was read.", self.name),
        };
        let mut error = FileError::new(path, message);
        error.hint = Some(
            "What was being made of it is not committed. Let nothing write to it, and begin again with `--overwrite`."
                .to_owned(),
        );
        Err(Error::Input(Box::new(error)))
    }
}

/// How an input is compressed, by its first bytes; `None` for pipes and for what cannot be read.
#[must_use]
pub fn compression_of(input: &Input) -> Option<Compression> {
    let path = input.path.as_deref()?;
    metadata(path)?;
    let mut head = Vec::new();
    fs_err::File::open(path).ok()?.take(4).read_to_end(&mut head).ok()?;
    Some(Compression::from_magic(&head))
}

fn metadata(path: &Path) -> Option<Metadata> {
    fs_err::metadata(path).ok().filter(Metadata::is_file)
}

fn modified(metadata: &Metadata) -> Option<u64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
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
    use super::*;
    use std::path::PathBuf;

    fn input(path: PathBuf) -> Input {
        Input {
            name: "it".to_owned(),
            path: Some(path),
        }
    }

    #[test]
    fn the_beginning_and_the_end_count() {
        let folder = tempfile::tempdir().unwrap();
        let input = input(folder.path().join("in.txt"));
        let path = input.path.clone().unwrap();
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

    #[test]
    fn a_file_that_changes_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let input = input(folder.path().join("in.txt"));
        let path = input.path.clone().unwrap();
        fs_err::write(&path, b"one").unwrap();
        let identity = InputIdentity::of(&input);
        identity.check_unchanged(&input).unwrap();
        fs_err::write(&path, b"one, two").unwrap();
        let error = identity.check_unchanged(&input).unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().contains("changed")), (5, true));
        fs_err::remove_file(&path).unwrap();
        assert!(
            identity
                .check_unchanged(&input)
                .unwrap_err()
                .to_string()
                .contains("removed")
        );
    }

    #[test]
    fn what_is_not_there_has_a_name_only() {
        let identity = InputIdentity::of(&input("/nowhere/at/all".into()));
        assert_eq!((identity.size, identity.modified, identity.content), (None, None, None));
    }
}
