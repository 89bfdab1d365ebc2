"""C1 to C4, C8, C12, C14, C18: faults of the system, on single files.

What needs `strace` is skipped where there is none; `TEXT_PROCESSOR_NEEDS_STRACE=1` makes that an error.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from support.files import names, read_jsonl
from support.injection import inject, needs_strace
from support.program import PATIENCE, SCRIPT, Program, stop, wait_for
from support.tiers import rounds

# The default of most systems for what a process may not do.
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults are made as Linux makes them")

LINES = 40_000
FILE_KILLS = rounds("FILE_KILLS", 8)
RUN = ["run", "-q", "-s", "trim", "-s", "length:minimum=2", "in.jsonl", "-o", "out.jsonl"]
SIDES = ["--rejected", "rejected.jsonl", "--quarantine", "quarantine.jsonl", "--workers", "1"]


@pytest.fixture
def prepared(program: Program) -> tuple[Program, dict[str, bytes]]:
    """An input that fills all three files, and what an undisturbed run makes of it."""
    pattern = ['{"text":" some text %d "}', '{"text":"x"}', "no json %d"]
    lines = [pattern[number % 3] % number if "%" in pattern[number % 3] else pattern[1] for number in range(LINES)]
    (program.folder / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert program(*RUN, *SIDES).returncode == 3
    made = {name: (program.folder / name).read_bytes() for name in names(program.folder) if name != "in.jsonl"}
    assert sorted(made) == ["out.jsonl", "quarantine.jsonl", "rejected.jsonl"]
    for name in made:
        (program.folder / name).unlink()
    return program, made


def all_or_nothing(program: Program, made: dict[str, bytes], done: subprocess.CompletedProcess[bytes]) -> bool:
    """Checks that a run has either made everything or nothing, and tells which. Clears up."""
    assert b"panicked" not in done.stderr
    left = [name for name in names(program.folder) if name != "in.jsonl"]
    if done.returncode == 3:
        assert {name: (program.folder / name).read_bytes() for name in left} == made
    else:
        assert done.returncode == 6, done.stderr
        assert b"failed" in done.stderr
        assert "out.jsonl" not in left
        assert not [name for name in left if name.endswith(".partial")]
    for name in left:
        (program.folder / name).unlink()
    return done.returncode == 3


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_c1_c2_a_write_that_fails_leaves_nothing(prepared: tuple[Program, dict[str, bytes]], error: str) -> None:
    needs_strace()
    program, made = prepared
    failed = 0
    for when in [1, 2, 3, 5, 8, 13, 21, 1000]:
        whole = all_or_nothing(program, made, inject(program, f"write:error={error}:when={when}", *RUN, *SIDES))
        failed += not whole
    assert 3 <= failed < 8


@pytest.mark.parametrize("call", ["fsync", "renameat2", "fdatasync"])
@pytest.mark.parametrize("when", ["1", "2", "3", "4", "1+"])
def test_c1_c2_a_commit_that_fails_shows_no_output(
    prepared: tuple[Program, dict[str, bytes]], call: str, when: str
) -> None:
    needs_strace()
    program, made = prepared
    # What the disk did not take once is never believed afterwards.
    all_or_nothing(program, made, inject(program, f"{call}:error=EIO:when={when}", *RUN, *SIDES))


def limited(*limits: tuple[int, int]) -> Callable[[], None]:
    """Sets limits of the system in a process that is about to start."""

    def set_limits() -> None:
        for limit, value in limits:
            hard = resource.getrlimit(limit)[1]
            resource.setrlimit(limit, (value, hard))

    return set_limits


def run_limited(program: Program, arguments: list[str], *limits: tuple[int, int]) -> subprocess.CompletedProcess[bytes]:
    """Runs the command under limits of the system."""
    return subprocess.run(
        [SCRIPT, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=program.folder,
        env=program.environment(),
        timeout=PATIENCE,
        check=False,
        preexec_fn=limited(*limits),
    )


@pytest.mark.parametrize("kilobytes", [0, 1, 64, 100, 1000])
def test_c1_c12_a_limit_on_the_size_of_files(prepared: tuple[Program, dict[str, bytes]], kilobytes: int) -> None:
    program, made = prepared
    done = run_limited(program, [*RUN, *SIDES], (resource.RLIMIT_FSIZE, kilobytes << 10))
    assert not all_or_nothing(program, made, done)
    assert b"ulimit -f" in done.stderr


@pytest.mark.parametrize("role", ["-o", "--rejected", "--quarantine"])
def test_c1_c28_a_full_disk_on_any_file_ends_the_run(prepared: tuple[Program, dict[str, bytes]], role: str) -> None:
    program, _ = prepared
    files = {"-o": "out.jsonl", "--rejected": "rejected.jsonl", "--quarantine": "quarantine.jsonl", role: "/dev/full"}
    options = [word for pair in files.items() for word in pair]
    done = program("run", "-q", "-s", "trim", "-s", "length:minimum=2", "in.jsonl", *options)
    assert done.returncode == 6, done.stderr
    assert b"No space left on device" in done.stderr
    assert names(program.folder) == ["in.jsonl"]


def test_c3_reading_is_tried_again_and_then_given_up(program: Program) -> None:
    needs_strace()
    lines = [b"%d\n" % number for number in range(200_000)]
    (program.folder / "in.txt").write_bytes(b"".join(lines))
    arguments = ["run", "-q", "-s", "trim", "in.txt", "-o", "out.txt", "--overwrite"]
    for when in (1, 2, 4):
        done = inject(program, f"read:error=EIO:when={when}..{when + 2}", *arguments, path="in.txt")
        assert done.returncode == 0, done.stderr
        assert (program.folder / "out.txt").read_bytes() == b"".join(lines)
    done = inject(program, "read:error=EIO:when=3+", *arguments, path="in.txt")
    assert done.returncode == 5
    out = (program.folder / "out.txt").read_bytes()
    assert out
    assert out == b"".join(lines[: out.count(b"\n")])
    [segment] = read_jsonl(program.folder / "out.quarantine.jsonl")
    assert (segment["kind"], segment["offset"]) == ("segment", len(out))


@pytest.mark.parametrize(
    ("fault", "path"), [("read:error=EINTR:when=1+3", "in.jsonl"), ("write:error=EINTR:when=1+2", None)]
)
def test_c4_calls_that_are_interrupted_are_made_again(
    prepared: tuple[Program, dict[str, bytes]], fault: str, path: str | None
) -> None:
    needs_strace()
    program, made = prepared
    assert all_or_nothing(program, made, inject(program, fault, *RUN, *SIDES, path=path))


def test_c4_short_writes_to_a_pipe_lose_nothing(program: Program) -> None:
    data = b"".join(b"%d\n" % number for number in range(300_000))
    (program.folder / "in.txt").write_bytes(data)
    # A reader that takes a few bytes at a time, from a pipe that holds one page.
    reader = "import fcntl, os\nfcntl.fcntl(0, 1031, 4096)\nwhile b := os.read(0, 3333): os.write(1, b)"
    done = program.shell(f"$tp run -q -s trim in.txt | '{sys.executable}' -S -c '{reader}'")
    assert done.stdout == data


@pytest.mark.parametrize("call", ["write", "fsync", "renameat2"])
def test_c8_a_kill_at_any_call_leaves_all_or_nothing(prepared: tuple[Program, dict[str, bytes]], call: str) -> None:
    needs_strace()
    program, made = prepared
    for when in {"write": [1, 2, 3, 5, 8, 13, 21], "fsync": [1, 2, 3, 4, 5, 6], "renameat2": [1, 2, 3]}[call]:
        done = inject(program, f"{call}:signal=SIGKILL:when={when}", *RUN, *SIDES)
        killed_leaves_all_or_nothing(program, made, done.returncode)


def killed_leaves_all_or_nothing(program: Program, made: dict[str, bytes], code: int) -> None:
    """Checks what a run has left that was killed, and that it can be done again. Clears up."""
    assert code in {3, -signal.SIGKILL, 128 + signal.SIGKILL}
    for name in names(program.folder):
        if name in made:
            assert (program.folder / name).read_bytes() == made[name]
        else:
            assert name == "in.jsonl" or name.endswith(".partial")
    if (program.folder / "out.jsonl").exists():
        assert {*made} <= {*names(program.folder)}, "whoever sees the output has the rest"
    assert program(*RUN, *SIDES, "--overwrite").returncode == 3
    for name in names(program.folder):
        if name in made:
            assert (program.folder / name).read_bytes() == made[name]
        if name != "in.jsonl":
            (program.folder / name).unlink()


@pytest.mark.timeout(60 + FILE_KILLS * 2)
def test_c8_a_kill_at_any_moment_leaves_all_or_nothing(prepared: tuple[Program, dict[str, bytes]]) -> None:
    program, made = prepared
    moments = random.Random(8)
    for _ in range(FILE_KILLS):
        with program.started(*RUN, *SIDES) as process:
            time.sleep(moments.uniform(0.02, 0.35))
            process.kill()
            killed_leaves_all_or_nothing(program, made, process.wait(PATIENCE))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGXCPU, 152), (signal.SIGTERM, 143)])
def test_c12_signals_that_end_a_run_tidy_up(program: Program, number: signal.Signals, code: int) -> None:
    with program.started("run", "-s", "trim", "-o", "out.txt") as process:
        wait_for(program.folder, ".*", process)
        ended, told, seconds = stop(process, number)
    assert ended == code, told
    assert b"not committed is gone" in told
    assert seconds < 2
    assert names(program.folder) == []


def test_c12_a_limit_on_processor_time(program: Program) -> None:
    (program.folder / "in.txt").write_text("A" * (4 << 20), encoding="utf-8")
    step = r"replace:pattern='.*[^A-Z]|[A-Z]',replacement=x,timeout=600"
    done = run_limited(program, ["run", "-s", step, "in.txt", "-o", "out.txt"], (resource.RLIMIT_CPU, 1))
    assert done.returncode == 152
    assert b"ulimit -t" in done.stderr
    assert names(program.folder) == ["in.txt"]


def test_c12_a_hang_up_that_is_ignored_stays_ignored(program: Program) -> None:
    (program.folder / "in.txt").write_text("text\n", encoding="utf-8")
    script = "trap '' HUP; (sleep 0.4; cat in.txt) | $tp run -q -s trim & sleep 0.2; kill -HUP $!; wait $!"
    done = program.shell(script)
    assert (done.returncode, done.stdout) == (0, b"text\n"), done.stderr


def test_c12_a_quit_leaves_nothing_at_the_name(program: Program) -> None:
    with program.started("run", "-s", "trim", "-o", "out.txt") as process:
        wait_for(program.folder, ".*", process)
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        ended, _, _ = stop(process, signal.SIGQUIT)
    assert ended == -signal.SIGQUIT
    assert not (program.folder / "out.txt").exists()


def test_c14_a_folder_that_is_removed_meanwhile(program: Program) -> None:
    folder = program.folder / "folder"
    folder.mkdir()
    with program.started("run", "-s", "trim", "-o", "folder/out.txt") as process:
        wait_for(folder, ".*", process)
        [partial] = folder.iterdir()
        partial.unlink()
        folder.rmdir()
        told = process.communicate(b"text\n", timeout=PATIENCE)[1]
    assert process.returncode == 6, told
    assert b"No such file or directory" in told
    assert names(program.folder) == []


def test_c14_a_folder_that_cannot_be_written(program: Program) -> None:
    (program.folder / "in.txt").write_bytes(b"one\n")
    (program.folder / "folder").mkdir(mode=0o555)
    # Whoever is root may write everywhere, unless that is taken away.
    prefix = "setpriv --bounding-set=-dac_override,-dac_read_search " if os.geteuid() == 0 else ""
    done = program.shell(f"{prefix}$tp run -s trim in.txt -o folder/out.txt")
    assert done.returncode == 6
    assert b"Permission denied" in done.stderr
    assert names(program.folder / "folder") == []


def test_c18_a_thread_that_cannot_be_started(prepared: tuple[Program, dict[str, bytes]]) -> None:
    needs_strace()
    program, _ = prepared
    for when in (1, 2):
        done = inject(program, f"clone3:error=EAGAIN:when={when}", *RUN, *SIDES[:4], "--workers", "2")
        assert done.returncode == 6, done.stderr
        assert b"ulimit -u" in done.stderr
        assert b"panicked" not in done.stderr
        assert names(program.folder) == ["in.jsonl"]
