//! What a batch promises: its layout, its memory, and what follows a row that is moved.

use super::*;
use arrow_buffer::Buffer;

fn batch_of(texts: &[&str]) -> Batch {
    let mut batch = Batch::new();
    for text in texts {
        batch.raw_mut().extend_from_slice(text.as_bytes());
    }
    let mut start = 0;
    for (index, text) in texts.iter().enumerate() {
        let raw = Span::new(start..start + text.len());
        start += text.len();
        let original = batch.view_of_raw(raw).expect("UTF-8");
        batch.sources.push(SourceRecord {
            ordinal: index as u64,
            raw,
            original,
            ..SourceRecord::default()
        });
        batch.rows.push(Row {
            source: index as u32,
            text: original,
            ..Row::default()
        });
    }
    batch
}

#[test]
fn texts_that_were_adopted_are_viewed_between_characters() {
    let mut batch = Batch::new();
    let bytes = "head|äöü|tail".as_bytes().to_vec();
    let adopted = batch.adopt(bytes, 5..11).expect("UTF-8");
    let view = batch.view_of_adopted(&adopted, 2..6).expect("a text");
    assert_eq!(batch.text(view).spelled(), "öü");
    for part in [1..6, 0..3, 0..7, 7..7] {
        assert!(batch.view_of_adopted(&adopted, part).is_none());
    }
    assert!(batch.adopt(b"head\xfftail".to_vec(), 0..9).is_err());
}

#[test]
fn what_is_lent_comes_back_when_nobody_else_has_it() {
    let mut batch = batch_of(&["one", "two"]);
    let address = batch.raw().as_ptr();
    let (bytes, capacity) = (batch.bytes(), batch.capacity());
    let lent = batch.lend(0);
    assert_eq!((lent.as_ptr(), batch.raw().as_ptr()), (address, address));
    assert_eq!(
        (batch.bytes(), batch.capacity()),
        (bytes, capacity),
        "it is still the batch's own"
    );
    // Somebody has it still, so that the bytes which are kept are a copy.
    batch.restart(3);
    assert_eq!((batch.raw(), &lent[..]), (&b"one"[..], &b"onetwo"[..]));
    drop(lent);
    let address = batch.raw().as_ptr();
    drop(batch.lend(0));
    batch.restart(3);
    assert_eq!((batch.raw(), batch.raw().as_ptr()), (&b"one"[..], address));
    drop(batch.lend(0));
    batch.clear();
    assert!(batch.capacity() >= 3, "its memory is used again");
}

#[test]
fn a_batch_is_an_arrow_column_without_copying_a_text() {
    use arrow_array::{Array, StringViewArray, builder::make_view};
    use arrow_buffer::ScalarBuffer;
    let mut batch = batch_of(&["short", "a text that is longer than twelve bytes"]);
    let mut writer = batch.open();
    let written = writer.push("another text of more than twelve bytes");
    batch.close(writer);
    batch.rows[0].text = written;
    let addresses: Vec<*const u8> = batch.buffers.iter().map(|bytes| bytes.as_ptr()).collect();
    let views: ScalarBuffer<u128> = batch
        .rows
        .iter()
        .map(|row| {
            let (buffer, offset, _) = Batch::parts(row.text);
            make_view(batch.text(row.text).spelled().as_bytes(), buffer, offset)
        })
        .collect();
    let expected: Vec<String> = (0..2).map(|row| batch.row_text(row).spelled().to_owned()).collect();
    let buffers: Vec<Buffer> = (0..2).map(|buffer| batch.hand_over(buffer)).collect();
    let column = StringViewArray::new(views, buffers, None);
    assert_eq!(
        column.iter().map(|text| text.unwrap().to_owned()).collect::<Vec<_>>(),
        expected
    );
    let shared: Vec<*const u8> = column.data_buffers().iter().map(Buffer::as_ptr).collect();
    assert_eq!(shared, addresses);
    assert_eq!(column.len(), 2);
}

#[test]
fn a_slice_moves_the_view_only() {
    let batch = batch_of(&["  grüße  "]);
    let view = batch.slice(batch.rows[0].text, 2..9);
    assert_eq!(batch.text(view).spelled(), "grüße");
    assert_eq!(Batch::parts(view).0, 0);
}

#[test]
#[should_panic(expected = "is_char_boundary")]
fn a_slice_never_cuts_a_character() {
    let batch = batch_of(&["ü"]);
    let _ = batch.slice(batch.rows[0].text, 1..2);
}

#[test]
fn casualties_and_fields_follow_their_rows_through_a_split() {
    let mut batch = batch_of(&["a b", "c", "d e"]);
    batch.set_field(0, 2, Value::Integer(7));
    batch.reject(1, Some(0), "because".into());
    let part = |batch: &Batch, row: u32, range| (row, batch.slice(batch.rows[row as usize].text, range));
    let parts = [
        part(&batch, 0, 0..1),
        part(&batch, 0, 2..3),
        part(&batch, 1, 0..1),
        part(&batch, 2, 0..1),
        part(&batch, 2, 2..3),
    ];
    batch.replace_rows(&parts);
    assert_eq!(
        (0..5).map(|row| batch.row_text(row).spelled()).collect::<Vec<_>>(),
        ["a", "b", "c", "d", "e"]
    );
    assert_eq!(
        batch.rows.iter().map(|row| row.part).collect::<Vec<_>>(),
        [0, 1, 0, 0, 1]
    );
    assert_eq!(batch.casualties[0].row, 2);
    assert_eq!(batch.field(0, 0), &Value::Missing);
    assert_eq!(
        (batch.field(0, 3), batch.field(0, 4)),
        (&Value::Integer(7), &Value::Integer(7))
    );
}

#[test]
fn a_cleared_batch_keeps_its_memory_but_not_a_huge_one() {
    let mut batch = batch_of(&["x"]);
    batch.clear();
    batch.raw_mut().resize(KEPT_CAPACITY * 2, b'x');
    batch.clear();
    assert!(batch.raw_mut().capacity() <= KEPT_CAPACITY);
}
