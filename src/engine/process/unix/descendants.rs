//! What descends from a worker: children, daemons, and whatever else a plugin has started and forgotten.

#[cfg(target_os = "linux")]
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
#[cfg(target_os = "linux")]
use std::io;
use std::os::fd::OwnedFd;

/// Kills processes of which some may have ended already.
#[cfg_attr(
    not(target_os = "linux"),
    expect(
        clippy::needless_pass_by_value,
        unused_variables,
        reason = "there are none elsewhere"
    )
)]
pub(super) fn kill_all(processes: Vec<OwnedFd>) {
    #[cfg(target_os = "linux")]
    for process in processes {
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// The processes that descend from one, where the system tells.
#[cfg(target_os = "linux")]
pub(super) fn descendants(process: u32) -> Vec<OwnedFd> {
    let processes = fs_err::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(io::Result::ok);
    let parents: Vec<(i32, i32)> = processes
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let told = fs_err::read_to_string(entry.path().join("stat")).ok()?;
            // The name of the program stands in parentheses, and may hold some itself; behind it are the state and the parent.
            let (_, behind) = told.rsplit_once(')')?;
            Some((number, behind.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![process.cast_signed()];
    let mut next = 0;
    while let Some(&ancestor) = found.get(next) {
        let born = parents.iter().filter(|(_, parent)| *parent == ancestor);
        found.extend(born.map(|(number, _)| *number));
        next += 1;
    }
    let open = |number: i32| {
        let process = Pid::from_raw(number)?;
        pidfd_open(process, PidfdFlags::empty()).ok()
    };
    found[1..].iter().filter_map(|number| open(*number)).collect()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn descendants(_process: u32) -> Vec<OwnedFd> {
    Vec::new()
}
