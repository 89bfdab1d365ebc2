//! What names stand for, and the sentences a person reads when they stand for nothing.

use super::*;
use crate::error::Error;
use crate::plugins::NoPlugins;
use crate::step::{Configuration, Declaration, PlacedStep, Segment, Step};
use proptest::prelude::*;

/// A host with a list of plugins, none of which can be loaded: look-up never loads.
struct Installed(Discovery);

impl Host for Installed {
    fn discover(&self) -> Result<Arc<Discovery>> {
        Ok(Arc::new(self.0.clone()))
    }
    fn load(&self, plugin: &Plugin, configuration: &Configuration) -> Result<Arc<dyn Step>> {
        NoPlugins.load(plugin, configuration)
    }
    fn describe(&self, plugin: &Plugin) -> Result<Declaration> {
        NoPlugins.describe(plugin)
    }
    fn fuse(&self, steps: Vec<PlacedStep>) -> Box<dyn Segment> {
        NoPlugins.fuse(steps)
    }
}

/// A host that must not be asked.
fn unasked() -> Result<Arc<Discovery>> {
    Err(Error::Internal("The host was asked.".into()))
}

fn plugin(distribution: &str, version: &str, short_name: &str) -> Plugin {
    Plugin {
        name: format!("{}/{}", fold(distribution), fold(short_name)),
        short_name: short_name.into(),
        distribution: distribution.into(),
        version: Some(version.into()),
        entry_point: format!("{}:step", short_name.replace('-', "_")),
        location: "/site-packages".into(),
        editable: false,
    }
}

fn finding(distribution: &str, severity: Severity) -> Finding {
    Finding {
        distribution: Some(distribution.into()),
        code: "unreadable_entry_points".into(),
        severity,
        path: None,
        line: None,
        message: "Broken.".into(),
        hint: None,
    }
}

fn installed() -> Installed {
    Installed(Discovery {
        plugins: vec![
            plugin("Acme_Filters", "1.2.0", "Min_Words"),
            plugin("acme-filters", "1.2.0", "reverse"),
            plugin("other", "0.3", "reverse"),
            plugin("other", "0.3", "trim-lines"),
        ],
        ..Discovery::default()
    })
}

fn canonical(name: &str) -> String {
    match resolve(name, &installed()).expect("the name stands for something") {
        Resolved::BuiltIn(built_in) => built_in.name.to_owned(),
        Resolved::Plugin(plugin) => plugin.name,
    }
}

/// The message and the hint of the error for a name, as a person sees them.
fn complaint(name: &str, host: &dyn Host) -> String {
    let error = resolve(name, host).expect_err("the name stands for nothing");
    assert!(matches!(error, Error::Plugin(_)));
    format!("{error}\nhint: {}", error.hint().unwrap_or("none"))
}

#[test]
fn built_ins_resolve_without_asking_the_host() {
    for name in [
        "trim-lines",
        "Trim_Lines",
        "text-processor/trim-lines",
        "text_processor:trim.lines",
    ] {
        assert!(matches!(resolve_with(name, unasked), Ok(Resolved::BuiltIn(step)) if step.name == "trim-lines"));
    }
}

#[test]
fn short_and_canonical_names_resolve_whatever_their_spelling() {
    assert_eq!(canonical("min-words"), "acme-filters/min-words");
    assert_eq!(canonical("MIN__WORDS"), "acme-filters/min-words");
    assert_eq!(canonical("Acme.Filters/min.words"), "acme-filters/min-words");
    assert_eq!(canonical("acme-filters:min-words"), "acme-filters/min-words");
    assert_eq!(canonical("other/reverse"), "other/reverse");
}

#[test]
fn a_plugin_never_takes_the_name_of_a_built_in() {
    assert_eq!(canonical("trim-lines"), "trim-lines");
    assert_eq!(canonical("other/trim-lines"), "other/trim-lines");
}

#[test]
fn names_that_stand_for_nothing() {
    insta::assert_snapshot!(complaint("trimlines", &installed()), @"
    No step is called `trimlines`. Did you mean `trim-lines`?
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
    insta::assert_snapshot!(complaint("min-wrods", &installed()), @"
    No step is called `min-wrods`. Did you mean `min-words`?
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
    insta::assert_snapshot!(complaint("quux", &installed()), @"
    No step is called `quux`.
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
    insta::assert_snapshot!(complaint("text-processor/trim-line", &NoPlugins), @"
    `text-processor` has no built-in step called `trim-line`. Did you mean `trim-lines`?
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
    insta::assert_snapshot!(complaint("acme-filters/min-word", &installed()), @"
    Distribution `Acme_Filters 1.2.0` offers no step called `min-word`. Did you mean `acme-filters/min-words`?
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
    insta::assert_snapshot!(complaint("acme/min-words", &installed()), @"
    No step is called `acme/min-words`. Did you mean `acme-filters/min-words`?
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
    insta::assert_snapshot!(complaint("acme/", &installed()), @"
    The name of a step is missing.
    hint: `text-processor plugins list` shows the steps that can be used.
    ");
    insta::assert_snapshot!(complaint("evil\u{1b}[31m", &NoPlugins), @r#"
    No step is called `evil\u{1b}[31m`.
    hint: `text-processor plugins list` shows the steps that can be used.
    "#);
}

#[test]
fn a_name_that_several_distributions_offer() {
    insta::assert_snapshot!(complaint("reverse", &installed()), @"
    Several distributions offer a step called `reverse`: `acme-filters 1.2.0` and `other 0.3`.
    hint: Say which: write `acme-filters/reverse` or `other/reverse`.
    ");
}

#[test]
fn a_name_that_one_distribution_registers_twice() {
    let mut host = installed();
    host.0.plugins.insert(1, plugin("Acme_Filters", "1.2.0", "min-words"));
    insta::assert_snapshot!(complaint("min-words", &host), @"
    Distribution `Acme_Filters 1.2.0` registers the step `acme-filters/min-words` 2 times: `Min_Words = Min_Words:step` and `min-words = min_words:step`.
    hint: Its author must give each step a name of its own; case, `-`, `_` and `.` make no difference in names.
    ");
}

#[test]
fn findings_that_may_explain_a_missing_step_are_mentioned() {
    let mut host = installed();
    host.0.findings = vec![finding("broken", Severity::Error), finding("odd", Severity::Warning)];
    insta::assert_snapshot!(complaint("quux", &host), @"
    No step is called `quux`.
    hint: One problem was found in what is installed, which may hide the step: `text-processor plugins doctor` shows it.
    ");
    assert!(complaint("acme-filters/quux", &host).contains("plugins list"));
    assert!(complaint("Broken/quux", &host).contains("plugins doctor"));
    host.0.findings.push(finding("worse", Severity::Error));
    insta::assert_snapshot!(complaint("quux", &host), @"
    No step is called `quux`.
    hint: 2 problems were found in what is installed, which may hide the step: `text-processor plugins doctor` shows them.
    ");
}

#[test]
fn the_nearest_name_is_near() {
    let names = ["trim", "trim-lines", "length", "redact"];
    assert_eq!(nearest("trim_lines", names).as_deref(), Some("trim-lines"));
    assert_eq!(nearest("lines-trim", names).as_deref(), Some("trim-lines"));
    assert_eq!(nearest("lenght", names).as_deref(), Some("length"));
    assert_eq!(nearest("capitalize", names), None);
    assert_eq!(nearest("", names), None);
}

proptest! {
    #[test]
    fn folding_is_idempotent(name in any::<String>()) {
        let once = fold(&name);
        prop_assert_eq!(fold(&once), once);
    }

    #[test]
    fn separators_and_case_make_no_difference(words in prop::collection::vec("[a-z]{1,5}", 1..4), separators in "[-_.]{1,3}") {
        prop_assert_eq!(fold(&words.join(&separators).to_uppercase()), words.join("-"));
    }

    #[test]
    fn looking_up_any_name_ends_without_panic(name in any::<String>()) {
        let _ = resolve(&name, &installed());
    }
}
