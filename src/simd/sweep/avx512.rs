//! The form for AVX-512 with byte permutations and compression. What stays of a window is one instruction, and exact tables
//! of which characters are doubtful fit in registers.

use super::tables::{FOUR, MIXED};
use super::{Kernel, Marks, Pass, Roles, Window};
use std::arch::x86_64::*;

/// Whether the processor has what [`stretch`] needs.
#[inline]
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// Moves a pass on.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn stretch<const JSON: bool>(roles: &Roles, pass: &mut Pass<'_, '_>) {
    pass.stretch::<_, JSON>(Avx512 { _private: () }, roles);
}

/// Made by [`stretch`] only, so that where there is one, the processor has the instructions.
#[derive(Debug, Clone, Copy)]
struct Avx512 {
    _private: (),
}

#[expect(unsafe_code, reason = "vector instructions, and a pointer into spare capacity")]
impl Kernel for Avx512 {
    type Bytes = __m512i;

    #[inline(always)]
    fn load(self, window: &Window) -> __m512i {
        // SAFETY: A window has more than 64 bytes.
        unsafe { _mm512_loadu_si512(window.as_ptr().cast()) }
    }

    #[inline(always)]
    fn marks<const JSON: bool>(self, bytes: __m512i, window: &Window, roles: &Roles) -> Marks {
        // SAFETY: The processor has the instructions, for there is a kernel.
        unsafe {
            let special = _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20));
            let delete = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(0x7f));
            let outside_ascii = _mm512_movepi8_mask(bytes);
            Marks {
                space: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b' '.cast_signed())),
                line: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'\n'.cast_signed())),
                control: special | delete,
                backslash: if JSON {
                    _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'\\'.cast_signed()))
                } else {
                    0
                },
                doubtful: if outside_ascii == 0 {
                    0
                } else {
                    doubtful(bytes, window, roles)
                },
            }
        }
    }

    #[inline(always)]
    fn equal(self, bytes: __m512i, _window: &Window, value: u8) -> u64 {
        // SAFETY: The processor has the instructions, for there is a kernel.
        unsafe { _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(value.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn write(self, bytes: __m512i, _window: &Window, keep: u64, spaces: u64, to: *mut u8) {
        // SAFETY: The processor has the instructions, for there is a kernel; the caller promises room for more than
        // the 64 bytes that are written.
        unsafe {
            let bytes = _mm512_mask_mov_epi8(bytes, spaces, _mm512_set1_epi8(b' '.cast_signed()));
            _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi8(keep, bytes));
        }
    }
}

/// The first bytes of characters that are doubtful by the tables.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
#[expect(unsafe_code, reason = "vector instructions that read from memory")]
#[inline]
fn doubtful(bytes: __m512i, window: &Window, roles: &Roles) -> u64 {
    // SAFETY: A window has 96 bytes, and each table the bytes that are loaded from it.
    let (second, two, three) = unsafe {
        (
            _mm512_loadu_si512(window.as_ptr().add(1).cast()),
            [0, 1, 2, 3].map(|part| _mm512_loadu_si512(roles.two.as_ptr().add(64 * part).cast())),
            [0, 1].map(|part| _mm512_loadu_si512(roles.three.as_ptr().add(64 * part).cast())),
        )
    };
    let seven = _mm512_set1_epi8(7);
    let bit_of = |byte| {
        _mm512_shuffle_epi8(
            _mm512_set1_epi64(0x8040_2010_0804_0201_u64.cast_signed()),
            _mm512_and_si512(byte, seven),
        )
    };
    let octet_of = |byte| _mm512_and_si512(_mm512_srli_epi16::<3>(byte), seven);
    // Where in a table the bit is: of the first byte the low bits, of the second all but the last three.
    let first_shifted = _mm512_and_si512(_mm512_slli_epi16::<3>(bytes), _mm512_set1_epi8(0xf8_u8.cast_signed()));
    let index = _mm512_or_si512(first_shifted, octet_of(second));
    let bit = bit_of(second);
    let kind = _mm512_and_si512(bytes, _mm512_set1_epi8(0xf0_u8.cast_signed()));
    let is_kind = |value: u8| _mm512_cmpeq_epi8_mask(kind, _mm512_set1_epi8(value.cast_signed()));
    let looked_up = |low, high| _mm512_test_epi8_mask(_mm512_permutex2var_epi8(low, index, high), bit);

    let mut doubtful = is_kind(0xc0) & looked_up(two[0], two[1]) | is_kind(0xd0) & looked_up(two[2], two[3]);
    let three_bytes = is_kind(0xe0);
    if three_bytes != 0 {
        doubtful |= three_bytes & looked_up(three[0], three[1]);
        // SAFETY: A window has 96 bytes.
        let third = unsafe { _mm512_loadu_si512(window.as_ptr().add(2).cast()) };
        let (octet, bit) = (octet_of(third), bit_of(third));
        for ([first, other], table) in MIXED.iter().zip(&roles.mixed) {
            let block = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(first.cast_signed()))
                & _mm512_cmpeq_epi8_mask(second, _mm512_set1_epi8(other.cast_signed()));
            // SAFETY: The table has 16 bytes.
            let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
            let table = _mm512_broadcast_i32x4(table);
            doubtful |= block & _mm512_test_epi8_mask(_mm512_shuffle_epi8(table, octet), bit);
        }
    }
    let four_bytes = is_kind(0xf0);
    if four_bytes != 0 {
        let (first, [least, most]) = FOUR;
        let settled = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(first.cast_signed()))
            & _mm512_cmpge_epu8_mask(second, _mm512_set1_epi8(least.cast_signed()))
            & _mm512_cmple_epu8_mask(second, _mm512_set1_epi8(most.cast_signed()));
        doubtful |= four_bytes & !settled;
    }
    doubtful
}
