//! Between UTF-8 and the forms in which Python keeps characters: one, two or four bytes each, all of a text alike.
//!
//! Decoding looks at every byte as if a character began there, and then squeezes out those where none does: the work per
//! block is the same whatever the text, so that there is nothing to guess wrong. Encoding takes the same way back.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse;
#[cfg(target_arch = "x86_64")]
mod tables;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

/// How many bytes each character of a text takes in memory: as few as its highest character allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// One, and all characters are ASCII.
    Ascii,
    /// One: up to U+00FF.
    Latin1,
    /// Two: up to U+FFFF.
    Two,
    /// Four.
    Four,
}

/// What must be known of a text before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    /// How wide its characters are.
    pub(crate) width: Width,
    /// How many it has.
    pub(crate) characters: usize,
}

/// The text holds a code point that is no character: a surrogate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Surrogate;

/// A form of the kernels that this processor can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Portable,
    /// SSE4.1, which every x86-64 processor since 2008 has.
    #[cfg(target_arch = "x86_64")]
    Sse,
    /// The same code, with the shorter instructions of AVX2 and wider scans.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VBMI2, which squeezes bytes by itself.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Form {
    /// The quickest form for this processor.
    #[inline]
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if has_avx512() {
                return Self(Instructions::Avx512);
            }
            if has_avx2() {
                return Self(Instructions::Avx2);
            }
            if has_sse() {
                return Self(Instructions::Sse);
            }
        }
        Self(Instructions::Portable)
    }

    /// Every form that this processor can run.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut forms = vec![Self(Instructions::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            forms.extend(has_sse().then_some(Self(Instructions::Sse)));
            forms.extend(has_avx2().then_some(Self(Instructions::Avx2)));
            forms.extend(has_avx512().then_some(Self(Instructions::Avx512)));
        }
        forms
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn has_sse() -> bool {
    is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

/// Runs a kernel in a form.
macro_rules! run {
    ($form:expr, $kernel:ident, $($argument:expr),+) => {
        match $form.0 {
            Instructions::Portable => portable::$kernel($($argument),+),
            #[cfg(target_arch = "x86_64")]
            Instructions::Sse => {
                #[expect(unsafe_code, reason = "only a processor that has them may run these instructions")]
                // SAFETY: A form is only made by `Form::best` and `Form::all`, which asked the processor.
                unsafe { sse::$kernel($($argument),+) }
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => {
                #[expect(unsafe_code, reason = "only a processor that has them may run these instructions")]
                // SAFETY: As above.
                unsafe { sse::avx2::$kernel($($argument),+) }
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => {
                #[expect(unsafe_code, reason = "only a processor that has them may run these instructions")]
                // SAFETY: As above.
                unsafe { avx512::$kernel($($argument),+) }
            }
        }
    };
}

/// Measures a text.
pub(crate) fn measure(form: Form, text: &str) -> Measure {
    let (highest, characters) = run!(form, measure, text.as_bytes());
    // The first byte of a character's UTF-8 grows with the character: U+0100 begins with C4, U+10000 with F0.
    let width = match highest {
        ..0x80 => Width::Ascii,
        0x80..0xC4 => Width::Latin1,
        0xC4..0xF0 => Width::Two,
        0xF0.. => Width::Four,
    };
    Measure { width, characters }
}

/// Whether a short text is ASCII. The standard library's way is quicker for long texts only.
#[inline]
pub(crate) fn is_short_ascii(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (blocks, rest) = bytes.as_chunks::<16>();
    let mut all = blocks.iter().fold(0, |all, block| all | u128::from_ne_bytes(*block));
    // The last bytes are looked at together with some before them, or else one by one.
    if let Some(last) = bytes.last_chunk::<16>() {
        all |= u128::from_ne_bytes(*last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        all |= u128::from(u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last));
    } else {
        all |= rest.iter().fold(0, |all, &byte| all | u128::from(byte));
    }
    all & 0x8080_8080_8080_8080_8080_8080_8080_8080 == 0
}

/// Writes the characters of a text that has none above U+00FF. Returns how many were written: all, if there is room.
pub(crate) fn to_latin1(form: Form, text: &str, out: &mut [MaybeUninit<u8>]) -> usize {
    run!(form, to_latin1, text.as_bytes(), out)
}

/// Writes the characters of a text that has none above U+FFFF. Returns how many were written: all, if there is room.
pub(crate) fn to_two(form: Form, text: &str, out: &mut [MaybeUninit<u16>]) -> usize {
    run!(form, to_two, text.as_bytes(), out)
}

/// Writes the characters of a text. Returns how many were written: all, if there is room.
pub(crate) fn to_four(form: Form, text: &str, out: &mut [MaybeUninit<u32>]) -> usize {
    run!(form, to_four, text.as_bytes(), out)
}

/// How many characters are encoded at a time. The room for a block is reserved as if each needed as many bytes as it can.
const BLOCK: usize = 4096;

/// How far behind the end of what they encode kernels may write.
const SLACK: usize = 64;

/// Appends characters that take one byte each.
pub(crate) fn push_latin1(form: Form, characters: &[u8], out: &mut String) {
    let encoded = push(characters, 2, out, |block, room| {
        Ok(run!(form, from_latin1, block, room))
    });
    debug_assert!(encoded.is_ok(), "no surrogate fits a byte");
}

/// Appends characters that take two bytes each. Nothing is appended if one of them is a surrogate, be it one of a pair.
pub(crate) fn push_two(form: Form, characters: &[u16], out: &mut String) -> Result<(), Surrogate> {
    push(characters, 3, out, |block, room| run!(form, from_two, block, room))
}

/// Appends characters that take four bytes each. Nothing is appended if one of them is a surrogate.
pub(crate) fn push_four(form: Form, characters: &[u32], out: &mut String) -> Result<(), Surrogate> {
    push(characters, 4, out, |block, room| run!(form, from_four, block, room))
}

/// Appends characters block by block. `encode` gets room for `most` bytes per character, and [`SLACK`].
#[inline]
fn push<U>(
    characters: &[U],
    most: usize,
    out: &mut String,
    encode: impl Fn(&[U], &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate>,
) -> Result<(), Surrogate> {
    let before = out.len();
    #[expect(
        unsafe_code,
        reason = "a vector knows what a string does not: how to take bytes that were written behind its end"
    )]
    // SAFETY: Kernels write UTF-8 of whole characters and say how many bytes, all of which they have written.
    let bytes = unsafe { out.as_mut_vec() };
    for block in characters.chunks(BLOCK) {
        bytes.reserve(block.len() * most + SLACK);
        match encode(block, bytes.spare_capacity_mut()) {
            Ok(written) => {
                #[expect(unsafe_code, reason = "these bytes were written behind the end")]
                // SAFETY: The kernel wrote that many bytes into the spare capacity, from its start.
                unsafe {
                    bytes.set_len(bytes.len() + written);
                }
            }
            Err(surrogate) => {
                bytes.truncate(before);
                return Err(surrogate);
            }
        }
    }
    Ok(())
}

/// Whether there is a surrogate among characters that take two bytes each.
pub(crate) fn has_surrogate_two(characters: &[u16]) -> bool {
    // Without a way out in the middle of a block, the compiler makes vector instructions of this on every processor.
    characters.chunks(256).any(|block| {
        block
            .iter()
            .fold(0, |found, &unit| found | u16::from(unit & 0xF800 == 0xD800))
            != 0
    })
}

/// Whether there is a surrogate among characters that take four bytes each.
pub(crate) fn has_surrogate_four(characters: &[u32]) -> bool {
    characters.chunks(256).any(|block| {
        block
            .iter()
            .fold(0, |found, &unit| found | u32::from(unit & 0xFFFF_F800 == 0xD800))
            != 0
    })
}
