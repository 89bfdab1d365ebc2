//! Closing tables, as a person sees them.

use super::*;
use crate::ledger::{Commitment, Counts, InputDamage, StepReport};
use unicode_width::UnicodeWidthStr;

const PLAIN: Paint = Paint { colour: false };

fn by(reasons: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let reasons = reasons.iter().map(|(reason, number)| ((*reason).to_owned(), *number));
    reasons.collect()
}

fn example() -> Report {
    Report {
        counts: Counts {
            read: 1_234_567,
            out: 1_230_000,
            rejected: 4_522,
            quarantined: 45,
        },
        texts_out: 1_230_000,
        rejected_by_reader: by(&[("blank_line", 22)]),
        quarantined_by_reader: by(&[("utf8", 3)]),
        steps: vec![
            StepReport {
                name: "trim-lines".into(),
                entered: 1_234_542,
                seconds: 0.412,
                ..StepReport::default()
            },
            StepReport {
                name: "acme-filters/min-words".into(),
                distribution: Some("acme-filters 1.2.0".into()),
                entered: 1_234_542,
                rejected: by(&[("empty", 500), ("too_short", 4_000)]),
                quarantined: by(&[("step_error", 42)]),
                seconds: 65.2,
            },
        ],
        files: vec![
            Commitment {
                role: "out",
                path: Some("out.jsonl".into()),
                texts: 1_230_000,
                bytes: 2_345_678_901,
            },
            Commitment {
                role: "quarantine",
                path: Some("out.jsonl.quarantine.jsonl".into()),
                texts: 45,
                bytes: 9_000,
            },
        ],
        inputs: 3,
        bytes_read: 3_456_789_012,
        seconds: 66.4,
        workers: 2,
        ..Report::default()
    }
}

#[test]
fn a_run_with_everything() {
    let table = closing(&example(), 80, PLAIN);
    insta::assert_snapshot!(table, @r"
    Read 1,234,567 records (3.2 GiB) from 3 inputs in 1 min 06 s with 2 workers:
    18,593 records/s.

    fate           records    share
    out          1,230,000   99.6 %
    rejected         4,522    0.4 %
    quarantined         45  < 0.1 %
    read         1,234,567

    step                      entered  rejected  quarantined        time    texts/s
    (outside the steps)                      22            3
    - blank_line                             22
    - utf8                                                 3
    trim-lines              1,234,542         0            0     0.412 s  2,996,461
    acme-filters/min-words  1,234,542     4,500           42  1 min 05 s     18,935
    - too_short                           4,000
    - empty                                 500
    - step_error                                          42

    written         texts    bytes  file
    out         1,230,000  2.2 GiB  out.jsonl
    quarantine         45  8.8 KiB  out.jsonl.quarantine.jsonl

    45 records are quarantined: `out.jsonl.quarantine.jsonl` holds each of them with
    its step, error and original record.
    To see the first:
        head -n 1 out.jsonl.quarantine.jsonl | python3 -m json.tool
    ");
    assert!(table.lines().all(|line| line.width() <= 80));
}

#[test]
fn a_clean_run_is_short() {
    let report = Report {
        counts: Counts {
            read: 1,
            out: 1,
            ..Counts::default()
        },
        texts_out: 3,
        parts_rejected: 1,
        steps: vec![StepReport {
            name: "trim".into(),
            entered: 1,
            ..StepReport::default()
        }],
        files: vec![Commitment {
            role: "out",
            path: None,
            texts: 3,
            bytes: 12,
        }],
        inputs: 1,
        bytes_read: 14,
        seconds: 0.002,
        workers: 1,
        limited: true,
        ..Report::default()
    };
    insta::assert_snapshot!(closing(&report, 80, PLAIN), @r"
    Read 1 record (14 B) from 1 input in 0.002 s with 1 worker: 500 records/s.
    `--limit` was reached: the inputs may hold more records. 1 record became 3
    texts. 1 part was rejected while other parts of the same record went out.

    fate         records    share
    out                1  100.0 %
    rejected           0    0.0 %
    quarantined        0    0.0 %
    read               1

    step  entered  rejected  quarantined     time  texts/s
    trim        1         0            0  0.000 s

    written  texts  bytes  file
    out          3   12 B  (standard output)
    ");
}

#[test]
fn an_empty_run_is_a_run() {
    insta::assert_snapshot!(closing(&Report::default(), 80, PLAIN), @r"
    Read 0 records (0 B) from 0 inputs in 0.000 s with 0 workers.

    fate         records  share
    out                0
    rejected           0
    quarantined        0
    read               0
    ");
}

#[test]
fn damage_is_told() {
    let report = Report {
        damage: vec![
            InputDamage {
                input: "a.gz".into(),
                offset: Some(12_345),
                message: "The gzip data ends too early.".into(),
            },
            InputDamage {
                input: "gone.txt".into(),
                offset: None,
                message: "Opening gone.txt failed: No such file or directory.".into(),
            },
        ],
        ..Report::default()
    };
    insta::assert_snapshot!(damage(&report, 60, PLAIN), @r"
    damaged input: a.gz (from byte 12,345): The gzip data ends
    too early.
    damaged input: gone.txt: Opening gone.txt failed: No such
    file or directory.
    ");
}

#[test]
fn many_reasons_are_summed_up() {
    let mut report = example();
    report.steps[1].rejected = (0..1_000)
        .map(|score| (format!("score {score:03}"), 1000 - score))
        .collect();
    let table = closing(&report, 80, PLAIN);
    assert!(table.contains("- score 007"), "{table}");
    assert!(!table.contains("- score 008"), "{table}");
    assert!(table.contains("- 992 more"), "{table}");
}

#[test]
fn strangers_cannot_colour_the_table() {
    let mut report = example();
    report.steps[0].name = "a\u{1b}[31mb\nout  1".into();
    report.steps[1].rejected = by(&[("why\u{202e}\r", 3)]);
    report.files[1].path = Some("q\u{1b}]0;title\u{7}.jsonl".into());
    let table = closing(&report, 80, PLAIN);
    assert!(
        !table.contains(|character| character != '\n' && crate::error::needs_escape(character)),
        "{table}"
    );
    assert!(!table.contains("To see the first"), "{table}");
    let coloured = closing(&report, 80, Paint { colour: true });
    assert!(coloured.contains("\u{1b}[32mout"), "{coloured}");
}

#[test]
fn the_report_as_json_has_this_shape() {
    let report = Report {
        steps: vec![StepReport {
            name: "trim".into(),
            rejected: by(&[("empty", 1)]),
            ..StepReport::default()
        }],
        ..Report::default()
    };
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).expect("JSON"), @r#"
    {
      "counts": {
        "read": 0,
        "out": 0,
        "rejected": 0,
        "quarantined": 0
      },
      "texts_out": 0,
      "parts_rejected": 0,
      "rejected_by_reader": {},
      "quarantined_by_reader": {},
      "steps": [
        {
          "name": "trim",
          "distribution": null,
          "entered": 0,
          "rejected": {
            "empty": 1
          },
          "quarantined": {},
          "seconds": 0.0
        }
      ],
      "damage": [],
      "files": [],
      "inputs": 0,
      "bytes_read": 0,
      "bytes_written": 0,
      "shards": null,
      "earlier_shards": 0,
      "already_complete": false,
      "seconds": 0.0,
      "workers": 0,
      "isolation": "",
      "restarts": 0,
      "printed_bytes": 0,
      "limited": false,
      "fingerprint": ""
    }
    "#);
}
