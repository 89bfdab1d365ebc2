//! The form for AVX-512: a vector is a block, a comparison makes a mask, and taking bytes out or putting bytes between
//! others takes as long for twenty of them as for one.

use super::super::loops::{self, Special, Writer};
use super::super::{BLOCK, Escapes};
use super::{SHORT_BY_LOWER_HALF, SHORT_BY_UPPER_HALF, load_table};
use std::arch::x86_64::{
    __m256i, __m512i, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_castsi512_si256, _mm512_cmpeq_epi8_mask,
    _mm512_cmpgt_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_cvtepu8_epi16, _mm512_extracti64x4_epi64,
    _mm512_loadu_si512, _mm512_mask_blend_epi16, _mm512_mask_permutexvar_epi8, _mm512_maskz_compress_epi8,
    _mm512_or_si512, _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_shuffle_epi8,
    _mm512_slli_epi16, _mm512_srli_epi16, _mm512_storeu_si512, _mm512_test_epi8_mask, _mm512_testn_epi8_mask,
    _pdep_u64,
};

/// The bytes that escapes of two characters stand for, by the second one, which is a letter or a backslash here.
const UNESCAPED: [u8; BLOCK] = {
    let mut table = [0; BLOCK];
    let mut index = 0;
    while index < BLOCK {
        table[index] = loops::UNESCAPED[index + 0x40];
        index += 1;
    }
    table
};

/// The second characters of escapes, by the lower six bits of the byte, or 0.
const LETTERS: [u8; BLOCK] = {
    let mut table = [0; BLOCK];
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0c] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[LIKE_BACKSLASH as usize] = b'\\';
    table
};

/// The control character that has the backslash's lower six bits.
const LIKE_BACKSLASH: u8 = b'\\' & 0x3f;

#[target_feature(enable = "avx512bw,bmi1,bmi2,popcnt")]
pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
    let special = |block: &[u8; BLOCK]| {
        let bytes = load(block);
        Special {
            quote: equal(bytes, b'"'),
            backslash: equal(bytes, b'\\'),
            control: control(bytes),
        }
    };
    loops::string_end(bytes, start, special, |block, _| short(load(block)))
}

#[target_feature(enable = "avx512bw,avx512vbmi,avx512vbmi2,bmi1,bmi2,popcnt")]
pub(super) fn unescape(spelled: &[u8], out: &mut Vec<u8>) -> usize {
    let mut writer = Writer::new(out, spelled.len());
    let table = load(&UNESCAPED);
    let mut pending = 0;
    let mut at = 0;
    while at < spelled.len() {
        let padded;
        let (block, length) = match spelled[at..].first_chunk() {
            Some(block) => (block, BLOCK),
            None => {
                padded = loops::pad(&spelled[at..], b' ');
                (&padded, spelled.len() - at)
            }
        };
        let bytes = load(block);
        let valid = u64::MAX >> (BLOCK - length);
        let (begins, escaped) = loops::escape_runs(equal(bytes, b'\\'), &mut pending);
        let unicode = escaped & equal(bytes, b'u') & valid;
        let before_unicode = unicode.wrapping_sub(1) & !unicode;
        // As signed numbers these are letters and backslashes, and no part of a character that is not ASCII.
        let letters = escaped & _mm512_cmpgt_epi8_mask(bytes, _mm512_set1_epi8(0x3f));
        let text = _mm512_mask_permutexvar_epi8(bytes, letters, bytes, table);
        let kept = valid & !begins & before_unicode;
        writer.write(
            &store(_mm512_maskz_compress_epi8(kept, text)),
            kept.count_ones() as usize,
        );
        if unicode != 0 {
            return at + unicode.trailing_zeros() as usize - 1;
        }
        at += BLOCK;
    }
    spelled.len()
}

#[target_feature(enable = "avx512bw,avx512vbmi,avx512vbmi2,bmi1,bmi2,popcnt")]
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, text.len() + text.len() / 16);
    let table = load(&LETTERS);
    let mut at = 0;
    while at < text.len() {
        writer.reserve(text.len() - at);
        let padded;
        let (block, length) = match text[at..].first_chunk() {
            Some(block) => (block, BLOCK),
            None => {
                padded = loops::pad(&text[at..], b' ');
                (&padded, text.len() - at)
            }
        };
        at += BLOCK;
        let bytes = load(block);
        let special = special(bytes);
        if special == 0 {
            writer.write(block, length);
            continue;
        }
        let letters = _mm512_permutexvar_epi8(bytes, table);
        let numbered = _mm512_testn_epi8_mask(letters, letters) | equal(bytes, LIKE_BACKSLASH);
        if special & numbered != 0 {
            let window = loops::pad(block, b' ');
            loops::escape_block(&window, length, &mut writer, |_| special);
            continue;
        }
        let (lower, upper) = halves(bytes);
        let (lower_letters, upper_letters) = halves(letters);
        let half = BLOCK / 2;
        write_half(lower, lower_letters, special as u32, half.min(length), &mut writer);
        let upper_special = (special >> half) as u32;
        write_half(
            upper,
            upper_letters,
            upper_special,
            length.saturating_sub(half),
            &mut writer,
        );
    }
}

/// Appends the first `length` bytes, the special ones of them as a backslash and a letter. Each byte gets two
/// places, and those that stay empty are closed.
#[inline]
#[target_feature(enable = "avx512bw,avx512vbmi2,bmi2,popcnt")]
fn write_half(bytes: __m256i, letters: __m256i, special: u32, length: usize, writer: &mut Writer<'_>) {
    const FIRST: u64 = 0x5555_5555_5555_5555;
    let backslash = _mm512_set1_epi16(i16::from(b'\\'));
    let escapes = _mm512_or_si512(_mm512_slli_epi16(_mm512_cvtepu8_epi16(letters), 8), backslash);
    let pairs = _mm512_mask_blend_epi16(special, _mm512_cvtepu8_epi16(bytes), escapes);
    let kept = FIRST | _pdep_u64(u64::from(special), !FIRST);
    let spelled = store(_mm512_maskz_compress_epi8(kept, pairs));
    writer.write(&spelled, length + special.count_ones() as usize);
}

#[inline]
#[target_feature(enable = "avx512bw")]
fn special(bytes: __m512i) -> u64 {
    equal(bytes, b'"') | equal(bytes, b'\\') | control(bytes)
}

#[inline]
#[target_feature(enable = "avx512bw")]
fn equal(bytes: __m512i, byte: u8) -> u64 {
    _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()))
}

#[inline]
#[target_feature(enable = "avx512bw")]
fn control(bytes: __m512i) -> u64 {
    _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20))
}

/// Marks the bytes that make an escape of two characters.
#[inline]
#[target_feature(enable = "avx512bw")]
fn short(bytes: __m512i) -> u64 {
    let upper_half = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(0xf));
    let by_upper = _mm512_broadcast_i32x4(load_table(&SHORT_BY_UPPER_HALF));
    let by_lower = _mm512_broadcast_i32x4(load_table(&SHORT_BY_LOWER_HALF));
    _mm512_test_epi8_mask(
        _mm512_shuffle_epi8(by_upper, upper_half),
        _mm512_shuffle_epi8(by_lower, bytes),
    )
}

#[inline]
#[target_feature(enable = "avx512f")]
fn halves(bytes: __m512i) -> (__m256i, __m256i) {
    (_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64(bytes, 1))
}

#[inline]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "a load takes a pointer")]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: There are 64 bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "a store takes a pointer")]
fn store(bytes: __m512i) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    // SAFETY: There is place for 64 bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(block.as_mut_ptr().cast(), bytes) };
    block
}
