//! How workers die, in words that stand in errors and in the quarantine.

use crate::error::FailureKind;
use crate::step::Noted;
use rustix::process::Signal;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// How a worker died.
#[derive(Debug, Clone)]
pub(super) struct Death {
    /// What it means for the record that it was working on.
    pub(super) kind: FailureKind,
    /// What happened, as the end of a sentence: `was killed by SIGSEGV (signal 11)`.
    pub(super) how: String,
    /// The stack that it wrote when it died.
    pub(super) stack: Option<String>,
    /// What it was working on.
    pub(super) at: Option<Position>,
}

/// What a worker is working on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The request.
    pub(super) sequence: u64,
    /// The rows of that request, and the step of the segment.
    pub(super) noted: Noted,
}

impl Position {
    /// The rows of a request of so many rows. `None`: they are none of its rows, so that what was noted is worth nothing.
    pub(super) fn rows(&self, request: usize) -> Option<Range<usize>> {
        let first = self.noted.source as usize;
        let last = first.saturating_add(self.noted.sources as usize);
        (first < request).then(|| first..last.min(request))
    }
}

/// How a process ended, and whether somebody from outside may have done it.
pub(super) fn manner(status: ExitStatus) -> (String, bool) {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = signal_name(signal);
            let how = match name {
                Some(name) => format!("was killed by {name} (signal {signal})"),
                None => format!("was killed by signal {signal}"),
            };
            (how, matches!(name, Some("SIGKILL" | "SIGTERM" | "SIGHUP" | "SIGINT")))
        }
        (None, Some(code)) => (format!("ended with exit code {code}"), false),
        (None, None) => ("ended".to_owned(), false),
    }
}

/// How many processes the system has killed for lack of memory, where it tells.
pub(super) fn out_of_memory_kills() -> u64 {
    let told = fs_err::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

fn signal_name(signal: i32) -> Option<&'static str> {
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::SYS, "SIGSYS"),
    ];
    let known = names.into_iter().find(|(known, _)| known.as_raw() == signal);
    known.map(|(_, name)| name)
}

/// The stack without the numbers of threads, which differ from run to run: what is quarantined must not.
pub(super) fn without_addresses(stack: &str) -> String {
    let mut lines = Vec::new();
    for line in stack.lines() {
        let number = line.find("hread 0x").map(|at| at + "hread".len());
        let line = number.map_or(line.to_owned(), |at| {
            let behind = line[at + 1..].find(' ').map_or(line.len(), |end| at + 1 + end);
            format!("{}{}", &line[..at], &line[behind..])
        });
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_do_not_differ_from_run_to_run() {
        let stack =
            "Fatal Python error: Aborted\n\nCurrent thread 0x00007f6ea0be8b80 (most recent call first):\n  File";
        let told = "Fatal Python error: Aborted\n\nCurrent thread (most recent call first):\n  File";
        assert_eq!(without_addresses(stack), told);
        assert_eq!(without_addresses("Thread 0x12"), "Thread");
    }
}
