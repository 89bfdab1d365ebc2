"""B16 to B40: what a plugin does to its process costs one record, and nobody else notices.

Rows that are about exceptions and return values (B1 to B15) are in `test_faults_plugins.py`; they run in workers and in
threads. Here are those that only a process of its own can contain.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.files import names, read_jsonl, write_jsonl
from support.processes import nothing_left, workers
from support.program import Program
from support.runs import run_over, run_poisoned

from text_processor import OutputError, Pipeline, PluginLoadError

OUTPUT = "text_processor.plugins.output"
MEMORY = 300 << 20


@pytest.fixture(autouse=True)
def test_of(hostile: list[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """No test leaves a process, a descriptor or a temporary file behind."""
    with nothing_left(monkeypatch) as name:
        yield name


@pytest.mark.parametrize("step", ["hang-loop", "hang-sleep", "hang-lock", "hang-signals"])
def test_b16_b18_a_step_that_never_comes_back_is_ended(tmp_path: Path, step: str) -> None:
    line = run_poisoned(tmp_path, step, timeout=0.4)
    assert (line["kind"], line["step"]) == ("step_timeout", f"text-processor-hostile/{step}")
    assert "0.4 s" in line["message"]
    assert "--timeout" in line["hint"]
    assert "hanging.py" in line["traceback"], "where it hung"


@pytest.mark.parametrize("step", ["hang-interpreter", "hang-backtrack"])
def test_b17_f4_a_step_that_keeps_the_interpreter_is_ended_too(tmp_path: Path, step: str) -> None:
    started = time.monotonic()
    line = run_poisoned(tmp_path, step, timeout=0.4)
    assert line["kind"] == "step_timeout"
    assert "hanging.py" in line["traceback"]
    assert time.monotonic() - started < 5


def test_b16_one_that_hangs_among_many_holds_up_nobody_else(tmp_path: Path) -> None:
    texts = ["poison" if place % 400 == 100 else f"text {place}" for place in range(2000)]
    ran = run_over(tmp_path, ["hang-loop"], texts, timeout=0.5, workers=2)
    assert [line["record"]["id"] for line in ran.quarantine] == list(range(100, 2000, 400))
    assert {line["kind"] for line in ran.quarantine} == {"step_timeout"}
    assert ran.texts == [text.upper() for text in texts if text != "poison"]


def test_b16_without_a_timeout_a_slow_step_is_left_alone(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    ran = run_over(tmp_path, [("slow", {"mark": mark, "seconds": 0.7})], ["one"], timeout=None)
    assert ran.texts == ["ONE"]


def test_b18_a_step_that_reads_standard_input_gets_nothing(tmp_path: Path, hostile_program: Program) -> None:
    assert run_over(tmp_path, ["read-input"], ["one"]).texts == ["ONE ''"]
    done = hostile_program("run", "-q", "-s", "read-input", stdin=b"one\ntwo\n")
    assert (done.returncode, done.stdout) == (0, b"ONE ''\nTWO ''\n"), done.stderr


@pytest.mark.parametrize("code", [0, 7])
def test_b19_ending_the_process_is_a_crash_even_with_code_0(tmp_path: Path, code: int) -> None:
    line = run_poisoned(tmp_path, ("die", {"way": f"exit-{code}"}))
    assert line["kind"] == "step_crash"
    assert f"ended with exit code {code}" in line["message"]
    assert line["attempts"] == 2


@pytest.mark.parametrize(
    ("way", "number"),
    [
        ("segfault", signal.SIGSEGV),
        ("stack", signal.SIGSEGV),
        ("abort", signal.SIGABRT),
        ("divide", signal.SIGFPE),
        ("illegal", signal.SIGILL),
        ("bus", signal.SIGBUS),
    ],
)
def test_b20_a_crash_is_told_with_its_signal_and_its_stack(tmp_path: Path, way: str, number: signal.Signals) -> None:
    line = run_poisoned(tmp_path, ("die", {"way": way}))
    assert line["kind"] == "step_crash"
    assert f"was killed by {number.name} (signal {number.value})" in line["message"]
    assert "dying.py" in line["traceback"], "where it crashed"
    assert line["attempts"] == 2


@pytest.mark.parametrize("way", ["memory", "mapped-memory", "recursion"])
def test_b5_b6_b21_memory_without_end_is_ended_at_the_limit(tmp_path: Path, way: str) -> None:
    line = run_poisoned(tmp_path, ("die", {"way": way}), memory=MEMORY)
    assert line["kind"] == "step_memory"


def test_b22_a_worker_that_leaks_memory_is_replaced(tmp_path: Path) -> None:
    texts = [f"text {place}" for place in range(600)]
    ran = run_over(tmp_path, ["leak-memory"], texts, memory=MEMORY, workers=1)
    assert ran.texts == [text.upper() for text in texts]
    assert 2 <= ran.restarts <= 10


@pytest.mark.parametrize(("error", "most"), [("ValueError", 0), ("MemoryError", 3)])
def test_b22_a_worker_that_needs_much_memory_is_not_replaced_in_vain(tmp_path: Path, error: str, most: int) -> None:
    texts = [f"poison {place}" if place % 2 else f"text {place}" for place in range(40)]
    ran = run_over(tmp_path, [("hoard-memory", {"error": error})], texts, memory=MEMORY, workers=1)
    assert [line["error"] for line in ran.quarantine] == [error] * 20
    assert ran.texts == [text.upper() for text in texts[::2]]
    assert ran.restarts <= most


def test_b22_a_worker_that_leaks_descriptors_is_replaced(tmp_path: Path) -> None:
    program = """
    import resource, sys
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    from support.runs import run_over
    texts = [f"text {place}" for place in range(300)]
    ran = run_over(Path(sys.argv[2]), ["leak-descriptors"], texts, workers=1)
    assert ran.texts == [text.upper() for text in texts]
    assert 3 <= ran.restarts <= 10, ran.restarts
    """
    from conftest import run_python

    done = run_python(program, Path(__file__).parent, tmp_path)
    assert done.code == 0, done.messages


def test_b23_what_is_printed_reaches_the_log_up_to_a_limit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, OUTPUT)
    assert run_over(tmp_path, ["flood"], ["before", "poison", "after"], workers=1).texts == [
        "BEFORE",
        "POISON",
        "AFTER",
    ]
    printed = [record.getMessage() for record in caplog.records if record.name == OUTPUT]
    assert 0 < sum(map(len, printed)) < 8 << 20, "a megabyte, in which each byte may be escaped"
    assert not any("\x1b" in line for line in printed)


def test_b23_what_is_printed_is_never_among_the_data(hostile_program: Program) -> None:
    done = hostile_program("run", "-q", "-s", "flood:megabytes=2", stdin=b"one\npoison\ntwo\n")
    assert (done.returncode, done.stdout) == (0, b"ONE\nPOISON\nTWO\n")


@pytest.mark.parametrize("way", ["close", "replace", "garbage"])
def test_b24_a_doorbell_that_is_closed_or_abused_is_the_end_of_its_worker(tmp_path: Path, way: str) -> None:
    assert run_poisoned(tmp_path, ("die", {"way": way}))["kind"] == "step_crash"


def test_b24_standard_streams_are_not_needed(tmp_path: Path) -> None:
    assert run_over(tmp_path, ["close-streams"], ["poison", "after"], workers=1).texts == ["POISON", "AFTER"]


@pytest.mark.parametrize("size", [1, 16, 256])
def test_b25_a_copy_that_goes_on_as_if_it_were_the_worker_is_ended(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, OUTPUT)
    texts = [f"poison {place}" if place % 100 == 50 else f"text {place}" for place in range(1000)]
    ran = run_over(tmp_path, [("die", {"way": "fork"})], texts, workers=2, batch_size=size)
    assert ran.texts == [text.upper() for text in texts]
    assert ran.restarts == 0
    told = [record.getMessage() for record in caplog.records if "its copy of the worker" in record.getMessage()]
    assert all("text-processor-hostile/die" in line for line in told)
    # A copy that gets no turn before its worker ends has nothing to say.
    assert told or size > 1


@pytest.mark.parametrize("step", ["start-child", "start-daemon", "start-zombie"])
def test_b25_what_a_step_starts_ends_with_the_run(tmp_path: Path, step: str) -> None:
    # That no process is left is what the fixture checks.
    assert run_over(tmp_path, [step], ["one", "poison", "two"]).texts == ["ONE", "POISON", "TWO"]


def test_b25_a_child_of_a_worker_that_crashes_ends_with_it(tmp_path: Path) -> None:
    assert "exit code 9" in run_poisoned(tmp_path, "start-child-and-die")["message"]


def test_b26_a_worker_that_does_not_want_to_end_is_ended(tmp_path: Path) -> None:
    started = time.monotonic()
    assert run_over(tmp_path, ["cling"], ["one", "poison", "two"]).texts == ["ONE", "POISON", "TWO"]
    assert time.monotonic() - started < 5


def test_b27_what_a_step_does_to_its_process_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = (os.getcwd(), dict(os.environ), list(sys.path), list(sys.argv), time.tzname)  # noqa: PTH109
    ran = run_over(Path(), ["trim-lines", "spoil-surroundings", "trim"], [" one ", " poison ", " two "] * 100)
    assert ran.texts == ["ONE", "POISON", "TWO"] * 100
    assert before == (os.getcwd(), dict(os.environ), list(sys.path), list(sys.argv), time.tzname)  # noqa: PTH109
    mask = os.umask(0o22)
    os.umask(mask)
    assert mask != 0o777


def test_b28_signal_handlers_timers_and_collectors_are_its_own(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    texts = ["poison", *(f"text {place}" for place in range(5000))]
    assert run_over(tmp_path, ["spoil-signals"], texts).texts == [text.upper() for text in texts]
    assert signal.getsignal(signal.SIGINT) is before


def test_b29_what_it_replaces_is_replaced_in_its_worker_only(tmp_path: Path) -> None:
    import json

    ran = run_over(tmp_path, ["trim", "spoil-modules", "trim-lines"], [" one ", " poison ", " two "], workers=1)
    assert ran.texts == ["ONE", "POISON", "TWO"]
    assert json.loads("[1]") == [1]
    assert len([1]) == 1
    assert Pipeline(["trim"]).process(" a ") == "a"


@pytest.mark.parametrize(
    ("step", "told"),
    [("import-dies", b"exit code 0"), ("import-crashes", b"SIGSEGV"), ("import-endless", b"had not loaded")],
)
def test_b30_e7_an_import_that_ends_its_process_or_never_ends(hostile_program: Program, step: str, told: bytes) -> None:
    (hostile_program.folder / "in.txt").write_bytes(b"text\n")
    started = time.monotonic()
    done = hostile_program("run", "-s", step, "--load-timeout", "1", "in.txt", "-o", "out.txt")
    assert (done.returncode, done.stdout) == (7, b"")
    for word in (step.encode(), b"text-processor-hostile 1.0", told):
        assert word in done.stderr
    assert names(hostile_program.folder) == ["in.txt"]
    assert time.monotonic() - started < 10


def test_b31_a_class_that_can_be_made_in_most_processes_only_is_made_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    texts = ["one", "poison", "two", "poison", "three"]
    ran = run_over(tmp_path, [("create-sometimes", {"log": str(log)})], texts, workers=1)
    assert ran.texts == ["ONE", "TWO", "THREE"]
    assert len(log.read_text().split()) >= 4


def test_b31_a_run_goes_on_with_fewer_workers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = ["poison", *(f"text {place} " + "x" * 1000 for place in range(4000))]
    step = ("create-until-death", {"log": str(tmp_path / "log"), "mark": str(tmp_path / "mark"), "workers": 2})
    ran = run_over(tmp_path, [step], texts, workers=2)
    assert ran.texts == [text.upper() for text in texts]
    assert any("goes on with fewer" in record.getMessage() for record in caplog.records)


def test_b31_if_no_worker_can_be_made_any_more_the_run_ends(tmp_path: Path) -> None:
    step = ("create-until-death", {"log": str(tmp_path / "log"), "mark": str(tmp_path / "mark"), "workers": 1})
    with pytest.raises(PluginLoadError, match="create-until-death"):
        run_over(tmp_path, [step], ["poison", "text"], workers=1)
    assert names(tmp_path / "run") == ["in.jsonl"]


def test_b33_the_order_of_sets_is_the_same_in_all_workers(hostile_program: Program) -> None:
    for module, source in {"ordering": "def process(text): return repr({*'abcdefghijklmnop'})\n"}.items():
        (hostile_program.folder / f"{module}.py").write_text(source)
    program = """
import sys
sys.path.insert(0, "")
from ordering import process
from text_processor import Pipeline
with open("in.txt", "w") as file:
    file.writelines("x" * 1000 + "\\n" for _ in range(2000))
Pipeline([process]).run("in.txt", "out.txt", workers=2, isolation="process", overwrite=True)
print(len(set(open("out.txt"))), open("out.txt").readline())
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=hostile_program.folder,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        ).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1, "two runs have one order"
    assert outputs.pop().startswith("1 "), "all records have one order"


@pytest.mark.parametrize("way", ["segfault", "exit-0", "kill"])
def test_b34_what_crashes_once_goes_out(tmp_path: Path, way: str) -> None:
    step = ("die-once", {"mark": str(tmp_path / "mark"), "way": way})
    ran = run_over(tmp_path, [step], ["one", "poison", "two"])
    assert ran.texts == ["ONE", "POISON", "TWO"]
    assert ran.restarts == 1


def test_b36_a_crash_in_the_garbage_collector_is_charged_to_nobody(tmp_path: Path) -> None:
    step = ("die-in-collection", {"mark": str(tmp_path / "mark")})
    ran = run_over(tmp_path, [step], ["poison", "one", "collect", "two"], workers=1)
    assert ran.texts == ["POISON", "ONE", "COLLECT", "TWO"]
    assert ran.restarts == 1


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_b37_a_step_may_use_processes_of_its_own(tmp_path: Path, method: str) -> None:
    lock = [sys.executable, "-c", "import multiprocessing; multiprocessing.Lock()"]
    if subprocess.run(lock, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a lock between processes")
    assert run_over(tmp_path, [("use-pool", {"method": method})], ["abc", "de"], workers=1).texts == ["6", "4"]


@pytest.mark.parametrize("step", ["use-threads", "use-process"])
def test_b37_a_step_may_use_threads_and_programs(tmp_path: Path, step: str) -> None:
    assert run_over(tmp_path, [step], ["one", "two"]).texts == ["ONE", "TWO"]


def test_b38_a_panic_of_a_plugin_written_in_rust_is_a_panic(tmp_path: Path) -> None:
    line = run_poisoned(tmp_path, "panic")
    assert (line["kind"], line["error"]) == ("step_panic", "pyo3_runtime.PanicException")
    assert "index out of bounds" in line["message"]


@pytest.mark.parametrize("way", ["delete", "lengthen", "occupy"])
def test_b39_an_output_that_a_step_has_harmed_is_not_committed(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "one"}, {"text": "poison"}])
    # What was appended stays behind what is written only if it is longer.
    pipeline = Pipeline([("harm-files", {"folder": str(folder), "way": way})])
    with pytest.raises((OutputError, Exception)) as caught:
        pipeline.run(source, folder / "out.txt", isolation="process")
    assert caught.type.__name__ in ("OutputError", "ConfigError")
    left = names(folder)
    assert left == (["out.txt"] if way == "occupy" else [])


def test_b40_a_split_without_end_is_ended_in_the_worker(tmp_path: Path) -> None:
    ran = run_over(tmp_path, ["split-endless"], ["before", "poison", "after"], memory=4 << 30)
    assert ran.texts == ["before", "after"]
    assert [line["kind"] for line in ran.quarantine] == ["fanout"]


def test_workers_are_there_while_a_run_lasts(tmp_path: Path) -> None:
    """Else the fixture of this file would check nothing."""
    seen: list[Any] = []
    step = ("slow", {"mark": str(tmp_path / "mark"), "seconds": 0.2})
    import threading

    thread = threading.Thread(target=lambda: run_over(tmp_path, [step], ["one", "two", "three"]))
    thread.start()
    while thread.is_alive():
        seen += workers()
        time.sleep(0.01)
    assert len(set(seen)) == 1
    assert read_jsonl(tmp_path / "run" / "out.jsonl")[0]["text"] == "ONE"
