"""The figures that are no jobs over a file: single strings, start-up, discovery, and transcoding."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import table_figures
import worker_figures
from corpora import CORPUS
from figures import Scores
from measure import quiet_machine, say

HERE = Path(__file__).parent
STARTS = 21


def _program(program: Path, arguments: list[str], scores: Scores) -> bool:
    """Run a program that measures by itself: its last line holds the values of figures, as a JSON object."""
    with quiet_machine():
        command = [sys.executable, str(program), *arguments]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        say(f"{program.name} ended early: {completed.stderr.strip().splitlines()[-1]}")
        return False
    *lines, last = completed.stdout.rstrip().splitlines()
    say("\n".join(lines))
    for figure, value in json.loads(last).items():
        scores.note(figure, value)
    return True


def _one_string(peers: Path, peers_python: str, scores: Scores) -> bool:
    """Measure single strings. The peers' lines follow ours, as far as their interpreter has them."""
    say("\nOne short string")
    good = _program(HERE / "latency.py", [], scores)
    with quiet_machine():
        command = [peers_python, str(peers / "latency.py")]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
    say(completed.stdout.rstrip())
    if completed.returncode != 0:
        say(f"The other peers are skipped: {completed.stderr.strip().splitlines()[-1]}")
    return good


def _transcoding(_peers: Path, _peers_python: str, scores: Scores) -> bool:
    """Measure the way of a text into a `str` and back, against CPython's own functions."""
    say("\nTexts into a `str` and back")
    return _program(HERE / "transcoding.py", [str(CORPUS / "docs.jsonl")], scores)


def _tables(_peers: Path, _peers_python: str, scores: Scores) -> bool:
    """Measure tables in memory, against Polars in the same process."""
    say("\nTables in memory")
    return _program(HERE / "tables.py", [str(CORPUS / "docs.jsonl")], scores)


def _milliseconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1000


def _start_up(_peers: Path, _peers_python: str, scores: Scores) -> bool:
    """Measure how long it takes until something can be done."""
    command = shutil.which("text-processor", path=str(Path(sys.executable).parent)) or "text-processor"
    bare = "python -c pass"
    imported = "python -c 'import text_processor'"
    helped = "text-processor --help"
    starts = {
        bare: [sys.executable, "-c", "pass"],
        imported: [sys.executable, "-c", "import text_processor"],
        helped: [command, "--help"],
        "text-processor --version": [command, "--version"],
        "text-processor explain -s trim": [command, "explain", "-s", "trim"],
        "text-processor plugins list": [command, "plugins", "list"],
    }
    say(f"\nStart-up, median of {STARTS - 1}, in turn")
    times: dict[str, list[float]] = {name: [] for name in starts}
    with quiet_machine():
        for _ in range(STARTS):
            for name, arguments in starts.items():
                times[name].append(_milliseconds(arguments))
    for name, measured in times.items():
        # The first run brings the files into memory.
        del measured[0]
        say(f"{name:<44}{statistics.median(measured):8.1f} ms")
    above = [ours - theirs for ours, theirs in zip(times[imported], times[bare], strict=True)]
    scores.note("import", statistics.median(above))
    scores.note("help", statistics.median(times[helped]))
    program = (
        "import sys, text_processor; text_processor.Pipeline(['trim', 'normalize-unicode']).process(' a '); "
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    scores.note("no-metadata", subprocess.run([sys.executable, "-c", program], check=False).returncode)
    return True


# Ours looks for the plugins, their conflicts and everything that is wrong with them, and writes that as JSON.
DISCOVERY = """if True:
    import importlib.metadata, json, statistics, sys, time
    from text_processor._engine import command
    sys.path.append(sys.argv[1])
    def ours():
        command(["text-processor", "plugins", "doctor", "--json"])
    def theirs():
        importlib.metadata.entry_points(group="text_processor.plugins")
    ratios = []
    for _ in range(21):
        times = []
        for function in (ours, theirs):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)
        ratios.append(times[0] / times[1])
    json.dump(statistics.median(ratios[1:]), sys.stderr)
"""


def _discovery(_peers: Path, _peers_python: str, scores: Scores) -> bool:
    """Compare the search for plugins among 1,000 distributions with the standard library's."""
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-") as folder:
        for number in range(1000):
            metadata = Path(folder) / f"distribution_{number}-1.0.dist-info"
            metadata.mkdir()
            (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: distribution-{number}\nVersion: 1.0\n")
            if number % 4 == 0:
                group = "text_processor.plugins" if number % 50 == 0 else "console_scripts"
                (metadata / "entry_points.txt").write_text(f"[{group}]\nstep{number} = a:b\n")
        arguments = [sys.executable, "-c", DISCOVERY, folder]
        with quiet_machine():
            completed = subprocess.run(
                arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
            )
    ratio = json.loads(completed.stderr.strip().splitlines()[-1])
    say("\nDiscovery over 1,000 distributions: the time of `plugins doctor --json` over that of `entry_points()`")
    say(f"{ratio:8.2f}")
    scores.note("discovery", ratio)
    return True


OWN_FIGURES: dict[str, Callable[[Path, str, Scores], bool]] = {
    "one-string": _one_string,
    "transcoding": _transcoding,
    "tables": _tables,
    "table-files": table_figures.files,
    "start-up": _start_up,
    "discovery": _discovery,
    "article-workers": worker_figures.article,
    "worker-cost": worker_figures.cost,
    "deaths": worker_figures.deaths,
}
