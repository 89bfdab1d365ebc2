//! Checks, before anything is read, that a run can write where and what it is asked to.

use super::locate::Identity;
use super::remote::{self, ObjectUrl};
use super::{Format, Input, InputLocation};
use crate::error::{ConfigError, Error, Result, Shown};
use crate::plan::PlanField;
use crate::step::Cancel;
use std::path::Path;

/// A file that a run is to write.
#[derive(Debug, Clone, Copy)]
pub struct Output<'p> {
    /// What it is for, in words: `output`, `file of rejected records`, `quarantine file`.
    pub role: &'p str,
    /// Where it is to be.
    pub path: &'p Path,
}

/// Refuses outputs that are inputs, or each other, or folders, and (without `overwrite`) files that exist. Devices and
/// pipes such as `/dev/null` may be used as often as one likes.
pub fn check_output(inputs: &[Input], outputs: &[Output<'_>], overwrite: bool, cancel: &Cancel) -> Result<()> {
    let inputs: Vec<(Identity, &Input)> = inputs
        .iter()
        .filter(|input| input.location != InputLocation::Standard)
        .map(|input| (Identity::of_input(input), input))
        .collect();
    let mut checked: Vec<(Identity, &Output<'_>)> = Vec::new();
    for output in outputs {
        let Output { role, path } = *output;
        let shown = Shown(path);
        if is_special(path) {
            continue;
        }
        if path.is_dir() {
            return Err(
                ConfigError::new(format!("The {role} `{shown}` is a directory; expected a file."))
                    .with_hint("Add the name of a file to it.")
                    .into(),
            );
        }
        let url = ObjectUrl::of(path)?;
        if let Some(url) = &url {
            url.check_object(role, |folder| {
                format!("Add the name of an object to it: `{folder}/NAME`. An output directory is said with a slash at its end: `{folder}/`.")
            })?;
        }
        let identity = url
            .as_ref()
            .map_or_else(|| Identity::of(path), |url| Identity::Object(url.place().clone()));
        if let Some((_, input)) = inputs.iter().find(|(other, _)| *other == identity) {
            let message = format!("The {role} `{shown}` is also an input, `{}`.", input.name);
            return Err(ConfigError::new(message)
                .with_hint("Write to another file, and rename it afterwards if you want to replace the input.")
                .into());
        }
        if let Some((_, other)) = checked.iter().find(|(other, _)| *other == identity) {
            let message = format!(
                "The {role} `{shown}` and the {} `{}` are the same file.",
                other.role,
                Shown(other.path)
            );
            return Err(ConfigError::new(message)
                .with_hint("Give each a file of its own.")
                .into());
        }
        if let Some(url) = url {
            url.check_writable(role)?;
            let taken = !overwrite
                && remote::exists(&url, cancel)
                    .map_err(|error| Error::Output(Box::new(url.failed("looking at", &error))))?;
            if taken {
                return Err(exists(role, path).into());
            }
        } else if !overwrite && fs_err::symlink_metadata(path).is_ok() {
            return Err(exists(role, path).into());
        }
        checked.push((identity, output));
    }
    Ok(())
}

/// Whether a path names a directory for a run to write to: it ends in a slash, or there is a directory.
#[must_use]
pub fn is_directory(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir()
}

/// The error of an output that exists and may not be replaced.
pub(super) fn exists(role: &str, path: &Path) -> ConfigError {
    ConfigError::new(format!("The {role} `{}` exists already.", Shown(path)))
        .with_hint("Name another file, or say `--overwrite` to replace it.")
}

/// Whether a path is no ordinary file: a device, a pipe, or one of the names of an open file.
pub(super) fn is_special(path: &Path) -> bool {
    let open_file = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
    open_file.iter().any(|name| path.starts_with(name))
        || !remote::is_url(path)
            && fs_err::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Refuses fields that steps add where the output cannot hold them. Pass the fields that are meant for the
/// output: one that only a later step asks for has done its work already.
pub fn check_representable<'f>(
    fields: impl IntoIterator<Item = &'f PlanField>,
    text: &str,
    source: Format,
    sink: Format,
) -> Result<()> {
    for field in fields.into_iter().filter(|field| field.added_by.is_some()) {
        let name = &field.name;
        if matches!(sink, Format::Text | Format::File) {
            let message = format!("A step adds the field `{name}`, which plain text cannot hold.");
            return Err(ConfigError::new(message)
                .with_hint("Write to a `.jsonl` file, or leave out the step.")
                .into());
        }
        if name == text {
            let from = if source == Format::Jsonl {
                "read from"
            } else {
                "written to"
            };
            let message = format!("A step adds the field `{name}`, but the text itself is {from} `{name}`.");
            return Err(ConfigError::new(message)
                .with_hint("Have the step change the text instead, or keep the text under another name with `--text`.")
                .into());
        }
    }
    Ok(())
}
