"""Files of tables as inputs and outputs of a run: Parquet, Arrow IPC, CSV and TSV."""

import base64
import csv
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import counts, names, read_jsonl, write_jsonl
from support.program import Program
from support.tables import EXTENSIONS, read_table, write_table

from text_processor import ConfigError, InputError, Pipeline, RecordError, plugin

# Parquet calls what is in a list so.
LIST = pa.list_(pa.field("element", pa.int64()))
MAP = pa.map_(pa.string(), pa.float64())
COLUMNS = {
    "id": pa.array([f"r{number}" for number in range(6)]),
    "text": pa.array([" one ", "two", None, "  ", "bad", "five "]),
    "score": pa.array([1.5, None, 2.5, 3.5, 4.5, 5.5]),
    "raw": pa.array([b"\x00\xff", b"", None, b"a", b"b", b"c"], pa.binary()),
    "nested": pa.array([{"a": [1, 2]}, {"a": None}, None, {"a": []}, {"a": [3]}, {"a": [4]}], pa.struct([("a", LIST)])),
}


def table(**columns: Any) -> pa.Table:
    """A table with nulls, bytes and nested values, and metadata of its own."""
    return pa.table({**COLUMNS, **columns}).replace_schema_metadata({"made by": "a test", "answer": "42"})


@plugin(kind="annotate", fields={"length": int})
def measure(text: str) -> dict[str, int]:
    """Annotates."""
    return {"length": len(text)}


def fail_on_bad(text: str) -> str:
    """Fails on one text."""
    if text == "bad":
        raise ValueError(text)
    return text


def weigh(text: str, score: float | None) -> str:
    """Asks for a field of the table."""
    return f"{text}:{score}"


@pytest.mark.parametrize("sink", EXTENSIONS.values())
@pytest.mark.parametrize("source", EXTENSIONS.values())
@pytest.mark.parametrize("workers", [1, 2])
def test_other_columns_the_schema_and_its_metadata_are_kept(
    tmp_path: Path, source: str, sink: str, workers: int
) -> None:
    before = table()
    path = write_table(tmp_path / f"in{source}", before)
    output = tmp_path / f"out{sink}"
    report = Pipeline(["trim"]).run(path, output, nulls="keep", workers=workers)
    assert counts(report) == (6, 6, 0, 0)
    texts = pa.array(["one", "two", None, "", "bad", "five"])
    expected = before.set_column(1, "text", texts)
    assert read_table(output).equals(expected, check_metadata=True)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str)
@pytest.mark.parametrize("sink", EXTENSIONS.values())
def test_a19_texts_keep_their_type(tmp_path: Path, kind: pa.DataType, sink: str) -> None:
    before = table(text=COLUMNS["text"].cast(kind))
    path = write_table(tmp_path / "in.arrow", before)
    output = tmp_path / f"out{sink}"
    report = Pipeline(["trim"]).run(path, output, nulls="keep")
    assert counts(report) == (6, 6, 0, 0)
    after = read_table(output)
    assert after["text"].to_pylist() == ["one", "two", None, "", "bad", "five"]
    # An Arrow file holds one dictionary of a column only, and new texts need new ones.
    plain = sink == ".arrow" and pa.types.is_dictionary(kind)
    assert after.schema.field("text").type == (pa.string() if plain else kind)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": pa.array(range(6))}, "must hold texts"),
        ({"text": COLUMNS["nested"]}, "must hold texts"),
        ({"text": COLUMNS["raw"]}, "must hold texts"),
    ],
)
def test_a19_a_column_that_holds_no_texts_is_refused_before_anything_is_read(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    path = write_table(tmp_path / "in.parquet", table(**columns))
    with pytest.raises(ConfigError, match=message):
        Pipeline(["trim"]).run(path, tmp_path / "out.parquet")
    assert names(tmp_path) == ["in.parquet"]


def test_a19_a_missing_column_is_an_error_that_names_the_others(tmp_path: Path, program: Program) -> None:
    path = write_table(tmp_path / "in.parquet", table().drop_columns(["text"]))
    done = program("run", "-s", "trim", path, "-o", "out.parquet")
    assert done.returncode == 2
    assert b"no column `text`" in done.stderr
    assert b"`score`" in done.stderr


@pytest.mark.parametrize(
    ("nulls", "fates"),
    [("keep", (6, 6, 0, 0)), ("reject", (6, 5, 1, 0)), ("quarantine", (6, 5, 0, 1)), (None, (6, 5, 0, 1))],
)
def test_a19_a_null_text_is_never_an_empty_text(tmp_path: Path, nulls: Any, fates: tuple[int, int, int, int]) -> None:
    path = write_table(tmp_path / "in.parquet", table())
    output, rejected = tmp_path / "out.parquet", tmp_path / "rejected.jsonl"
    options = {} if nulls is None else {"nulls": nulls}
    report = Pipeline(["trim"]).run(path, output, rejected=rejected, **options)
    assert counts(report) == fates
    texts = read_table(output)["text"].to_pylist()
    assert texts == ["one", "two", *([None] if nulls == "keep" else []), "", "bad", "five"]
    told = read_jsonl(rejected) + read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert [line["record"]["text"] for line in told] == ([] if nulls == "keep" else [None])
    if nulls == "reject":
        assert told[0]["reason"] == "null_text"


def test_the_quarantine_holds_the_row_with_its_bytes(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in.parquet", table())
    report = Pipeline(["trim", fail_on_bad]).run(path, tmp_path / "out.parquet", nulls="keep", isolation="thread")
    assert counts(report) == (6, 5, 0, 1)
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert (line["ordinal"], line["offset"], line["id"]) == (4, 4, "r4")
    raw = base64.b64encode(b"b").decode()
    assert line["record"] == {"id": "r4", "text": "bad", "score": 4.5, "raw": raw, "nested": {"a": [3]}}


@pytest.mark.parametrize("source", ["in.parquet", "in.arrow", "in.arrows", "in.csv"])
def test_an_error_names_the_record_by_its_identity(tmp_path: Path, source: str, program: Program) -> None:
    path = tmp_path / source
    if path.suffix == ".csv":
        path.write_text("id,text\na,on\nb,bad\n")
    else:
        write_table(path, pa.table({"id": ["a", "b"], "text": ["on", "bad"]}))
    with pytest.raises(RecordError) as caught:
        Pipeline([fail_on_bad], on_error="raise").run(path, tmp_path / "out.jsonl", isolation="thread")
    assert (caught.value.id, caught.value.position, caught.value.input) == ("b", 1, str(path))
    # The command tells of it in the same way.
    step = "validate:longer-than=2,on-failure=fail"
    done = program("run", "-s", step, "--on-error", "raise", path, "-o", "out.jsonl")
    assert done.returncode == 4
    assert b"on record 1 of " in done.stderr
    assert b'(id "b")' in done.stderr
    assert names(program.folder) == []


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_steps_get_fields_of_the_table_and_add_columns(tmp_path: Path, isolation: Any) -> None:
    path = write_table(tmp_path / "in.parquet", table())
    output = tmp_path / "out.parquet"
    Pipeline(["trim", weigh, measure]).run(path, output, nulls="reject", isolation=isolation)
    after = read_table(output)
    assert after["text"].to_pylist() == ["one:1.5", "two:None", ":3.5", "bad:4.5", "five:5.5"]
    assert after["length"].to_pylist() == [7, 8, 4, 7, 8]
    assert after.schema.field("length").type == pa.int64()


def test_compression_and_row_groups_are_those_of_the_first_input(tmp_path: Path) -> None:
    numbers = range(10_000)
    before = pa.table({"id": numbers, "text": [f" text {number}" for number in numbers]})
    path = tmp_path / "in.parquet"
    pq.write_table(before, path, compression={"id": "GZIP", "text": "SNAPPY"}, row_group_size=3000)
    output = tmp_path / "out.parquet"
    Pipeline(["trim"]).run(path, output)
    metadata = pq.ParquetFile(output).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [3000, 3000, 3000, 1000]
    assert {(group.column(0).compression, group.column(1).compression) for group in groups} == {("GZIP", "SNAPPY")}


def test_a_large_table_comes_back_in_order_whatever_the_workers(tmp_path: Path) -> None:
    numbers = range(60_000)
    before = pa.table({"id": numbers, "text": [f" text {number} " + "x" * (number % 700) for number in numbers]})
    path = write_table(tmp_path / "in.parquet", before, row_group_size=7000)
    made = []
    for workers in [1, 2, 5]:
        output = tmp_path / f"out{workers}.parquet"
        report = Pipeline(["trim"]).run(path, output, workers=workers)
        assert counts(report) == (60_000, 60_000, 0, 0)
        made.append(output.read_bytes())
    after = read_table(output)
    assert after["id"].to_pylist() == list(numbers)
    assert after["text"].to_pylist() == [text.strip() for text in before["text"].to_pylist()]
    assert made[0] == made[1] == made[2], "the same rows make the same file"


def test_a_stream_of_tables_waits_for_a_slow_reader(tmp_path: Path) -> None:
    before = pa.table({"text": [f"{number} " + "x" * 300 for number in range(20_000)]})
    path = write_table(tmp_path / "in.parquet", before, row_group_size=2000)
    fifo = tmp_path / "out.arrows"
    os.mkfifo(fifo)
    parts: list[bytes] = []

    def read() -> None:
        with fifo.open("rb", buffering=0) as pipe:
            while part := pipe.read(1 << 16):
                parts.append(part)
                time.sleep(0.002)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        report = Pipeline([]).run(path, fifo, workers=4, overwrite=True)
    finally:
        reader.join(timeout=30)
    assert counts(report) == (20_000, 20_000, 0, 0)
    assert pa.ipc.open_stream(b"".join(parts)).read_all().equals(before)


def test_the_first_bytes_tell_more_than_the_name(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in.parquet", table()).rename(tmp_path / "in.jsonl")
    output = tmp_path / "out.jsonl"
    report = Pipeline(["trim"]).run(path, output, nulls="keep")
    assert counts(report) == (6, 6, 0, 0)
    assert read_jsonl(output)[0] == {
        "id": "r0",
        "text": "one",
        "score": 1.5,
        "raw": "AP8=",
        "nested": {"a": [1, 2]},
    }
    assert read_jsonl(output)[2]["text"] is None


def test_columns_become_lines_of_text(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in.parquet", table())
    output = tmp_path / "out.txt"
    report = Pipeline(["trim"]).run(path, output, nulls="reject")
    assert counts(report) == (6, 5, 1, 0)
    assert output.read_bytes() == b"one\ntwo\n\nbad\nfive\n"


NAN, INFINITY = float("nan"), float("inf")
PAIR = pa.list_(pa.float64(), 2)
UNSAYABLE = {
    "double": pa.array([1.5, NAN, None, -INFINITY, INFINITY, -0.0]),
    "float": pa.array([1.5, NAN, None, -INFINITY, INFINITY, -0.0], pa.float32()),
    "half": pa.array([np.float16(number) for number in (1.5, NAN, 0, -INFINITY, INFINITY, -0.0)], pa.float16()),
    "list": pa.array([[], [1.0, NAN], None, [-INFINITY], [None, INFINITY, NAN], [1e300]]),
    "fixed": pa.array(
        [[0.5, 1], [1, NAN], None, [-INFINITY, 1], [INFINITY, NAN], [1, None]], pa.list_(pa.float64(), 2)
    ),
    "struct": pa.array([{"a": 1.0}, {"a": NAN}, None, {"a": -INFINITY}, {"a": INFINITY}, {"a": None}]),
    "map": pa.array([[], [("k", NAN)], None, [("k", -INFINITY)], [("k", INFINITY)], [("k", 2)]], MAP),
    "encoded": pa.array([1.5, NAN, None, -INFINITY, INFINITY, 2.5]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", UNSAYABLE)
@pytest.mark.parametrize("source", ["in.arrow", "in.parquet"])
def test_a7_a_number_that_json_cannot_say_is_quarantined(tmp_path: Path, kind: str, source: str) -> None:
    before = pa.table({"id": list("abcdef"), "text": [" a ", " b ", " c ", None, "x", " f "], "n": UNSAYABLE[kind]})
    if kind == "encoded" and source == "in.parquet":
        before = before.set_column(2, "n", before["n"].cast(pa.float64()))
    path = write_table(tmp_path / source, before)
    report = Pipeline(["trim"]).run(path, tmp_path / "out.jsonl", nulls="keep")
    assert counts(report) == (6, 3, 0, 3)
    assert report.to_dict()["quarantined_by_reader"] == {"number": 3}
    assert [line["text"] for line in read_jsonl(tmp_path / "out.jsonl")] == ["a", "c", "f"]
    told = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert [(line["id"], line["kind"]) for line in told] == [("b", "number"), ("d", "number"), ("e", "number")]
    assert "The column `n` holds a number that JSON cannot say" in told[0]["message"]
    # The quarantine says it in words: it is never lossy.
    words = [json.dumps(line["record"]["n"]) for line in told]
    assert ['"NaN"' in words[0], '"-Infinity"' in words[1], '"Infinity"' in words[2]] == [True] * 3


def test_a7_numbers_stay_where_a_format_can_say_them(tmp_path: Path) -> None:
    @plugin(kind="annotate", fields={"n": float})
    def replace(text: str) -> dict[str, float]:
        return {"n": len(text)}

    before = pa.table({"id": ["a", "b"], "text": [" a ", "bad"], "n": [NAN, -INFINITY]})
    path = write_table(tmp_path / "in.parquet", before)
    for output in ("out.parquet", "out.arrow"):
        report = Pipeline(["trim"]).run(path, tmp_path / output)
        assert counts(report) == (2, 2, 0, 0)
        assert str(read_table(tmp_path / output)["n"].to_pylist()) == "[nan, -inf]"
    Pipeline(["trim"]).run(path, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "id,text,n\na,a,NaN\nb,bad,-inf\n"
    Pipeline(["trim"]).run(path, tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == "a\nbad\n"
    # What a step has put in its place is written.
    report = Pipeline([replace]).run(path, tmp_path / "replaced.jsonl", isolation="thread")
    assert counts(report) == (2, 2, 0, 0)
    assert [line["n"] for line in read_jsonl(tmp_path / "replaced.jsonl")] == [3.0, 3.0]
    # The original of a record that fails for another reason is no less complete.
    Pipeline([fail_on_bad]).run(path, tmp_path / "some.parquet", isolation="thread")
    [line] = read_jsonl(tmp_path / "some.quarantine.jsonl")
    assert line["record"] == {"id": "b", "text": "bad", "n": "-Infinity"}


def test_cells_that_nothing_changed_come_back(tmp_path: Path) -> None:
    rows = [["id", "text", "note"], ["1", " a ", 'say "hi", twice'], ["2", "", "two\nlines"], ["3", " ", "007"]]
    path = tmp_path / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    for extension, delimiter in [(".csv", ","), (".tsv", "\t")]:
        output = tmp_path / f"out{extension}"
        report = Pipeline(["trim"]).run(path, output)
        assert counts(report) == (3, 3, 0, 0)
        with output.open(newline="", encoding="utf-8") as file:
            after = list(csv.reader(file, delimiter=delimiter))
        assert after == [rows[0], *([row[0], row[1].strip(), row[2]] for row in rows[1:])]


def test_cells_can_be_compressed_and_come_through_a_pipe(tmp_path: Path, program: Program) -> None:
    done = program("run", "-s", "trim", "--format", "csv", "-o", "out.csv.gz", stdin=b"text\n a \n")
    assert done.returncode == 0, done.stderr
    done = program("run", "-s", "trim", "out.csv.gz", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    assert read_table(program.folder / "out.parquet").to_pydict() == {"text": ["a"]}
    with pa.BufferOutputStream() as stream:
        with pa.ipc.new_stream(stream, table().schema) as writer:
            writer.write_table(table())
        content = stream.getvalue().to_pybytes()
    done = program("run", "-s", "trim", "--nulls", "keep", "--format", "stream", stdin=content)
    assert done.returncode == 0, done.stderr
    assert pa.ipc.open_stream(done.stdout).read_all()["text"].to_pylist()[:2] == ["one", "two"]
    done = program("run", "-s", "trim", "--format", "parquet", stdin=b"PAR1")
    assert done.returncode == 2
    assert b"cannot be read through a pipe" in done.stderr


def test_objects_become_columns_of_what_the_first_tell(tmp_path: Path) -> None:
    records = [
        {"id": "a", "text": " one ", "n": 1, "tags": ["x"], "more": {"k": 1.5, "deep": [{"z": None}]}},
        {"id": "b", "text": "two", "n": 2.5, "tags": [], "more": None},
    ]
    path = write_jsonl(tmp_path / "in.jsonl", records)
    report = Pipeline(["trim", measure]).run(path, tmp_path / "mid.parquet", isolation="thread")
    assert counts(report) == (2, 2, 0, 0)
    Pipeline([]).run(tmp_path / "mid.parquet", tmp_path / "out.jsonl")
    expected = [{**records[0], "text": "one", "n": 1.0, "length": 3}, {**records[1], "length": 3}]
    assert read_jsonl(tmp_path / "out.jsonl") == expected


@pytest.mark.parametrize(
    "misfit",
    [
        {"text": "x", "n": "1"},
        {"text": "x", "n": 1.5},
        {"text": "x", "n": 2**63},
        {"text": "x", "other": 1},
        {"text": "x", "list": [1, "2"]},
        {"text": "x", "object": {"unknown": 1}},
        {"text": "x", "float": 2**53 + 1},
    ],
)
def test_a_record_that_does_not_fit_is_quarantined_and_never_changed(tmp_path: Path, misfit: dict[str, Any]) -> None:
    usual = {"text": "a", "n": 1, "list": [1], "object": {"k": 1}, "float": 0.5}
    path = write_jsonl(tmp_path / "in.jsonl", [usual] * 1000 + [misfit, usual])
    report = Pipeline([]).run(path, tmp_path / "out.parquet")
    assert counts(report) == (1002, 1001, 0, 1)
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert (line["kind"], line["record"]) == ("schema", misfit)
    assert read_table(tmp_path / "out.parquet").to_pylist() == [usual] * 1001


def test_lines_become_an_identity_and_a_text(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text(" one \ntwo\n", encoding="utf-8")
    Pipeline(["trim", measure]).run(path, tmp_path / "out.parquet", isolation="thread")
    after = read_table(tmp_path / "out.parquet").to_pydict()
    assert after == {"id": [f"{path}:0", f"{path}:1"], "text": ["one", "two"], "length": [3, 3]}


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("out.csv", {"nulls": "keep"}, "`raw` holds Binary, which CSV cannot hold"),
        ("out.txt", {"nulls": "keep"}, "plain text cannot hold a text that is null"),
        ("out.parquet.gz", {}, "compressed within"),
    ],
)
def test_what_cannot_be_represented_is_refused_before_anything_is_read(
    tmp_path: Path, output: str, options: dict[str, Any], message: str
) -> None:
    path = write_table(tmp_path / "in.parquet", table())
    with pytest.raises(ConfigError, match=message):
        Pipeline(["trim"]).run(path, tmp_path / output, **options)
    assert names(tmp_path) == ["in.parquet"]


def test_inputs_have_the_same_columns(tmp_path: Path) -> None:
    one = write_table(tmp_path / "a.parquet", table())
    two = write_table(tmp_path / "b.arrow", table(score=pa.array(["x"] * 6)))
    with pytest.raises(ConfigError, match=r"b\.arrow.*`score` holds Utf8, and that of the first Float64"):
        Pipeline(["trim"]).run([one, two], tmp_path / "out.parquet")
    three = write_table(tmp_path / "c.arrow", table())
    report = Pipeline(["trim"]).run([one, three], tmp_path / "out.parquet", nulls="keep")
    assert counts(report) == (12, 12, 0, 0)
    lines = write_jsonl(tmp_path / "d.jsonl", [{"text": "x"}])
    with pytest.raises(ConfigError, match="no columns in common"):
        Pipeline(["trim"]).run([one, lines], tmp_path / "out2.parquet")
    report = Pipeline(["trim"]).run([one, lines], tmp_path / "out.jsonl", nulls="keep")
    assert counts(report) == (7, 7, 0, 0)


def test_an_input_that_is_no_table_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    path.write_bytes(b"<html>error</html>")
    with pytest.raises(InputError, match=r"named like a `.parquet` file but looks like HTML"):
        Pipeline(["trim"]).run(path, tmp_path / "out.parquet")
    good = write_table(tmp_path / "good.parquet", table())
    report = Pipeline(["trim"]).run([path, good], tmp_path / "out.parquet", nulls="keep")
    assert (counts(report), report.exit_code) == ((6, 6, 0, 0), 5)


def test_the_first_records_of_a_table_can_be_traced(tmp_path: Path, program: Program) -> None:
    path = write_table(tmp_path / "in.parquet", table())
    done = program("trace", "-s", "trim", "--input", path, "--limit", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert b'"one"' in done.stdout or b"one" in done.stdout
