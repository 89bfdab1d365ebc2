//! International bank account numbers: a country, its length, and the remainder 1 by 97.

use super::{group_separator, in_word_after, in_word_before};
use std::ops::Range;

/// The lengths of the countries in SWIFT's register of IBANs (and those in use without being registered), by country.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AO", 25),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BF", 28),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BJ", 28),
    (b"BR", 29),
    (b"BY", 28),
    (b"CF", 27),
    (b"CG", 27),
    (b"CH", 21),
    (b"CI", 28),
    (b"CM", 27),
    (b"CR", 22),
    (b"CV", 25),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"DZ", 26),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GA", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GQ", 27),
    (b"GR", 27),
    (b"GT", 28),
    (b"GW", 25),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IR", 26),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KM", 27),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MA", 28),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MG", 27),
    (b"MK", 19),
    (b"ML", 28),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"MZ", 25),
    (b"NE", 28),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SN", 28),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TD", 27),
    (b"TG", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The longest of them.
const LONGEST: usize = 34;

/// The IBAN whose check digits begin at `digits`, after the two letters of its country. Letters may be small. It is
/// written in one piece or in groups of four.
pub(super) fn at(text: &str, digits: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = digits.checked_sub(2)?;
    let country = [bytes[start].to_ascii_uppercase(), bytes[start + 1].to_ascii_uppercase()];
    let place = LENGTHS.binary_search_by_key(&&country, |(name, _)| name).ok()?;
    let length = LENGTHS[place].1;
    if in_word_before(text, start) || !bytes.get(digits + 1)?.is_ascii_digit() {
        return None;
    }
    [false, true].into_iter().find_map(|grouped| {
        let (end, characters) = read(bytes, start, length, grouped)?;
        (!in_word_after(text, end) && remainder(&characters[..length]) == 1).then_some(start..end)
    })
}

/// Reads letters and digits, with a separator before each fourth if they are grouped. Returns where they end.
fn read(bytes: &[u8], start: usize, length: usize, grouped: bool) -> Option<(usize, [u8; LONGEST])> {
    let mut characters = [0; LONGEST];
    let mut at = start;
    for (index, character) in characters[..length].iter_mut().enumerate() {
        if grouped && index > 0 && index % 4 == 0 {
            let separator = group_separator(bytes, at);
            (separator > 0).then_some(())?;
            at += separator;
        }
        *character = bytes
            .get(at)
            .filter(|byte| byte.is_ascii_alphanumeric())?
            .to_ascii_uppercase();
        at += 1;
    }
    Some((at, characters))
}

/// The remainder by 97 of the number that ISO 13616 makes of it: the first four characters at the end, letters as 10 to 35.
fn remainder(characters: &[u8]) -> u32 {
    let (head, tail) = characters.split_at(4);
    tail.iter().chain(head).fold(0, |rest, &byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_fits() {
        assert!(LENGTHS.is_sorted_by_key(|(country, _)| country));
        assert!(LENGTHS.iter().all(|(_, length)| (15..=LONGEST).contains(length)));
    }
}
