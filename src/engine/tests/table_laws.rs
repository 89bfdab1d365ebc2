//! Tables that are damaged, and laws that hold for all others.

use super::tables::{numbered, options, owned, process, process_with, strings, table_of, text_types, texts_as};
use super::*;
use crate::columns::{Fates, Nulls};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray,
};
use arrow_buffer::ScalarBuffer;
use arrow_cast::cast;
use arrow_schema::DataType;

/// Bytes, and where each text of them lies.
const DAMAGED: [&[u8]; 6] = [
    b"one",
    b"\xff",
    b"gr\xc3\xbc\xc3\x9fe",
    b"a text of more than twelve bytes \xff, which is broken",
    b"\xc3",
    b"two",
];

/// Columns of bytes that only say of themselves that they are text.
#[expect(unsafe_code, reason = "what other programs hand over is not checked either")]
fn damaged() -> [ArrayRef; 2] {
    let bytes = BinaryArray::from(DAMAGED.to_vec());
    let views = BinaryViewArray::from(DAMAGED.to_vec());
    let (offsets, values, nulls) = bytes.into_parts();
    let (views, buffers, no_nulls) = views.into_parts();
    // SAFETY: It is not: some of the bytes are no UTF-8. Nothing here makes a `str` of them.
    unsafe {
        [
            Arc::new(StringArray::new_unchecked(offsets, values, nulls)),
            Arc::new(StringViewArray::new_unchecked(views, buffers, no_nulls)),
        ]
    }
}

fn bytes_of(texts: &ArrayRef) -> Vec<Vec<u8>> {
    let binary = match texts.data_type() {
        DataType::Utf8 => DataType::Binary,
        _ => DataType::BinaryView,
    };
    let bytes = cast(&cast(texts, &binary).expect("bytes"), &DataType::Binary).expect("bytes");
    let bytes = bytes.as_binary::<i32>();
    bytes.iter().map(|bytes| bytes.unwrap_or_default().to_vec()).collect()
}

#[test]
fn a_text_that_is_not_utf8_is_quarantined_alone() {
    for texts in damaged() {
        let run = |fates| {
            let steps = vec![step(Kind::Map, Runtime::Rust, shout)];
            process_with(
                steps,
                vec![numbered(Arc::clone(&texts))],
                Nulls::Keep,
                fates,
                &options(),
            )
            .expect("tables")
        };
        let out = run(Fates::Out);
        assert_eq!(
            out.strings("text"),
            owned(&[Some("one!"), Some("grüße!"), Some("two!")])
        );
        assert_eq!(out.report.quarantined_by_reader["utf8"], 3);
        let all = run(Fates::All);
        let expected = [
            &b"one!"[..],
            DAMAGED[1],
            "grüße!".as_bytes(),
            DAMAGED[3],
            DAMAGED[4],
            b"two!",
        ];
        assert_eq!(bytes_of(all.column("text")), expected);
        assert_eq!(all.column("text").data_type(), texts.data_type());
    }
}

#[test]
fn views_that_lead_outside_of_their_column_are_quarantined() {
    let good = StringViewArray::from(vec!["a text that is longer than twelve bytes", "short"]);
    let (views, buffers, nulls) = good.into_parts();
    let mut views = views.to_vec();
    // The buffer's number stands in the third quarter of a view, the offset in the fourth.
    views.extend([views[0] | 7 << 64, views[0] | 1000 << 96]);
    #[expect(unsafe_code, reason = "what other programs hand over is not checked either")]
    // SAFETY: It is not: two views lead nowhere. Nothing here follows them.
    let texts = unsafe { StringViewArray::new_unchecked(ScalarBuffer::from(views), buffers, nulls) };
    let trim = PipelineStep::given(crate::steps::testing::step("trim", "{}"));
    let made = process(vec![trim], numbered(Arc::new(texts)));
    assert_eq!(made.numbers(), [0, 1]);
    assert_eq!(made.report.quarantined_by_reader["utf8"], 2);
}

/// A text, a number and a list of numbers, each of which may be null.
type AnyRow = (Option<String>, Option<i64>, Option<Vec<Option<i64>>>);

/// Any table of texts with other columns beside them, in parts.
fn any_table() -> impl Strategy<Value = Vec<RecordBatch>> {
    let text = proptest::option::of("\\PC{0,20}");
    let row = (
        text,
        any::<Option<i64>>(),
        proptest::option::of(proptest::collection::vec(any::<Option<i64>>(), 0..3)),
    );
    let rows = proptest::collection::vec(row, 0..40);
    let types = proptest::sample::select(text_types());
    (proptest::collection::vec(rows, 1..4), types, 0..3_usize).prop_map(|(parts, r#type, offset)| {
        let table = |rows: Vec<AnyRow>| {
            let texts: Vec<Option<&str>> = rows.iter().map(|(text, ..)| text.as_deref()).collect();
            let numbers: Int64Array = rows.iter().map(|(_, number, _)| *number).collect();
            let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(rows.iter().map(|(.., list)| list.clone()));
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("text", texts_as(&r#type, &texts)),
                ("numbers", Arc::new(numbers)),
                ("lists", Arc::new(lists)),
            ];
            let table = table_of(columns);
            let offset = offset.min(table.num_rows());
            table.slice(offset, table.num_rows() - offset)
        };
        parts.into_iter().map(table).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_empty_plan_returns_an_equal_table_that_shares_its_memory(tables in any_table()) {
        let made = process_with(Vec::new(), tables.clone(), Nulls::Keep, Fates::Out, &options()).expect("tables");
        let expected: Vec<&RecordBatch> = tables.iter().filter(|table| table.num_rows() > 0).collect();
        prop_assert_eq!(made.tables.iter().collect::<Vec<_>>(), expected.clone());
        for (made, given) in made.tables.iter().zip(expected) {
            for (made, given) in made.columns().iter().zip(given.columns()) {
                prop_assert!(made.to_data().ptr_eq(&given.to_data()));
            }
        }
    }

    #[test]
    fn a_text_becomes_the_same_in_any_column(tables in any_table()) {
        let steps = || vec![step(Kind::Map, Runtime::Rust, shout)];
        let made = process_with(steps(), tables.clone(), Nulls::Keep, Fates::Out, &options()).expect("tables");
        let expected: Vec<Option<String>> = tables
            .iter()
            .flat_map(|table| strings(table.column(0)))
            .map(|text| text.map(|text| format!("{text}!")))
            .collect();
        let found: Vec<Option<String>> = made.tables.iter().flat_map(|table| strings(table.column(0))).collect();
        prop_assert_eq!(found, expected);
    }
}
