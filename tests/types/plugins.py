"""What type checkers accept of plugins, and what they refuse: a `type: ignore` that is not needed is an error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from text_processor import Column, Reject, plugin


class Array:
    """What libraries of the field have."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> Any:
        """Tell nothing."""


@plugin
def one(text: str) -> str:
    """Take one text."""
    return text


@plugin(batch=True, stage="normalize", thread_safe=True)
def many(texts: list[str]) -> list[str]:
    """Take a list."""
    return texts


@plugin(batch=True)
def many_with_fields(
    texts: Sequence[str], language: list[str], source: list[str | None] | None = None
) -> tuple[str, ...]:
    """Take any sequence, and fields."""
    return tuple(texts)


@plugin(batch=True, kind="filter")
@dataclass
class Longer:
    """Decide with booleans and reasons."""

    minimum: int = 3

    def __call__(self, texts: list[str], language: list[str]) -> list[bool | Reject]:
        """Take a list."""
        return [len(text) > self.minimum or Reject(word) for text, word in zip(texts, language, strict=True)]


@plugin(batch=True, kind="annotate", fields={"size": int})
def columns(texts: list[str]) -> dict[str, list[int]]:
    """Return a list for each field."""
    return {"size": [len(text) for text in texts]}


@plugin(batch=True, kind="annotate", fields={"size": int})
def rows(texts: list[str]) -> list[dict[str, int]]:
    """Return a mapping for each record."""
    return [{"size": len(text)} for text in texts]


@plugin(batch=True, kind="split")
def words(texts: list[str]) -> list[list[str]]:
    """Return lists of texts."""
    return [text.split() for text in texts]


@plugin(batch=True, kind="split")
def lines(texts: list[str]) -> list[Iterator[str]]:
    """Return iterators of texts."""
    return [iter(text.splitlines()) for text in texts]


@plugin(arrow=True, kind="filter")
def arrays(texts: Column, language: Column) -> Array | Column:
    """Return anything with the Arrow PyCapsule interface."""
    return texts if len(language) else Array()


# What a decorator returns is what it was given.
minimum: int = Longer(minimum=2).minimum
same: list[str] = many(["a"])


@plugin(batch=True)  # type: ignore[type-var]
def takes_one(text: str) -> list[str]:
    """Take one text, though it says that it takes many."""
    return [text]


@plugin(batch=True)  # type: ignore[type-var]
def returns_one(texts: list[str]) -> str:
    """Return one text for many."""
    return "".join(texts)


@plugin(batch=True, kind="filter")  # type: ignore[type-var]
def decides_with_texts(texts: list[str]) -> list[str]:
    """Return texts for decisions."""
    return texts


@plugin(batch=True, kind="annotate", fields={"size": int})  # type: ignore[type-var]
def annotates_with_one(texts: list[str]) -> dict[str, int]:
    """Return one value for many."""
    return {"size": len(texts)}


@plugin(batch=True, kind="split")  # type: ignore[type-var]
def splits_into_texts(texts: list[str]) -> list[str]:
    """Return a text for each, which would be split into its characters."""
    return texts


@plugin(batch=True)
@dataclass
class TakesOne:  # type: ignore[type-var]
    """Take one text, though it says that it takes many."""

    def __call__(self, text: str) -> str:
        """Take one."""
        return text


@plugin(arrow=True)  # type: ignore[type-var]
def returns_a_list(texts: Column) -> list[str]:
    """Return what is no array."""
    return []


@plugin(arrow=True, batch=True)  # type: ignore[call-overload, untyped-decorator]
def both(texts: Any) -> Any:
    """Want lists and arrays at once."""
    return texts
