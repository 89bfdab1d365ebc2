//! Arguments that are numbers, sizes and times.

use crate::engine::MOST_WORKERS;
use std::time::Duration;

/// How long something may take; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Timeout(pub(in crate::cli) Option<Duration>);

pub(super) fn timeout(text: &str) -> Result<Timeout, String> {
    if text == "none" {
        return Ok(Timeout(None));
    }
    match seconds(text) {
        Ok(seconds) => Ok(Timeout(Some(seconds))),
        Err(expected) => Err(format!("{expected}, or `none`")),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "expected a number of seconds above 0".into())
}

/// How many times as large compressed data may become; `None`: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Expansion(pub(in crate::cli) Option<u64>);

pub(super) fn expansion(text: &str) -> Result<Expansion, String> {
    if text == "none" {
        return Ok(Expansion(None));
    }
    match limit(text) {
        Ok(times) => Ok(Expansion(Some(times))),
        Err(expected) => Err(format!("{expected}, or `none`")),
    }
}

/// How many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Workers {
    /// One for each processor.
    Auto,
    /// So many.
    Number(usize),
}

impl Workers {
    /// The number of threads on this machine.
    pub(in crate::cli) fn number(self) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Auto => std::thread::available_parallelism().map_or(1, |number| number.get().min(MOST_WORKERS)),
        }
    }
}

pub(super) fn workers(text: &str) -> Result<Workers, String> {
    if text == "auto" {
        return Ok(Workers::Auto);
    }
    match text.parse() {
        Ok(number) if (1..=MOST_WORKERS).contains(&number) => Ok(Workers::Number(number)),
        _ => Err(format!("expected `auto` or a whole number from 1 to {MOST_WORKERS}")),
    }
}

/// A number of bytes, with or without a unit.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => Some(1),
        "kB" | "KB" => Some(1_000),
        "KiB" | "K" => Some(1 << 10),
        "MB" => Some(1_000_000),
        "MiB" | "M" => Some(1 << 20),
        "GB" => Some(1_000_000_000),
        "GiB" | "G" => Some(1 << 30),
        "TB" => Some(1_000_000_000_000),
        "TiB" | "T" => Some(1 << 40),
        _ => None,
    };
    let bytes = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    bytes
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "expected a number of bytes such as `64MiB`, `500kB` or `1000000`".to_owned())
}

pub(super) fn limit(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

pub(super) fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".into())
}
