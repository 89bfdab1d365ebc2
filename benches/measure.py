"""Runs programs in turn, measures their time, processor time and peak memory, and compares what they wrote."""

import contextlib
import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Programs differ in what they call a line end or white space. Texts with any of these are left out of the comparison of
# outputs where a job says so; they are never left out of the work.
ODD_CHARACTERS = frozenset("\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029")


@dataclass
class Program:
    """A program that does a job."""

    command: list[str]
    output: Path
    """What it writes; a folder stands for all files in it, in order."""
    source: Path
    """What it reads: throughput is the size of this file over the time."""
    environment: dict[str, str] = field(default_factory=dict)
    own_seconds: Callable[[str], float] | None = None
    """Reads the time from what the program says, for one that measures its work in memory by itself."""


@dataclass
class Run:
    """What one run of a program cost."""

    seconds: float
    processor_seconds: float | None
    """`None` where the time is the program's own: what it does besides is no part of the comparison."""
    peak_bytes: int
    source_bytes: int

    @property
    def seconds_per_byte(self) -> float:
        """What makes runs over files of different sizes comparable."""
        return self.seconds / self.source_bytes


class ProgramFailedError(Exception):
    """A program ended with an error; the message is the end of what it said."""


def run(program: Program) -> Run:
    """Run a program once.

    The peak memory is that of its largest process. Linux counts what this process had when it started the program, too:
    it must stay small, and what is smaller than itself, some 25 MiB, cannot be seen.
    """
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | program.environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read().decode(errors="replace")
    if process.returncode != 0:
        raise ProgramFailedError(said[-1000:].strip() or f"exit code {process.returncode}")
    processor_seconds: float | None = usage.ru_utime + usage.ru_stime
    if program.own_seconds is not None:
        seconds, processor_seconds = program.own_seconds(said), None
    return Run(seconds, processor_seconds, usage.ru_maxrss * 1024, program.source.stat().st_size)


def missing_module(python: str, modules: list[str]) -> str | None:
    """Name the first of these modules that an interpreter does not have."""
    for module in modules:
        look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        if subprocess.run([python, "-c", look], capture_output=True, check=False).returncode != 0:
            return module
    return None


def texts(path: Path) -> Iterator[str]:
    """Read the texts of a file, or of all files of a folder, in order."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield json.loads(line)["text"] if file.suffix == ".jsonl" else line


def differences(
    ours: Program, theirs: Program, same: Callable[[str, str], bool], *, leave_out_odd: bool
) -> tuple[int, int]:
    """Count the records that differ, and the records compared. Where one output ends early, the last one differs."""
    differing = compared = 0
    records = zip(texts(ours.source), texts(ours.output), texts(theirs.output), strict=True)
    while True:
        try:
            original, mine, other = next(records)
        except StopIteration:
            return differing, compared
        except ValueError as error:
            if "zip()" not in str(error):
                raise
            return differing + 1, compared + 1
        if leave_out_odd and not ODD_CHARACTERS.isdisjoint(original):
            continue
        compared += 1
        differing += not same(mine, other)


def remove_output(program: Program) -> None:
    """Remove what a program wrote, so that each run makes its files anew."""
    output = program.output
    if output.is_dir():
        for path in sorted(output.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    elif output.exists():
        output.unlink()


@contextlib.contextmanager
def quiet_machine() -> Iterator[None]:
    """Wait for other measurements that hold the same lock, if `TEXT_PROCESSOR_BENCH_LOCK` names a file for one."""
    name = os.environ.get("TEXT_PROCESSOR_BENCH_LOCK")
    if not name:
        yield
        return
    with Path(name).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def in_turn(ours: Program, theirs: Program, rounds: int) -> list[tuple[Run, Run]]:
    """Run two programs in turn. Whatever disturbs the machine disturbs both."""
    pairs = []
    for _ in range(rounds):
        remove_output(ours)
        remove_output(theirs)
        with quiet_machine():
            pairs.append((run(ours), run(theirs)))
    return pairs


def times_faster(pairs: list[tuple[Run, Run]]) -> float:
    """How many times the throughput of theirs ours has: the median of the ratios of neighbouring runs."""
    return statistics.median(theirs.seconds_per_byte / ours.seconds_per_byte for ours, theirs in pairs)


COLUMNS = (("", 44), ("s", 9), ("ours", 8), ("ratio", 9), ("processor s", 14), ("ours", 8), ("MiB", 8), ("ours", 7))


def heading(title: str) -> str:
    """Return the heading of a table of comparisons."""
    first, *others = COLUMNS
    return f"\n{title}\n{'peer':<{first[1]}}" + "".join(f"{name:>{width}}" for name, width in others)


def _processor_seconds(runs: tuple[Run, ...]) -> str:
    known = [run.processor_seconds for run in runs if run.processor_seconds is not None]
    return f"{statistics.median(known):.2f}" if known else "-"


def summary(name: str, pairs: list[tuple[Run, Run]]) -> str:
    """Say how a peer compares: medians, the median ratio, and the highest peaks of memory."""
    ours, theirs = zip(*pairs, strict=True)
    cells = [
        f"{statistics.median(run.seconds for run in theirs):.2f}",
        f"{statistics.median(run.seconds for run in ours):.2f}",
        f"{times_faster(pairs):.2f} x",
        _processor_seconds(theirs),
        _processor_seconds(ours),
        f"{max(run.peak_bytes for run in theirs) / 2**20:.0f}",
        f"{max(run.peak_bytes for run in ours) / 2**20:.0f}",
    ]
    widths = [width for _, width in COLUMNS]
    return f"{name:<{widths[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))


def say(text: str) -> None:
    """Print at once, so that a long comparison can be watched."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
