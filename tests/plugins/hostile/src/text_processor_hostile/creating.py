"""B31: classes that cannot be created, or make something that is no step."""

import os
import sys
import time
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


@plugin
@dataclass
class RaisesSometimes:
    """Cannot be created in every third process that tries: the processes are counted in a file."""

    log: str
    each: int = 3

    def __post_init__(self):
        with open(self.log, "a+", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
            file.seek(0)
            numbers = file.read().split()
        if len(numbers) % self.each == 0:
            raise ValueError("raised while creating")

    def __call__(self, text: str) -> str:
        if "poison" in text:
            os._exit(1)
        return text.upper()


@plugin
@dataclass
class CreatedUntilDeath:
    """Dies of the first poison, once so many workers have been made, and cannot be created any more from then on."""

    log: str
    mark: str
    workers: int

    def __post_init__(self):
        with open(self.log, "a+", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        if os.path.exists(self.mark):
            raise ValueError("raised while creating")

    def __call__(self, text: str) -> str:
        if "poison" in text and not os.path.exists(self.mark):
            # Whoever made the pipeline has made one too.
            deadline = time.monotonic() + 5
            while len(open(self.log, encoding="utf-8").read().split()) <= self.workers and time.monotonic() < deadline:
                time.sleep(0.01)
            open(self.mark, "x").close()
            os._exit(1)
        return text.upper()
