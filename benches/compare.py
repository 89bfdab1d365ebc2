"""Compares this project with what people use today, on the same work: `nox -s bench`, or `nox -s bench -- JOB …`.

    TEXT_PROCESSOR_BENCH          the folder with the peers, in `peers/`, one file per peer and job (needed)
    TEXT_PROCESSOR_CORPUS         the folder with the corpora (default: ~/.cache/text-processor-corpus)
    TEXT_PROCESSOR_PEERS_PYTHON   an interpreter that has what the peers import (default: this one)
    TEXT_PROCESSOR_BENCH_ROUNDS   how often each pair runs after the warm-up (default: 5)
    TEXT_PROCESSOR_BENCH_OUTPUT   where outputs are written (default: /dev/shm, which is memory)

Ours and the peer run in turn. A ratio is the median of the ratios of neighbouring runs: above 1, ours is faster. Times
include the start of the interpreter, for both. Before any time is believed, both must have written the same texts.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from measure import (
    Program,
    ProgramFailedError,
    differences,
    heading,
    in_turn,
    missing_module,
    run,
    say,
    summary,
)

HERE = Path(__file__).parent
CORPUS = Path(os.environ.get("TEXT_PROCESSOR_CORPUS") or Path.home() / ".cache" / "text-processor-corpus")
PEERS_PYTHON = os.environ.get("TEXT_PROCESSOR_PEERS_PYTHON") or sys.executable
ROUNDS = int(os.environ.get("TEXT_PROCESSOR_BENCH_ROUNDS") or 5)


@dataclass
class Peer:
    """A program of the folder of peers: its file, its arguments with IN and OUT for the files, and what it imports."""

    file: str
    arguments: list[str]
    modules: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    folders: bool = False
    """Whether it reads all files of a folder and writes to a folder."""

    @property
    def name(self) -> str:
        """The file and what distinguishes this use of it."""
        words = [word for word in self.arguments if word not in {"IN", "OUT"}]
        return " ".join([self.file.removesuffix(".py"), *words])


@dataclass
class Job:
    """The same work for ours and for some peers."""

    title: str
    ours: str
    source: str
    peers: list[Peer]
    same: Callable[[str, str], bool] = str.__eq__
    leave_out_odd: bool = False
    must_agree: bool = True
    """Whether different texts end the comparison. Rules that differ on purpose are only counted."""


def _redacted_alike(ours: str, theirs: str) -> bool:
    for placeholder, replacement in (("[EMAIL]", "email@example.com"), ("[IPV4]", "22.214.171.124")):
        ours = ours.replace(placeholder, replacement)
    return ours == theirs


def _alike_but_for_final_line_ends(ours: str, theirs: str) -> bool:
    # `str.splitlines` does not show a final line end, so each function of the peers drops one; trim-lines keeps them.
    return ours.rstrip("\n") == theirs.rstrip("\n")


def _chain(name: str) -> list[Peer]:
    """The peers that run a chain of Python functions over JSON Lines."""
    return [
        Peer("article_loop.py", ["json", name, "IN", "OUT"]),
        Peer("article_loop.py", ["orjson", name, "IN", "OUT"], ["orjson"]),
        Peer("article_pool.py", [name, "IN", "OUT", "2"], ["orjson"]),
        Peer("article_polars.py", ["batches", name, "IN", "OUT"], ["polars"]),
        Peer("article_polars.py", ["lazy", name, "IN", "OUT"], ["polars"]),
        Peer("article_datasets.py", ["batched", name, "IN", "OUT", "1"], ["datasets"]),
        Peer("article_datatrove.py", [name, "IN", "OUT", "1"], ["datatrove", "orjson"], folders=True),
    ]


JOBS = {
    "article": Job("The article's job, the same three Python functions", "article", "docs.jsonl", _chain("article")),
    "plugins": Job(
        "The article's job, trim-lines in Rust and two plugins",
        "plugins",
        "docs.jsonl",
        _chain("article")[:4],
        same=_alike_but_for_final_line_ends,
        leave_out_odd=True,
    ),
    "noop": Job("One Python function that changes nothing, JSON Lines", "noop", "docs.jsonl", _chain("noop")),
    "noop-text": Job(
        "One Python function that changes nothing, a million lines of text",
        "noop",
        "lines1m.txt",
        [Peer("article_textloop.py", ["noop", "IN", "OUT"])],
    ),
    "copy": Job("No step at all, JSON Lines", "copy", "docs.jsonl", _chain("copy")),
    "trim": Job(
        "Trim each line",
        "trim",
        "docs.jsonl",
        _chain("strip")[:4],
        same=_alike_but_for_final_line_ends,
        leave_out_odd=True,
    ),
    "clean": Job(
        "Clean: NFC, control characters, white space, trim",
        "clean",
        "docs.jsonl",
        [
            Peer("clean_loop.py", ["clean", "IN", "OUT"], ["orjson", "datatrove"]),
            Peer("clean_polars.py", ["clean", "eager", "IN", "OUT"], ["polars", "datatrove"]),
            Peer("clean_polars.py", ["clean", "lazy", "IN", "OUT"], ["polars", "datatrove"]),
            Peer("clean_datatrove.py", ["split", "clean", "IN", "OUT", "1"], ["datatrove"], folders=True),
        ],
    ),
    "replace": Job(
        "Replace e-mail addresses and IP addresses by the peers' own patterns",
        "replace",
        "docs.jsonl",
        [
            Peer("redact_loop.py", ["re", "IN", "OUT"], ["orjson"]),
            Peer("redact_loop.py", ["re", "IN", "OUT", "prefilter"], ["orjson"]),
            Peer("redact_polars.py", ["IN", "OUT"], ["polars"]),
        ],
    ),
    "redact": Job(
        "Redact e-mail addresses and IP addresses, each by its own rules",
        "redact",
        "docs.jsonl",
        [
            Peer("redact_loop.py", ["re", "IN", "OUT", "prefilter"], ["orjson"]),
            Peer("redact_loop.py", ["regex", "IN", "OUT", "prefilter"], ["orjson", "regex"]),
            Peer("redact_polars.py", ["IN", "OUT"], ["polars"]),
            Peer("redact_datatrove.py", ["IN", "OUT", "1"], ["datatrove"], folders=True),
        ],
        same=_redacted_alike,
        must_agree=False,
    ),
}


def _compare(job: Job, peers: Path, folder: Path) -> bool:
    """Compare ours with each peer of a job. Returns whether all wrote what they should."""
    say(heading(job.title))
    source = CORPUS / job.source
    suffix = source.suffix
    mine = folder / f"ours{suffix}"
    path = {"PYTHONPATH": str(peers)}
    ours = Program("ours", [sys.executable, str(HERE / "ours.py"), job.ours, str(source), str(mine)], [mine], path)
    original = Program("source", [], [source])
    agreed = True
    for peer in job.peers:
        module = missing_module(PEERS_PYTHON, peer.modules)
        if module is not None:
            say(f"{peer.name:<38}skipped: its interpreter has no module `{module}`")
            continue
        input_of_peer, output_of_peer = source, folder / f"theirs{suffix}"
        if peer.folders:
            input_of_peer, output_of_peer = folder / "in", folder / "theirs"
            input_of_peer.mkdir(exist_ok=True)
            link = input_of_peer / source.name
            if not link.exists():
                link.symlink_to(source)
        places = {"IN": str(input_of_peer), "OUT": str(output_of_peer)}
        command = [PEERS_PYTHON, str(peers / peer.file), *(places.get(word, word) for word in peer.arguments)]
        theirs = Program(peer.name, command, [output_of_peer], peer.environment)
        try:
            run(ours)
            run(theirs)
        except ProgramFailedError as error:
            say(f"{peer.name:<38}failed: {error}")
            agreed = False
            continue
        differing, compared = differences(ours, theirs, original, job.same, leave_out_odd=job.leave_out_odd)
        if differing and job.must_agree:
            say(f"{peer.name:<38}not compared: {differing} of {compared} texts differ")
            agreed = False
            continue
        note = f"  {differing} of {compared} texts differ, by their rules" if differing else ""
        say(summary(peer.name, *in_turn(ours, theirs, ROUNDS)) + note)
    return agreed


def _latency(peers: Path) -> bool:
    """Measure single strings. The peers' lines follow ours, as far as their interpreter has them."""
    say("\nOne short string, nanoseconds per call")
    for python, program in ((sys.executable, HERE / "latency.py"), (PEERS_PYTHON, peers / "latency.py")):
        completed = subprocess.run([python, str(program)], capture_output=True, text=True, check=False)
        say(completed.stdout.rstrip())
        if completed.returncode != 0:
            last = completed.stderr.strip().splitlines()[-1]
            say(f"{program.parent.name}/{program.name} ended early: {last}")
            if program.parent == HERE:
                return False
    return True


def _startup(_peers: Path) -> bool:
    """Measure how long it takes until something can be done."""
    say("\nStart-up, median of 20")
    command = shutil.which("text-processor", path=str(Path(sys.executable).parent)) or "text-processor"
    starts = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import text_processor'": [sys.executable, "-c", "import text_processor"],
        "text-processor --version": [command, "--version"],
        "text-processor plugins list": [command, "plugins", "list"],
    }
    for name, arguments in starts.items():
        times = []
        for _ in range(21):
            started = time.perf_counter()
            subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - started)
        # The first run brings the files into memory.
        say(f"{name:<44}{statistics.median(times[1:]) * 1000:8.1f} ms")
    return True


def _discovery(_peers: Path) -> bool:
    """Compare the search for plugins among 1,000 distributions with the standard library's."""
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-") as folder:
        for number in range(1000):
            metadata = Path(folder) / f"distribution_{number}-1.0.dist-info"
            metadata.mkdir()
            (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: distribution-{number}\nVersion: 1.0\n")
            if number % 4 == 0:
                group = "text_processor.plugins" if number % 50 == 0 else "console_scripts"
                (metadata / "entry_points.txt").write_text(f"[{group}]\nstep{number} = a:b\n")
        program = """if True:
            import contextlib, importlib.metadata, io, statistics, sys, time
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
            print(f"{statistics.median(ratios[1:]):.2f}", file=sys.stderr)
        """
        arguments = [sys.executable, "-c", program, folder]
        completed = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    say("\nDiscovery over 1,000 distributions: the time of `plugins doctor --json` over that of `entry_points()`")
    say(f"{completed.stderr.strip().splitlines()[-1]:>8}")
    return True


OTHERS: dict[str, Callable[[Path], bool]] = {"latency": _latency, "startup": _startup, "discovery": _discovery}


def main() -> int:
    """Run the comparisons that the arguments name, or all."""
    bench = os.environ.get("TEXT_PROCESSOR_BENCH")
    if not bench:
        say("TEXT_PROCESSOR_BENCH must name the folder that holds `peers/`.")
        return 2
    peers = Path(bench) / "peers"
    wanted = sys.argv[1:] or [*JOBS, *OTHERS]
    unknown = sorted(set(wanted) - {*JOBS, *OTHERS})
    if unknown:
        say(f"There is no job `{unknown[0]}`. The jobs are: {', '.join([*JOBS, *OTHERS])}.")
        return 2
    missing = [name for name in wanted if name in JOBS and not (CORPUS / JOBS[name].source).is_file()]
    if missing:
        say(f"{CORPUS} has no `{JOBS[missing[0]].source}`; make it with `python3 {Path(bench) / 'make_corpus.py'}`.")
        return 2
    outputs = os.environ.get("TEXT_PROCESSOR_BENCH_OUTPUT") or "/dev/shm"  # noqa: S108 - memory, on purpose.
    good = True
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-", dir=outputs) as folder:
        for name in wanted:
            if name in OTHERS:
                good &= OTHERS[name](peers)
            else:
                good &= _compare(JOBS[name], peers, Path(folder))
    return 0 if good else 1


sys.exit(main())
