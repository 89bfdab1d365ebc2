"""The command as a process of its own, as its users run it."""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(sysconfig.get_path("scripts")) / "text-processor"

# Long enough for a quick build on a busy machine; a command that needs longer hangs.
PATIENCE = 30


def _heed_signals() -> None:
    """What a shell starts in the background ignores SIGINT and SIGQUIT, and so do its children; `nohup` adds SIGHUP."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


# A process counts the memory of the one it was forked from as its own. This one is small.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


@dataclass
class Program:
    """Runs `text-processor` in a folder, with these folders in `PYTHONPATH`."""

    folder: Path
    paths: Iterable[Path] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the folder."""
        self.folder.mkdir(exist_ok=True)

    def environment(self) -> dict[str, str]:
        """The variables of the process: few, so that the machine's own settings change nothing."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
        paths = os.pathsep.join(map(str, self.paths))
        return {**kept, "LANG": "C.UTF-8", "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **self.variables}

    def __call__(self, *arguments: str | bytes | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Runs the command to its end."""
        return subprocess.run(
            [SCRIPT, *arguments],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment(),
            timeout=PATIENCE,
            check=False,
        )

    def measured(self, *arguments: str | bytes | Path, patience: float = PATIENCE) -> tuple[int, float]:
        """Runs the command to its end.

        Returns:
            The exit code, and how many MiB of memory it had at most.
        """
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", MEASURE, SCRIPT, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.folder,
            env=self.environment(),
            timeout=patience,
            check=True,
        )
        code, peak = done.stderr.split()[-2:]
        # Linux counts KiB, macOS bytes.
        return int(code), int(peak) / (1 << (20 if sys.platform == "darwin" else 10))

    def shell(self, script: str) -> subprocess.CompletedProcess[bytes]:
        """Runs a script of bash in which `$tp` is the command."""
        return subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            env={**self.environment(), "tp": str(SCRIPT)},
            timeout=PATIENCE,
            check=False,
        )

    @contextlib.contextmanager
    def started(self, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """Starts the command and lets it run. Whatever the test does, no process is left behind."""
        process = subprocess.Popen(
            [SCRIPT, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment(),
            preexec_fn=_heed_signals,  # noqa: PLW1509
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def wait_for(path: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    """Waits until the process has made a file."""
    deadline = time.monotonic() + PATIENCE
    while not any(path.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"no {pattern} appeared"
        time.sleep(0.01)


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, bytes, float]:
    """Sends a signal and waits.

    Returns:
        The exit code, what was written to standard error, and how many seconds it took to end.
    """
    started = time.monotonic()
    process.send_signal(number)
    # Not `communicate`, which would close standard input first: the process must not depend on that.
    code = process.wait(PATIENCE)
    seconds = time.monotonic() - started
    assert process.stderr is not None
    return code, process.stderr.read(), seconds
