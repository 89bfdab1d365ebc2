//! Finds the objects that a pattern names, and lists what lies under an address.

use super::ObjectUrl;
use super::runtime::wait;
use crate::error::{ConfigError, Error, FileError, Result};
use crate::step::Cancel;
use futures_util::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore as _};
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
    let mut found: Vec<ObjectUrl> = listed
        .into_iter()
        .map(|meta| meta.location)
        // What is named like a folder holds nothing.
        .filter(|key| pattern.matches_with(key.as_ref(), options))
        .map(|key| url.at(key))
        .collect();
    found.sort_unstable_by(|one, other| one.key.as_ref().cmp(other.key.as_ref()));
    if found.is_empty() {
        let mut error = FileError::new(url.as_path(), format!("The pattern `{shown}` matches no object."));
        error.hint = Some("Check the address: the bucket, and the names of the objects in it.".to_owned());
        return Err(Error::Input(Box::new(error)));
    }
    Ok(found)
}

/// Everything in the store of an address whose name begins with these folders.
pub(super) fn list(url: &ObjectUrl, folder: &Key, cancel: &Cancel) -> io::Result<Vec<ObjectMeta>> {
    let folder = (!folder.as_ref().is_empty()).then_some(folder);
    wait(cancel, url.store.list(folder).try_collect())
}

/// The name of something below an address.
pub(super) fn name_below(url: &ObjectUrl, key: &Key) -> Option<String> {
    let parts: Vec<_> = key.prefix_match(&url.key)?.collect();
    let name = parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("/");
    (!name.is_empty()).then_some(name)
}

/// The names of the objects and the folders right below an address.
pub(super) fn names(url: &ObjectUrl, cancel: &Cancel) -> io::Result<Vec<String>> {
    let folder = (!url.key.as_ref().is_empty()).then_some(&url.key);
    let listed = wait(cancel, url.store.list_with_delimiter(folder))?;
    let objects = listed.objects.into_iter().map(|meta| meta.location);
    let names = objects.chain(listed.common_prefixes);
    Ok(names.filter_map(|key| name_below(url, &key)).collect())
}

/// The same for whoever has nothing to stop it with.
pub(in crate::io) fn names_below(url: &ObjectUrl) -> io::Result<Vec<String>> {
    names(url, &Cancel::default())
}
