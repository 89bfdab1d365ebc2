"""Tables whose buffers lie anywhere in memory, as those do that were received over a network."""

import gc
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from text_processor import Pipeline, plugin

TEXTS = [" one ", "a text that is longer than twelve bytes ", None, "", " grüße, die länger sind als zwölf Bytes", "x"]
TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int16(), pa.large_string()),
]
OTHERS = {
    "number": pa.array(range(6), pa.int64()),
    "price": pa.array([Decimal(number) for number in range(6)], pa.decimal128(10, 2)),
    "names": pa.array([["a", "bc"], None, [], ["d"], ["efg"], [""]], pa.list_(pa.large_string())),
    "nested": pa.array(
        [{"s": text, "b": b"\xff"} for text in "abcdef"], pa.struct([("s", pa.string()), ("b", pa.binary())])
    ),
    "map": pa.array([[("k", "v")], [], None, [], [], [("a", "b")]], pa.map_(pa.string(), pa.string_view())),
    "view": pa.array([None, b"long enough to lie in a buffer", b"", b"1", b"2", b"3"], pa.binary_view()),
}


def moved(table: pa.Table, by: int) -> pa.Table:
    """The same table in memory that begins so many bytes beside where it should."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = pa.py_buffer(b"?" * by + sink.getvalue().to_pybytes())
    return pa.ipc.open_stream(content.slice(by)).read_all()


def texts(kind: pa.DataType) -> pa.Array:
    """The texts as an array of a type."""
    plain = pa.array(TEXTS)
    return plain.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else plain.cast(kind)


@pytest.mark.parametrize("by", [1, 4])
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_a_table_may_lie_anywhere(kind: pa.DataType, by: int) -> None:
    straight = pa.table({"text": texts(kind), **OTHERS})
    table = moved(straight, by)
    assert any(buffer.address % 8 for buffer in table["number"].chunk(0).buffers() if buffer)
    assert pa.table(Pipeline([]).process_table(table)).equals(straight)
    trimmed = pa.table(Pipeline(["trim"]).process_table(table.slice(1)))
    assert trimmed.equals(pa.table(Pipeline(["trim"]).process_table(straight.slice(1))))
    batch = Pipeline(["trim"]).process_table(table.to_batches()[0])
    assert pa.table(batch).num_rows == 6


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_what_lies_anywhere_outlives_its_owner(kind: pa.DataType) -> None:
    made = Pipeline([]).process_table(moved(pa.table({"text": texts(kind), **OTHERS}), 3))
    gc.collect()
    table = pa.table(made)
    del made
    gc.collect()
    assert table["text"].to_pylist() == TEXTS
    assert table["names"].to_pylist() == OTHERS["names"].to_pylist()


def test_chunks_that_lie_anywhere_are_read_as_they_come() -> None:
    table = moved(pa.table({"text": texts(pa.large_string()), **OTHERS}), 1)
    chunks = (table.to_batches()[0] for _ in range(5))
    reader = Pipeline(["trim"]).process_table(pa.RecordBatchReader.from_batches(table.schema, chunks))
    assert pa.RecordBatchReader.from_stream(reader).read_all()["number"].to_pylist() == 5 * list(range(6))


def test_a_table_without_rows_may_lie_anywhere() -> None:
    straight = pa.table({"text": texts(pa.large_string()), **OTHERS}).slice(0, 0)
    assert pa.table(Pipeline(["trim"]).process_table(moved(straight, 1))).num_rows == 0


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("kind", TYPES[:3], ids=str)
def test_what_a_step_returns_may_lie_anywhere(kind: pa.DataType, chunked: bool) -> None:
    @plugin(arrow=True)
    def quieten(texts: Any) -> Any:
        lower = pc.utf8_lower(pa.array(texts).cast(pa.string())).cast(kind)
        column = moved(pa.table({"text": lower}), 1)["text"]
        return column if chunked else column.chunk(0)

    made = Pipeline([quieten]).process_table(pa.table({"text": [text for text in TEXTS if text]}))
    assert pa.table(made)["text"].to_pylist() == [text.lower() for text in TEXTS if text]
