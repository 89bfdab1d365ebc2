"""B1 to B15, B30, B31: a plugin that misbehaves costs one record, or gives one clear error.

Whatever a step raises or returns costs the same in a worker and in the process of the engine. What ends or stops a
process (a crash, `os._exit`, an endless loop, memory without end) is in `test_faults_workers.py`.
"""

import builtins
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.files import counts, names, read_jsonl, write_jsonl
from support.program import PATIENCE, Program

from text_processor import (
    BadReturnType,
    Pipeline,
    PluginContractError,
    PluginLoadError,
    RecordError,
    RecordTooLarge,
    StepError,
    StepMemoryExceeded,
)

pytestmark = pytest.mark.usefixtures("hostile")

LIMIT = 4096  # The most bytes of a message or a traceback that are kept.


def run_step(folder: Path, step: str, poison: str = "poison") -> dict[str, Any]:
    """Runs a step over three records, of which the second is the poison, in threads and in a worker.

    Returns:
        The line of the quarantine file. That the others went out unharmed has been checked.
    """
    in_thread, in_worker = (run_step_in(folder, step, poison, isolation) for isolation in ("thread", "process"))
    # Where the interpreter's own frames end is another matter.
    assert {**in_thread, "traceback": ""} == {**in_worker, "traceback": ""}
    assert in_thread.get("traceback", "").splitlines()[-1:] == in_worker.get("traceback", "").splitlines()[-1:]
    return in_worker


def run_step_in(folder: Path, step: str, poison: str, isolation: str) -> dict[str, Any]:
    """Does so in one of them."""
    records = [{"id": 1, "text": "before"}, {"id": 2, "text": poison}, {"id": 3, "text": "after"}]
    source = write_jsonl(folder / "in.jsonl", records)
    report = Pipeline([step]).run(source, folder / "out.jsonl", isolation=isolation, overwrite=True)
    assert counts(report) == (3, 2, 0, 1)
    assert report.exit_code == 3
    out = read_jsonl(folder / "out.jsonl")
    assert [record["id"] for record in out] == [1, 3]
    [line] = read_jsonl(folder / "out.quarantine.jsonl")
    assert line["record"] == records[1]
    assert line["step"] == f"text-processor-hostile/{step}"
    assert line["distribution"] == "text-processor-hostile 1.0"
    assert len(line["message"].encode()) <= LIMIT
    assert len(line.get("traceback", "").encode()) <= LIMIT
    return line  # type: ignore[no-any-return]


def process_step(step: str, poison: str = "poison") -> RecordError:
    """Runs a step over one text that it fails on, and over one that it does not."""
    pipeline = Pipeline([step])
    with pytest.raises(RecordError) as caught:
        pipeline.process(poison)
    assert caught.value.step == f"text-processor-hostile/{step}"
    assert caught.value.position is None
    assert pipeline.process("good") == "GOOD"
    return caught.value


EXCEPTIONS = sorted(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
)


def test_b1_every_built_in_exception_is_the_failure_of_one_record(tmp_path: Path) -> None:
    assert len(EXCEPTIONS) > 60
    texts = [text for name in EXCEPTIONS for text in (f"good {name}", f"poison {name}")]
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    report = Pipeline(["raise-named"]).run(source, tmp_path / "out.jsonl")
    assert counts(report) == (2 * len(EXCEPTIONS), len(EXCEPTIONS), 0, len(EXCEPTIONS))
    assert [record["text"] for record in read_jsonl(tmp_path / "out.jsonl")] == [
        f"GOOD {name.upper()}" for name in EXCEPTIONS
    ]
    for name, line in zip(EXCEPTIONS, read_jsonl(tmp_path / "out.quarantine.jsonl"), strict=True):
        class_name = getattr(builtins, name).__name__  # `IOError` is another name of `OSError`.
        assert line["error"] == class_name
        assert line["kind"] == ("step_memory" if name == "MemoryError" else "step_error")
        assert class_name in line["message"]
        assert line["traceback"].startswith("Traceback (most recent call last):\n")
        assert "raise_named" in line["traceback"]
        assert line["traceback"].splitlines()[-1].startswith(class_name)
        assert len(line["traceback"].encode()) <= LIMIT


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_b1_a_single_text_raises_with_the_exception_as_its_cause(name: str) -> None:
    error = process_step("raise-named", f"poison {name}")
    assert type(error.__cause__) is getattr(builtins, name)
    assert error.__cause__.__traceback__ is not None


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("raise-base-exception", "BaseException"),
        ("raise-generator-exit", "GeneratorExit"),
        ("raise-own-base-exception", "text_processor_hostile.raising.Own"),
    ],
)
def test_b2_base_exceptions(tmp_path: Path, step: str, error: str) -> None:
    line = run_step(tmp_path, step)
    assert (line["kind"], line["error"]) == ("step_error", error)
    assert isinstance(process_step(step), StepError)


@pytest.mark.parametrize("step", ["exit-zero", "exit-with-text"])
def test_b3_system_exit_ends_nothing(tmp_path: Path, step: str) -> None:
    line = run_step(tmp_path, step)
    assert (line["kind"], line["error"]) == ("step_error", "SystemExit")
    assert isinstance(process_step(step).__cause__, SystemExit)


def test_b3_the_command_goes_on(hostile_program: Program) -> None:
    done = hostile_program("run", "-s", "exit-zero", stdin=b"one\npoison\ntwo\n")
    assert (done.returncode, done.stdout) == (3, b"ONE\nTWO\n")


def test_b4_a_keyboard_interrupt_that_nobody_typed(tmp_path: Path, hostile_program: Program) -> None:
    line = run_step(tmp_path, "raise-keyboard-interrupt")
    assert (line["kind"], line["error"]) == ("step_error", "KeyboardInterrupt")
    done = hostile_program("run", "-s", "raise-keyboard-interrupt", stdin=b"one\npoison\ntwo\n")
    assert (done.returncode, done.stdout) == (3, b"ONE\nTWO\n")


def test_b5_recursion(tmp_path: Path) -> None:
    line = run_step(tmp_path, "recurse")
    assert (line["kind"], line["error"]) == ("step_error", "RecursionError")
    assert "recurse" in line["traceback"]
    assert isinstance(process_step("recurse").__cause__, RecursionError)


@pytest.mark.parametrize("step", ["raise-memory-error", "allocate"])
def test_b6_memory(tmp_path: Path, step: str) -> None:
    line = run_step(tmp_path, step)
    assert (line["kind"], line["error"]) == ("step_memory", "MemoryError")
    assert isinstance(process_step(step), StepMemoryExceeded)


def test_b7_stop_iteration_from_a_step(tmp_path: Path) -> None:
    line = run_step(tmp_path, "raise-stop-iteration")
    assert (line["kind"], line["error"]) == ("step_error", "StopIteration")
    # An iterator must not take the failure for its own end.
    processed = Pipeline(["raise-stop-iteration"]).process_many(["one", "poison", "two"])
    assert next(processed) == "ONE"
    with pytest.raises(StepError):
        next(processed)
    assert list(processed) == ["TWO"]


@pytest.mark.parametrize(("step", "error"), [("split-stop-iteration", "RuntimeError"), ("split-raising", "ValueError")])
def test_b7_a_split_that_ends_in_the_middle_passes_on_no_part(tmp_path: Path, step: str, error: str) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "good"}, {"text": "poison"}, {"text": "good"}])
    report = Pipeline([step]).run(source, tmp_path / "out.jsonl")
    assert counts(report) == (3, 2, 0, 1)
    assert [record["text"] for record in read_jsonl(tmp_path / "out.jsonl")] == ["first", "second"] * 2
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert (line["kind"], line["error"], line["record"]) == ("step_error", error, {"text": "poison"})


def test_b7_an_iterator_is_asked_once_after_its_end_and_need_not_be_closed() -> None:
    records = Pipeline(["split-clinging"]).records([{"text": "one two"}, {"text": "three"}])
    assert [(record.text, record.fate) for record in records] == [("one", "out"), ("two", "out"), ("three", "out")]


def test_b7_a_split_without_end_is_ended() -> None:
    good, failed = Pipeline(["split-endless"]).records([{"text": "good"}, {"text": "poison"}])
    assert (good.fate, failed.fate) == ("out", "quarantined")
    assert failed.error is not None
    assert failed.error.kind == "fanout"
    assert isinstance(failed.error, RecordTooLarge)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("two-arguments", "text_processor_hostile.nasty.TwoArguments"),
        ("unpicklable", "text_processor_hostile.nasty.Unpicklable"),
        ("failing-text", "text_processor_hostile.nasty.FailingText"),
        ("wrong-text", "text_processor_hostile.nasty.WrongText"),
        ("exiting-text", "text_processor_hostile.nasty.ExitingText"),
        ("huge-text", "ValueError"),
        ("surrogate-text", "ValueError"),
        ("escaping-text", "ValueError"),
        ("cyclic-cause", "ValueError"),
        ("failing-attributes", "text_processor_hostile.nasty.FailingAttributes"),
    ],
)
def test_b8_exceptions_that_do_harm_when_shown(tmp_path: Path, step: str, error: str) -> None:
    line = run_step(tmp_path, step)
    assert (line["kind"], line["error"]) == ("step_error", error)
    assert isinstance(process_step(step), StepError)


@pytest.mark.parametrize("step", ["failing-text", "huge-text", "surrogate-text", "escaping-text", "cyclic-cause"])
def test_b8_the_command_shows_them_safely(hostile_program: Program, step: str) -> None:
    done = hostile_program("run", "-s", step, "--on-error", "raise", stdin=b"poison\n")
    assert done.returncode == 4
    assert b"\x1b" not in done.stderr
    assert len(done.stderr) < 20_000
    done.stderr.decode()


def test_b9_exception_groups(tmp_path: Path) -> None:
    line = run_step(tmp_path, "raise-group")
    assert (line["kind"], line["error"]) == ("step_error", "BaseExceptionGroup")
    assert isinstance(process_step("raise-group").__cause__, BaseExceptionGroup)


def test_b9_a_warning_that_was_turned_into_an_error(tmp_path: Path) -> None:
    line = run_step(tmp_path, "warn")
    assert (line["kind"], line["error"]) == ("step_error", "UserWarning")


def test_b9_an_exception_in_a_finalizer_is_shown_and_harms_no_record(hostile_program: Program) -> None:
    done = hostile_program("run", "-v", "-s", "fail-in-finalizer", stdin=b"one\npoison\n")
    assert (done.returncode, done.stdout) == (0, b"ONE\nPOISON\n")
    assert b"raised in a finalizer" in done.stderr


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("return-none", "NoneType"),
        ("return-integer", "int"),
        ("return-list", "list"),
        ("return-dict", "dict"),
        ("return-bytes", "bytes"),
        ("return-coroutine", "coroutine"),
        ("return-generator", "generator"),
        ("return-liar", "Liar"),
    ],
)
def test_b10_what_is_no_text_is_named(tmp_path: Path, step: str, found: str) -> None:
    line = run_step(tmp_path, step)
    assert line["kind"] == "bad_return"
    assert "`str`" in line["message"]
    assert found in line["message"]
    error = process_step(step)
    assert isinstance(error, BadReturnType)
    assert found in str(error)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("filter-with-words", "`bool` or `Reject`"),
        ("annotate-other-fields", "`length`"),
        ("annotate-wrong-type", "`length`"),
        ("split-mixed", "`str`"),
    ],
)
def test_b10_the_other_kinds_have_their_own_returns(tmp_path: Path, step: str, expected: str) -> None:
    line = run_step(tmp_path, step)
    assert line["kind"] == "bad_return"
    assert expected in line["message"]


def test_b10_a_split_into_nothing_is_a_rejection() -> None:
    [record] = Pipeline(["split-nothing"]).records([{"text": "poison"}])
    assert (record.fate, record.reason) == ("rejected", "no_parts")


def test_b11_a_subclass_of_str_counts_by_its_characters(tmp_path: Path) -> None:
    step = Pipeline(["return-odd-string", str.lower, "trim"])
    processed = step.process("POISON poison ")
    assert type(processed) is str
    assert processed == "poison poison"
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "poison"}])
    assert counts(step.run(source, tmp_path / "out.jsonl")) == (1, 1, 0, 0)
    assert read_jsonl(tmp_path / "out.jsonl") == [{"text": "poison"}]


def test_b12_lone_surrogates_are_found_where_they_leave_python(tmp_path: Path) -> None:
    assert run_step(tmp_path, "return-surrogate")["kind"] == "surrogate"
    pipeline = Pipeline(["return-surrogate", "trim"])
    with pytest.raises(BadReturnType) as caught:
        pipeline.process("poison")
    assert caught.value.kind == "surrogate"


@pytest.mark.parametrize("step", ["return-too-long", "return-too-wide"])
def test_b13_a_text_over_the_limit(tmp_path: Path, step: str) -> None:
    line = run_step(tmp_path, step)
    assert line["kind"] == "output_too_large"
    assert "16777216" in line["message"]


@pytest.mark.parametrize("how", ["run", "records"])
def test_b15_a_step_cannot_change_what_the_next_one_sees(tmp_path: Path, how: str) -> None:
    pipeline = Pipeline(["tag", "mutate", "witness"])
    records = [{"text": "one"}, {"text": "two"}]
    if how == "run":
        source = write_jsonl(tmp_path / "in.jsonl", records)
        assert counts(pipeline.run(source, tmp_path / "out.jsonl")) == (2, 2, 0, 0)
        texts = [record["text"] for record in read_jsonl(tmp_path / "out.jsonl")]
        fields = [{name: record[name] for name in ("tags", "details")} for record in read_jsonl(tmp_path / "out.jsonl")]
    else:
        made = list(pipeline.records(records))
        texts, fields = [record.text for record in made], [record.fields for record in made]
    assert texts == [f"{text} ['first'] {{'inner': {{'count': 1}}}}" for text in ("one", "two")]
    assert fields == [{"tags": ["first"], "details": {"inner": {"count": 1}}}] * 2


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("import-raises", "raised while importing"),
        ("import-exits", "SystemExit"),
        ("import-interrupts", "KeyboardInterrupt"),
        ("import-missing", "a_library_that_nobody_has"),
        ("import-broken", "SyntaxError"),
        ("create-raises", "raised while creating"),
        ("create-exits", "exited while creating"),
        ("create-hides-cause", "the model cannot be loaded"),
    ],
)
def test_b30_b31_what_cannot_be_loaded_ends_everything_before_anything_is_read(
    hostile_program: Program, step: str, told: str
) -> None:
    with pytest.raises(PluginLoadError) as caught:
        Pipeline(["trim", step])
    error = caught.value
    assert (error.distribution, error.version) == ("text-processor-hostile", "1.0")
    assert error.plugin is not None
    assert error.plugin.endswith(step)
    assert error.entry_point is not None
    assert error.entry_point.startswith("text_processor_hostile.")
    assert error.__cause__ is not None
    for word in (step, "text-processor-hostile", "1.0"):
        assert word in str(error)
    (hostile_program.folder / "in.txt").write_bytes(b"text\n")
    done = hostile_program("run", "-s", step, "in.txt", "-o", "out.txt")
    assert (done.returncode, done.stdout) == (7, b"")
    for word in (step, "text-processor-hostile", told):
        assert word.encode() in done.stderr
    assert names(hostile_program.folder) == ["in.txt"]


def test_b30_printing_while_importing_and_processing_stays_out_of_the_data(hostile_program: Program) -> None:
    for options in (["-q", "--isolation", "thread"], ["-v", "--isolation", "process"]):
        done = hostile_program("run", *options, "-s", "import-prints", stdin=b"one\ntwo\n")
        assert (done.returncode, done.stdout) == (0, b"ONE\nTWO\n")
        assert b"printed while importing" in done.stderr
        assert b"printed by a step" in done.stderr
    done = hostile_program("plugins", "show", "--json", "import-prints")
    assert json.loads(done.stdout)["name"] == "text-processor-hostile/import-prints"


def test_b30_a_thread_that_an_import_starts_does_not_keep_the_process(hostile_program: Program) -> None:
    started = time.monotonic()
    done = hostile_program("run", "-q", "-s", "import-starts-thread", stdin=b"one\n")
    assert (done.returncode, done.stdout) == (0, b"ONE\n")
    assert time.monotonic() - started < PATIENCE / 2


def test_b30_a_broken_plugin_that_is_not_used_harms_nobody(hostile_program: Program) -> None:
    done = hostile_program("run", "-q", "-s", "raise-named", stdin=b"one\n")
    assert (done.returncode, done.stdout) == (0, b"ONE\n")
    assert hostile_program("plugins", "list").returncode == 0


def test_b31_the_chain_of_causes_is_kept() -> None:
    with pytest.raises(PluginLoadError) as caught:
        Pipeline(["create-hides-cause"])
    cause = caught.value.__cause__
    assert isinstance(cause, OSError)
    assert isinstance(cause.__cause__, KeyError)


def test_b31_what_it_creates_must_be_callable() -> None:
    with pytest.raises(PluginContractError, match="create-not-callable"):
        Pipeline(["create-not-callable"])


def test_no_step_leaves_a_reference_behind(hostile: list[Path]) -> None:
    """Thousands of failures do not add up: each is let go with its record."""
    program = """
import gc, sys
from text_processor import Pipeline
pipeline = Pipeline(["raise-named"])
def work():
    for record in pipeline.records({"text": "poison ValueError"} for _ in range(500)):
        assert record.fate == "quarantined"
work(); gc.collect(); before = len(gc.get_objects())
work(); work(); gc.collect()
print(len(gc.get_objects()) - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(map(str, hostile))},
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert abs(int(done.stdout)) < 100
