//! Runs over tables: the columns beside the text, which steps ask for, add, and leave alone.

use super::*;

#[test]
fn fields_that_steps_add_are_columns_of_their_types() {
    let texts = [Some("ab"), None, Some("")];
    let made = process(vec![measure()], numbered(texts_as(&DataType::Utf8, &texts)));
    let column = |name: &str| made.column(name);
    assert_eq!(**column("bytes"), Int64Array::from(vec![Some(2), None, Some(0)]));
    assert_eq!(**column("half"), Float64Array::from(vec![Some(1.0), None, Some(0.0)]));
    assert_eq!(
        **column("empty"),
        BooleanArray::from(vec![Some(false), None, Some(true)])
    );
    assert_eq!(**column("first"), StringArray::from(vec![Some("a"), None, None]));
    assert_eq!(**column("all"), StringArray::from(vec![Some("[2]"), None, Some("[0]")]));
    assert!(column("half").as_primitive_opt::<Float64Type>().is_some());
    let names: Vec<&String> = made.schema.fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["n", "text", "bytes", "half", "empty", "first", "all"]);
}

#[test]
fn a_field_that_is_there_already_is_replaced_where_it_stands() {
    let table = table_of(vec![
        ("bytes", texts_as(&DataType::Utf8, &[Some("many"), Some("few")])),
        ("text", texts_as(&DataType::Utf8, &[Some("ab"), Some("")])),
    ]);
    let made = process(vec![measure()], table);
    assert_eq!(**made.column("bytes"), Int64Array::from(vec![2, 0]));
    assert_eq!(made.schema.field(0).name(), "bytes");
    assert_eq!(made.schema.fields().len(), 6);
}

#[test]
fn steps_are_given_the_columns_that_they_ask_for() {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("x"), None]);
    tags.append_null();
    tags.append_value([] as [Option<&str>; 0]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "truth",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ),
        ("small", Arc::new(Int8Array::from(vec![Some(-7), None, Some(1)]))),
        (
            "large",
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(5), None])),
        ),
        ("real", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(-1.0)]))),
        (
            "word",
            texts_as(
                &dictionary(DataType::Int8, DataType::Utf8),
                &[Some("a"), None, Some("")],
            ),
        ),
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None, Some(0)])),
        ),
        ("tags", Arc::new(tags.finish())),
        (
            "text",
            texts_as(&DataType::Utf8View, &[Some("0"), Some("1"), Some("2")]),
        ),
    ];
    let names = ["truth", "small", "large", "real", "word", "time", "tags"];
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let look = judge(Kind::Filter, &[], &names, move |_, asked| {
        note.lock().expect("a lock").push(asked.to_vec());
        Ok(Verdict::Keep)
    });
    process(vec![look], table_of(columns));
    let text = |text: &str| Value::Text(text.to_owned());
    let json = |json: &str| Value::Json(json.to_owned());
    let seen = seen.lock().expect("a lock");
    assert_eq!(
        seen[0],
        [
            Value::Boolean(true),
            Value::Integer(-7),
            json("18446744073709551615"),
            Value::Float(0.5),
            text("a"),
            text("1970-01-01T00:00:01.500"),
            json(r#"["x",null]"#)
        ]
    );
    assert_eq!(seen[1][2], Value::Integer(5));
    let nulls = [0, 1, 3, 4, 5, 6].map(|index: usize| seen[1][index].clone());
    assert!(nulls.iter().all(|value| *value == Value::Null), "{nulls:?}");
    assert_eq!(seen[2][6], json("[]"));
}

#[test]
fn a_column_that_a_step_needs_must_be_there_and_hold_what_it_can_be_given() {
    let ask = || judge(Kind::Filter, &[], &["tags"], |_, _| Ok(Verdict::Keep));
    let texts = || texts_as(&DataType::Utf8, &[Some("a")]);
    let told = |table: RecordBatch| {
        let made = process_with(vec![ask()], vec![table], Nulls::Keep, Fates::Out, &options());
        made.err().expect("an error").to_string()
    };
    assert!(
        told(table_of(vec![("text", texts())])).contains("asks for the field `tags`, and the table has no such column")
    );
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"a"[..]]));
    let table = table_of(vec![("text", texts()), ("tags", bytes)]);
    assert!(told(table).contains("whose column holds Binary, which a step cannot be given"));
}

#[test]
fn a_table_must_have_one_column_of_texts() {
    let numbers = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let texts = || texts_as(&DataType::Utf8, &[Some("a")]);
    let told = |columns: Vec<(&str, ArrayRef)>| {
        let made = process_with(Vec::new(), vec![table_of(columns)], Nulls::Keep, Fates::Out, &options());
        made.err().expect("an error").to_string()
    };
    assert_eq!(
        told(vec![("texts", texts()), ("n", numbers())]),
        "The table has no column `text`, which should hold the text; it has the columns `texts`, `n`. Did you mean `texts`?"
    );
    assert!(told(vec![("text", numbers())]).contains("must hold texts"));
    assert!(told(vec![("text", texts()), ("text", texts())]).contains("more than one column `text`"));
}

#[test]
fn schema_and_field_metadata_survive() {
    let metadata = |key: &str| HashMap::from([(key.to_owned(), "kept".to_owned())]);
    let fields = vec![
        Field::new("text", DataType::Utf8, true).with_metadata(metadata("text")),
        Field::new("n", DataType::Int64, false).with_metadata(metadata("n")),
    ];
    let schema = Arc::new(Schema::new_with_metadata(fields.clone(), metadata("schema")));
    let columns: Vec<ArrayRef> = vec![
        texts_as(&DataType::Utf8, &[Some(" a ")]),
        Arc::new(Int64Array::from(vec![1])),
    ];
    let table = RecordBatch::try_new(schema, columns).expect("a table");
    let made = process(vec![built_in("trim", "{}"), measure()], table);
    assert_eq!(made.table().schema().metadata(), &metadata("schema"));
    assert_eq!(made.schema.field(0), &fields[0]);
    assert_eq!(made.schema.field(1), &fields[1]);
}

#[test]
fn columns_that_nothing_has_changed_are_the_same_memory() {
    let texts: Vec<String> = (0..50_000).map(|number| format!("text number {number}")).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    for r#type in text_types().into_iter().filter(|r#type| TextType::of(r#type).is_some()) {
        if matches!(&r#type, DataType::Dictionary(keys, _) if **keys == DataType::Int8) {
            continue;
        }
        let table = numbered(texts_as(&r#type, &texts));
        let kept = process(
            vec![built_in("trim", "{}"), built_in("length", r#"{"minimum": 1}"#)],
            table.clone(),
        );
        let changed = process(vec![step(Kind::Map, Runtime::Rust, shout)], table.clone());
        let same = |made: &Made, column: usize| {
            made.table()
                .column(column)
                .to_data()
                .ptr_eq(&table.column(column).to_data())
        };
        assert!(same(&kept, 0) && same(&kept, 1) && same(&changed, 0), "{type}");
        assert!(!same(&changed, 1));
    }
}
