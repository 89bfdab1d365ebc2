"""Steps for the readers of tables, which a worker can import by their names."""

import os
import sys
from dataclasses import dataclass

from text_processor import plugin


def tell_process(_text: str) -> str:
    return str(os.getpid())


def fail_on_poison(text: str) -> str:
    if text == "poison":
        raise ValueError(text)
    return text


def die_on_poison(text: str) -> str:
    if text == "poison":
        os.abort()
    return text


@plugin
@dataclass
class Farewell:
    """Prints something when it is closed."""

    def __call__(self, text: str) -> str:
        return text

    def close(self) -> None:
        sys.stdout.write("farewell\n")
