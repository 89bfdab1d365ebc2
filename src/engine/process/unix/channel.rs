//! The doorbell between the engine and a worker: small frames on a socket that say what lies where.
//!
//! What a frame announces lies in an area of the shared memory if it fits there, and else in a file of its own, whose
//! descriptor travels with the frame. A frame carries a magic number, the process that sent it, a sequence number and a
//! checksum: a plugin that writes to a descriptor that is not its own, or that forks and lets both copies go on, is
//! found out by the next frame.

use super::memory::SharedMemory;
use super::pen::{Message, Pen};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

/// How many batches may be with a worker at once: one that it works on, and one that waits, so that it never does.
pub(super) const SLOTS: usize = 2;

/// How many bytes each area has, for each slot and direction. A batch of usual size fits; any other travels in a file.
const AREA: usize = 1 << 20;

/// How many bytes all areas have.
pub(super) const AREAS: usize = 2 * SLOTS * AREA;

/// The most bytes that one message may have. What claims more is garbled.
const MOST_BYTES: u64 = 3 << 30;

const FRAME: usize = 40;
const MAGIC: u32 = 0x7470_7731;

/// What a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// To the worker: the descriptors of the shared memory and of the file for its last words come with this.
    Hello = 1,
    /// To the worker: load these steps.
    Load = 2,
    /// To the worker: run a segment over these texts.
    Work = 3,
    /// From the worker: this is what became of the steps.
    Loaded = 4,
    /// From the worker: this is what became of the texts.
    Done = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Hello, Self::Load, Self::Work, Self::Loaded, Self::Done]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// A frame that arrived.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// The slot whose area holds the message.
    pub(super) slot: usize,
    /// Says which message this is, or which one it answers.
    pub(super) sequence: u64,
    /// The process that sent it.
    pub(super) sender: u32,
    /// How many bytes the message has.
    length: u64,
    /// Descriptors that came with it. The first holds the message if it does not lie in an area.
    pub(super) descriptors: Vec<OwnedFd>,
    in_file: bool,
}

/// Which side of the channel this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Engine,
    Worker,
}

/// One end of the channel.
#[derive(Debug)]
pub(super) struct Channel {
    socket: UnixStream,
    side: Side,
    /// What has arrived of a frame.
    partial: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// Why nothing more can be received.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other side has closed its end.
    Closed,
    /// What arrived is no frame.
    Garbled,
    /// The system failed.
    Failed(io::Error),
}

impl From<Errno> for Broken {
    fn from(error: Errno) -> Self {
        match error {
            Errno::CONNRESET | Errno::PIPE => Self::Closed,
            other => Self::Failed(other.into()),
        }
    }
}

impl Channel {
    pub(super) fn new(socket: UnixStream, side: Side) -> Self {
        Self {
            socket,
            side,
            partial: Vec::with_capacity(FRAME),
            descriptors: Vec::new(),
        }
    }

    /// Sends a frame whose message, if it has one, was written by [`Pen`].
    pub(super) fn send(
        &self,
        kind: Kind,
        slot: usize,
        sequence: u64,
        message: Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Broken> {
        let mut frame = [0_u8; FRAME];
        let (length, file) = match message {
            Message::None => (0, None),
            Message::InArea(length) => (length as u64, None),
            Message::InFile(file, length) => (length, Some(file)),
        };
        frame[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        frame[4..8].copy_from_slice(&[kind as u8, slot as u8, u8::from(file.is_some()), 0]);
        // Asked anew each time: a copy that a fork has made of this process must not speak in its name.
        frame[8..12].copy_from_slice(&std::process::id().to_le_bytes());
        frame[16..24].copy_from_slice(&length.to_le_bytes());
        frame[24..32].copy_from_slice(&sequence.to_le_bytes());
        let sum = checksum(&frame[..32]);
        frame[32..40].copy_from_slice(&sum.to_le_bytes());
        let mut all: Vec<BorrowedFd<'_>> = Vec::new();
        all.extend(file.as_ref().map(AsFd::as_fd));
        all.extend(descriptors);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !all.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&all));
        }
        let mut sent = 0;
        while sent < FRAME {
            #[cfg(target_os = "linux")]
            let flags = SendFlags::NOSIGNAL;
            #[cfg(not(target_os = "linux"))]
            let flags = SendFlags::empty();
            match sendmsg(&self.socket, &[IoSlice::new(&frame[sent..])], &mut ancillary, flags) {
                Ok(bytes) => {
                    sent += bytes;
                    // Descriptors travel with the first byte.
                    ancillary.clear();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Receives a frame. `None`: not all of one has arrived yet, and `wait` was not asked for.
    pub(super) fn receive(&mut self, wait: bool) -> Result<Option<Frame>, Broken> {
        while self.partial.len() < FRAME {
            let mut bytes = [0_u8; FRAME];
            let wanted = FRAME - self.partial.len();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
            #[cfg(target_os = "linux")]
            {
                flags |= RecvFlags::CMSG_CLOEXEC;
            }
            let mut slices = [IoSliceMut::new(&mut bytes[..wanted])];
            let received = match recvmsg(&self.socket, &mut slices, &mut ancillary, flags) {
                Ok(received) => received.bytes,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptors.extend(descriptors);
                }
            }
            if received == 0 {
                return Err(if self.partial.is_empty() {
                    Broken::Closed
                } else {
                    Broken::Garbled
                });
            }
            self.partial.extend_from_slice(&bytes[..received]);
        }
        let frame = self.parse();
        self.partial.clear();
        self.descriptors.clear();
        frame.map(Some).ok_or(Broken::Garbled)
    }

    fn parse(&mut self) -> Option<Frame> {
        let frame: &[u8; FRAME] = self.partial.as_slice().try_into().ok()?;
        let word = |at: usize| u64::from_le_bytes(frame[at..at + 8].try_into().unwrap_or_default());
        let half = |at: usize| u32::from_le_bytes(frame[at..at + 4].try_into().unwrap_or_default());
        if half(0) != MAGIC || word(32) != checksum(&frame[..32]) {
            return None;
        }
        let (slot, length) = (usize::from(frame[5]), word(16));
        let in_file = frame[6] == 1;
        if slot >= SLOTS || length > MOST_BYTES || (!in_file && length > AREA as u64) {
            return None;
        }
        Some(Frame {
            kind: Kind::of(frame[4])?,
            slot,
            sequence: word(24),
            sender: half(8),
            length,
            descriptors: std::mem::take(&mut self.descriptors),
            in_file,
        })
    }

    /// Appends the message that a frame announced to `bytes`.
    pub(super) fn read_message(&self, frame: &mut Frame, memory: &SharedMemory, bytes: &mut Vec<u8>) -> io::Result<()> {
        let length = frame.length as usize;
        if !frame.in_file {
            let area = area(self.side.other(), frame.slot);
            memory.read(area.start..area.start + length, bytes);
            return Ok(());
        }
        if frame.descriptors.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let file = File::from(frame.descriptors.remove(0));
        // A worker may claim what it likes; what is not there is not allocated.
        if file.metadata()?.len() < frame.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let start = bytes.len();
        bytes.resize(start + length, 0);
        file.read_exact_at(&mut bytes[start..], 0)
    }

    /// A pen for a message in this slot.
    pub(super) fn pen<'m>(&self, memory: &'m SharedMemory, slot: usize) -> Pen<'m> {
        Pen::new(memory, area(self.side, slot))
    }

    /// Closes this end for writing, which tells a worker to end.
    pub(super) fn close(&self) {
        // One that is closed already is closed.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Engine => Self::Worker,
            Self::Worker => Self::Engine,
        }
    }
}

/// The area that this side writes for a slot.
fn area(side: Side, slot: usize) -> Range<usize> {
    let start = (2 * slot + usize::from(side == Side::Worker)) * AREA;
    start..start + AREA
}

/// A checksum of a frame: one finaliser of `SplitMix64` per word. It finds garbage; nobody forges frames.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(0x9e37_79b9_7f4a_7c15, |sum, word| {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        let mut mixed = sum.rotate_left(23) ^ word;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::super::memory::anonymous_file;
    use super::*;
    use std::io::Write as _;

    fn ends() -> (Channel, Channel, SharedMemory) {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let (_, memory) = SharedMemory::create(AREAS).expect("memory");
        (
            Channel::new(ours, Side::Engine),
            Channel::new(theirs, Side::Worker),
            memory,
        )
    }

    #[test]
    fn messages_of_any_size_arrive() {
        let (ours, mut theirs, memory) = ends();
        for size in [0, 1, AREA, AREA + 1, 3 * AREA] {
            let mut pen = ours.pen(&memory, 1);
            let bytes: Vec<u8> = (0..size).map(|index| index as u8).collect();
            for chunk in bytes.chunks(300_000) {
                pen.write(chunk);
            }
            assert_eq!(pen.len(), size);
            let message = pen.finish().expect("a message");
            assert_eq!(matches!(message, Message::InFile(..)), size > AREA);
            ours.send(Kind::Work, 1, 7, message, &[]).expect("sent");
            let mut frame = theirs.receive(true).expect("received").expect("a frame");
            assert_eq!((frame.kind, frame.slot, frame.sequence), (Kind::Work, 1, 7));
            let mut arrived = Vec::new();
            theirs
                .read_message(&mut frame, &memory, &mut arrived)
                .expect("a message");
            assert_eq!(arrived, bytes);
        }
    }

    #[test]
    fn garbage_is_no_frame() {
        let (ours, mut theirs, _) = ends();
        (&ours.socket).write_all(&[b'x'; FRAME]).expect("written");
        assert!(matches!(theirs.receive(true), Err(Broken::Garbled)));
        (&ours.socket).write_all(b"half").expect("written");
        assert!(matches!(theirs.receive(false), Ok(None)));
        drop(ours);
        assert!(matches!(theirs.receive(true), Err(Broken::Garbled)));
    }

    #[test]
    fn the_end_of_the_other_side_is_seen() {
        let (ours, mut theirs, _) = ends();
        assert!(matches!(theirs.receive(false), Ok(None)));
        drop(ours);
        assert!(matches!(theirs.receive(true), Err(Broken::Closed)));
    }

    #[test]
    fn a_message_that_is_not_there_is_an_error() {
        let (ours, mut theirs, memory) = ends();
        let file = anonymous_file().expect("a file");
        ours.send(Kind::Done, 0, 1, Message::InFile(file, 1 << 30), &[])
            .expect("sent");
        let mut frame = theirs.receive(true).expect("received").expect("a frame");
        let read = theirs.read_message(&mut frame, &memory, &mut Vec::new());
        assert_eq!(read.expect_err("it is shorter").kind(), io::ErrorKind::UnexpectedEof);
    }
}
