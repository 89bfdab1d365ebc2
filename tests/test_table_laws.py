"""Laws that hold for every table and every pipeline."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from support.twin_steps import TWINS, measure

from text_processor import Pipeline, Reject, plugin

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
TEXT_TYPES = [
    *[pa.string(), pa.large_string(), pa.string_view()],
    *[pa.dictionary(pa.int16(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())],
]
INTEGERS = st.integers(-(2**63), 2**63 - 1)
OTHERS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): INTEGERS,
    pa.uint8(): st.integers(0, 255),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.binary(): st.binary(max_size=10),
    pa.date32(): st.dates(),
    pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(dt.UTC)),
    pa.decimal128(9, 2): st.integers(-(10**8), 10**8).map(lambda number: Decimal(number) / 100),
    pa.list_(pa.list_(pa.int64())): st.lists(st.lists(INTEGERS | st.none(), max_size=2) | st.none(), max_size=3),
    pa.struct([("a", pa.string()), ("b", pa.int64())]): st.fixed_dictionaries({"a": TEXTS | st.none(), "b": INTEGERS}),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["one", "two", "three"]),
    pa.null(): st.none(),
}
METADATA = st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=2)


def array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Tables with a column of texts, others beside it, nulls, metadata, and chunks that begin anywhere."""
    kinds = draw(st.lists(st.sampled_from(list(OTHERS)), max_size=3))
    text = draw(st.sampled_from(TEXT_TYPES))
    fields = [pa.field(f"column {number}", kind, metadata=draw(METADATA)) for number, kind in enumerate(kinds)]
    fields.insert(draw(st.integers(0, len(fields))), pa.field("text", text))
    schema = pa.schema(fields, metadata=draw(METADATA))
    strategies = OTHERS | dict.fromkeys(TEXT_TYPES, TEXTS)
    chunks = []
    for _ in range(draw(st.integers(0, 3))):
        rows = draw(st.integers(0, 8))
        columns = [
            array(draw(st.lists(strategies[field.type] | st.none(), min_size=rows, max_size=rows)), field.type)
            for field in schema
        ]
        chunk = pa.record_batch(columns, schema=schema)
        chunks.append(chunk.slice(draw(st.integers(0, rows))))
    return pa.Table.from_batches(chunks, schema)


@plugin(kind="filter")
def no_digits(text: str) -> bool | Reject:
    return Reject("digits") if any(map(str.isdigit, text)) else True


STEPS = st.lists(
    st.sampled_from(
        [
            *["trim", "trim-lines", "collapse-whitespace", "strip-control", "normalize-unicode"],
            ("replace", {"pattern": "a", "replacement": "ee"}),
            *[no_digits, str.upper],
        ]
    ),
    max_size=4,
)


@given(tables())
def test_an_empty_pipeline_returns_an_equal_table(table: pa.Table) -> None:
    made = pa.table(Pipeline([]).process_table(table))
    made.validate(full=True)
    assert made.schema.equals(table.schema, check_metadata=True)
    assert made.equals(table)
    streamed = pa.table(Pipeline([]).process_table(table, stream=True))
    assert streamed.equals(table)


@given(tables())
def test_steps_that_change_nothing_return_an_equal_table(table: pa.Table) -> None:
    made = pa.table(Pipeline([str.__str__]).process_table(table))
    assert made.schema.equals(table.schema, check_metadata=True)
    assert made.equals(table)


@given(st.lists(TEXTS | st.none(), max_size=30), st.sampled_from(TEXT_TYPES), STEPS)
def test_a_column_becomes_what_its_texts_become(texts: list[str | None], kind: pa.DataType, steps: list[Any]) -> None:
    pipeline = Pipeline(steps)
    expected: list[str | None] = []
    for text, processed in zip(texts, pipeline.process_many(text or "" for text in texts), strict=True):
        if text is None:
            expected.append(None)
        elif processed is not None:
            expected.append(processed)
    table = pa.table({"text": array(texts, kind)})
    made = pa.table(pipeline.process_table(table))
    made.validate(full=True)
    assert made["text"].to_pylist() == expected
    assert made.schema.field("text").type == kind
    assert pipeline.map_batches({"text": texts})["text"] == expected
    assert pipeline.map_batches(pl.DataFrame({"text": texts}, schema={"text": pl.String}))["text"].to_list() == expected


@st.composite
def twins(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Steps of any kinds in any order, each for one text; and the same, some of which take many."""
    chosen = draw(st.lists(st.sampled_from([*TWINS, ("trim",) * 3]), min_size=1, max_size=5))
    # A field is added by one step only.
    adds = [place for place, twin in enumerate(chosen) if twin[0] is measure]
    chosen = [twin for place, twin in enumerate(chosen) if place not in adds[1:]]
    return [twin[0] for twin in chosen], [draw(st.sampled_from(twin)) for twin in chosen]


ROWS = st.tuples(st.text(alphabet="abx! é\U0001f600", max_size=12) | st.none(), st.integers(-9, 99) | st.none())


@st.composite
def numbered(draw: st.DrawFn) -> pa.Table:
    """Tables of texts and numbers in chunks of any size, and so in batches of any size."""
    kind = draw(st.sampled_from(TEXT_TYPES))
    schema = pa.schema({"text": kind, "n": pa.int64()})
    chunks = []
    # Rows that come again and again make batches with more of them than a list or a column holds.
    for rows in draw(st.lists(st.lists(ROWS, max_size=12), max_size=3)):
        many = rows * draw(st.sampled_from([1, 1, 1, 40, 130]))
        columns = [array([text for text, _ in many], kind), pa.array([number for _, number in many], pa.int64())]
        chunks.append(pa.record_batch(columns, schema=schema))
    return pa.Table.from_batches(chunks, schema)


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables say the same. How a dictionary numbers its values depends on how long the steps took."""
    return one.schema.equals(other.schema) and one.to_pydict() == other.to_pydict()


@given(twins(), numbered())
def test_it_does_not_matter_how_many_texts_a_step_takes(steps: tuple[list[Any], list[Any]], table: pa.Table) -> None:
    one, many = map(Pipeline, steps)
    expected = pa.table(one.process_table(table, fates=True))
    made = pa.table(many.process_table(table, fates=True))
    made.validate(full=True)
    assert same(made, expected)
    assert same(pa.table(many.process_table(table, fates=True, stream=True)), expected)
    columns = table.to_pydict()
    assert many.map_batches(columns) == one.map_batches(columns)
    assert many.map_batches(columns) == pa.table(one.process_table(table)).to_pydict()


@settings(max_examples=8)
@given(twins(), numbered(), st.integers(1, 300))
def test_nor_does_it_in_workers_whatever_is_sent_at_once(
    steps: tuple[list[Any], list[Any]], table: pa.Table, batch_size: int
) -> None:
    one, many = map(Pipeline, steps)
    expected = pa.table(one.process_table(table, fates=True))
    made = many.process_table(table, fates=True, isolation="process", workers=2, batch_size=batch_size)
    assert same(pa.table(made), expected)
