"""Types that formats, steps and libraries hold in different ways: each value comes back, or somebody is told."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.program import Program

from text_processor import ConfigError, Pipeline, plugin

if TYPE_CHECKING:
    from pathlib import Path

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def written(folder: Path, column: Any) -> Path:
    """An Arrow file with a column `value` beside the texts."""
    table = arrow.table({"text": ["a"] * len(column), "value": column})
    path = folder / "in.arrow"
    with arrow.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_times_of_96_bits_keep_their_years(tmp_path: Path, suffix: str) -> None:
    greenwich = dt.UTC
    days = [dt.datetime(9999, 12, 31, tzinfo=greenwich), dt.datetime(1000, 1, 1, tzinfo=greenwich)]
    times = [day.replace(tzinfo=None) for day in [*days, dt.datetime(2020, 1, 1, 1, 2, 3, 4, tzinfo=greenwich)]]
    lists = arrow.array([[time] for time in times], arrow.list_(arrow.timestamp("us")))
    columns = {"text": ["a", "b", "c"], "time": arrow.array(times, arrow.timestamp("us"))}
    if suffix != "csv":
        columns["times"] = lists
    # As Spark, Hive and Impala write them, which say nothing of Arrow's types.
    options = {"use_deprecated_int96_timestamps": True, "store_schema": False}
    parquet.write_table(arrow.table(columns), tmp_path / "in.parquet", **options)
    out = tmp_path / f"out.{suffix}"
    Pipeline(["trim"]).run(tmp_path / "in.parquet", out)
    if suffix == "parquet":
        made = parquet.read_table(out)
        assert made["time"].to_pylist() == times
        assert made["times"].to_pylist() == [[time] for time in times]
    else:
        lines = out.read_text().splitlines()[-3:]
        assert all(year in line for year, line in zip(["9999-12-31", "1000-01-01", "2020-01-01"], lines, strict=True))


def test_intervals_are_refused_where_they_are_needed(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "in.parquet"
    duckdb.sql(f"copy (select 'a' as text, interval '1 month 2 days' as value) to '{path}'")
    with pytest.raises(ConfigError, match="`value` holds intervals of months, days and milliseconds"):
        Pipeline(["trim"]).run(path, tmp_path / "out.parquet")
    Pipeline(["trim"]).run(path, tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == "a\n"


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamp[us]", 2**63 - 1),
        ("timestamp[s, UTC]", 2**62),
        ("date32", 2**31 - 1),
        ("time64[us]", -1),
        ("duration[s]", 2**63 - 1),
    ],
)
def test_a7_times_beyond_all_calendars_are_quarantined(tmp_path: Path, suffix: str, kind: str, value: int) -> None:
    types = {
        "timestamp[us]": arrow.timestamp("us"),
        "timestamp[s, UTC]": arrow.timestamp("s", "UTC"),
        "date32": arrow.date32(),
        "time64[us]": arrow.time64("us"),
        "duration[s]": arrow.duration("s"),
    }
    numbers = arrow.array([0, value, 1], arrow.int32() if kind == "date32" else arrow.int64())
    path = written(tmp_path, numbers.view(types[kind]))
    quarantine = tmp_path / "quarantine.jsonl"
    report = Pipeline(["trim"]).run(path, tmp_path / f"out.{suffix}", quarantine=quarantine)
    assert (report.out, report.quarantined) == (2, 1)
    line = json.loads(quarantine.read_text())
    assert (line["kind"], line["record"]["value"]) == ("number", str(value))
    assert "ERROR" not in (tmp_path / f"out.{suffix}").read_text()
    # What can hold it is given it.
    assert Pipeline(["trim"]).run(path, tmp_path / "out.arrow").out == 3


@pytest.mark.parametrize(
    ("suffix", "column"),
    [
        ("parquet", lambda: arrow.array([(1, 2, 3)], arrow.month_day_nano_interval())),
        ("parquet", lambda: arrow.UnionArray.from_sparse(arrow.array([0], arrow.int8()), [arrow.array([1])])),
        ("csv", lambda: arrow.array([0], arrow.timestamp("us", "Mars/Base"))),
        ("jsonl", lambda: arrow.array([0], arrow.timestamp("us", "Mars/Base"))),
    ],
)
def test_what_a_format_cannot_hold_is_refused_before_the_run(tmp_path: Path, suffix: str, column: Any) -> None:
    with pytest.raises(ConfigError, match=r"The column `value` holds .*, which .* cannot hold"):
        Pipeline(["trim"]).run(written(tmp_path, column()), tmp_path / f"out.{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == ["in.arrow"]


def test_a_library_that_panics_writes_nothing_of_its_own(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    program = Program(tmp_path / "work")
    frame = polars.DataFrame({"text": ["a"], "value": polars.Series([1], dtype=polars.Int128)})
    frame.write_parquet(program.folder / "in.parquet")
    union = arrow.UnionArray.from_sparse(arrow.array([0], arrow.int8()), [arrow.array([1])])
    written(program.folder, union)
    for source, code in [("in.parquet", 5), ("in.arrow", 2)]:
        done = program("run", "-s", "trim", source, "-o", "out.parquet")
        assert done.returncode == code
        assert done.stderr.startswith(b"error: ")
        assert b"panicked at" not in done.stderr


def test_parquet_keeps_what_its_columns_mean(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    columns = "'a' as text, uuid() as u, '{}'::json as j, '12:00:00+02'::timetz as z, time '12:00' as t"
    duckdb.sql(f"copy (select {columns}) to '{source}'")
    Pipeline(["trim"]).run(source, out)
    types = [duckdb.sql(f"describe from '{path}'").fetchall() for path in (source, out)]
    assert types[0] == types[1]
    assert [column[1] for column in types[1]] == ["VARCHAR", "UUID", "JSON", "TIME WITH TIME ZONE", "TIME"]


def test_seconds_become_times_that_others_know(tmp_path: Path) -> None:
    columns = {
        "text": ["a"],
        "second": arrow.array([1], arrow.timestamp("s", "UTC")),
        "time": arrow.array([1], arrow.time32("s")),
        "day": arrow.array([dt.date(2020, 1, 1)], arrow.date64()),
        "list": arrow.array([[1]], arrow.list_(arrow.timestamp("s"))),
    }
    with arrow.ipc.new_file(tmp_path / "in.arrow", arrow.table(columns).schema) as writer:
        writer.write_table(arrow.table(columns))
    Pipeline(["trim"]).run(tmp_path / "in.arrow", tmp_path / "out.parquet")
    made = parquet.read_table(tmp_path / "out.parquet")
    types = [arrow.timestamp("ms", "UTC"), arrow.time32("ms"), arrow.date32(), arrow.list_(arrow.timestamp("ms"))]
    assert [field.type for field in made.schema][1:4] == types[:3]
    assert made.schema.field("list").type.value_type == types[3].value_type
    assert made.to_pylist() == arrow.table(columns).to_pylist()


def test_an_object_without_members_is_kept_or_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text":"a","m":{}}\n{"text":"b","m":null}\n')
    Pipeline(["trim"]).run(source, tmp_path / "out.arrow")
    made = arrow.ipc.open_file(tmp_path / "out.arrow").read_all()
    assert made["m"].to_pylist() == [{}, None]
    with pytest.raises(ConfigError, match=r"`m` holds Struct\(\), which Parquet cannot hold"):
        Pipeline(["trim"]).run(source, tmp_path / "out.parquet")


def test_a_key_that_stands_twice_fits_no_column(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text":"a","o":{"a":1}}\n{"text":"b","o":{"a":1,"a":2}}\n{"text":"c","o":null}\n')
    quarantine = tmp_path / "quarantine.jsonl"
    report = Pipeline(["trim"]).run(source, tmp_path / "out.parquet", quarantine=quarantine)
    assert (report.out, report.quarantined) == (2, 1)
    told = json.loads(quarantine.read_text())
    assert told["kind"] == "schema"
    assert "the key `a` stands twice" in told["message"]
    assert parquet.read_table(tmp_path / "out.parquet")["o"].to_pylist() == [{"a": 1}, None]


def test_a_name_that_two_columns_have_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,x,x\na,1,2\n")
    with pytest.raises(ConfigError, match="more than one column `x`"):
        Pipeline(["trim"]).run(tmp_path / "in.csv", tmp_path / "out.jsonl")
    Pipeline(["trim"]).run(tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "text,x,x\na,1,2\n"


def given(column: Any) -> tuple[list[Any], int]:
    """What a step that asks for a column is given, and how many records fail."""
    seen: list[Any] = []

    @plugin(kind="filter")
    def see(text: str, value: object) -> bool:
        seen.append(value)
        return True

    made = Pipeline([see]).process_table(arrow.table({"text": ["a"] * len(column), "value": column}))
    return seen, made.report.quarantined


def test_nulls_among_the_values_of_a_dictionary_are_nulls(tmp_path: Path) -> None:
    keys = arrow.array([0, 1], arrow.int8())
    texts = arrow.DictionaryArray.from_arrays(keys, arrow.array(["q", None]))
    numbers = arrow.DictionaryArray.from_arrays(keys, arrow.array([7, None], arrow.uint64()))
    assert given(texts) == (["q", None], 0)
    assert given(numbers) == ([7, None], 0)
    assert given(arrow.StructArray.from_arrays([texts], ["x"])) == ([{"x": "q"}, {"x": None}], 0)
    Pipeline(["trim"]).run(written(tmp_path, texts), tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == ["q", None]


def test_a_value_that_cannot_be_said_costs_its_record() -> None:
    assert given(arrow.array([0, 2**62], arrow.timestamp("s"))) == (["1970-01-01T00:00:00"], 1)
    assert given(arrow.array([[0], [2**62]], arrow.list_(arrow.timestamp("s")))) == ([["1970-01-01T00:00:00"]], 1)
    offsets = arrow.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]))
    assert given(arrow.Array.from_buffers(arrow.string(), 2, [None, offsets, arrow.py_buffer(b"\xffa")])) == (["a"], 1)


@pytest.mark.parametrize(
    "column",
    [
        lambda: arrow.array([0], arrow.timestamp("s", "Mars/Base")),
        lambda: arrow.array([[(1, 1)]], arrow.map_(arrow.int64(), arrow.int64())),
        lambda: arrow.array([[0]], arrow.list_(arrow.timestamp("s", "Mars/Base"))),
    ],
)
def test_a_column_that_no_step_can_be_given_is_refused(column: Any) -> None:
    with pytest.raises(ConfigError, match="which a step cannot be given"):
        given(column())


def test_a_dictionary_of_other_texts_says_nothing_of_the_old_ones() -> None:
    polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
    frame = polars.DataFrame({"text": polars.Series(["a", "b"], dtype=polars.Enum(["a", "b"]))})
    shout = Pipeline([str.upper])
    assert polars.DataFrame(shout.process_table(frame))["text"].to_list() == ["A", "B"]
    assert shout.map_batches(frame)["text"].to_list() == ["A", "B"]
    # What no step changes stays what it is.
    kept = polars.DataFrame(Pipeline([("length", {"minimum": 1})]).process_table(frame))
    assert kept.schema == frame.schema
    sizes = pandas.Categorical(["high ", "low"], categories=["low", "high "], ordered=True)
    made = Pipeline(["trim"]).map_batches(pandas.DataFrame({"text": sizes}))["text"]
    assert (made.to_list(), made.dtype.ordered) == (["high", "low"], False)


def test_a_step_may_not_add_a_field_where_the_text_is() -> None:
    @plugin(kind="annotate", fields={"body": int})
    def count(text: str) -> dict[str, int]:
        return {"body": len(text)}

    with pytest.raises(ConfigError, match="adds the field `body`, but `body` holds the text"):
        Pipeline([count]).process_table(arrow.table({"body": ["a"], "text": ["b"]}), text="body")
