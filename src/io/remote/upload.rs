//! Writes an object: in parts, which nobody sees before the last of them, and all of them, are there.

use super::runtime::{Heeded, Started, start, wait, wait_at_most};
use super::{ObjectUrl, failure};
use crate::step::Cancel;
use object_store::{
    MultipartUpload, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

/// How many bytes a part has. A store takes 10,000 of them, and some want all but the last to be of one size.
const PART: usize = 16 << 20;

/// How many parts are under way at once.
const AHEAD: usize = 2;

/// How long to wait until parts are taken back.
const GOODBYE: Duration = Duration::from_secs(1);

/// An object that is written.
pub(in crate::io) struct Upload {
    url: ObjectUrl,
    parts: Option<Box<dyn MultipartUpload>>,
    under_way: VecDeque<Started<()>>,
    buffer: Vec<u8>,
    length: u64,
    heeded: Heeded,
}

impl Upload {
    /// Begins an object. Nothing is sent before a part is full.
    pub(in crate::io) fn new(url: ObjectUrl, heeded: &Heeded) -> Self {
        Self {
            url,
            parts: None,
            under_way: VecDeque::new(),
            buffer: Vec::new(),
            length: 0,
            heeded: heeded.clone(),
        }
    }

    /// Where it is to be.
    pub(in crate::io) fn url(&self) -> &ObjectUrl {
        &self.url
    }

    /// Has waiting end when this is cancelled.
    pub(in crate::io) fn heed(&mut self, cancel: &Cancel) {
        self.heeded.set(cancel);
    }

    /// Sends what is gathered, as a part.
    fn send(&mut self) -> io::Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => none.insert(wait(&self.heeded.now(), self.url.store.put_multipart(&self.url.key))?),
        };
        while self.under_way.len() >= AHEAD {
            self.under_way
                .pop_front()
                .map_or(Ok(()), |part| part.finish(&self.heeded.now()))?;
        }
        let part = parts.put_part(PutPayload::from(std::mem::take(&mut self.buffer)));
        self.under_way.push_back(start(part)?);
        Ok(())
    }

    /// Waits until everything is in the store, but for what a last request takes with it.
    pub(in crate::io) fn settle(&mut self) -> io::Result<()> {
        if self.parts.is_some() && !self.buffer.is_empty() {
            self.send()?;
        }
        while let Some(part) = self.under_way.pop_front() {
            part.finish(&self.heeded.now())?;
        }
        Ok(())
    }

    /// Makes the object appear, complete. Without `overwrite`, one that is there already is an error.
    pub(in crate::io) fn appear(mut self, overwrite: bool) -> io::Result<()> {
        self.settle()?;
        let Some(mut parts) = self.parts.take() else {
            let bytes = std::mem::take(&mut self.buffer);
            let mode = if overwrite { PutMode::Overwrite } else { PutMode::Create };
            put(&self.url, bytes, mode, &self.heeded.now())?;
            return Ok(());
        };
        // There is no request that completes parts only if nothing has the name; between these two, somebody could take it.
        let free = if overwrite {
            Ok(())
        } else {
            check_free(&self.url, &self.heeded.now())
        };
        let completed = free.and_then(|()| wait(&self.heeded.now(), parts.complete()).map(drop));
        if let Err(error) = completed {
            self.parts = Some(parts);
            return Err(error);
        }
        let found = wait(&self.heeded.now(), self.url.store.head(&self.url.key))?.size;
        if found == self.length {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{} bytes were sent and {found} are there",
            self.length
        )))
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(PART - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..length]);
        self.length += length as u64;
        if self.buffer.len() == PART {
            self.send()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    /// Takes parts back that will never be an object: the store would keep them, and have them paid for.
    fn drop(&mut self) {
        self.under_way.clear();
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = wait_at_most(GOODBYE, parts.abort())
        {
            log::warn!(
                "Parts of {} could not be taken back: {error}.",
                self.url.as_path().display()
            );
        }
    }
}

/// Fails if an object has this name.
fn check_free(url: &ObjectUrl, cancel: &Cancel) -> io::Result<()> {
    match wait(cancel, url.store.head(&url.key)) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether an object has this name.
pub(in crate::io) fn exists(url: &ObjectUrl, cancel: &Cancel) -> io::Result<bool> {
    match check_free(url, cancel) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(true),
        Err(error) => Err(error),
    }
}

/// Removes an object, if it is there.
pub(in crate::io) fn remove(url: &ObjectUrl, cancel: &Cancel) -> io::Result<()> {
    match wait(cancel, url.store.delete(&url.key)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a small object in one request. Returns what it is in the store.
pub(super) fn put(url: &ObjectUrl, bytes: Vec<u8>, mode: PutMode, cancel: &Cancel) -> io::Result<UpdateVersion> {
    let payload = PutPayload::from(bytes);
    let send = |mode: PutMode| {
        let request = url.store.put_opts(&url.key, payload.clone(), PutOptions::from(mode));
        wait(cancel, request).map(UpdateVersion::from)
    };
    match send(mode.clone()) {
        // A store that knows no conditions is asked first, and believed.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            match mode {
                PutMode::Overwrite => return Err(error),
                PutMode::Create => check_free(url, cancel)?,
                PutMode::Update(before) if wait(cancel, url.store.head(&url.key))?.e_tag != before.e_tag => {
                    return Err(failure::CHANGED.into());
                }
                PutMode::Update(_) => {}
            }
            send(PutMode::Overwrite)
        }
        answer => answer,
    }
}

/// Whether a request failed because the object is not what it was thought to be.
pub(super) fn is_conflict(error: &io::Error) -> bool {
    matches!(error.kind(), failure::CHANGED | io::ErrorKind::AlreadyExists)
}
