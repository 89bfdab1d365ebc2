"""What the system does to workers and to their supervisor, and what workers send that is no answer."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.files import names, read_jsonl
from support.processes import VARIABLE, descendants, nothing_left, state, wait_until, workers
from support.program import PATIENCE, Program, wait_for
from support.runs import Ran, run_over, run_poisoned
from support.site import Site


@pytest.fixture(autouse=True)
def test_of(hostile: list[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """No test leaves a process, a descriptor or a temporary file behind."""
    with nothing_left(monkeypatch) as name:
        yield name


@contextmanager
def meanwhile(folder: Path, seconds: float, records: int, **options: float) -> Iterator[Callable[[], Ran]]:
    """A run that has begun and goes on during the block. It yields what waits for the end."""
    ended: list[Ran] = []
    step = ("slow", {"mark": str(folder / "mark"), "seconds": seconds})
    texts = [f"text {place}" for place in range(records)]
    thread = threading.Thread(target=lambda: ended.append(run_over(folder, [step], texts, workers=1, **options)))

    def end() -> Ran:
        thread.join(PATIENCE)
        [ran] = ended
        return ran

    thread.start()
    try:
        wait_until((folder / "mark").exists)
        yield end
    finally:
        thread.join(PATIENCE)


def slow_program(program: Program, records: int, seconds: float, *arguments: str) -> list[str]:
    """The arguments of a run that takes a while."""
    (program.folder / "in.txt").write_text("".join(f"text {place}\n" for place in range(records)), encoding="utf-8")
    step = f"slow:mark={program.folder / 'begun'},seconds={seconds}"
    return ["run", "-q", "-s", step, *arguments, "in.txt", "-o", "out.txt"]


def with_variable(program: Program, name: str) -> Program:
    """The command, so that what it starts is known to belong to this test."""
    return Program(program.folder, program.paths, {VARIABLE: name})


def test_c8_workers_end_with_a_supervisor_that_is_killed(hostile_program: Program, test_of: str) -> None:
    program = with_variable(hostile_program, test_of)
    with program.started(*slow_program(program, 1000, 0.05)) as process:
        wait_for(program.folder, "begun", process)
        assert workers(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not descendants(test_of), 5)
    assert not (program.folder / "out.txt").exists()


def test_c9_a_worker_that_is_killed_from_outside_costs_no_record(tmp_path: Path) -> None:
    with meanwhile(tmp_path, 0.05, 20) as end:
        [worker] = workers()
        os.kill(worker, signal.SIGKILL)
        ran = end()
    assert ran.quarantine == []
    assert ran.texts == [f"TEXT {place}" for place in range(20)]
    assert ran.restarts == 1


def test_c9_so_does_one_that_is_killed_again_and_again(tmp_path: Path) -> None:
    with meanwhile(tmp_path, 0.02, 60, batch_size=1) as end:
        killed: set[int] = set()
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            for worker in set(workers()) - killed:
                os.kill(worker, signal.SIGTERM)
                killed.add(worker)
            time.sleep(0.25)
        ran = end()
    assert len(killed) > 1
    assert sorted([*(record["id"] for record in ran.out), *(line["record"]["id"] for line in ran.quarantine)]) == [
        *range(60)
    ]


def test_c10_a_worker_is_what_the_system_takes_first(site: Site, tmp_path: Path) -> None:
    source = "def process(text): return open('/proc/self/oom_score_adj').read().strip()\n"
    site.install("acme", {"score": "acme_score:process"}, modules={"acme_score": source})
    assert run_over(tmp_path, ["score"], ["text"]).texts == ["500"]
    assert Path("/proc/self/oom_score_adj").read_text() != "500\n"


@pytest.mark.parametrize("with_worker", [False, True])
def test_c11_a_run_that_was_stopped_for_longer_than_the_timeout_goes_on(
    hostile_program: Program, test_of: str, with_worker: bool
) -> None:
    program = with_variable(hostile_program, test_of)
    arguments = slow_program(program, 12, 0.3, "--timeout", "0.8", "--workers", "2")
    with program.started(*arguments) as process:
        wait_for(program.folder, "begun", process)
        stopped = [process.pid, *(workers(process.pid) if with_worker else [])]
        for number in stopped:
            os.kill(number, signal.SIGSTOP)
        wait_until(lambda: all(state(number) == "T" for number in stopped))
        time.sleep(1.5)
        for number in stopped:
            os.kill(number, signal.SIGCONT)
        code = process.wait(PATIENCE)
    assert code == 0
    assert (program.folder / "out.txt").read_text() == "".join(f"TEXT {place}\n" for place in range(12))


def test_c11_a_worker_that_is_stopped_is_one_that_hangs(tmp_path: Path) -> None:
    with meanwhile(tmp_path, 0.05, 20, timeout=0.5) as end:
        [worker] = workers()
        os.kill(worker, signal.SIGSTOP)
        ran = end()
    [line] = ran.quarantine
    assert line["kind"] == "step_timeout"
    assert len(ran.out) == 19


def test_c21_shared_memory_needs_no_folder(tmp_path: Path) -> None:
    with meanwhile(tmp_path, 0.05, 5) as end:
        [worker] = workers()
        maps = Path(f"/proc/{worker}/maps").read_text()
        assert "/memfd:text-processor" in maps
        assert "/dev/shm" not in maps  # noqa: S108
        end()


def test_e10_a_plugin_that_is_replaced_during_a_run_is_new_in_new_workers(site: Site, tmp_path: Path) -> None:
    """A worker keeps the code that it has loaded; one that takes its place loads what is there then."""
    source = """
        import os
        from pathlib import Path

        def process(text):
            mark = Path({mark!r})
            if text == "replace" and not mark.exists():
                mark.touch()
                file = Path(__file__)
                file.write_text(file.read_text().replace("VERSION = 1", "VERSION  = 2"))
            if text == "die" and not mark.with_suffix(".died").exists():
                mark.with_suffix(".died").touch()
                os._exit(1)
            return text + " " + str(VERSION)

        VERSION = 1
        """.format(mark=str(tmp_path / "mark"))
    site.install("acme", {"versioned": "acme_versioned:process"}, modules={"acme_versioned": source})
    texts = ["one", "replace", "two", "die", "three"]
    ran = run_over(tmp_path, ["versioned"], texts, workers=1, batch_size=1)
    assert ran.texts == ["one 1", "replace 1", "two 1", "die 2", "three 2"]


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_f13_huge_errors_are_small_in_the_quarantine(tmp_path: Path, isolation: str) -> None:
    ran = run_over(tmp_path, ["huge-text"], ["poison"] * 5, isolation=isolation)
    assert len(ran.quarantine) == 5
    assert (tmp_path / "run" / "out.quarantine.jsonl").stat().st_size < 5 * 16_000


FORGERIES = [
    "checksum",
    "half",
    "sequence",
    "length",
    "area",
    "file",
    "slot",
    "kind",
    "load",
    "process",
    "empty",
    "zeros",
    "pickle",
]


@pytest.mark.parametrize("way", FORGERIES)
def test_f15_what_is_no_answer_is_the_death_of_the_worker(tmp_path: Path, way: str) -> None:
    mark = tmp_path / "mark"
    line = run_poisoned(tmp_path, ("forge", {"way": way, "mark": str(mark)}), workers=1)
    assert line["kind"] == "step_crash"
    assert not mark.exists(), "nothing is ever unpickled"


def test_f15_only_a_worker_unpickles_and_only_what_its_supervisor_sent() -> None:
    source = Path(__file__).parents[1] / "src"
    assert source.is_dir(), "the source of the engine lies beside the tests"
    unpickling = [
        file.relative_to(source).as_posix()
        for file in source.rglob("*.rs")
        if '"pickle"' in (text := file.read_text(encoding="utf-8")) and '"loads"' in text
    ]
    assert unpickling == ["python/worker.rs"]


def test_a_run_that_fails_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="worker"):
        run_over(tmp_path, [("die", {"way": "exit-0"})], ["one", "poison"], on_error="raise")
    assert names(tmp_path / "run") == ["in.jsonl"]
    assert read_jsonl(tmp_path / "run" / "out.jsonl") == []
