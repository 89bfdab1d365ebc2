//! The form for AVX2: two vectors make a block.

use super::super::loops::{self, Special};
use super::super::{BLOCK, Escapes};
use super::{SHORT_BY_LOWER_HALF, SHORT_BY_UPPER_HALF, load_table};
use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_max_epu8,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16,
};

#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
    let special = |block: &[u8; BLOCK]| Special {
        quote: mask(block, |bytes| equal(bytes, b'"')),
        backslash: mask(block, |bytes| equal(bytes, b'\\')),
        control: mask(block, |bytes| control(bytes)),
    };
    loops::string_end(bytes, start, special, |block, _| !mask(block, |bytes| not_short(bytes)))
}

#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn unescape(spelled: &[u8], out: &mut Vec<u8>) -> usize {
    loops::unescape(spelled, out, |block| mask(block, |bytes| equal(bytes, b'\\')))
}

#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    loops::escape(text, out, |block| mask(block, |bytes| special(bytes)));
}

#[inline]
#[target_feature(enable = "avx2")]
fn special(bytes: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_or_si256(equal(bytes, b'"'), equal(bytes, b'\\')), control(bytes))
}

#[inline]
#[target_feature(enable = "avx2")]
fn equal(bytes: __m256i, byte: u8) -> __m256i {
    _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()))
}

/// There is no comparison of unsigned bytes, but the larger of a control character and the last one is the last one.
#[inline]
#[target_feature(enable = "avx2")]
fn control(bytes: __m256i) -> __m256i {
    equal(_mm256_max_epu8(bytes, _mm256_set1_epi8(0x1f)), 0x1f)
}

/// The bytes that do not make an escape of two characters.
#[inline]
#[target_feature(enable = "avx2")]
fn not_short(bytes: __m256i) -> __m256i {
    let upper_half = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0xf));
    let by_upper = _mm256_broadcastsi128_si256(load_table(&SHORT_BY_UPPER_HALF));
    let by_lower = _mm256_broadcastsi128_si256(load_table(&SHORT_BY_LOWER_HALF));
    let kinds = _mm256_and_si256(
        _mm256_shuffle_epi8(by_upper, upper_half),
        _mm256_shuffle_epi8(by_lower, bytes),
    );
    _mm256_cmpeq_epi8(kinds, _mm256_setzero_si256())
}

#[inline]
#[target_feature(enable = "avx2")]
fn mask(block: &[u8; BLOCK], marked: impl Fn(__m256i) -> __m256i) -> u64 {
    let (parts, _) = block.as_chunks();
    let marks = |part: &[u8; 32]| u64::from(_mm256_movemask_epi8(marked(load(part))).cast_unsigned());
    marks(&parts[0]) | marks(&parts[1]) << 32
}

#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "a load takes a pointer")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: There are 32 bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
