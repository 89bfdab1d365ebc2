"""Workers: the same output as in threads, and what a user sees of them."""

import functools
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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import odd_steps
from support.files import counts, names, write_jsonl
from support.processes import VARIABLE, nothing_left, wait_until, workers
from support.program import PATIENCE, Program, stop, wait_for
from support.runs import run_over
from support.site import Site
from support.tiers import LONG

from text_processor import ConfigError, Pipeline, PluginLoadError, StepError

TESTS = Path(__file__).parent
# The matrix promises one second; the rest is for a quick build on a busy machine.
MOST_SECONDS = 2.0


@pytest.fixture(autouse=True)
def test_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """No test leaves a process, a descriptor or a temporary file behind."""
    with nothing_left(monkeypatch) as name:
        yield name


@pytest.fixture
def program(tmp_path: Path, hostile: list[Path], test_of: str) -> Program:
    """The command, where the package of hostile steps is installed; what it starts belongs to this test."""
    return Program(tmp_path / "work", hostile, {VARIABLE: test_of})


STEPS = st.one_of(
    st.sampled_from(
        [
            odd_steps.reverse,
            odd_steps.measure,
            odd_steps.halves,
            odd_steps.fail_on_x,
            "trim",
            "collapse-whitespace",
            str.upper,
        ]
    ),
    st.builds(
        lambda suffix, times: (odd_steps.Append, {"suffix": suffix, "times": times}),
        st.text("é! ", max_size=3),
        st.integers(0, 3),
    ),
    st.builds(lambda maximum: (odd_steps.NoLonger, {"maximum": maximum}), st.integers(0, 30)),
)


@st.composite
def pipelines(draw: st.DrawFn) -> list[Any]:
    """Steps of all kinds, of which one may ask for what another has added."""
    steps: list[Any] = draw(st.lists(STEPS, min_size=1, max_size=5))
    # A field can be added once.
    measures = [place for place, step in enumerate(steps) if step is odd_steps.measure]
    steps = [step for place, step in enumerate(steps) if place not in measures[1:]]
    if draw(st.booleans()) and measures:
        steps.append(odd_steps.tell_length)
    return steps


TEXTS = st.lists(st.text('ab xé\U0001f600\t"\\', max_size=20), max_size=60)


@given(steps=pipelines(), texts=TEXTS, size=st.sampled_from([None, 1, 7]), as_text=st.booleans())
@settings(
    max_examples=400 if LONG else 12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_the_output_does_not_depend_on_where_steps_run(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], texts: list[str], size: int | None, as_text: bool
) -> None:
    folder = tmp_path_factory.mktemp("run")
    # Plain text cannot hold fields.
    as_text = as_text and odd_steps.measure not in steps
    if as_text:
        source = folder / "in.txt"
        source.write_bytes("".join(f"{text}\n" for text in texts).encode())
    else:
        source = write_jsonl(
            folder / "in.jsonl", ({"id": place, "text": text, "other": [place]} for place, text in enumerate(texts))
        )
    made = set()
    places: list[tuple[Any, int]] = [("thread", 1), ("process", 1), ("process", 2), ("process", 3)]
    for isolation, count in places:
        output = folder / f"{isolation}{count}"
        output.mkdir()
        report = Pipeline(steps).run(
            source,
            output / f"out{source.suffix}",
            rejected=output / "rejected.jsonl",
            isolation=isolation,
            workers=count,
            batch_size=size if isolation == "process" else None,
        )
        files = {file.name: file.read_bytes() for file in sorted(output.iterdir())}
        entered = [(step["name"], step["entered"]) for step in report.to_dict()["steps"]]
        made.add(repr((counts(report), files, entered)))
    assert len(made) == 1


def test_many_batches_keep_their_order(tmp_path: Path) -> None:
    texts = [f"{place} " + "y" * (place % 700) for place in range(6000)]
    ran = run_over(tmp_path, [odd_steps.reverse, "trim"], texts, workers=3)
    assert ran.texts == [text[::-1].strip() for text in texts]
    assert ran.report.to_dict()["isolation"] == "process"


def test_texts_larger_than_the_shared_memory_travel_too(tmp_path: Path) -> None:
    texts = ["a" * (3 << 20), "b", "c" * (12 << 20), ""]
    assert run_over(tmp_path, [odd_steps.reverse, odd_steps.Append], texts, workers=2).texts == [
        f"{text}!" for text in texts
    ]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (lambda text: text.upper(), "a lambda has no name"),
        (functools.partial(lambda text, suffix: text.upper(), suffix="!"), "cannot be pickled"),
    ],
    ids=["lambda", "partial"],
)
def test_what_has_no_name_runs_in_threads_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, step: Any, reason: str
) -> None:
    ran = run_over(tmp_path, [step], ["one"], isolation="auto")
    assert ran.texts == ["ONE"]
    assert ran.report.to_dict()["isolation"] == "thread"
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert reason in warning
    with pytest.raises(ConfigError, match=reason) as caught:
        run_over(tmp_path, [step], ["one"])
    assert "`thread`" in "".join(caught.value.__notes__)


def test_what_is_defined_inside_a_function_has_no_name(tmp_path: Path) -> None:
    def inner(text: str) -> str:
        return text

    with pytest.raises(ConfigError, match="defined inside a function"):
        run_over(tmp_path, [inner], ["one"])


@pytest.mark.parametrize("isolation", ["auto", "process"])
def test_what_the_program_itself_defines_cannot_be_imported(tmp_path: Path, isolation: str) -> None:
    program = f"""
from text_processor import ConfigError, Pipeline

def step(text):
    return text.upper()

try:
    print(Pipeline([step]).run("in.txt", "out.txt", isolation="{isolation}").to_dict()["isolation"])
except ConfigError as error:
    print(error)
"""
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "in.txt").write_text("one\n")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert "`__main__`" in (done.stderr if isolation == "auto" else done.stdout)
    assert (tmp_path / "out.txt").exists() == (isolation == "auto")


def test_instances_travel_with_what_they_hold(tmp_path: Path) -> None:
    step = odd_steps.Append("?", 3)
    assert run_over(tmp_path, [step], ["one"]).texts == ["one???"]
    assert run_over(tmp_path, [functools.partial(odd_steps.reverse)], ["one"]).texts == ["eno"]


def test_a_worker_looks_for_modules_where_its_supervisor_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    monkeypatch.setenv("A_VARIABLE", "größe")
    monkeypatch.chdir(tmp_path)
    [told] = run_over(tmp_path, [odd_steps.tell_surroundings], [str(os.getpid())]).texts
    folder, variable, path, same = eval(told)
    assert (folder, variable, same) == (str(tmp_path), "größe", False)
    assert path == [entry for entry in sys.path if isinstance(entry, str)]


def test_what_is_printed_reaches_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.INFO, "text_processor.plugins.output")
    run_over(tmp_path, [odd_steps.print_much], ["one", "two"], workers=1)
    printed = [record.getMessage() for record in caplog.records if record.name == "text_processor.plugins.output"]
    assert printed == ["printed for one", "shouted", "printed for two", "shouted"]
    assert capfd.readouterr() == ("", "")


def test_the_command_shows_what_is_printed_with_v(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.install("acme", {"talk": "support.odd_steps:print_much"})
    program = Program(tmp_path / "work", [site.path, TESTS])
    done = program("run", "-v", "-s", "talk", stdin=b"one\n")
    assert (done.returncode, done.stdout) == (0, b"one\n")
    assert b"info: printed for one\n" in done.stderr
    done = program("run", "-s", "talk", stdin=b"one\n")
    assert b"printed for one" not in done.stderr


def test_a_step_is_closed_when_its_worker_ends(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    run_over(tmp_path, [(odd_steps.Closing, {"mark": str(mark)})], ["one"], workers=1)
    # Once by the worker, and once by its supervisor, which has made one too.
    assert mark.read_text() == "closed\n" * 2


def test_an_error_tells_where_in_the_worker_it_was_raised(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="ValueError") as caught:
        run_over(tmp_path, [odd_steps.fail_on_x], ["one", "x"], on_error="raise")
    assert caught.value.__cause__ is None
    [note] = caught.value.__notes__
    assert note.startswith("In the worker:\nTraceback (most recent call last):\n")
    assert "in fail_on_x" in note


def test_an_error_is_not_lost_with_the_pipeline_that_raised_it(tmp_path: Path) -> None:
    """A step that is closed while an exception is on its way up must not take its place."""
    (tmp_path / "in.txt").write_text("one\n")
    (tmp_path / "out.txt").write_text("one\n")
    with pytest.raises(ConfigError, match=r"out\.txt"):
        Pipeline([odd_steps.Append]).run(tmp_path / "in.txt", tmp_path / "out.txt")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"isolation": "container"}, "isolation"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": -1.0}, "timeout"),
        ({"memory": 0}, "memory"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=told):
        run_over(tmp_path, [odd_steps.reverse], ["one"], **options)
    assert names(tmp_path / "run") == ["in.jsonl"]


@pytest.mark.parametrize(
    "arguments", [["--timeout", "0"], ["--timeout", "nan"], ["--memory", "0"], ["--batch-size", "0"]]
)
def test_the_command_refuses_them_too(tmp_path: Path, arguments: list[str]) -> None:
    done = Program(tmp_path / "work")("run", "-s", "trim", *arguments, stdin=b"one\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert arguments[0].encode() in done.stderr


def test_pipelines_without_plugins_start_no_worker(tmp_path: Path) -> None:
    ran = run_over(tmp_path, ["trim"], [" one "], isolation="process")
    assert ran.report.to_dict()["isolation"] == "thread"


def test_single_texts_stay_in_process() -> None:
    pipeline = Pipeline([odd_steps.tell_surroundings])
    assert eval(str(pipeline.process(str(os.getpid()))))[3] is True
    assert [eval(str(text))[3] for text in pipeline.process_many([str(os.getpid())])] == [True]


def test_a_plugin_that_fails_in_the_worker_only_is_told_with_its_name(tmp_path: Path, hostile: list[Path]) -> None:
    step = ("create-sometimes", {"log": str(tmp_path / "log"), "each": 2})
    with pytest.raises(PluginLoadError, match="raised while creating") as caught:
        run_over(tmp_path, [step], ["one"], workers=1)
    assert caught.value.plugin == "text-processor-hostile/create-sometimes"
    assert caught.value.distribution == "text-processor-hostile"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("step", ["hang-interpreter", "hang-loop", "cling"])
def test_c6_c7_a_signal_ends_busy_workers(program: Program, number: signal.Signals, code: int, step: str) -> None:
    (program.folder / "in.txt").write_text("poison\n" * 200, encoding="utf-8")
    begun = program.folder / "begun"
    slow = f"slow:mark={begun},seconds=0.02"
    with program.started("run", "-s", slow, "-s", "trim", "-s", step, "in.txt", "-o", "out.txt") as process:
        wait_for(program.folder, "begun", process)
        wait_until(lambda: workers(process.pid))
        time.sleep(0.1)
        ended, told, seconds = stop(process, number)
    assert ended == code, told
    assert b"Traceback" not in told
    assert seconds < MOST_SECONDS
    assert names(program.folder) == ["begun", "in.txt"], "no partial file"


def test_c6_a_signal_while_workers_are_busy_is_a_keyboard_interrupt(tmp_path: Path, test_of: str) -> None:
    program = """
import os, signal, sys, threading, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.processes import workers
from text_processor import Pipeline
import slow_step
Path("in.txt").write_text("text\\n" * 10000)
def interrupt():
    while not workers():
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt).start()
try:
    Pipeline([slow_step.process]).run("in.txt", "out.txt")
except KeyboardInterrupt:
    print("interrupted", workers(), Path("out.txt").exists())
"""
    (tmp_path / "slow_step.py").write_text("import time\ndef process(text):\n    time.sleep(0.05)\n    return text\n")
    done = subprocess.run(
        [sys.executable, "-c", program, TESTS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout == "interrupted [] False\n", done.stderr


def test_c5_a_reader_that_goes_away_ends_the_workers(program: Program) -> None:
    (program.folder / "in.txt").write_text("text\n" * 200_000, encoding="utf-8")
    done = program.shell('$tp run -q -s raise-named in.txt | head -1; echo "${PIPESTATUS[0]}"')
    assert (done.stdout, done.stderr) == (b"TEXT\n141\n", b"")
