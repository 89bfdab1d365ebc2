//! An output directory in a folder of this machine.

use super::folder::{FileState, Folder, folder_of};
use super::root::{Draft, Found, Journal, Root};
use crate::error::{ConfigError, Error, FileError, Result, Shown};
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How the temporary names end.
pub const PARTIAL: &str = ".partial";

/// A folder, and the folders in it: all are held open, and whatever is done to paths meanwhile, no file is led elsewhere.
pub(super) struct LocalRoot {
    folder: Arc<Folder>,
    below: Mutex<Vec<(String, Arc<Folder>)>>,
}

impl LocalRoot {
    /// Opens the folder, and makes it if nothing has its name.
    pub(super) fn open(path: &Path) -> Result<Self> {
        make(path)?;
        Ok(Self {
            folder: Arc::new(Folder::open(path)?),
            below: Mutex::default(),
        })
    }

    /// The folder that a name is in, and its own name there. A folder that is not there is made.
    fn place<'n>(&self, name: &'n str) -> Result<(Arc<Folder>, &'n str)> {
        let Some((folder, own)) = name.split_once('/') else {
            return Ok((Arc::clone(&self.folder), name));
        };
        let mut below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, open)) = below.iter().find(|(known, _)| known == folder) {
            return Ok((Arc::clone(open), own));
        }
        let open = Arc::new(self.folder.below(folder)?);
        below.push((folder.to_owned(), Arc::clone(&open)));
        Ok((open, own))
    }

    /// The folder that a name is in, if it is there.
    fn place_there<'n>(&self, name: &'n str) -> Result<Option<(Arc<Folder>, &'n str)>> {
        match name.split_once('/') {
            Some((folder, _)) if self.folder.state(folder)?.is_none() => Ok(None),
            _ => self.place(name).map(Some),
        }
    }
}

impl Root for LocalRoot {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn lock(&self, name: &str) -> Result<Option<File>> {
        let file = self.folder.open_or_create(name)?;
        let path = self.path();
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => {
                let mut error = FileError::new(path, format!("Another run is writing to `{}`.", Shown(path)));
                error.hint = Some("Wait until it has ended, or name another directory.".to_owned());
                Err(Error::Locked(Box::new(error)))
            }
            Err(TryLockError::Error(error)) => Err(Error::Output(Box::new(FileError::of(
                path.join(name),
                "locking",
                &error,
            )))),
        }
    }

    fn names(&self) -> Result<Vec<OsString>> {
        Ok(self.folder.names()?)
    }

    fn find(&self, names: &[&str]) -> Result<Vec<Option<Found>>> {
        let find = |name: &&str| {
            let found = self.folder.state(name)?;
            Ok(found.map(|FileState { size, is_file, .. }| Found { size, is_file }))
        };
        names.iter().map(find).collect()
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path().join(name);
        match fs_err::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Output(Box::new(FileError::of(path, "reading", &error)))),
        }
    }

    fn remove(&self, names: &[String]) -> Result<()> {
        for name in names {
            if let Some((folder, own)) = self.place_there(name)? {
                folder.remove(own)?;
            }
        }
        Ok(())
    }

    fn draft(self: Arc<Self>, name: &str) -> Result<Box<dyn Draft>> {
        Ok(Box::new(LocalDraft::create(self, name)?))
    }

    fn journal(self: Arc<Self>, name: &str, lines: &[u8]) -> Result<Box<dyn Journal>> {
        let mut draft = Box::new(LocalDraft::create(Arc::clone(&self), name)?);
        draft
            .write_all(lines)
            .map_err(|error| draft.failed("writing", &error))?;
        draft.make_durable(lines.len() as u64)?;
        draft.appear(true)?;
        self.folder.sync()?;
        Ok(Box::new(LocalJournal {
            file: self.folder.append_to(name)?,
            path: self.path().join(name),
            length: lines.len() as u64,
            folder: Arc::clone(&self.folder),
        }))
    }

    fn make_folders(&self, names: &[&str]) -> Result<()> {
        for name in names {
            self.place(&format!("{name}/"))?;
        }
        Ok(self.folder.sync()?)
    }

    fn settle(&self, names: &[String]) -> Result<()> {
        let mut settled: Vec<Arc<Folder>> = Vec::new();
        for name in names {
            let (folder, _) = self.place(name)?;
            if !settled.iter().any(|other| Arc::ptr_eq(other, &folder)) {
                folder.sync()?;
                settled.push(folder);
            }
        }
        Ok(())
    }
}

/// Makes the folder, if nothing has its name.
fn make(path: &Path) -> Result<()> {
    match fs_err::create_dir(path) {
        Ok(()) => {
            // Its own name is to be as durable as what will lie in it. A folder above that cannot be opened is not ours.
            Folder::open(folder_of(path)).map_or(Ok(()), |above| Ok(above.sync()?))
        }
        Err(_) if path.is_dir() => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists || error.kind() == ErrorKind::NotADirectory => {
            let message = format!("The output `{}` is a file; expected a directory.", Shown(path));
            Err(ConfigError::new(message)
                .with_hint("Leave out the slash at its end to write one file, or name another directory.")
                .into())
        }
        Err(error) => {
            let mut failed = FileError::of(path, "creating", &error);
            if error.kind() == ErrorKind::NotFound {
                failed.hint = Some("Create the directory above it first.".to_owned());
            }
            Err(Error::Output(Box::new(failed)))
        }
    }
}

/// A file under a temporary name.
struct LocalDraft {
    root: Arc<LocalRoot>,
    file: File,
    temporary: String,
    name: String,
    appeared: bool,
}

impl LocalDraft {
    fn create(root: Arc<LocalRoot>, name: &str) -> Result<Self> {
        let temporary = temporary(name);
        // The lock is ours: whatever has this name was left by a run that is over.
        root.folder.remove(&temporary)?;
        Ok(Self {
            file: root.folder.create_to_append(&temporary)?,
            root,
            temporary,
            name: name.to_owned(),
            appeared: false,
        })
    }

    fn failed(&self, doing: &str, error: &io::Error) -> Error {
        Error::Output(Box::new(FileError::of(self.path(), doing, error)))
    }
}

/// The temporary name of a file: `.out-00000.partial` for `out/00000.jsonl`.
fn temporary(name: &str) -> String {
    let plain = match name.split_once('/') {
        Some((folder, own)) => format!("{folder}-{}", own.split('.').next().unwrap_or_default()),
        None => name.to_owned(),
    };
    format!(".{plain}{PARTIAL}")
}

impl Write for LocalDraft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Draft for LocalDraft {
    fn path(&self) -> PathBuf {
        self.root.path().join(&self.temporary)
    }

    /// Makes sure, too, that its name still stands for it.
    fn make_durable(&mut self, length: u64) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed("writing", &error))?;
        let mine = FileState::of(&self.file).map_err(|error| self.failed("looking at", &error))?;
        let named = self.root.folder.state(&self.temporary)?;
        if named.is_some_and(|named| named.is_same_file(mine)) && mine.size == length {
            return Ok(());
        }
        let path = self.path();
        let message = format!(
            "A file of the output was changed by somebody else while it was written: {} has {} bytes where {length} were written.",
            Shown(&path),
            named.map_or(0, |named| named.size),
        );
        let mut error = FileError::new(path, message);
        error.hint =
            Some("Let nothing else write into the directory, a plugin included, and say `--resume`.".to_owned());
        Err(Error::Output(Box::new(error)))
    }

    fn appear(mut self: Box<Self>, replace: bool) -> Result<()> {
        let (folder, own) = self.root.place(&self.name)?;
        if !replace && folder.state(own)?.is_some() {
            let path = folder.path().join(own);
            let message = format!("Something else has the name `{}`.", Shown(&path));
            let mut error = FileError::new(path, message);
            error.hint = Some("Move it out of the directory, and say `--resume`.".to_owned());
            return Err(Error::Output(Box::new(error)));
        }
        self.root.folder.rename(&self.temporary, &folder, own)?;
        self.appeared = true;
        Ok(())
    }
}

impl Drop for LocalDraft {
    fn drop(&mut self) {
        if !self.appeared {
            // What cannot be removed now is removed when the run goes on.
            let _ = self.root.folder.remove(&self.temporary);
        }
    }
}

struct LocalJournal {
    file: File,
    path: PathBuf,
    /// How many bytes it has.
    length: u64,
    folder: Arc<Folder>,
}

impl Journal for LocalJournal {
    fn append(&mut self, line: &[u8]) -> Result<()> {
        let appended = self.file.write_all(line).and_then(|()| self.file.sync_all());
        if let Err(error) = appended {
            // Nobody knows how much of the line is on the disk, so it must not count.
            let _ = self.file.set_len(self.length);
            return Err(Error::Output(Box::new(FileError::of(&self.path, "writing", &error))));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.folder.is_in_place() {
            return Ok(());
        }
        let path = self.folder.path();
        let message = format!(
            "The directory `{}` was moved or removed while it was written to.",
            Shown(path)
        );
        Err(Error::output(path, message))
    }

    fn is_alone(&self) -> bool {
        true
    }
}
