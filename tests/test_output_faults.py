"""C1, C2, C4, C8: every system call that an output directory needs fails once, or is the last one before a kill."""

import itertools
import logging
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support.directories import committed, corpus
from support.files import names
from support.program import PATIENCE, SCRIPT, Program
from support.tiers import rounds

LOG = logging.getLogger(__name__)

# How many calls of each kind are hit. The long tier hits them all.
CALLS = rounds("FAULT_CALLS", 3)

SYSTEM_CALLS = ("openat", "write", "fsync", "rename", "newfstatat", "unlinkat")
# A shard more is a dozen of calls more: the long tier has so many that it hits more than 1,500.
SHARDS = rounds("SHARDS", 4)
SHARD_BYTES = 9000
STEPS = ("-s", "trim", "-s", "length:minimum=3", "in.jsonl", "--shard-size", str(SHARD_BYTES), "--workers", "1", "-q")

FAULTS = {"SIGKILL": "signal=SIGKILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO", "EINTR": "error=EINTR"}

# Which fault makes sense for which call: what only looks or removes does not fill a disk, and is not interrupted.
CASES = [
    (call, fault)
    for call, fault in itertools.product(SYSTEM_CALLS, FAULTS)
    if fault in ("SIGKILL", "EIO") or call in ("openat", "write", "fsync", "rename")
]


@pytest.fixture
def whole(program: Program) -> dict[str, bytes]:
    """What an undisturbed run makes."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing, which makes system calls fail")
    source = corpus(program.folder / "in.jsonl", 200 * SHARDS)
    lines = source.read_bytes()[: SHARD_BYTES * SHARDS - SHARD_BYTES // 2].splitlines(keepends=True)[:-1]
    source.write_bytes(b"".join(lines))
    assert program("run", *STEPS, "-o", "whole/").returncode == 3
    assert len(names(program.folder / "whole" / "out")) == SHARDS
    return committed(program.folder / "whole")


def hit(program: Program, call: str, fault: str, number: int) -> tuple[int, bool]:
    """Runs with one fault, in a call on a file of the output directory.

    Returns:
        The exit code, negative for a signal, and whether the fault happened.
    """
    folder = program.folder / "out"
    folder.mkdir(exist_ok=True)
    below = ["out", "rejected", "quarantined", "ledger"]
    files = ["", "lock", "manifest.jsonl", ".manifest.jsonl.partial", "report.json", ".report.json.partial", *below]
    files += [f".{name}-{shard:05}.partial" for name in below for shard in range(SHARDS)]
    paths = [option for file in files for option in ("-P", str(folder / file).rstrip("/"))]
    # A call by another name on another machine, or in another version of a library, is the same call.
    called = f"/{call}" if call == "rename" else call
    injected = ["-e", f"trace={called}", "-e", f"inject={called}:{FAULTS[fault]}:when={number}"]
    log = program.folder / "calls"
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", log, *paths, *injected, SCRIPT, "run", *STEPS, "-o", "out/"],
        cwd=program.folder,
        env=program.environment(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    told = log.read_text(encoding="utf-8")
    killed = done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    return done.returncode, killed or "(INJECTED)" in told


@pytest.mark.timeout(max(60, CALLS * 2))
@pytest.mark.parametrize(("call", "fault"), CASES)
def test_c1_c2_c4_c8_after_any_fault_the_run_goes_on(
    program: Program, whole: dict[str, bytes], call: str, fault: str
) -> None:
    happened = 0
    for number in range(1, CALLS + 1):
        code, hurt = hit(program, call, fault, number)
        if not hurt:
            break
        happened += 1
        folder = program.folder / "out"
        if fault == "SIGKILL":
            assert code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        elif fault == "EINTR":
            assert code == 3
            assert committed(folder) == whole, number
        else:
            # What cannot be removed any more, or looked at when all is done, is no failure.
            assert code == 6 or call in ("unlinkat", "newfstatat"), (code, number)
            check_names(folder, whole)
        done = program("run", *STEPS, "-o", "out/", "--resume")
        assert done.returncode == 3, (number, done.stderr)
        assert committed(folder) == whole, number
        shutil.rmtree(folder)
    assert happened, f"{call} was never called on the directory"
    LOG.info("%s: %d calls were hit by %s, and none lost or doubled anything", call, happened, fault)


def check_names(folder: Path, whole: dict[str, bytes]) -> None:
    """A run that failed and could still tidy up leaves what was committed and nothing else."""
    for name, content in committed(folder).items():
        if name == "manifest.jsonl":
            assert whole[name].startswith(content)
        elif "/" in name:
            assert content == whole[name]
            assert f'"{name}"'.encode() in (folder / "manifest.jsonl").read_bytes(), name
