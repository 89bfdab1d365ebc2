//! A folder that is written to by its handle: whatever is done to paths meanwhile, no file is led elsewhere, and a link
//! that somebody planted is never followed.

use crate::error::{Error, FileError};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// What new files and folders may be used for; the system takes away what the user's mask forbids.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
    /// Whether it can be listed and synchronised, and not only written to.
    is_readable: bool,
}

/// What the system says against something done in a folder. It becomes an output error that names the file.
#[derive(Debug)]
pub(super) struct FolderError {
    path: PathBuf,
    doing: &'static str,
    cause: Errno,
}

impl From<FolderError> for Error {
    fn from(error: FolderError) -> Self {
        let FolderError { path, doing, cause } = error;
        Self::Output(Box::new(FileError::of(path, doing, &cause.into())))
    }
}

/// For whoever calls the file by another name than it has in the folder.
impl From<FolderError> for io::Error {
    fn from(error: FolderError) -> Self {
        error.cause.into()
    }
}

type Result<T> = std::result::Result<T, FolderError>;

/// What makes a file itself, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    device: u64,
    number: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is an ordinary file.
    pub is_file: bool,
}

impl FileState {
    /// The state of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
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
    pub(super) fn is_same_file(self, other: Self) -> bool {
        (self.device, self.number) == (other.device, other.number)
    }
}

impl Folder {
    /// Opens a folder. A link to one is followed here, because somebody named it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
            Ok(handle) => Ok(Self {
                handle,
                path: path.to_owned(),
                is_readable: true,
            }),
            Err(cause) => Err(failed(path, "opening", cause)),
        }
    }

    /// Opens a folder, where the system can even if it may be written to but not read.
    pub(super) fn open_to_write(path: &Path) -> Result<Self> {
        let opened = Self::open(path);
        #[cfg(target_os = "linux")]
        if let Err(FolderError {
            cause: Errno::ACCESS, ..
        }) = opened
        {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            return match retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
                Ok(handle) => Ok(Self {
                    handle,
                    path: path.to_owned(),
                    is_readable: false,
                }),
                Err(cause) => Err(failed(path, "opening", cause)),
            };
        }
        opened
    }

    /// Opens a folder in this one, and makes it first if it is not there.
    pub(super) fn below(&self, name: &str) -> Result<Self> {
        match rustix::fs::mkdirat(&self.handle, name, FOLDER_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(self.failed(name, "creating", error)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::openat(&self.handle, name, flags, Mode::empty())) {
            Ok(handle) => Ok(Self {
                handle,
                path: self.path.join(name),
                is_readable: true,
            }),
            Err(error) => Err(self.failed(name, "opening", error)),
        }
    }

    /// Where it was when it was opened.
    #[must_use]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its path still leads to it.
    #[must_use]
    pub(super) fn is_in_place(&self) -> bool {
        let (Ok(mine), Ok(there)) = (rustix::fs::fstat(&self.handle), rustix::fs::stat(&self.path)) else {
            return false;
        };
        FileState::from_stat(&mine).is_same_file(FileState::from_stat(&there))
    }

    /// Makes a new file. If anything has the name, even a link that leads nowhere, that is an error.
    pub(super) fn create(&self, name: impl AsRef<OsStr>) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        self.open_file(name.as_ref(), flags, "creating")
    }

    /// Makes a new file, as `create` does, in which all writing is behind the end: if somebody cuts it meanwhile, it becomes
    /// shorter than it must be, and not one with a hole.
    pub(super) fn create_to_append(&self, name: impl AsRef<OsStr>) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        self.open_file(name.as_ref(), flags, "creating")
    }

    /// Opens a file to read and write it, and makes it first if it is not there.
    pub(super) fn open_or_create(&self, name: impl AsRef<OsStr>) -> Result<File> {
        self.open_file(name.as_ref(), OFlags::RDWR | OFlags::CREATE, "opening")
    }

    /// Opens a file to write behind its end.
    pub(super) fn append_to(&self, name: impl AsRef<OsStr>) -> Result<File> {
        self.open_file(name.as_ref(), OFlags::WRONLY | OFlags::APPEND, "opening")
    }

    fn open_file(&self, name: &OsStr, flags: OFlags, doing: &'static str) -> Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::openat(&self.handle, name, flags, FILE_MODE)) {
            Ok(handle) => Ok(File::from(handle)),
            Err(error) => Err(self.failed(name, doing, error)),
        }
    }

    /// What has a name here; `None` if nothing has.
    pub(super) fn state(&self, name: impl AsRef<OsStr>) -> Result<Option<FileState>> {
        let name = name.as_ref();
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileState::from_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed(name, "looking at", error)),
        }
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed(name, "removing", error)),
        }
    }

    /// Moves a file of this folder to a name in another one. What has that name already is replaced; a link is replaced
    /// itself, and not what it leads to.
    pub(super) fn rename(&self, name: impl AsRef<OsStr>, folder: &Self, new: impl AsRef<OsStr>) -> Result<()> {
        let (name, new) = (name.as_ref(), new.as_ref());
        retry_on_intr(|| rustix::fs::renameat(&self.handle, name, &folder.handle, new))
            .map_err(|error| folder.failed(new, "renaming", error))
    }

    /// Gives a file of this folder another name. If anything has that name already, even a link that leads nowhere, that is
    /// an error.
    pub(super) fn rename_without_replacing(&self, name: impl AsRef<OsStr>, new: impl AsRef<OsStr>) -> Result<()> {
        let (here, name, new) = (&self.handle, name.as_ref(), new.as_ref());
        #[cfg(any(target_os = "linux", target_vendor = "apple"))]
        match retry_on_intr(|| rustix::fs::renameat_with(here, name, here, new, rustix::fs::RenameFlags::NOREPLACE)) {
            // Not every file system knows how.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            done => return done.map_err(|error| self.failed(new, "renaming", error)),
        }
        rustix::fs::linkat(here, name, here, new, AtFlags::empty())
            .map_err(|error| self.failed(new, "renaming", error))?;
        self.remove(name)
    }

    /// The names in the folder, in no order.
    pub(super) fn names(&self) -> Result<Vec<OsString>> {
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

    /// Makes the names in the folder durable, if it can be read: no other can be synchronised.
    pub(super) fn sync(&self) -> Result<()> {
        if !self.is_readable {
            let path = self.path.display();
            log::debug!("The folder {path} cannot be synchronised: it cannot be read.");
            return Ok(());
        }
        match retry_on_intr(|| rustix::fs::fsync(&self.handle)) {
            Err(error) if !cannot_sync(error) => Err(failed(&self.path, "writing", error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, name: impl AsRef<Path>, doing: &'static str, cause: Errno) -> FolderError {
        failed(&self.path.join(name), doing, cause)
    }
}

/// Whether the system says that a folder of this file system cannot be synchronised, which then need not be.
fn cannot_sync(error: Errno) -> bool {
    let kind = io::Error::from(error).kind();
    matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

fn failed(path: &Path, doing: &'static str, cause: Errno) -> FolderError {
    FolderError {
        path: path.to_owned(),
        doing,
        cause,
    }
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

    #[test]
    fn a_name_that_is_taken_is_not_replaced_unless_asked_to() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        for name in ["old", "new"] {
            fs_err::write(place.path().join(name), name).unwrap();
        }
        let Error::Output(error) = folder.rename_without_replacing("new", "old").unwrap_err().into() else {
            panic!("an output error");
        };
        assert_eq!((error.path, error.errno), (place.path().join("old"), Some(17)));
        folder.rename_without_replacing("new", "free").unwrap();
        folder.rename("free", &folder, "old").unwrap();
        assert_eq!(folder.names().unwrap(), ["old"]);
        assert_eq!(fs_err::read(place.path().join("old")).unwrap(), b"new");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_cannot_be_read_can_be_written_to() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        fs_err::set_permissions(place.path(), std::fs::Permissions::from_mode(0o300)).unwrap();
        let folder = Folder::open_to_write(place.path()).unwrap();
        // For a user whom no permission stops, this is a folder like any other.
        assert_eq!(folder.is_readable, Folder::open(place.path()).is_ok());
        folder.create("a").unwrap();
        folder.rename_without_replacing("a", "b").unwrap();
        folder.sync().unwrap();
        folder.remove("b").unwrap();
        assert_eq!(folder.state("b").unwrap(), None);
    }
}
