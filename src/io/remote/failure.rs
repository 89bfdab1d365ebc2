//! What object stores say when something cannot be done, in the words of this house.

use super::ObjectUrl;
use crate::error::FileError;
use std::io::{self, ErrorKind};

/// The most characters of what a server says that a message holds: some send whole pages.
const MOST_CHARACTERS: usize = 300;

/// The number that systems have for what is not there.
const NO_SUCH_FILE: i32 = 2;

/// Of an object that is not what it was when it was first looked at.
pub(super) const CHANGED: ErrorKind = ErrorKind::StaleNetworkFileHandle;

/// The error of a store as one of reading and writing.
pub(super) fn of(error: &object_store::Error) -> io::Error {
    use object_store::Error as E;
    let (kind, said) = match error {
        E::NotFound { .. } => return io::Error::new(ErrorKind::NotFound, "there is no such object"),
        E::AlreadyExists { .. } => return io::Error::new(ErrorKind::AlreadyExists, "there is such an object already"),
        E::Precondition { .. } | E::NotModified { .. } => {
            return io::Error::new(CHANGED, "the object is not what it was when it was first looked at");
        }
        E::PermissionDenied { source, .. } => (
            ErrorKind::PermissionDenied,
            format!("the store does not permit it: {source}"),
        ),
        E::Unauthenticated { source, .. } => (
            ErrorKind::PermissionDenied,
            format!("the store does not accept the credentials: {source}"),
        ),
        E::NotSupported { source } => (ErrorKind::Unsupported, source.to_string()),
        E::NotImplemented { .. } => (ErrorKind::Unsupported, "the store cannot do this".to_owned()),
        E::Generic { source, .. } => (ErrorKind::Other, chain(source.as_ref())),
        other => (ErrorKind::Other, other.to_string()),
    };
    io::Error::new(kind, shortened(&said))
}

/// What an error says and what its causes say that it does not.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            said = format!("{said}: {cause_said}");
        }
        next = cause.source();
    }
    said
}

/// Cuts what a server says, and what stands behind the question mark of an address, where signatures are.
fn shortened(said: &str) -> String {
    let without_query = |word: &'_ str| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?…"),
        _ => word.to_owned(),
    };
    let line: String = said.split_whitespace().map(without_query).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

impl ObjectUrl {
    /// The error of something that was done to this object (`doing` is a gerund), with the way out.
    pub(in crate::io) fn failed(&self, doing: &str, error: &io::Error) -> FileError {
        let mut failed = FileError::of(self.as_path(), doing, error);
        if error.kind() == ErrorKind::NotFound {
            failed.errno = Some(NO_SUCH_FILE);
        }
        failed.hint = match error.kind() {
            ErrorKind::PermissionDenied => Some(self.credentials().to_owned()),
            ErrorKind::NotFound => Some("Check the address: the bucket, and the name of the object in it.".to_owned()),
            _ if error.to_string().contains("169.254.169.254") => Some(self.credentials().to_owned()),
            _ => failed.hint,
        };
        failed
    }

    /// Where credentials come from.
    fn credentials(&self) -> &'static str {
        match self.scheme() {
            "s3" | "s3a" => {
                "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION (and AWS_ENDPOINT_URL if it is not Amazon's), or \
                 AWS_SKIP_SIGNATURE=true for what everybody may read."
            }
            "gs" => {
                "Set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or GOOGLE_SKIP_SIGNATURE=true for what everybody may read."
            }
            "http" | "https" => {
                "Check that the address can be read without logging in; a signed address may have run out."
            }
            _ => {
                "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or a token), or AZURE_SKIP_SIGNATURE=true for what \
                 everybody may read."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_servers_are_cut() {
        let said = "<html>\n".repeat(1000);
        let error = of(&object_store::Error::Generic {
            store: "HTTP",
            source: said.into(),
        });
        assert_eq!(error.to_string().chars().count(), MOST_CHARACTERS + 1);
    }

    #[test]
    fn signatures_are_not_told() {
        let said = "error for url (https://host/a.txt?X-Amz-Signature=secret): why?";
        assert_eq!(shortened(said), "error for url (https://host/a.txt?… why?");
    }

    #[test]
    fn causes_are_told_once() {
        let cause = io::Error::other("no route to host");
        let error = object_store::Error::Generic {
            store: "S3",
            source: Box::new(cause),
        };
        assert_eq!(of(&error).to_string(), "no route to host");
    }
}
