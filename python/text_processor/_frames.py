"""Batches of other libraries, each to one of its own kind. No library is imported that the batch is not from."""

from __future__ import annotations

import collections.abc
import importlib
import sys
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from text_processor._engine import Pipeline, Table, TableReader

# Whoever maps batches runs many of them side by side.
_WORKERS = 1


def map_frame(pipeline: Pipeline, batch: Any, text: str) -> Any:
    """Run a pipeline, whose texts are in this column, over a batch, and return a batch of the same kind."""
    library = _library(type(batch))
    if library == "pyarrow" and not hasattr(batch, "__len__"):
        reader = pipeline.process_table(batch, workers=_WORKERS, stream=True)
        return sys.modules[library].RecordBatchReader.from_stream(reader)
    if library is not None:
        given = _pandas_table(batch, text) if library == "pandas" else batch
        return _BACK[library](sys.modules[library], pipeline.process_table(given, workers=_WORKERS), batch)
    if isinstance(batch, collections.abc.Iterator):
        return _each(pipeline, batch)
    message = (
        "`map_batches` takes a `Table`, `RecordBatch` or `RecordBatchReader` of pyarrow, a `DataFrame` of Polars or "
        f"pandas, a mapping of columns to lists, or an iterator of such batches, not a `{type(batch).__qualname__}`."
    )
    error = TypeError(message)
    error.add_note("`process_table` takes anything with Arrow's C interface.")
    raise error


def _library(kind: type) -> str | None:
    """Return the library that a type, or one that it is derived from, comes from."""
    packages = (base.__module__.partition(".")[0] for base in kind.__mro__)
    return next((package for package in packages if package in _BACK), None)


def _each(pipeline: Pipeline, batches: Iterator[Any]) -> Iterator[Any]:
    for batch in batches:
        yield pipeline.map_batches(batch)


def _pyarrow(pyarrow: Any, made: Table | TableReader, batch: Any) -> Any:
    table = pyarrow.table(made)
    if not isinstance(batch, pyarrow.RecordBatch):
        return table
    batches = table.combine_chunks().to_batches()
    if batches:
        return batches[0]
    # Not every type has a way from Python objects, and each has an array without any value.
    columns = [pyarrow.nulls(0, field.type) for field in table.schema]
    return pyarrow.RecordBatch.from_arrays(columns, schema=table.schema)


def _polars(polars: Any, made: Table | TableReader, _batch: Any) -> Any:
    return polars.DataFrame(made)


def _pandas_table(frame: Any, text: str) -> Any:
    """Return a frame of pandas as a table of pyarrow, which notes in the schema what index and types it had."""
    pyarrow = importlib.import_module("pyarrow")
    # Of an index that is a range only the range would be noted, and not which of its labels the rows have that stay.
    table = pyarrow.Table.from_pandas(frame, preserve_index=True)
    place = table.schema.get_field_index(text)
    if place >= 0 and table.schema.field(place).type == pyarrow.null():
        # Texts of which there are none, or none but nulls, as they may be in one partition of many.
        table = table.set_column(place, text, table.column(place).cast(pyarrow.string()))
    return table


def _pandas(pandas: Any, made: Table | TableReader, frame: Any) -> Any:
    table = importlib.import_module("pyarrow").table(made)
    back = table.to_pandas()
    for name in table.column_names:
        # Without a null in its place, pandas would make floats of integers, and other ones of large integers.
        if name not in frame.columns and name in back.columns and table.column(name).null_count:
            kind = {"int64": pandas.Int64Dtype(), "bool": pandas.BooleanDtype()}.get(str(table.schema.field(name).type))
            if kind is not None:
                back[name] = pandas.array(table.column(name).to_pylist(), dtype=kind)
    if isinstance(frame.index, pandas.RangeIndex) and back.index.equals(frame.index):
        back.index = frame.index
    return back


_BACK: dict[str, Callable[[Any, Table | TableReader, Any], Any]] = {
    "pyarrow": _pyarrow,
    "polars": _polars,
    "pandas": _pandas,
}
