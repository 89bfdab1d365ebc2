//! What the pass is told of characters: what is done with each of ASCII, and which others may need a look.

use super::Window;

/// What is done with a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It stays.
    Keep,
    /// It goes, and what stood around it moves together.
    Remove,
    /// It is white space of a run that collapses.
    White,
    /// It is a line end of such a run.
    Line,
}

/// What the pass is told of characters.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    /// What is done with the characters of ASCII.
    pub(super) ascii: [Role; 128],
    /// All bits if spaces collapse, else none.
    pub(super) spaces: u64,
    /// All bits if `\n` is [`Role::Line`], else none.
    pub(super) lines: u64,
    /// How many line ends of a run are kept, at most.
    pub(super) kept_lines: usize,
    /// For the characters of two bytes: a bit where the second byte must be looked at.
    pub(super) two: [u8; 256],
    /// For the characters of three bytes: a bit where a block of 64 characters must be looked at.
    pub(super) three: [u8; 128],
    /// For the three blocks of [`MIXED`]: a bit where the third byte must be looked at.
    pub(super) mixed: [[u8; 16]; 3],
}

/// Blocks of 64 characters of which a few are doubtful and others are among the most frequent of all: general
/// punctuation, CJK punctuation, and the second half of Hiragana with the first of Katakana.
pub(super) const MIXED: [[u8; 2]; 3] = [[0xe2, 0x80], [0xe3, 0x80], [0xe3, 0x82]];

/// The characters of four bytes that need no look, by their first two bytes: pictographs, and CJK characters.
pub(super) const FOUR: (u8, [u8; 2]) = (0xf0, [0x9f, 0xae]);

impl Roles {
    /// The roles of characters. `kept_lines` is how many line ends of a run stay. `doubtful` tells of a block of 64
    /// characters outside ASCII, with a bit for each, which of them may not just be kept.
    pub(crate) fn new(ascii: [Role; 128], kept_lines: usize, doubtful: &dyn Fn(u32) -> u64) -> Self {
        let mut roles = Self {
            ascii,
            spaces: if ascii[usize::from(b' ')] == Role::White {
                u64::MAX
            } else {
                0
            },
            lines: if ascii[usize::from(b'\n')] == Role::Line {
                u64::MAX
            } else {
                0
            },
            kept_lines,
            two: [0; 256],
            three: [0; 128],
            mixed: [[0; 16]; 3],
        };
        for block in 0x80 / 64..0x1_0000 / 64 {
            let bits = doubtful(block);
            let bytes = [0xe0 | (block >> 6) as u8, 0x80 | (block & 0x3f) as u8];
            if block < 0x800 / 64 {
                roles.two[8 * block as usize..][..8].copy_from_slice(&bits.to_le_bytes());
            } else if let Some(mixed) = MIXED.iter().position(|mixed| *mixed == bytes) {
                roles.mixed[mixed][..8].copy_from_slice(&bits.to_le_bytes());
            } else {
                roles.three[(block >> 3) as usize] |= u8::from(bits != 0) << (block & 7);
            }
        }
        roles
    }

    /// The first bytes of characters that are doubtful, of the bytes in `among`.
    #[inline(always)]
    pub(super) fn doubtful_among(&self, mut among: u64, window: &Window) -> u64 {
        let mut doubtful = 0;
        while among != 0 {
            let at = among.trailing_zeros() as usize;
            let bytes = [window[at], window[at + 1], window[at + 2]];
            doubtful |= u64::from(self.is_doubtful(bytes)) << at;
            among &= among - 1;
        }
        doubtful
    }

    /// Whether a character that begins with these bytes is doubtful; no byte inside a character is.
    #[inline(always)]
    fn is_doubtful(&self, [first, second, third]: [u8; 3]) -> bool {
        let bit = |table: &[u8], octet: u8, byte: u8| table[usize::from(octet)] >> (byte & 7) & 1 == 1;
        let octet = first << 3 | (second & 0x3f) >> 3;
        match first {
            ..0xc0 => false,
            0xc0..0xe0 => bit(&self.two, octet, second),
            0xe0..0xf0 => match MIXED.iter().position(|mixed| *mixed == [first, second]) {
                Some(mixed) => bit(&self.mixed[mixed], (third & 0x3f) >> 3, third),
                None => bit(&self.three, octet & 0x7f, second),
            },
            _ => {
                let (settled, [least, most]) = FOUR;
                first != settled || second < least || second > most
            }
        }
    }

    /// What is done with a character of ASCII.
    #[inline]
    pub(crate) fn ascii(&self, byte: u8) -> Role {
        self.ascii[usize::from(byte & 0x7f)]
    }

    /// How many line ends of a run are kept, at most.
    pub(crate) fn kept_lines(&self) -> usize {
        self.kept_lines
    }
}

/// The character that an escape of two characters stands for; `None` for what is no such escape.
#[inline]
pub(crate) fn escaped(letter: u8) -> Option<u8> {
    Some(match letter {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'f' => 0x0c,
        b'b' => 0x08,
        b'"' | b'\\' | b'/' => letter,
        _ => return None,
    })
}
