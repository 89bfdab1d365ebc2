//! Objects in stores that are reached over a network: Amazon S3 and what speaks like it, Google Cloud Storage, Azure, and
//! web servers, which can be read only.
//!
//! Nothing outside of this folder knows of requests and of the threads that make them: what is read here is a [`Read`] or
//! some bytes at a place, and what is written appears whole or not at all, as files do.
//!
//! An object is known by its `ETag`: if it is replaced while it is read, no request brings parts of the other one.
//!
//! [`Read`]: std::io::Read

mod answers;
mod connection;
mod download;
mod failure;
mod listing;
mod names;
mod object;
mod parts;
mod place;
mod prefix;
mod runtime;
mod upload;

pub(super) use download::{Download, ObjectReader};
pub(super) use listing::{is_pattern, matches, names_below};
pub use object::RemoteObject;
pub(super) use object::is_strong;
pub(super) use parts::ObjectParts;
pub(super) use place::Place;
pub(super) use prefix::Prefix;
pub(super) use runtime::Heeded;
pub(super) use upload::{Upload, exists, remove};

use crate::error::{ConfigError, Result, Shown};
use object_store::ObjectStore;
use object_store::path::Path as Key;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The schemes of addresses that can be read, and how a person calls them.
const SCHEMES: &[&str] = &[
    "s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "http", "https",
];

/// The address of an object, or of everything whose name begins with it.
#[derive(Clone)]
pub struct ObjectUrl {
    /// As it was given, without what lets whoever has it in.
    text: PathBuf,
    store: Arc<dyn ObjectStore>,
    /// What it is called in requests.
    key: Key,
    place: Place,
    /// Why no request can be made about it, if that is so: a store has listed it, and more can be told of it by no means.
    flaw: Option<&'static str>,
}

/// The scheme of an address: letters, digits, and a colon with two slashes behind them.
fn scheme(path: &Path) -> Option<&str> {
    let (scheme, _) = path.to_str()?.split_once("://")?;
    let is_scheme = scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_scheme.then_some(scheme)
}

/// Whether a path is the address of something in a store and not a path of this machine.
#[must_use]
pub(super) fn is_url(path: &Path) -> bool {
    scheme(path).is_some()
}

impl ObjectUrl {
    /// Understands an address; `None`: it is a path of this machine.
    ///
    /// # Errors
    /// If nobody knows its scheme, or its store cannot be set up.
    pub fn of(path: &Path) -> Result<Option<Self>, ConfigError> {
        let Some(scheme) = scheme(path) else {
            return collapsed(path).map_or(Ok(None), Err);
        };
        let shown = path.to_string_lossy();
        let Some(scheme) = SCHEMES.iter().find(|known| known.eq_ignore_ascii_case(scheme)) else {
            let message = format!("Addresses with `{scheme}://` cannot be read: `{shown}`.");
            return Err(
                ConfigError::new(message).with_hint("Known are s3://, gs://, az:// (abfs://), http:// and https://.")
            );
        };
        let (store, key, place) = connection::open(scheme, &shown)?;
        Ok(Some(Self {
            text: PathBuf::from(connection::without_secrets(&shown)),
            store,
            key,
            place,
            flaw: None,
        }))
    }

    /// The address as a path, for messages.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.text
    }

    /// What it means, however it is spelled.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether its server only gives.
    fn is_read_only(&self) -> bool {
        self.place.is_on_web()
    }

    /// Refuses the address of a bucket, or of everything below a name, where one of an object is needed.
    ///
    /// # Errors
    /// What is wrong with it, and a way out that depends on what it was for.
    pub(super) fn check_object(&self, role: &str, hint: impl FnOnce(&str) -> String) -> Result<(), ConfigError> {
        let shown = Shown(&self.text).to_string();
        let message = if self.is_read_only() {
            return Ok(());
        } else if self.place.is_root() {
            format!("The {role} `{shown}` names a bucket, and no object in it.")
        } else if shown.ends_with('/') {
            format!("The {role} `{shown}` is a directory; expected an object.")
        } else {
            return Ok(());
        };
        Err(ConfigError::new(message).with_hint(hint(shown.trim_end_matches('/'))))
    }

    /// Refuses to write to a server that only gives.
    pub(super) fn check_writable(&self, role: &str) -> Result<(), ConfigError> {
        if !self.is_read_only() {
            return Ok(());
        }
        let message = format!(
            "The {role} `{}` is on a web server, from which one can only read.",
            self.text.display()
        );
        Err(ConfigError::new(message).with_hint("Write to a file, or to s3://, gs:// or az://."))
    }

    /// The address of something else in the same store.
    fn at(&self, key: Key) -> Self {
        Self {
            text: self.text_of(key.as_ref()),
            store: Arc::clone(&self.store),
            place: self.place.at(key.as_ref()),
            key,
            flaw: None,
        }
    }

    /// The address of something that the same store has listed.
    fn listed(&self, name: &str) -> Self {
        let (key, flaw) = names::key(name).map_or_else(|flaw| (Key::ROOT, Some(flaw)), |key| (key, None));
        Self {
            text: self.text_of(name),
            store: Arc::clone(&self.store),
            key,
            place: self.place.at(name),
            flaw,
        }
    }

    fn text_of(&self, name: &str) -> PathBuf {
        let text = self.text.to_string_lossy();
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        PathBuf::from(format!("{scheme}://{authority}/{name}"))
    }
}

impl fmt::Debug for ObjectUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ObjectUrl").field(&self.text).finish()
    }
}

impl PartialEq for ObjectUrl {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for ObjectUrl {}

/// The error of an address that somebody has made a path of this machine of, which takes one slash of two away.
fn collapsed(path: &Path) -> Option<ConfigError> {
    let text = path.to_str()?;
    let (scheme, rest) = text.split_once(":/")?;
    if !SCHEMES.contains(&scheme) || rest.is_empty() || path.exists() {
        return None;
    }
    let message = format!("`{text}` is no address: one slash is missing.");
    Some(ConfigError::new(message).with_hint(format!(
        "Write `{scheme}://{rest}`, and pass it as text: `pathlib.Path` and others take one slash of two away."
    )))
}
