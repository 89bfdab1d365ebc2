"""`Pipeline.process_table`: tables of any library that speaks Arrow, in and out."""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support import odd_steps
from support.odd_steps import measure, reverse

from text_processor import (
    ConfigError,
    InputError,
    Pipeline,
    RecordError,
    Reject,
    Report,
    StepError,
    Table,
    TableReader,
    plugin,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONG = "a text that is longer than twelve bytes"
TEXTS = [" one ", LONG, None, "", " grüße, die länger sind ", "x"]
TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
]


def column(texts: list[str | None], kind: pa.DataType) -> pa.Array:
    plain = pa.array(texts, pa.string())
    return plain.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else plain.cast(kind)


def table(texts: list[str | None], kind: pa.DataType | None = None, **others: list[Any]) -> pa.Table:
    numbers = pa.array(range(len(texts)), pa.int64())
    columns = {"n": numbers, "text": column(texts, kind or pa.string())} | others
    return pa.table(columns)


def reader(chunks: Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema or table([]).schema, chunks)


def chunks(count: int, rows: int = 10) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        yield from table([f" chunk {number}, row {row} " for row in range(rows)]).to_batches()


@plugin(kind="split")
def words(text: str) -> list[str]:
    return text.split()


@plugin(kind="filter")
def newer(text: str, year: int) -> bool | Reject:
    return year > 2000 or Reject("old")


def shout(text: str) -> str:
    return text.upper() + "!"


def fail_on_x(text: str) -> str:
    if text == "x":
        raise ValueError(text)
    return text


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a19_texts_of_every_type_keep_it(kind: pa.DataType, isolation: Any) -> None:
    pipeline = Pipeline(["trim", reverse])
    made = pa.table(pipeline.process_table(table(TEXTS, kind), isolation=isolation))
    assert made.schema.field("text").type == kind
    assert made["text"].to_pylist() == [text and text.strip()[::-1] for text in TEXTS]
    assert made["n"].to_pylist() == list(range(len(TEXTS)))


def test_a_table_comes_back_as_a_small_object_that_other_libraries_take() -> None:
    frame = pl.DataFrame({"n": [1, 2], "text": [" ab ", "c"]})
    made = Pipeline(["trim", ("length", {"minimum": 2})]).process_table(frame)
    assert isinstance(made, Table)
    assert (len(made), made.column_names, repr(made)) == (1, ["n", "text"], "Table(1 rows, columns: n, text)")
    assert isinstance(made.report, Report)
    assert (made.report.read, made.report.out, made.report.rejected) == (2, 1, 1)
    assert made.report.to_dict()["steps"][1]["rejected"] == {"too_short": 1}
    # Each as often as one likes.
    for _ in range(2):
        assert pl.DataFrame(made).rows() == [(1, "ab")]
        assert pa.table(made).to_pylist() == [{"n": 1, "text": "ab"}]
        assert pa.schema(made).names == ["n", "text"]
        assert duckdb.sql("SELECT text, n FROM made").fetchall() == [("ab", 1)]
        assert duckdb.from_arrow(made).fetchall() == [(1, "ab")]
        assert pd.DataFrame.from_arrow(made).to_dict("list") == {"n": [1], "text": ["ab"]}


@pytest.mark.parametrize(
    "make",
    [
        pl.DataFrame,
        pa.table,
        pd.DataFrame,
        lambda columns: pa.table(columns).to_batches()[0],
        lambda columns: pa.table(columns).to_struct_array().chunk(0),
        lambda columns: Pipeline([]).process_table(pa.table(columns)),
        lambda columns: duckdb.from_arrow(pa.table(columns)),
        lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    ],
    ids=["polars", "pyarrow", "pandas", "batch", "struct", "ours", "duckdb", "pandas-pyarrow"],
)
def test_any_library_that_speaks_arrow_is_understood(make: Any) -> None:
    made = Pipeline(["trim"]).process_table(make({"text": [" a ", LONG], "n": [1, 2]}))
    assert isinstance(made, Table)
    assert pa.table(made).select(["text", "n"]).to_pydict() == {"text": ["a", LONG], "n": [1, 2]}


@pytest.mark.parametrize(
    ("wrong", "said", "note"),
    [
        ([{"text": "a"}], "`list`, which has none of Arrow's C interface", "polars.DataFrame"),
        ({"text": ["a"]}, "`dict`, which has none of Arrow's C interface", "`map_batches` a `dict`"),
        ("a text", "`str`, which has none of Arrow's C interface", "pyarrow.table"),
        (None, "`NoneType`, which has none of Arrow's C interface", "pyarrow.table"),
        (pl.Series("text", ["a"]), "which does not have columns", "one column"),
        (pa.array(["a"]), "which does not have columns", "one column"),
        (pa.chunked_array([["a"]]), "which does not have columns", "one column"),
    ],
    ids=["list", "dict", "str", "None", "Series", "Array", "ChunkedArray"],
)
def test_what_is_no_table_is_refused(wrong: Any, said: str, note: str) -> None:
    with pytest.raises(TypeError, match=said) as caught:
        Pipeline(["trim"]).process_table(wrong)
    assert note in caught.value.__notes__[0]


def test_a_pandas_without_arrow_is_told_what_to_do() -> None:
    old = type("DataFrame", (), {"__module__": "pandas.core.frame"})()
    with pytest.raises(TypeError) as caught:
        Pipeline(["trim"]).process_table(old)
    assert "2.2" in caught.value.__notes__[0]


def test_an_exception_of_the_table_itself_is_raised_as_it_is() -> None:
    class Broken:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise LookupError(self)

    with pytest.raises(LookupError):
        Pipeline(["trim"]).process_table(Broken())


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"text": "txt"}, ConfigError, "has no column `txt`.*Did you mean `text`"),
        ({"text": "n"}, ConfigError, "column `n` must hold texts.*holds Int64"),
        ({"nulls": "drop"}, ValueError, "`nulls` is `keep`, `reject` or `quarantine`, not `drop`"),
        ({"on_error": "ignore"}, ValueError, "`on_error` is `quarantine` or `raise`, not `ignore`"),
        ({"isolation": "container"}, ValueError, "`isolation` is"),
        ({"workers": 0}, ConfigError, "number of workers"),
        ({"memory_budget": 1}, ConfigError, "memory budget"),
        ({"timeout": -1.0}, ValueError, "`timeout` is a number of seconds"),
    ],
    ids=str,
)
def test_a19_wrong_columns_and_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Pipeline(["trim"]).process_table(table(["a"]), **arguments)


def test_the_text_may_be_in_any_column() -> None:
    named = pa.table({"body": [" a "], "text": [" b "]})
    made = pa.table(Pipeline(["trim"]).process_table(named, text="body"))
    assert made.to_pydict() == {"body": ["a"], "text": [" b "]}
    assert pa.table(Pipeline(["trim"], text="body").process_table(named))["body"].to_pylist() == ["a"]


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a19_null_texts_are_kept_rejected_or_quarantined(isolation: Any) -> None:
    pipeline = Pipeline([reverse])

    def made(**arguments: Any) -> Table | TableReader:
        return pipeline.process_table(table(["ab", None, ""]), isolation=isolation, **arguments)

    assert pa.table(made())["text"].to_pylist() == ["ba", None, ""]
    rejected = made(nulls="reject", fates=True)
    assert pa.table(rejected)["reason"].to_pylist() == [None, "null_text", None]
    assert pa.table(rejected)["text"].to_pylist() == ["ba", None, ""]
    assert rejected.report.rejected == 1
    assert made(nulls="quarantine").report.quarantined == 1
    with pytest.raises(RecordError, match="Record 1 of the table cannot be used: The text is null"):
        made(nulls="quarantine", on_error="raise")


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_fields_that_steps_add_are_typed_columns(isolation: Any) -> None:
    made = pa.table(Pipeline([measure]).process_table(table(["text", None, "abc"]), isolation=isolation))
    added = {
        "length": pa.int64(),
        "first": pa.string(),
        "share": pa.float64(),
        "odd": pa.bool_(),
        "letters": pa.string(),
    }
    assert made.schema.names == ["n", "text", *added]
    assert {name: made.schema.field(name).type for name in added} == added
    expected = [measure("text"), None, measure("abc")]
    for name in ["length", "first", "share", "odd"]:
        assert made[name].to_pylist() == [fields and fields[name] for fields in expected]
    assert [told and json.loads(told) for told in made["letters"].to_pylist()] == [
        fields and fields["letters"] for fields in expected
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_a20_a_text_that_is_not_utf8_is_quarantined_alone(kind: pa.DataType) -> None:
    binary = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}[kind]
    damaged = [b"one", b"\xff", "grüße".encode(), b"a text of more than twelve bytes \xff", b"two"]
    texts = pa.array(damaged, binary)
    # Only the name of the type is another: nobody looks at the bytes.
    texts = pa.Array.from_buffers(kind, len(texts), texts.buffers())
    made = Pipeline([shout]).process_table(pa.table({"text": texts}), fates=True)
    assert pa.table(made)["fate"].to_pylist() == ["out", "quarantined", "out", "quarantined", "out"]
    assert pa.table(made)["text"].cast(binary).to_pylist() == [
        *[b"ONE!", damaged[1], "GRÜSSE!".encode(), damaged[3], b"TWO!"]
    ]
    assert made.report.to_dict()["quarantined_by_reader"] == {"utf8": 2}


def test_steps_are_given_the_columns_that_they_ask_for() -> None:
    made = Pipeline([newer]).process_table(table(["a", "b", "c"], year=[1999, 2001, 2024]), fates=True)
    assert pa.table(made)["fate"].to_pylist() == ["rejected", "out", "out"]
    with pytest.raises(ConfigError, match="asks for the field `year`, and the table has no such column"):
        Pipeline([newer]).process_table(table(["a"]))


def test_parts_of_a_split_have_the_other_columns_of_their_record() -> None:
    made = pa.table(Pipeline([words]).process_table(table(["one two", None, "three", "  "])))
    assert made.to_pydict() == {"n": [0, 0, 1, 2], "text": ["one", "two", None, "three"]}


def test_fates_tell_what_became_of_each_record() -> None:
    made = Pipeline(["trim", fail_on_x, ("length", {"minimum": 1})]).process_table(table(TEXTS), fates=True)
    told = pa.table(made)
    assert told["text"].to_pylist() == ["one", LONG, None, "", "grüße, die länger sind", "x"]
    assert told["fate"].to_pylist() == ["out", "out", "out", "rejected", "out", "quarantined"]
    assert told["reason"].to_pylist() == [None, None, None, "too_short", None, "It raised `ValueError`: x"]
    assert told["step"].to_pylist() == [None, None, None, "length", None, "test_tables.fail_on_x"]
    with pytest.raises(ConfigError, match="`fate`"):
        Pipeline([]).process_table(told, fates=True)


def test_a_record_that_fails_is_left_out_with_a_warning_or_raised(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made = Pipeline([fail_on_x]).process_table(table(["a", "x", "b"]))
        assert pa.table(made)["text"].to_pylist() == ["a", "b"]
        streamed = Pipeline([fail_on_x]).process_table(table(["x", "b"]), stream=True)
        assert pa.table(streamed)["text"].to_pylist() == ["b"]
    assert "1 of 3 records failed and were left out of the table" in caplog.text
    assert "1 of 2 records failed and were left out of the table" in caplog.text
    for pipeline, policy in [(Pipeline([fail_on_x]), "raise"), (Pipeline([fail_on_x], on_error="raise"), None)]:
        with pytest.raises(StepError, match=r"Step `test_tables\.fail_on_x` failed on record 1 of the table") as caught:
            pipeline.process_table(table(["a", "x", "b"]), on_error=policy)  # type: ignore[arg-type]
        assert isinstance(caught.value.__cause__, ValueError)
        assert caught.value.position == 1


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("stream", [True, False])
def test_an_error_names_the_record_by_its_identity(isolation: Any, stream: bool) -> None:
    def failed(pipeline: Pipeline, given: pa.Table, **options: Any) -> RecordError:
        with pytest.raises(RecordError) as caught:
            # Through the C interface an error has its words only.
            list(pipeline.process_table(given, on_error="raise", isolation=isolation, stream=stream, **options))  # type: ignore[call-overload]
        return caught.value

    given = table(["a", None, "x"], id=["first", 'sec"ond', "grüße"])
    assert failed(Pipeline([odd_steps.fail_on_x]), given).id == "grüße"
    assert failed(Pipeline([odd_steps.fail_on_x], id="n"), given).id == "2"
    assert failed(Pipeline([odd_steps.fail_on_x], id="nowhere"), given).id is None
    # The reader's own failures have it too.
    refused = failed(Pipeline([odd_steps.fail_on_x]), given, nulls="quarantine")
    assert (refused.id, refused.position) == ('sec"ond', 1)
    assert '(id "sec\\"ond")' in str(refused)


def test_schema_field_metadata_and_chunks_survive() -> None:
    schema = pa.schema(
        [
            pa.field("text", pa.string(), metadata={"of": "text"}),
            pa.field("n", pa.int8(), nullable=False, metadata={"of": "n"}),
        ],
        metadata={"of": "schema"},
    )
    parts = [pa.record_batch([[" a "], [1]], schema), pa.record_batch([["b", "c"], [2, 3]], schema)]
    made = pa.table(Pipeline(["trim"]).process_table(pa.Table.from_batches(parts)))
    assert made.schema.equals(schema, check_metadata=True)
    assert [len(chunk) for chunk in made["text"].chunks] == [1, 2]


def test_a_table_without_rows_keeps_its_schema() -> None:
    made = Pipeline([measure]).process_table(table([]))
    assert (len(made), made.report.read) == (0, 0)  # type: ignore[arg-type]
    assert pa.table(made).schema.names == ["n", "text", "length", "first", "share", "odd", "letters"]
    assert pl.DataFrame(made).schema["length"] == pl.Int64
    rejected = Pipeline([("length", {"minimum": 100})]).process_table(table(["a"]))
    assert pa.table(rejected).to_pydict() == {"n": [], "text": []}


def addresses(array: pa.ChunkedArray) -> list[int]:
    return [buffer.address for chunk in array.chunks for buffer in chunk.buffers() if buffer is not None]


@pytest.mark.parametrize("kind", TYPES[:4], ids=str)
def test_what_no_step_changes_is_the_same_memory(kind: pa.DataType) -> None:
    given = table([f"text number {number} of very many" for number in range(30_000)], kind)
    kept = pa.table(Pipeline(["trim", ("length", {"minimum": 1})]).process_table(given))
    assert addresses(kept["text"]) == addresses(given["text"])
    assert addresses(kept["n"]) == addresses(given["n"])
    changed = pa.table(Pipeline([shout]).process_table(given))
    assert addresses(changed["n"]) == addresses(given["n"])
    assert addresses(changed["text"]) != addresses(given["text"])


def test_trimmed_views_are_not_copied() -> None:
    given = table([f"   {LONG} {number}   " for number in range(20_000)], pa.string_view())
    made = pa.table(Pipeline(["trim"]).process_table(given))
    assert made["text"].to_pylist()[7] == f"{LONG} 7"
    there = {buffer.address for chunk in given["text"].chunks for buffer in chunk.buffers()[2:]}
    assert {buffer.address for chunk in made["text"].chunks for buffer in chunk.buffers()[2:]} <= there


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the highest memory of late")
@pytest.mark.parametrize("kind", ["large_string", "string_view"])
def test_an_empty_pipeline_allocates_next_to_nothing(kind: str) -> None:
    program = f"""
        import pathlib
        import pyarrow as pa
        from text_processor import Pipeline

        def resident(key):
            lines = pathlib.Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))

        table = pa.table({{"text": pa.array(["a text of a kilobyte" * 50] * (256 << 10), pa.{kind}())}})
        Pipeline([]).process_table(table.slice(0, 100))
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        made = Pipeline([]).process_table(table)
        print((resident("VmHWM") - before) / table.nbytes, len(made))
    """
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=False)
    grown, rows = done.stdout.split()
    assert float(grown) < 0.05, done.stderr
    assert int(rows) == 256 << 10


def test_a_table_outlives_what_it_was_made_of() -> None:
    given = table([f"text number {number}" for number in range(10_000)])
    made = Pipeline([]).process_table(given)
    del given
    gc.collect()
    assert pa.table(made)["text"].to_pylist()[9_999] == "text number 9999"


def test_a_reader_is_read_chunk_by_chunk() -> None:
    taken = []

    def source() -> Iterator[pa.RecordBatch]:
        for chunk in chunks(1_000_000):
            taken.append(chunk)
            yield chunk

    made = Pipeline(["trim"]).process_table(reader(source()))
    assert isinstance(made, TableReader)
    assert (made.column_names, repr(made)) == (["n", "text"], "TableReader(columns: n, text)")
    assert made.report.read == 0
    first, second = next(made), next(made)
    assert isinstance(first, Table)
    assert pa.table(first)["text"].to_pylist()[3] == "chunk 0, row 3"
    assert pa.table(second)["text"].to_pylist()[0] == "chunk 1, row 0"
    assert (len(taken), made.report.read, first.report.read) == (2, 20, 10)


def test_a_reader_becomes_a_reader_of_other_libraries() -> None:
    made = Pipeline(["trim"]).process_table(reader(chunks(5)))
    again = pa.RecordBatchReader.from_stream(made)
    assert [batch.num_rows for batch in again] == [10] * 5
    assert (made.report.read, made.report.out) == (50, 50)
    with pytest.raises(ValueError, match="read already") as caught:
        pa.RecordBatchReader.from_stream(made)
    assert "process_table" in caught.value.__notes__[0]
    assert list(made) == []
    frame = pl.DataFrame(Pipeline(["trim"]).process_table(reader(chunks(3))))
    assert frame["text"][29] == "chunk 2, row 9"
    stream = Pipeline(["trim"]).process_table(reader(chunks(3)))
    assert duckdb.from_arrow(stream).aggregate("count(*), min(text)").fetchall() == [(30, "chunk 0, row 0")]


@pytest.mark.parametrize("stream", [True, False])
def test_one_may_say_whether_a_table_is_processed_as_it_is_read(stream: bool) -> None:
    made = Pipeline(["trim"]).process_table(reader(chunks(2)) if not stream else table([" a "]), stream=stream)
    assert isinstance(made, TableReader if stream else Table)
    assert pa.table(made).num_rows == (1 if stream else 20)


def test_a_large_chunk_is_processed_in_parts() -> None:
    text = "x" * (1 << 20)
    given = pa.table({"text": pa.array([text] * 150)})
    made = list(Pipeline([]).process_table(given, stream=True))
    assert len(made) > 1
    assert sum(len(part) for part in made) == 150
    assert addresses(pa.table(made[0])["text"]) == addresses(given["text"])


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_reader_works_wherever_steps_run(isolation: Any) -> None:
    made = Pipeline([reverse]).process_table(reader(chunks(20)), isolation=isolation, workers=2)
    texts = pa.RecordBatchReader.from_stream(made).read_all()["text"].to_pylist()
    assert texts == [text.as_py()[::-1] for chunk in chunks(20) for text in chunk["text"]]
    assert made.report.to_dict()["isolation"] == isolation


def test_a_failure_reaches_whoever_reads() -> None:
    def source() -> Iterator[pa.RecordBatch]:
        yield from table(["a"]).to_batches()
        yield from table(["b", "x"]).to_batches()

    said = "Step `test_tables.fail_on_x` failed on record 2 of the table: It raised `ValueError`: x"
    made = Pipeline([fail_on_x], on_error="raise").process_table(reader(source()))
    assert len(next(made)) == 1  # type: ignore[arg-type]
    with pytest.raises(StepError, match=said) as caught:
        next(made)  # type: ignore[call-overload]
    assert isinstance(caught.value.__cause__, ValueError)
    assert list(made) == []
    made = Pipeline([fail_on_x], on_error="raise").process_table(reader(source()))
    with pytest.raises(pa.ArrowInvalid, match=said):
        pa.RecordBatchReader.from_stream(made).read_all()
    made = Pipeline([fail_on_x], on_error="raise").process_table(reader(source()))
    with pytest.raises(pl.exceptions.PolarsError, match=said):
        pl.DataFrame(made)


def test_a_source_that_breaks_off_is_an_input_error() -> None:
    def source() -> Iterator[pa.RecordBatch]:
        yield from table(["a"]).to_batches()
        message = "no more"
        raise LookupError(message)

    made = Pipeline(["trim"]).process_table(reader(source()))
    next(made)  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"The table cannot be read: .*no more"):
        next(made)  # type: ignore[call-overload]
    assert made.report.out == 1
    with pytest.raises(pa.ArrowInvalid, match="no more"):
        pa.RecordBatchReader.from_stream(Pipeline(["trim"]).process_table(reader(source()))).read_all()
    with pytest.raises(InputError, match="no more"):
        Pipeline(["trim"]).process_table(reader(source()), stream=False)


def test_a_message_with_a_zero_does_not_end_the_process() -> None:
    def zero(text: str) -> str:
        raise ValueError(text + "\0b")

    made = Pipeline([zero], on_error="raise").process_table(reader(chunks(1)))
    with pytest.raises(pa.ArrowInvalid, match="ValueError"):
        pa.RecordBatchReader.from_stream(made).read_all()


def test_threads_may_share_a_pipeline_and_its_tables() -> None:
    pipeline = Pipeline([shout])
    given = table([f"text {number}" for number in range(5_000)])
    made: list[list[str]] = []

    def work() -> None:
        made.append(pa.table(pipeline.process_table(given))["text"].to_pylist())
        streamed = pipeline.process_table(reader(chunks(5)))
        made.append(pa.RecordBatchReader.from_stream(streamed).read_all()["text"].to_pylist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert [texts[-1] for texts in sorted(made, key=len)] == ["CHUNK 4, ROW 9 !".replace("C", " C", 1)] * 4 + [
        "TEXT 4999!"
    ] * 4


def test_a_step_may_process_a_table_itself() -> None:
    inner = Pipeline(["trim"])

    def nested(text: str) -> str:
        return str(pa.table(inner.process_table(table([text])))["text"][0])

    assert pa.table(Pipeline([nested]).process_table(table([" a "])))["text"].to_pylist() == ["a"]


INTERRUPTED = """
    import _thread, threading, time
    import pyarrow as pa
    from text_processor import Pipeline

    def slow(text):
        time.sleep(0.05)
        return text

    def source():
        while True:
            yield pa.record_batch({{"text": ["a"] * 100}})

    def read(reader):
        try:
            pa.RecordBatchReader.from_stream(reader).read_all()
        except pa.ArrowInvalid:
            while True:
                pass

    given = {given}
    threading.Timer(0.5, _thread.interrupt_main).start()
    begun = time.monotonic()
    try:
        {run}
    except {error}:
        print("interrupted", time.monotonic() - begun < 3)
"""


READER = "pa.RecordBatchReader.from_batches(next(source()).schema, {})"


@pytest.mark.parametrize(
    ("given", "run", "error"),
    [
        ("pa.table({'text': ['a'] * 10_000})", "Pipeline([slow]).process_table(given)", "KeyboardInterrupt"),
        (READER.format("source()"), "list(Pipeline([slow]).process_table(given))", "KeyboardInterrupt"),
        (READER.format("map(slow, source())"), "list(Pipeline([]).process_table(given))", "KeyboardInterrupt"),
        # What reads through the C interface raises errors of its own; the interrupt comes right behind them.
        (READER.format("source()"), "read(Pipeline([slow]).process_table(given))", "KeyboardInterrupt"),
    ],
    ids=["table", "iterator", "source", "stream"],
)
def test_c6_an_interrupt_ends_a_slow_step(given: str, run: str, error: str) -> None:
    program = dedent(INTERRUPTED).format(given=given, run=run, error=error)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout == "interrupted True\n", done.stderr


def test_nothing_of_other_libraries_is_imported_for_nothing() -> None:
    program = """
        import sys
        from text_processor import Pipeline
        Pipeline(["trim"]).map_batches({"text": [" a "]})
        print({"pyarrow", "polars", "pandas", "duckdb", "numpy"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr
