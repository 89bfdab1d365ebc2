//! How a worker ends: dismissed, or dead of whatever it died of.

use super::super::death::{Death, manner, out_of_memory_kills, without_addresses};
use super::super::descendants::{descendants, kill_all};
use super::Child;
use crate::error::{Failure, FailureKind, shorten};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How long a worker may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How long a worker that hangs may take to write where.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long a worker that has closed its end may take until it is dead.
const COLLAPSE: Duration = Duration::from_secs(1);

impl Child {
    /// Ends a worker that hangs, after it has written where, and says so.
    pub(in super::super) fn hanged(&mut self, how: &str) -> Death {
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
    pub(in super::super) fn collapse(&mut self) -> Death {
        let deadline = Instant::now() + COLLAPSE;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_micros(200));
        }
        self.die("closed its doorbell")
    }

    /// Ends whatever is left of it, and says how it died. `how` is said of one that had to be killed.
    pub(in super::super) fn die(&mut self, how: &str) -> Death {
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
    pub(in super::super) fn burst(&mut self, limit: u64) -> Death {
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
    pub(in super::super) fn dismiss(mut self, stopped: &dyn Fn() -> bool) -> Option<String> {
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
