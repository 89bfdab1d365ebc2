"""C5, C6, C27: closed pipes, signals, and poor surroundings."""

import fcntl
import os
import random
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from support.files import names
from support.program import PATIENCE, SCRIPT, Program, stop, wait_for
from support.site import Site
from support.tiers import rounds

# The matrix promises one second; the rest is for a quick build on a busy machine.
MOST_SECONDS = 2.0


def slow_run(program: Program, *arguments: str) -> list[str]:
    """A run that takes minutes, in the step of a plugin."""
    (program.folder / "in.txt").write_text("text\n" * 10_000, encoding="utf-8")
    step = f"slow:mark={program.folder / 'begun'},seconds=0.02"
    return ["run", "-s", step, "in.txt", "-o", "out.txt", "--rejected", "rejected.jsonl", *arguments]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_c6_c7_a_signal_ends_a_slow_plugin(hostile_program: Program, number: signal.Signals, code: int) -> None:
    with hostile_program.started(*slow_run(hostile_program)) as process:
        wait_for(hostile_program.folder, "begun", process)
        ended, told, seconds = stop(process, number)
    assert ended == code, told
    assert b"Traceback" not in told
    assert b"panicked" not in told
    assert seconds < MOST_SECONDS
    assert names(hostile_program.folder) == ["begun", "in.txt"], "no partial file"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_c6_c7_a_signal_ends_a_pipe_that_never_ends(program: Program, number: signal.Signals, code: int) -> None:
    with program.started("run", "-s", "trim", "-o", "out.txt") as process:
        assert process.stdin is not None
        process.stdin.write(b" text \n" * 1000)
        process.stdin.flush()
        wait_for(program.folder, ".*", process)
        ended, told, seconds = stop(process, number)
    assert ended == code, told
    assert b"Traceback" not in told
    assert seconds < MOST_SECONDS
    assert names(program.folder) == [], "no partial file"


@pytest.mark.parametrize(("form", "begin"), [("csv", b"id,te"), ("stream", b"\xff\xff\xff\xff")])
def test_c6_a_signal_ends_waiting_for_the_columns_of_a_pipe(program: Program, form: str, begin: bytes) -> None:
    with program.started("run", "-s", "trim", "--format", form, "-o", "out.csv") as process:
        assert process.stdin is not None
        process.stdin.write(begin)
        process.stdin.flush()
        deadline = time.monotonic() + 20
        # What was written is there until it is read.
        while struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))[0]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        ended, told, seconds = stop(process, signal.SIGINT)
    assert ended == 130, told
    assert b"Traceback" not in told
    assert seconds < MOST_SECONDS
    assert names(program.folder) == []


def test_c6_a_signal_ends_a_step_of_the_engine(program: Program) -> None:
    # Quadratic: each search runs to the end of the text. Without looking at the clock it would take minutes.
    (program.folder / "in.txt").write_text("A" * (4 << 20), encoding="utf-8")
    step = r"replace:pattern='.*[^A-Z]|[A-Z]',replacement=x,timeout=600"
    with program.started("run", "-s", step, "in.txt", "-o", "out.txt") as process:
        wait_for(program.folder, ".*", process)
        ended, told, seconds = stop(process, signal.SIGINT)
    assert ended == 130, told
    assert seconds < MOST_SECONDS
    assert names(program.folder) == ["in.txt"]


def test_c6_a_signal_at_any_moment_ends_a_run(hostile_program: Program) -> None:
    # Two steps of the engine, and one of a plugin, over enough records for a second or more.
    lines = "".join(f' {{"text": " some   text {number} "}}\n' for number in range(60_000))
    (hostile_program.folder / "in.jsonl").write_text(lines, encoding="utf-8")
    steps = ["-s", "normalize-unicode", "-s", "redact", "-s", f"slow:mark={hostile_program.folder / 'begun'},seconds=0"]
    output = ["-o", "out.jsonl.gz", "--rejected", "rejected.jsonl", "--overwrite"]
    moments = random.Random(6)
    seconds = []
    for _ in range(rounds("INTERRUPTIONS", 20)):
        with hostile_program.started("run", *steps, "in.jsonl", *output) as process:
            # Before a temporary file is there, Python is still on its way to the engine.
            wait_for(hostile_program.folder, ".*", process)
            time.sleep(moments.choice([moments.uniform(0, 0.05), moments.uniform(0, 0.6)]))
            code, told, took = stop(process, signal.SIGINT)
            with pytest.raises(ProcessLookupError):
                os.kill(process.pid, 0)
        seconds.append(took)
        left = [name for name in names(hostile_program.folder) if name not in {"in.jsonl", "begun"}]
        # One that had made its files when the signal came has made them.
        assert (code, left) == (130, []) or (code in {0, -2} and len(left) in {0, 2}), (code, left, told)
        assert b"panicked" not in told
        for name in left:
            (hostile_program.folder / name).unlink()
    seconds.sort()
    assert seconds[int(len(seconds) * 0.99) - 1] <= 1, seconds
    assert seconds[-1] < MOST_SECONDS


def test_c6_a_second_signal_does_not_wait(hostile_program: Program) -> None:
    with hostile_program.started(*slow_run(hostile_program)) as process:
        wait_for(hostile_program.folder, "begun", process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
        ended, told, seconds = stop(process, signal.SIGINT)
    # Python itself may be the one that is interrupted, on its way out.
    assert ended in {130, -signal.SIGINT}, told
    assert seconds < 0.2
    assert names(hostile_program.folder) == ["begun", "in.txt"]


# Raises the signal before the engine looks out for it, and when it is about to: then it registers what ends its runs.
EARLY = {
    "before the engine is called": """
def early(arguments, engine=_command.command):
    signal.raise_signal(signal.SIGINT)
    return engine(arguments)
_command.command = early
""",
    "before the engine has its handler": "atexit.register = lambda *_: signal.raise_signal(signal.SIGINT)",
}


@pytest.mark.parametrize("program", EARLY.values(), ids=EARLY)
def test_c6_a_signal_that_comes_early_ends_the_command_as_any_other(tmp_path: Path, program: str) -> None:
    begin = """
import atexit, signal, sys
from text_processor import _command

# Whoever starts this may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
    end = "\nsys.argv[0] = 'text-processor'\nsys.exit(_command.main())"
    done = subprocess.run(
        [SCRIPT.with_name("python"), "-c", begin + program + end, "run", "-s", "trim", "-o", "out.txt"],
        input=b"text\n",
        capture_output=True,
        cwd=tmp_path,
        timeout=PATIENCE,
        check=False,
    )
    told = b"error: The run was interrupted; what it had not committed is gone.\n"
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", told)
    assert names(tmp_path) == []


def test_c6_a_signal_raises_keyboard_interrupt_in_the_library(tmp_path: Path) -> None:
    program = """
import os, signal, threading, time
from text_processor import Pipeline

# Whoever starts this may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def step(text):
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start() if text == "0" else time.sleep(0.01)
    return text

with open("in.txt", "w") as file:
    file.writelines(f"{number}\\n" for number in range(3000))
try:
    Pipeline([step]).run("in.txt", "out.txt")
except KeyboardInterrupt:
    print("interrupted", sorted(os.listdir()))
# The handler that was there before is there again.
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print(Pipeline(["trim"]).run("in.txt", "out.txt").read)
"""
    done = subprocess.run(
        [SCRIPT.with_name("python"), "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "interrupted ['in.txt']\n3000\n"), done.stderr


@pytest.mark.parametrize("arguments", ["run -s trim in.txt", "run -s shout in.txt", "run -q -s trim < in.txt"])
def test_c5_a_reader_that_goes_away_is_no_error(tmp_path: Path, site: Site, arguments: str) -> None:
    site.install(
        "acme", {"shout": "acme_shout:process"}, modules={"acme_shout": "def process(text): return text.upper()\n"}
    )
    program = Program(tmp_path / "work", [site.path])
    (program.folder / "in.txt").write_text("text\n" * 200_000, encoding="utf-8")
    done = program.shell(f'$tp {arguments} | head -1; echo "${{PIPESTATUS[0]}}"')
    assert done.stdout.lower() == b"text\n141\n"
    assert done.stderr == b""
    assert names(program.folder) == ["in.txt"]


@pytest.mark.parametrize("arguments", ["--help", "plugins list", "explain -s trim", "trace -s trim text"])
def test_c5_answers_too_may_lose_their_reader(program: Program, arguments: str) -> None:
    # The reader is gone before the first byte.
    script = "exec 3> >(true); sleep 0.2; $tp " + arguments + ' >&3; echo "$?" >&2'
    done = program.shell(script)
    assert done.stderr == b"141\n"


def test_c27_a_process_without_standard_streams_works(program: Program) -> None:
    data = " größe \n\n" * 100
    (program.folder / "in.txt").write_text(data, encoding="utf-8")
    done = program.shell('$tp run -s trim-lines in.txt -o out.txt <&- >&- 2>&-; echo "$?"')
    assert done.stdout == b"0\n"
    # Nothing that was meant for a standard stream may end up in a file that was opened in its place.
    assert (program.folder / "in.txt").read_text(encoding="utf-8") == data
    assert (program.folder / "out.txt").read_text(encoding="utf-8") == "größe\n\n" * 100
    assert names(program.folder) == ["in.txt", "out.txt"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_c27_one_closed_stream_costs_only_what_needs_it(program: Program, closed: str) -> None:
    (program.folder / "in.txt").write_bytes(b" one \n")
    done = program.shell(f'$tp run -s trim in.txt -o out.txt {closed}; echo "$?"')
    assert done.stdout.endswith(b"0\n")
    assert (program.folder / "out.txt").read_bytes() == b"one\n"
    assert (program.folder / "in.txt").read_bytes() == b" one \n"


def test_c27_reading_a_closed_standard_input_or_writing_a_closed_output_is_an_error(program: Program) -> None:
    (program.folder / "in.txt").write_bytes(b" one \n")
    done = program.shell('$tp run -s trim -o out.txt <&-; echo "$?"')
    assert done.stdout in (b"5\n", b"0\n"), done.stderr
    assert b"Traceback" not in done.stderr
    done = program.shell('$tp run -s trim in.txt >&-; echo "$?"')
    assert done.stdout == b"6\n", done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "variables", [{"LANG": "C"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "POSIX"}]
)
def test_c27_a_poor_locale_changes_no_text(tmp_path: Path, site: Site, variables: dict[str, str]) -> None:
    site.install(
        "acme", {"shout": "acme_shout:process"}, modules={"acme_shout": "def process(text): return text.upper()\n"}
    )
    program = Program(tmp_path / "work", [site.path], variables)
    name = os.fsencode("grüße.txt")
    (program.folder / os.fsdecode(name)).write_bytes(" größe \u2028😀\n".encode())
    done = program("run", "-s", "shout", "-s", "trim", name)
    assert (done.returncode, done.stdout) == (0, "GRÖSSE \u2028😀\n".encode()), done.stderr
    done = program("trace", "-s", "shout", "größe")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "GRÖSSE" in done.stdout.decode()


def test_c27_an_empty_environment_is_enough(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b" one \n")
    done = subprocess.run(
        [SCRIPT, "run", "-s", "trim", "in.txt", "-o", "out.txt"],
        capture_output=True,
        cwd=tmp_path,
        env={},
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_bytes() == b"one\n"
