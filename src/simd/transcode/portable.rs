//! The form for any processor: eight ASCII characters at a time, and the others one by one.

use super::Surrogate;
use std::mem::MaybeUninit;

/// A character as a text keeps it.
pub(super) trait Unit: Copy {
    /// The unit that holds this code point. The text has none that does not fit.
    fn of(code_point: u32) -> Self;
    /// The code point that the unit holds.
    fn code_point(self) -> u32;
}

macro_rules! unit {
    ($($type:ty),+) => {
        $(impl Unit for $type {
            #[inline]
            fn of(code_point: u32) -> Self {
                code_point as Self
            }
            #[inline]
            #[allow(clippy::useless_conversion, reason = "one of the types is the type it becomes")]
            fn code_point(self) -> u32 {
                self.into()
            }
        })+
    };
}

unit!(u8, u16, u32);

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

/// Decodes valid UTF-8, as far as there is room.
#[inline]
fn decode<U: Unit>(bytes: &[u8], out: &mut [MaybeUninit<U>]) -> usize {
    let (mut rest, mut to) = (bytes, 0);
    while let Some(&first) = rest.first() {
        if first < 0x80
            && let (Some(block), Some(room)) = (rest.first_chunk::<8>(), out[to..].first_chunk_mut::<8>())
        {
            for (&byte, slot) in block.iter().zip(room) {
                slot.write(U::of(byte.into()));
            }
            // What was written for other characters is written again.
            let ascii = (u64::from_le_bytes(*block) & 0x8080_8080_8080_8080).trailing_zeros() as usize / 8;
            rest = &rest[ascii..];
            to += ascii;
            continue;
        }
        let (code_point, length) = character(rest);
        let Some(slot) = out.get_mut(to) else { break };
        slot.write(U::of(code_point));
        rest = rest.get(length..).unwrap_or_default();
        to += 1;
    }
    to
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
    encode(characters, out, |block: &[u16; 8]| block.iter().fold(0, |all, unit| all | unit) < 0x80)
}

pub(super) fn from_four(characters: &[u32], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    encode(characters, out, |block: &[u32; 8]| block.iter().fold(0, |all, unit| all | unit) < 0x80)
}

/// Encodes characters. There is room for the longest encoding of each.
#[inline]
pub(super) fn encode<U: Unit>(
    characters: &[U],
    out: &mut [MaybeUninit<u8>],
    is_ascii: impl Fn(&[U; 8]) -> bool,
) -> Result<usize, Surrogate> {
    let (mut rest, mut to) = (characters, 0);
    while let Some(&first) = rest.first() {
        if let Some(block) = rest.first_chunk::<8>()
            && is_ascii(block)
        {
            for (unit, slot) in block.iter().zip(&mut out[to..to + 8]) {
                slot.write(unit.code_point() as u8);
            }
            rest = &rest[8..];
            to += 8;
            continue;
        }
        // The block is not looked at again before its end: most of it may be ASCII still.
        let few = rest.len().min(8);
        to += encode_each(&rest[..few], &mut out[to..])?;
        rest = &rest[few..];
        let _ = first;
    }
    Ok(to)
}

/// Encodes characters one by one.
#[inline]
pub(super) fn encode_each<U: Unit>(characters: &[U], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let mut to = 0;
    for unit in characters {
        let character = char::from_u32(unit.code_point()).ok_or(Surrogate)?;
        let point = unit.code_point();
        let (bytes, length) = match character.len_utf8() {
            1 => ([point, 0, 0, 0], 1),
            2 => ([0xC0 | point >> 6, last(point), 0, 0], 2),
            3 => ([0xE0 | point >> 12, last(point >> 6), last(point), 0], 3),
            _ => ([0xF0 | point >> 18, last(point >> 12), last(point >> 6), last(point)], 4),
        };
        for (slot, byte) in out[to..to + length].iter_mut().zip(bytes) {
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
