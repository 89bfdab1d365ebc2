//! What is said of the anomalies of installed distributions.

use crate::error::Shown;
use crate::plugins::{Finding, Plugin, Severity};
use crate::python::discovery::metadata::Folder;
use std::path::Path;

/// A plugin whose short name cannot be used alone.
pub(super) fn named(plugin: &Plugin, code: &str, message: String, hint: String) -> Finding {
    Finding {
        distribution: Some(plugin.distribution.clone()),
        code: code.to_owned(),
        severity: Severity::Warning,
        path: Some(plugin.location.clone()),
        line: None,
        message,
        hint: Some(hint),
    }
}

/// A folder of metadata without metadata. It hides nothing that lies beside it.
pub(super) fn stale(folder: &Folder) -> Finding {
    Finding {
        distribution: Some(folder.name()),
        code: "stale_metadata".to_owned(),
        severity: Severity::Warning,
        path: Some(Shown(folder.path()).to_string()),
        line: None,
        message: format!(
            "{} has no `METADATA`: an installation was interrupted there.",
            Shown(folder.path())
        ),
        hint: Some("Remove the folder, or install the distribution again.".to_owned()),
    }
}

/// A distribution that lies where nobody installed it.
pub(super) fn untrusted(folder: &Folder) -> Finding {
    Finding {
        distribution: Some(folder.name()),
        code: "untrusted_location".to_owned(),
        severity: Severity::Warning,
        path: Some(Shown(folder.path()).to_string()),
        line: None,
        message: format!(
            "{} lies in the current directory or beside the script that runs, and plugins from there are not used.",
            Shown(folder.path())
        ),
        hint: Some("Install the distribution if you trust it; an editable installation will do.".to_owned()),
    }
}

/// A distribution that is hidden by another of the same name.
pub(super) fn duplicate(chosen: &Folder, hidden: &Folder, same_folder: bool) -> Finding {
    let reason = if same_folder {
        "it has the higher version"
    } else {
        "Python imports from there"
    };
    Finding {
        distribution: Some(chosen.name()),
        code: "duplicate_distribution".to_owned(),
        severity: Severity::Warning,
        path: Some(Shown(hidden.path()).to_string()),
        line: None,
        message: format!(
            "{} is installed twice; {} is used, because {reason}.",
            Shown(Path::new(&chosen.name())),
            Shown(chosen.path())
        ),
        hint: Some("Remove one of them.".to_owned()),
    }
}

/// A bad byte in `entry_points.txt`, with the line it stands on.
pub(super) fn not_utf8(folder: &Folder, bytes: &[u8]) -> Finding {
    let good = std::str::from_utf8(bytes).err().map_or(0, |error| error.valid_up_to());
    let line = memchr::memchr_iter(b'\n', &bytes[..good]).count() + 1;
    Finding {
        distribution: Some(folder.name()),
        code: "unreadable_entry_points".to_owned(),
        severity: Severity::Error,
        path: Some(Shown(&folder.path().join("entry_points.txt")).to_string()),
        line: Some(line),
        message: format!(
            "`entry_points.txt` of {} is not UTF-8.",
            Shown(Path::new(&folder.name()))
        ),
        hint: Some(
            "Other tools that read entry points may fail for every package: install this one again, or remove it."
                .to_owned(),
        ),
    }
}

/// A file that cannot be read at all.
pub(super) fn unreadable(distribution: &str, path: &Path, code: &str, reason: &str) -> Finding {
    let named = (!distribution.is_empty()).then(|| distribution.to_owned());
    Finding {
        distribution: named,
        code: code.to_owned(),
        severity: Severity::Error,
        path: Some(Shown(path).to_string()),
        line: None,
        message: format!("{} cannot be read: {}.", Shown(path), reason.trim_end_matches('.')),
        hint: Some("Install the distribution again, or remove it.".to_owned()),
    }
}

/// A folder of `sys.path` that is there and cannot be listed.
pub(super) fn unlisted(folder: &Path, error: &std::io::Error) -> Finding {
    Finding {
        distribution: None,
        code: "unreadable_metadata".to_owned(),
        severity: Severity::Warning,
        path: Some(Shown(folder).to_string()),
        line: None,
        message: format!(
            "{} on `sys.path` cannot be listed: {}.",
            Shown(folder),
            error.to_string().trim_end_matches('.')
        ),
        hint: Some("What is installed there cannot be found; what is installed elsewhere is.".to_owned()),
    }
}

/// A finder that raised.
pub(super) fn finder_failed(finder: &str, raised: &str) -> Finding {
    Finding {
        distribution: None,
        code: "unreadable_metadata".to_owned(),
        severity: Severity::Error,
        path: None,
        line: None,
        message: format!(
            "The finder `{finder}` on `sys.meta_path` raised {raised} when it was asked for distributions."
        ),
        hint: Some("What this finder knows cannot be found; what others know is.".to_owned()),
    }
}
