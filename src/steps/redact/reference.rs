//! The search of `redact` without a quick look: each thing is looked for wherever it may begin. The tests hold the
//! quick search to it.

use super::{Doubt, Entity, address, card, email, iban};
use std::ops::Range;

/// Whatever is found, in no order, with overlaps.
pub(super) fn find(text: &str) -> Result<Vec<(Entity, Range<usize>)>, Doubt> {
    let mut findings = Vec::new();
    let mut emails = email::Finder::default();
    let mut ipv6 = address::Ipv6Finder::default();
    for (place, byte) in text.bytes().enumerate() {
        if byte == b'@' {
            findings.extend(emails.find(text, place)?.map(|range| (Entity::Email, range)));
        }
        if byte == b':' {
            findings.extend(ipv6.find(text, place).1.map(|range| (Entity::Ipv6, range)));
        }
        let begins_number = byte.is_ascii_digit() && (place == 0 || !text.as_bytes()[place - 1].is_ascii_digit());
        if begins_number {
            findings.extend(address::ipv4_at(text, place).map(|range| (Entity::Ipv4, range)));
            findings.extend(card::at(text, place).map(|range| (Entity::CreditCard, range)));
            findings.extend(iban::at(text, place).map(|range| (Entity::Iban, range)));
        }
    }
    Ok(findings)
}
