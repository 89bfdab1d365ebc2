"""One poison among a thousand: whatever it does to its worker, it is quarantined alone and all others go out."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.files import names
from support.processes import nothing_left
from support.program import Program
from support.runs import run_over
from support.tiers import LONG

from text_processor import CrashLoopError

RECORDS = 20_000 if LONG else 2_000
EVERY = 1_000
MOST_STARTS = 200
# The matrix promises ten seconds; the rest is for a quick build on a busy machine.
MOST_SECONDS = 20.0

# The way to die, and what the record is quarantined as.
DEATHS = {
    "segfault": "step_crash",
    "abort": "step_crash",
    "divide": "step_crash",
    "illegal": "step_crash",
    "bus": "step_crash",
    "kill": "step_crash",
    "exit-0": "step_crash",
    "exit-7": "step_crash",
    "memory": "step_memory",
    "mapped-memory": "step_memory",
    "hang": "step_timeout",
    "close": "step_crash",
    "garbage": "step_crash",
}

pytestmark = pytest.mark.timeout(600 if LONG else 60)


@pytest.fixture(autouse=True)
def _nothing_left(hostile: list[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with nothing_left(monkeypatch):
        yield


def texts_with_poison() -> tuple[list[str], list[int]]:
    """The texts, and the places of the poison: once in each thousand, never at the same place of it."""
    poison = [start + start // EVERY * 37 % EVERY for start in range(0, RECORDS, EVERY)]
    return ["poison" if place in poison else f"text {place}" for place in range(RECORDS)], poison


@pytest.mark.parametrize("size", [1, 16, 256])
@pytest.mark.parametrize("way", DEATHS)
def test_exactly_the_poison_is_quarantined(tmp_path: Path, way: str, size: int) -> None:
    texts, poison = texts_with_poison()
    step = ("die", {"way": way})
    # A busy machine must not make a hang of what only takes its time.
    timeout = 0.5 if way == "hang" else 30.0
    ran = run_over(tmp_path, [step], texts, workers=2, batch_size=size, timeout=timeout, memory=200 << 20)
    assert [(line["record"]["id"], line["kind"]) for line in ran.quarantine] == [
        (place, DEATHS[way]) for place in poison
    ]
    assert ran.texts == [text.upper() for text in texts if text != "poison"]


@pytest.mark.parametrize("size", [1, 16, 256])
def test_a_fork_that_returns_twice_gives_each_record_once(tmp_path: Path, size: int) -> None:
    texts, _ = texts_with_poison()
    ran = run_over(tmp_path, [("die", {"way": "fork"})], texts, workers=2, batch_size=size)
    assert ran.texts == [text.upper() for text in texts]
    assert ran.quarantine == []


@pytest.mark.parametrize("size", [1, 16, 256])
def test_poisons_side_by_side_are_told_apart(tmp_path: Path, size: int) -> None:
    texts = ["poison" if place in (0, 1, 20, 21, 22, 39) else f"text {place}" for place in range(40)]
    ran = run_over(tmp_path, [("die", {"way": "segfault"})], texts, workers=1, batch_size=size)
    assert [line["record"]["id"] for line in ran.quarantine] == [0, 1, 20, 21, 22, 39]
    assert ran.texts == [text.upper() for text in texts if text != "poison"]


def test_b35_a_step_that_always_crashes_stops_the_run(tmp_path: Path, hostile_program: Program) -> None:
    log = tmp_path / "log"
    (hostile_program.folder / "in.txt").write_text("text\n" * 100_000, encoding="utf-8")
    started = time.monotonic()
    done = hostile_program("run", "-s", f"die-always:log={log}", "in.txt", "-o", "out.txt")
    assert done.returncode == 4, done.stderr
    assert b"of the last 100 records took their worker down" in done.stderr
    assert time.monotonic() - started < MOST_SECONDS
    assert len(log.read_text().split()) < MOST_STARTS
    assert names(hostile_program.folder) == ["in.txt"], "nothing is committed"


def test_b35_the_library_raises(tmp_path: Path) -> None:
    with pytest.raises(CrashLoopError, match="of the last 100 records"):
        run_over(tmp_path, [("die-always", {"log": str(tmp_path / "log")})], ["text"] * 1000)
    assert names(tmp_path / "run") == ["in.jsonl"]


def test_b35_many_crashes_that_are_far_apart_stop_nothing(tmp_path: Path) -> None:
    texts = ["poison" if place % 20 == 0 else f"text {place}" for place in range(1_040)]
    ran = run_over(tmp_path, [("die", {"way": "exit-7"})], texts, workers=2)
    assert (len(ran.quarantine), len(ran.out)) == (52, 988)


def test_the_report_tells_of_the_restarts(tmp_path: Path, hostile_program: Program) -> None:
    done = hostile_program("run", "--json", "-s", "die:way=segfault", "-o", "out.txt", stdin=b"one\npoison\ntwo\n")
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert (report["isolation"], report["restarts"]) == ("process", 2)
