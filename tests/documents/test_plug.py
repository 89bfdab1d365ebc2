"""The example of README.md for a corpus, whose plug is pulled at any moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("TEXT_PROCESSOR_KILLS", "20"))


def commands() -> list[str]:
    """The commands of the block that writes a directory."""
    blocks = (ROOT / "README.md").read_text(encoding="utf-8").split("```")
    [block] = [block for block in blocks if "-o folklore/" in block]
    return block.splitlines()[1:]


def contents(folder: Path) -> dict[str, bytes]:
    """What lies in a directory, but for the report, which tells of times."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "report.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.timeout(60 + KILLS * 5)
def test_pulling_the_plug_of_the_example_loses_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def run(*lines: str) -> str:
        script = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
        done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first, again, *proofs = commands()
    assert "--resume" in again
    began = time.monotonic()
    run(first)
    usual = time.monotonic() - began
    folder = tmp_path / "folklore"
    expected, proven = contents(folder), run(*proofs)
    assert "folklore-003" in proven
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(KILLS):
        shutil.rmtree(folder)
        command = first
        # The command that goes on is killed as well, sometimes.
        while command == first or chance.random() < 0.3:
            process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=tmp_path, env=environment)
            time.sleep(chance.uniform(0, usual * 1.05))
            process.kill()
            assert process.wait() in (0, -signal.SIGKILL), seed
            command = again
        run(again)
        assert contents(folder) == expected, seed
    assert run(*proofs) == proven, seed
