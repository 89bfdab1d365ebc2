//! Decodes 16 bytes at a time.

use super::super::tables::{BYTES, PAIRS};
use super::{load, load_half, store, store_half};
use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_and_si128, _mm_blendv_epi8, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_maddubs_epi16,
    _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm_set1_epi16, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_slli_epi16, _mm_srli_epi16, _mm_srli_si128, _mm_unpackhi_epi8, _mm_unpackhi_epi16, _mm_unpacklo_epi8,
    _mm_unpacklo_epi16,
};
use std::mem::MaybeUninit;

/// How many bytes are decoded at a time.
const STEP: usize = 16;

/// What a kernel sees of the text: the bytes it decodes, and behind them those that its last characters may have.
type Window = [u8; 2 * STEP];

/// The bits of the 16 bytes with which a character begins.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn beginnings(bytes: __m128i) -> u32 {
    !_mm_movemask_epi8(_mm_cmplt_epi8(bytes, _mm_set1_epi8(-64))).cast_unsigned() & 0xFFFF
}

/// Runs a decoder over a text: `ascii` takes 32 bytes of ASCII, `block` decodes the characters that begin in the first 16
/// bytes of a window, of which the given bits count.
macro_rules! decode {
    ($bytes:ident, $out:ident, $unit:ty, $ascii:ident, $block:ident) => {{
        let (mut from, mut to) = (0, 0);
        while let (Some(window), Some(room)) = (
            $bytes[from..].first_chunk::<{ 2 * STEP }>(),
            $out[to..].first_chunk_mut::<{ 2 * STEP }>(),
        ) {
            let (first, second) = (load(part!(window, 0)), load(part!(window, STEP)));
            if _mm_movemask_epi8(_mm_or_si128(first, second)) == 0 {
                $ascii(first, second, room);
                from += 2 * STEP;
                to += 2 * STEP;
            } else {
                to += $block(window, u32::MAX, part_mut!(room, 0));
                from += STEP;
            }
        }
        // Near the end blocks are read from a copy with room behind it, and written to one.
        while from < $bytes.len() {
            let rest = &$bytes[from..];
            let seen = rest.len().min(2 * STEP);
            let mut window = [0; 2 * STEP];
            window[..seen].copy_from_slice(&rest[..seen]);
            let mut units = [MaybeUninit::<$unit>::uninit(); STEP];
            let decoded = rest.len().min(STEP);
            let written = $block(&window, (1 << decoded) - 1, &mut units).min($out.len() - to);
            $out[to..to + written].copy_from_slice(&units[..written]);
            from += decoded;
            to += written;
        }
        to
    }};
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(in super::super) fn to_latin1(bytes: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
    decode!(bytes, out, u8, ascii_to_bytes, latin1_block)
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn ascii_to_bytes(first: __m128i, second: __m128i, out: &mut [MaybeUninit<u8>; 32]) {
    store::<u8, 16>(part_mut!(out, 0), first);
    store::<u8, 16>(part_mut!(out, 16), second);
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn latin1_block(window: &Window, counting: u32, out: &mut [MaybeUninit<u8>; STEP]) -> usize {
    let (at, next) = (load(part!(window, 0)), load(part!(window, 1)));
    let keep = beginnings(at) & counting;
    // A character of two bytes begins with C2 and is then its second byte, or with C3, and then 40 is to be added.
    let higher = _mm_and_si128(
        _mm_cmpeq_epi8(at, _mm_set1_epi8(0xC3_u8.cast_signed())),
        _mm_set1_epi8(0x40),
    );
    let characters = _mm_blendv_epi8(at, _mm_add_epi8(next, higher), at);
    let low = _mm_shuffle_epi8(characters, load_half(&BYTES[(keep & 0xFF) as usize]));
    let high = _mm_shuffle_epi8(_mm_srli_si128::<8>(characters), load_half(&BYTES[(keep >> 8) as usize]));
    store_half(part_mut!(out, 0), low);
    store_half(part_mut!(out, (keep & 0xFF).count_ones() as usize), high);
    keep.count_ones() as usize
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(in super::super) fn to_two(bytes: &[u8], out: &mut [MaybeUninit<u16>]) -> usize {
    decode!(bytes, out, u16, ascii_to_two, two_block)
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn ascii_to_two(first: __m128i, second: __m128i, out: &mut [MaybeUninit<u16>; 32]) {
    let zero = _mm_setzero_si128();
    store::<u16, 8>(part_mut!(out, 0), _mm_unpacklo_epi8(first, zero));
    store::<u16, 8>(part_mut!(out, 8), _mm_unpackhi_epi8(first, zero));
    store::<u16, 8>(part_mut!(out, 16), _mm_unpacklo_epi8(second, zero));
    store::<u16, 8>(part_mut!(out, 24), _mm_unpackhi_epi8(second, zero));
}

/// What a character of up to three bytes would be, if it began at each byte: in the low and in the high half.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn up_to_three(at: __m128i, next: __m128i, last: __m128i) -> (__m128i, __m128i) {
    let (zero, six_bits) = (_mm_setzero_si128(), _mm_set1_epi8(0x3F));
    let (at_bits, next_bits, last_bits) = (
        _mm_and_si128(at, six_bits),
        _mm_and_si128(next, six_bits),
        _mm_and_si128(last, six_bits),
    );
    // Bit 5 of the first byte tells three from two bytes. What it adds to the product is shifted out.
    let is_three = _mm_slli_epi16::<2>(at);
    let join = _mm_set1_epi16(0x4001);
    let half = |at, bits: __m128i, is_three, is_not_ascii, last| {
        let two = _mm_maddubs_epi16(bits, join);
        let three = _mm_or_si128(_mm_slli_epi16::<6>(two), last);
        _mm_blendv_epi8(at, _mm_blendv_epi8(two, three, is_three), is_not_ascii)
    };
    (
        half(
            _mm_unpacklo_epi8(at, zero),
            _mm_unpacklo_epi8(next_bits, at_bits),
            _mm_unpacklo_epi8(is_three, is_three),
            _mm_unpacklo_epi8(at, at),
            _mm_unpacklo_epi8(last_bits, zero),
        ),
        half(
            _mm_unpackhi_epi8(at, zero),
            _mm_unpackhi_epi8(next_bits, at_bits),
            _mm_unpackhi_epi8(is_three, is_three),
            _mm_unpackhi_epi8(at, at),
            _mm_unpackhi_epi8(last_bits, zero),
        ),
    )
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn two_block(window: &Window, counting: u32, out: &mut [MaybeUninit<u16>; STEP]) -> usize {
    let at = load(part!(window, 0));
    let keep = beginnings(at) & counting;
    let (low, high) = up_to_three(at, load(part!(window, 1)), load(part!(window, 2)));
    store::<u16, 8>(part_mut!(out, 0), squeeze(low, keep & 0xFF));
    store::<u16, 8>(
        part_mut!(out, (keep & 0xFF).count_ones() as usize),
        squeeze(high, keep >> 8),
    );
    keep.count_ones() as usize
}

/// Brings the lanes of two bytes that are in the set to the front.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn squeeze(lanes: __m128i, set: u32) -> __m128i {
    _mm_shuffle_epi8(lanes, load(&PAIRS[(set & 0xFF) as usize]))
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(in super::super) fn to_four(bytes: &[u8], out: &mut [MaybeUninit<u32>]) -> usize {
    decode!(bytes, out, u32, ascii_to_four, four_block)
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn ascii_to_four(first: __m128i, second: __m128i, out: &mut [MaybeUninit<u32>; 32]) {
    let zero = _mm_setzero_si128();
    for (half, bytes) in [first, second].into_iter().enumerate() {
        let (low, high) = (_mm_unpacklo_epi8(bytes, zero), _mm_unpackhi_epi8(bytes, zero));
        store_four(low, zero, part_mut!(out, half * 16));
        store_four(high, zero, part_mut!(out, half * 16 + 8));
    }
}

/// Stores 8 characters, given by their lower and their higher two bytes.
#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn store_four(lower: __m128i, higher: __m128i, out: &mut [MaybeUninit<u32>; 8]) {
    store::<u32, 4>(part_mut!(out, 0), _mm_unpacklo_epi16(lower, higher));
    store::<u32, 4>(part_mut!(out, 4), _mm_unpackhi_epi16(lower, higher));
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
fn four_block(window: &Window, counting: u32, out: &mut [MaybeUninit<u32>; STEP]) -> usize {
    let (at, next, third) = (load(part!(window, 0)), load(part!(window, 1)), load(part!(window, 2)));
    let keep = beginnings(at) & counting;
    let (mut low, mut high) = up_to_three(at, next, third);
    let zero = _mm_setzero_si128();
    let (mut low_planes, mut high_planes) = (zero, zero);
    let first_of_four = _mm_set1_epi8(0xF0_u8.cast_signed());
    let is_four = _mm_cmpeq_epi8(_mm_max_epu8(at, first_of_four), at);
    if _mm_movemask_epi8(is_four) != 0 {
        // The lower two bytes of such a character are what its last three bytes would be by themselves.
        let six_bits = _mm_set1_epi8(0x3F);
        let as_first = _mm_or_si128(next, _mm_set1_epi8(0xE0_u8.cast_signed()));
        let (low_rest, high_rest) = up_to_three(as_first, third, load(part!(window, 3)));
        let (low_is, high_is) = (_mm_unpacklo_epi8(is_four, is_four), _mm_unpackhi_epi8(is_four, is_four));
        low = _mm_blendv_epi8(low, low_rest, low_is);
        high = _mm_blendv_epi8(high, high_rest, high_is);
        // Its plane is made of three bits of its first byte and two of its second.
        let plane = _mm_and_si128(
            _mm_or_si128(
                _mm_slli_epi16::<2>(_mm_and_si128(at, _mm_set1_epi8(7))),
                _mm_srli_epi16::<4>(_mm_and_si128(next, _mm_and_si128(six_bits, _mm_set1_epi8(0x30)))),
            ),
            is_four,
        );
        (low_planes, high_planes) = (_mm_unpacklo_epi8(plane, zero), _mm_unpackhi_epi8(plane, zero));
    }
    let (low_set, high_set) = (keep & 0xFF, keep >> 8);
    store_four(squeeze(low, low_set), squeeze(low_planes, low_set), part_mut!(out, 0));
    let behind = part_mut!(out, low_set.count_ones() as usize);
    store_four(squeeze(high, high_set), squeeze(high_planes, high_set), behind);
    keep.count_ones() as usize
}
