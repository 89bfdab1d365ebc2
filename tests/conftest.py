"""What the tests share: distributions that are installed without an installer, and the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from support.directories import corpus
from support.program import Program
from support.site import Site, install_hostile

from text_processor import _engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The same examples each time: a check that fails on one machine must fail on all.
# `--hypothesis-profile=thorough` looks further.
settings.register_profile(
    "quick",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")


@pytest.fixture(scope="session", autouse=True)
def _heed_interrupts() -> Iterator[None]:
    """A shell lets what it starts in the background ignore SIGINT, and so does all that is started from there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A folder on `sys.path`, and `sys.modules` as it was afterwards."""
    site = Site(tmp_path / "site")
    monkeypatch.syspath_prepend(site.path)
    before = set(sys.modules)
    yield site
    # A namespace package has no file, only folders; it looks its folders up again in the package above.
    for name, module in sorted(sys.modules.items(), reverse=True):
        if name in before:
            continue
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]


@pytest.fixture
def hostile(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The folders of the package of hostile steps, installed. Each test imports its modules anew."""
    paths = install_hostile(site)
    for path in paths:
        monkeypatch.syspath_prepend(path)
    yield paths
    for name in [name for name in sys.modules if name.partition(".")[0] == "text_processor_hostile"]:
        del sys.modules[name]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A thousand records, of which some are rejected and some fail."""
    return corpus(tmp_path / "in.jsonl", 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an output directory is to be."""
    return tmp_path / "out"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command as a process, in an empty folder."""
    return Program(tmp_path / "work")


@pytest.fixture
def hostile_program(tmp_path: Path, hostile: list[Path]) -> Program:
    """The command as a process, where the package of hostile steps is installed."""
    return Program(tmp_path / "work", hostile)


@dataclass
class Ended:
    """What a command that has ended left behind."""

    code: int
    output: str
    messages: str


class Command:
    """Runs the command in this process, and reads what the process wrote."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *arguments: str | Path) -> Ended:
        """Run it with these arguments."""
        self.capture.readouterr()
        code = _engine.command(["text-processor", *map(str, arguments)])
        written = self.capture.readouterr()
        return Ended(code, written.out, written.err)

    def json(self, *arguments: str | Path) -> Any:
        """Return its answer; its code may say that something is wrong with what was asked about."""
        return json.loads(self(*arguments, "--json").output)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command."""
    return Command(capfd)


def run_python(program: str, *arguments: str | Path, path: list[Path] | None = None, **options: Any) -> Ended:
    """Run a program with an interpreter of its own, whose path is this one's and then `path`.

    Args:
        program: The program's text.
        arguments: Its arguments.
        path: Further folders with modules, behind all others, as folders of packages are.
        options: For `subprocess.run`.
    """
    known = [*sys.path, *map(str, path or [])]
    head = f"import sys; sys.path[:] = {known!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", head + dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **options.pop("env", {})},
        **options,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
