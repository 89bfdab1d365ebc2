//! Decides which bytes of a window stay, with operations on masks.
//!
//! A run is a series of set bits. Adding a mask of some of its bits to it carries a bit to just behind the run if, and
//! only if, the mask had a bit in it: that is how all runs of a window are asked at once what they hold.

use super::tables::escaped;
use super::{Kernel, Role, Roles, Window, first_bits};

/// What becomes of the bytes of a window.
pub(super) struct Decision {
    /// How many bytes are decided; 0 if the first one is not.
    pub(super) length: u32,
    /// The bytes that stay.
    pub(super) keep: u64,
    /// Those among them that become spaces.
    pub(super) spaces: u64,
    /// Whether this makes the text another one.
    pub(super) changed: bool,
    /// Whether there are slashes with a backslash, which is left out wherever the text is written anew.
    pub(super) slashes: bool,
}

/// What the bytes of a window are for the text.
struct Runs {
    /// White space, at least one byte of each character.
    white: u64,
    /// Line ends: the byte, or the letter of the escape.
    line: u64,
    /// Everything that runs are made of: white space, line ends, what is removed, and the backslashes of these.
    run: u64,
    /// What a window must not reach.
    stop: u64,
    /// Backslashes before a slash.
    slash: u64,
}

#[inline(always)]
pub(super) fn decide<K: Kernel, const JSON: bool>(
    kernel: K,
    bytes: K::Bytes,
    window: &Window,
    roles: &Roles,
    valid: u64,
) -> Decision {
    let marks = kernel.marks::<JSON>(bytes, window, roles);
    let space = marks.space & roles.spaces;
    let line = marks.line & roles.lines;
    let mut runs = Runs {
        white: space,
        line,
        run: space | line,
        stop: marks.doubtful | !valid,
        slash: 0,
    };
    let other = marks.control & !line & valid;
    if other != 0 {
        note_controls(&mut runs, other, window, roles);
    }
    if JSON && marks.backslash != 0 {
        note_escapes(kernel, bytes, window, roles, valid, marks.backslash, &mut runs);
    }

    let content = !runs.run & first_bits(runs.stop.trailing_zeros());
    let length = 64 - content.leading_zeros();
    let taken = first_bits(length);
    let run = runs.run & taken;
    let slash = runs.slash & taken;
    if run | slash == 0 {
        return Decision {
            length,
            keep: taken,
            spaces: 0,
            changed: false,
            slashes: false,
        };
    }

    // The last byte taken belongs to no run, so that no sum overflows.
    let (white, line) = (runs.white & run, runs.line & run);
    let behind_white = run.wrapping_add(white) & !run;
    let behind_line = run.wrapping_add(line) & !run;
    let spaces = (behind_white & !behind_line) >> 1;
    let lines = kept_lines(run, line, roles.kept_lines);
    let lines = if JSON { lines | lines >> 1 } else { lines };
    let keep = taken & !run | spaces | lines;
    let changed = taken & !keep | spaces & !marks.space;
    Decision {
        length,
        keep: keep & !slash,
        spaces,
        changed: changed != 0,
        slashes: slash != 0,
    }
}

/// The first line ends of each run, so many of each.
#[inline(always)]
fn kept_lines(run: u64, line: u64, count: usize) -> u64 {
    if line == 0 {
        return 0;
    }
    let between = run & !line;
    let starts = run & !(run << 1);
    // From the start of a run, what lies between carries on to the next line end; on a line end, the bit stays.
    let mut next = between.wrapping_add(starts) & line;
    let mut kept = next;
    for _ in 1..count {
        next = between.wrapping_add(next << 1) & line & !kept;
        if next == 0 {
            break;
        }
        kept |= next;
    }
    kept
}

/// Notes control characters that stand as they are: tabs and carriage returns, and those nobody expects.
#[inline(always)]
fn note_controls(runs: &mut Runs, mut controls: u64, window: &Window, roles: &Roles) {
    while controls != 0 {
        let bit = controls & controls.wrapping_neg();
        let byte = window[controls.trailing_zeros() as usize];
        note(runs, roles.ascii(byte), bit, bit);
        controls ^= bit;
    }
}

#[inline(always)]
fn note(runs: &mut Runs, role: Role, at: u64, all: u64) {
    match role {
        Role::Keep => return,
        Role::Remove => {}
        Role::White => runs.white |= at,
        Role::Line => runs.line |= at,
    }
    runs.run |= all;
}

/// Notes what is spelled with a backslash.
#[inline(always)]
fn note_escapes<K: Kernel>(
    kernel: K,
    bytes: K::Bytes,
    window: &Window,
    roles: &Roles,
    valid: u64,
    backslash: u64,
    runs: &mut Runs,
) {
    let letters = escaped_bytes(backslash);
    // An escape whose letter lies behind the window belongs to the next one.
    runs.stop |= backslash & !letters & 1 << 63;
    let newlines = kernel.equal(bytes, window, b'n') & letters & valid;
    let mut others = letters & valid & !newlines & !backslash & !kernel.equal(bytes, window, b'"');
    if roles.lines != 0 {
        runs.line |= newlines;
        runs.run |= newlines | newlines >> 1;
    } else {
        others |= newlines;
    }
    while others != 0 {
        let bit = others & others.wrapping_neg();
        let letter = window[others.trailing_zeros() as usize];
        match escaped(letter) {
            Some(b'/') => runs.slash |= bit >> 1,
            Some(byte) => note(runs, roles.ascii(byte), bit, bit | bit >> 1),
            // No escape of two characters: the caller looks at it.
            None => runs.stop |= bit >> 1,
        }
        others ^= bit;
    }
}

/// The bytes before which a backslash stands that is not itself the letter of an escape. The window starts outside of
/// escapes. (As simdjson finds them: "Parsing gigabytes of JSON per second", Langdale and Lemire, section 3.1.1.)
#[inline(always)]
pub(super) fn escaped_bytes(backslash: u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let behind = backslash << 1;
    let odd_starts = backslash & !EVEN & !behind;
    let even_series = odd_starts.wrapping_add(backslash);
    (EVEN ^ even_series << 1) & behind
}
