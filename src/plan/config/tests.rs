//! Pipeline files that can be read, and the sentences about those that cannot.

use super::*;
use crate::error::Error;
use proptest::prelude::*;

fn read_text(text: &str) -> Result<Pipeline> {
    parse(Path::new("pipeline.toml"), text.as_bytes().to_vec())
}

/// The message and the hint of an error, as a person sees them.
fn complaint(text: &str) -> String {
    complaint_of(read_text(text))
}

fn complaint_of(result: Result<Pipeline>) -> String {
    let error = result.err().expect("the file is wrong");
    assert!(matches!(error, Error::Config(_)));
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

fn steps_of(pipeline: &Pipeline) -> Vec<(String, String)> {
    let name = |step: &PipelineStep| match &step.reference {
        StepReference::Name(name) => name.clone(),
        StepReference::Given(_) => "given".to_owned(),
    };
    let steps = pipeline.steps.iter();
    steps
        .map(|step| (name(step), Value::Object(step.configuration.clone()).to_string()))
        .collect()
}

#[test]
fn a_whole_file_is_read() {
    let pipeline = read_text(
        r#"
        [pipeline]
        text = "body"
        id = "url"
        on-error = "raise"
        order = "auto"

        [[step]]
        use = "trim-lines"

        [[step]]
        use = "acme-filters/min-words"
        with = { minimum = 1_000, ratio = 0.5, exact = true, words = ["a", "b"], hexadecimal = 0xff, negative = -7 }

        [[step]]
        use = "replace"
        [step.with]
        zulu = "first"
        alpha.beta = "second"
        "#,
    )
    .expect("a pipeline");
    assert_eq!(
        (pipeline.text.as_deref(), pipeline.id.as_deref()),
        (Some("body"), Some("url"))
    );
    assert_eq!(
        (pipeline.on_error, pipeline.order),
        (Some(OnError::Raise), OrderMode::Auto)
    );
    assert_eq!(pipeline.file.as_deref(), Some(Path::new("pipeline.toml")));
    insta::assert_debug_snapshot!(steps_of(&pipeline), @r#"
    [
        (
            "trim-lines",
            "{}",
        ),
        (
            "acme-filters/min-words",
            "{\"minimum\":1000,\"ratio\":0.5,\"exact\":true,\"words\":[\"a\",\"b\"],\"hexadecimal\":255,\"negative\":-7}",
        ),
        (
            "replace",
            "{\"zulu\":\"first\",\"alpha\":{\"beta\":\"second\"}}",
        ),
    ]
    "#);
}

#[test]
fn little_is_enough() {
    for text in ["", "\u{feff}", "# nothing yet\n", "[pipeline]\norder = \"listed\"\n"] {
        let pipeline = read_text(text).expect("a pipeline");
        assert!(pipeline.steps.is_empty());
        assert_eq!((pipeline.on_error, pipeline.order), (None, OrderMode::Explicit));
    }
}

#[test]
fn unknown_keys() {
    insta::assert_snapshot!(complaint("[pipeline]\non_error = \"raise\"\n"), @r#"
    pipeline.toml:2:1: Unknown key `on_error` in `[pipeline]`. Did you mean `on-error`?
      |
    2 | on_error = "raise"
      | ^^^^^^^^ expected `text`, `id`, `on-error` or `order`
    "#);
    insta::assert_snapshot!(complaint("[pipelines]\ntext = \"text\"\n"), @"
    pipeline.toml:1:2: Unknown key `pipelines` in a pipeline file. Did you mean `pipeline`?
      |
    1 | [pipelines]
      |  ^^^^^^^^^ expected `pipeline` or `step`
    ");
    insta::assert_snapshot!(complaint("[[step]]\nuse = \"trim\"\nminimum = 5\n"), @"
    pipeline.toml:3:1: Unknown key `minimum` in `[[step]]`.
      |
    3 | minimum = 5
      | ^^^^^^^ expected `use` or `with`
    hint: The configuration of a step stands in `with`, as in `with = { minimum = … }`.
    ");
}

#[test]
fn wrong_types_and_values() {
    insta::assert_snapshot!(complaint("pipeline = 3\n"), @"
    pipeline.toml:1:12: `pipeline` must be a table, not an integer.
      |
    1 | pipeline = 3
      |            ^ expected a table `[pipeline]`
    ");
    insta::assert_snapshot!(complaint("[pipeline]\ntext = 5\n"), @"
    pipeline.toml:2:8: `text` must be text, not an integer.
      |
    2 | text = 5
      |        ^ expected text in quotes
    ");
    insta::assert_snapshot!(complaint("[pipeline]\nid = \"\"\n"), @r#"
    pipeline.toml:2:6: `id` is empty.
      |
    2 | id = ""
      |      ^^ expected a name
    "#);
    insta::assert_snapshot!(complaint("[pipeline]\non-error = \"rise\"\n"), @r#"
    pipeline.toml:2:12: `on-error` cannot be `rise`. Did you mean `raise`?
      |
    2 | on-error = "rise"
      |            ^^^^^^ expected `raise` or `quarantine`
    "#);
    insta::assert_snapshot!(complaint("[pipeline]\norder = true\n"), @"
    pipeline.toml:2:9: `order` must be text, not a boolean.
      |
    2 | order = true
      |         ^^^^ expected `listed` or `auto`, in quotes
    ");
    insta::assert_snapshot!(complaint("[step]\nuse = \"trim\"\n"), @"
    pipeline.toml:1:1: `step` must be a list of tables, not a table.
      |
    1 | [step]
      | ^^^^^^ expected `[[step]]`
    hint: Each step begins with a line `[[step]]`, in two pairs of brackets.
    ");
    insta::assert_snapshot!(complaint("step = [\"trim\"]\n"), @r#"
    pipeline.toml:1:9: A step must be a table, not text.
      |
    1 | step = ["trim"]
      |         ^^^^^^ expected a table with the key `use`
    "#);
    insta::assert_snapshot!(complaint("[[step]]\nwith = { minimum = 5 }\n"), @r#"
    pipeline.toml:1:1: A step has no name.
      |
    1 | [[step]]
      | ^^^^^^^^ expected the key `use` in this step
    hint: Say which step is meant, as in `use = "trim-lines"`.
    "#);
    insta::assert_snapshot!(complaint("[[step]]\nuse = \"trim\"\nwith = 5\n"), @"
    pipeline.toml:3:8: `with` must be a table, not an integer.
      |
    3 | with = 5
      |        ^ expected a table such as `{ key = 1 }`
    ");
}

#[test]
fn values_that_a_configuration_cannot_hold() {
    insta::assert_snapshot!(complaint("[[step]]\nuse = \"x\"\nwith = { since = [1, 2026-11-23] }\n"), @"
    pipeline.toml:3:22: `since[1]` is a date or a time, which the configuration of a step cannot hold.
      |
    3 | with = { since = [1, 2026-11-23] }
      |                      ^^^^^^^^^^ expected text: write it in quotes
    ");
    insta::assert_snapshot!(complaint("[[step]]\nuse = \"x\"\nwith.rate = nan\n"), @"
    pipeline.toml:3:13: `rate` cannot be `nan`.
      |
    3 | with.rate = nan
      |             ^^^ expected a finite number
    ");
    insta::assert_snapshot!(complaint("[[step]]\nuse = \"x\"\nwith.n = 99999999999999999999\n"), @"
    pipeline.toml:3:10: The number of `n` does not fit 64 bits.
      |
    3 | with.n = 99999999999999999999
      |          ^^^^^^^^^^^^^^^^^^^^ expected a smaller number
    ");
}

#[test]
fn text_that_is_not_toml() {
    insta::assert_snapshot!(complaint("[pipeline\ntext = \"a\"\n"), @"
    pipeline.toml:1:10: The file is not valid TOML: unclosed table.
      |
    1 | [pipeline
      |          ^ expected `]`
    ");
    insta::assert_snapshot!(complaint("[[step]]\nuse = \"trim\nwith = {}\n"), @r#"
    pipeline.toml:2:12: The file is not valid TOML: invalid basic string.
      |
    2 | use = "trim
      |            ^ expected `"`
    "#);
    insta::assert_snapshot!(complaint("[pipeline]\ntext = \"grüße\" x\n"), @r#"
    pipeline.toml:2:16: The file is not valid TOML: unexpected key or value.
      |
    2 | text = "grüße" x
      |                ^ expected newline or `#`
    "#);
    insta::assert_snapshot!(complaint("[pipeline]\ntext = \"a\"\ntext = \"b\"\n"), @r#"
    pipeline.toml:3:1: The file is not valid TOML: duplicate key.
      |
    3 | text = "b"
      | ^^^^
    "#);
    insta::assert_snapshot!(complaint("[pipeline]\ntext =\n"), @"
    pipeline.toml:2:7: The file is not valid TOML: a value is missing.
      |
    2 | text =
      |       ^ expected a value
    ");
    insta::assert_snapshot!(complaint("- use: trim\n"), @"
    pipeline.toml:1:3: The file is not valid TOML: key with no value.
      |
    1 | - use: trim
      |   ^ expected `=`
    ");
}

#[test]
fn bytes_that_are_not_utf8() {
    let bytes = b"[pipeline]\ntext = \"gr\xfc\xdfe\"\n".to_vec();
    insta::assert_snapshot!(complaint_of(parse(Path::new("pipeline.toml"), bytes)), @r#"
    pipeline.toml:2:11: The file is not UTF-8: the byte `0xfc` does not belong here.
      |
    2 | text = "gr��e"
      |           ^
    hint: Save the file as UTF-8.
    "#);
}

#[test]
fn nothing_in_a_file_reaches_the_terminal_as_a_command() {
    let escape = "\"\\u001b[31m\"";
    for text in [
        format!("{escape} = 1\n"),
        format!("[pipeline]\non-error = {escape}\n"),
        format!("[[step]]\nuse = \"x\"\nwith.{escape} = nan\n"),
        format!("[[step]]\nuse = \"x\"\n{escape} = 1\n"),
    ] {
        let shown = complaint(&text);
        assert!(!shown.contains('\u{1b}') && shown.contains("u{1b}"), "{shown}");
    }
}

#[test]
fn columns_are_those_of_an_editor_behind_a_byte_order_mark() {
    assert!(complaint("\u{feff}txt = 1\n").starts_with("pipeline.toml:1:1: "));
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    insta::assert_snapshot!(complaint_of(read(Path::new("no/such.toml"))), @"There is no pipeline file `no/such.toml`.");
    let message = complaint_of(read(folder.path()));
    assert!(
        message.contains("cannot be read") && message.matches(&*folder.path().to_string_lossy()).count() == 1,
        "{message}"
    );
    let large = folder.path().join("large.toml");
    fs_err::write(&large, vec![b'#'; FILE_LIMIT as usize + 1]).expect("written");
    assert!(complaint_of(read(&large)).contains("larger than 4 MiB"));
}

#[test]
fn errors_of_a_step_are_placed_at_its_keys() {
    let text = "[[step]]\nuse = \"x\"\nwith = { rules = [{ from = \"a\" }, { from = 1 }], limit = 3 }\n";
    let pipeline = read_text(text).expect("a pipeline");
    let place = pipeline.steps[0].place.clone().expect("a place");
    let located = |key: &str| {
        place
            .locate(ConfigError::new("Wrong.").with_key(key).into())
            .to_string()
    };
    insta::assert_snapshot!(located("rules[1].from"), @r#"
    pipeline.toml:3:37: Wrong.
      |
    3 | with = { rules = [{ from = "a" }, { from = 1 }], limit = 3 }
      |                                     ^^^^^^^^
    "#);
    insta::assert_snapshot!(located("rules[1].to"), @r#"
    pipeline.toml:3:35: Wrong.
      |
    3 | with = { rules = [{ from = "a" }, { from = 1 }], limit = 3 }
      |                                   ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(located("limit"), @r#"
    pipeline.toml:3:50: Wrong.
      |
    3 | with = { rules = [{ from = "a" }, { from = 1 }], limit = 3 }
      |                                                  ^^^^^^^^^
    "#);
    insta::assert_snapshot!(located("absent"), @r#"
    pipeline.toml:2:7: Wrong.
      |
    2 | use = "x"
      |       ^^^
    "#);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(Path::new("pipeline.toml"), bytes);
    }

    #[test]
    fn whatever_looks_like_a_pipeline_is_read_or_refused_with_a_place(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "[pipeline]", "[[step]]", "[step.with]", "use = \"a\"", "with = { b = 1 }", "text = \"t\"", "b.c = [1, {}]",
                "é = 1", "use =", "\"", "]", "[step]", "order = \"auto\"", "with.x = 2026-01-01", "= 3", "'''",
            ]),
            0..12,
        )
    ) {
        if let Err(Error::Config(error)) = read_text(&lines.join("\n")) {
            prop_assert!(error.location.is_some());
            prop_assert!(error.snippet.is_some_and(|snippet| snippet.contains('^')));
        }
    }
}
