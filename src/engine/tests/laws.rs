//! Laws of whole runs: whatever the records are, and however they are spelled.

use super::*;

/// A string as JSON may spell it: each character in one of the ways that it can be written.
fn spelled_somehow(text: &str, ways: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut spelled = String::new();
    for (character, way) in text.chars().zip(ways.iter().cycle()) {
        match (character, way % 8) {
            ('/', 0..4) => spelled.push_str("\\/"),
            (character, 7) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to memory does not fail.
                    let _ = write!(spelled, "\\u{unit:04x}");
                }
            }
            (character, _) => {
                let quoted = serde_json::to_string(&character).expect("a string");
                spelled.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
    spelled
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn texts_are_cleaned_in_any_spelling_as_the_steps_would_one_by_one(
        texts in prop::collection::vec((messy_text(), "[/a\u{e9}]{0,2}"), 1..12),
        ways in prop::collection::vec(any::<u8>(), 1..40),
        rarely in any::<bool>(),
        wanted in prop::sample::subsequence(
            vec!["normalize-unicode", "strip-control", "collapse-whitespace", "trim", "trim-lines"], 1..=5
        ).prop_shuffle(),
    ) {
        // Most files hold no escape of a UTF-16 unit.
        let ways: Vec<u8> = ways.iter().map(|way| if rarely { way % 7 } else { *way }).collect();
        let texts: Vec<String> = texts.into_iter().map(|(text, slashes)| text + &slashes).collect();
        let lines: Vec<String> = texts
            .iter()
            .map(|text| format!("{{\"text\" : \"{}\"}}\n", spelled_somehow(text, &ways)))
            .collect();
        let steps: Vec<PipelineStep> = wanted.iter().map(|name| PipelineStep::named(*name, Configuration::new())).collect();
        let plan = plan(steps, OnError::Quarantine);
        let scene = Scene::new("in.jsonl", lines.concat());
        let report = scene.run(&plan).expect("a report");
        prop_assert_eq!(report.counts.out, texts.len() as u64);
        let entered: Vec<u64> = report.steps.iter().map(|step| step.entered).collect();
        prop_assert_eq!(entered, vec![texts.len() as u64; wanted.len()]);
        let written = scene.read("out.jsonl");
        for ((text, line), written) in texts.iter().zip(&lines).zip(written.split_inclusive('\n')) {
            let expected = plan.steps.iter().fold(text.clone(), |text, planned| {
                apply_map(&*planned.step, &text).expect("a text")
            });
            if expected == *text {
                prop_assert_eq!(written, line);
            } else {
                let mut quoted = Vec::new();
                crate::record::write_json_string(&expected, &mut quoted);
                let quoted = String::from_utf8(quoted).expect("UTF-8");
                prop_assert_eq!(written, format!("{{\"text\" : {quoted}}}\n"));
            }
        }
    }
}
