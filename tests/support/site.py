"""Folders that look like what pip leaves behind, made in a moment and thrown away."""

import importlib
import tomllib
from pathlib import Path
from textwrap import dedent

HOSTILE = Path(__file__).parents[1] / "plugins" / "hostile"


class Site:
    """A folder to which distributions are written as an installer leaves them, for `sys.path` or `PYTHONPATH`."""

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
            file = self.path / f"{module.replace('.', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(source), encoding="utf-8")
        # Both the finder of modules and the finder of distributions remember folders by their time stamps.
        importlib.invalidate_caches()
        return info


def install_hostile(site: Site) -> list[Path]:
    """Install the package of hostile steps as its own `pyproject.toml` describes it.

    Returns:
        What must be on `sys.path`: the metadata, and the source itself, of which no copy is made.
    """
    project = tomllib.loads((HOSTILE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site.install(project["name"], project["entry-points"]["text_processor.plugins"], version=project["version"])
    return [site.path, HOSTILE / "src"]
