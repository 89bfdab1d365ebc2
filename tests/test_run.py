"""`Pipeline.run`: files in, files out, and every record accounted for."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from support.files import counts, names, read_jsonl, write_jsonl

from text_processor import ConfigError, InputError, OutputError, Pipeline, RecordError, Reject, plugin


@plugin(kind="filter")
def no_digits(text: str) -> bool | Reject:
    """A filter with a reason."""
    return Reject("digits") if any(map(str.isdigit, text)) else True


@plugin(kind="split")
def words(text: str) -> list[str]:
    """A splitter."""
    return text.split()


@plugin(kind="annotate", fields={"length": int, "first": str})
def measure(text: str) -> dict[str, object]:
    """An annotator."""
    return {"length": len(text), "first": text[:1]}


def fail_on_bad(text: str) -> str:
    """A step that fails on some texts."""
    if "bad" in text:
        raise ValueError(text)
    return text


def test_a_text_file_is_a_record_per_line(tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("  one \n\n two\n", encoding="utf-8")
    report = Pipeline(["trim", str.upper]).run(source, output)
    assert output.read_text(encoding="utf-8") == "ONE\n\nTWO\n"
    assert counts(report) == (3, 3, 0, 0)
    assert report.exit_code == 0
    assert names(tmp_path) == ["in.txt", "out.txt"]


def test_a_record_per_file_keeps_its_lines(tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"  one\r\n  two")
    report = Pipeline(["trim-lines"]).run(source, output, format="file")
    assert output.read_bytes() == b"one\r\ntwo"
    assert counts(report) == (1, 1, 0, 0)


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=["no-final-newline", "newline", "crlf"])
@pytest.mark.parametrize("steps", [[], ["trim-lines"], [lambda text: text + ""]], ids=["nothing", "rust", "python"])
def test_what_no_step_changes_is_copied_byte_for_byte(tmp_path: Path, name: str, end: bytes, steps: list[Any]) -> None:
    lines = {
        "in.txt": [b"one", b"", "zwei\u2028drei \0 \u0085|".encode(), b"\xef\xbb\xbf|"],
        "in.jsonl": [
            b'{"text":"one"}',
            b' { "b" : 1e5, "text"\t: "\\u0065\\/\\n", "a":[ 1.0, -0, 12345678901234567890 ] , "b2":null} ',
            b'{"text":"","nested":{"text":" not this "}}',
        ],
    }[name]
    data = b"\r\n".join([lines[0], b"\n".join(lines[1:])]) + end
    source, output = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    source.write_bytes(data)
    report = Pipeline(steps).run(source, output)
    assert output.read_bytes() == data
    assert counts(report) == (len(lines), len(lines), 0, 0)


def test_only_the_text_of_a_json_line_is_spelled_anew(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(
        b'{ "z":1.50,"text" :  " \\u0041 \\"q\\" " , "a" : [1e400, {"k": -0.0}]  }\r\n{"text":"as it was\\u0021"}\n'
    )
    Pipeline(["trim"]).run(source, output)
    assert output.read_bytes() == (
        b'{ "z":1.50,"text" :  "A \\"q\\"" , "a" : [1e400, {"k": -0.0}]  }\r\n{"text":"as it was\\u0021"}\n'
    )


def test_fields_that_steps_add_stand_at_the_end_or_in_their_place(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b'{"text":"ab","x":1.0}\n{"length" : "old" ,"text":"c"}\n')
    Pipeline([measure]).run(source, output)
    first, second = output.read_bytes().splitlines()
    assert first == b'{"text":"ab","x":1.0,"length":2,"first":"a"}'
    assert second == b'{"length" : 1 ,"text":"c","first":"c"}'


def test_the_parts_of_a_split_keep_the_other_fields(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b'{"id":1.0,"text":"one two"}\n{"text":"three","id":2}\n')
    report = Pipeline([words]).run(source, output)
    assert output.read_bytes() == (b'{"id":1.0,"text":"one"}\n{"id":1.0,"text":"two"}\n{"text":"three","id":2}\n')
    assert counts(report) == (2, 2, 0, 0)
    assert report.to_dict()["texts_out"] == 3


def test_the_text_may_stand_under_another_name(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b'{"body":" a ","text":" b "}\n')
    Pipeline(["trim"], text="body").run(source, output)
    assert output.read_bytes() == b'{"body":"a","text":" b "}\n'


def test_text_becomes_jsonl_and_jsonl_becomes_text(tmp_path: Path) -> None:
    source, lines, back = tmp_path / "in.txt", tmp_path / "lines.jsonl", tmp_path / "back.txt"
    source.write_text("one\ntwo\n", encoding="utf-8")
    Pipeline([]).run(source, lines)
    records = read_jsonl(lines)
    assert [record["text"] for record in records] == ["one", "two"]
    assert len({record["id"] for record in records}) == 2
    Pipeline([]).run(lines, back)
    assert back.read_text(encoding="utf-8") == "one\ntwo\n"


def test_a_text_of_two_lines_cannot_be_one_line(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "one"}, {"text": "two\nlines"}])
    report = Pipeline([]).run(source, tmp_path / "out.txt")
    assert counts(report) == (2, 1, 0, 1)
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert (line["kind"], line["ordinal"], line["record"]) == ("unrepresentable", 1, {"text": "two\nlines"})


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
def test_compressed_files_are_read_and_written(tmp_path: Path, name: str, suffix: str) -> None:
    data = b"".join(b'{"text":" %d "}\n' % number for number in range(1000))
    plain, packed = tmp_path / name, tmp_path / f"packed.{name}{suffix}"
    again, trimmed = tmp_path / f"again.{name}", tmp_path / f"trimmed.{name}{suffix}"
    plain.write_bytes(data)
    Pipeline([]).run(plain, packed)
    if suffix:
        assert packed.stat().st_size < len(data) / 2
    if suffix == ".gz":
        assert gzip.decompress(packed.read_bytes()) == data
    Pipeline([]).run(packed, again)
    assert again.read_bytes() == data
    report = Pipeline(["trim"]).run(packed, trimmed)
    assert counts(report) == (1000, 1000, 0, 0)


def test_gzip_files_of_many_members_are_read_whole(tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt.gz", tmp_path / "out.txt"
    source.write_bytes(gzip.compress(b"one\ntw") + gzip.compress(b"") + gzip.compress(b"o\nthree\n"))
    report = Pipeline([]).run(source, output)
    assert output.read_bytes() == b"one\ntwo\nthree\n"
    assert counts(report) == (3, 3, 0, 0)


def test_many_inputs_become_one_output_in_order(tmp_path: Path) -> None:
    for number in range(12):
        # Without a final newline, the last line of one file must not run into the first of the next.
        (tmp_path / f"{number:02}.txt").write_text(f"{number} a\n{number} b", encoding="utf-8")
    pattern = tmp_path / "*.txt"
    output = tmp_path / "out" / "all.txt"
    output.parent.mkdir()
    report = Pipeline([]).run(pattern, output)
    expected = [f"{number} {letter}" for number in range(12) for letter in "ab"]
    assert output.read_text(encoding="utf-8").splitlines() == expected
    assert counts(report) == (24, 24, 0, 0)
    inputs = [tmp_path / "03.txt", str(tmp_path / "0[12].txt")]
    Pipeline([]).run(inputs, output, overwrite=True)
    assert output.read_text(encoding="utf-8").split() == ["3", "a", "3", "b", "1", "a", "1", "b", "2", "a", "2", "b"]


def test_patterns_find_files_in_folders_below(tmp_path: Path) -> None:
    for name in ("a.txt", "x/b.txt", "x/y/c.txt", "x/y/d.md", ".hidden/e.txt"):
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name}\n", encoding="utf-8")
    output = tmp_path / "out.txt"
    Pipeline([]).run(tmp_path / "in" / "**" / "*.txt", output)
    assert output.read_text(encoding="utf-8").split() == ["a.txt", "x/b.txt", "x/y/c.txt"]


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_the_order_of_the_output_is_that_of_the_input(tmp_path: Path, workers: int) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    # Several batches, of records of very different lengths, so that workers overtake each other.
    numbers = range(30_000)
    source.write_text("".join(f" {number} {'x' * (number * 37 % 301)}\n" for number in numbers), encoding="utf-8")
    report = Pipeline(["trim", str.upper, "trim-lines"]).run(source, output, workers=workers)
    lines = output.read_text(encoding="utf-8").splitlines()
    assert [int(line.split()[0]) for line in lines] == list(numbers)
    assert counts(report) == (30_000, 30_000, 0, 0)
    assert report.to_dict()["workers"] == workers


def test_rejected_records_are_told_with_their_reasons(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"id": "a", "text": "one"}, {"id": "b", "text": "2"}, {"text": ""}])
    output, rejected = tmp_path / "out.jsonl", tmp_path / "rejected.jsonl"
    report = Pipeline(["validate", no_digits]).run(source, output, rejected=rejected)
    assert counts(report) == (3, 1, 2, 0)
    first, second = read_jsonl(rejected)
    assert (first["id"], first["reason"], first["ordinal"]) == ("b", "digits", 1)
    assert first["step"].endswith("no_digits")
    assert first["record"] == {"id": "b", "text": "2"}
    assert first["input"] == str(source)
    assert (second["reason"], second["step"], second["record"]) == ("empty", "validate", {"text": ""})
    steps = report.to_dict()["steps"]
    assert [(step["entered"], step["rejected"]) for step in steps] == [(3, {"empty": 1}), (2, {"digits": 1})]


def test_failed_records_are_kept_beside_the_output(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"id":1,"text":"one"}\n{"id" : 2.0, "text":"bad \xc3\xa9"}\n{"id":3,"text":"three"}\n')
    report = Pipeline([fail_on_bad]).run(source, tmp_path / "out.jsonl")
    assert counts(report) == (3, 2, 0, 1)
    assert report.exit_code == 3
    quarantine = tmp_path / "out.quarantine.jsonl"
    [line] = read_jsonl(quarantine)
    assert (line["kind"], line["error"], line["ordinal"], line["id"]) == ("step_error", "ValueError", 1, 2.0)
    assert line["offset"] == len(b'{"id":1,"text":"one"}\n')
    assert line["step"].endswith("fail_on_bad")
    assert "fail_on_bad" in line["traceback"]
    # The original is there as it was spelled.
    assert '"record":{"id" : 2.0, "text":"bad é"}' in quarantine.read_text(encoding="utf-8")


def test_what_was_quarantined_can_be_run_again(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"id": number, "text": f"bad {number}"} for number in range(5)])
    Pipeline([fail_on_bad]).run(source, tmp_path / "out.jsonl")
    again = write_jsonl(
        tmp_path / "again.jsonl", [line["record"] for line in read_jsonl(tmp_path / "out.quarantine.jsonl")]
    )
    assert again.read_bytes() == source.read_bytes()


def test_a_quarantine_file_can_be_named(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "bad"}])
    report = Pipeline([fail_on_bad]).run(source, tmp_path / "out.jsonl", quarantine=tmp_path / "kept.jsonl.gz")
    assert counts(report) == (1, 0, 0, 1)
    assert names(tmp_path) == ["in.jsonl", "kept.jsonl.gz", "out.jsonl"]
    assert json.loads(gzip.decompress((tmp_path / "kept.jsonl.gz").read_bytes()))["record"] == {"text": "bad"}
    roles = {file["role"]: file["path"] for file in report.to_dict()["files"]}
    assert roles["quarantine"] == str(tmp_path / "kept.jsonl.gz")


def test_one_failed_part_takes_its_record_to_quarantine(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "one bad two"}, {"text": "three four"}])
    report = Pipeline([words, fail_on_bad]).run(source, tmp_path / "out.jsonl")
    assert counts(report) == (2, 1, 0, 1)
    assert [record["text"] for record in read_jsonl(tmp_path / "out.jsonl")] == ["three", "four"]
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert (line["part"], line["record"]) == (1, {"text": "one bad two"})


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_on_error_raise_commits_nothing(tmp_path: Path, isolation: str) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"id": "a", "text": "one"}, {"id": "b", "text": "bad"}])
    with pytest.raises(RecordError) as caught:
        Pipeline([fail_on_bad], on_error="raise").run(
            source, tmp_path / "out.jsonl", rejected=tmp_path / "r.jsonl", isolation=isolation
        )
    error = caught.value
    assert (error.position, error.id, error.input, error.kind) == (1, "b", str(source), "step_error")
    # An exception of another process is known by its text alone.
    assert isinstance(error.__cause__, ValueError) == (isolation == "thread")
    assert isolation == "thread" or "in fail_on_bad" in error.__notes__[0]
    assert names(tmp_path) == ["in.jsonl"]


@pytest.mark.parametrize("limit", [1, 2, 1000, 50_000])
def test_a_limit_ends_the_run_early(tmp_path: Path, limit: int) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("".join(f"{number}\n" for number in range(20_000)), encoding="utf-8")
    report = Pipeline([]).run(source, output, limit=limit)
    expected = min(limit, 20_000)
    assert counts(report) == (expected, expected, 0, 0)
    assert output.read_text(encoding="utf-8") == "".join(f"{number}\n" for number in range(expected))
    assert report.to_dict()["limited"] is (limit < 20_000)


def test_an_output_that_exists_is_replaced_only_when_asked(tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("new\n", encoding="utf-8")
    output.write_text("old\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists already"):
        Pipeline([]).run(source, output)
    assert output.read_text(encoding="utf-8") == "old\n"
    Pipeline([]).run(source, output, overwrite=True)
    assert output.read_text(encoding="utf-8") == "new\n"


def test_a_run_that_replaces_an_output_leaves_no_old_quarantine(tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("bad\n", encoding="utf-8")
    Pipeline([fail_on_bad]).run(source, output)
    assert (tmp_path / "out.quarantine.jsonl").exists()
    source.write_text("good\n", encoding="utf-8")
    Pipeline([fail_on_bad]).run(source, output, overwrite=True)
    assert names(tmp_path) == ["in.txt", "out.txt"]


def test_the_report_adds_up(tmp_path: Path) -> None:
    texts = ["one two", "", "3", "bad", "four"]
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    with source.open("ab") as file:
        file.write(b"\n{not json}\n")
    report = Pipeline(["validate", no_digits, fail_on_bad, words]).run(
        source, tmp_path / "out.jsonl", rejected=tmp_path / "rejected.jsonl"
    )
    told = report.to_dict()
    assert counts(report) == (7, 2, 3, 2)
    assert told["counts"] == {"read": 7, "out": 2, "rejected": 3, "quarantined": 2}
    assert (told["texts_out"], told["inputs"]) == (3, 1)
    assert told["rejected_by_reader"] == {"blank_line": 1}
    assert told["quarantined_by_reader"] == {"json": 1}
    assert [step["entered"] for step in told["steps"]] == [5, 4, 3, 2]
    assert [step["quarantined"] for step in told["steps"]] == [{}, {}, {"step_error": 1}, {}]
    assert told["bytes_read"] == source.stat().st_size
    files = {file["role"]: file for file in told["files"]}
    assert files["out"]["texts"] == len(read_jsonl(tmp_path / "out.jsonl")) == 3
    assert files["out"]["bytes"] == told["bytes_written"] == (tmp_path / "out.jsonl").stat().st_size
    assert files["rejected"]["texts"] == len(read_jsonl(tmp_path / "rejected.jsonl")) == 3
    assert files["quarantine"]["texts"] == len(read_jsonl(tmp_path / "out.quarantine.jsonl")) == 2
    assert len(told["fingerprint"]) == 32
    assert repr(report).startswith("Report(read=7, out=2, rejected=3, quarantined=2, seconds=")
    json.dumps(told)


def test_the_fingerprint_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"{number}\n" for number in range(50_000)), encoding="utf-8")
    reports = [
        Pipeline([]).run(source, tmp_path / "out.txt", workers=workers, overwrite=True).to_dict() for workers in (1, 3)
    ]
    assert reports[0]["fingerprint"] == reports[1]["fingerprint"]


def test_a_file_that_cannot_be_made_ends_the_run_before_it_reads(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("one\n", encoding="utf-8")
    with pytest.raises(OutputError) as caught:
        Pipeline([]).run(source, tmp_path / "no" / "such" / "folder.txt")
    assert caught.value.errno == 2


def test_an_input_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Pipeline([]).run(tmp_path / "in.txt", tmp_path / "out.txt")
    with pytest.raises(InputError, match="matches no file"):
        Pipeline([]).run(tmp_path / "*.jsonl", tmp_path / "out.txt")
    assert names(tmp_path) == []


@pytest.mark.parametrize("format", ["xml", "TEXT", ""])
def test_an_unknown_format_is_refused(tmp_path: Path, format: str) -> None:  # noqa: A002
    with pytest.raises(ValueError, match="`format` is one of `text`, `file`, `jsonl`"):
        Pipeline([]).run(tmp_path / "in.txt", tmp_path / "out.txt", format=format)  # type: ignore[arg-type]
