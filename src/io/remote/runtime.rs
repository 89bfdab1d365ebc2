//! The threads on which requests are made, and how the threads of a run wait for them.

use super::failure;
use crate::step::Cancel;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How long to wait before looking whether the run was stopped.
const TICK: Duration = Duration::from_millis(50);

/// How many threads make requests. They decrypt and copy, and a processor each is enough for a fast network.
const THREADS: usize = 2;

/// The runtime and the process that it belongs to: its threads do not live on in a process that was forked off.
static RUNTIME: Mutex<Option<(u32, Arc<Runtime>)>> = Mutex::new(None);

/// The runtime of this process. It is started when it is first needed.
fn runtime() -> io::Result<Arc<Runtime>> {
    let mut held = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match &*held {
        Some((owner, runtime)) if *owner == process => return Ok(Arc::clone(runtime)),
        // Ending it would wait for threads that are not there.
        Some((_, runtime)) => std::mem::forget(Arc::clone(runtime)),
        None => {}
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("tp-remote")
        .enable_all()
        .build()?;
    let runtime = Arc::new(runtime);
    *held = Some((process, Arc::clone(&runtime)));
    Ok(runtime)
}

/// Waits for a request on the thread that calls, and gives up as soon as the run is stopped.
pub(super) fn wait<T>(cancel: &Cancel, request: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    runtime()?.block_on(async {
        let mut request = pin!(request);
        loop {
            if cancel.is_cancelled() {
                // Not `Interrupted`, which means that one should try again.
                return Err(io::Error::other("the run was stopped"));
            }
            if let Ok(answer) = tokio::time::timeout(TICK, &mut request).await {
                return answer.map_err(|error| failure::of(&error));
            }
        }
    })
}

/// What ends waiting: it changes when a run has begun, and when it ends.
#[derive(Clone, Default)]
pub(in crate::io) struct Heeded(Arc<Mutex<Cancel>>);

impl Heeded {
    pub(super) fn now(&self) -> Cancel {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, cancel: &Cancel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cancel.clone();
    }
}

/// Has a request made while the caller does something else.
pub(super) fn start<T: Send + 'static>(
    request: impl Future<Output = object_store::Result<T>> + Send + 'static,
) -> io::Result<Started<T>> {
    Ok(Started(runtime()?.spawn(request)))
}

/// Waits for a request, and gives up when it has taken so long.
pub(super) fn wait_at_most<T>(
    patience: Duration,
    request: impl Future<Output = object_store::Result<T>>,
) -> io::Result<T> {
    runtime()?.block_on(async {
        match tokio::time::timeout(patience, request).await {
            Ok(answer) => answer.map_err(|error| failure::of(&error)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    })
}

/// A request that is being made. It is given up when this is dropped.
#[derive(Debug)]
pub(super) struct Started<T>(JoinHandle<object_store::Result<T>>);

impl<T> Started<T> {
    /// Waits for the answer.
    pub(super) fn finish(mut self, cancel: &Cancel) -> io::Result<T> {
        let handle = &mut self.0;
        wait(cancel, async move { handle.await? })
    }
}

impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
