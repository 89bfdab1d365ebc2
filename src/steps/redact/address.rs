//! IPv4 and IPv6 addresses.

use super::{in_number_after, in_number_before, in_word_after, in_word_before};
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::ops::Range;

/// The IPv4 address whose last number begins at `last`, after a dot.
pub(super) fn ipv4_ending_with(text: &str, last: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut start = last;
    for _ in 0..3 {
        let number = bytes[..start].strip_suffix(b".")?;
        let digits = number
            .iter()
            .rev()
            .take(4)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        start = number.len() - digits;
    }
    ipv4_at(text, start)
}

/// The IPv4 address whose first digit is at `start`. The digit before `start`, if any, is no digit.
///
/// Four numbers up to 255, also with leading zeros, that stand for themselves: neither in a longer word (`v1.2.3.4`) nor in
/// a longer number (`1.2.3.4.5`).
pub(super) fn ipv4_at(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = start;
    for number in 0..4 {
        if number > 0 {
            (bytes.get(at) == Some(&b'.')).then_some(())?;
            at += 1;
        }
        let digits = bytes[at..]
            .iter()
            .take(4)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let octet = text[at..at + digits].parse::<u16>().ok()?;
        (digits <= 3 && octet <= 255).then_some(())?;
        at += digits;
    }
    let alone = !in_word_before(text, start)
        && !in_number_before(bytes, start)
        && !in_word_after(text, at)
        && !in_number_after(bytes, at);
    alone.then_some(start..at)
}

/// The longest spelling of an IPv6 address: eight groups, the last two as an IPv4 address.
const LONGEST_IPV6: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len();

/// Finds IPv6 addresses, as the standard library reads them. `::` alone is none: it is an operator more often.
#[derive(Debug, Default)]
pub(super) struct Ipv6Finder {
    /// Where the last run of characters of addresses ends. A run is looked at once, so that the search is linear.
    done: usize,
}

impl Ipv6Finder {
    /// Finds the address with a colon at this byte, and tells how many bytes it looked at. Each call is about a later colon.
    pub(super) fn find(&mut self, text: &str, colon: usize) -> (usize, Option<Range<usize>>) {
        if colon < self.done {
            return (0, None);
        }
        let bytes = text.as_bytes();
        let belongs = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let before = bytes[self.done..colon]
            .iter()
            .rev()
            .take_while(|byte| belongs(byte))
            .count();
        let after = bytes[colon..].iter().take_while(|byte| belongs(byte)).count();
        self.done = colon + after;
        // Some characters around an address are spelled with characters that an address may have.
        let possible = before + after <= LONGEST_IPV6 + 8;
        let found = possible.then(|| ipv6_in(text, colon - before..self.done)).flatten();
        (before + after, found)
    }
}

/// The address in a run of hexadecimal digits, colons and dots.
fn ipv6_in(text: &str, run: Range<usize>) -> Option<Range<usize>> {
    let mut range = run;
    // `id:fe80::1`: the run begins inside the word before the address.
    if in_word_before(text, range.start) {
        let colon = text[range.clone()].find(':')?;
        range.start += colon + 1;
        (!text[range.clone()].starts_with(':')).then_some(())?;
    }
    // `fe80::1:port`, and the same at the other end.
    if in_word_after(text, range.end) {
        range.end = range.start + text[range.clone()].rfind(':')?;
        (!text[range.clone()].ends_with(':')).then_some(())?;
    }
    let run = &text[range.clone()];
    let end = run.trim_end_matches('.');
    let end = match end.strip_suffix(':') {
        Some(rest) if !rest.ends_with(':') => rest,
        _ => end,
    };
    range.end = range.start + end.len();
    let start = end.trim_start_matches('.');
    let start = match start.strip_prefix(':') {
        Some(rest) if !rest.starts_with(':') => rest,
        _ => start,
    };
    range.start = range.end - start.len();
    (start.contains(|character: char| character.is_ascii_hexdigit()) && start.parse::<Ipv6Addr>().is_ok())
        .then_some(range)
}

/// Appends an IPv4 address without leading zeros.
pub(super) fn write_canonical_ipv4(value: &str, out: &mut String) {
    for (index, octet) in value.split('.').enumerate() {
        let octet = octet.trim_start_matches('0');
        out.extend([
            if index > 0 { "." } else { "" },
            if octet.is_empty() { "0" } else { octet },
        ]);
    }
}

/// Appends an IPv6 address in the one spelling that RFC 5952 recommends.
pub(super) fn write_canonical_ipv6(value: &str, out: &mut String) {
    // What was found was read by the same function, except where findings overlapped and were joined.
    let written = value.parse::<Ipv6Addr>().map(|address| write!(out, "{address}"));
    if !matches!(written, Ok(Ok(()))) {
        out.push_str(value);
    }
}
