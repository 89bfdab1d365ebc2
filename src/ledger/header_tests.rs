//! What differs between what a run was and what it is.

use super::*;

#[test]
fn each_change_is_named_with_both_values() {
    type Change = fn(&mut Header);
    let changes: [(Change, &str, &str, &str); 10] = [
        (
            |header| header.version = "0.2.0".into(),
            "the version of text-processor",
            "0.1.0",
            "0.2.0",
        ),
        (
            |header| header.plan.steps.clear(),
            "the list of steps",
            "`length`",
            "no step",
        ),
        (
            |header| {
                header.plan.steps[0].configuration.insert("minimum".into(), 3.into());
            },
            "`minimum` of step `length`",
            "`2`",
            "`3`",
        ),
        (
            |header| {
                header.plan.steps[0].configuration.insert("maximum".into(), 9.into());
            },
            "`maximum` of step `length`",
            "not set",
            "`9`",
        ),
        (
            |header| header.plan.steps[0].files = Some("abc".into()),
            "the fingerprint of the files of step `length`",
            "unknown",
            "`abc`",
        ),
        (
            |header| header.plan.on_error = "raise".into(),
            "the error policy",
            "`quarantine`",
            "`raise`",
        ),
        (
            |header| header.options.shard_bytes = 7,
            "the size of a shard",
            "`1000`",
            "`7`",
        ),
        (
            |header| header.options.compression = Compression::Zstd,
            "the compression",
            "`none`",
            "`zstd`",
        ),
        (
            |header| header.inputs[0].size = Some(1),
            "the size of `in.jsonl`",
            "5000",
            "1",
        ),
        (
            |header| header.inputs[0].name = "b".into(),
            "input 1",
            "`in.jsonl`",
            "`b`",
        ),
    ];
    for (change, what, before, now) in changes {
        let mut now_header = example();
        change(&mut now_header);
        let expected = Difference {
            what: what.to_owned(),
            before: before.to_owned(),
            now: now.to_owned(),
        };
        assert_eq!(example().differences(&now_header), [expected]);
    }
    assert_eq!(example().differences(&example()), []);
}
/// What differs between an object that had this tag and was modified at this moment, and one that has and was.
fn between(before: (&str, u64), now: (&str, u64)) -> Vec<String> {
    let [before, now] = [before, now].map(|(tag, modified)| {
        let mut header = example();
        let input = &mut header.inputs[0];
        (input.content, input.modified) = (None, Some(modified));
        input.tag = (!tag.is_empty()).then(|| tag.to_owned());
        header
    });
    let differences = before.differences(&now).into_iter();
    differences.map(|difference| difference.what).collect()
}

#[test]
fn the_tag_of_an_object_decides_where_both_have_one() {
    let (tag, time) = (
        "the ETag of `in.jsonl`",
        "the time of modification of `in.jsonl` in nanoseconds since 1970",
    );
    let none: [&str; 0] = [];
    assert_eq!(between(("\"a\"", 1), ("\"a\"", 2)), none);
    assert_eq!(between(("\"a\"", 1), ("\"b\"", 1)), [tag]);
    assert_eq!(between(("\"a\"", 1), ("\"b\"", 2)), [tag]);
    assert_eq!(between(("", 1), ("\"b\"", 1)), none);
    assert_eq!(between(("", 1), ("\"b\"", 2)), [time]);
    // A weak tag promises nothing about bytes.
    assert_eq!(between(("W/\"a\"", 1), ("W/\"a\"", 2)), [time]);
    assert_eq!(between(("W/\"a\"", 1), ("W/\"b\"", 1)), [tag]);
}
