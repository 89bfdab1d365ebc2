"""B31: classes that cannot be created, or make something that is no step."""

import sys
from dataclasses import dataclass

from text_processor import plugin


@plugin
@dataclass
class Raises:
    def __post_init__(self):
        raise ValueError("raised while creating")

    def __call__(self, text: str) -> str:
        return text


@plugin
@dataclass
class Exits:
    def __post_init__(self):
        sys.exit("exited while creating")

    def __call__(self, text: str) -> str:
        return text


@plugin
@dataclass
class HidesCause:
    """Fails because something else failed."""

    def __post_init__(self):
        try:
            {}["model.bin"]
        except KeyError as error:
            raise OSError("the model cannot be loaded") from error

    def __call__(self, text: str) -> str:
        return text


@plugin
@dataclass
class NotCallable:
    minimum: int = 1
