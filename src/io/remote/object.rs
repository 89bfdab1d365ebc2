//! One object that is read: what it is, its first bytes, and any part of it.

use super::answers::UNKNOWN_SIZE;
use super::download::start_parts;
use super::runtime::{Started, start, wait};
use super::{ObjectUrl, failure};
use crate::error::{ConfigError, Error, FileError, Result};
use crate::step::Cancel;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes at its beginning are read when an object is first looked at: they tell what it is.
const HEAD: u64 = 4096;

/// How many objects are looked at at once.
const AT_ONCE: usize = 16;

/// An object that is read.
#[derive(Debug)]
pub struct RemoteObject {
    url: ObjectUrl,
    /// What it was when it was first looked at, or why nothing is known of it.
    known: Result<Known, io::Error>,
    /// Whether a request has found it to be another one since.
    changed: AtomicBool,
    /// Its first parts, which somebody has asked for before it is read.
    begun: Mutex<VecDeque<Started<Bytes>>>,
}

/// What is known of an object.
#[derive(Debug)]
struct Known {
    meta: ObjectMeta,
    head: Bytes,
    /// Whether parts of it can be asked for.
    has_parts: bool,
}

impl PartialEq for RemoteObject {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for RemoteObject {}

impl RemoteObject {
    /// Looks at objects, several at a time. Of what cannot be read, whoever opens it is told.
    pub(in crate::io) fn look_at(urls: Vec<ObjectUrl>, cancel: &Cancel) -> Result<Vec<Arc<Self>>> {
        let Some(first) = urls.first() else {
            return Ok(Vec::new());
        };
        let name = first.as_path().to_owned();
        let looks = urls.into_iter().map(|url| async move {
            let known = match url.flaw {
                None => look(&url).await.map_err(|error| failure::of(&error)),
                Some(flaw) => Err(failure::of_flaw(flaw)),
            };
            (url, known)
        });
        let found = wait(cancel, async {
            Ok(stream::iter(looks).buffered(AT_ONCE).collect::<Vec<_>>().await)
        })
        .map_err(|error| Error::Input(Box::new(FileError::of(name, "opening", &error))))?;
        Ok(found
            .into_iter()
            .map(|(url, known)| Arc::new(Self::new(url, known)))
            .collect())
    }

    /// Looks at one object, which must be there.
    pub(in crate::io) fn look(url: ObjectUrl, cancel: &Cancel) -> io::Result<Arc<Self>> {
        let known = wait(cancel, look(&url))?;
        Ok(Arc::new(Self::new(url, Ok(known))))
    }

    fn new(url: ObjectUrl, known: io::Result<Known>) -> Self {
        Self {
            url,
            known,
            changed: AtomicBool::new(false),
            begun: Mutex::default(),
        }
    }

    /// Asks for the beginning of it, if it will be read from there and is more than what is known already: who reads one object
    /// after the other waits less for each.
    pub(in crate::io) fn prepare(self: &Arc<Self>) {
        let size = self.size().unwrap_or(0);
        if self.has_parts() && (self.head().len() as u64) < size {
            // What cannot be begun now is told of when it is read.
            let begun = start_parts(self, 0).map(|(parts, _)| parts).unwrap_or_default();
            *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        }
    }

    /// The first parts, if somebody has asked for them.
    pub(super) fn take_begun(&self) -> VecDeque<Started<Bytes>> {
        std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &ObjectUrl {
        &self.url
    }

    /// Its address as a path, for messages.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        self.url.as_path()
    }

    /// Fails if it could not be looked at.
    pub(in crate::io) fn check(&self) -> Result<(), FileError> {
        match &self.known {
            Ok(_) => Ok(()),
            Err(error) => Err(self.url.failed("opening", error)),
        }
    }

    /// How many bytes it has, if it could be looked at and its server knows that before it has sent them.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        let known = self.known.as_ref().ok()?;
        Some(known.meta.size).filter(|&size| size != UNKNOWN_SIZE)
    }

    /// Whether it could be looked at.
    pub(in crate::io) fn is_there(&self) -> bool {
        self.known.is_ok()
    }

    /// Its first bytes: all of them, or some thousand.
    pub(in crate::io) fn head(&self) -> &[u8] {
        self.known.as_ref().map_or(&[], |known| &known.head)
    }

    /// When it was modified, in nanoseconds since 1970.
    pub(in crate::io) fn modified(&self) -> Option<u64> {
        let known = self.known.as_ref().ok()?;
        known
            .meta
            .last_modified
            .timestamp_nanos_opt()
            .and_then(|at| u64::try_from(at).ok())
    }

    /// What the store says that its content is.
    pub(in crate::io) fn tag(&self) -> Option<&str> {
        self.known.as_ref().ok().and_then(|known| known.meta.e_tag.as_deref())
    }

    /// The tag, if conditions can be made of it: a weak one promises nothing about bytes.
    fn strong_tag(&self) -> Option<&str> {
        self.tag().filter(|tag| is_strong(tag))
    }

    /// Whether parts of it can be asked for.
    pub(super) fn has_parts(&self) -> bool {
        self.known.as_ref().is_ok_and(|known| known.has_parts)
    }

    /// Fails if parts of it cannot be asked for.
    pub(in crate::io) fn check_parts(&self) -> Result<()> {
        if self.has_parts() || self.known.is_err() {
            return Ok(());
        }
        let message = format!(
            "The server of `{}` gives files as a whole only, and parts of this one are read in another order.",
            self.as_path().display()
        );
        Err(ConfigError::new(message).with_hint("Download it first.").into())
    }

    /// A request for a part of what it was when it was first looked at.
    fn options(&self, range: Option<Range<u64>>) -> GetOptions {
        GetOptions {
            if_match: self.strong_tag().map(str::to_owned),
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        }
    }

    /// Asks for a part, and does not wait for it.
    pub(super) fn start_part(self: &Arc<Self>, range: Range<u64>) -> io::Result<Started<Bytes>> {
        let object = Arc::clone(self);
        start(async move { object.get(range).await })
    }

    /// Asks for all of it, piece by piece.
    pub(super) fn whole(&self, cancel: &Cancel) -> io::Result<GetResult> {
        wait(cancel, self.url.store.get_opts(&self.url.key, self.options(None)))
    }

    async fn get(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let length = range.end - range.start;
        let answer = self.url.store.get_opts(&self.url.key, self.options(Some(range))).await;
        if matches!(answer, Err(object_store::Error::Precondition { .. })) {
            self.changed.store(true, Ordering::Relaxed);
        }
        let bytes = answer?.bytes().await?;
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        let message = format!("{} bytes came where {length} were asked for", bytes.len());
        Err(object_store::Error::Generic {
            store: "remote",
            source: message.into(),
        })
    }

    /// Reads a part.
    pub(in crate::io) fn part(&self, range: Range<u64>, cancel: &Cancel) -> io::Result<Bytes> {
        let head = self.head();
        if range.end <= head.len() as u64 {
            return Ok(Bytes::copy_from_slice(&head[range.start as usize..range.end as usize]));
        }
        wait(cancel, self.get(range))
    }

    /// Whether the object is what it was when it was first looked at; `None` means that it is gone. Where each request said
    /// which one it is about, all that was read is of that one, and nobody is asked.
    pub(in crate::io) fn is_unchanged(&self, cancel: &Cancel) -> io::Result<Option<bool>> {
        let Ok(known) = &self.known else {
            return Ok(Some(true));
        };
        if self.changed.load(Ordering::Relaxed) {
            return Ok(Some(false));
        }
        if self.strong_tag().is_some() {
            return Ok(Some(true));
        }
        let now = match wait(cancel, look_again(&self.url)) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let before = &known.meta;
        let same = (before.size == now.size || now.size == UNKNOWN_SIZE)
            && match (&before.e_tag, &now.e_tag) {
                (Some(before), Some(now)) => before == now,
                _ => before.last_modified == now.last_modified,
            };
        Ok(Some(same))
    }
}

/// Whether an `ETag` is one of bytes. A weak one is one of what they mean to somebody.
pub(in crate::io) fn is_strong(tag: &str) -> bool {
    !tag.starts_with("W/")
}

async fn look(url: &ObjectUrl) -> object_store::Result<Known> {
    use object_store::Error as E;
    let options = GetOptions {
        range: Some(GetRange::Bounded(0..HEAD)),
        ..GetOptions::default()
    };
    match url.store.get_opts(&url.key, options).await {
        Ok(part) => {
            let meta = part.meta.clone();
            Ok(Known {
                meta,
                head: part.bytes().await?,
                has_parts: true,
            })
        }
        Err(error @ (E::NotFound { .. } | E::PermissionDenied { .. } | E::Unauthenticated { .. })) => Err(error),
        // An empty object has no first part, and some servers know of no parts at all.
        Err(_) => {
            let whole = url.store.get(&url.key).await?;
            let mut meta = whole.meta.clone();
            let mut head = BytesMut::new();
            let mut pieces = whole.into_stream();
            while (head.len() as u64) <= HEAD {
                let Some(piece) = pieces.next().await.transpose()? else {
                    // That was all of it.
                    meta.size = head.len() as u64;
                    break;
                };
                head.extend_from_slice(&piece);
            }
            head.truncate(HEAD as usize);
            Ok(Known {
                has_parts: meta.size == 0,
                meta,
                head: head.freeze(),
            })
        }
    }
}

/// What an object is now. Of a signed address, only its content may be asked for.
async fn look_again(url: &ObjectUrl) -> object_store::Result<ObjectMeta> {
    use object_store::Error as E;
    match url.store.head(&url.key).await {
        Err(E::PermissionDenied { .. } | E::Unauthenticated { .. }) => {
            let options = GetOptions {
                range: Some(GetRange::Bounded(0..1)),
                ..GetOptions::default()
            };
            Ok(url.store.get_opts(&url.key, options).await?.meta)
        }
        answer => answer,
    }
}
