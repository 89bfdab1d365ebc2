//! An output directory: finds out where a run begins or goes on, commits its shards one after the other, and closes it.
//!
//! Whoever holds a [`Directory`] holds its lock. Everything in it but the manifest is made under a temporary name; what the
//! manifest does not name is not there, and is removed when the run goes on.

use crate::engine::shards::FinishedShard;
use crate::error::{ConfigError, Error, Result, ResumeError, Shown};
use crate::io::{Checksum, Compression, Journal, PartialFile, Root, WrittenFile, open_root};
use crate::ledger::{
    EndEntry, FileEntry, Header, LOCK, Line, MANIFEST, Manifest, ManifestFlaw, REPORT, Report, ShardEntry, ShardFile,
    is_made_by_us,
};
use crate::step::Cancel;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An output directory that this run writes to.
pub(super) struct Directory {
    root: Arc<dyn Root>,
    manifest: Box<dyn Journal>,
    extension: String,
    /// Another run cannot begin before this is dropped.
    _lock: Option<File>,
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
    pub(super) fn open(path: &Path, header: &Header, existing: Existing, cancel: &Cancel) -> Result<Opened> {
        let root = open_root(path, cancel)?;
        if let [None, None] = root.find(&[MANIFEST, LOCK])?[..] {
            // Nothing is left behind in a folder that is not ours, not even a lock.
            refuse_strangers(&*root, existing)?;
        }
        let lock = root.lock(LOCK)?;
        let Some(bytes) = root.read(MANIFEST)? else {
            refuse_strangers(&*root, existing)?;
            return Self::begin(root, lock, header);
        };
        let manifest = Manifest::read(&bytes);
        match existing {
            Existing::Refuse => Err(exists(path)),
            Existing::Overwrite => {
                let manifest = manifest.map_err(|flaw| not_ours(path, flaw))?;
                if lock.is_none() {
                    // Whoever writes there still must not commit behind what is removed.
                    drop(Arc::clone(&root).journal(MANIFEST, &bytes[..manifest.length])?);
                }
                remove(&*root, &manifest)?;
                Self::begin(root, lock, header)
            }
            Existing::Resume => {
                let manifest = manifest.map_err(|flaw| not_usable(path, flaw))?;
                let differences = manifest.header.differences(header);
                if !differences.is_empty() {
                    return Err(ResumeError::changed(path, differences).into());
                }
                check_files(&*root, &manifest)?;
                if manifest.end.is_some() {
                    return Ok(Opened::Complete(Box::new(manifest)));
                }
                Self::go_on(&root, lock, manifest, &bytes)
            }
        }
    }

    fn begin(root: Arc<dyn Root>, lock: Option<File>, header: &Header) -> Result<Opened> {
        remove_temporaries(&*root)?;
        let line = written(&Line::Header(Box::new(header.clone())))?;
        Ok(Opened::Ready(
            Box::new(Self::with_manifest(root, lock, header, &line)?),
            Vec::new(),
        ))
    }

    fn go_on(root: &Arc<dyn Root>, lock: Option<File>, manifest: Manifest, bytes: &[u8]) -> Result<Opened> {
        remove_temporaries(&**root)?;
        let good = &bytes[..manifest.length];
        let directory = Self::with_manifest(Arc::clone(root), lock, &manifest.header, good)?;
        // At most one shard can have got names without a line in the manifest.
        remove_shard(&**root, manifest.shards.len() as u64, &directory.extension)?;
        Ok(Opened::Ready(Box::new(directory), manifest.shards))
    }

    /// Writes the beginning of the manifest anew, whole or not at all. Going on, that makes sure that the lines which were
    /// read are on the disk, also where an `fsync` of an earlier run failed.
    fn with_manifest(root: Arc<dyn Root>, lock: Option<File>, header: &Header, lines: &[u8]) -> Result<Self> {
        let manifest = Arc::clone(&root).journal(MANIFEST, lines)?;
        root.make_folders(&ShardFile::ALL.map(ShardFile::folder))?;
        Ok(Self {
            manifest,
            extension: header.options.extension(),
            root,
            _lock: lock,
        })
    }

    /// The place that shards are made in.
    pub(super) fn root(&self) -> &Arc<dyn Root> {
        &self.root
    }

    /// Commits a shard. Its line in the manifest is the last thing that is written, and what makes it count.
    pub(super) fn commit(&mut self, mut shard: FinishedShard) -> Result<()> {
        let number = shard.entry.shard;
        for file in &mut shard.files {
            file.make_durable()?;
        }
        self.manifest.check()?;
        let names: Vec<String> = shard.entry.files.iter().map(|file| file.path.clone()).collect();
        let appeared = appear(&*self.root, shard.files, &names).and_then(|()| {
            let line = written(&Line::Shard(Box::new(shard.entry)))?;
            self.manifest.append(&line)
        });
        if appeared.is_err() && self.manifest.is_alone() {
            // They are complete, but they do not count; resuming would remove them as well.
            let _ = remove_shard(&*self.root, number, &self.extension);
        }
        appeared
    }

    /// Writes the report and closes the manifest.
    pub(super) fn complete(&mut self, report: &Report, end: EndEntry) -> Result<()> {
        let mut json = serde_json::to_string_pretty(report).map_err(|error| not_written(&error))?;
        json.push('\n');
        let mut file = PartialFile::create(&self.root, REPORT, Compression::None)?;
        file.write(json.as_bytes(), Checksum::of(json.as_bytes()))?;
        let mut file = file.finish()?;
        file.make_durable()?;
        self.manifest.check()?;
        file.appear(true)?;
        self.root.settle(&[REPORT.to_owned()])?;
        self.manifest.append(&written(&Line::End(end))?)
    }
}

fn appear(root: &dyn Root, files: Vec<WrittenFile>, names: &[String]) -> Result<()> {
    for file in files {
        file.appear(false)?;
    }
    root.settle(names)
}

fn written(line: &Line) -> Result<Vec<u8>> {
    line.write().map_err(|error| not_written(&error))
}

fn not_written(error: &serde_json::Error) -> Error {
    Error::Internal(format!("A line of the manifest cannot be written as JSON: {error}."))
}

/// Refuses a folder without a manifest in which something else lies.
fn refuse_strangers(root: &dyn Root, existing: Existing) -> Result<()> {
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
fn check_files(root: &dyn Root, manifest: &Manifest) -> Result<()> {
    let files: Vec<&FileEntry> = manifest.shards.iter().flat_map(|shard| &shard.files).collect();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for (FileEntry { path, size, .. }, found) in files.into_iter().zip(root.find(&paths)?) {
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

fn remove_temporaries(root: &dyn Root) -> Result<()> {
    let names = root.names()?.into_iter();
    let ours = names.filter(|name| is_made_by_us(Path::new(name)) && name != LOCK);
    let ours: Vec<String> = ours.filter_map(|name| name.into_string().ok()).collect();
    root.remove(&ours)
}

fn remove_shard(root: &dyn Root, number: u64, extension: &str) -> Result<()> {
    root.remove(&ShardFile::ALL.map(|kind| kind.path(number, extension)))
}

/// Removes what a run made, its last shard first. Until the new manifest takes the place of the old one, the directory is
/// still that of the old run, so that this can be done again when it was interrupted.
fn remove(root: &dyn Root, manifest: &Manifest) -> Result<()> {
    let extension = manifest.header.options.extension();
    let numbers = (0..=manifest.shards.len() as u64).rev();
    let mut names: Vec<String> = numbers
        .flat_map(|number| ShardFile::ALL.map(|kind| kind.path(number, &extension)))
        .collect();
    names.push(REPORT.to_owned());
    root.remove(&names)
}
