//! What a worker does: it loads the steps that it is told, and runs segments over texts until its doorbell is closed.

use super::channel::{Channel, Frame, Kind, Side};
use super::child::{MARKER, SEQUENCE};
use super::memory::SharedMemory;
use super::message::{read_request, write_reply};
use super::wire::{self, Load, Loaded};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::plugins::Host;
use crate::step::{Context, Marker, PlacedStep, Segment, Step};
use rustix::process::{Pid, Signal};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The world that a worker lives in.
pub trait Worker {
    /// The world whose steps are to be run.
    fn host(&self) -> &dyn Host;

    /// Has the stack of a dying process written to this file, which stays open: when it crashes, and when it gets the signal
    /// SIGUSR2.
    fn keep_last_words(&self, file: OwnedFd);
}

/// Serves the engine at the other end of `doorbell` until that is closed. Returns without a word when nobody is there any more.
pub fn serve(doorbell: OwnedFd, worker: &dyn Worker) -> io::Result<()> {
    let mut channel = Channel::new(UnixStream::from(doorbell), Side::Worker);
    let Some(mut hello) = next(&mut channel, Kind::Hello) else {
        return Ok(());
    };
    if hello.descriptors.len() != 2 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let memory = SharedMemory::open(hello.descriptors.remove(0))?;
    worker.keep_last_words(hello.descriptors.remove(0));
    // The mapping lives as long as the process, so that the marker can be handed to whoever needs it.
    let memory: &'static SharedMemory = Box::leak(Box::new(memory));
    let mut loaded = Shelf::default();
    let mut batch = Batch::new();
    while let Ok(Some(mut frame)) = channel.receive(true) {
        let sent = match frame.kind {
            Kind::Load => {
                let mut bytes = Vec::new();
                channel.read_message(&mut frame, memory, &mut bytes)?;
                let load: Load = serde_json::from_slice(&bytes)?;
                bind_to_supervisor(load.supervisor)?;
                limit_memory(load.memory)?;
                loaded.context = Context {
                    limits: load.limits(),
                    marker: Marker::new(memory.cell(MARKER)),
                    ..Context::default()
                };
                let mut pen = channel.pen(memory, frame.slot);
                pen.write(&wire::write_loaded(loaded.load(&load, worker.host())));
                channel.send(Kind::Loaded, frame.slot, frame.sequence, pen.finish()?, &[])
            }
            Kind::Work => {
                memory.cell(SEQUENCE).store(frame.sequence, Ordering::Relaxed);
                batch.clear();
                let mut bytes = batch.spare();
                channel.read_message(&mut frame, memory, &mut bytes)?;
                let task = read_request(bytes, &mut batch).ok_or(io::ErrorKind::InvalidData)?;
                loaded.context.apart = task.apart;
                let segment = loaded.segment(task.segment).ok_or(io::ErrorKind::InvalidData)?;
                let ran = segment.run(&mut batch, &loaded.context, &mut || Ok(()));
                loaded.context.marker.clear();
                match ran {
                    Ok(()) => {}
                    // Nobody interrupts a worker: whoever wants it to stop closes the doorbell or kills it.
                    Err(Error::Interrupted(_)) => return Ok(()),
                    Err(error) => return Err(io::Error::other(error)),
                }
                let mut pen = channel.pen(memory, frame.slot);
                write_reply(&mut pen, &batch, segment.steps());
                channel.send(Kind::Done, frame.slot, frame.sequence, pen.finish()?, &[])
            }
            Kind::Hello | Kind::Loaded | Kind::Done => return Err(io::ErrorKind::InvalidData.into()),
        };
        if sent.is_err() {
            break;
        }
    }
    Ok(())
}

/// What a worker has loaded.
#[derive(Default)]
struct Shelf {
    context: Context,
    /// Steps that no segment has needed yet, by what was sent for them.
    steps: Vec<(serde_json::Value, Arc<dyn Step>)>,
    segments: Vec<(usize, Box<dyn Segment>)>,
}

impl Shelf {
    /// Loads what it is told, and tells of it.
    fn load(&mut self, load: &Load, host: &dyn Host) -> Result<Loaded> {
        let mut loaded = Loaded::default();
        let files = |step: &Arc<dyn Step>| load.files.then(|| step.files_fingerprint()).flatten();
        for shipped in &load.steps {
            let step = host.unpack(shipped)?;
            loaded.steps.push((step.declaration().clone(), files(&step)));
            self.steps.push((shipped.clone(), step));
        }
        for segment in &load.segments {
            let mut steps = Vec::new();
            for placed in &segment.steps {
                let step = self.take(&placed.shipped, host)?;
                loaded.files.push((placed.index, files(&step)));
                steps.push(PlacedStep {
                    index: placed.index,
                    step,
                    asks: placed.asks.clone(),
                    adds: placed.adds.clone(),
                });
            }
            self.segments.push((segment.number, host.fuse(steps)));
        }
        Ok(loaded)
    }

    /// The step for what was sent: one that was made before, or a new one. A class is made once for each place in the plan.
    fn take(&mut self, shipped: &serde_json::Value, host: &dyn Host) -> Result<Arc<dyn Step>> {
        match self.steps.iter().position(|(known, _)| known == shipped) {
            Some(known) => Ok(self.steps.remove(known).1),
            None => host.unpack(shipped),
        }
    }

    fn segment(&self, number: usize) -> Option<&dyn Segment> {
        let found = self.segments.iter().find(|(known, _)| *known == number)?;
        Some(&*found.1)
    }
}

/// The next frame, if it is what is expected. `None`: there is nothing more to do.
fn next(channel: &mut Channel, kind: Kind) -> Option<Frame> {
    let frame = channel.receive(true).ok().flatten()?;
    (frame.kind == kind).then_some(frame)
}

/// Sees to it that the worker does not outlive its supervisor.
fn bind_to_supervisor(supervisor: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // What a plugin starts and forgets stays below the worker, so that it can be found when the worker is to end. Where the
        // system does not know this, only what stays in the group of the worker is.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    }
    // It may have died before it could be bound to.
    let parent = rustix::process::getppid().map_or(0, Pid::as_raw_pid);
    if parent.cast_unsigned() != supervisor {
        return Err(io::ErrorKind::NotConnected.into());
    }
    Ok(())
}

/// Bounds the memory that the worker may have, and offers it first where the machine runs out.
fn limit_memory(memory: Option<u64>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // Where this cannot be said, the system chooses for itself.
        let _ = fs_err::write("/proc/self/oom_score_adj", "500");
        if let Some(memory) = memory {
            let limits = getrlimit(Resource::Data);
            let lowest = |limit: Option<u64>| limit.map_or(memory, |limit| limit.min(memory));
            setrlimit(
                Resource::Data,
                Rlimit {
                    current: Some(lowest(limits.current)),
                    maximum: limits.maximum,
                },
            )?;
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
    Ok(())
}
