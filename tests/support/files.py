"""Small files: writing records, and reading what a run made of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from text_processor import Report


def write_jsonl(path: Path, records: Iterable[Any]) -> Path:
    """Writes a JSON value per line."""
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_bytes("".join(lines).encode())
    return path


def read_jsonl(path: Path) -> list[Any]:
    """Reads a JSON value per line; none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def counts(report: Report) -> tuple[int, int, int, int]:
    """The counts of a report. They must add up, whatever the test is about."""
    assert report.read == report.out + report.rejected + report.quarantined
    return report.read, report.out, report.rejected, report.quarantined


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())
