//! Runs that meet their limits: the memory that records may take, and how many may fail.

use super::*;
use crate::engine::{LEAST_MEMORY_BUDGET, MOST_MEMORY_BUDGET};
use crate::error::StopKind;
use crate::step::Cancel;

#[expect(clippy::unnecessary_wraps, reason = "a step's function may fail")]
fn grow<'t>(text: &'t str, scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
    if text.ends_with('7') {
        return Ok(Verdict::Reject("seven".into()));
    }
    for _ in 0..300 {
        scratch.text.push_str(text);
    }
    Ok(Verdict::Text(&scratch.text))
}

#[test]
fn texts_that_become_far_larger_than_they_were_are_processed_a_few_at_a_time() {
    let count = 30_000;
    for (workers, runtime) in [(1, Runtime::Rust), (4, Runtime::Rust), (8, Runtime::Python)] {
        let mut scene = Scene::new("in.txt", numbers(count));
        scene.options.workers = workers;
        scene.options.memory_budget = LEAST_MEMORY_BUDGET;
        let steps = vec![
            step(Kind::Map, Runtime::Rust, shout),
            step(Kind::Map, runtime, |text, scratch| {
                grow(&text[..text.len() - 1], scratch)
            }),
        ];
        let report = scene.run(&plan(steps, OnError::Quarantine)).expect("a report");
        let kept = (0..count).filter(|number| number % 10 != 7);
        assert_eq!(
            (report.counts.read, report.counts.rejected),
            (count as u64, count as u64 / 10)
        );
        let out = scene.read("out.txt");
        assert!(
            out.lines()
                .map(str::len)
                .eq(kept.map(|number| number.to_string().len() * 300)),
            "{workers} workers"
        );
        let rejected = scene.read("rejected.jsonl");
        let ordinals = rejected.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["ordinal"].as_u64()
        });
        assert!(
            ordinals.eq((0..count as u64).filter(|number| number % 10 == 7).map(Some)),
            "{workers} workers"
        );
    }
}

#[test]
fn the_memory_budget_has_a_range() {
    for budget in [0, LEAST_MEMORY_BUDGET - 1, MOST_MEMORY_BUDGET + 1] {
        let mut scene = Scene::new("in.txt", "1\n");
        scene.options.memory_budget = budget;
        let Err(Error::Config(error)) = scene.run(&plan(Vec::new(), OnError::Quarantine)) else {
            panic!("expected a configuration error for {budget}")
        };
        assert!(error.message.contains("128 MiB"), "{error}");
    }
}

#[test]
fn more_failures_than_allowed_stop_the_run_and_nothing_appears() {
    let fail = || {
        step(Kind::Map, Runtime::Rust, |text, _| match text {
            "5" | "6" => Err(Failure::new(FailureKind::StepError, "It failed.")),
            _ => Ok(Verdict::Keep),
        })
    };
    for (records, bytes, stops) in [
        (Some(2), None, false),
        (Some(1), None, true),
        (Some(0), None, true),
        (None, Some(100), true),
        (None, Some(10_000), false),
    ] {
        let mut scene = Scene::new("in.txt", numbers(1000));
        (scene.options.quarantine_limit, scene.options.quarantine_bytes) = (records, bytes);
        match scene.run(&plan(vec![fail()], OnError::Quarantine)) {
            Ok(report) => assert!(!stops && report.counts.quarantined == 2, "{records:?} {bytes:?}"),
            Err(Error::Stopped(stopped)) => {
                assert!(stops, "{stopped}");
                assert_eq!(stopped.kind, StopKind::QuarantineLimit);
                assert_eq!(scene.files(), ["in.txt"]);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_record_over_the_limit_is_quarantined_unread_and_its_neighbours_go_out() {
    let mut scene = Scene::new("in.txt", format!("first\n{}\nlast\n", "x".repeat(100_000)));
    scene.options.limits.record_bytes = 1_000;
    let report = scene.run(&plan(Vec::new(), OnError::Quarantine)).expect("a report");
    assert_eq!(scene.read("out.txt"), "first\nlast\n");
    assert_eq!(report.quarantined_by_reader["record_too_large"], 1);
    let line: serde_json::Value = serde_json::from_str(&scene.read("quarantine.jsonl")).expect("JSON");
    assert_eq!((&line["length"], &line["ordinal"]), (&100_000.into(), &1.into()));
}

#[test]
fn what_a_step_makes_is_bounded_too() {
    let mut scene = Scene::new("in.txt", "small\nlarge\n");
    scene.options.limits.record_bytes = 1_000;
    let steps = vec![step(Kind::Map, Runtime::Rust, |text, scratch| {
        scratch
            .text
            .push_str(&"x".repeat(if text == "large" { 1_001 } else { 1_000 }));
        Ok(Verdict::Text(&scratch.text))
    })];
    let report = scene.run(&plan(steps, OnError::Quarantine)).expect("a report");
    assert_eq!(report.steps[0].quarantined["output_too_large"], 1);
    assert_eq!(report.counts.out, 1);
}

#[test]
fn a_limit_takes_the_first_records_over_all_inputs() {
    let mut scene = Scene::new("in.txt", "1\n2\n3\n");
    let second = scene.path("second.txt");
    fs_err::write(&second, "4\n5\n6\n").expect("written");
    let missing = Input::file(scene.path("missing.txt"));
    scene
        .options
        .inputs
        .extend(locate(&[second.into_os_string()], false, &Cancel::default()).expect("found"));
    scene.options.limit = Some(4);
    let report = scene.run(&plan(Vec::new(), OnError::Quarantine)).expect("a report");
    assert_eq!(
        (scene.read("out.txt").as_str(), report.counts.read, report.limited),
        ("1\n2\n3\n4\n", 4, true)
    );

    scene.options.limit = None;
    scene.options.inputs.insert(1, missing);
    let report = scene.run(&plan(Vec::new(), OnError::Quarantine)).expect("a report");
    assert_eq!(scene.read("out.txt"), "1\n2\n3\n4\n5\n6\n");
    assert_eq!((report.exit_code(), report.damage.len()), (5, 1));
}

#[test]
fn the_number_of_workers_has_a_range() {
    for workers in [0, MOST_WORKERS + 1] {
        let mut scene = Scene::new("in.txt", "");
        scene.options.workers = workers;
        let error = scene.run(&plan(Vec::new(), OnError::Quarantine)).expect_err("an error");
        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            "The number of workers is a whole number from 1 to 1024."
        );
    }
}
