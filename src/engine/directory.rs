//! An output directory: finds out where a run begins or goes on, commits its shards one after the other, and closes it.
//!
//! Whoever holds a [`Directory`] holds its lock. Everything in it but the manifest is made under a temporary name; what the
//! manifest does not name is not there, and is removed when the run goes on.

use crate::engine::shards::FinishedShard;
use crate::error::{ConfigError, Error, FileError, Result, ResumeError, Shown};
use crate::io::{Checksum, Compression, Folder, PartialFile, WrittenFile, folder_of};
use crate::ledger::{
    EndEntry, FileEntry, Header, LOCK, Line, MANIFEST, Manifest, ManifestFlaw, REPORT, Report, ShardEntry, ShardFile,
    is_made_by_us,
};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An output directory that this run writes to.
pub(super) struct Directory {
    root: Arc<Folder>,
    folders: [Folder; 4],
    manifest: File,
    /// How many bytes the manifest has.
    length: u64,
    extension: String,
    /// Another run cannot begin before this is dropped.
    _lock: File,
}

/// What a directory is for a run.
pub(super) enum Opened {
    /// The run that it holds is complete.
    Complete(Box<Manifest>),
    /// It is to be written to, behind the shards that it holds.
    Ready(Box<Directory>, Vec<ShardEntry>),
}

/// What a run may do with a directory that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing.
    Refuse,
    /// Go on with the run that it holds.
    Resume,
    /// Remove the run that it holds.
    Overwrite,
}

impl Directory {
    /// Opens or makes the directory of a run.
    pub(super) fn open(path: &Path, header: &Header, existing: Existing) -> Result<Opened> {
        make(path)?;
        let root = Arc::new(Folder::open(path)?);
        if root.state(MANIFEST)?.is_none() && root.state(LOCK)?.is_none() {
            // Nothing is left behind in a folder that is not ours, not even a lock.
            refuse_strangers(&root, existing)?;
        }
        let lock = lock(&root)?;
        let Some(bytes) = read(&root)? else {
            refuse_strangers(&root, existing)?;
            return Self::begin(root, lock, header);
        };
        let manifest = Manifest::read(&bytes);
        match existing {
            Existing::Refuse => Err(exists(path)),
            Existing::Overwrite => {
                remove(&root, &manifest.map_err(|flaw| not_ours(path, flaw))?)?;
                Self::begin(root, lock, header)
            }
            Existing::Resume => {
                let manifest = manifest.map_err(|flaw| not_usable(path, flaw))?;
                let differences = manifest.header.differences(header);
                if !differences.is_empty() {
                    return Err(ResumeError::changed(path, differences).into());
                }
                check_files(&root, &manifest)?;
                if manifest.end.is_some() {
                    return Ok(Opened::Complete(Box::new(manifest)));
                }
                Self::go_on(root, lock, manifest, &bytes)
            }
        }
    }

    fn begin(root: Arc<Folder>, lock: File, header: &Header) -> Result<Opened> {
        remove_temporaries(&root)?;
        let line = written(&Line::Header(Box::new(header.clone())))?;
        Ok(Opened::Ready(
            Box::new(Self::with_manifest(root, lock, header, &line)?),
            Vec::new(),
        ))
    }

    fn go_on(root: Arc<Folder>, lock: File, manifest: Manifest, bytes: &[u8]) -> Result<Opened> {
        remove_temporaries(&root)?;
        // At most one shard can have got names without a line in the manifest.
        let extension = manifest.header.options.extension();
        remove_shard(&root, manifest.shards.len() as u64, &extension)?;
        let good = &bytes[..manifest.length];
        let directory = Self::with_manifest(root, lock, &manifest.header, good)?;
        Ok(Opened::Ready(Box::new(directory), manifest.shards))
    }

    /// Writes the beginning of the manifest anew, whole or not at all. Going on, that makes sure that the lines which were
    /// read are on the disk, also where an `fsync` of an earlier run failed.
    fn with_manifest(root: Arc<Folder>, lock: File, header: &Header, lines: &[u8]) -> Result<Self> {
        let written = whole_file(&root, MANIFEST, lines)?;
        written.make_durable()?;
        written.replace(&root, MANIFEST)?;
        let folders = [
            root.below(ShardFile::Out.folder())?,
            root.below(ShardFile::Rejected.folder())?,
            root.below(ShardFile::Quarantined.folder())?,
            root.below(ShardFile::Ledger.folder())?,
        ];
        root.sync()?;
        Ok(Self {
            manifest: root.append_to(MANIFEST)?,
            length: lines.len() as u64,
            extension: header.options.extension(),
            folders,
            root,
            _lock: lock,
        })
    }

    /// The folder that shards are made in.
    pub(super) fn root(&self) -> &Arc<Folder> {
        &self.root
    }

    /// Commits a shard. Its line in the manifest is the last thing that is written, and what makes it count.
    pub(super) fn commit(&mut self, shard: FinishedShard) -> Result<()> {
        let number = shard.entry.shard;
        for (_, file) in &shard.files {
            file.make_durable()?;
        }
        self.check_place()?;
        let appeared = self.appear(number, shard.files).and_then(|()| {
            let line = written(&Line::Shard(Box::new(shard.entry)))?;
            self.append(&line)
        });
        if appeared.is_err() {
            // They are complete, but they do not count; resuming would remove them as well.
            let _ = remove_shard(&self.root, number, &self.extension);
        }
        appeared
    }

    fn appear(&self, number: u64, files: Vec<(ShardFile, WrittenFile)>) -> Result<()> {
        let mut folders = Vec::with_capacity(files.len());
        for (kind, file) in files {
            let folder = &self.folders[kind as usize];
            file.appear(folder, &kind.name(number, &self.extension))?;
            folders.push(folder);
        }
        Ok(folders.into_iter().try_for_each(Folder::sync)?)
    }

    /// Writes the report and closes the manifest.
    pub(super) fn complete(&mut self, report: &Report, end: EndEntry) -> Result<()> {
        let mut json = serde_json::to_string_pretty(report).map_err(|error| not_written(&error))?;
        json.push('\n');
        let file = whole_file(&self.root, REPORT, json.as_bytes())?;
        file.make_durable()?;
        self.check_place()?;
        file.replace(&self.root, REPORT)?;
        self.root.sync()?;
        self.append(&written(&Line::End(end))?)
    }

    fn append(&mut self, line: &[u8]) -> Result<()> {
        let appended = self.manifest.write_all(line).and_then(|()| self.manifest.sync_all());
        if let Err(error) = appended {
            // Nobody knows how much of the line is on the disk, so it must not count.
            let _ = self.manifest.set_len(self.length);
            let path = self.root.path().join(MANIFEST);
            return Err(Error::Output(Box::new(FileError::of(path, "writing", &error))));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn check_place(&self) -> Result<()> {
        if self.root.is_in_place() {
            return Ok(());
        }
        let path = self.root.path();
        let message = format!(
            "The directory `{}` was moved or removed while it was written to.",
            Shown(path)
        );
        Err(Error::output(path, message))
    }
}

fn whole_file(root: &Arc<Folder>, name: &str, bytes: &[u8]) -> Result<WrittenFile> {
    let mut file = PartialFile::create(root, name, Compression::None)?;
    file.write(bytes, Checksum::of(bytes))?;
    file.finish()
}

fn written(line: &Line) -> Result<Vec<u8>> {
    line.write().map_err(|error| not_written(&error))
}

fn not_written(error: &serde_json::Error) -> Error {
    Error::Internal(format!("A line of the manifest cannot be written as JSON: {error}."))
}

/// Makes the directory, if nothing has its name.
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

fn lock(root: &Folder) -> Result<File> {
    let file = root.open_or_create(LOCK)?;
    let path = root.path();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut error = FileError::new(path, format!("Another run is writing to `{}`.", Shown(path)));
            error.hint = Some("Wait until it has ended, or name another directory.".to_owned());
            Err(Error::Locked(Box::new(error)))
        }
        Err(TryLockError::Error(error)) => Err(Error::Output(Box::new(FileError::of(
            path.join(LOCK),
            "locking",
            &error,
        )))),
    }
}

fn read(root: &Folder) -> Result<Option<Vec<u8>>> {
    let path = root.path().join(MANIFEST);
    match fs_err::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Output(Box::new(FileError::of(path, "reading", &error)))),
    }
}

/// Refuses a folder without a manifest in which something else lies.
fn refuse_strangers(root: &Folder, existing: Existing) -> Result<()> {
    let path = root.path();
    let Some(stranger) = root
        .names()?
        .into_iter()
        .map(PathBuf::from)
        .filter(|name| !is_made_by_us(name))
        .min()
    else {
        return Ok(());
    };
    let (path_shown, stranger) = (Shown(path), Shown(&stranger));
    let message = format!(
        "The directory `{path_shown}` is not empty and holds no run of text-processor (`{stranger}` lies in it)."
    );
    let hint = "Name an empty directory, or one that does not exist yet.";
    Err(match existing {
        Existing::Resume => ResumeError::new(path, message, hint).into(),
        Existing::Refuse | Existing::Overwrite => ConfigError::new(message).with_hint(hint).into(),
    })
}

fn exists(path: &Path) -> Error {
    ConfigError::new(format!("The directory `{}` holds a run already.", Shown(path)))
        .with_hint("Say `--resume` to go on with it, `--overwrite` to replace it, or name another directory.")
        .into()
}

fn what_is_wrong(path: &Path, flaw: ManifestFlaw) -> String {
    let manifest = path.join(MANIFEST);
    let manifest = Shown(&manifest);
    match flaw {
        ManifestFlaw::NoHeader => format!("`{manifest}` does not begin as a manifest does."),
        ManifestFlaw::OtherFormat(format) => {
            format!(
                "`{manifest}` has the format {format}; expected {}.",
                crate::ledger::FORMAT
            )
        }
        ManifestFlaw::Line(line) => format!("`{manifest}` is damaged in line {line}."),
    }
}

fn not_ours(path: &Path, flaw: ManifestFlaw) -> Error {
    let message = format!(
        "{} What belongs to the run cannot be told, so nothing was removed.",
        what_is_wrong(path, flaw)
    );
    ConfigError::new(message)
        .with_hint("Remove the directory yourself, or name another one.")
        .into()
}

fn not_usable(path: &Path, flaw: ManifestFlaw) -> Error {
    let hint = match flaw {
        ManifestFlaw::OtherFormat(_) => "Use the version of text-processor that began the run.",
        _ => "Restore the manifest from a copy, or begin again in another directory.",
    };
    ResumeError::new(path, what_is_wrong(path, flaw), hint).into()
}

/// Makes sure that the files of committed shards are there, before work is put into going on.
fn check_files(root: &Folder, manifest: &Manifest) -> Result<()> {
    for FileEntry { path, size, .. } in manifest.shards.iter().flat_map(|shard| &shard.files) {
        let found = root.state(path)?;
        if found.is_some_and(|found| found.is_file && found.size == *size) {
            continue;
        }
        let shown = root.path().join(path);
        let message = match found {
            None => format!("The file `{}`, which was committed, is missing.", Shown(&shown)),
            Some(found) => format!(
                "The file `{}` has {} bytes; {size} were committed.",
                Shown(&shown),
                found.size
            ),
        };
        let hint = "Restore it, or begin again with `--overwrite`; `text-processor verify` tells what else is wrong.";
        return Err(ResumeError::new(root.path(), message, hint).into());
    }
    Ok(())
}

fn remove_temporaries(root: &Folder) -> Result<()> {
    for name in root.names()? {
        if is_made_by_us(Path::new(&name)) && name != LOCK {
            root.remove(&name)?;
        }
    }
    Ok(())
}

fn remove_shard(root: &Folder, number: u64, extension: &str) -> Result<()> {
    for kind in ShardFile::ALL {
        if root.state(kind.folder())?.is_some() {
            root.below(kind.folder())?.remove(kind.name(number, extension))?;
        }
    }
    Ok(())
}

/// Removes what a run made, its last shard first. Until the new manifest takes the place of the old one, the directory is
/// still that of the old run, so that this can be done again when it was interrupted.
fn remove(root: &Arc<Folder>, manifest: &Manifest) -> Result<()> {
    let extension = manifest.header.options.extension();
    for number in (0..=manifest.shards.len() as u64).rev() {
        remove_shard(root, number, &extension)?;
    }
    Ok(root.remove(REPORT)?)
}
