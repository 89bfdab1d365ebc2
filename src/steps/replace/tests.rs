//! What `replace` does, and how soon it stops.

use super::*;
use crate::step::Cancel;
use crate::steps::testing::{apply_map, build_error, map, step, with_verdict};
use proptest::prelude::*;
use std::time::Instant;

#[test]
fn matches_are_replaced() {
    for (json, text, expected) in [
        (r#"{"pattern":"a+"}"#, "baab", "bb"),
        (
            r#"{"pattern":"(\\w+) (\\w+)","replacement":"$2 ${1}s $$5"}"#,
            "one two",
            "two ones $5",
        ),
        (
            r#"{"pattern":"(?<year>\\d{4})-\\d\\d","replacement":"<$year>"}"#,
            "in 2026-11",
            "in <2026>",
        ),
        (r#"{"pattern":"(a)|b","replacement":"[$1]"}"#, "ab", "[a][]"),
        (
            r#"{"pattern":"a.c","replacement":"$1","literal":true}"#,
            "a.c abc",
            "$1 abc",
        ),
        (r#"{"pattern":"É","replacement":"e","ignore-case":true}"#, "éÉ", "ee"),
        (r#"{"pattern":"a","replacement":"b","limit":2}"#, "aaa", "bba"),
        (r#"{"pattern":"a","replacement":"b","limit":0}"#, "aaa", "aaa"),
        (r#"{"pattern":"","replacement":"-"}"#, "é1", "-é-1-"),
        (r#"{"pattern":"(?m)^#.*\\n?"}"#, "# a\nb\n# c", "b\n"),
    ] {
        assert_eq!(map("replace", json, text), expected, "{json}");
    }
}

#[test]
fn a_text_that_stays_the_same_is_the_same_slice() {
    for json in [r#"{"pattern":"x"}"#, r#"{"pattern":"(a)(b)","replacement":"$1$2"}"#] {
        let text = "ab ab";
        let same = with_verdict(
            &*step("replace", json),
            text,
            |verdict| matches!(verdict, Ok(Verdict::Text(new)) if std::ptr::eq(new, text)),
        );
        assert!(same, "{json}");
    }
}

#[test]
fn wrong_patterns_are_explained() {
    let error = build_error("replace", r#"{"pattern":"a(b"}"#);
    assert_eq!(
        error.to_string(),
        "The value of `pattern` for step `replace` is no regular expression: unclosed group.\n    a(b\n     ^"
    );
    assert_eq!(error.key.as_deref(), Some("pattern"));
    let error = build_error("replace", r#"{"pattern":"a(?=b)"}"#);
    assert!(error.message.contains("look-around"), "{error}");
    assert!(
        error
            .hint
            .is_some_and(|hint| hint.starts_with("Look-around is not supported"))
    );
    let error = build_error("replace", r#"{"pattern":"(a)\\1"}"#);
    assert!(
        error
            .hint
            .is_some_and(|hint| hint.starts_with("Backreferences are not supported"))
    );
    for bomb in [r"(\\w{100}){100}", "a{5}{5}{5}{5}{5}{5}{5}{5}{5}"] {
        let error = build_error("replace", &format!(r#"{{"pattern":"{bomb}"}}"#));
        assert!(
            error.message.contains("takes more than 1048576 bytes when compiled"),
            "{error}"
        );
    }
    let error = build_error("replace", r#"{"pattern":"(a)","replacement":"$1a"}"#);
    assert_eq!(error.key.as_deref(), Some("replacement"));
    assert_eq!(
        build_error("replace", r#"{"pattern":"a","timeout":-1}"#).key.as_deref(),
        Some("timeout")
    );
    assert_eq!(build_error("replace", "{}").key.as_deref(), Some("pattern"));
}

#[test]
fn a_new_text_is_bounded() {
    let json = format!(r#"{{"pattern":"","replacement":"{}"}}"#, "x".repeat(1000));
    let failure = apply_map(&*step("replace", &json), &"a".repeat(1 << 20)).expect_err("too large");
    assert_eq!(failure.kind, FailureKind::OutputTooLarge);
}

#[test]
fn a_hostile_pattern_or_text_stops_in_time() {
    let upper = "A".repeat(1 << 20);
    let mixed: String = (0_u64..1 << 20)
        .map(|index| char::from(b'a' + (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as u8 % 3))
        .collect();
    for (pattern, text) in [
        (".*[^A-Z]|[A-Z]", &upper),
        ("(?:A+){1000}|", &upper),
        // One search for this one takes more than a minute when nothing stops it.
        ("(?:A+){3000}|", &upper),
        ("(a|b|c)*a(a|b|c){400}d", &mixed),
    ] {
        let step = step(
            "replace",
            &format!(r#"{{"pattern":"{pattern}","replacement":"-","timeout":0.4}}"#),
        );
        let start = Instant::now();
        let outcome = apply_map(&*step, text);
        let elapsed = start.elapsed();
        if let Err(failure) = &outcome {
            assert_eq!(failure.kind, FailureKind::StepTimeout, "{pattern}");
            assert_eq!(failure.message, "Replacing took longer than 0.4 s.");
        }
        // The promise is the budget and a quarter; a machine that is busy with other tests needs some room.
        assert!(elapsed < Duration::from_millis(1500), "{pattern}: {elapsed:?}");
    }
}

#[test]
fn a_run_that_is_being_stopped_stops_a_search() {
    let cancel = Cancel::default();
    cancel.cancel();
    let mut scratch = Scratch {
        text: String::new(),
        cancel: &cancel,
    };
    let verdict = step("replace", r#"{"pattern":"a","replacement":"b"}"#);
    let failure = verdict.apply("aaa", &[], &mut scratch).expect_err("stopped");
    assert!(failure.message.starts_with("The run was stopped"));
    assert!(scratch.text.is_empty());
}

fn replace(pattern: &str, replacement: &str, fast: bool) -> Replace {
    let regex = Regex::new(pattern).expect("valid");
    let replacement = Replacement::parse(replacement, &regex).expect("valid");
    let search = Search::new(pattern, syntax::Config::new(), SIZE_LIMIT, replacement.groups()).expect("valid");
    Replace {
        declaration: declare(),
        settings: serde_json::from_str(r#"{"pattern":""}"#).expect("valid"),
        budget: Duration::from_secs(60),
        search,
        fast_length: if fast { usize::MAX } else { 0 },
        regex,
        replacement,
    }
}

proptest! {
    #[test]
    fn both_searches_do_what_the_regex_crate_does(
        pattern in prop::sample::select(vec![
            "", "a", "a*", "a*?", "(a|ab)(c|bcd)?", "(?:a|b|ab)*", r"\b", r"\B", r"\bé\w*", "^", "$", "(?m)^", "(?m)$", "é|a{2,3}?",
            r"(\w)(\w)?", r"(a*)(b|$)", r"(?i)[é-í]+x?", r"(?s).", r"\s+|(x)", "(?:)|a", r"([ab]{1,2}c?)+(\n)?", r"\p{Greek}+|\pL(\d)?",
        ]),
        text in "[abcxéÉ αA1 \n]{0,12}",
    ) {
        let regex = Regex::new(pattern).expect("valid");
        let groups = regex.captures_len() - 1;
        let replacement = if groups > 0 { "<$0|$1>" } else { "<$0>" };
        let expected = regex.replace_all(&text, replacement).into_owned();
        for fast in [true, false] {
            prop_assert_eq!(apply_map(&replace(pattern, replacement, fast), &text).expect("in time"), expected.as_str(), "fast: {}", fast);
        }
    }
}
