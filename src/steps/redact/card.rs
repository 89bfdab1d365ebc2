//! Card numbers: the first digits of a known scheme, one of its lengths, and a Luhn check digit.

use super::{
    group_separator, group_separator_before, in_number_after, in_number_before, in_word_after, in_word_before,
};
use std::ops::Range;

/// The longest card number.
const LONGEST: usize = 19;

/// Finds card numbers.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Where the last run of digits ends at whose first digit a number was looked for.
    done: usize,
}

impl Finder {
    /// Finds the card numbers that begin with the run of digits at this byte, or with the run just before it, and tells how
    /// many bytes it looked at. Each call is about a later byte.
    pub(super) fn find(&mut self, text: &str, digit: usize) -> (usize, [Option<Range<usize>>; 2]) {
        if digit < self.done {
            return (0, [None, None]);
        }
        let bytes = text.as_bytes();
        let digits_before = |at: usize| {
            bytes[..at]
                .iter()
                .rev()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let start = digit - digits_before(digit);
        let before = start - group_separator_before(bytes, start);
        let earlier = if before > self.done {
            before - digits_before(before)
        } else {
            start
        };
        self.done = digit + bytes[digit..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let found = [(earlier < before).then(|| at(text, earlier)).flatten(), at(text, start)];
        (self.done - earlier, found)
    }
}

/// The card number whose first digit is at `start`, where a run of digits begins.
///
/// Digits may stand in groups with one separator between them; a group has at least three digits, but for the last. Of the
/// numbers that begin here and end with a group, the longest that is a card number is taken.
pub(super) fn at(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // No scheme begins with these, and most numbers in texts do or are short.
    if matches!(bytes[start], b'0' | b'1' | b'7' | b'9')
        || in_number_before(bytes, start)
        || in_word_before(text, start)
    {
        return None;
    }
    let mut digits = [0; LONGEST];
    let (mut length, mut at, mut found) = (0, start, None);
    loop {
        let group = bytes[at..]
            .iter()
            .take(LONGEST + 1)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if group == 0 || length + group > LONGEST {
            break;
        }
        for (digit, byte) in digits[length..].iter_mut().zip(&bytes[at..at + group]) {
            *digit = byte - b'0';
        }
        length += group;
        at += group;
        if is_card_number(&digits[..length]) && !in_word_after(text, at) && !in_number_after(bytes, at) {
            found = Some(start..at);
        }
        let separator = group_separator(bytes, at);
        if separator == 0 || group < 3 {
            break;
        }
        at += separator;
    }
    found
}

fn is_card_number(digits: &[u8]) -> bool {
    digits.len() >= 12 && has_known_prefix(digits) && luhn(digits)
}

/// Whether a scheme issues numbers with these first digits in this length.
fn has_known_prefix(digits: &[u8]) -> bool {
    let prefix = digits[..6]
        .iter()
        .fold(0_u32, |number, &digit| number * 10 + u32::from(digit));
    let (one, two, three, four) = (prefix / 100_000, prefix / 10_000, prefix / 1000, prefix / 100);
    match digits.len() {
        // Maestro.
        12 => is_maestro(four),
        // Visa's old length.
        13 => one == 4 || is_maestro(four),
        // Diners Club.
        14 => is_diners(two, three) || is_maestro(four),
        // American Express; Diners Club.
        15 => matches!(two, 34 | 37) || is_diners(two, three) || is_maestro(four),
        // Visa, Mastercard (two ranges), and schemes with longer numbers.
        16 => one == 4 || matches!(two, 51..=55) || matches!(four, 2221..=2720) || is_long(two, three, four),
        17 | 18 => is_long(two, three, four),
        19 => one == 4 || is_long(two, three, four),
        _ => false,
    }
}

fn is_diners(two: u32, three: u32) -> bool {
    matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39)
}

fn is_maestro(four: u32) -> bool {
    matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
}

/// Schemes whose numbers have 16 to 19 digits: Discover, JCB, `UnionPay`, Maestro, Mir, `RuPay`, Diners Club.
fn is_long(two: u32, three: u32, four: u32) -> bool {
    matches!(two, 60 | 62 | 65 | 81 | 82)
        || matches!(three, 508 | 644..=649)
        || matches!(four, 3528..=3589 | 2200..=2204)
        || is_maestro(four)
        || is_diners(two, three)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, u32::from(digit)) {
            (0, digit) => digit,
            (_, digit @ 0..=4) => 2 * digit,
            (_, digit) => 2 * digit - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}
