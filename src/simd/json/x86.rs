//! The vector forms for x86-64: SSE2, which every such processor has, AVX2, and AVX-512 as Ice Lake and Zen 4 have it.

mod avx2;
mod avx512;
mod sse2;

use super::Escapes;
pub(super) use sse2::plain_end;
use std::arch::x86_64::{__m128i, _mm_loadu_si128};

/// A form that this processor has: one that stands for more than SSE2 holds the proof that it was found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Sse2,
    Avx2(Avx2),
    Avx512(Avx512),
}

/// The processor has what `avx2` is compiled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

/// The processor has what `avx512` is compiled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx2 {
    #[inline]
    pub(super) fn found() -> Option<Self> {
        let found =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
        found.then_some(Self(()))
    }
}

impl Avx512 {
    #[inline]
    pub(super) fn found() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }
}

/// Calls a function of the form.
macro_rules! call {
    ($form:expr, $name:ident($($argument:expr),*)) => {
        match $form {
            Form::Avx512(_) => {
                #[expect(unsafe_code, reason = "the compiler cannot know the processor")]
                // SAFETY: An `Avx512` is made only where the processor has the instructions.
                unsafe { avx512::$name($($argument),*) }
            }
            Form::Avx2(_) => {
                #[expect(unsafe_code, reason = "the compiler cannot know the processor")]
                // SAFETY: An `Avx2` is made only where the processor has the instructions.
                unsafe { avx2::$name($($argument),*) }
            }
            Form::Sse2 => {
                #[expect(unsafe_code, reason = "the compiler demands the promise also where it always holds")]
                // SAFETY: Every x86-64 processor has SSE2.
                unsafe { sse2::$name($($argument),*) }
            }
        }
    };
}

impl Form {
    #[inline]
    pub(super) fn best() -> Self {
        if let Some(avx512) = Avx512::found() {
            Self::Avx512(avx512)
        } else if let Some(avx2) = Avx2::found() {
            Self::Avx2(avx2)
        } else {
            Self::Sse2
        }
    }

    #[inline]
    pub(super) fn string_end(self, bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
        call!(self, string_end(bytes, start))
    }

    #[inline]
    pub(super) fn unescape(self, spelled: &[u8], out: &mut Vec<u8>) -> usize {
        call!(self, unescape(spelled, out))
    }

    #[inline]
    pub(super) fn escape(self, text: &[u8], out: &mut Vec<u8>) {
        call!(self, escape(text, out));
    }
}

/// The bytes that make an escape of two characters have one of four upper halves, and each of these has a bit. Both tables
/// together have the bit of a byte if it is one of them. A byte whose top bit is set finds nothing in the second table.
const SHORT_BY_UPPER_HALF: [u8; 16] = [0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0];
const SHORT_BY_LOWER_HALF: [u8; 16] = {
    let mut table = [0; 16];
    let bytes = *b"\"/\\bfnrt";
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index] as usize;
        table[byte & 0xf] |= SHORT_BY_UPPER_HALF[byte >> 4];
        index += 1;
    }
    table
};

#[inline]
#[target_feature(enable = "sse2")]
#[expect(unsafe_code, reason = "a load takes a pointer")]
fn load_table(table: &[u8; 16]) -> __m128i {
    // SAFETY: There are 16 bytes, and the load needs no alignment.
    unsafe { _mm_loadu_si128(table.as_ptr().cast()) }
}
