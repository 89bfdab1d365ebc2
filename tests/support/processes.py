"""What a run leaves behind: processes, descriptors, temporary files."""

import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# All that descends from a test has this variable, whatever process group and session it has moved to.
VARIABLE = "TEXT_PROCESSOR_TEST"


def descendants(name: str) -> list[int]:
    """The processes that were started with this value of the variable and live."""
    return [
        process for process in _processes() if _has_variable(process, name) and state(process) not in ("Z", "X", "")
    ]


def children(parent: int | None = None) -> list[int]:
    """The children of a process (this one, if none is given), also those that have ended and nobody has asked about."""
    wanted = str(parent or os.getpid())
    return [process for process in _processes() if _status(process)[1:2] == [wanted]]


def state(process: int) -> str:
    """What `/proc` says of a process: `R`, `S`, `T`, `Z` and so on; nothing if there is none."""
    return "".join(_status(process)[:1])


def workers(parent: int | None = None) -> list[int]:
    """The workers of a process that live, oldest first."""
    return sorted(process for process in children(parent) if b"_engine import worker" in _read(process, "cmdline"))


def wait_until(condition: object, seconds: float = 20) -> None:
    """Waits until a callable returns something true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not become true"
        time.sleep(0.005)


@contextmanager
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Fails if the block leaves a process, a descriptor or a temporary file. It yields what tells its processes."""
    name = uuid.uuid4().hex
    monkeypatch.setenv(VARIABLE, name)
    # Python opens these when they are first needed, and keeps them.
    os.urandom(1)
    descriptors, before = _descriptors(), set(children())
    folder = Path(tempfile.mkdtemp())
    monkeypatch.setenv("TMPDIR", str(folder))
    try:
        yield name
    finally:
        # What was killed may need a moment, and nobody waits for those whose parent was killed too.
        deadline = time.monotonic() + 2
        while (left := descendants(name)) and time.monotonic() < deadline:
            time.sleep(0.01)
        for process in left:
            os.kill(process, signal.SIGKILL)
        files = list(folder.iterdir())
        shutil.rmtree(folder)
    assert left == [], "no process is left"
    assert set(children()) - before == set(), "no child is left that nobody has asked about"
    assert _descriptors() == descriptors, "no descriptor is left"
    # What `multiprocessing` makes for a plugin, and a worker that is ended does not remove, is the plugin's.
    assert [entry.name for entry in files if not entry.name.startswith("pymp-")] == [], "no temporary file is left"


def _processes() -> list[int]:
    return [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]


def _read(process: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{file}").read_bytes()
    except OSError:
        return b""


def _status(process: int) -> list[str]:
    """The state and the parent of a process. Its name stands before them, in parentheses, and may hold anything."""
    return _read(process, "stat").rpartition(b")")[2].decode().split()[:2]


def _has_variable(process: int, name: str) -> bool:
    return f"{VARIABLE}={name}".encode() in _read(process, "environ").split(b"\0") and process != os.getpid()


def _descriptors() -> dict[str, str]:
    found = {}
    for place in Path("/proc/self/fd").iterdir():
        try:
            found[place.name] = str(place.readlink())
        except OSError:
            continue  # The one with which the folder was read.
    return found
