//! What the tests of the built-in steps share.

use crate::error::{ConfigError, Failure};
use crate::step::{Cancel, Configuration, Scratch, Step, Verdict};
use proptest::prelude::*;
use std::sync::Arc;

fn configuration(json: &str) -> Configuration {
    serde_json::from_str(json).expect("the test's configuration is an object")
}

/// A step of a name, configured with JSON.
pub(crate) fn step(name: &str, json: &str) -> Arc<dyn Step> {
    let built_in = super::built_in(name).expect("the step is registered");
    (built_in.build)(&configuration(json)).unwrap_or_else(|error| panic!("{error}"))
}

/// The error of a configuration that is wrong.
pub(crate) fn build_error(name: &str, json: &str) -> ConfigError {
    let built_in = super::built_in(name).expect("the step is registered");
    match (built_in.build)(&configuration(json)) {
        Ok(_) => panic!("`{json}` was accepted"),
        Err(error) => error,
    }
}

/// Applies a step and looks at its verdict while the scratch is alive.
pub(crate) fn with_verdict<R>(step: &dyn Step, text: &str, look: impl FnOnce(Result<Verdict<'_>, Failure>) -> R) -> R {
    let cancel = Cancel::default();
    let mut scratch = Scratch {
        text: String::new(),
        cancel: &cancel,
    };
    look(step.apply(text, &[], &mut scratch))
}

/// What a step makes of a text.
pub(crate) fn apply_map(step: &dyn Step, text: &str) -> Result<String, Failure> {
    with_verdict(step, text, |verdict| {
        verdict.map(|verdict| match verdict {
            Verdict::Text(text) => text.to_owned(),
            other => panic!("a map returned {other:?}"),
        })
    })
}

/// What a step of a name makes of a text.
pub(crate) fn map(name: &str, json: &str, text: &str) -> String {
    apply_map(&*step(name, json), text).unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// The reason for which a filter rejects a text; `None` if it keeps it.
pub(crate) fn reason(name: &str, json: &str, text: &str) -> Option<String> {
    with_verdict(&*step(name, json), text, |verdict| match verdict {
        Ok(Verdict::Keep) => None,
        Ok(Verdict::Reject(reason)) => Some(reason.into_owned()),
        other => panic!("a filter returned {other:?}"),
    })
}

/// The laws of every cleaning step: a second time changes nothing, and a text that is not changed is the same slice.
pub(crate) fn assert_map_laws(name: &str, json: &str, text: &str) {
    let step = step(name, json);
    let assert_same_slice = |text: &str| {
        with_verdict(&*step, text, |verdict| match verdict {
            Ok(Verdict::Text(new)) => {
                assert_eq!(new, text, "`{name}` is idempotent");
                assert_eq!(
                    new.as_ptr(),
                    text.as_ptr(),
                    "`{name}` returns an unchanged text as the slice that came in"
                );
            }
            other => panic!("a map returned {other:?}"),
        });
    };
    let new = apply_map(&*step, text).unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_same_slice(&new);
    if new == text {
        assert_same_slice(text);
    }
}

/// Short texts in which what the cleaning steps look for is frequent.
pub(crate) fn messy_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ a-c]{1,3}",
        3 => "[\n\r\t ]{1,4}",
        1 => "[\u{0}\u{7}\u{b}\u{c}\u{1c}-\u{1f}\u{7f}\u{80}\u{85}\u{9f}\u{a0}\u{ad}\u{200b}\u{2003}\u{2028}\u{3000}\u{feff}\u{fffd}]{1,2}",
        1 => "[e\u{e9}\u{300}\u{301}\u{323}\u{345}\u{fb01}\u{212b}\u{1100}\u{1161}\u{11a8}\u{ac00}\u{fdfa}\u{1f468}]{1,3}",
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}
