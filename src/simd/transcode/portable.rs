//! The form for any processor: eight ASCII characters at a time, and the others one by one.

use super::Surrogate;
use std::mem::MaybeUninit;

/// A character as a text keeps it.
pub(super) trait Unit: Copy {
    /// The unit that holds this code point. The text has none that does not fit.
    fn of(code_point: u32) -> Self;
    /// The code point that the unit holds.
    fn code_point(self) -> u32;
    /// The character that begins at a byte, if one does. A text has none that does not fit the unit.
    fn character(window: &[u8; STEP + 3], at: usize) -> Self;
}

macro_rules! unit {
    ($type:ty, |$bytes:ident| $character:expr) => {
        impl Unit for $type {
            #[inline]
            fn of(code_point: u32) -> Self {
                code_point as Self
            }
            #[inline]
            #[allow(
                clippy::useless_conversion,
                reason = "one of the types is the type it becomes"
            )]
            fn code_point(self) -> u32 {
                self.into()
            }
            #[inline]
            #[allow(
                clippy::useless_conversion,
                reason = "one of the types is the type it becomes"
            )]
            fn character(window: &[u8; STEP + 3], at: usize) -> Self {
                let $bytes: [Self; 4] = std::array::from_fn(|byte| window[at + byte].into());
                $character
            }
        }
    };
}

unit!(u8, |bytes| if bytes[0] < 0x80 {
    bytes[0]
} else {
    bytes[0] << 6 | bytes[1] & 0x3F
});
unit!(u16, |bytes| {
    let two = (bytes[0] & 0x3F) << 6 | bytes[1] & 0x3F;
    // What does not fit is shifted out: it is the part of the byte that says how many bytes follow.
    let three = two << 6 | bytes[2] & 0x3F;
    match bytes[0] {
        ..0x80 => bytes[0],
        0x80..0xE0 => two,
        0xE0.. => three,
    }
});
unit!(u32, |bytes| {
    let two = (bytes[0] & 0x1F) << 6 | bytes[1] & 0x3F;
    let three = (two & 0x3FF) << 6 | bytes[2] & 0x3F;
    let four = (three & 0x7FFF) << 6 | bytes[3] & 0x3F;
    match bytes[0] {
        ..0x80 => bytes[0],
        0x80..0xE0 => two,
        0xE0..0xF0 => three,
        0xF0.. => four,
    }
});

/// The highest byte, and how many characters begin.
///
/// It is written so that the compiler makes vector instructions of it: other forms compile it again with theirs.
#[inline(always)]
pub(super) fn measure(bytes: &[u8]) -> (u8, usize) {
    const LANES: usize = 32;
    let mut highest = [0; LANES];
    let mut characters = 0;
    // A lane of the counts holds at most 255.
    for blocks in bytes.chunks(LANES * 255) {
        let mut counts = [0; LANES];
        let (whole, rest) = blocks.as_chunks::<LANES>();
        for block in whole {
            look(block, &mut highest, &mut counts);
        }
        characters += counts.iter().map(|&count| usize::from(count)).sum::<usize>();
        if !rest.is_empty() {
            let mut padded = [0; LANES];
            padded[..rest.len()].copy_from_slice(rest);
            let mut counts = [0; LANES];
            look(&padded, &mut highest, &mut counts);
            // What pads counts as characters, too.
            characters += counts.iter().map(|&count| usize::from(count)).sum::<usize>() - (LANES - rest.len());
        }
    }
    (highest.into_iter().fold(0, u8::max), characters)
}

#[expect(clippy::inline_always, reason = "only what is inlined is compiled again")]
#[inline(always)]
fn look<const LANES: usize>(block: &[u8; LANES], highest: &mut [u8; LANES], counts: &mut [u8; LANES]) {
    for lane in 0..LANES {
        highest[lane] = highest[lane].max(block[lane]);
        counts[lane] += u8::from(begins_character(block[lane]));
    }
}

/// Whether a character begins with this byte.
#[inline]
fn begins_character(byte: u8) -> bool {
    byte.cast_signed() >= -64
}

pub(super) fn to_latin1(bytes: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
    decode(bytes, out)
}

pub(super) fn to_two(bytes: &[u8], out: &mut [MaybeUninit<u16>]) -> usize {
    decode(bytes, out)
}

pub(super) fn to_four(bytes: &[u8], out: &mut [MaybeUninit<u32>]) -> usize {
    decode(bytes, out)
}

/// How many bytes are decoded at a time where few are ASCII.
const STEP: usize = 16;

/// Decodes valid UTF-8, as far as there is room.
#[inline]
fn decode<U: Unit>(bytes: &[u8], out: &mut [MaybeUninit<U>]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < bytes.len() {
        if let (Some(block), Some(room)) = (bytes[from..].first_chunk::<8>(), out[to..].first_chunk_mut::<8>()) {
            for (&byte, slot) in block.iter().zip(room) {
                slot.write(U::of(byte.into()));
            }
            let above_ascii = u64::from_le_bytes(*block) & 0x8080_8080_8080_8080;
            if above_ascii == 0 {
                from += 8;
                to += 8;
                continue;
            }
            if above_ascii.count_ones() > 4
                && let (Some(window), Some(room)) = (bytes[from..].first_chunk(), out[to..].first_chunk_mut())
            {
                to += decode_all(window, room);
                from += STEP;
                // The last character may have ended behind the block.
                while bytes.get(from).is_some_and(|&byte| !begins_character(byte)) {
                    from += 1;
                }
                continue;
            }
            // What was written for other characters is written again.
            let ascii = above_ascii.trailing_zeros() as usize / 8;
            from += ascii;
            to += ascii;
        }
        // Characters above ASCII often come in rows.
        loop {
            let Some(slot) = out.get_mut(to) else { return to };
            let (code_point, length) = character(&bytes[from..]);
            slot.write(U::of(code_point));
            from += length;
            to += 1;
            if bytes.get(from).is_none_or(|&byte| byte < 0x80) {
                break;
            }
        }
    }
    to
}

/// Decodes the characters that begin in a block. Returns how many they are.
///
/// What a character would be is worked out for each byte, as if it began there. That needs no decision that could be
/// guessed wrong, and the compiler makes vector instructions of it; then those where none begins are written over.
#[inline]
fn decode_all<U: Unit>(window: &[u8; STEP + 3], room: &mut [MaybeUninit<U>; STEP]) -> usize {
    let units: [U; STEP] = std::array::from_fn(|at| U::character(window, at));
    let mut written = 0;
    for (unit, &byte) in units.into_iter().zip(window) {
        room[written % STEP].write(unit);
        written += usize::from(begins_character(byte));
    }
    written
}

/// The first character, and how many bytes it has.
#[inline]
fn character(bytes: &[u8]) -> (u32, usize) {
    let at = |index: usize| u32::from(bytes.get(index).map_or(0, |byte| byte & 0x3F));
    let first = bytes[0];
    match first {
        ..0x80 => (first.into(), 1),
        0x80..0xE0 => (u32::from(first & 0x1F) << 6 | at(1), 2),
        0xE0..0xF0 => (u32::from(first & 0xF) << 12 | at(1) << 6 | at(2), 3),
        0xF0.. => (u32::from(first & 7) << 18 | at(1) << 12 | at(2) << 6 | at(3), 4),
    }
}

pub(super) fn from_latin1(characters: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
    let is_ascii = |block: &[u8; 8]| u64::from_ne_bytes(*block) & 0x8080_8080_8080_8080 == 0;
    encode(characters, out, is_ascii).expect("no surrogate fits a byte")
}

pub(super) fn from_two(characters: &[u16], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    encode(characters, out, |block: &[u16; 8]| {
        block.iter().fold(0, |all, unit| all | unit) < 0x80
    })
}

pub(super) fn from_four(characters: &[u32], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    encode(characters, out, |block: &[u32; 8]| {
        block.iter().fold(0, |all, unit| all | unit) < 0x80
    })
}

/// Encodes characters. There is room for the longest encoding of each, and behind it.
#[inline]
fn encode<U: Unit>(
    characters: &[U],
    out: &mut [MaybeUninit<u8>],
    is_ascii: impl Fn(&[U; 8]) -> bool,
) -> Result<usize, Surrogate> {
    let (blocks, rest) = characters.as_chunks::<8>();
    let mut to = 0;
    for block in blocks {
        if is_ascii(block) {
            let room = out[to..]
                .first_chunk_mut::<8>()
                .expect("there is room for each character");
            for (unit, slot) in block.iter().zip(room) {
                slot.write(unit.code_point() as u8);
            }
            to += 8;
        } else {
            to += encode_each(block, &mut out[to..])?;
        }
    }
    Ok(to + encode_each(rest, &mut out[to..])?)
}

/// Encodes characters one by one. There is room for the longest encoding of each, and behind it.
#[inline]
pub(super) fn encode_each<U: Unit>(characters: &[U], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let mut to = 0;
    for unit in characters {
        let point = unit.code_point();
        let (bytes, length) = match point {
            ..0x80 => ([point, 0, 0, 0], 1),
            0x80..0x800 => ([0xC0 | point >> 6, last(point), 0, 0], 2),
            0xD800..0xE000 | 0x11_0000.. => return Err(Surrogate),
            0x800..0x1_0000 => ([0xE0 | point >> 12, last(point >> 6), last(point), 0], 3),
            0x1_0000..0x11_0000 => (
                [0xF0 | point >> 18, last(point >> 12), last(point >> 6), last(point)],
                4,
            ),
        };
        // All four are written, because that is one instruction; what follows is written over those that do not count.
        let room = out[to..]
            .first_chunk_mut::<4>()
            .expect("there is room behind each character");
        for (slot, byte) in room.iter_mut().zip(bytes) {
            slot.write(byte as u8);
        }
        to += length;
    }
    Ok(to)
}

/// A byte that continues a character.
#[inline]
fn last(point: u32) -> u32 {
    0x80 | (point & 0x3F)
}
