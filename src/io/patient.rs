//! Writes to a pipe, a socket or a terminal and reads from one, and gives up when the run is stopped: whoever should read or
//! write at its other end may never do so again.

use crate::step::Cancel;
use std::fs::File;
use std::io::{self, Read, Write};

/// A file that is written to; one that may wait for a reader is waited for in short stretches.
#[derive(Debug)]
pub(super) struct PatientFile {
    file: File,
    #[cfg(unix)]
    waiting: Option<waiting::Waiting>,
}

impl PatientFile {
    pub(super) fn new(file: File) -> Self {
        Self {
            #[cfg(unix)]
            waiting: waiting::Waiting::of(&file),
            file,
        }
    }

    /// Gives up as soon as this is cancelled.
    pub(super) fn heed(&mut self, cancel: &Cancel) {
        #[cfg(unix)]
        if let Some(waiting) = &mut self.waiting {
            waiting.cancel = cancel.clone();
        }
        #[cfg(not(unix))]
        let _ = cancel;
    }

    /// The file, which was written to.
    pub(super) fn into_inner(self) -> File {
        self.file
    }
}

impl Write for PatientFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(unix)]
        if let Some(waiting) = &mut self.waiting {
            return waiting.write(&self.file, bytes);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Standard input; if it is a pipe, a socket or a terminal, it is waited for in short stretches.
pub(super) struct PatientInput {
    cancel: Cancel,
}

impl PatientInput {
    /// Standard input, which is waited for until this is cancelled.
    pub(super) fn new(cancel: &Cancel) -> Self {
        Self { cancel: cancel.clone() }
    }
}

impl Read for PatientInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the run was stopped"));
        }
        #[cfg(unix)]
        return waiting::read(buffer, &self.cancel);
        #[cfg(not(unix))]
        io::stdin().read(buffer)
    }
}

#[cfg(unix)]
mod waiting {
    use crate::step::Cancel;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use std::fs::File;
    use std::io::{self, IsTerminal as _, Write as _};
    use std::os::unix::fs::FileTypeExt as _;

    /// How long to wait before looking whether the run was stopped.
    const PATIENCE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };

    /// How many bytes a pipe that takes anything surely takes at once.
    const SURE: usize = 4096;

    /// The error of a read or write that was waited for when the run was stopped. It is not `Interrupted`, which means that one
    /// should try again.
    fn stopped() -> io::Error {
        io::Error::other("the run was stopped")
    }

    /// Reads from standard input as soon as there is something to read, or nobody will write any more. Rust's own handle has
    /// a buffer, of which nobody can tell whether it is empty.
    pub(super) fn read(buffer: &mut [u8], cancel: &Cancel) -> io::Result<usize> {
        let input = rustix::stdio::stdin();
        loop {
            if cancel.is_cancelled() {
                return Err(stopped());
            }
            match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&PATIENCE)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(rustix::io::read(input, buffer)?),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How a file is written to whose reader may be slow.
    #[derive(Debug)]
    pub(super) struct Waiting {
        pub(super) cancel: Cancel,
        /// Whether the system can write as much as there is room for, and no more.
        #[cfg(target_os = "linux")]
        partial: bool,
    }

    impl Waiting {
        pub(super) fn of(file: &File) -> Option<Self> {
            let kind = file.metadata().ok()?.file_type();
            (kind.is_fifo() || kind.is_socket() || file.is_terminal()).then(|| Self {
                cancel: Cancel::default(),
                #[cfg(target_os = "linux")]
                partial: true,
            })
        }

        pub(super) fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
            loop {
                if self.cancel.is_cancelled() {
                    return Err(stopped());
                }
                match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&PATIENCE)) {
                    Ok(0) | Err(Errno::INTR) => continue,
                    Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
                #[cfg(target_os = "linux")]
                if self.partial && bytes.len() > SURE {
                    use rustix::io::{ReadWriteFlags, pwritev2};
                    // The greatest offset stands for wherever the file is.
                    match pwritev2(file, &[io::IoSlice::new(bytes)], u64::MAX, ReadWriteFlags::NOWAIT) {
                        Ok(written) => return Ok(written),
                        Err(Errno::INTR) => continue,
                        Err(Errno::PIPE) => return Err(io::ErrorKind::BrokenPipe.into()),
                        // Not every kind of file knows how, and a pipe may have less room than it seemed.
                        Err(_) => self.partial = false,
                    }
                }
                return file.write(&bytes[..bytes.len().min(SURE)]);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    fn pipe() -> (io::PipeReader, PatientFile) {
        let (reader, writer) = io::pipe().expect("a pipe");
        (reader, PatientFile::new(File::from(OwnedFd::from(writer))))
    }

    #[test]
    fn everything_arrives_in_order() {
        let (mut reader, mut file) = pipe();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number * 7 / 5) as u8).collect();
        let expected = bytes.clone();
        let writer = std::thread::spawn(move || file.write_all(&bytes));
        let mut arrived = Vec::new();
        reader.read_to_end(&mut arrived).expect("read");
        writer.join().expect("no panic").expect("written");
        assert!(arrived == expected);
    }

    #[test]
    fn a_reader_that_never_reads_is_not_waited_for_when_the_run_is_stopped() {
        let (_reader, mut file) = pipe();
        let cancel = Cancel::default();
        file.heed(&cancel);
        let started = Instant::now();
        let stop = std::thread::spawn({
            let cancel = cancel.clone();
            move || {
                std::thread::sleep(Duration::from_millis(100));
                cancel.cancel();
            }
        });
        assert!(file.write_all(&vec![b'x'; 10 << 20]).is_err());
        assert!(started.elapsed() < Duration::from_secs(2));
        stop.join().expect("no panic");
    }

    #[test]
    fn a_reader_that_went_away_is_told() {
        let (reader, mut file) = pipe();
        drop(reader);
        for bytes in [&[b'x'; 10_000][..], b"x"] {
            let error = file.write_all(bytes).expect_err("nobody reads");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }
}
