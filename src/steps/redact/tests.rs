//! What `redact` finds, what it leaves, and what it puts in its place.

use super::{Doubt, Entity, KEY_CONTEXT, Redact, Settings, declare, find};
use crate::error::FailureKind;
use crate::step::{Cancel, Scratch, Verdict};
use crate::steps::guard::Guard;
use crate::steps::testing::{apply_map, assert_map_laws, build_error, map, messy_text, step};
use proptest::prelude::*;
use std::time::Duration;

fn redacted(text: &str) -> String {
    map("redact", "{}", text)
}

#[track_caller]
fn stays(text: &str) {
    assert_eq!(redacted(text), text);
}

#[test]
fn e_mail_addresses_go() {
    for (text, expected) in [
        ("john@example.com", "[EMAIL]"),
        ("Write to john.doe+tag@mail.example.co.uk.", "Write to [EMAIL]."),
        ("<john@example.com>, 'o'brien@x.ie'", "<[EMAIL]>, '[EMAIL]'"),
        ("mailto:r&d@example.com?subject=x", "mailto:[EMAIL]?subject=x"),
        ("john@example.com2.de", "[EMAIL]"),
        ("john@example.com.2", "[EMAIL].2"),
        ("john@example.com...and", "[EMAIL]...and"),
        ("john@example.com-", "[EMAIL]-"),
        ("müller@bücher.de", "[EMAIL]"),
        ("mu\u{308}ller@bu\u{308}cher.de", "[EMAIL]"),
        ("john@xn--bcher-kva.xn--p1ai", "[EMAIL]"),
        ("почта@пример.рф", "[EMAIL]"),
        ("请联系john@example.com谢谢", "请联系[EMAIL]谢谢"),
        ("用户@例子.中国", "[EMAIL]"),
        (r#"say "john doe"@example.com now"#, "say [EMAIL] now"),
        (r#""a\"b"@example.com"#, "[EMAIL]"),
        ("john@[192.168.0.1] john@[IPv6:2001:db8::1]", "[EMAIL] [EMAIL]"),
        ("a@b@example.com", "a@[EMAIL]"),
        ("**john@example.com**", "**[EMAIL]**"),
        ("john.@docomo.ne.jp", "[EMAIL]"),
        ("1.2.3.4@example.com", "[EMAIL]"),
    ] {
        assert_eq!(redacted(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_no_e_mail_address_stays() {
    for text in [
        "@john",
        "john@",
        "john@localhost",
        "a @ b.com",
        "john@example.c",
        "john@-example.com",
        "john@example..com",
        "@media (max-width: 1px)",
        "\"\"@example.com",
        "x@1.2",
        "https://medium.com/@john.doe",
        "...@example.com",
        "\"hi\n\"@example.com",
    ] {
        stays(text);
    }
}

#[test]
fn ipv4_addresses_go() {
    for (text, expected) in [
        ("10.0.0.1", "[IPV4]"),
        ("at 192.168.001.255:80/24, or", "at [IPV4]:80/24, or"),
        ("It is 8.8.8.8.", "It is [IPV4]."),
        ("(1.2.3.4)-255.255.255.255", "([IPV4])-[IPV4]"),
        ("地址1.2.3.4。", "地址[IPV4]。"),
        ("1.2.3.4.example.com", "[IPV4].example.com"),
    ] {
        assert_eq!(redacted(text), expected, "{text:?}");
    }
    for text in [
        "v1.2.3.4567",
        "v1.2.3.4",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4a",
        "1.2.3.4_5",
        "1..2.3.4",
        "1.2.3.1000",
        "0001.2.3.4",
        "a.b.c.d",
        "é1.2.3.4",
        "1.2.3.4567",
    ] {
        stays(text);
    }
}

#[test]
fn ipv6_addresses_go() {
    for (text, expected) in [
        ("2001:db8::1", "[IPV6]"),
        ("::1 and fe80::1%eth0", "[IPV6] and [IPV6]%eth0"),
        ("[2001:db8:0:0:0:0:0:1]:443", "[[IPV6]]:443"),
        ("ip:2001:db8::1, id:fe80::1.", "ip:[IPV6], id:[IPV6]."),
        ("::ffff:192.168.0.1", "[IPV6]"),
        ("2001:DB8::/32", "[IPV6]/32"),
        ("1:2:3:4:5:6:7:8: no", "[IPV6]: no"),
        ("fe80::1:port", "[IPV6]:port"),
        ("1.2.3.4::1", "[IPV4][IPV6]"),
    ] {
        assert_eq!(redacted(text), expected, "{text:?}");
    }
    for text in [
        "::",
        "a :: b",
        "std::vec",
        "crate::face::x",
        "Foo::Bar::baz",
        "12:30:45",
        "00:1b:44:11:3a:b7",
        "1:2:3:4:5:6:7:8:9",
        "x::1y",
        "12345::1",
        "2001:db8::1::2",
    ] {
        stays(text);
    }
}

#[test]
fn card_numbers_go() {
    for number in [
        "4111111111111111",
        "4222222222222",
        "4000000000000000006",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "30569309025904",
        "36227206271667",
        "6011111111111117",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
        "2200000000000004",
    ] {
        assert_eq!(redacted(number), "[CREDIT_CARD]", "{number}");
        assert_eq!(
            redacted(&format!("card:{number}, ok")),
            "card:[CREDIT_CARD], ok",
            "{number}"
        );
        stays(&format!("{number}00000000"));
        stays(&format!("x{number}"));
        stays(&format!("{number}_"));
        stays(&format!("0.{number}"));
    }
    for (text, expected) in [
        ("4111 1111 1111 1111", "[CREDIT_CARD]"),
        ("4111-1111-1111-1111.", "[CREDIT_CARD]."),
        ("4111\u{a0}1111\u{202f}1111\u{2011}1111", "[CREDIT_CARD]"),
        ("3782 822463 10005", "[CREDIT_CARD]"),
        ("123 4111 1111 1111 1111", "123 [CREDIT_CARD]"),
        ("4111 1111 1111 1111 12/27", "[CREDIT_CARD] 12/27"),
        ("4111111111111111,5555555555554444", "[CREDIT_CARD],[CREDIT_CARD]"),
        ("卡号4111111111111111谢谢", "卡号[CREDIT_CARD]谢谢"),
    ] {
        assert_eq!(redacted(text), expected, "{text:?}");
    }
    for text in [
        "4111111111111112",
        "4111  1111 1111 1111",
        "1234567812345670",
        "0000000000000000",
        "41 11 11 11 11 11 11 11",
        "9999999999999995",
        "4111111111111111.5",
    ] {
        stays(text);
    }
}

#[test]
fn account_numbers_go() {
    for iban in [
        "DE89370400440532013000",
        "GB29NWBK60161331926819",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "NL91ABNA0417164300",
        "CH9300762011623852957",
    ] {
        assert_eq!(redacted(iban), "[IBAN]", "{iban}");
        assert_eq!(redacted(&iban.to_lowercase()), "[IBAN]", "{iban}");
        let grouped: Vec<&str> = iban
            .as_bytes()
            .chunks(4)
            .map(|group| std::str::from_utf8(group).expect("ASCII"))
            .collect();
        assert_eq!(
            redacted(&format!("IBAN: {}.", grouped.join(" "))),
            "IBAN: [IBAN].",
            "{iban}"
        );
        assert_eq!(redacted(&grouped.join("\u{a0}")), "[IBAN]", "{iban}");
        stays(&format!("x{iban}"));
        stays(&format!("{iban}x"));
    }
    for text in [
        "DE89370400440532013001",
        "XX89370400440532013000",
        "DE8937040044053201300",
        "AT12 people came",
    ] {
        stays(text);
    }
}

#[test]
fn modes() {
    let text = "é: john@bü.de, 10.0.0.1!";
    assert_eq!(map("redact", r#"{"mode":"mask"}"#, text), "é: **********, ********!");
    assert_eq!(
        map("redact", r#"{"mode":"mask","entities":["ipv4"]}"#, text),
        "é: john@bü.de, ********!"
    );
    let hashed = |key: &str, text: &str| map("redact", &format!(r#"{{"mode":"hash","key":{key}}}"#), text);
    let hash = hashed("null", "John@Example.com");
    assert_eq!(hash, hashed("null", "john@example.COM"));
    assert_ne!(hash, hashed(r#""secret""#, "john@example.com"));
    assert_ne!(hash, hashed("null", "jane@example.com"));
    // The definition, so that other programs can make the same hashes.
    let key = blake3::derive_key(KEY_CONTEXT, b"");
    let expected = blake3::keyed_hash(&key, b"john@example.com").to_hex();
    assert_eq!(hash, format!("[EMAIL_{}]", &expected[..16]));
    for (one, other) in [
        ("4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("de89370400440532013000", "DE89 3704 0044 0532 0130 00"),
        ("10.0.0.1", "010.00.0.001"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
    ] {
        assert_eq!(hashed("null", one), hashed("null", other));
    }
}

#[test]
fn what_cannot_be_decided_fails() {
    let fails = |text: &str| apply_map(&*step("redact", "{}"), text).expect_err("undecided");
    let failure = fails(&format!("é {}@example.com", "a".repeat(65)));
    assert_eq!(failure.kind, FailureKind::Undecided);
    assert_eq!(
        failure.message,
        "It cannot be told whether the text holds something to be redacted: what looks like an e-mail address at \
         character 3 is longer than one can be."
    );
    assert_eq!(
        fails(&format!("\"{}\"@example.com", "a b".repeat(30))).kind,
        FailureKind::Undecided
    );
    assert_eq!(fails(&format!("a@{}", "b.".repeat(200))).kind, FailureKind::Undecided);
    assert_eq!(redacted(&format!("{}@example.com", "a".repeat(64))), "[EMAIL]");
    stays(&format!("{}@nowhere", "a".repeat(100)));
}

#[test]
fn a_stop_fails_and_leaves_nothing_behind() {
    let step = Redact {
        declaration: declare(),
        settings: Settings::default(),
        budget: Duration::ZERO,
        key: [0; 32],
    };
    assert_eq!(
        apply_map(&step, "nothing here").expect_err("late").kind,
        FailureKind::Undecided
    );
    let cancel = Cancel::default();
    cancel.cancel();
    let mut scratch = Scratch {
        text: String::new(),
        cancel: &cancel,
    };
    let failure = match crate::steps::testing::step("redact", "{}").apply("a@b.cc", &[], &mut scratch) {
        Err(failure) => failure,
        Ok(verdict) => panic!("{verdict:?}"),
    };
    assert_eq!(failure.kind, FailureKind::Undecided);
    assert!(
        failure.message.contains("the run was being stopped"),
        "{}",
        failure.message
    );
    assert!(scratch.text.is_empty());
}

#[test]
fn mistakes_are_named() {
    let error = build_error("redact", r#"{"entities":["e-mail"]}"#);
    assert_eq!(
        (error.key.as_deref(), error.suggestion.as_deref()),
        (Some("entities"), Some("email"))
    );
    assert_eq!(
        build_error("redact", r#"{"entities":[]}"#).key.as_deref(),
        Some("entities")
    );
    assert_eq!(
        build_error("redact", r#"{"timeout":0}"#).key.as_deref(),
        Some("timeout")
    );
    let secret = build_error("redact", r#"{"key":12345}"#);
    assert!(!secret.to_string().contains("12345"), "{secret}");
}

#[test]
fn hostile_texts_take_linear_time() {
    let start = std::time::Instant::now();
    for piece in [
        "@", "a@", "a.", ":", "1:", "::", "1.", "1 ", "111 ", "DE89", "\"@", "a@b.", "\u{e9}@", "4111 ",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        // Some are undecided, which is an answer too.
        let _ = apply_map(&*step("redact", "{}"), &text);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Texts in which what is looked for, and what is nearly so, is frequent.
pub(super) fn sensitive_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "john@example.com",
            "10.0.0.1",
            "2001:db8::1",
            "4111 1111 1111 1111",
            "378282246310005",
            "DE89370400440532013000",
            "a@",
            "@b.de",
            "::",
            ".1",
            ":1",
            "-",
            "_",
            "\"",
            "[",
            "]",
            "xn--a",
            "é",
            "请",
        ])
        .prop_map(str::to_owned),
        "[0-9.:@ a-f-]{1,8}",
        "[ ,\n]",
        messy_text(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_laws_hold(text in sensitive_text(), mode in prop::sample::select(vec!["mask", "hash", "placeholder"])) {
        let settings = format!(r#"{{"mode":"{mode}"}}"#);
        if apply_map(&*step("redact", &settings), &text).is_ok() {
            assert_map_laws("redact", &settings, &text);
        }
    }

    #[test]
    fn a_mask_keeps_the_number_of_characters_and_the_lines(text in sensitive_text()) {
        if let Ok(masked) = apply_map(&*step("redact", r#"{"mode":"mask"}"#), &text) {
            prop_assert_eq!(masked.chars().count(), text.chars().count());
            for (new, old) in masked.chars().zip(text.chars()) {
                prop_assert!(new == old || (new == '*' && old != '\n'));
            }
        }
    }

    #[test]
    fn a_value_between_spaces_never_stays(before in messy_text(), after in messy_text(), value in prop::sample::select(vec![
        "john@example.com", "10.0.0.1", "2001:db8::1", "4111 1111 1111 1111", "DE89370400440532013000",
    ])) {
        let text = format!("{before}\n{value}\n{after}");
        if let Ok(redacted) = apply_map(&*step("redact", "{}"), &text) {
            prop_assert!(!redacted.contains(value), "{redacted:?}");
        }
    }

    #[test]
    fn findings_are_in_order_and_apart(text in sensitive_text()) {
        let cancel = Cancel::default();
        let mut findings = Vec::new();
        let mut guard = Guard::new(Duration::from_secs(60), &cancel);
        match find::find(&text, find::shapes(&Entity::ALL), &mut guard, &mut findings) {
            Ok(()) => {
                prop_assert!(findings.is_sorted_by(|one, next| one.range.end <= next.range.start));
                prop_assert!(findings.iter().all(|finding| text.get(finding.range.clone()).is_some_and(|value| !value.is_empty())));
            }
            Err(doubt) => prop_assert!(matches!(doubt, Doubt::TooLong(_))),
        }
    }

    #[test]
    fn a_text_without_digits_colons_and_ats_is_never_touched(text in "[^0-9:@]{0,60}") {
        let step = step("redact", "{}");
        let same = crate::steps::testing::with_verdict(&*step, &text, |verdict| {
            matches!(verdict, Ok(Verdict::Text(new)) if std::ptr::eq(new, text.as_str()))
        });
        prop_assert!(same);
    }
}
