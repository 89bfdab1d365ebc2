//! The form for 16 bytes at a time, which is compiled twice: for SSE4.1, and for AVX2, whose instructions say where their
//! result goes and so need fewer copies.

/// The part of an array from an index on.
macro_rules! part {
    ($array:expr, $from:expr) => {
        $array[$from..].first_chunk().expect("it is part of the array")
    };
}

/// The same to write to.
macro_rules! part_mut {
    ($array:expr, $from:expr) => {
        $array[$from..].first_chunk_mut().expect("there is room for it")
    };
}

mod decode;
mod encode;

use super::{Surrogate, portable};
pub(super) use decode::{to_four, to_latin1, to_two};
pub(super) use encode::{from_four, from_latin1, from_two};
use std::arch::x86_64::{__m128i, _mm_loadl_epi64, _mm_loadu_si128, _mm_storel_epi64, _mm_storeu_si128};
use std::mem::MaybeUninit;

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector load")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: The array has 16 bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector load")]
fn load_half(bytes: &[u8; 8]) -> __m128i {
    // SAFETY: The array has 8 bytes; the load needs no alignment.
    unsafe { _mm_loadl_epi64(bytes.as_ptr().cast()) }
}

/// Loads 16 bytes of wider units.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector load")]
fn load_units<U: portable::Unit, const N: usize>(units: &[U; N]) -> __m128i {
    const { assert!(size_of::<[U; N]>() == 16) };
    // SAFETY: The array has 16 bytes, all of which are initialised numbers; the load needs no alignment.
    unsafe { _mm_loadu_si128(units.as_ptr().cast()) }
}

/// Stores 16 bytes, which may be several units.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector store")]
fn store<U: portable::Unit, const N: usize>(room: &mut [MaybeUninit<U>; N], value: __m128i) {
    const { assert!(size_of::<[U; N]>() == 16) };
    // SAFETY: The array has 16 bytes, and any bytes make a number; the store needs no alignment.
    unsafe { _mm_storeu_si128(room.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "vector store")]
fn store_half(room: &mut [MaybeUninit<u8>; 8], value: __m128i) {
    // SAFETY: The array has 8 bytes; the store needs no alignment.
    unsafe { _mm_storel_epi64(room.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(super) fn measure(bytes: &[u8]) -> (u8, usize) {
    portable::measure(bytes)
}

/// The same code for AVX2.
pub(super) mod avx2 {
    use super::{MaybeUninit, Surrogate};

    macro_rules! again {
        ($($kernel:ident($($argument:ident: $type:ty),+) -> $result:ty;)+) => {
            $(#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
            pub(in super::super) fn $kernel($($argument: $type),+) -> $result {
                super::$kernel($($argument),+)
            })+
        };
    }

    again! {
        measure(bytes: &[u8]) -> (u8, usize);
        to_latin1(bytes: &[u8], out: &mut [MaybeUninit<u8>]) -> usize;
        to_two(bytes: &[u8], out: &mut [MaybeUninit<u16>]) -> usize;
        to_four(bytes: &[u8], out: &mut [MaybeUninit<u32>]) -> usize;
        from_latin1(characters: &[u8], out: &mut [MaybeUninit<u8>]) -> usize;
        from_two(characters: &[u16], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate>;
        from_four(characters: &[u32], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate>;
    }
}
