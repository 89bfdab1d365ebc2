//! What object stores say when something cannot be done, in the words of this house.

use super::place::Store;
use super::{ObjectUrl, names};
use crate::error::FileError;
use object_store::client::{HttpError, HttpErrorKind};
use std::io::{self, ErrorKind};

/// The most characters of what a server says that a message holds: some send whole pages.
const MOST_CHARACTERS: usize = 300;

/// The number that systems have for what is not there.
const NO_SUCH_FILE: i32 = 2;

/// Of an object that is not what it was when it was first looked at.
pub(super) const CHANGED: ErrorKind = ErrorKind::StaleNetworkFileHandle;

/// Where machines in a cloud are told who they are. It is asked where nobody gave credentials, and is nowhere else.
const INSTANCE: &str = "169.254.169.254";

/// Of a server that could not be asked at all.
const UNREACHABLE: ErrorKind = ErrorKind::HostUnreachable;

/// What is said of an address in a bucket that is not there.
const NO_BUCKET: &str = "there is no such bucket";

/// The error of a store as one of reading and writing.
pub(super) fn of(error: &object_store::Error) -> io::Error {
    use object_store::Error as E;
    let (kind, said) = match error {
        E::NotFound { source, .. } if Said::by_server(&source.to_string()).is_some_and(|said| said.lacks_bucket()) => {
            return no_bucket();
        }
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
        E::Generic { source, .. } if is_unreachable(source.as_ref()) => (UNREACHABLE, chain(source.as_ref())),
        E::Generic { source, .. } => (ErrorKind::Other, chain(source.as_ref())),
        other => (ErrorKind::Other, other.to_string()),
    };
    match Said::by_server(&said) {
        Some(answer) if answer.lacks_bucket() => no_bucket(),
        Some(answer) => io::Error::new(kind, shortened(&answer.told())),
        None => io::Error::new(kind, shortened(&said)),
    }
}

/// The error of an object in a bucket that is not there.
fn no_bucket() -> io::Error {
    io::Error::new(ErrorKind::NotFound, NO_BUCKET)
}

/// What went wrong, in the words of a server: an error in XML has a code and a sentence for people.
struct Said<'s> {
    before: &'s str,
    code: &'s str,
    message: &'s str,
}

impl<'s> Said<'s> {
    /// Finds it in what the crate says of an answer.
    fn by_server(said: &'s str) -> Option<Self> {
        let element = |name: &str| {
            let (_, rest) = said.split_once(&format!("<{name}>"))?;
            // Azure has more in further lines, which is for its support.
            Some(
                rest.split_once(&format!("</{name}>"))?
                    .0
                    .lines()
                    .next()
                    .unwrap_or_default(),
            )
        };
        Some(Self {
            before: said.split(['<', '\u{feff}']).next().unwrap_or_default(),
            code: element("Code")?,
            message: element("Message").unwrap_or_default(),
        })
    }

    fn lacks_bucket(&self) -> bool {
        matches!(self.code, "NoSuchBucket" | "ContainerNotFound")
    }

    fn told(&self) -> String {
        let Self { before, code, message } = self;
        format!("{before}{} ({code})", message.trim_end_matches('.'))
    }
}

/// Whether a server could not be asked at all.
fn is_unreachable(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return error.kind() == HttpErrorKind::Connect;
        }
        next = error.source();
    }
    false
}

/// The error of an object that a store has listed, and that no request can be made about.
pub(super) fn of_flaw(flaw: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidFilename,
        format!("no request can be made with this name: {flaw}"),
    )
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
            ErrorKind::NotFound if self.place.is_on_web() => {
                Some("Check the address: the server, and the path of the file on it.".to_owned())
            }
            ErrorKind::NotFound if error.to_string() == NO_BUCKET => {
                let elsewhere = self.endpoint().map_or(String::new(), |variable| {
                    format!(" If it is in a store with an address of its own, {variable} says where that is.")
                });
                Some(format!("Check the address: the bucket must be there.{elsewhere}"))
            }
            ErrorKind::NotFound => Some("Check the address: the bucket, and the name of the object in it.".to_owned()),
            _ if error.to_string().contains(INSTANCE) => Some(self.credentials().to_owned()),
            UNREACHABLE => {
                let variable = self.endpoint().map_or(String::new(), |variable| {
                    format!(", {variable} if the store has an address of its own,")
                });
                Some(format!(
                    "Check the address{variable} and the network; `HTTPS_PROXY` and `NO_PROXY` say which proxy is asked."
                ))
            }
            ErrorKind::InvalidFilename => Some(names::HINT.to_owned()),
            _ => failed.hint,
        };
        failed
    }

    /// The variable that says where the server is.
    fn endpoint(&self) -> Option<&'static str> {
        Some(match self.place.store() {
            Store::Amazon { .. } => "`AWS_ENDPOINT_URL`",
            Store::Google { .. } => "`GOOGLE_BASE_URL`",
            Store::Azure { .. } => "`AZURE_STORAGE_ENDPOINT`",
            Store::Web { .. } => return None,
        })
    }

    /// Where credentials come from.
    fn credentials(&self) -> &'static str {
        match self.place.store() {
            Store::Amazon { .. } => {
                "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION (and AWS_ENDPOINT_URL if it is not Amazon's), or \
                 AWS_SKIP_SIGNATURE=true for what everybody may read."
            }
            Store::Google { .. } => {
                "Set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or GOOGLE_SKIP_SIGNATURE=true for what everybody may read."
            }
            Store::Web { .. } => {
                "Check that the address can be read without logging in; a signed address may have run out."
            }
            Store::Azure { .. } => {
                "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or a token), or AZURE_SKIP_SIGNATURE=true for what \
                 everybody may read."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

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

    #[test]
    fn what_a_server_says_in_xml_is_told_in_its_words() {
        let said = |status: &str, code: &str, message: &str| {
            let body =
                format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            of(&object_store::Error::Generic {
                store: "S3",
                source: format!("Server returned non-2xx status code: {status}: {body}").into(),
            })
        };
        let refused = said(
            "400 Bad Request",
            "InvalidArgument",
            "This is no argument.\nRequestId:7",
        );
        assert_eq!(
            refused.to_string(),
            "Server returned non-2xx status code: 400 Bad Request: This is no argument (InvalidArgument)"
        );
        let missing = said("404 Not Found", "NoSuchBucket", "The specified bucket does not exist");
        assert_eq!(
            (missing.kind(), missing.to_string()),
            (ErrorKind::NotFound, NO_BUCKET.to_owned())
        );
    }

    #[test]
    fn a_server_that_cannot_be_asked_is_told_of_with_the_way_out() {
        let refused = HttpError::new(HttpErrorKind::Connect, io::Error::other("connection refused"));
        let error = of(&object_store::Error::Generic {
            store: "S3",
            source: Box::new(refused),
        });
        assert_eq!(error.kind(), UNREACHABLE);
        for (address, told, not_told) in [
            ("s3://bucket/a.txt", "AWS_ENDPOINT_URL", "AZURE"),
            ("https://host/a.txt", "HTTPS_PROXY", "ENDPOINT"),
        ] {
            let url = ObjectUrl::of(Path::new(address)).unwrap().unwrap();
            let failed = url.failed("opening", &error);
            assert!(failed.message.contains("connection refused"), "{}", failed.message);
            let hint = failed.hint.unwrap();
            assert!(hint.contains("Check the address"), "{hint}");
            assert!(hint.contains(told) && !hint.contains(not_told), "{hint}");
        }
    }

    #[test]
    fn a_web_server_has_no_buckets() {
        let missing = io::Error::from(ErrorKind::NotFound);
        for (address, told) in [("s3://bucket/a.txt", true), ("https://host/a.txt", false)] {
            let url = ObjectUrl::of(Path::new(address)).unwrap().unwrap();
            let hint = url.failed("opening", &missing).hint.unwrap();
            assert_eq!(hint.contains("bucket"), told, "{hint}");
        }
    }
}
