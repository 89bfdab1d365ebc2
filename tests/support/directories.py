"""Output directories: what lies in them, and corpora whose records meet every fate."""

import json
from pathlib import Path
from typing import Any

from support.files import read_jsonl

# Steps that reject the short records of a corpus.
STEPS: list[Any] = ["trim", ("length", {"minimum": 3})]
TIMES = ("seconds", "workers", "earlier_shards")


def committed(folder: Path) -> dict[str, bytes]:
    """Every file of a directory by its path, without what tells of times only."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if "report.json" in files:
        files["report.json"] = json.dumps(timeless(json.loads(files["report.json"]))).encode()
    return files


def timeless(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what differs from sitting to sitting, and without the name of its directory."""
    steps = [{key: value for key, value in step.items() if key != "seconds"} for step in report["steps"]]
    files = [{key: value for key, value in file.items() if key != "path"} for file in report["files"]]
    kept = {key: value for key, value in report.items() if key not in TIMES}
    return {**kept, "steps": steps, "files": files}


def manifest(folder: Path) -> list[dict[str, Any]]:
    """The lines of a manifest."""
    return read_jsonl(folder / "manifest.jsonl")


def out(folder: Path) -> bytes:
    """What went out, of all shards."""
    return b"".join(path.read_bytes() for path in sorted((folder / "out").iterdir()))


def corpus(path: Path, records: int, *, first: int = 0) -> Path:
    """Writes JSON Lines in which some records are short, some are broken, and some lines are blank."""
    lines = []
    for number in range(first, first + records):
        if number % 97 == 13:
            lines.append(b'{"text": oops}')
        elif number % 61 == 7:
            lines.append(b"")
        elif number % 23 == 5:
            lines.append(b'{"id": "r%d", "text": " x "}' % number)
        else:
            lines.append(b'{"id": "r%d", "n": %d, "text": "  text number %d  "}' % (number, number, number))
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def target(folder: Path) -> str:
    """A path that says that it is a directory; `Path` would leave the slash out."""
    return f"{folder}/"


def cut_manifest(folder: Path, lines: int) -> None:
    """Leaves so many lines of the manifest, and no report: a run was killed when the next shard had got its names."""
    path = folder / "manifest.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    (folder / "report.json").unlink(missing_ok=True)
    for kept in folder.glob("*/*"):
        if int(kept.name[:5]) > lines - 1:
            kept.unlink()
