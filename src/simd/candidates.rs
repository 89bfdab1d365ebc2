//! Finds the few places of a text at which an e-mail address, an IP address, a card number or an account number can stand.
//!
//! Each thing has a shape, of which a part is told by the classes of its bytes alone: `digit . digit` three times within
//! a few bytes, two letters and two digits after something else. The kernel makes one bit per byte and class, 64 bytes at
//! a time, and combines these with shifts. Every real thing has its candidate; what a candidate is, its finder decides.
//!
//! All shapes are looked for backwards from their last byte, so that a block needs the bits of the block before it and
//! never those of the next.

/// How many bytes are looked at in one go: as many as a mask has bits.
const BLOCK: usize = 64;

/// Which shapes are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each shape is looked for or not, whatever the others are"
)]
pub(crate) struct Shapes {
    /// An `@`.
    pub(crate) email: bool,
    /// The first digit after the third dot of four numbers with dots between them.
    pub(crate) ipv4: bool,
    /// A colon that follows another with no more than four bytes between them.
    pub(crate) ipv6: bool,
    /// The last of three digits that follow three others at once or with up to three bytes between them.
    pub(crate) card: bool,
    /// The second of two digits after two letters that are no part of a longer ASCII word.
    pub(crate) iban: bool,
}

impl Shapes {
    fn has_digits(self) -> bool {
        self.ipv4 || self.card || self.iban
    }
}

/// The candidates in a block of bytes: a bit is set where the last byte of a shape stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidates {
    /// Where the block begins: the byte of the lowest bit.
    pub(crate) start: usize,
    /// Of e-mail addresses.
    pub(crate) email: u64,
    /// Of IPv4 addresses.
    pub(crate) ipv4: u64,
    /// Of IPv6 addresses.
    pub(crate) ipv6: u64,
    /// Of card numbers.
    pub(crate) card: u64,
    /// Of account numbers.
    pub(crate) iban: u64,
}

impl Candidates {
    /// The places of the bits of one of the masks, in order.
    pub(crate) fn places(self, mut mask: u64) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || {
            let bit = (mask != 0).then_some(mask.trailing_zeros())?;
            mask &= mask - 1;
            Some(self.start + bit as usize)
        })
    }
}

/// A search for candidates, which may be interrupted and goes on where it was.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    shapes: Shapes,
    /// The first byte that was not looked at.
    from: usize,
    before: Before,
}

/// The masks of the block before.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    classes: Classes,
    /// The digit after a dot after a digit; the same, with another just before; the third digit of three.
    dotted: u64,
    twice_dotted: u64,
    third_digits: u64,
}

/// Which bytes of a block are of a class. A class that no shape has which is looked for is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Classes {
    at: u64,
    dot: u64,
    colon: u64,
    digit: u64,
    letter: u64,
}

impl Scan {
    /// A search from the beginning of a text.
    pub(crate) fn new(shapes: Shapes) -> Self {
        Self {
            shapes,
            from: 0,
            before: Before::default(),
        }
    }

    /// The next block with candidates that begins before `until`; `None` if there is none, after which the search can go
    /// on with a later `until`. The bytes are the same in each call.
    pub(crate) fn next(&mut self, bytes: &[u8], until: usize) -> Option<Candidates> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            #[expect(
                unsafe_code,
                reason = "a function for a kind of processor is called after asking for it"
            )]
            // SAFETY: the processor has AVX2.
            return unsafe { avx2::next(self, bytes, until) };
        }
        self.next_with(bytes, until, portable)
    }

    /// The loop of every form; each brings its way to tell classes.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it becomes a part of functions for certain processors"
    )]
    fn next_with(
        &mut self,
        bytes: &[u8],
        until: usize,
        classes: impl Fn(&[u8; BLOCK], Shapes) -> Classes,
    ) -> Option<Candidates> {
        let (shapes, end) = (self.shapes, until.min(bytes.len()));
        // Kept apart from `self`, these stay in registers.
        let (mut from, mut before) = (self.from, self.before);
        let mut found = None;
        while from < end && found.is_none() {
            let rest = &bytes[from..];
            let now = match rest.first_chunk() {
                Some(block) => classes(block, shapes),
                None => {
                    // A zero is of no class.
                    let mut block = [0; BLOCK];
                    block[..rest.len()].copy_from_slice(rest);
                    classes(&block, shapes)
                }
            };
            found = before.combine(now, shapes, from);
            from += BLOCK;
        }
        (self.from, self.before) = (from, before);
        found
    }
}

impl Before {
    /// Makes candidates of the classes of a block, and keeps what the next block needs.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it becomes a part of functions for certain processors"
    )]
    fn combine(&mut self, now: Classes, shapes: Shapes, start: usize) -> Option<Candidates> {
        let last = std::mem::replace(&mut self.classes, now);
        let (mut ipv4, mut ipv6, mut card, mut iban) = (0, 0, 0, 0);
        if shapes.ipv4 {
            let dotted = now.digit & shift(now.dot, last.dot, 1) & shift(now.digit, last.digit, 2);
            let twice = dotted & after_octet(dotted, self.dotted);
            ipv4 = twice & after_octet(twice, self.twice_dotted);
            (self.dotted, self.twice_dotted) = (dotted, twice);
        }
        if shapes.ipv6 {
            let near = |distance| shift(now.colon, last.colon, distance);
            ipv6 = now.colon & (near(1) | near(2) | near(3) | near(4) | near(5));
        }
        if shapes.card {
            let third = now.digit & shift(now.digit, last.digit, 1) & shift(now.digit, last.digit, 2);
            let near = |distance| shift(third, self.third_digits, distance);
            card = third & (near(3) | near(4) | near(5) | near(6));
            self.third_digits = third;
        }
        if shapes.iban {
            let letter = |distance| shift(now.letter, last.letter, distance);
            let digit = |distance| shift(now.digit, last.digit, distance);
            iban = now.digit & digit(1) & letter(2) & letter(3) & !letter(4) & !digit(4);
        }
        (now.at | ipv4 | ipv6 | card | iban != 0).then_some(Candidates {
            start,
            email: now.at,
            ipv4,
            ipv6,
            card,
            iban,
        })
    }
}

/// The bits of a mask moved to bytes that are so much later; those of the block before come in.
#[inline]
fn shift(now: u64, before: u64, distance: u32) -> u64 {
    now << distance | before >> (u64::BITS - distance)
}

/// Where one to three digits and a dot may stand since a bit was set.
#[inline]
fn after_octet(now: u64, before: u64) -> u64 {
    shift(now, before, 2) | shift(now, before, 3) | shift(now, before, 4)
}

/// The form for every processor. Compilers make vector instructions of it, but for the gathering of the bits.
fn portable(block: &[u8; BLOCK], shapes: Shapes) -> Classes {
    let is = |wanted: bool, belongs: fn(u8) -> bool| if wanted { mask(block, belongs) } else { 0 };
    Classes {
        at: is(shapes.email, |byte| byte == b'@'),
        dot: is(shapes.ipv4, |byte| byte == b'.'),
        colon: is(shapes.ipv6, |byte| byte == b':'),
        digit: is(shapes.has_digits(), |byte| byte.is_ascii_digit()),
        letter: is(shapes.iban, |byte| byte.is_ascii_alphabetic()),
    }
}

/// A bit for each byte that belongs to a class.
fn mask(block: &[u8; BLOCK], belongs: impl Fn(u8) -> bool) -> u64 {
    let mut mask = 0;
    for (index, eight) in block.as_chunks::<8>().0.iter().enumerate() {
        let flags = u64::from_le_bytes(eight.map(|byte| u8::from(belongs(byte))));
        // The product has the flag of byte n in bit 56 + n.
        mask |= flags.wrapping_mul(0x0102_0408_1020_4080) >> 56 << (8 * index);
    }
    mask
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    //! The form for processors with AVX2.

    use super::{BLOCK, Candidates, Classes, Scan, Shapes};
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
        _mm256_sub_epi8,
    };

    #[target_feature(enable = "avx2")]
    pub(super) fn next(scan: &mut Scan, bytes: &[u8], until: usize) -> Option<Candidates> {
        scan.next_with(bytes, until, |block, shapes| classes(block, shapes))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn classes(block: &[u8; BLOCK], shapes: Shapes) -> Classes {
        #[expect(unsafe_code, reason = "bytes become vectors")]
        // SAFETY: two vectors have 64 bytes, and all bits that bytes can have.
        let halves: [__m256i; 2] = unsafe { std::mem::transmute(*block) };
        let is = |byte: u8| mask(halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()))));
        let mut classes = Classes::default();
        if shapes.email {
            classes.at = is(b'@');
        }
        if shapes.ipv4 {
            classes.dot = is(b'.');
        }
        if shapes.ipv6 {
            classes.colon = is(b':');
        }
        if shapes.has_digits() {
            classes.digit = mask(halves.map(|half| reaches(half, b'0', 9)));
        }
        if shapes.iban {
            let small = halves.map(|half| _mm256_or_si256(half, _mm256_set1_epi8(0x20)));
            classes.letter = mask(small.map(|half| reaches(half, b'a', 25)));
        }
        classes
    }

    /// Whether each byte is one of `first` and so many that follow it.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn reaches(bytes: __m256i, first: u8, more: u8) -> __m256i {
        let distance = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first.cast_signed()));
        _mm256_cmpeq_epi8(
            _mm256_min_epu8(distance, _mm256_set1_epi8(more.cast_signed())),
            distance,
        )
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn mask([low, high]: [__m256i; 2]) -> u64 {
        let bits = |half| u64::from(_mm256_movemask_epi8(half).cast_unsigned());
        bits(low) | bits(high) << 32
    }
}

#[cfg(test)]
mod tests;
