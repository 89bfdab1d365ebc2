//! What the pass is told of characters: what is done with each of ASCII, and which others may need a look.

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
    /// The roles of characters. `kept_lines` is how many line ends of a run stay. `is_doubtful` tells of a character
    /// outside ASCII whether more may be done with it than to keep it.
    pub(crate) fn new(ascii: [Role; 128], kept_lines: usize, is_doubtful: &dyn Fn(char) -> bool) -> Self {
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
        let is_doubtful = |code: u32| char::from_u32(code).is_some_and(is_doubtful);
        for code in (0x80..0x800).filter(|&code| is_doubtful(code)) {
            roles.two[(code >> 3) as usize] |= 1 << (code & 7);
        }
        for code in (0x800..0x1_0000).filter(|&code| is_doubtful(code)) {
            let block = code >> 6;
            let bytes = [0xe0 | (block >> 6) as u8, 0x80 | (block & 0x3f) as u8];
            match MIXED.iter().position(|mixed| *mixed == bytes) {
                Some(mixed) => roles.mixed[mixed][(code >> 3 & 7) as usize] |= 1 << (code & 7),
                None => roles.three[(block >> 3) as usize] |= 1 << (block & 7),
            }
        }
        roles
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
