//! A folder that is written to by its handle: whatever is done to paths meanwhile, no file is led elsewhere, and a link
//! that somebody planted is never followed.

use crate::error::{Error, FileError, Result};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// What new files and folders may be used for; the system takes away what the user's mask forbids.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

/// What makes a file itself, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    device: u64,
    number: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is an ordinary file.
    pub is_file: bool,
}

impl FileState {
    /// The state of an open file.
    pub fn of(file: &File) -> std::io::Result<Self> {
        Ok(Self::from_stat(&rustix::fs::fstat(file)?))
    }

    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_lossless,
        reason = "the fields of `stat` have other types on other systems"
    )]
    fn from_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            number: stat.st_ino as u64,
            size: stat.st_size as u64,
            is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        }
    }

    /// Whether both are of one file, whatever its size was.
    #[must_use]
    pub fn is_same_file(self, other: Self) -> bool {
        (self.device, self.number) == (other.device, other.number)
    }
}

impl Folder {
    /// Opens a folder. A link to one is followed here, because somebody named it.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
            Ok(handle) => Ok(Self {
                handle,
                path: path.to_owned(),
            }),
            Err(error) => Err(failed(path, "opening", error)),
        }
    }

    /// Opens a folder in this one, and makes it first if it is not there.
    pub fn below(&self, name: &str) -> Result<Self> {
        match rustix::fs::mkdirat(&self.handle, name, FOLDER_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(self.failed(name, "creating", error)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::openat(&self.handle, name, flags, Mode::empty())) {
            Ok(handle) => Ok(Self {
                handle,
                path: self.path.join(name),
            }),
            Err(error) => Err(self.failed(name, "opening", error)),
        }
    }

    /// Where it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its path still leads to it.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let (Ok(mine), Ok(there)) = (rustix::fs::fstat(&self.handle), rustix::fs::stat(&self.path)) else {
            return false;
        };
        FileState::from_stat(&mine).is_same_file(FileState::from_stat(&there))
    }

    /// Makes a new file. If anything has the name, even a link that leads nowhere, that is an error. All writing is behind
    /// the file's end: if somebody cuts it meanwhile, it becomes shorter than it must be, and not one with a hole.
    pub fn create(&self, name: &str) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        self.open_file(name, flags, "creating")
    }

    /// Opens a file to read and write it, and makes it first if it is not there.
    pub fn open_or_create(&self, name: &str) -> Result<File> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE, "opening")
    }

    /// Opens a file to write behind its end.
    pub fn append_to(&self, name: &str) -> Result<File> {
        self.open_file(name, OFlags::WRONLY | OFlags::APPEND, "opening")
    }

    fn open_file(&self, name: &str, flags: OFlags, doing: &str) -> Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::openat(&self.handle, name, flags, FILE_MODE)) {
            Ok(handle) => Ok(File::from(handle)),
            Err(error) => Err(self.failed(name, doing, error)),
        }
    }

    /// What has a name here; `None` if nothing has.
    pub fn state(&self, name: &str) -> Result<Option<FileState>> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileState::from_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed(name, "looking at", error)),
        }
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed(name, "removing", error)),
        }
    }

    /// Moves a file of this folder to a name in another one. What has that name already is replaced.
    pub fn rename(&self, name: &str, folder: &Self, new: &str) -> Result<()> {
        retry_on_intr(|| rustix::fs::renameat(&self.handle, name, &folder.handle, new))
            .map_err(|error| folder.failed(new, "renaming", error))
    }

    /// The names in the folder, in no order.
    pub fn names(&self) -> Result<Vec<OsString>> {
        let listed = |error| failed(&self.path, "listing", error);
        let mut names = Vec::new();
        for entry in retry_on_intr(|| Dir::read_from(&self.handle)).map_err(listed)? {
            let name = entry.map_err(listed)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// Makes the names in the folder durable.
    pub fn sync(&self) -> Result<()> {
        match retry_on_intr(|| rustix::fs::fsync(&self.handle)) {
            // Some file systems cannot, and need not.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(error) => Err(failed(&self.path, "writing", error)),
        }
    }

    fn failed(&self, name: &str, doing: &str, error: Errno) -> Error {
        failed(&self.path.join(name), doing, error)
    }
}

fn failed(path: &Path, doing: &str, error: Errno) -> Error {
    Error::Output(Box::new(FileError::of(path, doing, &error.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_link_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        for name in ["new", "old"] {
            std::os::unix::fs::symlink(outside.path().join("stolen"), place.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink(outside.path(), place.path().join("below")).unwrap();
        assert!(folder.create("new").is_err());
        assert!(folder.append_to("old").is_err());
        assert!(folder.open_or_create("old").is_err());
        assert!(folder.below("below").is_err());
        assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_was_moved_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        fs_err::create_dir(&path).unwrap();
        let folder = Folder::open(&path).unwrap();
        assert!(folder.is_in_place());
        fs_err::rename(&path, place.path().join("elsewhere")).unwrap();
        assert!(!folder.is_in_place());
        fs_err::create_dir(&path).unwrap();
        assert!(!folder.is_in_place());
    }

    #[test]
    fn files_are_made_found_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let file = folder.create("a").unwrap();
        let below = folder.below("b").unwrap();
        folder.rename("a", &below, "c").unwrap();
        let state = below.state("c").unwrap().unwrap();
        assert!(state.is_same_file(FileState::of(&file).unwrap()) && state.is_file);
        assert_eq!(folder.state("a").unwrap(), None);
        assert_eq!(folder.names().unwrap(), ["b"]);
        below.remove("c").unwrap();
        below.remove("c").unwrap();
        assert!(below.names().unwrap().is_empty());
        folder.sync().unwrap();
    }
}
