//! One worker, seen from the engine: its start, its doorbell, what it prints, and its death.

use super::CAPTURED;
use super::channel::{AREAS, Broken, Channel, Frame, Kind, Side};
use super::death::{Death, Position, manner, out_of_memory_kills, without_addresses};
use super::descendants::{descendants, kill_all};
use super::memory::{SharedMemory, anonymous_file};
use super::pen::{Message, Pen};
use super::wire::{self, Loaded};
use crate::error::{Error, Failure, FailureKind, shorten};
use crate::plugins::WorkerCommand;
use crate::step::Marker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The cell that says which request the worker works on.
pub(super) const SEQUENCE: usize = 0;

/// The cell that says which record and step it works on (see [`Marker`]).
pub(super) const MARKER: usize = 1;

/// How long a worker may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How long a worker that hangs may take to write where.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How few descriptors may be left to a worker that is not used up.
const SPARE_DESCRIPTORS: u64 = 4;

/// How long a worker that has closed its end may take until it is dead.
const COLLAPSE: Duration = Duration::from_secs(1);

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

    /// Ends a worker that hangs, after it has written where, and says so.
    pub(super) fn hanged(&mut self, how: &str) -> Death {
        let at = self.position();
        let before = self.spoken();
        // The worker writes its stack when it gets this signal, whatever it is doing (see `serve`).
        let _ = kill_process(Pid::from_child(&self.process), Signal::USR2);
        let deadline = Instant::now() + LAST_WORDS;
        let mut length = before;
        while Instant::now() < deadline && !self.has_ended() {
            std::thread::sleep(Duration::from_millis(2));
            let now = self.spoken();
            if now > before && now == length {
                break;
            }
            length = now;
        }
        Death {
            kind: FailureKind::StepTimeout,
            how: how.to_owned(),
            at,
            ..self.die(how)
        }
    }

    /// Waits for the end of a worker that has closed its doorbell, and says how it died.
    pub(super) fn collapse(&mut self) -> Death {
        let deadline = Instant::now() + COLLAPSE;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
        self.die("closed its doorbell")
    }

    /// Ends whatever is left of it, and says how it died. `how` is said of one that had to be killed.
    pub(super) fn die(&mut self, how: &str) -> Death {
        let killed = !self.has_ended();
        let at = self.position();
        let status = self.finish();
        let (how, from_outside) = match status {
            Ok(status) if !killed => manner(status),
            _ => (how.to_owned(), false),
        };
        // The system kills a worker that asks for memory where there is none.
        let starved = from_outside && out_of_memory_kills() > self.starved_before;
        Death {
            kind: if starved {
                FailureKind::StepMemory
            } else {
                FailureKind::StepCrash
            },
            how,
            stack: self.stack(),
            at,
        }
    }

    /// Ends a worker that has more memory than it may.
    pub(super) fn burst(&mut self, limit: u64) -> Death {
        let how = format!("had more memory than its limit of {} MiB", limit >> 20);
        Death {
            kind: FailureKind::StepMemory,
            ..self.die(&how)
        }
    }

    fn spoken(&self) -> u64 {
        self.last_words.metadata().map_or(0, |metadata| metadata.len())
    }

    fn stack(&self) -> Option<String> {
        let mut bytes = vec![0; (self.spoken() as usize).min(Failure::MESSAGE_LIMIT)];
        self.last_words.read_exact_at(&mut bytes, 0).ok()?;
        let stack = without_addresses(String::from_utf8_lossy(&bytes).trim());
        (!stack.is_empty()).then(|| shorten(stack, Failure::MESSAGE_LIMIT))
    }

    /// Kills the process, its group and all that descends from it, and reaps it.
    fn finish(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended_with {
            return Ok(status);
        }
        // What has left the group is found by way of its parents, and while the worker lives these lead to it (see `serve`).
        let descendants = descendants(self.process.id());
        // As long as the process is not reaped, its number is nobody else's.
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        kill_all(descendants);
        let _ = self.process.kill();
        let status = self.process.wait();
        self.ended_with = status.as_ref().ok().copied();
        self.listen();
        status
    }

    /// Tells it to end, and gives it some time for that.
    pub(super) fn dismiss(mut self, stopped: &dyn Fn() -> bool) -> Option<String> {
        // A worker that ends sets free what descends from it.
        let descendants = descendants(self.process.id());
        self.channel.close();
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && !self.has_ended() && !stopped() {
            self.wait(Duration::from_millis(10), None);
        }
        let _ = self.finish();
        kill_all(descendants);
        self.printed = None;
        self.take_output()
    }
}

impl Drop for Child {
    /// Nothing that a run started outlives it.
    fn drop(&mut self) {
        let _ = self.finish();
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
