//! The form for any processor: classes of bytes by comparisons, which become what vector instructions every processor of
//! its kind has, and eight classes at a time gathered to masks.

use super::{Kernel, Marks, Roles, WIDTH, Window, write_in_pieces};

#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

const SPACE: u32 = 0;
const LINE: u32 = 1;
const CONTROL: u32 = 2;
const BACKSLASH: u32 = 3;
const OUTSIDE_ASCII: u32 = 4;

/// The lowest bit of each of eight bytes.
const LOWEST: u64 = 0x0101_0101_0101_0101;

impl Kernel for Portable {
    type Bytes = ();

    fn load(self, _window: &Window) {}

    #[inline(always)]
    fn marks<const JSON: bool>(self, (): (), window: &Window, roles: &Roles) -> Marks {
        let mut classes = [0; WIDTH];
        for (class, &byte) in classes.iter_mut().zip(window) {
            *class = u8::from(byte == b' ') << SPACE
                | u8::from(byte == b'\n') << LINE
                | u8::from(byte < 0x20) << CONTROL
                | u8::from(byte == 0x7f) << CONTROL
                | u8::from(byte == b'\\') << BACKSLASH
                | u8::from(byte >= 0x80) << OUTSIDE_ASCII;
        }
        let words: [u64; 8] = std::array::from_fn(|word| u64::from_le_bytes(*chunk(&classes, word)));
        let any = words.iter().fold(0, |any, word| any | word);
        let mask = |class: u32| {
            if any >> class & LOWEST == 0 {
                return 0;
            }
            words
                .iter()
                .rev()
                .fold(0, |mask, word| mask << 8 | gather(word >> class))
        };
        Marks {
            space: mask(SPACE),
            line: mask(LINE),
            control: mask(CONTROL),
            backslash: if JSON { mask(BACKSLASH) } else { 0 },
            doubtful: roles.doubtful_among(mask(OUTSIDE_ASCII), window),
        }
    }

    #[inline(always)]
    fn equal(self, (): (), window: &Window, value: u8) -> u64 {
        let mut flags = [0; WIDTH];
        for (flag, &byte) in flags.iter_mut().zip(window) {
            *flag = u8::from(byte == value);
        }
        (0..8).rev().fold(0, |mask, word| {
            mask << 8 | gather(u64::from_le_bytes(*chunk(&flags, word)))
        })
    }

    #[expect(unsafe_code, reason = "the place to write to is a pointer into spare capacity")]
    #[inline(always)]
    unsafe fn write(self, (): (), window: &Window, keep: u64, spaces: u64, to: *mut u8) {
        // SAFETY: The caller promises the same.
        unsafe { write_in_pieces(window, keep, spaces, to) }
    }
}

/// The lowest bits of eight bytes.
#[inline(always)]
fn gather(classes: u64) -> u64 {
    // The multiplication gathers the eight bits in the top byte.
    (classes & LOWEST).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

fn chunk(bytes: &[u8; WIDTH], word: usize) -> &[u8; 8] {
    &bytes.as_chunks().0[word]
}
