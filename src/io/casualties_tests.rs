//! The lines of the quarantine and of the rejected: everything that is needed to understand a record and to run it again.

use super::super::tests::{decoded, layout};
use super::*;
use crate::io::InputLocation;
use serde_json::{Value, json};

fn encoder(source: Format) -> CasualtyEncoder {
    let input = Input {
        location: InputLocation::Standard,
        name: "in\\xff.jsonl".to_owned(),
    };
    let step = StepLabel {
        name: "acme-filters/min-words".to_owned(),
        distribution: Some("acme-filters 1.2.0".to_owned()),
    };
    CasualtyEncoder::new(&layout(source, Format::Jsonl), &[input], vec![step])
}

fn lines(source: Format, batch: &Batch) -> Vec<Value> {
    let encoder = encoder(source);
    let mut out = Vec::new();
    for casualty in &batch.casualties {
        encoder.encode(batch, casualty, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_rejected_record_keeps_its_object_as_it_was_spelled() {
    let mut batch = decoded(
        &layout(Format::Jsonl, Format::Jsonl),
        b"\n{\"n\": 1.00,\"id\":\"\\u00e9\",\"text\":\"a\"} \r\n",
    );
    batch.casualties.clear();
    batch.reject(1, Some(0), "too_short".into());
    let encoder = encoder(Format::Jsonl);
    let mut out = Vec::new();
    encoder.encode(&batch, &batch.casualties[0], &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"input\":\"in\\\\xff.jsonl\",\"ordinal\":1,\"offset\":1,\"id\":\"\\u00e9\",\"step\":\"acme-filters/min-words\",\
         \"distribution\":\"acme-filters 1.2.0\",\"reason\":\"too_short\",\
         \"record\":{\"n\": 1.00,\"id\":\"\\u00e9\",\"text\":\"a\"}}\n"
    );
    assert_eq!(encoder.identity(&batch, &batch.sources[1]).as_deref(), Some("é"));
    assert_eq!(encoder.identity(&batch, &batch.sources[0]), None);
}

#[test]
fn a_failed_step_says_what_it_raised() {
    let mut batch = decoded(&layout(Format::Text, Format::Text), b"a b\r\n");
    let parts = [0..1, 2..3].map(|range| (0, batch.slice(batch.rows[0].text, range)));
    batch.replace_rows(&parts);
    let mut failure = Failure::new(FailureKind::StepError, "It broke.").with_hint("Mend it.");
    failure.error_type = Some("ValueError".to_owned());
    failure.traceback = Some("line 1\nline 2".to_owned());
    batch.quarantine(1, Some(0), failure);
    assert_eq!(
        lines(Format::Text, &batch),
        [json!({
            "input": "in\\xff.jsonl", "ordinal": 0, "offset": 0, "part": 1,
            "step": "acme-filters/min-words", "distribution": "acme-filters 1.2.0",
            "kind": "step_error", "error": "ValueError", "message": "It broke.", "hint": "Mend it.",
            "traceback": "line 1\nline 2", "text": "a b",
        })]
    );
}

#[test]
fn what_is_not_json_is_kept_byte_for_byte() {
    let input: &[u8] = b"{broken\n{\"text\":\"\xff\"}\n\n{\"text\":\"\\ud800\"}\n{\"id\":7}\n[1]\n{\"a\":1,\"a\":2}";
    let batch = decoded(&layout(Format::Jsonl, Format::Jsonl), input);
    let mut found = lines(Format::Jsonl, &batch);
    found.sort_by_key(|line| line["ordinal"].as_u64());
    let kept: Vec<(&str, &Value)> = found
        .iter()
        .map(|line| {
            let kind = line.get("kind").or(line.get("reason")).and_then(Value::as_str).unwrap();
            (kind, line.get("bytes_base64").or(line.get("record")).unwrap())
        })
        .collect();
    assert_eq!(
        kept,
        [
            ("json", &json!("e2Jyb2tlbg==")),
            ("utf8", &json!("eyJ0ZXh0Ijoi/yJ9")),
            ("blank_line", &json!("")),
            ("surrogate", &json!("eyJ0ZXh0IjoiXHVkODAwIn0=")),
            ("missing_field", &json!({"id": 7})),
            ("not_object", &json!([1])),
            ("duplicate_key", &json!("eyJhIjoxLCJhIjoyfQ==")),
        ]
    );
    assert_eq!(found[4]["id"], 7);
    assert!(found.iter().all(|line| line.get("step").is_none()));
}

#[test]
fn what_was_not_loaded_has_its_length_and_hash() {
    let mut batch = Batch::new();
    batch.raw_mut().extend_from_slice(b"xx");
    (batch.first_ordinal, batch.first_offset) = (3, 77);
    let mut out = Vec::new();
    let unread = Unread::Record {
        length: 99,
        hash: "ab".to_owned(),
    };
    encoder(Format::Text).encode_unread(&batch, &unread, &mut out);
    assert_eq!(
        serde_json::from_slice::<Value>(&out).unwrap(),
        json!({
            "input": "in\\xff.jsonl", "ordinal": 3, "offset": 77, "kind": "record_too_large",
            "message": "The record has 99 bytes, more than the limit of 16777216; it was not loaded.",
            "length": 99, "hash": "blake3:ab", "bytes_base64": "eHg=",
        })
    );
    out.clear();
    batch.raw_mut().clear();
    let segment = Unread::Segment(Box::new(Failure::new(FailureKind::Segment, "Lost.")));
    encoder(Format::Text).encode_unread(&batch, &segment, &mut out);
    assert_eq!(
        serde_json::from_slice::<Value>(&out).unwrap(),
        json!({"input": "in\\xff.jsonl", "offset": 77, "kind": "segment", "message": "Lost."})
    );
}

#[test]
fn base64_is_the_usual_one() {
    for (bytes, expected) in [
        (&b""[..], ""),
        (b"f", "Zg=="),
        (b"fo", "Zm8="),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg=="),
        (b"\xff\xfe\xfd", "//79"),
    ] {
        let mut out = Vec::new();
        write_base64(bytes, &mut out);
        assert_eq!(out, expected.as_bytes());
    }
}
