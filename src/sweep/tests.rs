//! A sweep makes of a text what its steps make of it one after the other.

use super::*;
use crate::record::write_json_string_body;
use crate::step::Step;
use crate::steps::testing::{apply_map, messy_text, step};
use proptest::prelude::*;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// Any configuration of each step that has a rule, in order, and which of them are there.
fn configurations() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let keep = prop_oneof![
        3 => Just(r"\n\t".to_owned()),
        1 => prop::sample::subsequence(
            vec![r"\n", r"\t", r"\r", r"\f", r"\b", r"\u001c", r"\u007f", r"\u0085", r"\u009f"], 0..=9
        ).prop_map(|kept| kept.concat()),
    ];
    let side = prop::sample::select(vec!["both", "both", "start", "end"]);
    let blank_lines = prop_oneof![3 => 0_usize..4, 1 => Just(usize::MAX)];
    let settings = (keep, blank_lines, prop::bool::weighted(0.8), side);
    let chosen = prop_oneof![2 => Just(vec![0, 1, 2, 3]), 3 => prop::sample::subsequence(vec![0, 1, 2, 3], 1..=4)];
    (settings, chosen).prop_map(|((keep, blank_lines, keep_lines, side), chosen)| {
        let step = |number| match number {
            0 => ("normalize-unicode", "{}".to_owned()),
            1 => ("strip-control", format!(r#"{{"keep":"{keep}"}}"#)),
            2 => (
                "collapse-whitespace",
                format!(r#"{{"blank-lines":{blank_lines},"keep-lines":{keep_lines}}}"#),
            ),
            _ => ("trim", format!(r#"{{"side":"{side}"}}"#)),
        };
        chosen.into_iter().map(step).collect()
    })
}

/// Texts in which what the pass looks for stands at any place of a window, and between windows.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => messy_text(),
        3 => "[a-z ]{0,70}",
        1 => "\n {0,80}",
        1 => "[\n \t]{0,80}",
        1 => "[\"\\\\/nrtbfu \n]{1,8}",
        1 => "\\PC{0,20}",
        1 => "[а-яё]{1,12}",
        1 => "[一-龠ぁ-ん、。　]{1,30}",
        1 => "[\u{2000}-\u{2070}]{1,3}",
        1 => "[\u{900}-\u{97f}\u{e31}-\u{e50}\u{600}-\u{670}\u{5d0}-\u{5ea}]{1,20}",
        1 => "[\u{1f300}-\u{1faff}]{1,5}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

fn sweep(steps: &[Arc<dyn Step>]) -> Sweep {
    let rules: Vec<Rule> = steps.iter().map(|step| step.rule().expect("a rule")).collect();
    Sweep::new(&rules).expect("in order")
}

/// What a rule says, character by character and with nothing clever.
fn by_definition(rule: Rule, text: &str) -> String {
    let is_white = units::is_white_space;
    match rule {
        Rule::Compose => text.nfc().collect(),
        Rule::Strip(controls) => text
            .chars()
            .filter(|&character| !controls.contains(character))
            .collect(),
        Rule::Trim(ends) => {
            let text = if ends.start {
                text.trim_start_matches(is_white)
            } else {
                text
            };
            let text = if ends.end {
                text.trim_end_matches(is_white)
            } else {
                text
            };
            text.to_owned()
        }
        Rule::Collapse(collapse) => {
            let mut new = String::new();
            let mut rest = text;
            while let Some(start) = rest.find(is_white) {
                let run = rest[start..].len() - rest[start..].trim_start_matches(is_white).len();
                let lines = rest[start..start + run].matches('\n').count();
                new.push_str(&rest[..start]);
                if collapse.keep_lines && lines > 0 {
                    new.push_str(&"\n".repeat(lines.min(collapse.blank_lines.saturating_add(1))));
                } else {
                    new.push(' ');
                }
                rest = &rest[start + run..];
            }
            new + rest
        }
    }
}

fn one_by_one(steps: &[Arc<dyn Step>], text: &str) -> String {
    let apply = |text: String, step: &Arc<dyn Step>| apply_map(&**step, &text).expect("within the limit");
    steps.iter().fold(text.to_owned(), apply)
}

fn spelled(text: &str) -> String {
    let mut out = Vec::new();
    write_json_string_body(text, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// What a sweep makes of a text; `None` in doubt.
fn swept(sweep: &Sweep, form: Form, text: &str, spelling: Spelling) -> Option<String> {
    let mut out = "before".to_owned();
    let swept = sweep.run_with(form, text, spelling, &mut out);
    assert!(std::str::from_utf8(out.as_bytes()).is_ok());
    let new = out.strip_prefix("before").expect("what was there stays");
    assert!(swept == Swept::Written || new.is_empty());
    match swept {
        Swept::Same => Some(text.to_owned()),
        Swept::Part(range) => {
            assert_ne!(range, 0..text.len());
            Some(text[range].to_owned())
        }
        Swept::Written => {
            assert_ne!(new, text);
            Some(new.to_owned())
        }
        Swept::Doubt => None,
    }
}

fn assert_equal(steps: &[Arc<dyn Step>], text: &str, spellings: &[String]) {
    let sweep = sweep(steps);
    let expected = one_by_one(steps, text);
    let rules = steps.iter().filter_map(|step| step.rule());
    assert_eq!(
        expected,
        rules.fold(text.to_owned(), |text, rule| by_definition(rule, &text)),
        "{text:?}"
    );
    for form in Form::available() {
        let plain = swept(&sweep, form, text, Spelling::Plain);
        if let Some(plain) = &plain {
            assert_eq!(plain, &expected, "{form:?}: {text:?}");
        } else {
            assert!(sweep.composes, "only NFC is ever in doubt");
        }
        for spelling in spellings {
            let json = swept(&sweep, form, spelling, Spelling::Json);
            if spelling.contains("\\u") {
                continue;
            }
            assert_eq!(json.is_none(), plain.is_none(), "{form:?}: {spelling:?}");
            if let Some(json) = json {
                let expected = if expected == text {
                    spelling.clone()
                } else {
                    self::spelled(&expected)
                };
                assert_eq!(json, expected, "{form:?}: {spelling:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_sweep_is_its_steps_one_by_one(configurations in configurations(), text in text(), shift in 0_usize..70) {
        let steps: Vec<_> = configurations.iter().map(|(name, settings)| step(name, settings)).collect();
        // Control characters that JSON spells with `\u` are not for that spelling.
        let text = format!("{}{text}", "x".repeat(shift));
        let plain = spelled(&text);
        assert_equal(&steps, &text, &[plain.replace('/', "\\/"), plain]);
        let without = text.replace(|character: char| spelled(character.encode_utf8(&mut [0; 4])).starts_with("\\u"), "");
        let plain = spelled(&without);
        assert_equal(&steps, &without, &[plain.replace('/', "\\/"), plain]);
    }
}

#[test]
fn every_character_is_swept_as_its_steps_would() {
    let all = ["normalize-unicode", "strip-control", "collapse-whitespace", "trim"].map(|name| step(name, "{}"));
    for steps in [&all[..], &all[..1], &all[1..3]] {
        let sweep = sweep(steps);
        for character in '\0'..=char::MAX {
            // Long enough for a window, with each neighbour that matters.
            let text = format!("ab {character} c{character}d {:080}", 0);
            let rules = steps.iter().filter_map(|step| step.rule());
            let expected = rules.fold(text.clone(), |text, rule| by_definition(rule, &text));
            for form in Form::available() {
                match swept(&sweep, form, &text, Spelling::Plain) {
                    Some(new) => assert_eq!(new, expected, "{form:?}: {character:?}"),
                    None => assert!(
                        sweep.composes && !settled::is_settled(character),
                        "{form:?}: {character:?}"
                    ),
                }
            }
        }
    }
}

#[test]
fn rules_compile_in_their_order_only() {
    let (compose, strip) = (Rule::Compose, Rule::Strip(Controls::all_but("\n\t")));
    let collapse = Rule::Collapse(Collapse {
        blank_lines: 1,
        keep_lines: true,
    });
    let trim = Rule::Trim(Ends { start: true, end: true });
    for rules in [
        &[compose, strip, collapse, trim][..],
        &[compose, trim],
        &[strip, collapse],
        &[trim],
    ] {
        assert!(Sweep::new(rules).is_some(), "{rules:?}");
    }
    for rules in [
        &[][..],
        &[strip, compose],
        &[trim, collapse],
        &[strip, strip],
        &[compose, collapse, strip],
    ] {
        assert!(Sweep::new(rules).is_none(), "{rules:?}");
    }
}

#[test]
fn marks_in_order_are_no_doubt() {
    let all = ["normalize-unicode", "strip-control", "collapse-whitespace", "trim"].map(|name| step(name, "{}"));
    let sweep = sweep(&all);
    for text in ["हिन्दी में  लिखा", "ภาษาไทยที่เขียน  ", "  مَكْتُوب", "בְּרֵאשִׁית  "]
    {
        for form in Form::available() {
            let new = swept(&sweep, form, text, Spelling::Plain);
            assert!(
                new.is_none() || new.as_deref() == Some(&*one_by_one(&all, text)),
                "{text}"
            );
        }
    }
    let doubts = |text: &str| swept(&sweep, Form::Portable, text, Spelling::Plain).is_none();
    assert!(!doubts("हिन्दी में  लिखा") && !doubts("ภาษาไทยที่เขียน  "));
    assert!(doubts("cafe\u{301}") && doubts("a\u{327}\u{5b0}"));
}

#[test]
fn only_the_ends_go() {
    let all = ["normalize-unicode", "strip-control", "collapse-whitespace", "trim"].map(|name| step(name, "{}"));
    let sweep = sweep(&all);
    let mut out = String::new();
    assert_eq!(sweep.run("  a b \n", Spelling::Plain, &mut out), Swept::Part(2..5));
    assert_eq!(sweep.run("a b", Spelling::Plain, &mut out), Swept::Same);
    assert_eq!(sweep.run(r" a\/b\n", Spelling::Json, &mut out), Swept::Written);
    assert_eq!(out, "a/b");
    assert_eq!(sweep.run(r"a\/b", Spelling::Json, &mut out), Swept::Same);
    assert_eq!(sweep.run(r"a\u0020b", Spelling::Json, &mut out), Swept::Doubt);
    assert_eq!(sweep.run(r"a \\n", Spelling::Json, &mut out), Swept::Same);
    assert_eq!(sweep.run(" \n ", Spelling::Plain, &mut out), Swept::Part(3..3));
}
