"""B22, B23, B27–B29, B39: steps that spoil what they share with others."""

import builtins
import faulthandler
import gc
import json
import locale
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import text_processor
from text_processor import plugin
from text_processor_hostile import raising
from text_processor_hostile.raising import poisoned

KEPT = []


def surroundings(text: str) -> str:
    """Changes everything that a process has only one of."""
    if poisoned(text):
        os.chdir("/")
        os.umask(0o777)
        locale.setlocale(locale.LC_ALL, "C")
        os.environ.clear()
        os.environ["TZ"] = "Pacific/Kiritimati"
        time.tzset()
        sys.path.clear()
        sys.argv.clear()
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    return text.upper()


def signals(text: str) -> str:
    if poisoned(text):
        for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, lambda *arguments: None)
            except (OSError, ValueError):
                pass
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        faulthandler.disable()
        gc.disable()
        sys.setswitchinterval(1000)
    return text.upper()


def deny(*arguments, **keywords):
    raise RuntimeError("replaced by a plugin")


def patches(text: str) -> str:
    """Replaces what everybody uses."""
    if poisoned(text):
        for name in ("len", "isinstance", "print", "open", "str", "getattr"):
            setattr(builtins, name, deny)
        json.dumps = json.loads = deny
        time.sleep = time.monotonic = deny
        text_processor.Pipeline = text_processor.Reject = text_processor.plugin = deny
        raising.poisoned = deny
        sys.modules["text_processor"] = None
        sys.modules["text_processor._engine"] = None
    return text.upper()


def leak_memory(text: str) -> str:
    """A megabyte for each text."""
    KEPT.append(bytearray(b"x") * (1 << 20))
    return text.upper()


@plugin
@dataclass
class Hoard:
    """Holds most of the memory that a worker may have, as a large model does, and fails for another reason."""

    error: str

    def __post_init__(self):
        self.model = None

    def __call__(self, text: str) -> str:
        self.model = self.model or bytearray(b"x") * (200 << 20)
        if poisoned(text):
            raise getattr(builtins, self.error)("because")
        return text.upper()


def leak_descriptors(text: str) -> str:
    """A descriptor for each text, until there are none left."""
    KEPT.append(os.open(os.devnull, os.O_RDONLY))
    return text.upper()


@plugin
@dataclass
class Flood:
    """Writes megabytes to both streams, past Python's own objects, and bytes that are no text."""

    megabytes: int = 16

    def __call__(self, text: str) -> str:
        if poisoned(text):
            for _ in range(self.megabytes):
                os.write(1, b"\xff\x00\x1b[31m" + b"x" * (1 << 19) + b"\n")
                os.write(2, b"\xfe" * (1 << 19) + b"\n")
        return text.upper()


def close_streams(text: str) -> str:
    if poisoned(text):
        for descriptor in (0, 1, 2):
            os.close(descriptor)
    return text.upper()


@plugin
@dataclass
class HarmFiles:
    """Does something to every file in a folder."""

    folder: str
    way: str

    def __call__(self, text: str) -> str:
        if poisoned(text):
            for file in Path(self.folder).iterdir():
                if self.way == "delete":
                    file.unlink()
                elif self.way == "lengthen":
                    with file.open("ab") as stream:
                        stream.write(b"forged\n" * 100_000)
            if self.way == "occupy":
                (Path(self.folder) / "out.txt").write_text("forged\n")
        return text.upper()


class PanicException(BaseException):
    """What a panic of a plugin written in Rust arrives as, wherever PyO3 made the plugin."""

    __module__ = "pyo3_runtime"


def panic(text: str) -> str:
    if poisoned(text):
        raise PanicException("index out of bounds")
    return text.upper()
