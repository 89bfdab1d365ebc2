//! The form for SSE2: four vectors make a block.

use super::super::loops::{self, Special};
use super::super::{BLOCK, Escapes};
use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
};

#[target_feature(enable = "sse2")]
pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
    let special = |block: &[u8; BLOCK]| Special {
        quote: mask(block, |bytes| equal(bytes, b'"')),
        backslash: mask(block, |bytes| equal(bytes, b'\\')),
        control: mask(block, |bytes| control(bytes)),
    };
    loops::string_end(bytes, start, special, |block, _| mask(block, |bytes| short(bytes)))
}

#[target_feature(enable = "sse2")]
pub(super) fn unescape(spelled: &[u8], out: &mut Vec<u8>) -> usize {
    loops::unescape(spelled, out, |block| mask(block, |bytes| equal(bytes, b'\\')))
}

#[target_feature(enable = "sse2")]
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    loops::escape(text, out, |block| mask(block, |bytes| special(bytes)));
}

/// The index of the first special byte, if that is a quote.
#[inline]
#[expect(unsafe_code, reason = "the compiler demands the promise also where it always holds")]
pub(in super::super) fn plain_end(bytes: &[u8; 16]) -> Option<usize> {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn find(bytes: &[u8; 16]) -> Option<usize> {
        let bytes = load(bytes);
        let quotes = _mm_movemask_epi8(equal(bytes, b'"'));
        let special = _mm_movemask_epi8(special(bytes));
        let first = special & special.wrapping_neg();
        (first & quotes != 0).then_some(first.trailing_zeros() as usize)
    }
    // SAFETY: Every x86-64 processor has SSE2.
    unsafe { find(bytes) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn special(bytes: __m128i) -> __m128i {
    _mm_or_si128(_mm_or_si128(equal(bytes, b'"'), equal(bytes, b'\\')), control(bytes))
}

/// The bytes that make an escape of two characters.
#[inline]
#[target_feature(enable = "sse2")]
fn short(bytes: __m128i) -> __m128i {
    let marks = |byte| equal(bytes, byte);
    let either = |one, other| _mm_or_si128(one, other);
    either(
        either(either(marks(b'"'), marks(b'\\')), either(marks(b'/'), marks(b'b'))),
        either(either(marks(b'f'), marks(b'n')), either(marks(b'r'), marks(b't'))),
    )
}

#[inline]
#[target_feature(enable = "sse2")]
fn equal(bytes: __m128i, byte: u8) -> __m128i {
    _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()))
}

/// There is no comparison of unsigned bytes, but the larger of a control character and the last one is the last one.
#[inline]
#[target_feature(enable = "sse2")]
fn control(bytes: __m128i) -> __m128i {
    equal(_mm_max_epu8(bytes, _mm_set1_epi8(0x1f)), 0x1f)
}

#[inline]
#[target_feature(enable = "sse2")]
fn mask(block: &[u8; BLOCK], marked: impl Fn(__m128i) -> __m128i) -> u64 {
    let (parts, _) = block.as_chunks();
    let marks = |part: &[u8; 16]| u64::from(_mm_movemask_epi8(marked(load(part))).cast_unsigned());
    marks(&parts[0]) | marks(&parts[1]) << 16 | marks(&parts[2]) << 32 | marks(&parts[3]) << 48
}

#[inline]
#[target_feature(enable = "sse2")]
#[expect(unsafe_code, reason = "a load takes a pointer")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: There are 16 bytes, and the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
