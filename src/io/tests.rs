//! The way from source to sink: what is read and not changed is written byte for byte, whatever the size of a batch.

use super::*;
use crate::batch::{Ending, State, Unread, View};
use crate::error::FailureKind;
use crate::record::{Spelling, Value};
use crate::step::Cancel;
use proptest::prelude::*;
use std::io::Write as _;

pub(super) fn layout(source: Format, sink: Format) -> Layout {
    Layout {
        text: "text".to_owned(),
        id: "id".to_owned(),
        fields: Vec::new(),
        source,
        sink,
        limits: Limits::default(),
    }
}

pub(super) fn field(name: &str, added_by: Option<u16>, from_source: bool) -> PlanField {
    PlanField {
        name: name.to_owned(),
        added_by,
        from_source,
    }
}

/// A file with these bytes, as an input. The file lives as long as the first of the pair.
pub(super) fn input_of(bytes: &[u8], suffix: &str) -> (tempfile::NamedTempFile, Input) {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().expect("a file");
    file.write_all(bytes).expect("room on the disk");
    let path = file.path().to_owned();
    let input = Input {
        name: "in".to_owned(),
        location: InputLocation::File(path),
    };
    (file, input)
}

pub(super) fn decoded(layout: &Layout, bytes: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.raw_mut().extend_from_slice(bytes);
    decoder(layout).decode(&mut batch);
    batch
}

/// Everything that comes out of a file if `change` is done to each batch.
fn through(layout: &Layout, bytes: &[u8], size: usize, mut change: impl FnMut(&mut Batch)) -> Vec<u8> {
    let (_file, input) = input_of(bytes, "");
    let mut source = open_source(&input, layout.source, layout.limits, &Cancel::default()).expect("a source");
    let decoder = decoder(layout);
    let encoder = encoder(layout, &[input]);
    let mut batch = Batch::new();
    let mut out = Vec::new();
    let mut last = LastLine::Nothing;
    let (mut ordinal, mut offset) = (0, None);
    loop {
        batch.clear();
        if !source.fill(&mut batch, size, u64::MAX).expect("a batch") {
            return out;
        }
        assert!(batch.unread.is_none());
        assert_eq!(batch.first_ordinal, ordinal);
        assert!(offset.is_none_or(|offset| offset == batch.first_offset));
        offset = Some(batch.first_offset + batch.raw().len() as u64);
        decoder.decode(&mut batch);
        ordinal += batch.sources.len() as u64;
        change(&mut batch);
        encoder.check(&mut batch);
        if last == LastLine::Unterminated {
            out.push(b'\n');
        }
        last = encoder.encode(&batch, &mut out);
    }
}

fn kinds(batch: &Batch) -> Vec<(u32, FailureKind)> {
    let failures = batch.casualties.iter().filter_map(|casualty| match &casualty.ending {
        Ending::Failed(failure) => Some((casualty.row, failure.kind)),
        Ending::Rejected(_) => None,
    });
    failures.collect()
}

fn text_of(batch: &Batch, row: usize) -> String {
    batch.row_text(row).read(&mut String::new()).to_owned()
}

/// Gives every text of a batch a new text.
fn rewrite(batch: &mut Batch, new: impl Fn(&str) -> String) {
    let mut writer = batch.open();
    let texts: Vec<View> = batch
        .rows
        .iter()
        .map(|row| writer.push(&new(batch.text(row.text).read(&mut String::new()))))
        .collect();
    batch.close(writer);
    for (row, text) in batch.rows.iter_mut().zip(texts) {
        row.text = text;
    }
}

/// The inside of a JSON string.
fn spelled(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn jsonl_line() -> impl Strategy<Value = String> {
    let escape = prop_oneof![Just(""), Just("\\u00e9\\n"), Just("\\ud83d\\ude00")];
    ("[ \t]{0,2}", any::<String>(), any::<i64>(), escape, "\r?").prop_map(|(space, text, number, escape, end)| {
        let text = spelled(&text);
        format!("{space}{{\"n\":{space}{number}.50E+01 ,\"text\":\"{escape}{text}\"{space},\"z\":[{{}}]}}{end}\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_lines_come_out_as_they_went_in(text in "[a-c\r\n\u{2028}\u{e9}\0]{0,60}", size in 1_usize..64) {
        let out = through(&layout(Format::Text, Format::Text), text.as_bytes(), size, |_| {});
        prop_assert_eq!(out, text.into_bytes());
    }

    #[test]
    fn jsonl_comes_out_as_it_went_in(
        lines in prop::collection::vec(jsonl_line(), 0..6), size in 1_usize..64, terminated: bool,
    ) {
        let mut text = lines.concat();
        if !terminated && text.ends_with("\r\n") {
            text.truncate(text.len() - 2);
        } else if !terminated {
            text.pop();
        }
        let layout = layout(Format::Jsonl, Format::Jsonl);
        let out = through(&layout, text.as_bytes(), size, |_| {});
        prop_assert_eq!(String::from_utf8(out).unwrap(), text.clone());
        // A text that was made anew but is equal counts as unchanged.
        let out = through(&layout, text.as_bytes(), size, |batch| rewrite(batch, str::to_owned));
        prop_assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn a_changed_text_changes_nothing_else(texts in prop::collection::vec(any::<String>(), 1..5), new in any::<String>()) {
        let line = |text: &str| format!("{{\"a\": 1.00, \"text\": {}, \"b\": null}}\r\n", serde_json::to_string(text).unwrap());
        let before: String = texts.iter().map(|text| line(text)).collect();
        let out = through(&layout(Format::Jsonl, Format::Jsonl), before.as_bytes(), 20, |batch| {
            rewrite(batch, |text| format!("{text}{new}."));
        });
        let objects: Vec<serde_json::Value> =
            out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect();
        for (object, text) in objects.iter().zip(&texts) {
            prop_assert_eq!(object["text"].as_str().unwrap(), format!("{text}{new}."));
        }
        let out = String::from_utf8(out).unwrap();
        prop_assert_eq!(out.matches("{\"a\": 1.00, \"text\": \"").count(), texts.len());
        prop_assert_eq!(out.matches("\", \"b\": null}\r\n").count(), texts.len());
    }

    #[test]
    fn decoded_texts_are_what_serde_json_reads(text in any::<String>(), fancy: bool) {
        let inside = if fancy {
            text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat()
        } else {
            spelled(&text)
        };
        let batch = decoded(&layout(Format::Jsonl, Format::Jsonl), format!("{{\"text\":\"{inside}\"}}").as_bytes());
        prop_assert_eq!(text_of(&batch, 0), text);
    }

    #[test]
    fn text_becomes_objects(text in "[a-c\r\n\"]{0,40}", size in 1_usize..32) {
        let out = through(&layout(Format::Text, Format::Jsonl), text.as_bytes(), size, |_| {});
        let objects = String::from_utf8(out).unwrap();
        let expected: Vec<&str> = text.split_inclusive('\n').map(|line| {
            line.strip_suffix("\r\n").or(line.strip_suffix('\n')).unwrap_or(line)
        }).collect();
        prop_assert_eq!(objects.lines().count(), expected.len());
        for (ordinal, (object, text)) in objects.lines().zip(expected).enumerate() {
            let object: serde_json::Value = serde_json::from_str(object).unwrap();
            prop_assert_eq!(object, serde_json::json!({"id": format!("in:{ordinal}"), "text": text}));
        }
    }
}

#[test]
fn each_bad_line_fails_by_itself_and_says_why() {
    type Expected = Option<(FailureKind, &'static str)>;
    let lines: [(&[u8], Expected); 12] = [
        (b"{\"text\":\"good\"}", None),
        (
            b"{\"text\":",
            Some((FailureKind::Json, "expected a value at column 9, found the end")),
        ),
        (b"[1]", Some((FailureKind::NotObject, "column 1"))),
        (b"{\"id\":1}", Some((FailureKind::MissingField, "no field `text`"))),
        (
            b"{\"text\":null}",
            Some((FailureKind::FieldType, "at column 9, found `null`")),
        ),
        (b"{\"text\":[1]}", Some((FailureKind::FieldType, "found an array"))),
        (b"{\"text\":\"\"}", None),
        (
            b"{\"text\":\"a\",\"text\":\"b\"}",
            Some((FailureKind::DuplicateKey, "`text`")),
        ),
        (
            b"{\"text\":\"a\\ud800\"}",
            Some((FailureKind::Surrogate, "`\\ud800` at column 11")),
        ),
        (
            b"{\"text\":\"\\udc00\\ud800\"}",
            Some((FailureKind::Surrogate, "`\\udc00` at column 10")),
        ),
        (b"{\"text\":\"\xff\"}", Some((FailureKind::Utf8, "offset 9"))),
        (b"{\"te\\u0078t\":\"escaped key\"}", None),
    ];
    let input = lines.map(|(line, _)| line).join(&b'\n');
    let batch = decoded(&layout(Format::Jsonl, Format::Jsonl), &input);
    assert_eq!(batch.rows.len(), lines.len());
    for (row, (line, expected)) in lines.iter().enumerate() {
        let failure = batch.casualties.iter().find(|casualty| casualty.row as usize == row);
        let found = failure.map(|casualty| match &casualty.ending {
            Ending::Failed(failure) => (failure.kind, failure.message.as_str()),
            Ending::Rejected(reason) => panic!("rejected: {reason}"),
        });
        match (expected, found) {
            (None, None) => assert_eq!(batch.rows[row].state, State::Live),
            (Some((kind, part)), Some((found, message))) => {
                assert_eq!(found, *kind);
                assert!(message.contains(part), "{message}");
            }
            _ => panic!("{:?}: {found:?}", String::from_utf8_lossy(line)),
        }
    }
    assert_eq!(
        (text_of(&batch, 0), text_of(&batch, 6), text_of(&batch, 11)),
        ("good".to_owned(), String::new(), "escaped key".to_owned())
    );
}

#[test]
fn blank_lines_of_jsonl_are_rejected() {
    let batch = decoded(&layout(Format::Jsonl, Format::Jsonl), b"\n \t\r\n{\"text\":\"a\"}\n\n");
    let reasons: Vec<_> = batch
        .casualties
        .iter()
        .map(|casualty| (casualty.row, casualty.step))
        .collect();
    assert_eq!(reasons, [(0, None), (1, None), (3, None)]);
    assert!(
        batch
            .casualties
            .iter()
            .all(|casualty| matches!(&casualty.ending, Ending::Rejected(reason) if reason == "blank_line"))
    );
}

#[test]
fn a_text_is_not_copied_before_somebody_reads_it() {
    let batch = decoded(
        &layout(Format::Jsonl, Format::Jsonl),
        br#"{"text":"plain"}
{"text":"a\nb"}
{"text":"a\u00e9\nb"}"#,
    );
    assert_eq!(Batch::parts(batch.rows[0].text), (0, 9, 5));
    assert_eq!(Batch::parts(batch.rows[1].text), (0, 26, 4));
    assert_eq!(batch.row_text(1).spelling(), Spelling::Json);
    // Half of a surrogate pair would be found too late.
    assert_eq!(
        (Batch::parts(batch.rows[2].text).0, batch.row_text(2).spelling()),
        (1, Spelling::Plain)
    );
    assert_eq!(
        (text_of(&batch, 1).as_str(), text_of(&batch, 2).as_str()),
        ("a\nb", "a\u{e9}\nb")
    );
}

#[test]
fn one_bad_byte_costs_one_line_of_text() {
    let batch = decoded(
        &layout(Format::Text, Format::Text),
        b"one\ntw\xffo\nthr\0ee \xef\xbf\xbe\n",
    );
    assert_eq!(kinds(&batch), [(1, FailureKind::Utf8)]);
    assert_eq!(
        (text_of(&batch, 0), text_of(&batch, 2)),
        ("one".to_owned(), "thr\0ee \u{fffe}".to_owned())
    );
}

#[test]
fn fields_are_read_replaced_and_appended() {
    let mut layout = layout(Format::Jsonl, Format::Jsonl);
    layout.fields = vec![
        field("score", Some(0), true),
        field("language", Some(1), false),
        field("year", None, true),
    ];
    let input =
        b"{\"score\":0.50,\"text\":\"a\",\"year\":19999999999999999999}\r\n{\"language\":\"?\", \"text\":\"b\" }\n";
    let mut batch = decoded(&layout, input);
    assert_eq!(batch.field(0, 0), &Value::Float(0.5));
    assert_eq!(batch.field(2, 0), &Value::Json("19999999999999999999".to_owned()));
    assert_eq!(batch.field(1, 1), &Value::Missing);
    let mut out = Vec::new();
    encoder(&layout, &[]).encode(&batch, &mut out);
    assert_eq!(out, input, "nothing was changed yet");
    batch.set_field(1, 0, Value::Text("en".to_owned()));
    batch.set_field(1, 1, Value::Text("de".to_owned()));
    batch.set_field(0, 1, Value::Integer(7));
    rewrite(&mut batch, |text| format!("{text}\"{text}"));
    out.clear();
    encoder(&layout, &[]).encode(&batch, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"score\":0.50,\"text\":\"a\\\"a\",\"year\":19999999999999999999,\"language\":\"en\"}\r\n\
         {\"language\":\"de\", \"text\":\"b\\\"b\" ,\"score\":7}\n"
    );
}

#[test]
fn parts_of_a_split_repeat_the_other_fields() {
    let layout = layout(Format::Jsonl, Format::Jsonl);
    let mut batch = decoded(&layout, b"{\"id\":7,\"text\":\"a b\"}");
    let whole = batch.rows[0].text;
    let parts = [(0, batch.slice(whole, 0..1)), (0, batch.slice(whole, 2..3))];
    batch.replace_rows(&parts);
    let mut out = Vec::new();
    assert_eq!(encoder(&layout, &[]).encode(&batch, &mut out), LastLine::Unterminated);
    assert_eq!(out, b"{\"id\":7,\"text\":\"a\"}\n{\"id\":7,\"text\":\"b\"}");
}

#[test]
fn a_text_that_is_no_line_is_kept_out_of_a_text_file() {
    let layout = layout(Format::Jsonl, Format::Text);
    let mut batch = decoded(
        &layout,
        b"{\"text\":\"a\\nb\"}\n{\"text\":\"c\"}\r\n{\"text\":\"d\\r\"}\n{\"text\":\"\"}",
    );
    let encoder = encoder(&layout, &[]);
    encoder.check(&mut batch);
    assert_eq!(
        kinds(&batch),
        [(0, FailureKind::Unrepresentable), (2, FailureKind::Unrepresentable)]
    );
    let mut out = Vec::new();
    // Without its line end, the empty text at the end would be no line.
    assert_eq!(encoder.encode(&batch, &mut out), LastLine::Terminated);
    assert_eq!(out, b"c\r\n\n");
}

#[test]
fn one_file_in_gives_one_file_out() {
    let whole = layout(Format::File, Format::Text);
    for bytes in [&b""[..], b"\n", b"a\r\nb", b"a\n\n"] {
        for size in 1..4 {
            assert_eq!(
                through(&whole, bytes, size, |batch| assert_eq!(batch.rows.len(), 1)),
                bytes
            );
        }
    }
    let objects = layout(Format::File, Format::Jsonl);
    assert_eq!(
        through(&objects, b"a\nb", 1, |_| {}),
        b"{\"id\":\"in:0\",\"text\":\"a\\nb\"}\n"
    );
    let batch = decoded(&whole, b"a\xffb");
    assert_eq!(kinds(&batch), [(0, FailureKind::Utf8)]);
}

#[test]
fn the_order_mark_is_left_out_once() {
    let text = layout(Format::Text, Format::Text);
    assert_eq!(
        through(&text, b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", 1, |_| {}),
        b"a\n\xef\xbb\xbfb\n"
    );
    let (_file, input) = input_of(b"\xef\xbb\xbfa\n", ".txt");
    let mut batch = Batch::new();
    let mut source = open_source(&input, Format::Text, Limits::default(), &Cancel::default()).unwrap();
    assert!(source.fill(&mut batch, 100, u64::MAX).unwrap());
    assert_eq!((batch.raw(), batch.first_offset), (&b"a\n"[..], 3));
    assert!(
        batch
            .unread
            .as_ref()
            .is_none_or(|unread| matches!(unread, Unread::Record { .. }))
    );
}

#[test]
fn names_tell_the_format() {
    for (name, expected) in [
        ("a.jsonl", Format::Jsonl),
        ("a.NDJSON.gz", Format::Jsonl),
        ("a.jsonl.zst", Format::Jsonl),
        ("a.txt.gz", Format::Text),
        ("a.gz", Format::Text),
        ("jsonl", Format::Text),
    ] {
        assert_eq!(Format::from_name(Path::new(name)), expected, "{name}");
    }
}
