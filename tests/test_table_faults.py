"""What is odd about tables, and about the libraries that hand them on."""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from text_processor import InputError, Pipeline, TableReader, plugin
from text_processor.exceptions import PluginContractError

TRIM = Pipeline(["trim"])
NULLS = {
    "null": [None],
    "list": pl.Series([[None]], dtype=pl.List(pl.Null)),
    "struct": pl.Series([{"a": None}], dtype=pl.Struct({"a": pl.Null})),
    "array": pl.Series([[None]], dtype=pl.Array(pl.Null, 1)),
}


@pytest.mark.parametrize("column", NULLS.values(), ids=NULLS)
def test_a_frame_of_polars_may_hold_columns_of_nulls(column: Any) -> None:
    frame = pl.DataFrame({"text": [" a "], "note": column})
    expected = frame.with_columns(text=pl.Series(["a"]))
    assert TRIM.map_batches(frame).equals(expected)
    made = TRIM.process_table(frame.lazy().collect(), stream=True)
    assert pl.DataFrame(made).equals(expected)


def test_a_plugin_may_return_a_frame_of_polars_that_holds_nulls() -> None:
    @plugin(kind="annotate", arrow=True, fields={"note": object})
    def nothing(texts: Any) -> pl.DataFrame:
        return pl.DataFrame({"note": [None] * len(texts)})

    assert Pipeline([nothing]).map_batches(pa.table({"text": ["a"]})).to_pydict() == {"text": ["a"], "note": ["null"]}


SCHEMA = pa.schema([("text", pa.string()), ("n", pa.string())])


def chunks(wrong: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """PyArrow does not look whether chunks have the schema that was told."""
    yield pa.record_batch({"text": ["a"], "n": ["x"]})
    yield wrong


@pytest.mark.parametrize("read", [list, pa.table], ids=["iterator", "stream"])
@pytest.mark.parametrize(
    "wrong",
    [pa.record_batch({"text": ["b"], "n": [None]}), pa.record_batch({"text": ["b"]})],
    ids=["type", "columns"],
)
def test_chunks_that_do_not_fit_their_schema_are_an_input_error(
    wrong: pa.RecordBatch, read: Callable[..., Any]
) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        TRIM.process_table(pa.RecordBatchReader.from_batches(SCHEMA, chunks(wrong)), stream=False)
    made = TRIM.process_table(pa.RecordBatchReader.from_batches(SCHEMA, chunks(wrong)))
    with pytest.raises((InputError, pa.ArrowInvalid), match="cannot be read"):
        read(made)


def test_a_row_that_is_null_as_a_whole_is_a_row_of_nulls() -> None:
    rows = pa.array(
        [{"text": " a ", "n": 1, "m": []}, None, {"text": None, "n": 2, "m": [1]}],
        pa.struct(
            [
                ("text", pa.string()),
                pa.field("n", pa.int64(), nullable=False),
                ("m", pa.list_(pa.int64())),
            ]
        ),
    )
    expected = {"text": ["a", None, None], "n": [1, None, 2], "m": [[], None, [1]]}
    for table in (rows, pa.chunked_array([rows]), pa.chunked_array([rows.slice(0, 1), rows.slice(1)])):
        assert pa.table(TRIM.process_table(table)).to_pydict() == expected
    assert pa.table(TRIM.process_table(rows, nulls="reject")).to_pydict() == {"text": ["a"], "n": [1], "m": [[]]}


def test_a_type_that_is_not_known_is_told_with_its_column() -> None:
    frame = pl.DataFrame({"text": ["a"], "n": pl.Series([1], dtype=pl.Int128)})
    with pytest.raises(
        TypeError, match=r"The type of the column `n` of a `polars\..*DataFrame` is not known here"
    ) as caught:
        TRIM.process_table(frame)
    assert "cast it" in caught.value.__notes__[0]
    [column] = frame.select("n")
    with pytest.raises(TypeError, match=r"The type of a `polars\..*Series` is not known here"):
        TRIM.process_table(column)


def test_a_step_that_reads_its_own_reader_fails() -> None:
    made: list[TableReader] = []
    seen: list[str] = []

    def look(text: str) -> str:
        for read in (next, pa.table):
            with pytest.raises(ValueError, match="is being read already") as caught:
                read(made[0])
            seen.append(caught.value.__notes__[0])
        return text.upper()

    made.append(Pipeline([look]).process_table(pa.table({"text": ["a"]}), stream=True))
    assert pa.table(next(made[0]))["text"].to_pylist() == ["A"]
    assert len(seen) == 2
    assert list(made[0]) == []


def test_a_source_that_reads_the_reader_above_it_breaks_off() -> None:
    made: list[TableReader] = []

    def source() -> Iterator[pa.RecordBatch]:
        next(made[0])
        yield pa.record_batch({"text": ["a"]})

    made.append(TRIM.process_table(pa.RecordBatchReader.from_batches(pa.schema([("text", pa.string())]), source())))
    with pytest.raises(InputError, match="is being read already"):
        next(made[0])


def test_a_field_is_not_called_by_a_nul() -> None:
    with pytest.raises(PluginContractError, match="holds a NUL"):
        plugin(kind="annotate", fields={"a\0b": int})(lambda text: {"a\0b": 1})
