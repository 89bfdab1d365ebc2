//! Reads what a run has stored in its output directory, wherever that lies.

use super::Compression;
use super::remote::{Download, ObjectUrl, RemoteObject, names_below};
use crate::step::Cancel;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// How many bytes are read at once.
const READ_AT_ONCE: usize = 256 << 10;

/// Opens a file, by its path or its address.
pub fn open_stored(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let Some(url) = ObjectUrl::of(path).map_err(io::Error::other)? else {
        return Ok(Box::new(fs_err::File::open(path)?.into_parts().0));
    };
    let cancel = Cancel::default();
    let object = RemoteObject::look(url, &cancel)?;
    Ok(Box::new(Download::new(&object, 0, &cancel)?))
}

/// The content of a file that its name says the compression of.
pub fn open_content(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let stored = BufReader::with_capacity(READ_AT_ONCE, open_stored(path)?);
    Compression::from_name(path).open(stored)
}

/// All of a file.
pub fn read_stored(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_stored(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The names of what lies in a folder, sorted; none if it cannot be listed.
#[must_use]
pub fn names_in(path: &Path) -> Vec<String> {
    let mut names = match ObjectUrl::of(path) {
        Ok(Some(url)) => names_below(&url).unwrap_or_default(),
        _ => fs_err::read_dir(path).map_or_else(
            |_| Vec::new(),
            |entries| {
                let names = entries.flatten().map(|entry| entry.file_name());
                names.map(|name| name.to_string_lossy().into_owned()).collect()
            },
        ),
    };
    names.sort();
    names
}
