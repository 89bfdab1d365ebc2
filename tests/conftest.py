"""What the tests share: distributions that are installed without an installer, and the command."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from text_processor import _engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Site:
    """A folder on `sys.path` to which distributions are written as an installer leaves them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def install(
        self,
        name: str,
        entry_points: dict[str, str] | str | bytes | None = None,
        *,
        version: str = "1.0",
        modules: dict[str, str] | None = None,
        metadata: str | bytes | None = "",
    ) -> Path:
        """Write a distribution and return its `.dist-info`.

        Args:
            name: Its name.
            entry_points: The plugins by name, or the whole `entry_points.txt`.
            version: Its version.
            modules: The source of its modules by their dotted names.
            metadata: Its `METADATA`; None for none at all, empty for a good one.
        """
        info = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        if metadata is not None:
            text = metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nA description.\n"
            (info / "METADATA").write_bytes(text if isinstance(text, bytes) else text.encode())
        if isinstance(entry_points, dict):
            lines = [f"{key} = {value}" for key, value in entry_points.items()]
            entry_points = "\n".join(["[text_processor.plugins]", *lines, ""])
        if entry_points is not None:
            data = entry_points if isinstance(entry_points, bytes) else entry_points.encode()
            (info / "entry_points.txt").write_bytes(data)
        for module, source in (modules or {}).items():
            path = self.path.joinpath(*module.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(source))
        # Both the finder of modules and the finder of distributions remember folders by their time stamps.
        importlib.invalidate_caches()
        return info


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
