//! Runs over tables: texts of every type, and what becomes of them.

mod columns;

use super::*;
use crate::columns::{Fates, Nulls, TextType};
use crate::engine::{LEAST_MEMORY_BUDGET, TablePlan, TableRun, process_tables};
use crate::record::{Field as DeclaredField, FieldType};
use crate::step::Asked;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int8Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float64Array, Int8Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;

/// Texts that lie in a view, beside one, in several bytes per character, and nowhere.
const TEXTS: [Option<&str>; 7] = [
    Some(" a "),
    Some("a text that is longer than twelve bytes"),
    None,
    Some(""),
    Some(" grüße, die länger sind "),
    Some("7"),
    Some("a text that is longer than twelve bytes"),
];

fn dictionary(keys: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(keys), Box::new(values))
}

pub(super) fn text_types() -> Vec<DataType> {
    let mut types = vec![DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View];
    types.push(dictionary(DataType::Int8, DataType::Utf8));
    types.push(dictionary(DataType::UInt16, DataType::LargeUtf8));
    types.push(dictionary(DataType::Int32, DataType::Utf8View));
    types
}

pub(super) fn texts_as(r#type: &DataType, texts: &[Option<&str>]) -> ArrayRef {
    let plain: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    cast(&plain, r#type).expect("a type of texts")
}

pub(super) fn table_of(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .expect("a table")
}

/// A table of texts, numbered from 0.
pub(super) fn numbered(texts: ArrayRef) -> RecordBatch {
    let numbers = Int64Array::from_iter_values((0..).take(texts.len()));
    table_of(vec![("n", Arc::new(numbers)), ("text", texts)])
}

pub(super) fn options() -> RunOptions {
    Scene::new("in.txt", "").options
}

pub(super) struct Made {
    pub(super) tables: Vec<RecordBatch>,
    pub(super) schema: SchemaRef,
    pub(super) report: Report,
}

impl Made {
    pub(super) fn table(&self) -> &RecordBatch {
        assert_eq!(self.tables.len(), 1);
        &self.tables[0]
    }

    pub(super) fn column(&self, name: &str) -> &ArrayRef {
        self.table().column_by_name(name).expect("a column")
    }

    /// The values of a column as texts.
    pub(super) fn strings(&self, name: &str) -> Vec<Option<String>> {
        strings(self.column(name))
    }

    pub(super) fn numbers(&self) -> Vec<i64> {
        self.column("n").as_primitive::<Int64Type>().values().to_vec()
    }
}

pub(super) fn strings(column: &ArrayRef) -> Vec<Option<String>> {
    let plain = cast(column, &DataType::Utf8).expect("texts");
    plain
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect()
}

pub(super) fn process_with(
    steps: Vec<PipelineStep>,
    tables: Vec<RecordBatch>,
    nulls: Nulls,
    fates: Fates,
    options: &RunOptions,
) -> Result<Made> {
    let plan = plan(steps, OnError::Quarantine);
    let options = RunOptions {
        nulls,
        ..options.clone()
    };
    let table_plan = TablePlan::new(&plan, &tables[0].schema(), fates, &options)?;
    let schema = Arc::clone(table_plan.schema());
    let (tables, report) = process_tables(&plan, &table_plan, tables, &options, &mut ())?;
    let counts = report.counts;
    assert_eq!(counts.read, counts.out + counts.rejected + counts.quarantined);
    Ok(Made { tables, schema, report })
}

pub(super) fn process(steps: Vec<PipelineStep>, table: RecordBatch) -> Made {
    process_with(steps, vec![table], Nulls::Keep, Fates::Out, &options()).expect("tables")
}

/// A map that trims, or any other built-in.
fn built_in(name: &str, json: &str) -> PipelineStep {
    PipelineStep::given(crate::steps::testing::step(name, json))
}

type Judgement = dyn Fn(&str, &[Value]) -> Result<Verdict<'static>, Failure> + Send + Sync;

/// A step that looks at fields, or adds some.
struct Judge {
    declaration: Declaration,
    judge: Box<Judgement>,
}

impl Step for Judge {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        Configuration::new()
    }

    fn apply<'t>(&self, text: &'t str, asked: &[Value], _scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        (self.judge)(text, asked)
    }
}

fn judge(
    kind: Kind,
    adds: &[(&str, FieldType)],
    asks: &[&str],
    judge: impl Fn(&str, &[Value]) -> Result<Verdict<'static>, Failure> + Send + Sync + 'static,
) -> PipelineStep {
    let field = |&(name, r#type): &(&str, FieldType)| DeclaredField {
        name: name.to_owned(),
        r#type,
    };
    let asked = |name: &&str| Asked {
        name: (*name).to_owned(),
        required: true,
    };
    let declaration = Declaration {
        fields: adds.iter().map(field).collect(),
        asks: asks.iter().map(asked).collect(),
        ..Declaration::built_in("judge", kind, Stage::Transform, "")
    };
    let judge = Box::new(judge);
    PipelineStep::given(Arc::new(Judge { declaration, judge }))
}

fn failing_on(bad: &'static str) -> PipelineStep {
    judge(Kind::Filter, &[], &[], move |text, _| {
        if text == bad {
            return Err(Failure::new(FailureKind::StepError, "It is bad."));
        }
        Ok(Verdict::Keep)
    })
}

fn measure() -> PipelineStep {
    let fields = [
        ("bytes", FieldType::Integer),
        ("half", FieldType::Float),
        ("empty", FieldType::Boolean),
        ("first", FieldType::Text),
        ("all", FieldType::Json),
    ];
    judge(Kind::Annotate, &fields, &[], |text, _| {
        Ok(Verdict::Annotate(vec![
            Value::Integer(text.len().try_into().expect("a short text")),
            Value::Float(text.len() as f64 / 2.0),
            Value::Boolean(text.is_empty()),
            text.chars()
                .next()
                .map_or(Value::Null, |first| Value::Text(first.into())),
            Value::Json(format!("[{}]", text.len())),
        ]))
    })
}

pub(super) fn owned(texts: &[Option<&str>]) -> Vec<Option<String>> {
    texts.iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn texts_of_every_type_keep_it() {
    for r#type in text_types() {
        let made = process(vec![built_in("trim", "{}")], numbered(texts_as(&r#type, &TEXTS)));
        let expected = TEXTS.map(|text| text.map(str::trim));
        assert_eq!(made.strings("text"), owned(&expected), "{type}");
        assert_eq!(made.column("text").data_type(), &r#type);
        assert_eq!(made.report.counts.out, 7);
        let shouted = process(
            vec![step(Kind::Map, Runtime::Python, shout)],
            numbered(texts_as(&r#type, &TEXTS)),
        );
        let expected = TEXTS.map(|text| text.map(|text| format!("{text}!")));
        assert_eq!(shouted.strings("text"), expected.to_vec(), "{type}");
        assert_eq!(shouted.column("text").data_type(), &r#type);
    }
}

#[test]
fn a_part_of_a_table_is_read_where_it_begins() {
    for r#type in text_types() {
        let whole = numbered(texts_as(&r#type, &TEXTS));
        for (first, count) in [(1, 5), (4, 3), (2, 1), (6, 1)] {
            let made = process(vec![step(Kind::Map, Runtime::Rust, shout)], whole.slice(first, count));
            let expected: Vec<Option<String>> = TEXTS[first..first + count]
                .iter()
                .map(|text| text.map(|text| format!("{text}!")))
                .collect();
            assert_eq!(made.strings("text"), expected, "{type} from {first}");
            assert_eq!(usize::try_from(made.numbers()[0]), Ok(first));
        }
    }
}

#[test]
fn null_texts_are_kept_rejected_or_quarantined() {
    for r#type in text_types() {
        let run = |nulls, fates| {
            let table = numbered(texts_as(&r#type, &TEXTS));
            let steps = vec![step(Kind::Map, Runtime::Rust, shout)];
            process_with(steps, vec![table], nulls, fates, &options()).expect("tables")
        };
        assert_eq!(run(Nulls::Keep, Fates::Out).strings("text")[2], None);
        let rejected = run(Nulls::Reject, Fates::Out);
        assert_eq!(rejected.numbers(), [0, 1, 3, 4, 5, 6]);
        assert_eq!(rejected.report.rejected_by_reader["null_text"], 1);
        let quarantined = run(Nulls::Quarantine, Fates::All);
        assert_eq!(quarantined.report.quarantined_by_reader["field_type"], 1);
        assert_eq!(quarantined.strings("text")[2], None, "{type}");
        assert_eq!(quarantined.strings("fate")[2].as_deref(), Some("quarantined"));
        assert_eq!(quarantined.strings("reason")[2].as_deref(), Some("The text is null."));
    }
}

#[test]
fn a_null_in_the_values_of_a_dictionary_is_a_null_text() {
    let values = StringArray::from(vec![Some("one"), None, Some("two")]);
    let keys = Int8Array::from(vec![Some(0), Some(1), None, Some(2), Some(0)]);
    let texts: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys, Arc::new(values)));
    let made = process(
        vec![step(Kind::Map, Runtime::Rust, shout)],
        numbered(Arc::clone(&texts)),
    );
    let expected = [Some("one!"), None, None, Some("two!"), Some("one!")];
    assert_eq!(made.strings("text"), owned(&expected));
    let steps = vec![step(Kind::Map, Runtime::Rust, shout)];
    let rejected = process_with(steps, vec![numbered(texts)], Nulls::Reject, Fates::All, &options()).expect("tables");
    assert_eq!(rejected.report.counts.rejected, 2);
    assert_eq!(rejected.strings("text"), owned(&expected));
}

#[test]
fn a_dictionary_without_values_holds_nulls() {
    let values: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
    let texts: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(Int8Array::new_null(3), values));
    let made = process(vec![step(Kind::Map, Runtime::Rust, shout)], numbered(texts));
    assert_eq!(made.strings("text"), [None, None, None]);
}

#[test]
fn a_dictionary_that_grows_beyond_its_keys_is_told_of() {
    let texts: Vec<String> = (0..300).map(|number| format!("text {}", number % 100)).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    let table = numbered(texts_as(&dictionary(DataType::Int8, DataType::Utf8), &texts));
    let count = AtomicUsize::new(0);
    let steps = vec![step(Kind::Map, Runtime::Rust, move |_, scratch| {
        scratch
            .text
            .push_str(&count.fetch_add(1, Ordering::Relaxed).to_string());
        Ok(Verdict::Text(&scratch.text))
    })];
    let told = process_with(steps, vec![table], Nulls::Keep, Fates::Out, &options())
        .err()
        .expect("an error");
    assert!(matches!(told, Error::Config(_)), "{told:?}");
    assert_eq!(
        told.to_string(),
        "The steps make more different texts than the dictionary of the column `text` can number, whose type is \
         Dictionary(Int8, Utf8)."
    );
}

#[test]
fn records_that_do_not_go_out_are_left_out_or_told_of() {
    let steps = || {
        vec![
            built_in("trim", "{}"),
            failing_on("7"),
            built_in("length", r#"{"minimum": 1}"#),
        ]
    };
    for r#type in text_types() {
        let table = || vec![numbered(texts_as(&r#type, &TEXTS))];
        let out = process_with(steps(), table(), Nulls::Keep, Fates::Out, &options()).expect("tables");
        assert_eq!(out.numbers(), [0, 1, 2, 4, 6]);
        let counts = out.report.counts;
        assert_eq!((counts.out, counts.rejected, counts.quarantined), (5, 1, 1));
        let all = process_with(steps(), table(), Nulls::Keep, Fates::All, &options()).expect("tables");
        assert_eq!(all.numbers(), [0, 1, 2, 3, 4, 5, 6]);
        let mut expected = TEXTS.map(|text| text.map(str::trim));
        expected[3] = TEXTS[3];
        assert_eq!(all.strings("text"), owned(&expected), "{type}");
        let mut fates = ["out"; 7];
        (fates[3], fates[5]) = ("rejected", "quarantined");
        assert_eq!(all.strings("fate"), owned(&fates.map(Some)));
        let mut reasons = [None; 7];
        (reasons[3], reasons[5]) = (Some("too_short"), Some("It is bad."));
        assert_eq!(all.strings("reason"), owned(&reasons));
        let mut told = [None; 7];
        (told[3], told[5]) = (Some("length"), Some("judge"));
        assert_eq!(all.strings("step"), owned(&told));
        assert!(!all.schema.field_with_name("fate").expect("a field").is_nullable());
    }
}

#[test]
fn a_column_that_is_to_tell_of_fates_cannot_be_there_already() {
    let table = table_of(vec![
        ("text", texts_as(&DataType::Utf8, &TEXTS)),
        ("reason", texts_as(&DataType::Utf8, &TEXTS)),
    ]);
    let run = |fates| process_with(Vec::new(), vec![table.clone()], Nulls::Keep, fates, &options());
    assert!(run(Fates::Out).is_ok());
    let told = run(Fates::All).err().expect("an error").to_string();
    assert!(told.contains("`reason`"), "{told}");
}

#[test]
fn parts_of_a_split_have_the_columns_of_their_record() {
    let split = || {
        step(Kind::Split, Runtime::Rust, |text, _| {
            Ok(Verdict::Split(text.split_whitespace().map(str::to_owned).collect()))
        })
    };
    let texts = [Some("one two three"), None, Some("   "), Some("four"), Some("five bad")];
    for r#type in text_types() {
        let table = || vec![numbered(texts_as(&r#type, &texts))];
        let steps = || vec![split(), failing_on("bad"), built_in("length", r#"{"minimum": 4}"#)];
        let made = process_with(steps(), table(), Nulls::Keep, Fates::Out, &options()).expect("tables");
        assert_eq!(
            made.strings("text"),
            owned(&[Some("three"), None, Some("four")]),
            "{type}"
        );
        assert_eq!(made.numbers(), [0, 1, 3]);
        assert_eq!(made.report.parts_rejected, 2);
        let all = process_with(steps(), table(), Nulls::Keep, Fates::All, &options()).expect("tables");
        let expected = [Some("three"), None, Some("   "), Some("four"), Some("five bad")];
        assert_eq!(all.strings("text"), owned(&expected), "{type}");
        assert_eq!(all.numbers(), [0, 1, 2, 3, 4]);
        let split = process_with(vec![split()], table(), Nulls::Keep, Fates::Out, &options()).expect("tables");
        assert_eq!(split.numbers(), [0, 0, 0, 1, 3, 4, 4]);
    }
}

#[test]
fn a_text_beyond_the_limit_is_quarantined_and_kept_as_it_is() {
    let large = "x".repeat(100);
    for r#type in text_types() {
        let mut options = options();
        options.limits.record_bytes = 50;
        let texts = texts_as(&r#type, &[Some("a"), Some(&large), Some("b")]);
        let steps = vec![step(Kind::Map, Runtime::Rust, shout)];
        let made = process_with(steps, vec![numbered(texts)], Nulls::Keep, Fates::All, &options).expect("tables");
        assert_eq!(
            made.strings("text"),
            owned(&[Some("a!"), Some(&large), Some("b!")]),
            "{type}"
        );
        assert_eq!(made.report.quarantined_by_reader["record_too_large"], 1);
    }
}

#[test]
fn what_grows_far_beyond_its_table_is_processed_a_few_records_at_a_time() {
    let texts: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    let mut options = options();
    options.memory_budget = LEAST_MEMORY_BUDGET;
    for (workers, runtime) in [(1, Runtime::Rust), (4, Runtime::Python)] {
        options.workers = workers;
        let grow = step(Kind::Map, runtime, |text, scratch| {
            (0..2000).for_each(|_| scratch.text.push_str(text));
            Ok(Verdict::Text(&scratch.text))
        });
        let table = numbered(texts_as(&DataType::Utf8View, &texts));
        let made = process_with(vec![grow], vec![table], Nulls::Keep, Fates::Out, &options).expect("tables");
        let column = made.column("text").as_string_view();
        let lengths = column.iter().map(|text| text.map_or(0, str::len));
        assert!(lengths.eq(texts.iter().map(|text| text.map_or(0, str::len) * 2000)));
        assert_eq!(made.numbers().len(), 20_000);
    }
}

#[test]
fn tables_without_rows_or_columns_come_out_as_they_are() {
    let empty = numbered(texts_as(&DataType::Utf8, &[]));
    let made = process(vec![measure()], empty.clone());
    assert!(made.tables.is_empty());
    assert_eq!(made.schema.fields().len(), 7);
    assert_eq!(made.report.counts.read, 0);
    let one = numbered(texts_as(&DataType::Utf8, &[Some("a")]));
    let tables = vec![empty.clone(), one.clone(), empty, one];
    let made = process_with(Vec::new(), tables, Nulls::Keep, Fates::Out, &options()).expect("tables");
    assert_eq!(made.tables.len(), 2);
    let drop_all = vec![built_in("length", r#"{"minimum": 99}"#)];
    let made = process(drop_all, numbered(texts_as(&DataType::Utf8, &TEXTS[3..])));
    assert!(made.tables.is_empty());
}

#[test]
fn records_are_numbered_and_counted_over_all_tables_of_a_run() {
    let plan = plan(vec![failing_on("7")], OnError::Raise);
    let table = |texts: &[Option<&str>]| numbered(texts_as(&DataType::Utf8, texts));
    let schema = table(&TEXTS).schema();
    let options = RunOptions {
        nulls: Nulls::Reject,
        ..options()
    };
    let table_plan = TablePlan::new(&plan, &schema, Fates::Out, &options).expect("a plan for tables");
    let mut run = TableRun::new(&plan, table_plan, options).expect("a run");
    for _ in 0..3 {
        let made = run.process(&plan, vec![table(&TEXTS[..4])], &mut ()).expect("tables");
        assert_eq!(made[0].num_rows(), 3);
    }
    let counts = run.report().counts;
    assert_eq!((counts.read, counts.out, counts.rejected), (12, 9, 3));
    let error = run.process(&plan, vec![table(&TEXTS)], &mut ()).expect_err("an error");
    let Error::Record(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!((error.ordinal, error.input.as_deref()), (Some(17), Some("the table")));
    assert_eq!(run.report().counts.read, 12);
    assert_eq!(run.report().steps[0].entered, 9);
}

#[test]
fn the_policy_of_a_run_overrides_that_of_the_plan() {
    let table = || vec![numbered(texts_as(&DataType::Utf8, &TEXTS))];
    let raise = RunOptions {
        on_error: Some(OnError::Raise),
        ..options()
    };
    let made = process_with(vec![failing_on("7")], table(), Nulls::Keep, Fates::Out, &raise);
    assert!(matches!(made.err(), Some(Error::Record(_))));
}
