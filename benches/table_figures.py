"""The figures of files of tables: Parquet through one built-in step, beside Polars with the nearest expression."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from corpora import CORPUS
from figures import Scores
from measure import Program, heading, in_turn, missing_module, remove_output, run, say, summary, times_faster

ROUNDS = 5
COMMAND = shutil.which("text-processor", path=str(Path(sys.executable).parent)) or "text-processor"
MAKE = """
import polars, sys
polars.read_ndjson(sys.argv[1]).write_parquet(sys.argv[2])
"""
STRIP = """
import polars, sys
lines = polars.scan_parquet(sys.argv[1])
lines.with_columns(polars.col("text").str.strip_chars()).sink_parquet(sys.argv[2])
"""
SAME = """
import polars, sys
ours, theirs = map(polars.read_parquet, sys.argv[1:])
sys.exit(0 if ours.equals(theirs) else 1)
"""


def _compare(python: str, folder: Path, scores: Scores) -> bool:
    source, theirs = folder / "docs.parquet", folder / "theirs.parquet"
    subprocess.run([python, "-c", MAKE, str(CORPUS / "docs.jsonl"), str(source)], check=True)
    polars = Program([python, "-c", STRIP, str(source), str(theirs)], theirs, source, {"POLARS_MAX_THREADS": "2"})
    run(polars)
    say(heading("Parquet to Parquet: trim, 2 threads"))
    for name, figure, ours, target, files in [
        ("Polars: scan, strip_chars, sink", "table-files", "ours.parquet", "ours.parquet", ""),
        ("the same, ours to shards", "table-shards", "ours", "ours/", "out/*.parquet"),
    ]:
        command = [COMMAND, "run", "-s", "trim", str(source), "-o", f"{folder}/{target}", "--workers", "2", "--quiet"]
        program = Program(command, folder / ours, source)
        run(program)
        if subprocess.run([python, "-c", SAME, str(folder / ours / files), str(theirs)], check=False).returncode != 0:
            say(f"{name}: what was written is not the same.")
            return False
        pairs = in_turn(program, polars, ROUNDS)
        remove_output(program)
        say(summary(name, pairs))
        scores.note(figure, times_faster(pairs))
        peaks = [max(run.peak_bytes for run in runs) for runs in zip(*pairs, strict=True)]
        scores.note("table-memory", peaks[0] / peaks[1])
    return True


def files(_peers: Path, peers_python: str, scores: Scores) -> bool:
    """Compare files of tables, which lie in memory."""
    missing = missing_module(peers_python, ["polars"])
    if missing:
        for figure in ("table-files", "table-shards", "table-memory"):
            scores.give_up(figure, f"{peers_python} has no module `{missing}`")
        return True
    memory = os.environ.get("TEXT_PROCESSOR_BENCH_OUTPUT") or "/dev/shm"  # noqa: S108 - memory, on purpose.
    with tempfile.TemporaryDirectory(dir=memory, prefix="text-processor-bench-") as name:
        return _compare(peers_python, Path(name), scores)
