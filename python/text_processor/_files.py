"""A fingerprint of the files that a step is made of: whoever goes on with a run must do so with the same."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

_COMPILED = "__pycache__"


def fingerprint(target: Any, module: str) -> str | None:
    """Hash the files of the outermost package, or the module, that a step comes from.

    Args:
        target: The function, or the object that is called.
        module: The name of the module that the entry point names; empty for a callable, whose own module counts.

    Returns:
        The hash in hexadecimal; None where there are no such files, as in a notebook, or they cannot be read.
    """
    place = _place(module or _module_of(target))
    if place is None:
        return None
    try:
        return _hash(place)
    except OSError:
        return None


def _module_of(target: Any) -> str:
    while isinstance(target, functools.partial):
        target = target.func
    name = getattr(target, "__module__", None) or type(target).__module__
    return name if isinstance(name, str) else ""


def _place(name: str) -> Path | None:
    """The folder of the outermost package that has files of its own (a namespace has none), or the file of a module."""
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names and parts[0] != "__main__":
        return None
    for end in range(1, len(parts) + 1):
        module = sys.modules.get(".".join(parts[:end]))
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            path = Path(file)
            if hasattr(module, "__path__") and path.is_file():
                return path.parent
            # A module may lie in an archive, which is a file then.
            return next((place for place in (path, *path.parents) if place.is_file()), None)
    return None


def _hash(place: Path) -> str:
    files = [place] if place.is_file() else _below(place)
    root = place.parent
    sums = hashlib.sha256()
    for path in files:
        name = os.fsencode(path.relative_to(root))
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        sums.update(len(name).to_bytes(8, "big") + name + content)
    return sums.hexdigest()


def _below(folder: Path) -> list[Path]:
    """All files in a package, but what Python itself writes there."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != _COMPILED]
        found += (Path(parent, name) for name in names if not name.endswith(".pyc"))
    return sorted(path for path in found if path.is_file())
