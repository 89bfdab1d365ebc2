"""What the tests share: distributions that are installed without an installer, in a folder on `sys.path`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


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
            modules: The source of its modules by name.
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
            (self.path / f"{module}.py").write_text(dedent(source))
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
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
