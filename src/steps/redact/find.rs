//! The search of `redact`: a quick look at all bytes for candidates, and a close look at these.

use super::{Doubt, Entity, Finding, address, card, email, iban};
use crate::simd::candidates::{Scan, Shapes};
use crate::steps::guard::Guard;
use std::cmp::Reverse;

/// How many bytes are looked at before the guard is asked, at most.
const STRIDE: usize = 1 << 15;

/// How many bytes of the quick look are one unit of work.
const BYTES_PER_WORK: usize = 16;

/// The work of a close look, beside that which depends on the text.
const CLOSE_LOOK: usize = 64;

/// The shapes of what is looked for.
pub(super) fn shapes(entities: &[Entity]) -> Shapes {
    let mut shapes = Shapes::default();
    for entity in entities {
        match entity {
            Entity::Email => shapes.email = true,
            Entity::Ipv4 => shapes.ipv4 = true,
            Entity::Ipv6 => shapes.ipv6 = true,
            Entity::CreditCard => shapes.card = true,
            Entity::Iban => shapes.iban = true,
        }
    }
    shapes
}

/// Finds everything in the text that is to be removed, in order and without overlaps.
pub(super) fn find(
    text: &str,
    shapes: Shapes,
    guard: &mut Guard<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Doubt> {
    findings.clear();
    let mut scan = Scan::new(shapes);
    let mut emails = email::Finder::default();
    let mut ipv6 = address::Ipv6Finder::default();
    let mut cards = card::Finder::default();
    let mut until = 0;
    while until < text.len() {
        guard.spend(STRIDE.min(text.len() - until) / BYTES_PER_WORK)?;
        until = text.len().min(until + STRIDE);
        while let Some(candidates) = scan.next(text.as_bytes(), until) {
            let mut note = |entity, range| findings.extend(Option::map(range, |range| Finding { range, entity }));
            for at in candidates.places(candidates.email) {
                guard.spend(email::LONGEST_LOCAL_PART + email::LONGEST_DOMAIN)?;
                note(Entity::Email, emails.find(text, at)?);
            }
            for last in candidates.places(candidates.ipv4) {
                guard.spend(CLOSE_LOOK)?;
                note(Entity::Ipv4, address::ipv4_ending_with(text, last));
            }
            for colon in candidates.places(candidates.ipv6) {
                let (work, found) = ipv6.find(text, colon);
                guard.spend(work + CLOSE_LOOK)?;
                note(Entity::Ipv6, found);
            }
            for digit in candidates.places(candidates.card) {
                let (work, [earlier, found]) = cards.find(text, digit);
                guard.spend(work + CLOSE_LOOK)?;
                note(Entity::CreditCard, earlier);
                note(Entity::CreditCard, found);
            }
            for digit in candidates.places(candidates.iban) {
                guard.spend(CLOSE_LOOK)?;
                note(Entity::Iban, iban::at(text, digit - 1));
            }
        }
    }
    if findings.len() > 1 {
        join(findings);
    }
    guard.check()?;
    Ok(())
}

/// Puts findings in order, and makes one of those that overlap.
pub(super) fn join(findings: &mut Vec<Finding>) {
    findings.sort_unstable_by_key(|finding| (finding.range.start, Reverse(finding.range.end)));
    findings.dedup_by(|next, first| {
        let overlap = next.range.start < first.range.end;
        if overlap {
            first.range.end = first.range.end.max(next.range.end);
        }
        overlap
    });
}
