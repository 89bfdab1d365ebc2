"""Steps of every kind that a worker can import by their name, for tests of what must not depend on where they run."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from text_processor import Reject, plugin


def reverse(text: str) -> str:
    return text[::-1]


@plugin
@dataclass
class Append:
    """Adds something at the end."""

    suffix: str = "!"
    times: int = 1

    def __call__(self, text: str) -> str:
        return text + self.suffix * self.times


@plugin(kind="filter")
@dataclass
class NoLonger:
    """Rejects what is longer than this."""

    maximum: int = 10

    def __call__(self, text: str) -> bool | Reject:
        return len(text) <= self.maximum or Reject(f"more than {self.maximum}")


@plugin(kind="annotate", fields={"length": int, "first": str, "share": float, "odd": bool, "letters": list})
def measure(text: str) -> dict[str, Any]:
    return {
        "length": len(text),
        "first": text[:1],
        "share": len(text) / 7,
        "odd": len(text) % 2 == 1,
        "letters": sorted(set(text))[:3],
    }


@plugin
def tell_length(text: str, length: int, first: str) -> str:
    """Asks for fields that another step has added."""
    return f"{text}:{length}:{first}"


@plugin(kind="split")
def halves(text: str) -> Iterator[str]:
    """Splits a text in two, and leaves nothing of an empty one."""
    middle = len(text) // 2
    yield from (part for part in (text[:middle], text[middle:]) if part)


def fail_on_x(text: str) -> str:
    if "x" in text:
        raise ValueError(text)
    return text


def tell_surroundings(text: str) -> str:
    import os

    return repr((os.getcwd(), os.environ.get("A_VARIABLE"), sys.path, os.getpid() == int(text)))  # noqa: PTH109


class Closing:
    """Notes in a file that it was closed."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __call__(self, text: str) -> str:
        return text

    def close(self) -> None:
        with open(self.mark, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write("closed\n")


def print_much(text: str) -> str:
    print(f"printed for {text}")  # noqa: T201
    print("shouted", file=sys.stderr)  # noqa: T201
    return text
