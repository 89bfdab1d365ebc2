//! An input of a run: standard input, a file or an object.

use super::remote::{ObjectUrl, RemoteObject};
use crate::error::{Result, Shown};
use crate::step::Cancel;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One input of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where it lies.
    pub location: InputLocation,
    /// What a person calls it: the path, safe to print, or `standard input`.
    pub name: String,
}

/// Where an input lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputLocation {
    /// It comes through standard input.
    Standard,
    /// It has a path on this machine.
    File(PathBuf),
    /// It is an object in a store.
    Object(Arc<RemoteObject>),
}

impl Input {
    /// Standard input.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            location: InputLocation::Standard,
            name: "standard input".to_owned(),
        }
    }

    /// A file of this machine.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self {
            name: Shown(&path).to_string(),
            location: InputLocation::File(path),
        }
    }

    /// An object in a store.
    #[must_use]
    pub fn object(object: Arc<RemoteObject>) -> Self {
        Self {
            name: Shown(object.as_path()).to_string(),
            location: InputLocation::Object(object),
        }
    }

    /// What a path or an address leads to.
    pub(crate) fn at(path: &Path, cancel: &Cancel) -> Result<Self> {
        match ObjectUrl::of(path)? {
            None => Ok(Self::file(path.to_owned())),
            Some(url) => Ok(RemoteObject::look_at(vec![url], cancel)?
                .pop()
                .map_or_else(Self::standard, Self::object)),
        }
    }

    /// The path that it has on this machine.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.location {
            InputLocation::File(path) => Some(path),
            InputLocation::Standard | InputLocation::Object(_) => None,
        }
    }

    /// Where it is, for errors: a path, the address of an object, or `-`.
    #[must_use]
    pub fn address(&self) -> &Path {
        match &self.location {
            InputLocation::Standard => Path::new("-"),
            InputLocation::File(path) => path,
            InputLocation::Object(object) => object.as_path(),
        }
    }

    /// What it is called in a sentence.
    pub(crate) fn quoted(&self) -> String {
        match self.location {
            InputLocation::Standard => self.name.clone(),
            InputLocation::File(_) | InputLocation::Object(_) => format!("`{}`", Shown(self.address())),
        }
    }

    /// How many bytes it has, if that is known before it is read: for progress.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match &self.location {
            InputLocation::Standard => None,
            InputLocation::File(path) => {
                let metadata = fs_err::metadata(path).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            InputLocation::Object(object) => object.size(),
        }
    }

    /// Whether it can be read at once: it is a file, and not a pipe or something behind a network, which may keep its reader
    /// waiting.
    #[must_use]
    pub fn never_waits(&self) -> bool {
        matches!(self.location, InputLocation::File(_)) && self.size().is_some()
    }

    /// Tells that it will be read next, from its beginning to its end. What takes its time to come is asked for then.
    pub fn prepare(&self) {
        if let InputLocation::Object(object) = &self.location {
            object.prepare();
        }
    }

    /// Whether it is not there at all.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match &self.location {
            InputLocation::Standard => false,
            InputLocation::File(path) => !path.exists(),
            InputLocation::Object(object) => object.check().is_err(),
        }
    }

    /// Whether it can be read more than once: it is a file, or could be one. Pipes and devices are read once.
    #[must_use]
    pub fn can_be_read_again(&self) -> bool {
        match &self.location {
            InputLocation::Standard => false,
            InputLocation::File(path) => fs_err::metadata(path).map_or(true, |metadata| metadata.is_file()),
            InputLocation::Object(_) => true,
        }
    }
}
