"""`Pipeline.map_batches`: a batch of any library to one of the same library."""

from __future__ import annotations

import logging
import pickle
from collections import UserDict
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
    assert "A record failed and was left out: Step `test_map_batches.fail_on_x` failed on record 1" in caplog.text
    with pytest.raises(StepError, match="record 1") as caught:
        Pipeline([fail_on_x], on_error="raise").map_batches(given)
    assert isinstance(caught.value.__cause__, ValueError)


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
