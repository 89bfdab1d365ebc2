"""Runs whose every record is accounted for, whatever the steps do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.files import counts, names, read_jsonl, write_jsonl

from text_processor import Pipeline, Report


@dataclass
class Ran:
    """What a run made of its records."""

    report: Report
    out: list[Any]
    quarantine: list[Any]

    @property
    def texts(self) -> list[str]:
        """The texts that went out."""
        return [record["text"] for record in self.out]

    @property
    def restarts(self) -> int:
        """How many workers took the place of one that had died."""
        restarts = self.report.to_dict()["restarts"]
        assert isinstance(restarts, int)
        return restarts


def run_over(folder: Path, steps: Any, texts: Sequence[str], **options: Any) -> Ran:
    """Runs steps over texts, each of which has its place as `id`, in `run` in a folder."""
    folder = folder / "run"
    folder.mkdir(exist_ok=True)
    source = write_jsonl(folder / "in.jsonl", ({"id": place, "text": text} for place, text in enumerate(texts)))
    output = folder / "out.jsonl"
    pipeline = Pipeline(steps, on_error=options.pop("on_error", "quarantine"))
    report = pipeline.run(source, output, **{"isolation": "process", "overwrite": True, **options})
    assert counts(report)[0] == len(texts)
    ran = Ran(report, read_jsonl(output), read_jsonl(folder / "out.quarantine.jsonl"))
    assert len(ran.quarantine) == report.quarantined
    assert set(names(folder)) <= {"in.jsonl", "out.jsonl", "out.quarantine.jsonl"}, "no partial file"
    return ran


def run_poisoned(folder: Path, step: Any, **options: Any) -> dict[str, Any]:
    """Runs a step over three records, of which the second is poison.

    Returns:
        The line of the quarantine file. That the others went out unharmed has been checked.
    """
    ran = run_over(folder, [step], ["before", "poison", "after"], **options)
    assert ran.out == [{"id": 0, "text": "BEFORE"}, {"id": 2, "text": "AFTER"}]
    [line] = ran.quarantine
    assert line["record"] == {"id": 1, "text": "poison"}
    assert len(line["message"].encode()) <= 4096
    assert len(line.get("traceback", "").encode()) <= 4096
    return line  # type: ignore[no-any-return]
