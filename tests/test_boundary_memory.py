"""Steps that run out of memory: the record fails, and the run goes on."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

from conftest import run_python

if TYPE_CHECKING:
    from pathlib import Path

# More than any machine has, and more than this process may have.
HUNDRED_GIGABYTES = 100 << 30
ALLOWED = 2 << 30

PROGRAM = f"""
    import sys
    from text_processor import Pipeline

    def process(text):
        match text:
            case "huge":
                return "x" * {HUNDRED_GIGABYTES}
            case "growing":
                hoard = []
                while True:
                    hoard.append(bytes(256 << 20))
            case "raised":
                raise MemoryError
        return text

    source, output, quarantine = sys.argv[1:]
    report = Pipeline([process]).run(source, output, quarantine=quarantine)
    print(report.read, report.out, report.quarantined)
"""


def test_a_step_without_memory_fails_its_record_alone(tmp_path: Path) -> None:
    source, output, quarantine = (tmp_path / name for name in ("in.txt", "out.txt", "failed.jsonl"))
    source.write_text("one\nhuge\ntwo\ngrowing\nthree\nraised\nfour\n")
    limit = (ALLOWED, ALLOWED)
    done = run_python(
        PROGRAM, source, output, quarantine, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit)
    )
    assert (done.code, done.output) == (0, "7 4 3\n"), done.messages
    assert output.read_text() == "one\ntwo\nthree\nfour\n"
    failed = [json.loads(line) for line in quarantine.read_text().splitlines()]
    assert [each["kind"] for each in failed] == ["step_memory"] * 3
