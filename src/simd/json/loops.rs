//! The loops over blocks, for every form that can make the masks of a block.
//!
//! They are inlined into functions that may use the instructions of their form, and so are the closures they are given.

#![expect(
    clippy::inline_always,
    reason = "only inside a function that may use them do the instructions of a closure become code without calls"
)]

use super::{BLOCK, Escapes};

/// The special bytes of a block: bit `n` stands for byte `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Special {
    pub(super) quote: u64,
    pub(super) backslash: u64,
    pub(super) control: u64,
}

/// The backslashes that begin an escape, and the bytes that stand second in one; `pending` is 1 if the block's
/// first byte stands second in an escape of the block before, and is set for the next block.
///
/// Of a run of backslashes each second one is escaped. Subtracting the begins of the runs from the odd bits (the carry runs
/// through each run) tells runs that begin at odd places from those that begin at even ones, without a loop over runs.
#[inline(always)]
pub(super) fn escape_runs(backslash: u64, pending: &mut u64) -> (u64, u64) {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let potential = backslash & !*pending;
    let codes = (((potential << 1) | ODD).wrapping_sub(potential)) ^ ODD;
    let escaped = codes ^ (backslash | *pending);
    let begins = codes & backslash;
    *pending = begins >> 63;
    (begins, escaped)
}

/// See [`super::string_end`]. `short(block, escaped)` marks those of the bytes in `escaped` (it may mark others) that make
/// an escape of two characters.
#[inline(always)]
pub(super) fn string_end(
    bytes: &[u8],
    start: usize,
    special: impl Fn(&[u8; BLOCK]) -> Special,
    short: impl Fn(&[u8; BLOCK], u64) -> u64,
) -> Option<(usize, Escapes)> {
    let mut at = start;
    let mut pending = 0;
    // The places in the next block where a hexadecimal digit must stand.
    let mut digits_due = 0;
    let mut any_backslash = 0;
    let mut any_unicode = 0;
    loop {
        let padded;
        let block = match bytes.get(at..).and_then(<[u8]>::first_chunk) {
            Some(block) => block,
            None => {
                // The padding is made of control characters, so no string goes on beyond it.
                padded = pad::<BLOCK>(bytes.get(at..).unwrap_or_default(), 0);
                &padded
            }
        };
        let found = special(block);
        let (_, escaped) = escape_runs(found.backslash, &mut pending);
        let stop = (found.quote & !escaped) | found.control;
        // Everything up to the first stop and the stop itself; the whole block if there is none.
        let inside = stop ^ stop.wrapping_sub(1);
        let long = escaped & inside & !short(block, escaped & inside);
        any_backslash |= found.backslash & inside;
        if (long | digits_due) != 0 {
            let (unicode, due) = unicode_escapes(block, long, digits_due, inside)?;
            any_unicode |= unicode;
            digits_due = due;
        }
        if stop != 0 {
            if found.control & stop & stop.wrapping_neg() != 0 {
                return None;
            }
            let kind = match (any_backslash, any_unicode) {
                (0, _) => Escapes::None,
                (_, 0) => Escapes::Short,
                _ => Escapes::Unicode,
            };
            return Some((at + stop.trailing_zeros() as usize, kind));
        }
        at += BLOCK;
    }
}

/// Checks the escapes of a block that have more than two characters. Returns where their `u` stand and where
/// digits must stand in the next block, or `None` if one of them is no escape.
#[inline(always)]
fn unicode_escapes(block: &[u8; BLOCK], unicode: u64, digits_due: u64, inside: u64) -> Option<(u64, u64)> {
    let wrong_letters = unicode & !gather(block, |byte| u8::from(byte == b'u'));
    let due = digits_due | unicode << 1 | unicode << 2 | unicode << 3 | unicode << 4;
    let wrong_digits = due & inside & !gather(block, |byte| u8::from(byte.is_ascii_hexdigit()));
    let due_next = unicode >> 63 | unicode >> 62 | unicode >> 61 | unicode >> 60;
    (wrong_letters | wrong_digits == 0).then_some((unicode, due_next))
}

/// Marks the bytes for which `flag` is 1 and not 0.
#[inline(always)]
pub(super) fn gather(block: &[u8; BLOCK], flag: impl Fn(u8) -> u8) -> u64 {
    let flags = block.map(flag);
    let (words, _) = flags.as_chunks::<8>();
    // The multiplication gathers eight flags in the top byte.
    words.iter().rev().fold(0, |mask, word| {
        mask << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// Marks those of the bytes in `escaped` that make an escape of two characters, one by one.
#[inline(always)]
pub(super) fn short_escapes(block: &[u8; BLOCK], escaped: u64) -> u64 {
    let mut rest = escaped;
    let mut short = 0;
    while rest != 0 {
        let byte = block[rest.trailing_zeros() as usize];
        if SHORT[usize::from(byte)] {
            short |= rest & rest.wrapping_neg();
        }
        rest &= rest - 1;
    }
    short
}

/// Whether a byte makes an escape of two characters.
const SHORT: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = *b"\"\\/bfnrt";
    let mut index = 0;
    while index < bytes.len() {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
};

/// The byte that an escape of two characters stands for, by its second one.
pub(super) const UNESCAPED: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte as u8;
        byte += 1;
    }
    table[b'b' as usize] = 0x08;
    table[b'f' as usize] = 0x0c;
    table[b'n' as usize] = b'\n';
    table[b'r' as usize] = b'\r';
    table[b't' as usize] = b'\t';
    table
};

/// The escape of each byte that needs one, and how long it is. All others are single bytes.
const ESCAPED: [([u8; 8], usize); 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut table = [([0; 8], 1); 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte].0[0] = byte as u8;
        if byte < 0x20 {
            table[byte] = ([b'\\', b'u', b'0', b'0', HEX[byte >> 4], HEX[byte & 0xf], 0, 0], 6);
        }
        byte += 1;
    }
    let two = [
        (b'"', b'"'),
        (b'\\', b'\\'),
        (0x08, b'b'),
        (0x0c, b'f'),
        (b'\n', b'n'),
        (b'\r', b'r'),
        (b'\t', b't'),
    ];
    let mut index = 0;
    while index < two.len() {
        table[two[index].0 as usize] = ([b'\\', two[index].1, 0, 0, 0, 0, 0, 0], 2);
        index += 1;
    }
    table
};

/// See [`super::unescape_to_unicode`].
#[inline(always)]
pub(super) fn unescape(spelled: &[u8], out: &mut Vec<u8>, backslashes: impl Fn(&[u8; BLOCK]) -> u64) -> usize {
    let mut writer = Writer::new(out, spelled.len());
    let mut at = 0;
    let mut start = 0;
    while let Some(window) = spelled[at..].first_chunk() {
        match unescape_block(window, start, BLOCK, &mut writer, &backslashes) {
            Ok(end) => start = end - BLOCK,
            Err(unicode) => return at + unicode,
        }
        at += BLOCK;
    }
    let rest = &spelled[at..];
    let padded = pad::<{ 3 * BLOCK }>(rest, b' ');
    let mut inside = 0;
    while inside + start < rest.len() {
        let window = padded[inside..]
            .first_chunk()
            .expect("what is left is shorter than two blocks");
        let length = BLOCK.min(rest.len() - inside);
        match unescape_block(window, start, length, &mut writer, &backslashes) {
            Ok(end) if inside + end > rest.len() => {
                // A backslash with nothing behind it took a byte of the padding. It is no escape, and spells nothing.
                writer.length -= 1;
                break;
            }
            Ok(end) => start = end - length,
            Err(unicode) => return at + inside + unicode,
        }
        inside += BLOCK;
    }
    spelled.len()
}

/// Appends what the bytes of the window from `start` (0 or 1) to `length` spell. Returns where it stopped, which is one
/// byte later if the last one begins an escape; or the index of a `\u` escape.
///
/// A block begins where the last one ended and not behind its last escape, so that the processor need not know that escape
/// before it can load the block.
#[inline(always)]
fn unescape_block(
    window: &[u8; 2 * BLOCK],
    mut start: usize,
    length: usize,
    writer: &mut Writer<'_>,
    backslashes: impl Fn(&[u8; BLOCK]) -> u64,
) -> Result<usize, usize> {
    let (block, _) = window.split_first_chunk().expect("a window is two blocks");
    let mut rest = backslashes(block) & !(start as u64);
    while rest != 0 {
        let at = rest.trailing_zeros() as usize;
        writer.write(from(window, start), at - start);
        let escaped = window[at + 1];
        if escaped == b'u' {
            return Err(at);
        }
        writer.write(&[UNESCAPED[usize::from(escaped)]], 1);
        start = at + 2;
        // A second backslash begins nothing.
        rest &= !(0b11 << at);
    }
    if start < length {
        writer.write(from(window, start), length - start);
    }
    Ok(length.max(start))
}

/// See [`super::escape`]. `special` marks the bytes that need an escape.
#[inline(always)]
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>, special: impl Fn(&[u8; BLOCK]) -> u64) {
    let mut writer = Writer::new(out, text.len() + text.len() / 16);
    let mut at = 0;
    while let Some(window) = text[at..].first_chunk() {
        writer.reserve(text.len() - at);
        escape_block(window, BLOCK, &mut writer, &special);
        at += BLOCK;
    }
    let rest = &text[at..];
    let padded = pad::<{ 3 * BLOCK }>(rest, b' ');
    let mut inside = 0;
    while inside < rest.len() {
        let window = padded[inside..]
            .first_chunk()
            .expect("what is left is shorter than two blocks");
        writer.reserve(rest.len() - inside);
        escape_block(window, BLOCK.min(rest.len() - inside), &mut writer, &special);
        inside += BLOCK;
    }
}

/// Appends the spelling of the first `length` bytes of the window.
#[inline(always)]
pub(super) fn escape_block(
    window: &[u8; 2 * BLOCK],
    length: usize,
    writer: &mut Writer<'_>,
    special: impl Fn(&[u8; BLOCK]) -> u64,
) {
    let (block, _) = window.split_first_chunk().expect("a window is two blocks");
    let mut rest = special(block);
    let mut start = 0;
    while rest != 0 {
        let at = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        writer.write(from(window, start), at - start);
        let (escape, escape_length) = &ESCAPED[usize::from(block[at])];
        writer.write(escape, *escape_length);
        start = at + 1;
    }
    writer.write(from(window, start), length - start);
}

/// The block that begins inside the window.
#[inline(always)]
fn from(window: &[u8; 2 * BLOCK], start: usize) -> &[u8; BLOCK] {
    window[start..]
        .first_chunk()
        .expect("it begins in the window's first half")
}

/// Some bytes, and then padding.
#[inline(always)]
pub(super) fn pad<const LENGTH: usize>(bytes: &[u8], padding: u8) -> [u8; LENGTH] {
    let mut padded = [padding; LENGTH];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

/// Appends to a vector whole blocks of which only a part may stay: copying 64 bytes, always, takes less time than finding
/// out how to copy 42.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    length: usize,
}

impl<'o> Writer<'o> {
    /// Bytes beyond those that stay that a write may touch.
    const SLACK: usize = BLOCK;

    #[inline(always)]
    pub(super) fn new(out: &'o mut Vec<u8>, expected: usize) -> Self {
        out.reserve(expected + Self::SLACK);
        Self { length: out.len(), out }
    }

    /// Makes place for a block in which each byte is escaped, if there is none, and then at once for `expected` bytes.
    #[inline(always)]
    pub(super) fn reserve(&mut self, expected: usize) {
        const LARGEST: usize = 6 * BLOCK + Writer::SLACK;
        if self.out.capacity() - self.length < LARGEST {
            self.grow(LARGEST + expected);
        }
    }

    #[cold]
    fn grow(&mut self, additional: usize) {
        self.settle();
        self.out.reserve(additional);
    }

    /// Writes the bytes; the first `count` of them stay.
    ///
    /// # Panics
    /// If there is no place reserved for all of them.
    #[inline(always)]
    #[expect(unsafe_code, reason = "a vector has no way to take bytes that do not count")]
    pub(super) fn write<const LENGTH: usize>(&mut self, bytes: &[u8; LENGTH], count: usize) {
        assert!(count <= LENGTH && LENGTH <= self.out.capacity() - self.length);
        // SAFETY: `length` is at most the capacity, and there are `LENGTH` bytes from there to it.
        unsafe {
            self.out
                .as_mut_ptr()
                .add(self.length)
                .cast::<[u8; LENGTH]>()
                .write(*bytes);
        }
        self.length += count;
    }

    #[expect(
        unsafe_code,
        reason = "the bytes were written in the memory that was reserved for them"
    )]
    fn settle(&mut self) {
        // SAFETY: `length` begins as the vector's own and grows only over bytes that were written; it is at most the capacity.
        unsafe { self.out.set_len(self.length) };
    }
}

impl Drop for Writer<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.settle();
    }
}
