use super::super::channel::{AREAS, Channel, Side};
use super::super::memory::SharedMemory;
use super::*;
use crate::batch::Span;
use crate::error::{Failure, FailureKind};
use crate::step::{Declaration, Kind, Stage, Step};
use crate::steps::testing::messy_text;
use proptest::prelude::*;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// A step that nobody calls: messages only look at the numbers of its place.
struct Placeholder(Declaration);

impl Step for Placeholder {
    fn declaration(&self) -> &Declaration {
        &self.0
    }

    fn configuration(&self) -> crate::step::Configuration {
        crate::step::Configuration::new()
    }

    fn apply<'t>(
        &self,
        text: &'t str,
        _asked: &[Value],
        _scratch: &'t mut crate::step::Scratch<'_>,
    ) -> Result<crate::step::Verdict<'t>, Failure> {
        Ok(crate::step::Verdict::Text(text))
    }
}

fn placed(index: u16, asks: &[u16], adds: &[u16]) -> PlacedStep {
    PlacedStep {
        index,
        step: Arc::new(Placeholder(Declaration::built_in(
            "step",
            Kind::Map,
            Stage::Transform,
            "",
        ))),
        asks: asks.to_vec(),
        adds: adds.to_vec(),
    }
}

fn batch_of(texts: &[String]) -> Batch {
    let mut batch = Batch::new();
    for text in texts {
        batch.raw_mut().extend_from_slice(text.as_bytes());
    }
    let mut start = 0;
    for (row, text) in (0_u32..).zip(texts) {
        let span = Span::new(start..start + text.len());
        start += text.len();
        let original = batch.view_of_raw(span).expect("UTF-8");
        batch.sources.push(SourceRecord {
            ordinal: u64::from(row),
            original,
            ..SourceRecord::default()
        });
        batch.rows.push(Row {
            source: row,
            text: original,
            ..Row::default()
        });
    }
    batch
}

/// The bytes that somebody writes with a pen.
fn written(write: impl FnOnce(&mut Pen<'_>)) -> Vec<u8> {
    let (socket, _) = UnixStream::pair().expect("sockets");
    let channel = Channel::new(socket, Side::Engine);
    let (_, memory) = SharedMemory::create(AREAS).expect("memory");
    let mut pen = channel.pen(&memory, 0);
    write(&mut pen);
    let length = pen.len();
    let mut bytes = Vec::new();
    memory.read(0..length, &mut bytes);
    bytes
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Missing),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (-1e300..1e300_f64).prop_map(Value::Float),
        messy_text().prop_map(Value::Text),
        Just(Value::Json(r#"{"a":[1,"b"]}"#.to_owned())),
    ]
}

fn text_of(batch: &Batch, row: usize) -> String {
    batch.row_text(row).read(&mut String::new()).to_owned()
}

proptest! {
    #[test]
    fn a_request_arrives_as_it_was(records in prop::collection::vec((messy_text(), value()), 1..20), left_out in any::<u32>()) {
        let (texts, values): (Vec<String>, Vec<Value>) = records.into_iter().unzip();
        let mut batch = batch_of(&texts);
        for (row, value) in values.iter().enumerate() {
            batch.set_field(3, row, value.clone());
        }
        let rows: Vec<u32> = (0..texts.len() as u32).filter(|row| left_out & 1 << row == 0).collect();
        let task = Task { segment: 7, apart: left_out & 1 == 1 };
        let bytes = written(|pen| write_request(pen, &batch, &rows, task, &[placed(2, &[3], &[])]));
        let mut arrived = Batch::new();
        prop_assert_eq!(read_request(bytes, &mut arrived), Some(task));
        prop_assert_eq!(arrived.rows.len(), rows.len());
        for (place, row) in rows.iter().enumerate() {
            prop_assert_eq!(&text_of(&arrived, place), &texts[*row as usize]);
            prop_assert_eq!(arrived.field(3, place), &values[*row as usize]);
        }
    }

    #[test]
    fn a_reply_arrives_as_it_was(texts in prop::collection::vec(messy_text(), 1..20), added in value(), what in prop::collection::vec(0_u8..5, 20)) {
        let steps = [placed(4, &[], &[1])];
        let mut batch = batch_of(&texts);
        let mut parts: Vec<(u32, View)> = Vec::new();
        for (row, what) in (0_u32..).zip(&what).take(texts.len()) {
            let view = batch.rows[row as usize].text;
            parts.extend((0..=u32::from(*what == 4)).map(|_| (row, view)));
        }
        batch.replace_rows(&parts);
        for row in 0..batch.rows.len() {
            match what[batch.rows[row].source as usize] {
                0 => {}
                1 => {
                    let mut writer = batch.open();
                    batch.rows[row].text = writer.push("changed");
                    batch.close(writer);
                }
                2 => batch.reject(row, Some(4), "short".into()),
                3 => batch.quarantine(row, Some(4), Failure::new(FailureKind::BadReturn, "No.").with_hint("Yes.")),
                _ => batch.set_field(1, row, added.clone()),
            }
        }
        batch.tally(4).entered = 12;
        let bytes = written(|pen| write_reply(pen, &batch, &steps));
        let mut arrived = batch_of(&texts);
        let reply = Reply::read(bytes, texts.len(), &steps, &mut arrived).expect("a reply");
        prop_assert_eq!(reply.rows.len(), batch.rows.len());
        prop_assert_eq!(reply.tallies, [(4, 12, 0)]);
        for (row, told) in batch.rows.iter().zip(&reply.rows) {
            prop_assert_eq!(told.source, row.source);
            let changed = what[row.source as usize] == 1;
            prop_assert_eq!(told.text.map(|view| arrived.text(view).spelled().to_owned()), changed.then(|| "changed".to_owned()));
        }
        for (told, casualty) in reply.casualties.iter().zip(&batch.casualties) {
            prop_assert_eq!(format!("{told:?}"), format!("{casualty:?}"));
        }
        prop_assert_eq!(reply.casualties.len(), batch.casualties.len());
        for (field, row, value) in reply.fields {
            prop_assert_eq!(batch.field(field, row as usize), &value);
        }
    }

    #[test]
    fn garbage_is_no_reply_and_harms_nobody(texts in prop::collection::vec(messy_text(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let steps = [placed(0, &[], &[1])];
        let mut batch = batch_of(&texts);
        batch.set_field(1, 0, Value::Text("a".to_owned()));
        batch.reject(0, Some(0), "short".into());
        let bytes = written(|pen| write_reply(pen, &batch, &steps));
        let mut garbled = bytes.clone();
        let at = at.index(garbled.len());
        garbled[at] = byte;
        // One byte may be changed so that it is still a reply; it must never be one that breaks a promise.
        let mut target = batch_of(&texts);
        if let Some(reply) = Reply::read(garbled, texts.len(), &steps, &mut target) {
            prop_assert!(reply.rows.len() >= texts.len());
            for row in &reply.rows {
                if let Some(text) = row.text {
                    prop_assert!(std::str::from_utf8(target.text(text).spelled().as_bytes()).is_ok());
                }
            }
        }
        let cut = cut.index(bytes.len());
        prop_assert!(Reply::read(bytes[..cut].to_vec(), texts.len(), &steps, &mut batch_of(&texts)).is_none());
        prop_assert!(read_request(bytes[..cut].to_vec(), &mut Batch::new()).is_none() || cut >= REQUEST_TRAILER);
    }
}

#[test]
fn a_reply_to_another_request_is_none() {
    let steps = [placed(0, &[], &[])];
    let texts = ["one".to_owned(), "two".to_owned()];
    let bytes = written(|pen| write_reply(pen, &batch_of(&texts), &steps));
    assert!(Reply::read(bytes.clone(), 2, &steps, &mut batch_of(&texts)).is_some());
    for requested in [0, 1, 3] {
        assert!(Reply::read(bytes.clone(), requested, &steps, &mut batch_of(&texts)).is_none());
    }
    assert!(Reply::read(bytes, 2, &[placed(1, &[], &[])], &mut batch_of(&texts)).is_none());
}

#[test]
fn a_value_that_would_break_its_line_is_none() {
    for json in ["{", "[1,\n2]", ""] {
        let mut bytes = Vec::new();
        write_value(&Value::Json(json.to_owned()), &mut bytes);
        let length = bytes.len();
        assert!(read_value(&mut Cursor::new(&bytes, 0..length)).is_none(), "{json:?}");
    }
}
