"""The corpora: made by their generator where they are missing, and what some jobs need of them besides."""

import os
import subprocess
import sys
from pathlib import Path

from measure import say

CORPUS = Path(os.environ.get("TEXT_PROCESSOR_CORPUS") or Path.home() / ".cache" / "text-processor-corpus")

# What a job makes of a corpus for itself: the corpus, and the step that makes it.
MADE_BY_OURS = {"trimmed.jsonl": ("docs.jsonl", "trim")}


class Corpora:
    """Finds the corpora, and keeps what is made of them in a folder until the comparison ends."""

    def __init__(self, bench: Path, command: str, folder: Path) -> None:
        self._generator = bench / "make_corpus.py"
        self._command = command
        self._folder = folder

    def source(self, name: str) -> Path:
        """Find or make a corpus."""
        if name in MADE_BY_OURS:
            return self._made_by_ours(name)
        path = CORPUS / name
        if not path.is_file():
            say(f"Making the corpora in {CORPUS}. That takes a few minutes, once.")
            environment = os.environ | {"TEXT_PROCESSOR_CORPUS": str(CORPUS)}
            subprocess.run([sys.executable, str(self._generator)], env=environment, check=True)
        return path

    def _made_by_ours(self, name: str) -> Path:
        path = self._folder / name
        if not path.is_file():
            corpus, step = MADE_BY_OURS[name]
            source = str(self.source(corpus))
            subprocess.run([self._command, "run", "-s", step, source, "-o", str(path), "--quiet"], check=True)
        return path

    def head(self, source: Path, megabytes: int) -> Path:
        """Copy the first megabytes of a corpus, up to a line end. Its lines are shuffled, so they are a fair sample."""
        path = self._folder / f"{megabytes}MB-{source.name}"
        if not path.is_file():
            left = megabytes * 1_000_000
            with source.open("rb") as lines, path.open("wb") as part:
                for line in lines:
                    if left <= 0:
                        break
                    part.write(line)
                    left -= len(line)
        return path
