"""Batches of other libraries, each to one of its own kind. No library is imported that the batch is not from."""

from __future__ import annotations

import collections.abc
import sys
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from text_processor._engine import Pipeline, Table, TableReader

# Whoever maps batches runs many of them side by side.
_WORKERS = 1


def map_frame(pipeline: Pipeline, batch: Any) -> Any:
    """Run a pipeline over a batch, and return a batch of the same kind."""
    library = _library(type(batch))
    if library == "pyarrow" and not hasattr(batch, "__len__"):
        reader = pipeline.process_table(batch, workers=_WORKERS, stream=True)
        return sys.modules[library].RecordBatchReader.from_stream(reader)
    if library is not None:
        return _BACK[library](sys.modules[library], pipeline.process_table(batch, workers=_WORKERS), batch)
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
    return batches[0] if batches else pyarrow.RecordBatch.from_pylist([], schema=table.schema)


def _polars(polars: Any, made: Table | TableReader, _batch: Any) -> Any:
    return polars.DataFrame(made)


def _pandas(_pandas: Any, made: Table | TableReader, _batch: Any) -> Any:
    # pandas hands its frames on through pyarrow, which notes in the schema what index and types they had.
    return sys.modules["pyarrow"].table(made).to_pandas()


_BACK: dict[str, Callable[[Any, Table | TableReader, Any], Any]] = {
    "pyarrow": _pyarrow,
    "polars": _polars,
    "pandas": _pandas,
}
