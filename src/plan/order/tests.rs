//! Orders that can be, with their reasons, and the sentences about those that cannot.

use super::*;
use crate::record::{Field, FieldType};
use crate::step::{Asked, Kind, Origin};
use proptest::prelude::*;

fn built_in(name: &str, stage: Stage) -> Declaration {
    Declaration::built_in(name, Kind::Map, stage, "")
}

/// A plugin of the distribution before the slash.
fn plugin(name: &str, stage: Stage) -> Declaration {
    let (distribution, short) = name.split_once('/').expect("a canonical name");
    Declaration {
        origin: Some(Origin {
            distribution: distribution.to_owned(),
            version: Some("1.0".into()),
            entry_point: format!("{}:step", short.replace('-', "_")),
        }),
        ..built_in(name, stage)
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn before(mut step: Declaration, others: &[&str]) -> Declaration {
    step.before = names(others);
    step
}

fn after(mut step: Declaration, others: &[&str]) -> Declaration {
    step.after = names(others);
    step
}

fn requires(mut step: Declaration, others: &[&str]) -> Declaration {
    step.requires = names(others);
    step
}

fn adds(mut step: Declaration, field: &str) -> Declaration {
    step.fields.push(Field {
        name: field.to_owned(),
        r#type: FieldType::Text,
    });
    step
}

fn asks(mut step: Declaration, field: &str) -> Declaration {
    step.asks.push(Asked {
        name: field.to_owned(),
        required: true,
    });
    step
}

fn trim() -> Declaration {
    built_in("trim-lines", Stage::Normalize)
}

fn step(name: &str) -> Declaration {
    plugin(name, Stage::Transform)
}

type Sorter = fn(&[&Declaration]) -> Result<Ordered, Box<Fault>>;

fn apply(sorter: Sorter, steps: &[Declaration]) -> Result<Ordered, Box<Fault>> {
    sorter(&steps.iter().collect::<Vec<_>>())
}

/// The names in order, each with its reasons, then what is inactive.
fn shown(sorter: Sorter, steps: &[Declaration]) -> String {
    let ordered = apply(sorter, steps).expect("an order");
    let mut lines = Vec::new();
    for (index, reasons) in ordered.steps.iter().zip(&ordered.reasons) {
        lines.push(format!("{}: {}", steps[*index].name, reasons.join(" ")));
    }
    lines.extend(ordered.inactive.iter().map(|sentence| format!("inactive: {sentence}")));
    lines.join("\n")
}

/// The step an error points at, its message, whom it is attributed to, and its hint.
fn complaint(sorter: Sorter, steps: &[Declaration]) -> String {
    let fault = apply(sorter, steps).expect_err("no order");
    assert_eq!(fault.error.fault, PluginFault::Order);
    format!(
        "at {}: {}\nby {} of {}\nhint: {}",
        steps[fault.step].name,
        fault.error,
        fault.error.plugin,
        fault.error.distribution.as_deref().unwrap_or("nobody"),
        fault.error.hint.as_deref().unwrap_or("none")
    )
}

#[test]
fn a_list_is_the_order() {
    let steps = [
        step("b/b"),
        after(trim(), &["ocr"]),
        after(step("a/a"), &["Trim_Lines"]),
    ];
    insta::assert_snapshot!(shown(check, &steps), @r#"
    b/b: It is listed as step 1.
    trim-lines: It is listed as step 2.
    a/a: It is listed as step 3. `trim-lines` runs before `a/a`: `a/a` (a 1.0) declares `after = ["Trim_Lines"]`.
    inactive: `trim-lines` declares `after = ["ocr"]`, which is not in the pipeline.
    "#);
    assert_eq!(apply(check, &[]).expect("nothing is in order"), Ordered::default());
}

#[test]
fn a_list_that_breaks_a_constraint_is_refused() {
    insta::assert_snapshot!(complaint(check, &[after(step("acme/x"), &["trim-lines"]), trim()]), @r#"
    at acme/x: `acme/x` (step 1) must run after `trim-lines` (step 2): `acme/x` (acme 1.0) declares `after = ["trim-lines"]`.
    by acme/x of acme
    hint: List `trim-lines` before `acme/x`, or have the steps sorted with `order = "auto"`.
    "#);
    insta::assert_snapshot!(complaint(check, &[trim(), before(step("acme/x"), &["text-processor/trim-lines"])]), @r#"
    at trim-lines: `trim-lines` (step 1) must run after `acme/x` (step 2): `acme/x` (acme 1.0) declares `before = ["text-processor/trim-lines"]`.
    by acme/x of acme
    hint: List `acme/x` before `trim-lines`, or have the steps sorted with `order = "auto"`.
    "#);
    insta::assert_snapshot!(complaint(check, &[requires(step("acme/x"), &["trim-lines"]), trim()]), @r#"
    at acme/x: `acme/x` (step 1) must run after `trim-lines` (step 2): `acme/x` (acme 1.0) declares `requires = ["trim-lines"]`.
    by acme/x of acme
    hint: List `trim-lines` before `acme/x`, or have the steps sorted with `order = "auto"`.
    "#);
    insta::assert_snapshot!(
        complaint(check, &[asks(step("acme/score"), "language"), adds(step("lang/detect"), "language")]), @r#"
        at acme/score: `acme/score` (step 1) must run after `lang/detect` (step 2): `acme/score` (acme 1.0) asks for the field `language`, which `lang/detect` (lang 1.0) adds.
        by acme/score of acme
        hint: List `lang/detect` before `acme/score`, or have the steps sorted with `order = "auto"`.
        "#);
}

#[test]
fn a_constraint_of_a_repeated_step_holds_for_all_occurrences() {
    let steps = [trim(), after(step("acme/x"), &["trim-lines"]), trim()];
    insta::assert_snapshot!(complaint(check, &steps), @r#"
    at acme/x: `acme/x` (step 2) must run after `trim-lines` (step 3): `acme/x` (acme 1.0) declares `after = ["trim-lines"]`.
    by acme/x of acme
    hint: List `trim-lines` before `acme/x`, or have the steps sorted with `order = "auto"`.
    "#);
}

#[test]
fn what_is_required_must_have_run_once_and_may_run_again() {
    let steps = [trim(), requires(step("acme/x"), &["trim-lines"]), trim()];
    assert!(apply(check, &steps).is_ok());
    let either = [
        step("one/clean"),
        requires(step("acme/x"), &["clean"]),
        step("two/clean"),
    ];
    assert!(apply(check, &either).is_ok());
}

#[test]
fn a_required_step_must_be_there() {
    insta::assert_snapshot!(complaint(check, &[requires(step("acme/x"), &["trim-lines"])]), @"
    at acme/x: `acme/x` (acme 1.0) requires the step `trim-lines`, which is not in the pipeline.
    by acme/x of acme
    hint: Add `trim-lines` to the pipeline, before `acme/x`.
    ");
    let itself = requires(step("acme/x"), &["x"]);
    assert!(apply(sort, &[itself.clone(), itself]).is_err());
}

#[test]
fn two_steps_cannot_add_one_field() {
    let detect = adds(step("lang/detect"), "language");
    insta::assert_snapshot!(complaint(sort, &[detect.clone(), adds(step("acme/guess"), "language")]), @"
    at acme/guess: The field `language` is added twice: by `lang/detect` (lang 1.0) as step 1 and by `acme/guess` (acme 1.0) as step 2.
    by acme/guess of acme
    hint: Leave one of the two steps out.
    ");
    insta::assert_snapshot!(complaint(check, &[detect.clone(), trim(), detect]), @"
    at lang/detect: The field `language` is added twice: by `lang/detect` (lang 1.0) as step 1 and by `lang/detect` (lang 1.0) as step 3.
    by lang/detect of lang
    hint: Leave one of the two steps out.
    ");
}

#[test]
fn sorting_follows_constraints_then_stages_then_names() {
    let steps = [
        plugin("emit/last", Stage::Emit),
        asks(plugin("acme/score", Stage::Filter), "language"),
        step("b/two"),
        step("a/one"),
        adds(plugin("lang/detect", Stage::Annotate), "language"),
        before(step("z/first"), &["trim-lines", "absent"]),
        trim(),
    ];
    insta::assert_snapshot!(shown(sort, &steps), @r#"
    a/one: Its stage is `transform`.
    b/two: Its stage is `transform`. In one stage names decide: `a/one` comes before `b/two`.
    z/first: Its stage is `transform`. In one stage names decide: `b/two` comes before `z/first`. `z/first` runs before `trim-lines`: `z/first` (z 1.0) declares `before = ["trim-lines"]`.
    trim-lines: Its stage is `normalize`. `z/first` runs before `trim-lines`: `z/first` (z 1.0) declares `before = ["trim-lines"]`.
    lang/detect: Its stage is `annotate`. `lang/detect` runs before `acme/score`: `acme/score` (acme 1.0) asks for the field `language`, which `lang/detect` (lang 1.0) adds.
    acme/score: Its stage is `filter`. `lang/detect` runs before `acme/score`: `acme/score` (acme 1.0) asks for the field `language`, which `lang/detect` (lang 1.0) adds.
    emit/last: Its stage is `emit`.
    inactive: `z/first` (z 1.0) declares `before = ["absent"]`, which is not in the pipeline.
    "#);
}

#[test]
fn a_cycle_is_shown_at_its_shortest() {
    let steps = [
        before(step("a/one"), &["b/two"]),
        before(step("b/two"), &["c/three"]),
        after(asks(step("a/one-more"), "language"), &["three"]),
        adds(after(step("c/three"), &["one"]), "language"),
        before(step("c/three-more"), &["a/one"]),
        after(step("d/four"), &["c/three"]),
        before(after(step("e/five"), &["d/four"]), &["d/four"]),
        before(step("c/three"), &["a/one"]),
    ];
    // The last step declares differently from its namesake; both stand under one name.
    insta::assert_snapshot!(complaint(sort, &steps), @r#"
    at e/five: These steps cannot be put in order, because each must run before the next, and the last before the first:
      `d/four` runs before `e/five`: `e/five` (e 1.0) declares `after = ["d/four"]`.
      `e/five` runs before `d/four`: `e/five` (e 1.0) declares `before = ["d/four"]`.
    by e/five of e
    hint: Leave one of these steps out, or ask the author of one of them to drop its constraint.
    "#);
    let longer = [
        before(step("a/one"), &["b/two"]),
        before(step("b/two"), &["c/three"]),
        before(step("c/three"), &["one"]),
    ];
    insta::assert_snapshot!(complaint(sort, &longer), @r#"
    at a/one: These steps cannot be put in order, because each must run before the next, and the last before the first:
      `a/one` runs before `b/two`: `a/one` (a 1.0) declares `before = ["b/two"]`.
      `b/two` runs before `c/three`: `b/two` (b 1.0) declares `before = ["c/three"]`.
      `c/three` runs before `a/one`: `c/three` (c 1.0) declares `before = ["one"]`.
    by a/one of a
    hint: Leave one of these steps out, or ask the author of one of them to drop its constraint.
    "#);
    assert!(
        complaint(check, &longer).contains("cannot be put in order"),
        "no list can keep a cycle"
    );
}

#[test]
fn a_step_that_changes_a_field_of_the_source_waits_for_nobody() {
    let steps = [asks(adds(step("acme/x"), "score"), "score")];
    assert!(apply(check, &steps).is_ok());
    assert!(apply(sort, &steps).is_ok());
}

#[test]
fn references_to_the_step_itself_hold_for_nothing() {
    let selfish = before(after(step("acme/x"), &["x"]), &["acme/x"]);
    let ordered = apply(sort, &[selfish.clone(), selfish]).expect("an order");
    assert_eq!(ordered.steps, [0, 1]);
    assert_eq!(ordered.inactive.len(), 2);
}

#[test]
fn callables_with_odd_names_are_steps_like_any_other() {
    let mut lambda = built_in("module.<lambda>/\u{1b}[31m", Stage::Transform);
    lambda.before = names(&["trim-lines"]);
    assert_eq!(apply(sort, &[trim(), lambda.clone()]).expect("an order").steps, [1, 0]);
    let fault = apply(check, &[trim(), lambda]).expect_err("no order");
    assert!(!fault.error.to_string().contains('\u{1b}'));
}

/// Steps with unique names and any constraints among them, acyclic if `acyclic`, and a shuffle of them.
fn pipelines(acyclic: bool) -> impl Strategy<Value = (Vec<Declaration>, Vec<Declaration>)> {
    let step = (0..Stage::ALL.len(), prop::collection::vec((0_usize..12, 0_u8..4), 0..3));
    prop::collection::vec(step, 0..12)
        .prop_map(move |specifications| {
            let mut steps: Vec<Declaration> = specifications
                .iter()
                .enumerate()
                .map(|(index, (stage, _))| plugin(&format!("d{}/s{index}", index % 3), Stage::ALL[*stage]))
                .collect();
            for (index, (_, references)) in specifications.iter().enumerate() {
                for &(other, how) in references {
                    let other = if acyclic && other >= index { continue } else { other };
                    match how {
                        0 if !acyclic => steps[index].before.push(format!("s{other}")),
                        1 if other < specifications.len() => {
                            steps[index].requires.push(format!("d{}/S{other}", other % 3));
                        }
                        2 if other < specifications.len() => {
                            let field = format!("f{other}");
                            if steps[other].fields.is_empty() {
                                steps[other] = adds(steps[other].clone(), &field);
                            }
                            steps[index] = asks(steps[index].clone(), &field);
                        }
                        _ => steps[index].after.push(format!("s{other}")),
                    }
                }
            }
            // A step that requires itself is an error that no order changes.
            for step in &mut steps {
                let own = step.name.clone();
                step.requires.retain(|reference| crate::plugins::fold(reference) != own);
            }
            steps
        })
        .prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle()))
}

fn sorted_names(steps: &[Declaration]) -> Result<Vec<(String, Vec<String>)>, String> {
    let ordered = apply(sort, steps).map_err(|fault| fault.error.to_string())?;
    let names = ordered.steps.iter().map(|&index| steps[index].name.clone());
    Ok(names.zip(ordered.reasons).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_permutation_sorts_to_the_same_order_with_the_same_reasons((steps, shuffled) in pipelines(true)) {
        prop_assert_eq!(sorted_names(&steps), sorted_names(&shuffled));
    }

    #[test]
    fn every_permutation_ends_with_the_same_order_or_the_same_cycle((steps, shuffled) in pipelines(false)) {
        prop_assert_eq!(sorted_names(&steps), sorted_names(&shuffled));
    }

    #[test]
    fn constraints_without_a_cycle_can_always_be_sorted_and_the_result_keeps_them((steps, _) in pipelines(true)) {
        let ordered = apply(sort, &steps).expect("an order");
        let mut indices = ordered.steps.clone();
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..steps.len()).collect::<Vec<_>>());
        let sorted: Vec<Declaration> = ordered.steps.iter().map(|&index| steps[index].clone()).collect();
        prop_assert!(apply(check, &sorted).is_ok());
    }
}
