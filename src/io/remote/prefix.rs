//! An output directory in an object store.
//!
//! There are no locks in a store, and no appending. The journal is written anew for each line, on the condition that it is
//! what this run wrote last. Whoever goes on with a run, or replaces it, writes it anew first: if another one is still
//! writing there, that one ends at its next shard. A file is uploaded in parts while it is made, and appears when its shard is committed.

use super::runtime::{Heeded, wait};
use super::upload::{is_conflict, put};
use super::{ObjectUrl, Upload, listing};
use crate::error::{Error, FileError, Result, Shown};
use crate::io::root::{Draft, Found, Journal, Root};
use crate::step::Cancel;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as Key;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode, UpdateVersion};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many names are asked for one by one. For more, everything is listed once, which brings a thousand with each answer.
const ASKED_ONE_BY_ONE: usize = 4;

/// The names in a store that begin as an address.
pub(in crate::io) struct Prefix {
    url: ObjectUrl,
    heeded: Heeded,
    /// What was read, as it was then.
    read: Mutex<HashMap<String, UpdateVersion>>,
}

impl Prefix {
    pub(in crate::io) fn open(url: ObjectUrl, cancel: &Cancel) -> Result<Self> {
        url.check_writable("output")?;
        let heeded = Heeded::default();
        heeded.set(cancel);
        Ok(Self {
            url,
            heeded,
            read: Mutex::default(),
        })
    }

    fn object(&self, name: &str) -> ObjectUrl {
        let key = name.split('/').fold(self.url.key.clone(), Key::join);
        self.url.at(key)
    }

    fn find_one(&self, name: &str) -> Result<Option<Found>> {
        let object = self.object(name);
        match wait(&self.heeded.now(), object.store.head(&object.key)) {
            Ok(meta) => Ok(Some(Found {
                size: meta.size,
                is_file: true,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name, "looking at", &error)),
        }
    }

    fn failed(&self, name: &str, doing: &str, error: &io::Error) -> Error {
        Error::Output(Box::new(self.object(name).failed(doing, error)))
    }
}

impl Root for Prefix {
    fn path(&self) -> &Path {
        self.url.as_path()
    }

    fn lock(&self, _name: &str) -> Result<Option<File>> {
        Ok(None)
    }

    fn names(&self) -> Result<Vec<OsString>> {
        let names = listing::names(&self.url, &self.heeded.now());
        let names = names.map_err(|error| Error::Output(Box::new(self.url.failed("listing", &error))))?;
        Ok(names.into_iter().map(OsString::from).collect())
    }

    fn find(&self, names: &[&str]) -> Result<Vec<Option<Found>>> {
        if names.len() <= ASKED_ONE_BY_ONE {
            return names.iter().map(|name| self.find_one(name)).collect();
        }
        let listed = listing::list(&self.url, &self.url.key, &self.heeded.now())
            .map_err(|error| Error::Output(Box::new(self.url.failed("listing", &error))))?;
        let sizes: HashMap<String, u64> = listed
            .into_iter()
            .filter_map(|listed| Some((listing::name_below(&self.url, &listed.name)?.to_owned(), listed.size)))
            .collect();
        let found = names
            .iter()
            .map(|name| sizes.get(*name).map(|&size| Found { size, is_file: true }));
        Ok(found.collect())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let found = found(&self.object(name), &self.heeded.now());
        let Some((bytes, version)) = found.map_err(|error| self.failed(name, "reading", &error))? else {
            return Ok(None);
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(name.to_owned(), version);
        Ok(Some(bytes))
    }

    fn remove(&self, names: &[String]) -> Result<()> {
        let keys: Vec<object_store::Result<Key>> = names.iter().map(|name| Ok(self.object(name).key)).collect();
        let Some(first) = names.first() else { return Ok(()) };
        let removed = wait(&self.heeded.now(), async {
            let mut removed = self.url.store.delete_stream(stream::iter(keys).boxed());
            loop {
                match removed.try_next().await {
                    Ok(Some(_)) | Err(object_store::Error::NotFound { .. }) => {}
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        });
        removed.map_err(|error| self.failed(first, "removing", &error))
    }

    fn draft(self: Arc<Self>, name: &str) -> Result<Box<dyn Draft>> {
        let upload = Upload::new(self.object(name), &self.heeded);
        Ok(Box::new(RemoteDraft { upload }))
    }

    fn journal(self: Arc<Self>, name: &str, lines: &[u8]) -> Result<Box<dyn Journal>> {
        let object = self.object(name);
        let before = self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let mode = before.map_or(PutMode::Create, PutMode::Update);
        let mut journal = RemoteJournal {
            object,
            root: self,
            bytes: Vec::new(),
            version: UpdateVersion {
                e_tag: None,
                version: None,
            },
        };
        match mode {
            PutMode::Update(_) => {
                // The same lines would have the same tag, and whoever wrote them would not notice that they are not theirs any
                // more. So something stands behind them that is no line, until the next one is appended.
                journal.write([lines, unlike_any_other().as_bytes()].concat(), mode)?;
                journal.bytes.truncate(lines.len());
            }
            _ => journal.write(lines.to_vec(), mode)?,
        }
        let mut read = journal.root.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(name.to_owned(), journal.version.clone());
        drop(read);
        Ok(Box::new(journal))
    }

    fn settle(&self, _names: &[String]) -> Result<()> {
        Ok(())
    }

    fn heed(&self, cancel: &Cancel) {
        self.heeded.set(cancel);
    }
}

/// The beginning of a line without its end, which every reader of a journal takes for one that was torn.
fn unlike_any_other() -> String {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
    format!("taken over {random:016x}")
}

/// The content of a small object, and what it is; `None` if nothing has the name.
fn found(object: &ObjectUrl, cancel: &Cancel) -> io::Result<Option<(Vec<u8>, UpdateVersion)>> {
    let answer = wait(cancel, async {
        let answer = object.store.get(&object.key).await?;
        let (e_tag, version) = (answer.meta.e_tag.clone(), answer.meta.version.clone());
        Ok((answer.bytes().await?.into(), UpdateVersion { e_tag, version }))
    });
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that is uploaded while it is made.
struct RemoteDraft {
    upload: Upload,
}

impl RemoteDraft {
    fn failed(&self, error: &io::Error) -> Error {
        Error::Output(Box::new(self.upload.url().failed("writing", error)))
    }
}

impl Write for RemoteDraft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.upload.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for RemoteDraft {
    fn path(&self) -> PathBuf {
        self.upload.url().as_path().to_owned()
    }

    fn make_durable(&mut self, _length: u64) -> Result<()> {
        self.upload.settle().map_err(|error| self.failed(&error))
    }

    /// Nobody but a run of this directory makes these names, so that whatever has one is what such a run has left.
    fn appear(self: Box<Self>, _replace: bool) -> Result<()> {
        let url = self.upload.url().clone();
        self.upload
            .appear(true)
            .map_err(|error| Error::Output(Box::new(url.failed("writing", &error))))
    }
}

struct RemoteJournal {
    root: Arc<Prefix>,
    object: ObjectUrl,
    bytes: Vec<u8>,
    /// What it is in the store.
    version: UpdateVersion,
}

impl RemoteJournal {
    fn write(&mut self, bytes: Vec<u8>, mode: PutMode) -> Result<()> {
        let cancel = self.root.heeded.now();
        let failed = |error: &io::Error| Error::Output(Box::new(self.object.failed("writing", error)));
        let version = match put(&self.object, bytes.clone(), mode, &cancel) {
            Ok(version) => version,
            // The answer to an attempt may have been lost, and the next attempt found what that one wrote.
            Err(error) if is_conflict(&error) => match found(&self.object, &cancel).map_err(|error| failed(&error))? {
                Some((found, version)) if found == bytes => version,
                _ => return Err(self.another_run()),
            },
            Err(error) => return Err(failed(&error)),
        };
        (self.bytes, self.version) = (bytes, version);
        Ok(())
    }

    fn another_run(&self) -> Error {
        let path = self.root.path();
        let message = format!("Another run has taken over `{}`.", Shown(path));
        let mut error = FileError::new(path, message);
        error.hint = Some("Wait until it has ended, or name another directory.".to_owned());
        Error::Locked(Box::new(error))
    }
}

impl Journal for RemoteJournal {
    fn append(&mut self, line: &[u8]) -> Result<()> {
        let bytes = [&self.bytes[..], line].concat();
        self.write(bytes, PutMode::Update(self.version.clone()))
    }

    fn check(&self) -> Result<()> {
        let cancel = self.root.heeded.now();
        match wait(&cancel, self.object.store.head(&self.object.key)) {
            Ok(meta) if meta.e_tag == self.version.e_tag => Ok(()),
            Ok(_) => Err(self.another_run()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = self.object.as_path();
                let message = format!("`{}` was removed while the run wrote to its directory.", Shown(path));
                Err(Error::output(path, message))
            }
            Err(error) => Err(Error::Output(Box::new(self.object.failed("looking at", &error)))),
        }
    }

    fn is_alone(&self) -> bool {
        false
    }
}
