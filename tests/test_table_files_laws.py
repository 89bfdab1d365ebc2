"""Any table comes back as it was through a pipeline without steps, in every pair of formats that can hold it."""

import csv
import io
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.files import counts, read_jsonl, write_jsonl
from support.tables import EXTENSIONS, read_table, write_table

from text_processor import Pipeline

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = TEXTS.filter(lambda name: name not in {"", "text"} and "\0" not in name)
SCALARS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.float64(): st.floats(allow_nan=False),
    pa.string(): TEXTS,
    pa.large_string(): TEXTS,
    pa.string_view(): TEXTS,
    pa.binary(): st.binary(max_size=20),
    pa.date32(): st.dates(),
    pa.timestamp("us", tz="UTC"): st.datetimes(),
    pa.decimal128(10, 2): st.decimals(-999, 999, places=2),
}
TYPES = st.sampled_from(list(SCALARS)) | st.sampled_from(
    [
        pa.list_(pa.field("element", pa.int64())),
        pa.struct([("a", pa.string()), ("b", pa.list_(pa.field("element", pa.bool_())))]),
    ]
)


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of a type, and null."""
    if pa.types.is_list(kind):
        return st.none() | st.lists(values(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.none() | st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    return st.none() | SCALARS[kind]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Tables with a column `text`, others of any type, and metadata."""
    rows = draw(st.integers(0, 6))
    column = lambda kind: pa.array(draw(st.lists(values(kind), min_size=rows, max_size=rows)), kind)  # noqa: E731
    text = draw(st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]))
    columns = {"text": column(text)}
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        columns[name] = column(draw(TYPES))
    metadata = draw(st.dictionaries(NAMES, TEXTS, max_size=2))
    return pa.table(columns).replace_schema_metadata({key: value for key, value in metadata.items() if key} or None)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@pytest.mark.parametrize("sink", EXTENSIONS.values())
@pytest.mark.parametrize("source", EXTENSIONS.values())
@given(before=tables())
def test_any_table_comes_back(source: str, sink: str, before: pa.Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / f"in{source}", before)
        output = Path(folder) / f"out{sink}"
        report = Pipeline([]).run(path, output, nulls="keep", workers=1)
        assert counts(report) == (before.num_rows, before.num_rows, 0, 0)
        after = read_table(output)
        assert after.schema.equals(before.schema, check_metadata=True)
        assert after.equals(before)
        if sink == ".parquet":
            assert pl.read_parquet(output).shape == before.shape


@pytest.mark.parametrize("extension", [".csv", ".tsv"])
@given(cells=st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_any_cells_come_back(extension: str, cells: list[tuple[str, str]]) -> None:
    delimiter = "\t" if extension == ".tsv" else ","
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("text", "note"), *cells])
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder) / f"in{extension}", Path(folder) / f"out{extension}"
        path.write_bytes(written.getvalue().encode())
        report = Pipeline([]).run(path, output, workers=1)
        assert counts(report) == (len(cells), len(cells), 0, 0)
        after = csv.reader(io.StringIO(output.read_bytes().decode(), newline=""), delimiter=delimiter)
        assert [tuple(row) for row in after] == [("text", "note"), *cells]


JSON_FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
RECORDS = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "float": st.none() | JSON_FLOATS.filter(lambda number: not number.is_integer() or math.fabs(number) < 2**50),
        "list": st.none() | st.lists(TEXTS, max_size=3),
        "object": st.none() | st.fixed_dictionaries({"truth": st.none() | st.booleans()}),
    }
)
FIRST = {"text": "", "number": 0, "float": 0.5, "list": [""], "object": {"truth": True}}


@pytest.mark.parametrize("middle", EXTENSIONS.values())
@given(records=st.lists(RECORDS, max_size=6))
def test_objects_come_back_through_columns(middle: str, records: list[dict[str, Any]]) -> None:
    records = [FIRST, *records]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_jsonl(folder / "in.jsonl", records)
        report = Pipeline([]).run(path, folder / f"middle{middle}", workers=1)
        assert counts(report) == (len(records), len(records), 0, 0)
        Pipeline([]).run(folder / f"middle{middle}", folder / "out.jsonl", workers=1)
        assert read_jsonl(folder / "out.jsonl") == json.loads(json.dumps(records))
