"""Steps that take lists, each with its twin that takes one text, for tests of what must not depend on that."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from text_processor import Reject, plugin

FIELDS = {"length": int, "first": str, "share": float, "odd": bool, "letters": list}


def shout(text: str) -> str:
    """Fails for some texts, and leaves others as they are."""
    if "x" in text:
        raise ValueError(text)
    return text if text.isupper() else text.upper()


@plugin(batch=True)
def shout_all(texts: list[str]) -> list[str]:
    return [shout(text) for text in texts]


@plugin
def tell(text: str, length: int, other: str = "nothing") -> str:
    return f"{text}:{length + 1}:{other}"


@plugin(batch=True)
def tell_all(texts: list[str], length: list[int], other: Any = "nothing") -> tuple[str, ...]:
    return tuple(f"{text}:{length + 1}:{word}" for text, length, word in zip(texts, length, other, strict=True))


@plugin(kind="filter")
@dataclass
class Longer:
    """Rejects what is shorter than this."""

    minimum: int = 3

    def __call__(self, text: str) -> bool | Reject | None:
        return Reject("empty") if not text else len(text) >= self.minimum


@plugin(batch=True, kind="filter")
@dataclass
class LongerAll:
    """Does the same."""

    minimum: int = 3

    def __call__(self, texts: list[str]) -> list[bool | Reject | None]:
        decide = Longer(self.minimum)
        return [decide(text) for text in texts]


def fields_of(text: str) -> dict[str, Any]:
    wrong = "b" in text
    return {
        "length": len(text),
        "first": text[:1],
        "share": float("nan") if wrong else len(text) / 7,
        "odd": len(text) % 2 == 1,
        "letters": sorted(set(text))[:3],
    }


@plugin(kind="annotate", fields=FIELDS)
def measure(text: str) -> dict[str, Any]:
    return fields_of(text)


@plugin(batch=True, kind="annotate", fields=FIELDS)
def measure_columns(texts: list[str]) -> dict[str, list[Any]]:
    rows = [fields_of(text) for text in texts]
    return {name: [row[name] for row in rows] for name in reversed(FIELDS)}


@plugin(batch=True, kind="annotate", fields=FIELDS)
def measure_rows(texts: list[str]) -> list[dict[str, Any]]:
    return [fields_of(text) for text in texts]


@plugin(kind="split")
def words(text: str) -> Iterator[str]:
    for word in text.split():
        if word.startswith("é"):
            raise ValueError(word)
        yield word


@plugin(batch=True, kind="split")
def words_all(texts: list[str]) -> list[Iterator[str]]:
    return [words(text) for text in texts]


# The order in which a pipeline may have them, for those who ask for fields.
TWINS: dict[Callable[..., Any], list[Callable[..., Any]]] = {
    shout: [shout_all],
    Longer: [LongerAll],
    measure: [measure_columns, measure_rows],
    words: [words_all],
    tell: [tell_all],
}
