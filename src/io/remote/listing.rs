//! Finds the objects that a pattern names, and lists what lies under an address.

use super::runtime::wait;
use super::{ObjectUrl, names};
use crate::error::{ConfigError, Error, FileError, Result};
use crate::step::Cancel;
use futures_util::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::ObjectStore as _;
use object_store::path::Path as Key;
use std::io;

/// Whether an address is a pattern. A web server cannot be asked what it has, so there these characters stand for
/// themselves.
pub(in crate::io) fn is_pattern(url: &ObjectUrl) -> bool {
    !url.is_read_only() && url.key.as_ref().contains(['*', '?', '['])
}

/// The objects that a pattern names, sorted. It means what it means in folders: `*` stands for any part of a name between
/// two slashes, `**` for any number of such names, and a leading dot must be spelled out.
pub(in crate::io) fn matches(url: &ObjectUrl, cancel: &Cancel) -> Result<Vec<ObjectUrl>> {
    let shown = url.as_path().display();
    let pattern = Pattern::new(url.key.as_ref()).map_err(|error| {
        ConfigError::new(format!("The pattern `{shown}` is not valid: {}.", error.msg))
            .with_hint("`*`, `?` and `[abc]` match within a name; `**` stands alone, for any folders.")
    })?;
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let literal = |part: &&str| !part.contains(['*', '?', '[']);
    let folders: Vec<&str> = url.key.as_ref().split('/').take_while(literal).collect();
    let listed = list(url, &Key::parse(folders.join("/")).unwrap_or_default(), cancel)
        .map_err(|error| Error::Input(Box::new(url.failed("listing", &error))))?;
    let mut names: Vec<String> = listed
        .into_iter()
        // What stands for a folder in consoles holds nothing.
        .filter(|listed| !(listed.name.ends_with('/') && listed.size == 0))
        .map(|listed| listed.name)
        .filter(|name| pattern.matches_with(name, options))
        .collect();
    names.sort_unstable();
    let found: Vec<ObjectUrl> = names.iter().map(|name| url.listed(name)).collect();
    if found.is_empty() {
        let mut error = FileError::new(url.as_path(), format!("The pattern `{shown}` matches no object."));
        error.hint = Some("Check the address: the bucket, and the names of the objects in it.".to_owned());
        return Err(Error::Input(Box::new(error)));
    }
    Ok(found)
}

/// What a store tells of an object in a listing.
pub(super) struct Listed {
    /// Its name, with which a request can be made or not.
    pub(super) name: String,
    pub(super) size: u64,
}

/// Everything in the store of an address whose name begins with these folders.
pub(super) fn list(url: &ObjectUrl, folder: &Key, cancel: &Cancel) -> io::Result<Vec<Listed>> {
    let folder = (!folder.is_root()).then_some(folder);
    let listed = url.store.list(folder).map_ok(|meta| Listed {
        name: names::listed(&meta.location),
        size: meta.size,
    });
    wait(cancel, listed.try_collect())
}

/// What something is called below an address.
pub(super) fn name_below<'n>(url: &ObjectUrl, name: &'n str) -> Option<&'n str> {
    let below = match url.key.as_ref() {
        "" => name,
        folder => name.strip_prefix(folder)?.strip_prefix('/')?,
    };
    // What stands for the folder itself in consoles has its name.
    (!below.is_empty()).then_some(below)
}

/// The names of the objects and the folders right below an address.
pub(super) fn names(url: &ObjectUrl, cancel: &Cancel) -> io::Result<Vec<String>> {
    let folder = (!url.key.is_root()).then_some(&url.key);
    let listed = wait(cancel, url.store.list_with_delimiter(folder))?;
    let objects = listed.objects.into_iter().map(|meta| meta.location);
    let names = objects.chain(listed.common_prefixes).map(|key| names::listed(&key));
    Ok(names
        .filter_map(|name| Some(name_below(url, &name)?.to_owned()))
        .collect())
}

/// The same for whoever has nothing to stop it with.
pub(in crate::io) fn names_below(url: &ObjectUrl) -> io::Result<Vec<String>> {
    names(url, &Cancel::default())
}
