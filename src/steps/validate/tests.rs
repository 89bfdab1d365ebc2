//! What `validate` refuses, and why.

use super::*;
use crate::steps::testing::{build_error, reason, step, with_verdict};
use proptest::prelude::*;

fn refused(json: &str, text: &str) -> String {
    reason("validate", json, text).unwrap_or_else(|| "kept".to_owned())
}

#[test]
fn each_check_has_its_reason() {
    for (json, text, expected) in [
        ("{}", "", "empty"),
        (r#"{"allow-empty":true}"#, "", "kept"),
        ("{}", " ", "kept"),
        (r#"{"shorter-than":3}"#, "éé", "too_short"),
        (r#"{"shorter-than":3}"#, "ééé", "kept"),
        (r#"{"longer-than":3}"#, "éééé", "too_long"),
        (r#"{"longer-than":3,"unit":"words"}"#, "a b c d", "too_long"),
        ("{}", "a\0", "nul"),
        (r#"{"allow-nul":true}"#, "a\0", "kept"),
        (r#"{"allow-control-characters":true}"#, "a\0\u{7}", "nul"),
        (r#"{"allow-nul":true}"#, "a\0\u{7}", "control_character"),
        ("{}", "a\u{85}", "control_character"),
        ("{}", "a\t\r\n\u{a0}\u{200b}", "kept"),
        ("{}", "a\u{fffd}", "replacement_character"),
        (r#"{"allow-replacement-characters":true}"#, "a\u{fffd}", "kept"),
        (r#"{"disallowed-scripts":["Cyrillic"]}"#, "pаypal", "disallowed_script"),
        (r#"{"disallowed-scripts":["Cyrl"]}"#, "paypal, 支払い!", "kept"),
        (r#"{"allowed-scripts":["Latin","Han"]}"#, "Zürich — 東京, 12 €", "kept"),
        (
            r#"{"allowed-scripts":["Latin","Han"]}"#,
            "ありがとう",
            "disallowed_script",
        ),
        (r#"{"allowed-scripts":["Greek"]}"#, "αβγ x", "disallowed_script"),
        (r#"{"disallowed-scripts":["Common"]}"#, "a b", "disallowed_script"),
    ] {
        assert_eq!(refused(json, text), expected, "{json} {text:?}");
    }
}

#[test]
fn character_checks_are_exact() {
    for character in '\0'..=char::MAX {
        let text = character.to_string();
        let expected = match character {
            '\0' => "nul",
            '\t' | '\n' | '\r' => "kept",
            '\u{fffd}' => "replacement_character",
            _ if character.is_control() => "control_character",
            _ => "kept",
        };
        let settings = Validate {
            declaration: declare(),
            settings: Settings::default(),
            allowed: Vec::new(),
            disallowed: Vec::new(),
            latin_is_fine: true,
        };
        assert_eq!(
            settings.refuse(&text).map_or("kept", |refusal| refusal.reason),
            expected,
            "{character:?}"
        );
    }
}

#[test]
fn a_failure_says_what_and_where_but_not_the_text() {
    let fails = |json: &str, text: &str| {
        with_verdict(&*step("validate", json), text, |verdict| match verdict {
            Err(failure) => (failure.kind, failure.message),
            other => panic!("no failure: {other:?}"),
        })
    };
    assert_eq!(
        fails(r#"{"on-failure":"fail"}"#, "é\u{7}"),
        (
            FailureKind::Invalid,
            "The text holds the control character U+0007 as its character 2.".to_owned()
        )
    );
    assert_eq!(
        fails(r#"{"on-failure":"fail","longer-than":1,"unit":"lines"}"#, "a\nb").1,
        "The text has 2 lines, more than 1."
    );
    assert_eq!(
        fails(r#"{"on-failure":"fail","allowed-scripts":["Latin"]}"#, "aя").1,
        "The text holds U+044F of the script `Cyrillic` as its character 2."
    );
}

#[test]
fn mistakes_are_named() {
    let error = build_error("validate", r#"{"allowed-scripts":["latin"]}"#);
    assert_eq!(error.suggestion.as_deref(), Some("Latin"));
    assert_eq!(error.key.as_deref(), Some("allowed-scripts"));
    assert_eq!(
        build_error("validate", r#"{"on-failure":"rejct"}"#)
            .suggestion
            .as_deref(),
        Some("reject")
    );
    let both = build_error(
        "validate",
        r#"{"allowed-scripts":["Latin"],"disallowed-scripts":["Latn"]}"#,
    );
    assert_eq!(both.key.as_deref(), Some("disallowed-scripts"));
    let bounds = build_error("validate", r#"{"shorter-than":5,"longer-than":4}"#);
    assert_eq!(bounds.key.as_deref(), Some("longer-than"));
}

proptest! {
    #[test]
    fn what_is_kept_holds_nothing_refused(text in any::<String>()) {
        let kept = reason("validate", "{}", &text).is_none();
        let clean = !text.is_empty() && text.chars().all(|character| {
            character != '\u{fffd}' && (!character.is_control() || matches!(character, '\t' | '\n' | '\r'))
        });
        prop_assert_eq!(kept, clean);
    }
}
