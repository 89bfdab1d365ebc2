//! The form for AVX2. Doubtful characters are found by the nibbles of their first two bytes; what stays is copied in pieces.
//!
//! A byte shuffle looks up sixteen nibbles or more at once. Each of eight classes of doubtful characters is a product of
//! nibbles, "first bytes C2 and D9 before second bytes A0 and B0", and has a bit in the tables of each nibble: a
//! character may be doubtful if some bit is in all of them. The classes hold more characters than needs be, and the exact tables
//! are asked about these.

use super::tables::{FOUR, MIXED};
use super::{Kernel, Marks, Pass, Roles, Window, write_in_pieces};
use std::arch::x86_64::*;

/// Whether the processor has what [`stretch`] needs.
#[inline]
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// Moves a pass on.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn stretch<const JSON: bool>(roles: &Roles, pass: &mut Pass<'_, '_>) {
    pass.stretch::<_, JSON>(Avx2 { _private: () }, roles);
}

/// Made by [`stretch`] only, so that where there is one, the processor has the instructions.
#[derive(Debug, Clone, Copy)]
struct Avx2 {
    _private: (),
}

/// Products of nibbles: high and low of the first byte, high and low of the second.
type Class = (&'static [u8], &'static [u8], &'static [u8], &'static [u8]);

const ALL: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Characters of two bytes.
const TWO: [Class; 8] = [
    // U+0080 to U+009F.
    (&[0xc], &[2], &[8, 9], ALL),
    // U+00A0, U+0670.
    (&[0xc, 0xd], &[2, 9], &[0xa, 0xb], &[0]),
    // Combining marks, Syriac, Thaana.
    (&[0xc, 0xd], &[0xc, 0xd], ALL, ALL),
    // U+0387, U+0483 to U+0487.
    (&[0xc, 0xd], &[2, 0xe], &[8], &[3, 4, 5, 6, 7]),
    // Arabic marks, here and two below.
    (&[0xd], &[9], &[8], &[0xb, 0xc, 0xd, 0xe, 0xf]),
    // Hebrew.
    (&[0xd], &[6, 7], ALL, ALL),
    (&[0xd], &[8, 9], &[9], ALL),
    (&[0xd], &[0xb, 0xe, 0xf], ALL, ALL),
];

/// Characters of three bytes, but for the blocks of [`super::tables::MIXED`].
const THREE: [Class; 8] = [
    // The scripts of India and their neighbours.
    (&[0xe], &[0], ALL, ALL),
    (&[0xe], &[1], &[8, 9, 0xa], ALL),
    // All of U+1C00 to U+1FFF but the Latin letters.
    (&[0xe], &[1], &[0xb], &[0, 1, 2, 3, 4, 5, 6, 7, 0xc, 0xd, 0xe, 0xf]),
    // U+205F, marks for symbols, U+2126 and its neighbours, U+2329.
    (&[0xe], &[2], &[8], &[1, 3, 4, 0xc]),
    (&[0xe], &[2], &[0xa, 0xb], ALL),
    (&[0xe], &[0xa], &[8, 9, 0xa], ALL),
    // Compatibility ideographs; combining half marks.
    (&[0xe], &[0xf], &[0xa], ALL),
    (&[0xe], &[0xf], &[0xb], &[8]),
];

/// The third bytes of [`super::tables::MIXED`], as nibbles: `(block, high, low)`.
const THIRD: [(usize, &[u8], &[u8]); 5] = [
    (0, &[8], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (0, &[0xa], &[8, 9, 0xf]),
    (1, &[8], &[0]),
    (1, &[0xa], &[0xa, 0xb, 0xc, 0xd, 0xe, 0xf]),
    (2, &[9], &[9, 0xa]),
];

/// For each nibble, a bit for each class it belongs to.
type Table = [u8; 16];

const fn table(classes: &[Class; 8], nibble: usize) -> Table {
    let mut table = [0; 16];
    let mut class = 0;
    while class < 8 {
        let (first_high, first_low, second_high, second_low) = classes[class];
        let members = match nibble {
            0 => first_high,
            1 => first_low,
            2 => second_high,
            _ => second_low,
        };
        let mut member = 0;
        while member < members.len() {
            table[members[member] as usize] |= 1 << class;
            member += 1;
        }
        class += 1;
    }
    table
}

const fn third_table(low: bool) -> Table {
    let mut table = [0; 16];
    let mut class = 0;
    while class < THIRD.len() {
        let members = if low { THIRD[class].2 } else { THIRD[class].1 };
        let mut member = 0;
        while member < members.len() {
            table[members[member] as usize] |= 1 << class;
            member += 1;
        }
        class += 1;
    }
    table
}

const fn tables(classes: &[Class; 8]) -> [Table; 4] {
    [
        table(classes, 0),
        table(classes, 1),
        table(classes, 2),
        table(classes, 3),
    ]
}

static TWO_TABLES: [Table; 4] = tables(&TWO);
static THREE_TABLES: [Table; 4] = tables(&THREE);
static THIRD_TABLES: [Table; 2] = [third_table(false), third_table(true)];

/// The classes of [`THIRD`] that each block of [`super::tables::MIXED`] has.
const THIRD_CLASSES: [u8; 3] = {
    let mut classes = [0; 3];
    let mut class = 0;
    while class < THIRD.len() {
        classes[THIRD[class].0] |= 1 << class;
        class += 1;
    }
    classes
};

#[expect(unsafe_code, reason = "vector instructions, and a pointer into spare capacity")]
impl Kernel for Avx2 {
    type Bytes = [__m256i; 2];

    #[inline(always)]
    fn load(self, window: &Window) -> [__m256i; 2] {
        // SAFETY: A window has more than 64 bytes.
        unsafe {
            [
                _mm256_loadu_si256(window.as_ptr().cast()),
                _mm256_loadu_si256(window.as_ptr().add(32).cast()),
            ]
        }
    }

    #[inline(always)]
    fn marks<const JSON: bool>(self, bytes: [__m256i; 2], window: &Window, roles: &Roles) -> Marks {
        // SAFETY: The processor has the instructions, for there is a kernel.
        unsafe {
            let [low, high] = bytes;
            Marks {
                space: equal(bytes, b' '),
                line: equal(bytes, b'\n'),
                control: mask(bytes.map(|bytes| at_most(bytes, 0x1f))) | equal(bytes, 0x7f),
                backslash: if JSON { equal(bytes, b'\\') } else { 0 },
                doubtful: if _mm256_movemask_epi8(_mm256_or_si256(low, high)) == 0 {
                    0
                } else {
                    let found = mask([doubtful(low, window, 0), doubtful(high, window, 32)]);
                    roles.doubtful_among(found, window)
                },
            }
        }
    }

    #[inline(always)]
    fn equal(self, bytes: [__m256i; 2], _window: &Window, value: u8) -> u64 {
        // SAFETY: The processor has the instructions, for there is a kernel.
        unsafe { equal(bytes, value) }
    }

    #[inline(always)]
    unsafe fn write(self, bytes: [__m256i; 2], window: &Window, keep: u64, spaces: u64, to: *mut u8) {
        // SAFETY: The caller promises room for more than the 64 bytes that are written, and for what is written in pieces.
        unsafe {
            if keep & keep.wrapping_add(1) == 0 && spaces == 0 {
                _mm256_storeu_si256(to.cast(), bytes[0]);
                _mm256_storeu_si256(to.add(32).cast(), bytes[1]);
            } else {
                write_in_pieces(window, keep, spaces & !equal(bytes, b' '), to);
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn mask(halves: [__m256i; 2]) -> u64 {
    let [low, high] = halves.map(|half| u64::from(_mm256_movemask_epi8(half).cast_unsigned()));
    low | high << 32
}

#[target_feature(enable = "avx2")]
#[inline]
fn equal(bytes: [__m256i; 2], value: u8) -> u64 {
    let value = _mm256_set1_epi8(value.cast_signed());
    mask(bytes.map(|bytes| _mm256_cmpeq_epi8(bytes, value)))
}

/// All bits of the bytes that are at most `most`.
#[target_feature(enable = "avx2")]
#[inline]
fn at_most(bytes: __m256i, most: u8) -> __m256i {
    _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(most.cast_signed())), bytes)
}

/// All bits of the bytes that are at least `least`.
#[target_feature(enable = "avx2")]
#[inline]
fn at_least(bytes: __m256i, least: u8) -> __m256i {
    _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, _mm256_set1_epi8(least.cast_signed())), bytes)
}

/// The low nibbles of bytes, and the high ones.
#[target_feature(enable = "avx2")]
#[inline]
fn nibbles(bytes: __m256i) -> (__m256i, __m256i) {
    let low = _mm256_set1_epi8(0xf);
    (
        _mm256_and_si256(bytes, low),
        _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low),
    )
}

#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "a vector instruction that reads from memory")]
#[inline]
fn look_up(table: &Table, nibbles: __m256i) -> __m256i {
    // SAFETY: A table has 16 bytes.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles)
}

/// All bits of the first bytes of doubtful characters, in the half of a window that begins with byte `start`.
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "vector instructions that read from memory")]
#[inline]
fn doubtful(bytes: __m256i, window: &Window, start: usize) -> __m256i {
    // SAFETY: A window has 96 bytes, and `start` is at most 32.
    let (second, third) = unsafe {
        (
            _mm256_loadu_si256(window.as_ptr().add(start + 1).cast()),
            _mm256_loadu_si256(window.as_ptr().add(start + 2).cast()),
        )
    };
    let (first_low, first_high) = nibbles(bytes);
    let (second_low, second_high) = nibbles(second);
    let classes = |tables: &[Table; 4]| {
        let first = _mm256_and_si256(look_up(&tables[0], first_high), look_up(&tables[1], first_low));
        let second = _mm256_and_si256(look_up(&tables[2], second_high), look_up(&tables[3], second_low));
        _mm256_and_si256(first, second)
    };
    let mut found = classes(&TWO_TABLES);
    let longer = at_least(bytes, 0xe0);
    if _mm256_movemask_epi8(longer) != 0 {
        found = _mm256_or_si256(found, classes(&THREE_TABLES));
        let (third_low, third_high) = nibbles(third);
        let third = _mm256_and_si256(
            look_up(&THIRD_TABLES[0], third_high),
            look_up(&THIRD_TABLES[1], third_low),
        );
        let is = |bytes, value: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(value.cast_signed()));
        for ([first, other], classes) in MIXED.into_iter().zip(THIRD_CLASSES) {
            let block = _mm256_and_si256(is(bytes, first), is(second, other));
            let classes = _mm256_and_si256(third, _mm256_set1_epi8(classes.cast_signed()));
            found = _mm256_or_si256(found, _mm256_and_si256(block, classes));
        }
        let (first, [least, most]) = FOUR;
        let settled = _mm256_and_si256(
            is(bytes, first),
            _mm256_and_si256(at_least(second, least), at_most(second, most)),
        );
        found = _mm256_or_si256(found, _mm256_andnot_si256(settled, at_least(bytes, 0xf0)));
    }
    // No bit at all means that the character stays.
    _mm256_xor_si256(_mm256_cmpeq_epi8(found, _mm256_setzero_si256()), _mm256_set1_epi8(-1))
}
