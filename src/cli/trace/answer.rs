//! A trace as JSON Lines: one object per text, nothing shortened.

use crate::engine::{TraceEntry, TraceOutcome};
use crate::record::Value;
use serde_json::{Map, json};

/// One text and what each step made of it.
pub(super) fn line(input: Option<&str>, ordinal: Option<u64>, text: &str, entries: &[TraceEntry]) -> String {
    let steps: Vec<serde_json::Value> = entries.iter().map(step).collect();
    json!({ "input": input, "ordinal": ordinal, "text": text, "steps": steps }).to_string()
}

/// A record that has no text.
pub(super) fn unusable(input: &str, ordinal: u64, reason: &str) -> String {
    json!({ "input": input, "ordinal": ordinal, "text": null, "message": reason }).to_string()
}

fn step(entry: &TraceEntry) -> serde_json::Value {
    let mut object = Map::new();
    object.insert("step".into(), entry.step.as_str().into());
    object.insert("before".into(), entry.before.as_str().into());
    let (outcome, details) = match &entry.outcome {
        TraceOutcome::Text(text) => ("text", vec![("after", json!(text))]),
        TraceOutcome::Kept => ("kept", vec![]),
        TraceOutcome::Rejected(reason) => ("rejected", vec![("reason", json!(reason))]),
        TraceOutcome::Annotated(fields) => {
            let fields: Map<_, _> = fields
                .iter()
                .map(|(name, field)| (name.clone(), value(field)))
                .collect();
            ("annotated", vec![("fields", json!(fields))])
        }
        TraceOutcome::Split(parts) => ("split", vec![("parts", json!(parts))]),
        TraceOutcome::Failed(kind, message) => ("failed", vec![("kind", json!(kind)), ("message", json!(message))]),
    };
    object.insert("outcome".into(), outcome.into());
    for (key, detail) in details {
        object.insert(key.into(), detail);
    }
    object.insert("nanoseconds".into(), entry.nanoseconds.into());
    serde_json::Value::Object(object)
}

/// The value of a field as JSON. What JSON cannot say is `null`, as in files.
pub(super) fn value(value: &Value) -> serde_json::Value {
    let mut json = Vec::new();
    value.write_json(&mut json);
    // A number that serde_json cannot keep is shown as it is spelled.
    serde_json::from_slice(&json).unwrap_or_else(|_| String::from_utf8_lossy(&json).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_keys() {
        let outcomes = [
            TraceOutcome::Text("b".into()),
            TraceOutcome::Kept,
            TraceOutcome::Annotated(vec![
                ("language".into(), Value::Text("en".into())),
                ("tags".into(), Value::Json("[1, {\"a\": null}]".into())),
            ]),
            TraceOutcome::Split(vec!["b".into()]),
            TraceOutcome::Rejected("too_short".into()),
            TraceOutcome::Failed("step_error".into(), "It failed.".into()),
        ];
        let entries = outcomes.map(|outcome| TraceEntry {
            step: "s".into(),
            before: "a".into(),
            outcome,
            nanoseconds: 5,
        });
        let written = line(Some("in.txt"), Some(3), "a", &entries);
        assert!(!written.contains('\n'));
        let lines = written.replace("{\"step\"", "\n{\"step\"");
        insta::assert_snapshot!(lines, @r#"
        {"input":"in.txt","ordinal":3,"text":"a","steps":[
        {"step":"s","before":"a","outcome":"text","after":"b","nanoseconds":5},
        {"step":"s","before":"a","outcome":"kept","nanoseconds":5},
        {"step":"s","before":"a","outcome":"annotated","fields":{"language":"en","tags":[1,{"a":null}]},"nanoseconds":5},
        {"step":"s","before":"a","outcome":"split","parts":["b"],"nanoseconds":5},
        {"step":"s","before":"a","outcome":"rejected","reason":"too_short","nanoseconds":5},
        {"step":"s","before":"a","outcome":"failed","kind":"step_error","message":"It failed.","nanoseconds":5}]}
        "#);
    }

    #[test]
    fn a_record_without_a_text_says_why() {
        insta::assert_snapshot!(unusable("in.txt", 3, "It is rejected: blank_line."), @r#"{"input":"in.txt","ordinal":3,"text":null,"message":"It is rejected: blank_line."}"#);
    }
}
