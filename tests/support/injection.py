"""Faults of the system, made by `strace` at the k-th call of a kind."""

import os
import shutil
import subprocess

import pytest

from support.program import PATIENCE, SCRIPT, Program


def needs_strace() -> None:
    """Skips the test where there is no `strace`, unless `TEXT_PROCESSOR_NEEDS_STRACE` says that there must be."""
    if shutil.which("strace") is None:
        if os.environ.get("TEXT_PROCESSOR_NEEDS_STRACE"):
            pytest.fail("`strace` is missing, and TEXT_PROCESSOR_NEEDS_STRACE is set.")
        pytest.skip("`strace` is missing: the faults that it makes are not tried.")


def inject(
    program: Program, fault: str, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs the command with a fault.

    Args:
        program: The command.
        fault: What goes wrong, as `strace -e inject=` has it. Calls are counted per thread.
        arguments: The arguments of the command.
        path: The only file whose calls go wrong.
    """
    only = ["-P", path] if path else []
    tracer = ["strace", "-f", "-qq", "-o", os.devnull, *only, "-e", f"inject={fault}"]
    return subprocess.run(
        [*tracer, SCRIPT, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=program.folder,
        env=program.environment(),
        timeout=PATIENCE,
        check=False,
    )
