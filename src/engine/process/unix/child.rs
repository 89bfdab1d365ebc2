//! One worker, seen from the engine: its start, its doorbell, and what it prints.

mod end;

use super::CAPTURED;
use super::channel::{AREAS, Broken, Channel, Frame, Kind, Side};
use super::death::{Death, Position, out_of_memory_kills};
use super::memory::{SharedMemory, anonymous_file};
use super::pen::{Message, Pen};
use super::wire::{self, Loaded};
use crate::error::{Error, FailureKind};
use crate::plugins::WorkerCommand;
use crate::step::Marker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The cell that says which request the worker works on.
pub(super) const SEQUENCE: usize = 0;

/// The cell that says which record and step it works on (see [`Marker`]).
pub(super) const MARKER: usize = 1;

/// How few descriptors may be left to a worker that is not used up.
const SPARE_DESCRIPTORS: u64 = 4;

/// A worker that lives, or whose death nobody has looked at yet.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    /// Becomes readable when the process has ended, also where one of its own children keeps the doorbell open.
    #[cfg(target_os = "linux")]
    ended: Option<OwnedFd>,
    channel: Channel,
    memory: SharedMemory,
    last_words: File,
    printed: Option<File>,
    /// What it has printed and nobody has taken yet.
    output: Vec<u8>,
    /// How many bytes of that may still be kept.
    left: usize,
    sequence: u64,
    /// How many processes the system had killed for lack of memory when this one was started.
    starved_before: u64,
    /// How it ended, once somebody has asked: from then on its number may be somebody else's.
    ended_with: Option<ExitStatus>,
}

/// What a worker did that somebody waited for.
#[derive(Debug)]
pub(super) enum Event {
    /// It sent something.
    Frame(Frame),
    /// It has ended, or is about to: nothing more comes from it.
    Gone,
    /// It cannot be relied on any more.
    Broken(String),
    /// There is something else to do.
    Bell,
    /// Nothing, in the time that was given.
    Nothing,
}

impl Child {
    /// Starts a process. It is made known to its world by [`Child::load`].
    pub(super) fn start(command: &WorkerCommand) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let (shared, memory) = SharedMemory::create(AREAS)?;
        let last_words = File::from(anonymous_file()?);
        memory.cell(MARKER).store(Marker::NOTHING, Ordering::Relaxed);
        let process = Command::new(&command.program)
            .args(&command.arguments)
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            // The doorbell comes as standard input, the only descriptor that can be handed over without a race.
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(writer.try_clone()?))
            .stderr(Stdio::from(writer))
            // A Ctrl-C in the terminal is for the engine, and whatever the worker starts can be ended with it.
            .process_group(0)
            .spawn()?;
        let child = Self {
            #[cfg(target_os = "linux")]
            ended: rustix::process::pidfd_open(Pid::from_child(&process), rustix::process::PidfdFlags::empty()).ok(),
            process,
            channel: Channel::new(ours, Side::Engine),
            memory,
            last_words,
            printed: Some(File::from(reader)),
            output: Vec::new(),
            left: CAPTURED,
            sequence: 0,
            starved_before: out_of_memory_kills(),
            ended_with: None,
        };
        let descriptors = [shared.as_fd(), child.last_words.as_fd()];
        // A process that is dead already is found out when its answer does not come.
        let _ = child.channel.send(Kind::Hello, 0, 0, Message::None, &descriptors);
        Ok(child)
    }

    /// Has it load what it is told, and returns what it has to tell of that. The inner error is the worker's own, about a step.
    pub(super) fn load(
        &mut self,
        load: &str,
        timeout: Duration,
        stopped: &dyn Fn() -> bool,
    ) -> std::result::Result<std::result::Result<Loaded, Error>, Death> {
        let deadline = Instant::now() + timeout;
        self.send(Kind::Load, 0, |child| {
            let mut pen = child.pen(0);
            pen.write(load.as_bytes());
            pen.finish()
        })?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let how = format!("had not loaded its steps after {} s", timeout.as_secs_f64());
                return Err(self.hanged(&how));
            }
            match self.wait(left.min(Duration::from_millis(50)), None) {
                Event::Frame(mut frame) if frame.kind == Kind::Loaded => {
                    let mut bytes = Vec::new();
                    let read = self.channel.read_message(&mut frame, &self.memory, &mut bytes);
                    return match read.ok().and_then(|()| wire::read_loaded(&bytes)) {
                        Some(loaded) => Ok(loaded),
                        None => Err(self.die("sent something that is no answer")),
                    };
                }
                Event::Frame(_) => return Err(self.die("sent something that is no answer")),
                Event::Gone => return Err(self.collapse()),
                Event::Broken(how) => return Err(self.die(&how)),
                Event::Nothing | Event::Bell if stopped() => return Err(self.die("was not needed any more")),
                Event::Nothing | Event::Bell => {}
            }
        }
    }

    /// Sends a message that `write` makes. Returns its sequence number.
    pub(super) fn send(
        &mut self,
        kind: Kind,
        slot: usize,
        write: impl FnOnce(&Self) -> io::Result<Message>,
    ) -> std::result::Result<u64, Death> {
        self.sequence += 1;
        let message = match write(self) {
            Ok(message) => message,
            Err(error) => return Err(self.die(&format!("could not be sent a batch ({error})"))),
        };
        match self.channel.send(kind, slot, self.sequence, message, &[]) {
            Ok(()) => Ok(self.sequence),
            Err(broken) => Err(match Event::from(broken) {
                Event::Broken(how) => self.die(&how),
                _ => self.collapse(),
            }),
        }
    }

    pub(super) fn pen(&self, slot: usize) -> Pen<'_> {
        self.channel.pen(&self.memory, slot)
    }

    /// Reads the message of a frame.
    pub(super) fn read(&self, frame: &mut Frame, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.channel.read_message(frame, &self.memory, bytes)
    }

    /// What it works on: the request, and what it has noted (see [`Marker`]).
    pub(super) fn progress(&self) -> (u64, u64) {
        let cell = |index| self.memory.cell(index).load(Ordering::Relaxed);
        (cell(SEQUENCE), cell(MARKER))
    }

    /// What it works on, if it does.
    pub(super) fn position(&self) -> Option<Position> {
        let (sequence, note) = self.progress();
        Marker::read(note).map(|noted| Position { sequence, noted })
    }

    /// How much memory it has, in bytes, where the system tells.
    pub(super) fn resident(&self) -> Option<u64> {
        self.memory_in_use(1)
    }

    /// A column of what the system tells about its memory, in bytes.
    fn memory_in_use(&self, column: usize) -> Option<u64> {
        #[cfg(target_os = "linux")]
        {
            let statm = fs_err::read_to_string(format!("/proc/{}/statm", self.process.id())).ok()?;
            let pages: u64 = statm.split(' ').nth(column)?.trim().parse().ok()?;
            Some(pages * rustix::param::page_size() as u64)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = column;
            None
        }
    }

    /// What it has used up, if it has: then a record that failed so may go through with a fresh worker.
    pub(super) fn used_up(&self, kind: FailureKind, memory: Option<u64>) -> Option<&'static str> {
        if kind == FailureKind::StepMemory {
            // The limit counts what was asked for, whether it was ever touched or not.
            let data = self.memory_in_use(5)?;
            return memory
                .is_some_and(|limit| data > limit / 2)
                .then_some("had used up its memory");
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
        let open = fs_err::read_dir(format!("/proc/{}/fd", self.process.id()))
            .ok()?
            .count();
        (open as u64 + SPARE_DESCRIPTORS >= limit).then_some("had used up its open files")
    }

    /// Waits until it sends something, dies, or the bell rings.
    pub(super) fn wait(&mut self, patience: Duration, bell: Option<BorrowedFd<'_>>) -> Event {
        let mut watched = vec![PollFd::new(&self.channel, PollFlags::IN)];
        if let Some(bell) = &bell {
            watched.push(PollFd::new(bell, PollFlags::IN));
        }
        #[cfg(target_os = "linux")]
        if let Some(ended) = &self.ended {
            watched.push(PollFd::new(ended, PollFlags::IN));
        }
        if let Some(printed) = &self.printed {
            watched.push(PollFd::new(printed, PollFlags::IN));
        }
        let patience = Timespec::try_from(patience).ok();
        // An error is a signal that came, or a lack of memory; either way the next round looks again.
        let _ = poll(&mut watched, patience.as_ref());
        let has_frame = !watched[0].revents().is_empty();
        let rang = bell.is_some() && !watched[1].revents().is_empty();
        let more = watched[1 + usize::from(bell.is_some())..]
            .iter()
            .any(|fd| !fd.revents().is_empty());
        drop(watched);
        if more {
            self.listen();
        }
        if has_frame {
            match self.channel.receive(false) {
                Ok(None) => {}
                Ok(Some(frame)) if frame.sender != self.process.id() => {
                    return Event::Broken("forked, and its copy went on as if it were the worker".to_owned());
                }
                Ok(Some(frame)) => return Event::Frame(frame),
                Err(broken) => return broken.into(),
            }
        }
        if self.has_ended() {
            // What it sent before it died counts; the doorbell is looked at until it is empty.
            return match self.channel.receive(false) {
                Ok(Some(frame)) if frame.sender == self.process.id() => Event::Frame(frame),
                _ => Event::Gone,
            };
        }
        if rang { Event::Bell } else { Event::Nothing }
    }

    /// Whether the process has ended. It is not reaped, so that its number stays its own.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        matches!(
            waitid(WaitId::Pid(Pid::from_child(&self.process)), options),
            Ok(Some(_)) | Err(_)
        )
    }

    /// Takes in what it has printed. What is beyond the limit is read and forgotten, so that it never waits for us.
    fn listen(&mut self) {
        let Some(printed) = &mut self.printed else { return };
        let mut bytes = [0_u8; 4096];
        loop {
            match printed.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => {
                    let kept = read.min(self.left);
                    self.output.extend_from_slice(&bytes[..kept]);
                    self.left -= kept;
                    if kept > 0 && self.left == 0 {
                        self.output
                            .extend_from_slice(b"\n[it printed more, which is left out]\n");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        self.printed = None;
    }

    /// Takes what it has printed, whole lines of it, and whether its limit is reached.
    pub(super) fn take_output(&mut self) -> Option<String> {
        let end = if self.left == 0 || self.printed.is_none() {
            self.output.len()
        } else {
            memchr::memrchr(b'\n', &self.output)? + 1
        };
        if end == 0 {
            return None;
        }
        let taken: Vec<u8> = self.output.drain(..end).collect();
        Some(String::from_utf8_lossy(&taken).into_owned())
    }
}

impl From<Broken> for Event {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Closed => Self::Gone,
            Broken::Garbled => Self::Broken("sent something that is no frame".to_owned()),
            Broken::Failed(error) => Self::Broken(format!("cannot be heard any more ({error})")),
        }
    }
}
