//! The metadata of one distribution, read only as far as it is needed.

use crate::error::Shown;
use crate::plugins::{Finding, Severity};
use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

/// The metadata of the distributions that lie in a folder of `sys.path`, where an empty path is the current directory.
pub(super) fn distributions(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let is_egg = folder
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("egg"));
    let mut found = Vec::new();
    for entry in fs_err::read_dir(listed)? {
        let name = entry?.file_name();
        let extension = Path::new(&name).extension();
        let is_metadata = extension.is_some_and(|extension| {
            extension.eq_ignore_ascii_case("dist-info") || extension.eq_ignore_ascii_case("egg-info")
        });
        if is_metadata || (is_egg && name.eq_ignore_ascii_case("egg-info")) {
            found.push(folder.join(name));
        }
    }
    Ok(found)
}

/// A `.dist-info` or `.egg-info` folder (or file: an old `.egg-info` is its own metadata).
pub(super) struct Folder {
    path: PathBuf,
    header: OnceCell<Header>,
    in_archive: bool,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            header: OnceCell::new(),
            in_archive: false,
        }
    }

    /// A folder that cannot be read as one, with the header that its distribution gave.
    pub(super) fn of_archive(path: PathBuf, header: Header) -> Self {
        Self {
            path,
            header: OnceCell::from(header),
            in_archive: true,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn file_name(&self) -> &std::ffi::OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Reads a file of the folder; `None` if it is not there.
    pub(super) fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>> {
        match fs_err::read(self.path.join(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is metadata at all. Finding a folder without any costs one look, not a read.
    pub(super) fn has_metadata(&self) -> bool {
        self.in_archive
            || self.path.join("METADATA").exists()
            || self.path.join("PKG-INFO").exists()
            || self.path.is_file()
    }

    /// The name of the distribution: as its metadata spells it if that was read, otherwise as the folder is named.
    pub(super) fn name(&self) -> String {
        if let Some(name) = self.header.get().and_then(|header| header.name.clone()) {
            return name;
        }
        self.stem().0
    }

    fn stem(&self) -> (String, Option<String>) {
        let name = self.file_name().to_string_lossy();
        let stem = name
            .strip_suffix(".dist-info")
            .or_else(|| name.strip_suffix(".egg-info"))
            .unwrap_or(&name);
        match stem.split_once('-') {
            Some((name, rest)) => (name.to_owned(), rest.split('-').next().map(str::to_owned)),
            None => (stem.to_owned(), None),
        }
    }

    /// The version, as far as it can be compared: runs of digits as numbers.
    pub(super) fn version_key(&self) -> Vec<u64> {
        let version = self.stem().1.unwrap_or_default();
        version
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect()
    }

    /// The name and the version that the metadata says.
    pub(super) fn header(&self) -> &Header {
        self.header.get_or_init(|| {
            let bytes = ["METADATA", "PKG-INFO"]
                .into_iter()
                .find_map(|file| self.read(file).ok().flatten())
                .or_else(|| fs_err::read(&self.path).ok());
            let mut header = Header::read(&bytes.unwrap_or_default());
            if header.version.is_none() {
                header.version = self.stem().1;
            }
            header
        })
    }

    /// Whether the distribution was installed as editable.
    pub(super) fn is_editable(&self) -> bool {
        let origin = self.read("direct_url.json").ok().flatten();
        let origin: Option<serde_json::Value> = origin.and_then(|origin| serde_json::from_slice(&origin).ok());
        origin.is_some_and(|origin| origin["dir_info"]["editable"] == serde_json::Value::Bool(true))
    }
}

/// What is needed of `METADATA`. The whole of it is an e-mail message, which takes Python most of a millisecond to parse.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    not_utf8: bool,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut header = Self::default();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for line in bytes.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            let Ok(line) = std::str::from_utf8(line) else {
                header.not_utf8 = true;
                continue;
            };
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            let slot = match key {
                _ if value.is_empty() => continue,
                _ if key.eq_ignore_ascii_case("name") => &mut header.name,
                _ if key.eq_ignore_ascii_case("version") => &mut header.version,
                _ => continue,
            };
            slot.get_or_insert_with(|| value.to_owned());
        }
        header
    }

    /// What is wrong with the metadata of a distribution that can be used all the same.
    pub(super) fn problem(&self, distribution: &str, path: &Path) -> Option<Finding> {
        let message = if self.name.is_none() {
            format!(
                "The metadata of {} does not say its name, so the name of its folder is used.",
                Shown(path)
            )
        } else if self.not_utf8 {
            format!("The metadata of {} is not UTF-8.", Shown(path))
        } else {
            return None;
        };
        Some(Finding {
            distribution: Some(distribution.to_owned()),
            code: "unreadable_metadata".to_owned(),
            severity: Severity::Warning,
            path: Some(Shown(path).to_string()),
            line: None,
            message,
            hint: Some("Install the distribution again; if that does not help, tell its author.".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_up_to_its_first_empty_line() {
        let header = Header::read(b"Metadata-Version: 2.1\r\nname: Acme.Plug\r\nVersion: 1.2\r\n\r\nName: not this\n");
        assert_eq!(
            (header.name.as_deref(), header.version.as_deref()),
            (Some("Acme.Plug"), Some("1.2"))
        );
    }

    #[test]
    fn a_bad_byte_hides_no_other_line() {
        let header = Header::read(b"Author: J\xfcrgen\nName: acme\nVersion: 1\n");
        assert_eq!(header.name.as_deref(), Some("acme"));
        assert!(header.problem("acme", Path::new("acme-1.dist-info")).is_some());
    }

    #[test]
    fn distributions_are_known_by_the_names_of_their_folders() {
        let site = tempfile::tempdir().expect("a folder");
        for name in [
            "acme-1.0.dist-info",
            "Old-2.EGG-INFO",
            "acme",
            "EGG-INFO",
            "x.dist-info.txt",
        ] {
            fs_err::create_dir(site.path().join(name)).expect("a folder");
        }
        let mut found = distributions(site.path()).expect("a list");
        found.sort();
        let expected = ["Old-2.EGG-INFO", "acme-1.0.dist-info"].map(|name| site.path().join(name));
        assert_eq!(found, expected);
        let egg = site.path().join("whole.egg");
        fs_err::create_dir_all(egg.join("EGG-INFO")).expect("a folder");
        assert_eq!(distributions(&egg).expect("a list"), [egg.join("EGG-INFO")]);
        assert!(distributions(&site.path().join("absent")).is_err());
    }

    #[test]
    fn versions_compare_as_numbers() {
        let key = |name: &str| Folder::new(PathBuf::from(name)).version_key();
        assert!(key("x-1.10.0.dist-info") > key("x-1.9.2.dist-info"));
        assert!(key("x.dist-info").is_empty());
    }
}
