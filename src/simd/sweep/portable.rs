//! The form for any processor: a class for each byte from a table, and eight classes gathered to masks at a time.

use super::{Kernel, Marks, Roles, WIDTH, Window, write_in_pieces};

#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

const SPACE: u8 = 1;
const LINE: u8 = 2;
const CONTROL: u8 = 4;
const BACKSLASH: u8 = 8;
const DOUBTFUL: u8 = 16;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' => SPACE,
            b'\n' => LINE | CONTROL,
            0..0x20 | 0x7f => CONTROL,
            b'\\' => BACKSLASH,
            // All characters that begin with these bytes stay: Latin, Cyrillic and Armenian letters, CJK characters and
            // Hangul. Bytes inside a character are no first bytes.
            0..0x80 | 0x80..0xc0 | 0xc3..=0xcb | 0xd0 | 0xd1 | 0xd3..=0xd5 | 0xe4..=0xe9 | 0xeb | 0xec => 0,
            _ => DOUBTFUL,
        };
        byte += 1;
    }
    classes
};

impl Kernel for Portable {
    type Bytes = ();

    fn load(self, _window: &Window) {}

    #[inline(always)]
    fn marks<const JSON: bool>(self, (): (), window: &Window, _roles: &Roles) -> Marks {
        let mut marks = Marks::default();
        for (number, bytes) in window[..WIDTH].as_chunks::<8>().0.iter().enumerate() {
            let classes = u64::from_le_bytes(bytes.map(|byte| CLASSES[usize::from(byte)]));
            if classes == 0 {
                continue;
            }
            let shift = 8 * number;
            marks.space |= gather(classes) << shift;
            if classes & !0x0101_0101_0101_0101 == 0 {
                continue;
            }
            marks.line |= gather(classes >> 1) << shift;
            marks.control |= gather(classes >> 2) << shift;
            if JSON {
                marks.backslash |= gather(classes >> 3) << shift;
            }
            marks.doubtful |= gather(classes >> 4) << shift;
        }
        marks
    }

    #[inline(always)]
    fn equal(self, (): (), window: &Window, value: u8) -> u64 {
        let words = window[..WIDTH].as_chunks::<8>().0.iter();
        words.rev().fold(0, |mask, bytes| {
            mask << 8 | gather(u64::from_le_bytes(bytes.map(|byte| u8::from(byte == value))))
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
    (classes & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
