//! The threads of a run: workers, the reader, the tenders of worker processes, and the one that called.

#[cfg(unix)]
use crate::engine::bell::Bell;
use crate::engine::job::Shared;
#[cfg(unix)]
use crate::engine::process::Pool;
use crate::engine::reader::Reader;
use crate::engine::round::{Call, Round};
use crate::engine::worker::Workshop;
use crate::engine::{RunOptions, Watcher};
use crate::error::{Error, FileError, Interrupt, Result};
use crate::plan::panic_message;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often the watcher is asked.
const TICK: Duration = Duration::from_millis(50);

/// A round for so many jobs.
pub(super) fn round(options: &RunOptions, jobs: usize, workers_read: bool) -> Result<Round> {
    let round = Round::new(jobs, workers_read, options.memory_budget);
    #[cfg(unix)]
    if options.supervision.is_some() {
        let bell = Bell::new().map_err(|error| no_bell(&error))?;
        return Ok(round.with_bell(bell));
    }
    Ok(round)
}

/// Starts the threads and works beside them until all is written or the run is stopped.
pub(super) fn go_round(
    workshop: &Workshop<'_>,
    reads_ahead: Option<Reader>,
    workers: usize,
    shared: &Arc<Shared>,
    crew: &Crew<'_>,
    watcher: &mut dyn Watcher,
    total_bytes: Option<u64>,
) -> Result<()> {
    thread::scope(|scope| {
        // However this ends, the threads must end too: the scope waits for them.
        let _stop = Stop { shared, crew };
        if let Some(reader) = reads_ahead {
            let shared = Arc::clone(shared);
            // Not in the scope: a reader that waits for a pipe which never speaks again must not be waited for.
            start_thread(thread::Builder::new(), "reader", |builder| {
                builder.spawn(move || {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| reader.read_ahead())) {
                        shared.fail(Error::Internal(panic_message("The reader", &*panic)));
                    }
                })
            })?;
        }
        for _ in 0..workers {
            start_thread(thread::Builder::new(), "worker", |builder| {
                builder.spawn_scoped(scope, || workshop.work())
            })?;
        }
        let mut tenders = Vec::new();
        #[cfg(unix)]
        if let Some(pool) = crew {
            if !pool.keeps_workers() {
                start_thread(thread::Builder::new(), "nursery", |builder| {
                    builder.spawn_scoped(scope, || pool.start_workers())
                })?;
            }
            for _ in 0..workers {
                tenders.push(start_thread(thread::Builder::new(), "tender", |builder| {
                    builder.spawn_scoped(scope, || pool.tend())
                })?);
            }
        }
        call(workshop, shared, watcher, total_bytes);
        // Workers that end by themselves have the time for it; in a run that was stopped they have not.
        for tender in tenders {
            // A tender catches its own panics.
            let _: thread::Result<()> = tender.join();
        }
        shared.notices.log();
        Ok(())
    })
}

/// The workers of a run, where plugins run in workers.
#[cfg(unix)]
pub(super) type Crew<'r> = Option<Pool<'r>>;
#[cfg(not(unix))]
pub(super) type Crew<'r> = Option<&'r std::convert::Infallible>;

/// Stops all threads when it is dropped. Those that have ended already do not notice.
struct Stop<'s> {
    shared: &'s Shared,
    crew: &'s Crew<'s>,
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
        self.shared.round.stop();
        #[cfg(unix)]
        if let Some(pool) = self.crew {
            pool.close();
        }
    }
}

/// Starts a thread of the engine, named after what it does.
pub(super) fn start_thread<T>(
    builder: thread::Builder,
    role: &str,
    spawn: impl FnOnce(thread::Builder) -> std::io::Result<T>,
) -> Result<T> {
    spawn(builder.name(format!("tp-{role}"))).map_err(|error| {
        let mut failed = FileError::of(Path::new(role), "starting the thread of the", &error);
        failed.hint = Some("The limit on processes may be reached: see `ulimit -u`.".to_owned());
        Error::Output(Box::new(failed))
    })
}

#[cfg(unix)]
fn no_bell(error: &std::io::Error) -> Error {
    let mut failed = FileError::of(Path::new("workers"), "opening a pipe for the", error);
    failed.hint = Some("The limit on open files may be reached: see `ulimit -n`.".to_owned());
    Error::Output(Box::new(failed))
}

/// The work of the calling thread: the segments that only it may run, the signals, and the progress.
fn call(workshop: &Workshop<'_>, shared: &Shared, watcher: &mut dyn Watcher, total_bytes: Option<u64>) {
    let mut last_tick = Instant::now();
    let process = std::process::id();
    let mut pulse = || {
        if shared.cancel.is_cancelled() {
            return Err(Interrupt::Interrupt);
        }
        if last_tick.elapsed() >= TICK {
            last_tick = Instant::now();
            end_child(process);
            watcher.tick(&shared.meter.progress(total_bytes))?;
            shared.notices.log();
        }
        Ok(())
    };
    let segments = &workshop.plan.segments;
    loop {
        #[cfg(unix)]
        let next = if workshop.supervised {
            shared.round.wait_for_end(TICK)
        } else {
            shared.round.next_call(TICK)
        };
        #[cfg(not(unix))]
        let next = shared.round.next_call(TICK);
        match next {
            Call::Job(mut job) => {
                while let Some(segment) = segments.get(job.segment).filter(|segment| segment.on_calling_thread()) {
                    if let Err(error) = segment.run(&mut job.batch, workshop.context, &mut pulse) {
                        return shared.fail(error);
                    }
                    end_child(process);
                    job.segment += 1;
                    if job.batch.overflowed {
                        break;
                    }
                }
                shared.round.add_returned(job);
            }
            Call::Nothing => {}
            Call::End => return,
        }
        if let Err(interrupt) = pulse() {
            return shared.fail(Error::Interrupted(interrupt));
        }
    }
}

/// Ends this process if it is a child that a step has forked and let go on: none of the other threads of the run are in it,
/// so that it would wait for ever. The files of the run belong to the parent, which goes on, so nothing is tidied up here.
fn end_child(process: u32) {
    if std::process::id() != process {
        #[cfg(unix)]
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}
