"""`Pipeline.map_batches`: a batch of any library to one of the same library."""

from __future__ import annotations

import datetime as dt
import logging
import pickle
import subprocess
import sys
from collections import UserDict
from decimal import Decimal
from textwrap import dedent
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from text_processor import BadReturnType, ConfigError, Pipeline, Reject, StepError, plugin

COLUMNS = {"text": [" one ", "x", None, "grüße  "], "n": [1, 2, 3, 4]}
PIPELINE = Pipeline(["trim", ("length", {"minimum": 2})])
KEPT = {"text": ["one", None, "grüße"], "n": [1, 3, 4]}


@plugin(kind="annotate", fields={"length": int})
def measure(text: str) -> dict[str, int]:
    return {"length": len(text)}


@plugin(kind="split")
def words(text: str) -> list[str]:
    return text.split()


@plugin(kind="filter")
def newer(text: str, year: int) -> bool | Reject:
    return year > 2000 or Reject("old")


@plugin(batch=True)
def shout_all(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]


def fail_on_x(text: str) -> str:
    if text == "x":
        raise ValueError(text)
    return text


@pytest.mark.parametrize("call", [PIPELINE, PIPELINE.map_batches], ids=["pipeline", "method"])
def test_a_batch_of_any_library_comes_back_as_one_of_it(call: Any) -> None:
    table = call(pa.table(COLUMNS))
    assert isinstance(table, pa.Table)
    assert table.to_pydict() == KEPT
    batch = call(pa.table(COLUMNS).to_batches()[0])
    assert isinstance(batch, pa.RecordBatch)
    assert batch.to_pydict() == KEPT
    frame = call(pl.DataFrame(COLUMNS))
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dict(as_series=False) == KEPT
    pandas = call(pd.DataFrame(COLUMNS, index=[10, 20, 30, 40]))
    assert isinstance(pandas, pd.DataFrame)
    assert list(pandas.index) == [10, 30, 40]
    assert list(pandas["n"]) == KEPT["n"]
    assert list(pandas["text"])[::2] == KEPT["text"][::2]
    assert call(COLUMNS) == KEPT


def test_a_batch_of_which_nothing_is_left_is_still_a_batch() -> None:
    drop = Pipeline([("length", {"minimum": 100})])
    batch = drop.map_batches(pa.record_batch({"text": ["a"]}))
    assert (type(batch), batch.num_rows, batch.schema.names) == (pa.RecordBatch, 0, ["text"])
    assert drop.map_batches(pl.DataFrame({"text": ["a"]})).height == 0
    assert drop.map_batches({"text": ["a"], "n": [1]}) == {"text": [], "n": []}


def test_readers_and_iterators_are_read_as_their_results_are() -> None:
    taken = []

    def batches() -> Any:
        for number in range(1000):
            taken.append(number)
            yield pa.record_batch({"text": [f" {number} "]})

    made = PIPELINE.map_batches(batches())
    assert taken == []
    assert next(made).num_rows == 0
    assert taken == [0]
    reader = PIPELINE.map_batches(pa.RecordBatchReader.from_batches(pa.schema({"text": pa.string()}), batches()))
    assert isinstance(reader, pa.RecordBatchReader)
    assert reader.read_next_batch().to_pydict() == {"text": ["10"]}
    frames = PIPELINE.map_batches(iter([pl.DataFrame(COLUMNS)]))
    assert isinstance(next(frames), pl.DataFrame)


def test_a_lazy_frame_maps_its_batches() -> None:
    lazy = pl.LazyFrame(COLUMNS).map_batches(PIPELINE.map_batches)
    assert lazy.collect().to_dict(as_series=False) == KEPT


@pytest.mark.parametrize(
    "wrong", [3, "a", ["a"], pa.array(["a"]), pl.Series(["a"]), None, object()], ids=lambda wrong: type(wrong).__name__
)
def test_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        PIPELINE.map_batches(wrong)


def test_a_text_is_no_column_of_characters() -> None:
    for steps in (["trim"], [shout_all]):
        with pytest.raises(TypeError, match="column `text` of the batch is a `str`") as caught:
            Pipeline(steps)({"text": " ab ", "id": 7})
        assert "batched=True" in caught.value.__notes__[0]


def test_a_text_is_processed_as_one_text() -> None:
    assert PIPELINE(" one ") == "one"
    assert PIPELINE("x") is None
    text = "".join(["as it", " is"])
    assert PIPELINE(text) is text


def test_both_can_be_sent_to_other_processes() -> None:
    for call in (PIPELINE, PIPELINE.map_batches):
        assert pickle.loads(pickle.dumps(call))(COLUMNS) == KEPT


def test_a_pipeline_is_no_step() -> None:
    with pytest.raises(TypeError, match="A step is a name, a callable"):
        Pipeline([PIPELINE])


@pytest.mark.parametrize("mapping", [dict, UserDict])
def test_columns_that_keep_their_rows_are_the_same_objects(mapping: Any) -> None:
    numbers = [1, 2]
    given = mapping({"text": [" a ", " b "], "n": numbers, "array": np.array([3, 4])})
    made = Pipeline(["trim"]).map_batches(given)
    assert type(made) is dict
    assert list(made) == ["text", "n", "array"]
    assert made["text"] == ["a", "b"]
    assert made["n"] is numbers
    assert given["text"] == [" a ", " b "]


def test_rows_of_columns_follow_their_texts() -> None:
    made = Pipeline([words, measure]).map_batches({"text": ["one two", "", None, "six"], "n": np.array([1, 2, 3, 4])})
    assert made == {"text": ["one", "two", None, "six"], "n": [1, 1, 3, 4], "length": [3, 3, None, 3]}
    assert Pipeline([newer]).map_batches({"text": ["a", "b"], "year": [1999, 2001]}) == {"text": ["b"], "year": [2001]}


def test_a_record_that_fails_is_left_out_or_raised(caplog: pytest.LogCaptureFixture) -> None:
    given = {"text": ["a", "x"], "n": [1, 2]}
    with caplog.at_level(logging.WARNING):
        assert Pipeline([fail_on_x]).map_batches(given) == {"text": ["a"], "n": [1]}
    [record] = caplog.records
    assert record.getMessage().startswith("1 of 2 records failed and were left out of the batch")
    with pytest.raises(StepError, match="record 1") as caught:
        Pipeline([fail_on_x], on_error="raise").map_batches(given)
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_names_the_record_by_its_identity() -> None:
    for steps in ([fail_on_x], [fail_on_x, shout_all]):
        pipeline = Pipeline(steps, on_error="raise")
        with pytest.raises(StepError, match=r'record 1 \(id "b"\)') as caught:
            pipeline.map_batches({"text": ["a", "x"], "id": ["a", "b"]})
        assert caught.value.id == "b"
        with pytest.raises(StepError) as caught:
            pipeline.map_batches({"text": ["x"], "id": np.array([[1, 2]])})
        assert caught.value.id is None


class Noting:
    """Steps that take many texts at a time, and note how many they get."""

    def __init__(self) -> None:
        self.lists: list[int] = []
        self.columns: list[int] = []

        @plugin(batch=True)
        def shout(texts: list[str]) -> list[str]:
            self.lists.append(len(texts))
            return [text.upper() for text in texts]

        @plugin(arrow=True)
        def same(texts: Any) -> Any:
            self.columns.append(len(pa.array(texts, pa.string())))
            return texts

        self.shout, self.same = shout, same


def test_steps_that_take_many_texts_get_many() -> None:
    texts = [None if number % 7 == 0 else f" text {number} " for number in range(10_000)]
    there = sum(text is not None for text in texts)
    noting = Noting()
    made = Pipeline(["trim", noting.shout]).map_batches({"text": texts, "n": range(10_000)})
    assert made["text"] == [text and text.strip().upper() for text in texts]
    assert sum(noting.lists) == there
    assert max(noting.lists) == 256
    assert len(noting.lists) <= there / 256 + 4
    made = Pipeline(["trim", noting.same]).map_batches({"text": texts})
    assert made["text"] == [text and text.strip() for text in texts]
    assert sum(noting.columns) == there
    assert max(noting.columns) == 1024
    assert len(noting.columns) <= there / 1024 + 4


def test_many_large_texts_are_no_long_list() -> None:
    noting = Noting()
    Pipeline([noting.shout]).map_batches({"text": ["x" * 300_000] * 20})
    assert sum(noting.lists) == 20
    assert max(noting.lists) == 4


def test_what_goes_together_fails_is_rejected_and_split_alone(caplog: pytest.LogCaptureFixture) -> None:
    @plugin(batch=True, kind="split")
    def all_words(texts: list[str]) -> list[list[str]]:
        return [text.split() for text in texts]

    @plugin(batch=True, kind="filter")
    def newer_all(texts: list[str], year: list[int]) -> list[bool | Reject]:
        return [newer(text, at) for text, at in zip(texts, year, strict=True)]

    unchanged = "".join(["as it", " is"])
    columns = {
        "text": [unchanged, "one x", None, "old one", "\ud800", "five six", ""],
        "year": [2024, 2024, None, 1999, 2024, 2024, 2024],
        "n": range(7),
    }
    with caplog.at_level(logging.WARNING):
        kept = Pipeline([newer_all]).map_batches(columns)
        made = Pipeline([newer_all, all_words, fail_on_x, measure]).map_batches(columns)
    assert kept["text"][0] is unchanged
    assert (kept["text"], kept["n"]) == ([unchanged, "one x", None, "five six", ""], [0, 1, 2, 5, 6])
    assert made == {
        "text": ["as", "it", "is", None, "five", "six"],
        "year": [2024, 2024, 2024, None, 2024, 2024],
        "n": [0, 0, 0, 2, 5, 5],
        "length": [2, 2, 2, None, 4, 3],
    }
    told = [record.getMessage().partition(" failed")[0] for record in caplog.records]
    assert told == ["1 of 7 records", "2 of 7 records"]


def test_a_text_that_is_too_large_for_a_batch_fails_alone() -> None:
    pipeline = Pipeline([Noting().shout])
    large = "x" * (16 << 20)
    assert pipeline.map_batches({"text": ["a", large + "x", "b"]})["text"] == ["A", "B"]
    # What together is more than a batch may hold goes through in parts.
    grow = Pipeline([("replace", {"pattern": "x", "replacement": "yyyyyyyyyy"}), Noting().shout])
    made = grow.map_batches({"text": ["x" * 1_000_000] * 8})["text"]
    assert [len(text) for text in made] == [10_000_000] * 8


def test_an_interrupt_ends_steps_that_take_many_texts() -> None:
    program = """
        import _thread, threading, time
        from text_processor import Pipeline, plugin

        @plugin(batch=True)
        def slow(texts):
            time.sleep(0.02)
            return texts

        threading.Timer(0.5, _thread.interrupt_main).start()
        begun = time.monotonic()
        try:
            Pipeline([slow, slow]).map_batches({"text": ["a"] * 1_000_000})
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - begun < 5)
    """
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=False)
    assert done.stdout == "interrupted True\n", done.stderr


def test_what_is_wrong_with_columns_is_told() -> None:
    with pytest.raises(ConfigError, match=r"has no column `text`.*it has `texts`, `n`\. Did you mean `texts`"):
        PIPELINE.map_batches({"texts": [], "n": []})
    with pytest.raises(ConfigError, match="it has none"):
        PIPELINE.map_batches({})
    with pytest.raises(TypeError, match="Item 1 of the column `text` is no `str`"):
        PIPELINE.map_batches({"text": ["a", 1]})
    bad: Any = lambda text: 1  # noqa: E731
    with pytest.raises(BadReturnType):
        Pipeline([bad], on_error="raise").map_batches({"text": ["a"]})


@plugin(kind="annotate", fields={"large": int, "odd": bool})
def large(text: str) -> dict[str, int]:
    return {"large": 2**60 + 1, "odd": True}


@pytest.mark.parametrize("index", [[7, 5, 3, 1], pd.RangeIndex(4), pd.RangeIndex(7, -1, -2, name="row")], ids=repr)
def test_rows_of_pandas_keep_their_labels(index: Any) -> None:
    frame = pd.DataFrame({"text": ["aa", "b", "cc dd", "ee"]}, index=index)
    long = Pipeline([("length", {"minimum": 2})])
    for given in (frame, frame.iloc[1:], frame.iloc[:0], frame.iloc[[3, 1, 0]]):
        made = long.map_batches(given)
        assert list(made.index) == list(given[given["text"].str.len() > 1].index)
        assert made.index.name == given.index.name
        assert list(made.columns) == ["text"]
    # A range stays one where all rows do.
    assert type(Pipeline(["trim"]).map_batches(frame).index) is type(frame.index)
    made = Pipeline([("length", {"minimum": 2}), words]).map_batches(frame)
    labels = list(frame.index)
    assert list(made.index) == [labels[0], labels[2], labels[2], labels[3]]


@pytest.mark.parametrize("texts", [[], [None, None]], ids=["empty", "null"])
def test_a_partition_of_pandas_without_a_text_is_one_of_texts(texts: list[None]) -> None:
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "n": range(len(texts))})
    made = Pipeline([("length", {"minimum": 2})]).map_batches(frame)
    assert list(made["n"]) == list(frame["n"])
    assert made["text"].isna().all()


def test_numbers_that_steps_add_stay_what_they_are_in_pandas() -> None:
    made = Pipeline([large]).map_batches(pd.DataFrame({"text": ["a", None], "n": [1, 2]}))
    assert made["large"].tolist() == [2**60 + 1, pd.NA]
    assert made.dtypes.astype(str).to_dict() == {"text": "str", "n": "int64", "large": "Int64", "odd": "boolean"}
    made = Pipeline([large]).map_batches(pd.DataFrame({"text": ["a", "b"]}))
    assert made["large"].dtype == "int64"


def test_a_batch_of_any_type_may_become_empty() -> None:
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    lists = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array([[1]]))
    batch = pa.record_batch([pa.array(["a"]), union, lists], names=["text", "u", "d"])
    made = Pipeline([("length", {"minimum": 3})]).map_batches(batch)
    assert (made.num_rows, made.schema) == (0, batch.schema)


NAN = float("nan")
UTC = dt.UTC
OBJECTS = [
    dt.date(2020, 1, 1),
    dt.datetime(2020, 1, 1, 2, 3, 4, 567, UTC),
    dt.datetime(2020, 1, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    dt.time(1, 2, 3, 400),
    dt.timedelta(days=1, seconds=3, microseconds=500),
    dt.timedelta(seconds=-1, microseconds=5),
    dt.timedelta(0),
    Decimal("1.50"),
    NAN,
    float("inf"),
    [NAN, 1.0],
    {"a": Decimal("1.5"), "b": [dt.date(2020, 1, 1)]},
    np.int64(3),
    np.float32(0.5),
    np.datetime64("2020-01-01T00:00:00"),
    np.bool_(True),
    True,
    None,
]


@pytest.mark.parametrize("value", OBJECTS, ids=repr)
def test_a_mapping_gives_steps_what_a_table_gives_them(value: Any) -> None:
    seen: list[str] = []

    @plugin(kind="filter")
    def see(text: str, x: Any) -> bool:
        seen.append(repr(x))
        return True

    Pipeline([see]).process_table(pa.table({"text": ["a"], "x": pa.array([value])}))
    for steps in ([see], [see, shout_all]):
        assert Pipeline(steps)({"text": ["a"], "x": [value]})["x"][0] is value
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_column_that_a_step_cannot_do_without_must_be_there() -> None:
    with pytest.raises(ConfigError, match="newer` asks for the field `year`, and the batch has no such column"):
        Pipeline([newer])({"text": ["a"]})
