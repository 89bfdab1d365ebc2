"""F5, F7, F11, F14: texts, names and patterns of somebody who means harm.

F6 stands with D4 in `test_faults_configuration.py`, and F16 in `test_faults_packaging.py`. F8 is about templates of
output paths, which do not exist in this release.
"""

import json
import logging
import time
from pathlib import Path

import pytest
from support.files import counts, names, read_jsonl, write_jsonl
from support.program import Program
from support.site import Site

from text_processor import Pipeline, Reject, StepTimeout, plugin

BUDGET = 0.5


@pytest.mark.parametrize("pattern", [".*[^A-Z]|[A-Z]", "(?:A+){1000}|"])
def test_f5_a_pattern_that_takes_quadratic_time_is_stopped(tmp_path: Path, pattern: str) -> None:
    step = ("replace", {"pattern": pattern, "replacement": "x", "timeout": BUDGET})
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "one"}, {"text": "A" * (1 << 20)}, {"text": "two"}])
    started = time.monotonic()
    report = Pipeline([step]).run(source, tmp_path / "out.jsonl", workers=2)
    seconds = time.monotonic() - started
    # A fast machine may finish within the budget, and that is fine too.
    assert report.quarantined + report.out == 3
    assert len(read_jsonl(tmp_path / "out.jsonl")) >= 2
    for line in read_jsonl(tmp_path / "out.quarantine.jsonl"):
        assert (line["kind"], line["step"], line["ordinal"]) == ("step_timeout", "replace", 1)
    # Budget and a quarter, and what a quick build on a busy machine needs for reading and writing.
    assert seconds < BUDGET * 1.25 + 2


def test_f5_a_single_text_has_the_same_budget() -> None:
    pipeline = Pipeline([("replace", {"pattern": ".*[^A-Z]|[A-Z]", "replacement": "x", "timeout": 0.2})])
    started = time.monotonic()
    with pytest.raises(StepTimeout):
        pipeline.process("A" * (1 << 20))
    assert time.monotonic() - started < 2


def test_f7_duplicates_are_found_among_many_keys(tmp_path: Path) -> None:
    # A search for duplicates that compares each key with each other would not end before the test's time is up.
    keys = ",".join(f'"key{number}":0' for number in range(300_000))
    (tmp_path / "in.jsonl").write_text(f'{{"text":"a",{keys},"key4\\u0039999":0}}\n', encoding="utf-8")
    report = Pipeline([]).run(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert counts(report) == (1, 0, 0, 1)


ESCAPES = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202eright to left\u2066 \r\nerror: forged"


def test_f11_reasons_names_and_errors_reach_a_terminal_escaped(tmp_path: Path, site: Site) -> None:
    source = f"""
from text_processor import Reject, plugin

@plugin(kind="filter")
def process(text: str):
    if "fail" in text:
        raise ValueError({ESCAPES!r})
    return Reject({ESCAPES!r})
"""
    site.install("acme", {"evil": "acme_evil:process"}, modules={"acme_evil": source})
    program = Program(tmp_path / "work", [site.path])
    evil = "in\x1b[31m\u202e.txt"
    (program.folder / evil).write_text(f"{ESCAPES}\nfail\n", encoding="utf-8", newline="")
    for arguments in (
        ["run", "-s", "evil", evil, "-o", "out.txt", "--overwrite"],
        ["run", "-s", "evil", evil, "-o", "out.txt", "--overwrite", "--on-error", "raise"],
        ["run", "-s", "evil", evil + "missing"],
        ["run", "-s", f"evil:{ESCAPES}=1", evil],
        ["run", "-s", ESCAPES, evil],
        ["run", f"--{ESCAPES}"],
        ["trace", "-s", "trim", "-s", "evil", ESCAPES],
        ["trace", "-s", "evil", "fail"],
        ["plugins", "show", ESCAPES],
        ["explain", "-p", evil],
    ):
        done = program(*arguments)
        assert b"Traceback (most recent call last):\n  File" not in done.stderr[:60]
        for shown in (done.stdout, done.stderr):
            text = shown.decode()
            for forbidden in "\x1b\x9b\x07\r\u202e\u2066":
                assert forbidden not in text, (arguments, shown)
            assert not any(line.startswith("error: forged") for line in text.splitlines()), arguments


def test_f11_data_goes_out_as_it_came_in(program: Program) -> None:
    data = ESCAPES.replace("\r\n", " ").encode() + b"\n"
    assert program("run", "-q", "-s", "trim-lines", stdin=data).stdout == data


def test_f11_files_of_records_are_json_whatever_the_records_hold(tmp_path: Path) -> None:
    @plugin(kind="filter")
    def reject(text: str) -> Reject:
        return Reject(text)

    source = write_jsonl(tmp_path / "in.jsonl", [{"text": ESCAPES, "id": ESCAPES}])
    Pipeline([reject]).run(source, tmp_path / "out.jsonl", rejected=tmp_path / "rejected.jsonl")
    [line] = read_jsonl(tmp_path / "rejected.jsonl")
    assert (line["reason"], line["id"], line["record"]["text"]) == (ESCAPES,) * 3


SECRET = "hunter2-4111111111111111"  # noqa: S105


def test_f14_logs_hold_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    records = [{"text": SECRET, "id": 1}, {"body": SECRET}, {"text": SECRET, "key": SECRET}]
    source = write_jsonl(tmp_path / "in.jsonl", records)
    with source.open("ab") as file:
        file.write(SECRET.encode() + b"\n\xff" + SECRET.encode() + b"\n")
    with caplog.at_level(1):
        report = Pipeline(["trim", fail]).run(source, tmp_path / "out.jsonl")
        Pipeline([("validate", {"shorter-than": 1000})]).run(source, tmp_path / "other.jsonl")
    assert counts(report) == (5, 0, 0, 5)
    assert [record for record in caplog.records if record.levelno >= logging.INFO]
    assert SECRET not in caplog.text
    assert all(SECRET not in str(record.args) for record in caplog.records)


def test_f14_the_command_shows_no_text_unless_asked(hostile_program: Program) -> None:
    # The plugin's exception does not repeat its text; nothing of ours may either.
    records = [{"text": f"poison {SECRET} ValueError"}, {"text": SECRET}, {"body": SECRET}]
    write_jsonl(hostile_program.folder / "in.jsonl", records)
    steps = ["-s", "raise-named", "-s", "validate:longer-than=5"]
    for verbosity in ([], ["-v"], ["-vv"]):
        done = hostile_program("run", *verbosity, *steps, "in.jsonl", "-o", "out.jsonl", "--overwrite")
        assert done.returncode == 3, done.stderr
        assert SECRET.encode() not in done.stderr + done.stdout
    assert SECRET in json.dumps(read_jsonl(hostile_program.folder / "out.quarantine.jsonl"))
    assert "out.quarantine.jsonl" in names(hostile_program.folder)


@pytest.mark.parametrize("mode", ["mask", "hash", "placeholder"])
def test_f14_what_is_redacted_is_nowhere_in_the_output(tmp_path: Path, mode: str) -> None:
    card, address = "4111 1111 1111 1111", "somebody@example.org"
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": f"pay {card}, write {address}."}])
    report = Pipeline([("redact", {"mode": mode})]).run(source, tmp_path / "out.jsonl")
    assert counts(report) == (1, 1, 0, 0)
    [record] = read_jsonl(tmp_path / "out.jsonl")
    assert card not in record["text"]
    assert address not in record["text"]
    assert record["text"].startswith("pay ")
