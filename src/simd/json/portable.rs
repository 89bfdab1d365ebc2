//! The portable form: loops over arrays, which become what vector instructions every processor of a kind has.

use super::loops::{self, Special, gather};
use super::{BLOCK, Escapes};

pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
    loops::string_end(bytes, start, special, loops::short_escapes)
}

pub(super) fn unescape(spelled: &[u8], out: &mut Vec<u8>) -> usize {
    loops::unescape(spelled, out, |block| mask(block, |byte| u8::from(byte == b'\\')))
}

pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    loops::escape(text, out, |block| mask(block, is_special));
}

/// 1 for a byte that cannot stand for itself in a JSON string, else 0.
#[inline]
fn is_special(byte: u8) -> u8 {
    u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

#[inline]
pub(super) fn special(block: &[u8; BLOCK]) -> Special {
    if block.iter().fold(0, |any, &byte| any | is_special(byte)) == 0 {
        return Special {
            quote: 0,
            backslash: 0,
            control: 0,
        };
    }
    Special {
        quote: gather(block, |byte| u8::from(byte == b'"')),
        backslash: gather(block, |byte| u8::from(byte == b'\\')),
        control: gather(block, |byte| u8::from(byte < 0x20)),
    }
}

/// Marks the bytes for which `flag` is 1 and not 0. To see that there are none is the quicker half of it.
#[inline]
fn mask(block: &[u8; BLOCK], flag: impl Fn(u8) -> u8 + Copy) -> u64 {
    if block.iter().fold(0, |any, &byte| any | flag(byte)) == 0 {
        0
    } else {
        gather(block, flag)
    }
}

/// The index of the first special byte, if that is a quote.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline]
pub(super) fn plain_end(bytes: &[u8; 16]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c)) | control) & TOPS;
        if found != 0 {
            // Bytes after the first may be marked wrongly, by what the subtraction borrows.
            let first = index * 8 + found.trailing_zeros() as usize / 8;
            return (bytes[first] == b'"').then_some(first);
        }
    }
    None
}
