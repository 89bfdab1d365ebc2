//! The search of `redact` without a quick look: each thing is looked for wherever it may begin. The tests hold the
//! quick search to it here.

use super::tests::sensitive_text;
use super::{Doubt, Entity, Finding, address, card, email, find, iban};
use crate::step::Cancel;
use crate::steps::guard::Guard;
use proptest::prelude::*;
use std::ops::Range;
use std::time::Duration;

/// Whatever is found, in no order, with overlaps.
fn find_slowly(text: &str) -> Result<Vec<(Entity, Range<usize>)>, Doubt> {
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

/// What the quick search and the slow one find of each kind of thing, in order and without overlaps.
fn assert_both_searches_agree(text: &str) {
    let slow = find_slowly(text);
    for entity in Entity::ALL {
        let cancel = Cancel::default();
        let mut guard = Guard::new(Duration::from_secs(60), &cancel);
        let mut findings = Vec::new();
        let quick = find::find(text, find::shapes(&[entity]), &mut guard, &mut findings).map(|()| findings);
        match &slow {
            Ok(slow) => {
                let mut expected: Vec<Finding> = slow
                    .iter()
                    .filter(|(kind, _)| *kind == entity)
                    .map(|(_, range)| Finding {
                        range: range.clone(),
                        entity,
                    })
                    .collect();
                find::join(&mut expected);
                assert_eq!(quick, Ok(expected), "{text:?}");
            }
            Err(doubt) if entity == Entity::Email => assert_eq!(quick, Err(*doubt), "{text:?}"),
            Err(_) => {}
        }
    }
}

#[test]
fn both_searches_agree_wherever_a_thing_stands() {
    let things = [
        "john@example.com",
        "\"john doe\"@[10.0.0.1]",
        "255.255.255.255",
        "1.2.3.4",
        "::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
        "1:2:3:4:5:6:7:8",
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111\u{202f}1111\u{2011}1111-1111",
        "3782 822463 10005",
        "601 100 009 903 942 4",
        "676 964 982 643 3",
        "41111111111 11111",
        "DE89370400440532013000",
        "de89 3704 0044 0532 0130 00",
    ];
    for thing in things {
        // One, and two close to each other, at each place of a block and across its end.
        for padding in 0..140 {
            for between in ["", " ", " 123 ", ".", "x"] {
                assert_both_searches_agree(&format!("{}{thing}{between}{thing}", " ".repeat(padding)));
            }
        }
    }
}

proptest! {
    #[test]
    fn both_searches_agree(text in sensitive_text(), padding in "[ 1:.]{0,70}") {
        assert_both_searches_agree(&(padding + &text));
    }

    #[test]
    fn both_searches_agree_on_numbers(text in "([0-9]{1,5}|[.: -]|[a-f]{1,2}|\u{a0}|\u{2011}|_){0,40}") {
        assert_both_searches_agree(&text);
    }
}
