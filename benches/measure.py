"""Runs programs in turn and measures them: wall time, peak memory, and whether they wrote the same texts."""

import json
import os
import statistics
import subprocess
import sys
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

    name: str
    command: list[str]
    outputs: list[Path]
    """The files that it writes, in order; a folder stands for all files in it."""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """What one run of a program cost."""

    seconds: float
    peak_bytes: int


class ProgramFailedError(Exception):
    """A program ended with an error; the message is the end of what it said."""


def run(program: Program) -> Run:
    """Run a program once. The peak memory is that of its largest process."""
    said = Path(os.environ.get("TMPDIR", "/tmp")) / f"text-processor-bench-{os.getpid()}.log"  # noqa: S108
    with said.open("w+b") as log:
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
    tail = said.read_text(encoding="utf-8", errors="replace")[-1000:]
    said.unlink()
    if process.returncode != 0:
        raise ProgramFailedError(tail.strip() or f"exit code {process.returncode}")
    return Run(seconds, usage.ru_maxrss * 1024)


def missing_module(python: str, modules: list[str]) -> str | None:
    """Name the first of these modules that an interpreter does not have."""
    for module in modules:
        look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        if subprocess.run([python, "-c", look], capture_output=True, check=False).returncode != 0:
            return module
    return None


def texts(program: Program) -> Iterator[str]:
    """Read the texts that a program wrote, in order."""
    for output in program.outputs:
        files = sorted(path for path in output.rglob("*") if path.is_file()) if output.is_dir() else [output]
        for file in files:
            with file.open(encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    yield json.loads(line)["text"] if file.suffix == ".jsonl" or ".jsonl." in file.name else line


def differences(
    ours: Program, theirs: Program, source: Program, same: Callable[[str, str], bool], *, leave_out_odd: bool
) -> tuple[int, int]:
    """Count the records that differ, and the records compared."""
    differing = compared = 0
    for original, mine, other in zip(texts(source), texts(ours), texts(theirs), strict=True):
        if leave_out_odd and not ODD_CHARACTERS.isdisjoint(original):
            continue
        compared += 1
        differing += not same(mine, other)
    return differing, compared


def remove_outputs(program: Program) -> None:
    """Remove what a program wrote, so that each run makes its files anew."""
    for output in program.outputs:
        if output.is_dir():
            for path in sorted(output.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
        elif output.exists():
            output.unlink()


def in_turn(ours: Program, theirs: Program, rounds: int) -> tuple[list[Run], list[Run]]:
    """Run two programs in turn. Whatever disturbs the machine disturbs both."""
    runs: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(rounds):
        for program, results in zip((ours, theirs), runs, strict=True):
            remove_outputs(program)
            results.append(run(program))
    return runs


def summary(name: str, ours: list[Run], theirs: list[Run]) -> str:
    """Say how a peer compares: the median of the ratios of neighbouring runs, and the peaks of memory."""
    ratio = statistics.median(their.seconds / our.seconds for our, their in zip(ours, theirs, strict=True))
    columns = [
        f"{name:<38}",
        f"{statistics.median(each.seconds for each in theirs):8.2f} s",
        f"{statistics.median(each.seconds for each in ours):8.2f} s",
        f"{ratio:8.2f} x",
        f"{max(each.peak_bytes for each in theirs) / 1e6:8.0f} MB",
        f"{max(each.peak_bytes for each in ours) / 1e6:8.0f} MB",
    ]
    return "".join(columns)


def heading(title: str) -> str:
    """Return the heading of a table of summaries."""
    columns = f"{'peer':<38}{'theirs':>10}{'ours':>10}{'ratio':>10}{'theirs':>11}{'ours':>11}"
    return f"\n{title}\n{columns}"


def say(text: str) -> None:
    """Print at once, so that a long comparison can be watched."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
