"""Folders that look like what pip leaves behind, made in a moment and thrown away."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

HOSTILE = Path(__file__).parents[1] / "plugins" / "hostile"


class Site:
    """A folder of installed distributions. Put it on `sys.path` or in `PYTHONPATH`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def add(
        self,
        name: str,
        plugins: Mapping[str, str] | None = None,
        modules: Mapping[str, str] | None = None,
        version: str = "1.0",
    ) -> Path:
        """Installs a distribution: its entry points (name to `module:attribute`) and its modules (path to source).

        Returns:
            The folder of its metadata.
        """
        for path, source in (modules or {}).items():
            self.write(path, source)
        metadata = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
        )
        if plugins:
            lines = [f"{key} = {value}" for key, value in plugins.items()]
            entry_points = "\n".join(["[text_processor.plugins]", *lines, ""])
            (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")
        (metadata / "RECORD").write_text("", encoding="utf-8")
        return metadata

    def write(self, path: str, source: str) -> Path:
        """Writes a module."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
        return file


def hostile_paths(site: Site) -> list[Path]:
    """Installs the package of hostile steps as its own `pyproject.toml` describes it.

    Returns:
        What must be on `sys.path`: the metadata, and the source beside which no copy is made.
    """
    project = tomllib.loads((HOSTILE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site.add(project["name"], project["entry-points"]["text_processor.plugins"], version=project["version"])
    return [site.folder, HOSTILE / "src"]
