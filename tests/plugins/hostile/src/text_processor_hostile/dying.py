"""B19–B21, B24, B25, B34–B36: steps that take their process down, or what it needs to live."""

import ctypes
import gc
import mmap
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from text_processor import plugin
from text_processor_hostile.raising import poisoned


def segfault():
    ctypes.string_at(0)


def read_behind_the_end():
    """The SIGBUS of a file that was shortened while it was mapped."""
    with tempfile.TemporaryFile() as file:
        file.truncate(mmap.PAGESIZE)
        mapped = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        file.truncate(0)
        mapped[0]


def overflow_stack():
    """Has the compiler of patterns in the C library call itself for each parenthesis, which Python cannot count."""
    extended = 1
    ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(1 << 12), b"(" * 1_000_000, extended)


def recurse_without_limit():
    """Python's own recursion needs memory, not stack, once its limit is lifted."""

    def call(depth):
        return call(depth + 1) + 1

    sys.setrecursionlimit(10**9)
    call(0)


def take_all_memory():
    kept = []
    while True:
        kept.append(bytearray(b"x") * (1 << 22))


def map_all_memory():
    """Memory that no limit of Python's allocator sees."""
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 1 << 24))
        for place in range(0, 1 << 24, mmap.PAGESIZE):
            kept[-1][place] = 1


def hang():
    while True:
        pass


def doorbells():
    """The sockets of the process: a plugin that knows how can find the one to its supervisor."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                yield int(name)
        except OSError:
            pass


def close_everything():
    os.closerange(3, 1024)


def replace_doorbell():
    read, _ = os.pipe()
    for descriptor in doorbells():
        os.dup2(read, descriptor)


def write_garbage():
    for descriptor in doorbells():
        os.write(descriptor, b"garbage on the doorbell! " * 4)


def fork_and_return():
    os.fork()


WAYS = {
    "segfault": segfault,
    "abort": os.abort,
    "divide": lambda: signal.raise_signal(signal.SIGFPE),
    "illegal": lambda: signal.raise_signal(signal.SIGILL),
    "bus": read_behind_the_end,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit-0": lambda: os._exit(0),
    "exit-7": lambda: os._exit(7),
    "memory": take_all_memory,
    "mapped-memory": map_all_memory,
    "recursion": recurse_without_limit,
    "stack": overflow_stack,
    "hang": hang,
    "close": close_everything,
    "replace": replace_doorbell,
    "garbage": write_garbage,
    "fork": fork_and_return,
}


@plugin
@dataclass
class Die:
    """Dies in this way of each text that contains `poison`, and upper-cases all others."""

    way: str

    def __call__(self, text: str) -> str:
        if poisoned(text):
            WAYS[self.way]()
        return text.upper()


def first_time(mark):
    """Whether this has not been asked before in any process."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


@plugin
@dataclass
class DieOnce:
    """Dies of the first poison only: the next worker finds the mark that the first one left."""

    mark: str
    way: str = "segfault"

    def __call__(self, text: str) -> str:
        if poisoned(text) and first_time(self.mark):
            WAYS[self.way]()
        return text.upper()


class DiesWhenCollected:
    def __init__(self):
        self.itself = self

    def __del__(self):
        os._exit(3)


@plugin
@dataclass
class DieInCollection:
    """Leaves behind, once, what takes the process down when the garbage is collected, which happens at another text."""

    mark: str

    def __call__(self, text: str) -> str:
        if poisoned(text) and first_time(self.mark):
            gc.collect()
            DiesWhenCollected()
        elif text == "collect":
            gc.collect()
        return text.upper()


@plugin
@dataclass
class CountStarts:
    """Dies of everything, and adds a line to a file whenever it is made."""

    log: str

    def __post_init__(self):
        with Path(self.log).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")

    def __call__(self, text: str) -> str:
        os._exit(1)
