//! The pass that does the work of several cleaning steps: it looks at 64 bytes of a text at a time, decides with a few
//! operations on masks which of them stay, and writes these side by side.
//!
//! A **window** begins at the start of a character and never inside a run of what goes (white space that collapses,
//! characters that are removed), and it is cut before a run that it does not see the end of. So each window is decided by
//! itself, and nothing is carried from one to the next. A character that the vector code does not know to stay (the
//! **doubtful** ones: outside ASCII, and not in a block in which all stay) ends the window before it; the caller looks at
//! it alone and calls again.

#![expect(
    clippy::inline_always,
    reason = "an instruction is inlined only where all that surrounds it is compiled for the same processor"
)]
#![cfg_attr(
    all(target_arch = "x86_64", not(test)),
    expect(
        clippy::wildcard_imports,
        reason = "instructions have names of their own that say where they are from"
    )
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod decide;
mod pass;
mod portable;
mod tables;

pub(crate) use pass::Pass;
pub(crate) use tables::{Role, Roles, escaped};

/// How many bytes are decided together: one for each bit of a mask.
const WIDTH: usize = 64;

/// How many bytes must be readable from the start of a window: what is copied in pieces of 32 bytes from any of its bytes.
const READABLE: usize = WIDTH + 32;

/// How many bytes beyond what is kept may be written over: a window of which nothing is kept, copied in pieces.
const SLACK: usize = WIDTH + 32;

/// The bytes of a window, and some behind them.
type Window = [u8; READABLE];

/// What the bytes of a window are; bit `n` stands for byte `n`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Marks {
    /// Spaces.
    space: u64,
    /// Line feeds as they are, not spelled as an escape.
    line: u64,
    /// Control characters of ASCII, line feeds among them.
    control: u64,
    /// Backslashes; only looked for where they mean something.
    backslash: u64,
    /// First bytes of characters outside ASCII that may not just stay.
    doubtful: u64,
}

/// The instructions that a processor has for the pass.
trait Kernel: Copy {
    /// A window as it lies in registers.
    type Bytes: Copy;

    fn load(self, window: &Window) -> Self::Bytes;

    fn marks<const JSON: bool>(self, bytes: Self::Bytes, window: &Window, roles: &Roles) -> Marks;

    /// Marks the bytes of one value.
    fn equal(self, bytes: Self::Bytes, window: &Window, value: u8) -> u64;

    /// Writes the bytes in `keep` side by side, a space in the place of those in `spaces`.
    ///
    /// # Safety
    /// `WIDTH + SLACK` bytes can be written at `to`.
    #[expect(unsafe_code, reason = "the place to write to is a pointer into spare capacity")]
    unsafe fn write(self, bytes: Self::Bytes, window: &Window, keep: u64, spaces: u64, to: *mut u8);
}

/// The instructions to use. What a processor has is asked once per sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// What any processor does.
    Portable,
    /// AVX2 with the bit instructions that came with it.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with byte permutations and compression (VBMI, VBMI2).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Form {
    /// The best that the processor at hand has.
    #[inline]
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::is_available() {
                return Self::Avx512;
            }
            if avx2::is_available() {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// All that the processor at hand has.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Self> {
        let mut forms = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            forms.extend(avx2::is_available().then_some(Self::Avx2));
            forms.extend(avx512::is_available().then_some(Self::Avx512));
        }
        forms
    }

    /// Moves a pass on to the next byte that it cannot decide by itself, or to the end of the text.
    #[expect(
        unsafe_code,
        reason = "calls functions compiled for instructions that not every processor has"
    )]
    pub(crate) fn stretch<const JSON: bool>(self, roles: &Roles, pass: &mut Pass<'_, '_>) {
        match self {
            Self::Portable => pass.stretch::<_, JSON>(portable::Portable, roles),
            // SAFETY: `Form` comes from `best` or `available` only, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::stretch::<JSON>(roles, pass) },
            // SAFETY: As above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::stretch::<JSON>(roles, pass) },
        }
    }
}

/// A mask of the first `count` bits.
#[inline(always)]
fn first_bits(count: u32) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// Writes the bytes in `keep` side by side, in pieces of which each is one copy of a fixed size.
///
/// # Safety
/// `WIDTH + SLACK` bytes can be written at `to`.
#[expect(unsafe_code, reason = "the place to write to is a pointer into spare capacity")]
#[inline(always)]
unsafe fn write_in_pieces(window: &Window, mut keep: u64, spaces: u64, mut to: *mut u8) {
    let mut changed;
    let mut from = window;
    if spaces != 0 {
        changed = *window;
        let mut rest = spaces;
        while rest != 0 {
            changed[rest.trailing_zeros() as usize] = b' ';
            rest &= rest - 1;
        }
        from = &changed;
    }
    while keep != 0 {
        let start = keep.trailing_zeros() as usize;
        let length = (!(keep >> start)).trailing_zeros() as usize;
        // SAFETY: `start < 64`, and where the second half is copied `start < 32`, so that all bytes read lie in the
        // window of 96. What was written before is at most 64 bytes long, so that all bytes written lie in the 64 bytes
        // and the slack of 96 that the caller promises.
        unsafe {
            std::ptr::copy_nonoverlapping(from.as_ptr().add(start), to, 32);
            if length > 32 {
                std::ptr::copy_nonoverlapping(from.as_ptr().add(start + 32), to.add(32), 32);
            }
            to = to.add(length);
        }
        keep &= !(first_bits(length as u32) << start);
    }
}
