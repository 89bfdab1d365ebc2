//! Where an output directory lies: in a folder of this machine, or in an object store, under names that begin alike.
//!
//! Names are relative to it, with a slash between a folder and a file: `manifest.jsonl`, `out/00000.jsonl`.

use super::local_root::LocalRoot;
use super::remote::{ObjectUrl, Prefix};
use crate::error::Result;
use crate::step::Cancel;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// What has a name in an output directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is an ordinary file.
    pub is_file: bool,
}

/// The place of an output directory.
pub trait Root: Send + Sync {
    /// Where it is, as somebody said.
    fn path(&self) -> &Path;

    /// Keeps every other run out for as long as what is returned lives. `None`: it cannot, and runs notice each other by the
    /// journal.
    fn lock(&self, name: &str) -> Result<Option<File>>;

    /// The names of the files and folders that lie in it directly, in no order.
    fn names(&self) -> Result<Vec<OsString>>;

    /// What has each of these names.
    fn find(&self, names: &[&str]) -> Result<Vec<Option<Found>>>;

    /// The content of a small file; `None` if nothing has the name.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Removes files, in this order, if they are there.
    fn remove(&self, names: &[String]) -> Result<()>;

    /// Begins a file, which is to appear under this name.
    fn draft(self: Arc<Self>, name: &str) -> Result<Box<dyn Draft>>;

    /// Writes a file of lines anew, durably and whole or not at all. If [`Root::read`] has read one of this name, that one is
    /// replaced, and whoever appends to it cannot do so any more.
    fn journal(self: Arc<Self>, name: &str, lines: &[u8]) -> Result<Box<dyn Journal>>;

    /// Makes folders, where there are such.
    fn make_folders(&self, _names: &[&str]) -> Result<()> {
        Ok(())
    }

    /// Makes durable that files have these names.
    fn settle(&self, names: &[String]) -> Result<()>;

    /// Has waiting end when this is cancelled.
    fn heed(&self, _cancel: &Cancel) {}
}

/// A file that is being written and has no name yet. It goes away when it is dropped before it has appeared.
pub trait Draft: Write + Send {
    /// What it is called, in messages.
    fn path(&self) -> std::path::PathBuf;

    /// Makes the file durable, and makes sure that it is as long as it must be. An error here is final: what a failed `fsync`
    /// has lost, a second one does not tell.
    fn make_durable(&mut self, length: u64) -> Result<()>;

    /// Gives the file its name. What has that name already is replaced, or an error.
    fn appear(self: Box<Self>, replace: bool) -> Result<()>;
}

/// The file whose lines say what counts.
pub trait Journal: Send {
    /// Appends a line, durably. When this fails, nobody knows whether the line is there.
    fn append(&mut self, line: &[u8]) -> Result<()>;

    /// Fails if the directory is not where it was, or if somebody else has written to it.
    fn check(&self) -> Result<()>;

    /// Whether nobody else can have written to the directory, so that what has a name and is not told of may be removed at
    /// once.
    fn is_alone(&self) -> bool;
}

/// Opens the place of an output directory, and makes it if it is not there.
pub fn open_root(path: &Path, cancel: &Cancel) -> Result<Arc<dyn Root>> {
    match ObjectUrl::of(path)? {
        Some(url) => Ok(Arc::new(Prefix::open(url, cancel)?)),
        None => Ok(Arc::new(LocalRoot::open(path)?)),
    }
}
