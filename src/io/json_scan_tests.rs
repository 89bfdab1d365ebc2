//! The scanner against `serde_json`, and its limits and messages.

use super::*;
use proptest::prelude::*;
use serde::de::IgnoredAny;

fn scan(line: &[u8], depth_limit: usize) -> Result<Vec<(String, String)>, Flaw> {
    let mut members = Vec::new();
    Scanner::new(depth_limit).scan(line, 0..line.len(), |member| {
        let part = |range: Range<usize>| String::from_utf8_lossy(&line[range]).into_owned();
        members.push((part(member.key.range()), part(member.start..member.end)));
    })?;
    Ok(members)
}

fn message(line: &str) -> String {
    let flaw = scan(line.as_bytes(), 128).expect_err("a flaw");
    flaw.failure(line.as_bytes(), &(0..line.len()), 128).message
}

/// Whether both the scanner and `serde_json` take the line for JSON, or neither does.
fn agrees(line: &[u8]) -> Result<(), TestCaseError> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Ok(());
    };
    let theirs = serde_json::from_str::<IgnoredAny>(text);
    let ours = scan(line, 1000);
    let is_json = !matches!(
        ours,
        Err(Flaw {
            kind: FailureKind::Json,
            ..
        })
    );
    prop_assert_eq!(
        is_json,
        theirs.is_ok(),
        "{:?}: ours {:?}, theirs {:?}",
        text,
        ours,
        theirs.err()
    );
    Ok(())
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ a-z\"\\\\\n\u{e9}]{0,150}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-e\n]{0,3}", inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn any_object() -> impl Strategy<Value = serde_json::Map<String, serde_json::Value>> {
    prop::collection::vec((any::<String>(), any_json()), 0..30).prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_are_found_where_serde_json_finds_them(object in any_object(), pretty: bool) {
        let line = if pretty {
            serde_json::to_string_pretty(&object)
        } else {
            serde_json::to_string(&object)
        };
        let line = line.unwrap();
        let members = scan(line.as_bytes(), 128).expect("valid JSON");
        let found: Vec<(String, serde_json::Value)> = members
            .iter()
            .map(|(key, value)| {
                (serde_json::from_str(&format!("\"{key}\"")).unwrap(), serde_json::from_str(value).unwrap())
            })
            .collect();
        // Reading what was written decides: a number may come back as its neighbour.
        let expected: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn mutations_are_judged_as_serde_json_judges_them(
        value in any_json(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..4),
    ) {
        const LIKELY: &[u8] = b"{}[]:,\"\\u0123eE+-. \t\r\ntruefalsn/\x00\x1f";
        let mut line = serde_json::to_vec(&value).unwrap();
        for (index, byte, what) in mutations {
            let byte = if byte < 200 { LIKELY[usize::from(byte) % LIKELY.len()] } else { byte };
            match (what, line.len()) {
                (_, 0) | (0, _) => line.insert(index.index(line.len() + 1), byte),
                (1, length) => { line.remove(index.index(length)); }
                (2, length) => line.truncate(index.index(length)),
                (_, length) => line[index.index(length)] = byte,
            }
        }
        agrees(&line)?;
    }

    #[test]
    fn any_bytes_that_look_like_json_are_judged_as_serde_json_judges_them(
        line in "[\\[\\]{}:,\"\\\\ua0-9eE+\\-. \t]{0,24}",
    ) {
        agrees(line.as_bytes())?;
    }

    #[test]
    fn what_stands_around_the_line_does_not_matter(object in any_object(), before in "[a\"\\\\]{0,70}", after in "[a\"\\\\]{0,70}") {
        let line = serde_json::to_string(&object).unwrap();
        let whole = format!("{before}{line}{after}");
        let range = before.len()..before.len() + line.len();
        let mut scanner = Scanner::new(128);
        prop_assert_eq!(scanner.scan(whole.as_bytes(), range.clone(), drop), Ok(()));
        let cut = range.start..range.end - 1;
        prop_assert_ne!(scanner.scan(whole.as_bytes(), cut, drop), Ok(()));
    }
}

/// A string as long as several blocks, made of runs of plain characters and of pieces that are special, right or wrong.
fn any_long_spelling() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-z é😀]{0,70}",
        4 => r#"\\["\\/bfnrt]"#,
        2 => r"\\u[0-9a-fA-F]{4}",
        1 => r#"[\\"\x00-\x1f\x7f]"#,
        1 => r"\\[\x00-\x7f]",
        1 => r"\\u[0-9a-gA-G\x00]{0,4}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn long_strings_are_judged_as_serde_json_judges_them(key in any_long_spelling(), value in any_long_spelling()) {
        agrees(format!("{{\"{key}\":\"{value}\",\"b\":[\"{value}\"]}}").as_bytes())?;
        agrees(format!("{{\"a\":\"{value}").as_bytes())?;
        agrees(format!("\"{value}\"").as_bytes())?;
    }

    #[test]
    fn the_block_form_is_never_more_careful_than_reading_byte_by_byte(value in any_long_spelling(), cut: prop::sample::Index) {
        let bytes = format!("{value}\"");
        let end = cut.index(bytes.len() + 1);
        for (bytes, end) in [(bytes.as_bytes(), bytes.len()), (bytes.as_bytes(), end), (&bytes.as_bytes()[..end], end)] {
            let slow = slowly(bytes, 0, end);
            let fast = string_end(bytes, 0).filter(|&(close, _)| close < end);
            prop_assert_eq!(slow.ok().map(|spelled| (spelled.end, spelled.escapes)), fast);
        }
    }
}

#[test]
fn every_byte_at_every_place_around_the_ends_of_blocks_is_judged_as_serde_json_judges_it() {
    for place in (0..4).chain(60..70).chain(124..132) {
        for byte in 0..0x80 {
            for before in ["", "\\", "\\\\", "\\u", "\\u00e"] {
                let line = format!(
                    "\"{}{before}{}{}\"",
                    "x".repeat(place),
                    char::from(byte),
                    "y".repeat(40)
                );
                agrees(line.as_bytes()).expect("agreement");
            }
        }
    }
}

#[test]
fn a_member_says_what_escapes_its_value_has() {
    let mut found = Vec::new();
    let line =
        br#"{"a":"x","b":"\n","c":"\u00e9\n","d":"a much longer text\t, with one escape","e":[1],"f\u0066":"g\"\\\/"}"#;
    Scanner::new(8)
        .scan(line, 0..line.len(), |member| {
            found.push((member.key.escapes, member.escapes));
        })
        .expect("valid JSON");
    let none = Escapes::None;
    assert_eq!(
        found,
        [
            (none, none),
            (none, Escapes::Short),
            (none, Escapes::Unicode),
            (none, Escapes::Short),
            (none, none),
            (Escapes::Unicode, Escapes::Short),
        ]
    );
}

#[test]
fn strings_end_where_they_end_at_any_length() {
    for length in 0..200 {
        for special in ["", "\\n", "\\\"", "\\\\", "\\u00e9", "é"] {
            let body = format!("{}{special}", "x".repeat(length));
            let line = format!("{{\"k\":\"{body}\",\"text\":\"{body}{body}\"}}");
            let members = scan(line.as_bytes(), 1).unwrap();
            assert_eq!(members[0].1, format!("\"{body}\""));
            assert_eq!(members[1].1, format!("\"{body}{body}\""));
        }
    }
}

#[test]
fn depth_is_limited_without_recursion() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(scan(nested(127).as_bytes(), 128).is_ok());
    assert!(scan(nested(128).as_bytes(), 128).is_ok());
    for depth in [129, 1024, 100_000] {
        let flaw = scan(nested(depth).as_bytes(), 128).unwrap_err();
        assert_eq!(flaw.kind, FailureKind::JsonDepth);
    }
    assert!(scan(nested(100_000).as_bytes(), 200_000).is_ok());
    assert_eq!(
        message(&"[".repeat(100_000)),
        "The JSON is nested deeper than the limit of 128 levels, at column 129."
    );
}

#[test]
fn a_key_that_stands_twice_is_found_however_it_is_spelled() {
    for line in [
        r#"{"text":"a","text":"b"}"#,
        r#"{"text":"a","te\u0078t":"b"}"#,
        r#"{"te\u0078t":"a","text":"b"}"#,
        r#"{"te\u0078t":"a","t\u0065xt":"b"}"#,
        r#"{"":1,"":2}"#,
        r#"{"\ud800":1,"\ud800":2}"#,
    ] {
        let flaw = scan(line.as_bytes(), 128).unwrap_err();
        assert_eq!(flaw.kind, FailureKind::DuplicateKey, "{line}");
    }
    let many = |last: &str| {
        let members: Vec<String> = (0..10_000).map(|index| format!("\"key{index}\":0")).collect();
        format!("{{{},\"{last}\":1}}", members.join(","))
    };
    assert!(scan(many("key").as_bytes(), 128).is_ok());
    assert!(scan(many("key77").as_bytes(), 128).is_err());
    assert_eq!(
        message(r#"{"id":1,"text":"a", "text":"b"}"#),
        "The object has the key `text` a second time, at column 21."
    );
}

#[test]
fn keys_that_share_their_ends_are_told_apart() {
    assert!(scan(br#"{"abc":1,"adc":2,"a":3,"b":4,"":5,"aac":6}"#, 128).is_ok());
}

#[test]
fn messages_name_the_column_and_what_was_found() {
    for (line, expected) in [
        (
            "[1]",
            "The JSON value is not an object: expected `{` at column 1, found `[`.",
        ),
        (
            " null",
            "The JSON value is not an object: expected `{` at column 2, found `n`.",
        ),
        (
            "{\"a\":1",
            "The line is not JSON: expected `,` or `}` after the value at column 7, found the end of the line.",
        ),
        (
            "{\"a\" 1}",
            "The line is not JSON: expected `:` after the key at column 6, found `1`.",
        ),
        (
            "{'a':1}",
            "The line is not JSON: expected a key in double quotes at column 2, found `'`.",
        ),
        (
            "{\"a\":NaN}",
            "The line is not JSON: expected a value at column 6, found `N`.",
        ),
        (
            "{\"a\":01}",
            "The line is not JSON: expected `,` or `}` after the value at column 7, found `1`.",
        ),
        (
            "{\"a\":\"\t\"}",
            "The line is not JSON: expected an escape instead of a control character at column 7, found `\\u{9}`.",
        ),
        (
            "{\"a\":\"\\x\"}",
            "The line is not JSON: expected one of `\"\\/bfnrtu` after the backslash at column 8, found `x`.",
        ),
        (
            "{\"a\":\"é",
            "The line is not JSON: expected `\"` at the end of the string at column 9, found the end of the line.",
        ),
        (
            "{} é",
            "The line is not JSON: expected the end of the line at column 4, found `é`.",
        ),
    ] {
        assert_eq!(message(line), expected);
    }
}
