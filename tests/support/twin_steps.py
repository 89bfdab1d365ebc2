"""Functions of every kind, each written for one text, for a list and for an Arrow array, under the same name."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from text_processor import plugin


def of(array: Any) -> list[Any]:
    """The values of an array that a step was given."""
    made = pa.array(array)
    return (made.cast(pa.string()) if pa.types.is_string_view(made.type) else made).to_pylist()


@plugin(name="shout")
def shout(text: str) -> str:
    if "x" in text:
        raise ValueError(text)
    return text.upper() if "a" in text else text


@plugin(name="shout", batch=True)
def shout_list(texts: list[str]) -> list[str]:
    return [shout(text) for text in texts]


@plugin(name="shout", arrow=True)
def shout_array(texts: Any) -> Any:
    return pa.array([shout(text) for text in of(texts)], pa.string())


@plugin(name="keep", kind="filter")
def keep(text: str) -> bool:
    return len(text) % 3 != 1


@plugin(name="keep", kind="filter", batch=True)
def keep_list(texts: list[str]) -> list[bool]:
    return [keep(text) for text in texts]


@plugin(name="keep", kind="filter", arrow=True)
def keep_array(texts: Any) -> Any:
    return pa.array([keep(text) for text in of(texts)], pa.bool_())


FIELDS = {"size": int, "first": str, "share": float}


@plugin(name="measure", kind="annotate", fields=FIELDS)
def measure(text: str) -> dict[str, Any]:
    if text.endswith("!"):
        raise LookupError(text)
    return {"size": len(text), "first": text[:1], "share": len(text) / 7}


@plugin(name="measure", kind="annotate", fields=FIELDS, batch=True)
def measure_list(texts: list[str]) -> dict[str, list[Any]]:
    rows = [measure(text) for text in texts]
    return {name: [row[name] for row in rows] for name in FIELDS}


@plugin(name="measure", kind="annotate", fields=FIELDS, arrow=True)
def measure_array(texts: Any) -> Any:
    columns = measure_list(of(texts))
    types = {"size": pa.int64(), "first": pa.string(), "share": pa.float64()}
    return pa.RecordBatch.from_pydict(columns, pa.schema(types))


@plugin(name="words", kind="split")
def words(text: str) -> list[str]:
    return text.split()


@plugin(name="words", kind="split", batch=True)
def words_list(texts: list[str]) -> list[list[str]]:
    return [words(text) for text in texts]


@plugin(name="words", kind="split", arrow=True)
def words_array(texts: Any) -> Any:
    return pa.array(words_list(of(texts)), pa.list_(pa.string()))


@plugin(name="number")
def number(text: str, n: int | None) -> str:
    """Asks for a column of the table."""
    return text if n is None else f"{text} {n}"


@plugin(name="number", batch=True)
def number_list(texts: list[str], n: list[int | None]) -> list[str]:
    return [number(text, at) for text, at in zip(texts, n, strict=True)]


@plugin(name="number", arrow=True)
def number_array(texts: Any, n: Any) -> Any:
    return pa.array(number_list(of(texts), of(n)), pa.string())


TWINS: list[tuple[Callable[..., Any], ...]] = [
    (shout, shout_list, shout_array),
    (keep, keep_list, keep_array),
    (measure, measure_list, measure_array),
    (words, words_list, words_array),
    (number, number_list, number_array),
]
