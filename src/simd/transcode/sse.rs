//! The form for 16 bytes at a time, which is compiled twice: for SSE4.1, and for AVX2, whose instructions say where their
//! result goes and so need fewer copies.

use super::portable::{self, encode_each};
use super::tables::{BYTES, PAIRS, UP_TO_THREE, UP_TO_TWO};
use super::Surrogate;
use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_and_si128, _mm_blendv_epi8, _mm_cmpeq_epi8, _mm_cmpeq_epi16, _mm_cmplt_epi8,
    _mm_cvtepu8_epi16, _mm_cvtepu16_epi32, _mm_loadl_epi64, _mm_loadu_si128, _mm_maddubs_epi16, _mm_max_epu8,
    _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi16, _mm_packus_epi16, _mm_packus_epi32, _mm_set1_epi8,
    _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128, _mm_shuffle_epi8, _mm_slli_epi16, _mm_srli_epi16,
    _mm_srli_si128, _mm_storel_epi64, _mm_storeu_si128, _mm_testz_si128, _mm_unpackhi_epi8, _mm_unpackhi_epi16,
    _mm_unpacklo_epi8, _mm_unpacklo_epi16, _mm_xor_si128,
};
use std::mem::MaybeUninit;

/// How many bytes are decoded, and how many characters encoded, at a time.
const STEP: usize = 16;

/// What a kernel sees of the text: the bytes it decodes, and behind them those that its last characters may have.
type Window = [u8; 2 * STEP];

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

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(super) fn measure(bytes: &[u8]) -> (u8, usize) {
    portable::measure(bytes)
}

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
pub(super) fn to_latin1(bytes: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
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
    let higher = _mm_and_si128(_mm_cmpeq_epi8(at, _mm_set1_epi8(0xC3_u8.cast_signed())), _mm_set1_epi8(0x40));
    let characters = _mm_blendv_epi8(at, _mm_add_epi8(next, higher), at);
    let low = _mm_shuffle_epi8(characters, load_half(&BYTES[(keep & 0xFF) as usize]));
    let high = _mm_shuffle_epi8(_mm_srli_si128::<8>(characters), load_half(&BYTES[(keep >> 8) as usize]));
    store_half(part_mut!(out, 0), low);
    store_half(part_mut!(out, (keep & 0xFF).count_ones() as usize), high);
    keep.count_ones() as usize
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(super) fn to_two(bytes: &[u8], out: &mut [MaybeUninit<u16>]) -> usize {
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
    store::<u16, 8>(part_mut!(out, (keep & 0xFF).count_ones() as usize), squeeze(high, keep >> 8));
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
pub(super) fn to_four(bytes: &[u8], out: &mut [MaybeUninit<u32>]) -> usize {
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

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(super) fn from_latin1(characters: &[u8], out: &mut [MaybeUninit<u8>]) -> usize {
    let (blocks, rest) = characters.as_chunks::<STEP>();
    let mut to = 0;
    for block in blocks {
        let units = load(block);
        if _mm_movemask_epi8(units) == 0 {
            store::<u8, 16>(part_mut!(out, to), units);
            to += STEP;
        } else {
            let zero = _mm_setzero_si128();
            to += from_up_to_two(_mm_unpacklo_epi8(units, zero), _mm_unpackhi_epi8(units, zero), &mut out[to..]);
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
pub(super) fn from_two(characters: &[u16], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let (blocks, rest) = characters.as_chunks::<STEP>();
    let mut to = 0;
    for block in blocks {
        to += from_two_block(load_units::<u16, 8>(part!(block, 0)), load_units::<u16, 8>(part!(block, 8)), &mut out[to..])?;
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
    store::<u8, 16>(part_mut!(out, 0), _mm_shuffle_epi8(_mm_unpacklo_epi16(ends, starts), load(low)));
    let to = usize::from(*low_length);
    store::<u8, 16>(part_mut!(out, to), _mm_shuffle_epi8(_mm_unpackhi_epi16(ends, starts), load(high)));
    to + usize::from(*high_length)
}

#[target_feature(enable = "sse4.1,popcnt")]
#[inline]
pub(super) fn from_four(characters: &[u32], out: &mut [MaybeUninit<u8>]) -> Result<usize, Surrogate> {
    let (blocks, rest) = characters.as_chunks::<STEP>();
    let mut to = 0;
    for block in blocks {
        let units: [__m128i; 4] = std::array::from_fn(|four| load_units::<u32, 4>(part!(block, four * 4)));
        let all = _mm_or_si128(_mm_or_si128(units[0], units[1]), _mm_or_si128(units[2], units[3]));
        to += if _mm_testz_si128(all, _mm_set1_epi32(0xFFFF_0000_u32.cast_signed())) == 1 {
            let (first, second) = (_mm_packus_epi32(units[0], units[1]), _mm_packus_epi32(units[2], units[3]));
            from_two_block(first, second, &mut out[to..])?
        } else {
            encode_each(block, &mut out[to..])?
        };
    }
    Ok(to + encode_each(rest, &mut out[to..])?)
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
