"""C15, C17 to C20, C22, C23, C28, F10: what others do to the files and the process of a run.

The faults that the system itself makes stand in `test_faults_system.py`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Ended, run_python
from support.files import counts, names
from support.program import PATIENCE, Program, stop, wait_for

from text_processor import InputError, OutputError, Pipeline

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults are made as Linux makes them")


def change(path: Path, how: str) -> None:
    """Changes a file that somebody reads."""
    match how:
        case "appended":
            with path.open("ab") as file:
                file.write(b"more\n")
        case "truncated":
            os.truncate(path, 1000)
        case "rewritten":
            with path.open("r+b") as file:
                file.write(b"other")
        case "removed":
            path.unlink()
        case "replaced":
            path.with_name("other.txt").write_bytes(b"other\n" * 100)
            path.with_name("other.txt").rename(path)


@pytest.mark.parametrize("how", ["appended", "truncated", "rewritten"])
@pytest.mark.parametrize("compressed", [False, True])
def test_c15_an_input_that_is_changed_while_it_is_read(tmp_path: Path, how: str, compressed: bool) -> None:
    lines = "".join(f"{number}\n" for number in range(1_000_000))
    plain, source = tmp_path / "plain.txt", tmp_path / "in.txt.gz" if compressed else tmp_path / "in.txt"
    plain.write_text(lines, encoding="utf-8")
    if compressed:
        Pipeline([]).run(plain, source)
    else:
        plain.rename(source)
    done = []

    def edit(text: str) -> str:
        if not done:
            done.append(time.sleep(0.01))
            change(source, how)
        return text

    with pytest.raises(InputError, match="changed while it was read") as caught:
        Pipeline([edit]).run(source, tmp_path / "out.txt", workers=1)
    assert caught.value.path == str(source)
    assert [name for name in names(tmp_path) if name.startswith(("out", "."))] == []


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_c15_an_input_that_is_replaced_is_read_as_it_was(tmp_path: Path, how: str) -> None:
    lines = "".join(f"{number}\n" for number in range(300_000))
    source = tmp_path / "in.txt"
    source.write_text(lines, encoding="utf-8")

    def edit(text: str) -> str:
        if text == "0":
            change(source, how)
        return text

    report = Pipeline([edit]).run(source, tmp_path / "out.txt")
    assert counts(report) == (300_000, 300_000, 0, 0)
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == lines


def test_c17_outputs_do_not_hold_the_time(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text":" a "}\n{"text":""}\nno json\n' * 10, encoding="utf-8")
    made = []
    for zone in ("UTC", "Pacific/Kiritimati"):
        folder = tmp_path / zone.replace("/", "-")
        folder.mkdir()
        program = Program(folder, variables={"TZ": zone})
        arguments = ["run", "-q", "-s", "trim", "-s", "validate", str(source)]
        for name in ("out.jsonl.gz", "out.jsonl.zst"):
            done = program(*arguments, "-o", name, "--rejected", f"{name}.rejected.gz", "--overwrite")
            assert done.returncode == 3
        made.append({name: (folder / name).read_bytes() for name in names(folder)})
        os.utime(source, (0, 0))
        time.sleep(1.1)
    assert made[0] == made[1]


OPEN_FILES = """
    import json, os, resource
    from text_processor import OutputError, Pipeline

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    told = []
    for more in range(12):
        open_files = max(int(name) for name in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files + more, hard))
        try:
            report = Pipeline(["trim"]).run("in.txt", "out.txt", rejected="r.jsonl", quarantine="q.jsonl", workers=2)
            outcome = report.exit_code
        except OutputError as error:
            outcome = [error.errno, "ulimit -n" in error.__notes__[0]]
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files + 100, hard))
        told.append([outcome, sorted(os.listdir())])
        for name in told[-1][1][1:]:
            os.unlink(name)
    print(json.dumps(told))
"""


def test_c18_too_few_files_may_be_open(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("text\n", encoding="utf-8")
    done = run_python(OPEN_FILES, cwd=tmp_path)
    assert done.code == 0, done.messages
    told = json.loads(done.output)
    refused = [each for each in told if each[0] != 0]
    assert len(refused) >= 3, told
    assert all(each == [[24, True], ["in.txt"]] for each in refused), told
    assert told[-1] == [0, ["in.txt", "out.txt", "q.jsonl", "r.jsonl"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_c19_a_reader_that_stalls_can_be_left(program: Program, number: signal.Signals) -> None:
    (program.folder / "in.txt").write_text("text\n" * 1_000_000, encoding="utf-8")
    with program.started("run", "-q", "-s", "trim", "in.txt", "--rejected", "rejected.jsonl") as process:
        wait_for(program.folder, ".rejected*", process)
        time.sleep(0.3)
        code, told, seconds = stop(process, number)
    assert code == 128 + number, told
    assert seconds < 1
    assert names(program.folder) == ["in.txt"]


@pytest.mark.parametrize("folder", ["/nowhere", "/proc", ""])
def test_c20_temporary_files_lie_beside_their_target(tmp_path: Path, folder: str) -> None:
    program = Program(tmp_path / "work", variables={"TMPDIR": folder})
    (program.folder / "in.txt").write_bytes(b" one \n")
    assert program("run", "-q", "-s", "trim", "in.txt", "-o", "out.txt.gz").returncode == 0
    assert names(program.folder) == ["in.txt", "out.txt.gz"]


SHUTDOWN = """
    import sys, threading, time
    from text_processor import Pipeline

    started = threading.Event()

    def step(text):
        started.set()
        time.sleep(0.01)
        return text

    def run():
        Pipeline([step]).run("in.txt", "out.txt")

    threading.Thread(target=run, daemon=True).start()
    started.wait(20)
    sys.exit(7)
"""


def test_c22_an_interpreter_that_ends_while_a_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("text\n" * 10_000, encoding="utf-8")
    started = time.monotonic()
    done = run_python(SHUTDOWN, cwd=tmp_path)
    assert (done.code, "panicked" in done.messages) == (7, False), done.messages
    assert time.monotonic() - started < 5
    assert names(tmp_path) == ["in.txt"]


def forked(child: str, tmp_path: Path, before: str = "") -> Ended:
    """Runs a program that forks; the child does this and must end in time."""
    program = f"""
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
from text_processor import Pipeline
pipeline = Pipeline(["trim", str.upper])
assert pipeline.process(" a ") == "A"
open("in.txt", "w").write(" a \\n" * 50_000)
assert Pipeline(["trim"]).run("in.txt", "before.txt", workers=2).out == 50_000
{before}
sys.stdout.flush()
started = time.monotonic()
child = os.fork()
if child == 0:
    signal.alarm(20)
    started = time.monotonic()
    {child}
    assert time.monotonic() - started < 5
    os._exit(0)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
sys.stdout.flush()
os._exit(0)
"""
    return run_python(program, cwd=tmp_path)


@pytest.mark.parametrize(
    "child",
    [
        "assert pipeline.process(' b ') == 'B'",
        "assert list(pipeline.process_many([' b '])) == ['B']",
        "assert pipeline.run('in.txt', 'after.txt', workers=2).out == 50_000",
    ],
)
def test_c23_the_child_of_a_fork_may_use_what_its_parent_used(tmp_path: Path, child: str) -> None:
    done = forked(child, tmp_path)
    assert (done.code, done.output) == (0, "0\n"), done.messages


@pytest.mark.parametrize(
    "child",
    ["assert slow.process('b') == 'b'", "assert slow.run('in.txt', 'after.txt', limit=3, workers=2).out == 3"],
)
def test_c23_a_fork_while_another_thread_is_in_a_step(tmp_path: Path, child: str) -> None:
    before = """
inside = threading.Event()
def step(text):
    if text == "a":
        inside.set()
        time.sleep(60)
    return text
slow = Pipeline([step])
for _ in range(3):
    threading.Thread(target=slow.process, args=("a",), daemon=True).start()
inside.wait(20)
time.sleep(0.1)
"""
    done = forked(child, tmp_path, before)
    assert (done.code, done.output) == (0, "0\n"), done.messages


FORKING_STEP = """
    import os, signal, sys, warnings
    warnings.simplefilter("ignore")
    from text_processor import Pipeline

    children = []

    def step(text):
        if text == "100":
            child = os.fork()
            if child:
                children.append(child)
        return text

    with open("in.txt", "w") as file:
        file.writelines(f"{number}\\n" for number in range(20_000))
    report = Pipeline([step]).run("in.txt", "out.txt", workers=2)
    signal.alarm(20)
    [status] = [os.waitpid(child, 0)[1] for child in children]
    print(report.out, os.waitstatus_to_exitcode(status) != 0)
"""


def test_c23_a_step_that_forks_and_returns_twice(tmp_path: Path) -> None:
    done = run_python(FORKING_STEP, cwd=tmp_path)
    assert (done.code, done.output) == (0, "20000 True\n"), done.messages
    assert names(tmp_path) == ["in.txt", "out.txt"]


def test_f10_a_link_at_the_name_of_an_output_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"new\n")
    precious, output = tmp_path / "precious.txt", tmp_path / "out.txt"
    precious.write_bytes(b"precious\n")
    for target in (precious, tmp_path / "nowhere"):
        output.symlink_to(target)
        with pytest.raises(Exception, match="exists already"):
            Pipeline([]).run(tmp_path / "in.txt", output)
        Pipeline([]).run(tmp_path / "in.txt", output, overwrite=True)
        assert not output.is_symlink()
        assert output.read_bytes() == b"new\n"
        output.unlink()
    assert precious.read_bytes() == b"precious\n"
    assert names(tmp_path) == ["in.txt", "precious.txt"]


def test_f10_a_folder_that_is_swapped_meanwhile_gets_nothing(program: Program) -> None:
    folder, moved, other = (program.folder / name for name in ("folder", "moved", "other"))
    folder.mkdir()
    other.mkdir()
    with program.started("run", "-q", "-s", "trim", "-o", "folder/out.txt") as process:
        wait_for(folder, ".*", process)
        folder.rename(moved)
        folder.symlink_to(other)
        told = process.communicate(b" text \n", timeout=PATIENCE)[1]
    assert process.returncode == 0, told
    assert (moved / "out.txt").read_bytes() == b"text\n"
    assert (names(moved), names(other)) == (["out.txt"], [])


def test_f10_loops_in_a_tree_of_inputs_end(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "in.txt").write_bytes(b"one\n")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "a" / "loop.txt").symlink_to("loop.txt")
    report = Pipeline([]).run(tmp_path / "a" / "**" / "in.txt", tmp_path / "out.txt")
    assert counts(report) == (1, 1, 0, 0)
    report = Pipeline([]).run(tmp_path / "a" / "**" / "*.txt", tmp_path / "more.txt")
    assert (report.out, report.exit_code) == (1, 5)
    [damage] = report.to_dict()["damage"]
    assert damage["input"].endswith("loop.txt")
    assert "symbolic links" in damage["message"]


def test_c28_a_failed_record_that_cannot_be_kept_stops_the_run(program: Program) -> None:
    (program.folder / "in.jsonl").write_bytes(b'{"text":"a"}\nno json\n')
    (program.folder / "in").mkdir()
    done = program("run", "-q", "-s", "trim", "in.jsonl", "-o", "out.jsonl", "--quarantine", "missing/q.jsonl")
    assert done.returncode == 6
    assert b"Create the directory first" in done.stderr
    assert names(program.folder) == ["in", "in.jsonl"]


def test_errors_of_the_system_keep_their_number(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"one\n" * 100_000)
    arguments: dict[str, Any] = {"rejected": "/dev/full"}
    with pytest.raises(OutputError) as caught:
        Pipeline([("length", {"minimum": 10})]).run(tmp_path / "in.txt", tmp_path / "out.txt", **arguments)
    assert caught.value.errno == 28
    assert names(tmp_path) == ["in.txt"]
