//! A file under a temporary name that takes the place of another when it is complete, and goes away when it is dropped.
//!
//! The folder is opened once, and everything is done relative to it: if somebody moves it and puts another in its place
//! while a run goes on, nothing is made, renamed or removed in the other. No link at the temporary name is followed.

use super::folder::{Folder, folder_of};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;

/// How often another name is tried where one exists already.
const ATTEMPTS: usize = 100;

/// `.NAME.XXXXXX.partial`, with six letters or digits that nobody can guess.
fn name_beside(name: &OsStr) -> OsString {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // The standard library's source of randomness is the one of its hash maps.
    let mut random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
    let mut made = OsString::from(".");
    made.push(name);
    made.push(".");
    for _ in 0..6 {
        let letter = ALPHABET[(random & 31) as usize];
        random >>= 5;
        made.push(char::from(letter).encode_utf8(&mut [0; 4]));
    }
    made.push(".partial");
    made
}

/// A file that exists under a temporary name, until it is renamed or dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    folder: Folder,
    name: OsString,
    target: OsString,
    renamed: bool,
}

impl Temporary {
    /// Makes a temporary file beside a path. The system takes away from its mode what the user's mask forbids, as for any new
    /// file.
    pub(super) fn create(path: &Path) -> io::Result<(File, Self)> {
        let target = path.file_name().unwrap_or_default().to_owned();
        let folder = Folder::open_to_write(folder_of(path))?;
        for _ in 0..ATTEMPTS {
            let name = name_beside(&target);
            match folder.create(&name) {
                Ok(file) => {
                    let temporary = Self {
                        folder,
                        name,
                        target,
                        renamed: false,
                    };
                    return Ok((file, temporary));
                }
                Err(error) => match io::Error::from(error) {
                    error if error.kind() == io::ErrorKind::AlreadyExists => {}
                    error => return Err(error),
                },
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Gives the file its name, and makes that durable. What has the name already is replaced only with `overwrite`; a link is
    /// replaced itself, and not what it leads to.
    pub(super) fn rename(mut self, overwrite: bool) -> io::Result<()> {
        if overwrite {
            self.folder.rename(&self.name, &self.folder, &self.target)?;
        } else {
            self.folder.rename_without_replacing(&self.name, &self.target)?;
        }
        self.renamed = true;
        match self.folder.sync().map_err(io::Error::from) {
            // The file has its name, and whether folders may be synchronised here is not ours to say.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // Where it cannot be removed, its name says what it is.
            let _ = self.folder.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<OsString> = fs_err::read_dir(folder)
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn names_differ_and_cannot_be_guessed() {
        let names: std::collections::HashSet<OsString> = (0..1000).map(|_| name_beside(OsStr::new("out"))).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == ".out.XXXXXX.partial".len()));
    }

    #[test]
    fn a_folder_that_is_replaced_meanwhile_stays_untouched() {
        let top = tempfile::tempdir().expect("a folder");
        let (folder, moved, other) = (
            top.path().join("folder"),
            top.path().join("moved"),
            top.path().join("other"),
        );
        for path in [&folder, &other] {
            fs_err::create_dir(path).expect("made");
        }
        for commits in [true, false] {
            let (mut file, temporary) = Temporary::create(&folder.join("out")).expect("made");
            file.write_all(b"text").expect("written");
            fs_err::rename(&folder, &moved).expect("moved");
            symlink(&other, &folder).expect("linked");
            if commits {
                temporary.rename(true).expect("renamed");
                assert_eq!(fs_err::read(moved.join("out")).expect("read"), b"text");
            } else {
                drop(temporary);
            }
            assert_eq!(names(&moved), ["out"]);
            assert!(names(&other).is_empty());
            fs_err::remove_file(&folder).expect("removed");
            fs_err::rename(&moved, &folder).expect("moved back");
        }
    }

    #[test]
    fn a_link_at_the_name_is_replaced_itself_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, target) = (folder.path().join("out"), folder.path().join("target"));
        for target_exists in [false, true] {
            if target_exists {
                fs_err::write(&target, b"precious").expect("written");
            }
            symlink(&target, &path).expect("linked");
            let (_, temporary) = Temporary::create(&path).expect("made");
            let error = temporary.rename(false).expect_err("the name is taken");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            let (_, temporary) = Temporary::create(&path).expect("made");
            temporary.rename(true).expect("renamed");
            assert!(fs_err::symlink_metadata(&path).expect("there").is_file());
            assert_eq!(target.exists(), target_exists);
            fs_err::remove_file(&path).expect("removed");
        }
        assert_eq!(fs_err::read(&target).expect("read"), b"precious");
    }
}
