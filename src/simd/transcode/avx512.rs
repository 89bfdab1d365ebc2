//! The form for processors that squeeze bytes by themselves: AVX-512 with VBMI2. What is behind the end of a text is
//! masked out, so that there is no remainder to go through one by one.

use super::Surrogate;
use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_storeu_si128, _mm256_storeu_si256, _mm512_and_si512, _mm512_castsi512_si256,
    _mm512_cmpeq_epi16_mask, _mm512_cmpeq_epi32_mask, _mm512_cmpge_epi8_mask, _mm512_cmpge_epu8_mask,
    _mm512_cmpge_epu16_mask, _mm512_cmpge_epu32_mask, _mm512_cvtepi16_epi8, _mm512_cvtepi32_epi8, _mm512_cvtepu8_epi16,
    _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32, _mm512_extracti32x4_epi32, _mm512_extracti64x4_epi64,
    _mm512_mask_add_epi8, _mm512_mask_blend_epi16, _mm512_mask_blend_epi32, _mm512_mask_mov_epi8,
    _mm512_mask_storeu_epi8, _mm512_mask_storeu_epi16, _mm512_mask_storeu_epi32, _mm512_maskz_compress_epi8,
    _mm512_maskz_compress_epi16, _mm512_maskz_loadu_epi8, _mm512_maskz_loadu_epi16, _mm512_maskz_loadu_epi32,
    _mm512_maskz_mov_epi16, _mm512_max_epu8, _mm512_movepi8_mask, _mm512_or_si512, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_slli_epi16, _mm512_slli_epi32, _mm512_srli_epi16,
    _mm512_srli_epi32, _mm512_storeu_si512, _mm512_test_epi16_mask, _mm512_test_epi32_mask,
};
use std::mem::MaybeUninit;

/// How many bytes are decoded at a time.
const STEP: usize = 64;

/// So many low bits.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn low_bits(count: usize) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

/// Loads up to 64 bytes, and zeros for those that are not there.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector load")]
fn load(bytes: &[u8]) -> __m512i {
    // SAFETY: The mask has a bit for each byte of the slice, up to 64; the others are not touched.
    unsafe { _mm512_maskz_loadu_epi8(low_bits(bytes.len()), bytes.as_ptr().cast()) }
}

/// Loads up to 32 units, and zeros for those that are not there.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector load")]
fn load_two(units: &[u16]) -> __m512i {
    // SAFETY: The mask has a bit for each unit of the slice, up to 32; the others are not touched.
    unsafe { _mm512_maskz_loadu_epi16(low_bits(units.len()) as u32, units.as_ptr().cast()) }
}

/// Loads up to 16 units, and zeros for those that are not there.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector load")]
fn load_four(units: &[u32]) -> __m512i {
    // SAFETY: The mask has a bit for each unit of the slice, up to 16; the others are not touched.
    unsafe { _mm512_maskz_loadu_epi32(low_bits(units.len()) as u16, units.as_ptr().cast()) }
}

/// Stores the first bytes, as far as there is room. Returns how many.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector store")]
fn store_some(out: &mut [MaybeUninit<u8>], value: __m512i, count: usize) -> usize {
    let count = count.min(out.len());
    // SAFETY: The mask has a bit for each byte that is stored, and there is room for them.
    unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), low_bits(count), value) };
    count
}

/// Stores the first units, as far as there is room. Returns how many.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector store")]
fn store_some_two(out: &mut [MaybeUninit<u16>], value: __m512i, count: usize) -> usize {
    let count = count.min(out.len());
    // SAFETY: The mask has a bit for each unit that is stored, and there is room for them.
    unsafe { _mm512_mask_storeu_epi16(out.as_mut_ptr().cast(), low_bits(count) as u32, value) };
    count
}

/// Stores the first units, as far as there is room. Returns how many.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector store")]
fn store_some_four(out: &mut [MaybeUninit<u32>], value: __m512i, count: usize) -> usize {
    let count = count.min(out.len());
    // SAFETY: The mask has a bit for each unit that is stored, and there is room for them.
    unsafe { _mm512_mask_storeu_epi32(out.as_mut_ptr().cast(), low_bits(count) as u16, value) };
    count
}

/// Stores bytes of which perhaps only the first count: what follows is written over the others.
macro_rules! store {
    ($name:ident, $bytes:literal, $vector:ty, $instruction:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
        #[inline]
        #[expect(unsafe_code, reason = "vector store")]
        fn $name(out: &mut [MaybeUninit<u8>], value: $vector) {
            let room = out
                .first_chunk_mut::<$bytes>()
                .expect("there is room behind what is encoded");
            // SAFETY: The array has as many bytes as the vector; the store needs no alignment.
            unsafe { $instruction(room.as_mut_ptr().cast(), value) };
        }
    };
}

store!(store, 64, __m512i, _mm512_storeu_si512);
store!(store_half, 32, __m256i, _mm256_storeu_si256);
store!(store_quarter, 16, __m128i, _mm_storeu_si128);

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn low_half(value: __m512i) -> __m256i {
    _mm512_castsi512_si256(value)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn high_half(value: __m512i) -> __m256i {
    _mm512_extracti64x4_epi64::<1>(value)
}

/// Sixteen bytes of the 64.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn quarter<const NUMBER: i32>(value: __m512i) -> __m128i {
    _mm512_extracti32x4_epi32::<NUMBER>(value)
}

/// The bits of the bytes with which a character begins.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn beginnings(bytes: __m512i) -> u64 {
    _mm512_cmpge_epi8_mask(bytes, _mm512_set1_epi8(-64))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
pub(super) fn measure(bytes: &[u8]) -> (u8, usize) {
    let mut highest = _mm512_setzero_si512();
    let mut characters = 0;
    for block in bytes.chunks(STEP) {
        let value = load(block);
        highest = _mm512_max_epu8(highest, value);
        characters += (beginnings(value) & low_bits(block.len())).count_ones() as usize;
    }
    // Only whether a byte reaches these matters to the caller, who compares with them.
    let reaches = |byte: u8| _mm512_cmpge_epu8_mask(highest, _mm512_set1_epi8(byte.cast_signed())) != 0;
    let highest = [0xF0, 0xC4, 0x80].into_iter().find(|&byte| reaches(byte));
    (highest.unwrap_or(0), characters)
}

/// The bytes from a place on, up to 64.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn load_from(bytes: &[u8], from: usize) -> __m512i {
    load(bytes.get(from..).unwrap_or_default())
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
pub(super) fn to_latin1(bytes: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
    let mut to = 0;
    for from in (0..bytes.len()).step_by(STEP) {
        let count = low_bits(bytes.len() - from);
        let at = load_from(bytes, from);
        let not_ascii = _mm512_movepi8_mask(at);
        if not_ascii == 0 {
            to += store_some(&mut out[to..], at, count.count_ones() as usize);
            continue;
        }
        // A character of two bytes begins with C2 and is then its second byte, or with C3, and then 40 is to be added.
        let next = load_from(bytes, from + 1);
        let higher = _mm512_cmpge_epu8_mask(at, _mm512_set1_epi8(0xC3_u8.cast_signed()));
        let second = _mm512_mask_add_epi8(next, higher, next, _mm512_set1_epi8(0x40));
        let keep = beginnings(at) & count;
        let characters = _mm512_maskz_compress_epi8(keep, _mm512_mask_mov_epi8(at, not_ascii, second));
        to += store_some(&mut out[to..], characters, keep.count_ones() as usize);
    }
    to
}

/// What a character of up to three bytes would be, if it began at each byte.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn up_to_three(at: __m512i, next: __m512i, last: __m512i) -> __m512i {
    let six_bits = _mm512_set1_epi16(0x3F);
    // What does not fit is shifted out: it is the part of the byte that says how many bytes follow.
    let two = _mm512_or_si512(
        _mm512_slli_epi16::<6>(_mm512_and_si512(at, six_bits)),
        _mm512_and_si512(next, six_bits),
    );
    let three = _mm512_or_si512(_mm512_slli_epi16::<6>(two), _mm512_and_si512(last, six_bits));
    let is_three = _mm512_cmpge_epu16_mask(at, _mm512_set1_epi16(0xE0));
    let is_long = _mm512_cmpge_epu16_mask(at, _mm512_set1_epi16(0x80));
    _mm512_mask_blend_epi16(is_long, at, _mm512_mask_blend_epi16(is_three, two, three))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
pub(super) fn to_two(bytes: &[u8], out: &mut [MaybeUninit<u16>]) -> usize {
    let mut to = 0;
    for from in (0..bytes.len()).step_by(STEP) {
        let count = low_bits(bytes.len() - from);
        let at = load_from(bytes, from);
        let widen = |half: __m256i| _mm512_cvtepu8_epi16(half);
        let (low, high) = (widen(low_half(at)), widen(high_half(at)));
        if _mm512_movepi8_mask(at) == 0 {
            to += store_some_two(&mut out[to..], low, (count as u32).count_ones() as usize);
            to += store_some_two(&mut out[to..], high, (count >> 32).count_ones() as usize);
            continue;
        }
        let (next, last) = (load_from(bytes, from + 1), load_from(bytes, from + 2));
        let keep = beginnings(at) & count;
        let low = up_to_three(low, widen(low_half(next)), widen(low_half(last)));
        let high = up_to_three(high, widen(high_half(next)), widen(high_half(last)));
        for (half, keep) in [(low, keep as u32), (high, (keep >> 32) as u32)] {
            let characters = _mm512_maskz_compress_epi16(keep, half);
            to += store_some_two(&mut out[to..], characters, keep.count_ones() as usize);
        }
    }
    to
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
pub(super) fn to_four(bytes: &[u8], out: &mut [MaybeUninit<u32>]) -> usize {
    let mut to = 0;
    for from in (0..bytes.len()).step_by(STEP / 2) {
        let block = load_from(bytes, from);
        let decoded = (bytes.len() - from).min(STEP / 2);
        if _mm512_movepi8_mask(block) as u32 == 0 {
            to += store_some_four(
                &mut out[to..],
                _mm512_cvtepu8_epi32(quarter::<0>(block)),
                decoded.min(16),
            );
            to += store_some_four(
                &mut out[to..],
                _mm512_cvtepu8_epi32(quarter::<1>(block)),
                decoded.saturating_sub(16),
            );
            continue;
        }
        let count = low_bits(decoded) as u32;
        let widen = |further: usize| _mm512_cvtepu8_epi16(low_half(load_from(bytes, from + further)));
        let (at, next, third) = (widen(0), widen(1), widen(2));
        let keep = beginnings(block) as u32 & count;
        let mut lower = up_to_three(at, next, third);
        let is_four = _mm512_cmpge_epu16_mask(at, _mm512_set1_epi16(0xF0));
        let mut planes = _mm512_setzero_si512();
        if is_four != 0 {
            // The lower two bytes of such a character are what its last three bytes would be by themselves, and its plane
            // is made of three bits of its first byte and two of its second.
            let as_first = _mm512_or_si512(next, _mm512_set1_epi16(0xE0));
            lower = _mm512_mask_blend_epi16(is_four, lower, up_to_three(as_first, third, widen(3)));
            let plane = _mm512_or_si512(
                _mm512_slli_epi16::<2>(_mm512_and_si512(at, _mm512_set1_epi16(7))),
                _mm512_srli_epi16::<4>(_mm512_and_si512(next, _mm512_set1_epi16(0x30))),
            );
            planes = _mm512_maskz_compress_epi16(keep, _mm512_maskz_mov_epi16(is_four, plane));
        }
        let lower = _mm512_maskz_compress_epi16(keep, lower);
        let characters = keep.count_ones() as usize;
        let join = |lower, planes| {
            _mm512_or_si512(
                _mm512_cvtepu16_epi32(lower),
                _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(planes)),
            )
        };
        let first = join(low_half(lower), low_half(planes));
        to += store_some_four(&mut out[to..], first, characters.min(16));
        if characters > 16 {
            let second = join(high_half(lower), high_half(planes));
            to += store_some_four(&mut out[to..], second, characters - 16);
        }
    }
    to
}

/// Squeezes out the bytes that are not kept, and stores the others. Returns how many they are.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn squeeze(out: &mut [MaybeUninit<u8>], bytes: __m512i, keep: u64) -> usize {
    store(out, _mm512_maskz_compress_epi8(keep, bytes));
    keep.count_ones() as usize
}

/// Encodes up to 32 characters below U+0800. Returns how many bytes they take.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn from_up_to_two(units: __m512i, count: usize, out: &mut [MaybeUninit<u8>]) -> usize {
    let is_two = _mm512_cmpge_epu16_mask(units, _mm512_set1_epi16(0x80));
    let two = _mm512_or_si512(
        _mm512_or_si512(
            _mm512_slli_epi16::<8>(_mm512_and_si512(units, _mm512_set1_epi16(0x3F))),
            _mm512_srli_epi16::<6>(units),
        ),
        _mm512_set1_epi16(0x80C0_u16.cast_signed()),
    );
    let bytes = _mm512_mask_blend_epi16(is_two, units, two);
    // Bytes that continue a character have their highest bit set; those that begin one are always there.
    let keep = _mm512_movepi8_mask(bytes) | 0x5555_5555_5555_5555;
    squeeze(out, bytes, keep & low_bits(2 * count))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
pub(super) fn from_latin1(characters: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
    let mut to = 0;
    for block in characters.chunks(STEP) {
        let units = load(block);
        if _mm512_movepi8_mask(units) == 0 {
            store(&mut out[to..], units);
            to += block.len();
            continue;
        }
        let first = block.len().min(STEP / 2);
        to += from_up_to_two(_mm512_cvtepu8_epi16(low_half(units)), first, &mut out[to..]);
        to += from_up_to_two(
            _mm512_cvtepu8_epi16(high_half(units)),
            block.len() - first,
            &mut out[to..],
        );
    }
    to
}

/// Encodes up to 16 characters. Returns how many bytes they take.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn from_any(units: __m512i, count: usize, out: &mut [MaybeUninit<u8>]) -> usize {
    // The bits that the second, the third and the fourth byte from the end have.
    let end = _mm512_and_si512(units, _mm512_set1_epi32(0x3F));
    let (two_bits, three_bits) = (
        _mm512_and_si512(units, _mm512_set1_epi32(0xFC0)),
        _mm512_and_si512(units, _mm512_set1_epi32(0x3F000)),
    );
    let two = or_three(
        _mm512_srli_epi32::<6>(units),
        _mm512_slli_epi32::<8>(end),
        _mm512_set1_epi32(0x80C0),
    );
    let three = or_three(
        _mm512_srli_epi32::<12>(units),
        _mm512_or_si512(_mm512_slli_epi32::<2>(two_bits), _mm512_slli_epi32::<16>(end)),
        _mm512_set1_epi32(0x0080_80E0),
    );
    let is_two = _mm512_cmpge_epu32_mask(units, _mm512_set1_epi32(0x80));
    let is_three = _mm512_cmpge_epu32_mask(units, _mm512_set1_epi32(0x800));
    let is_four = _mm512_cmpge_epu32_mask(units, _mm512_set1_epi32(0x1_0000));
    let mut bytes = _mm512_mask_blend_epi32(is_two, units, two);
    bytes = _mm512_mask_blend_epi32(is_three, bytes, three);
    if is_four != 0 {
        let four = or_three(
            _mm512_or_si512(_mm512_srli_epi32::<18>(units), _mm512_srli_epi32::<4>(three_bits)),
            _mm512_or_si512(_mm512_slli_epi32::<10>(two_bits), _mm512_slli_epi32::<24>(end)),
            _mm512_set1_epi32(0x8080_80F0_u32.cast_signed()),
        );
        bytes = _mm512_mask_blend_epi32(is_four, bytes, four);
    }
    let keep = _mm512_movepi8_mask(bytes) | 0x1111_1111_1111_1111;
    squeeze(out, bytes, keep & low_bits(4 * count))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
#[inline]
fn or_three(first: __m512i, second: __m512i, third: __m512i) -> __m512i {
    _mm512_or_si512(_mm512_or_si512(first, second), third)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
pub(super) fn from_two(characters: &[u16], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let mut to = 0;
    for block in characters.chunks(32) {
        let units = load_two(block);
        if _mm512_test_epi16_mask(units, _mm512_set1_epi16(0xFF80_u16.cast_signed())) == 0 {
            store_half(&mut out[to..], _mm512_cvtepi16_epi8(units));
            to += block.len();
            continue;
        }
        let above_two = _mm512_set1_epi16(0xF800_u16.cast_signed());
        if _mm512_test_epi16_mask(units, above_two) == 0 {
            to += from_up_to_two(units, block.len(), &mut out[to..]);
            continue;
        }
        let surrogates = _mm512_set1_epi16(0xD800_u16.cast_signed());
        if _mm512_cmpeq_epi16_mask(_mm512_and_si512(units, above_two), surrogates) != 0 {
            return Err(Surrogate);
        }
        let first = block.len().min(16);
        to += from_any(_mm512_cvtepu16_epi32(low_half(units)), first, &mut out[to..]);
        to += from_any(
            _mm512_cvtepu16_epi32(high_half(units)),
            block.len() - first,
            &mut out[to..],
        );
    }
    Ok(to)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")]
pub(super) fn from_four(characters: &[u32], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let mut to = 0;
    for block in characters.chunks(16) {
        let units = load_four(block);
        if _mm512_test_epi32_mask(units, _mm512_set1_epi32(!0x7F)) == 0 {
            store_quarter(&mut out[to..], _mm512_cvtepi32_epi8(units));
            to += block.len();
            continue;
        }
        let surrogates = _mm512_and_si512(units, _mm512_set1_epi32(!0x7FF));
        let too_high = _mm512_cmpge_epu32_mask(units, _mm512_set1_epi32(0x11_0000));
        if _mm512_cmpeq_epi32_mask(surrogates, _mm512_set1_epi32(0xD800)) | too_high != 0 {
            return Err(Surrogate);
        }
        to += from_any(units, block.len(), &mut out[to..]);
    }
    Ok(to)
}
