"""Steps that take Arrow arrays, with PyArrow, which a worker can import by their names."""

import os
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from text_processor import plugin


@plugin(arrow=True)
def upper(texts: Any) -> Any:
    return pc.utf8_upper(pa.array(texts, pa.string()))


@plugin(arrow=True)
def upper_large(texts: Any) -> Any:
    return pc.utf8_upper(pa.array(texts, pa.large_string()))


@plugin(arrow=True)
def upper_chunked(texts: Any) -> Any:
    array = upper(texts)
    middle = len(array) // 2
    return pa.chunked_array([array[:middle], array[middle:]])


@plugin(arrow=True)
def upper_encoded(texts: Any) -> Any:
    return upper(texts).dictionary_encode()


@plugin(arrow=True, kind="annotate", fields={"size": int, "first": str})
def measure(texts: Any) -> Any:
    array = pa.array(texts, pa.string())
    columns = {"first": pc.utf8_slice_codeunits(array, 0, 1), "size": pc.utf8_length(array)}
    return pa.RecordBatch.from_pydict(columns)


@plugin(arrow=True)
def tell(texts: Any, size: Any) -> Any:
    return pc.binary_join_element_wise(pa.array(texts, pa.string()), pa.array(size).cast(pa.string()), ":")


@plugin(arrow=True, kind="filter")
def longer(texts: Any) -> Any:
    return pc.greater(pc.utf8_length(pa.array(texts, pa.string())), 3)


@plugin(arrow=True, kind="split")
def words(texts: Any) -> Any:
    return pc.utf8_split_whitespace(pa.array(texts, pa.string()))


@plugin(arrow=True)
def die(texts: Any) -> Any:
    if pc.any(pc.equal(pa.array(texts, pa.string()), "poison")).as_py():
        os.abort()
    return texts
