"""The figure of tables: Parquet to Parquet through one built-in step, beside Polars with the nearest expression.

    python benches/table_figures.py [ROUNDS]

It makes `docs.parquet` of `docs.jsonl` with Polars' own settings, in memory. Both programs run with two threads, in
turn. `TEXT_PROCESSOR_PEERS_PYTHON` names an interpreter that has Polars.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from corpora import CORPUS
from measure import Program, heading, in_turn, missing_module, run, say, summary

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


def main() -> int:
    """Compare, and return 1 if ours is slower, larger or other."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    python = os.environ.get("TEXT_PROCESSOR_PEERS_PYTHON", sys.executable)
    missing = missing_module(python, ["polars"])
    if missing:
        say(f"{python} has no module `{missing}`")
        return 2
    corpus = Path(os.environ.get("TEXT_PROCESSOR_CORPUS", CORPUS)) / "docs.jsonl"
    memory = os.environ.get("TEXT_PROCESSOR_BENCH_OUTPUT") or "/dev/shm"  # noqa: S108 - memory, on purpose.
    with tempfile.TemporaryDirectory(dir=memory) as name:
        folder = Path(name)
        source = folder / "docs.parquet"
        subprocess.run([python, "-c", MAKE, str(corpus), str(source)], check=True)
        ours, theirs = folder / "ours.parquet", folder / "theirs.parquet"
        command = [COMMAND, "run", "-s", "trim", str(source), "-o", str(ours), "--workers", "2", "--quiet"]
        pair = (
            Program(command, ours, source),
            Program([python, "-c", STRIP, str(source), str(theirs)], theirs, source, {"POLARS_MAX_THREADS": "2"}),
        )
        for program in pair:
            run(program)
        if subprocess.run([python, "-c", SAME, str(ours), str(theirs)], check=False).returncode != 0:
            say("What was written is not the same.")
            return 1
        sizes = {"source": source, "ours": ours, "Polars": theirs}
        say(", ".join(f"{name} {path.stat().st_size >> 20} MiB" for name, path in sizes.items()))
        pairs = in_turn(*pair, rounds)
        say(heading("Parquet to Parquet: trim, 2 threads"))
        say(summary("Polars: scan, strip_chars, sink", pairs))
        return 0


if __name__ == "__main__":
    sys.exit(main())
