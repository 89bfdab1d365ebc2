//! Encodes 16 characters at a time.

use super::super::Surrogate;
use super::super::portable::encode_each;
use super::super::tables::{UP_TO_THREE, UP_TO_TWO};
use super::{load, load_units, store};
use std::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_blendv_epi8, _mm_cmpeq_epi16, _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi16,
    _mm_packus_epi16, _mm_packus_epi32, _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_slli_epi16, _mm_srli_epi16, _mm_srli_si128, _mm_testz_si128, _mm_unpackhi_epi8, _mm_unpackhi_epi16,
    _mm_unpacklo_epi8, _mm_unpacklo_epi16, _mm_xor_si128,
};
use std::mem::MaybeUninit;

/// How many characters are encoded at a time.
const STEP: usize = 16;

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(in super::super) fn from_latin1(characters: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
    let (blocks, rest) = characters.as_chunks::<STEP>();
    let mut to = 0;
    for block in blocks {
        let units = load(block);
        if _mm_movemask_epi8(units) == 0 {
            store::<u8, 16>(part_mut!(out, to), units);
            to += STEP;
        } else {
            let zero = _mm_setzero_si128();
            to += from_up_to_two(
                _mm_unpacklo_epi8(units, zero),
                _mm_unpackhi_epi8(units, zero),
                &mut out[to..],
            );
        }
    }
    to + encode_each(rest, &mut out[to..]).expect("no surrogate fits a byte")
}

/// Encodes 16 characters below U+0800. Returns how many bytes they take.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn from_up_to_two(first: __m128i, second: __m128i, out: &mut [MaybeUninit<u8>]) -> usize {
    let above_ascii = _mm_set1_epi16(0xFF80_u16.cast_signed());
    let zero = _mm_setzero_si128();
    let half = |units: __m128i| {
        let ascii = _mm_cmpeq_epi16(_mm_and_si128(units, above_ascii), zero);
        let last = _mm_slli_epi16::<8>(_mm_and_si128(units, _mm_set1_epi16(0x3F)));
        let two = _mm_or_si128(
            _mm_or_si128(last, _mm_srli_epi16::<6>(units)),
            _mm_set1_epi16(0x80C0_u16.cast_signed()),
        );
        (ascii, _mm_blendv_epi8(two, units, ascii))
    };
    let ((first_ascii, first), (second_ascii, second)) = (half(first), half(second));
    let ascii = _mm_movemask_epi8(_mm_packs_epi16(first_ascii, second_ascii)).cast_unsigned();
    let (low, high) = ((ascii & 0xFF) as usize, (ascii >> 8) as usize);
    store::<u8, 16>(part_mut!(out, 0), _mm_shuffle_epi8(first, load(&UP_TO_TWO[low])));
    let to = 16 - low.count_ones() as usize;
    store::<u8, 16>(part_mut!(out, to), _mm_shuffle_epi8(second, load(&UP_TO_TWO[high])));
    to + 16 - high.count_ones() as usize
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(in super::super) fn from_two(characters: &[u16], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let (blocks, rest) = characters.as_chunks::<STEP>();
    let mut to = 0;
    for block in blocks {
        to += from_two_block(
            load_units::<u16, 8>(part!(block, 0)),
            load_units::<u16, 8>(part!(block, 8)),
            &mut out[to..],
        )?;
    }
    Ok(to + encode_each(rest, &mut out[to..])?)
}

/// Encodes 16 characters below U+10000. Returns how many bytes they take.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn from_two_block(first: __m128i, second: __m128i, out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let all = _mm_or_si128(first, second);
    if _mm_testz_si128(all, _mm_set1_epi16(0xFF80_u16.cast_signed())) == 1 {
        store::<u8, 16>(part_mut!(out, 0), _mm_packus_epi16(first, second));
        return Ok(STEP);
    }
    let above_two = _mm_set1_epi16(0xF800_u16.cast_signed());
    if _mm_testz_si128(all, above_two) == 1 {
        return Ok(from_up_to_two(first, second, out));
    }
    let surrogates = _mm_set1_epi16(0xD800_u16.cast_signed());
    let is_surrogate = |units| _mm_cmpeq_epi16(_mm_and_si128(units, above_two), surrogates);
    if _mm_movemask_epi8(_mm_or_si128(is_surrogate(first), is_surrogate(second))) != 0 {
        return Err(Surrogate);
    }
    let to = from_up_to_three(first, out);
    Ok(to + from_up_to_three(second, &mut out[to..]))
}

/// Encodes 8 characters below U+10000. Returns how many bytes they take.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn from_up_to_three(units: __m128i, out: &mut [MaybeUninit<u8>]) -> usize {
    let zero = _mm_setzero_si128();
    let is_ascii = _mm_cmpeq_epi16(_mm_and_si128(units, _mm_set1_epi16(0xFF80_u16.cast_signed())), zero);
    let is_two = _mm_cmpeq_epi16(_mm_and_si128(units, _mm_set1_epi16(0xF800_u16.cast_signed())), zero);
    // The first byte if it is the only one, and the last one otherwise.
    let ends = _mm_or_si128(
        _mm_and_si128(units, _mm_set1_epi16(0x7F)),
        _mm_or_si128(
            _mm_slli_epi16::<8>(_mm_and_si128(units, _mm_set1_epi16(0x3F))),
            _mm_set1_epi16(0x8000_u16.cast_signed()),
        ),
    );
    // The first of three, and the second of three or the first of two.
    let six_bits = _mm_and_si128(_mm_slli_epi16::<2>(units), _mm_set1_epi16(0x3F00));
    let starts = _mm_xor_si128(
        _mm_or_si128(
            _mm_or_si128(_mm_srli_epi16::<12>(units), six_bits),
            _mm_set1_epi16(0x80E0_u16.cast_signed()),
        ),
        _mm_and_si128(is_two, _mm_set1_epi16(0x4000)),
    );
    let sets = _mm_packs_epi16(is_ascii, is_two);
    let sets = _mm_movemask_epi8(_mm_unpacklo_epi8(sets, _mm_srli_si128::<8>(sets))).cast_unsigned();
    let (low, low_length) = &UP_TO_THREE[(sets & 0xFF) as usize];
    let (high, high_length) = &UP_TO_THREE[(sets >> 8) as usize];
    store::<u8, 16>(
        part_mut!(out, 0),
        _mm_shuffle_epi8(_mm_unpacklo_epi16(ends, starts), load(low)),
    );
    let to = usize::from(*low_length);
    store::<u8, 16>(
        part_mut!(out, to),
        _mm_shuffle_epi8(_mm_unpackhi_epi16(ends, starts), load(high)),
    );
    to + usize::from(*high_length)
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(in super::super) fn from_four(characters: &[u32], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let (blocks, rest) = characters.as_chunks::<STEP>();
    let mut to = 0;
    for block in blocks {
        let units: [__m128i; 4] = std::array::from_fn(|four| load_units::<u32, 4>(part!(block, four * 4)));
        let all = _mm_or_si128(_mm_or_si128(units[0], units[1]), _mm_or_si128(units[2], units[3]));
        to += if _mm_testz_si128(all, _mm_set1_epi32(0xFFFF_0000_u32.cast_signed())) == 1 {
            let (first, second) = (
                _mm_packus_epi32(units[0], units[1]),
                _mm_packus_epi32(units[2], units[3]),
            );
            from_two_block(first, second, &mut out[to..])?
        } else {
            encode_each(block, &mut out[to..])?
        };
    }
    Ok(to + encode_each(rest, &mut out[to..])?)
}
