"""The figures of workers: the article's job with two of them, what one costs, and what a death costs."""

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from corpora import CORPUS
from figures import Scores
from measure import Program, differences, in_turn, missing_module, quiet_machine, remove_output, run, say, times_faster

ROUNDS = 5
COMMAND = shutil.which("text-processor", path=str(Path(sys.executable).parent)) or "text-processor"
RECORDS = 200_000
"""How many records of 1 kB tell what a worker costs."""
DEADLY = 20_000
"""Of how many records every thousandth kills its worker."""

# A plugin that dies of some texts, as `DEATHS` says. It is installed by its metadata alone.
PLUGIN = """
import ctypes, os, signal

def die(text: str) -> str:
    if text.startswith("die of "):
        kind = text.removeprefix("die of ")
        if kind == "exit":
            os._exit(0)
        if kind == "memory":
            hoard = []
            while True:
                hoard.append(bytearray(1 << 24))
        if kind == "hang":
            while True:
                pass
        os.kill(os.getpid(), getattr(signal, kind))
    return text
"""
DEATHS = ["SIGSEGV", "SIGABRT", "exit", "hang", "memory"]
HANG = 1.0
"""After how many seconds a worker counts as hanging."""


def _ours(source: Path, target: Path, workers: int, *arguments: str) -> Program:
    command = [COMMAND, "run", str(source), "-o", str(target), "--workers", str(workers), "--quiet", "--overwrite"]
    return Program([*command, *arguments], target, source)


def _article(source: Path, target: Path, workers: int) -> Program:
    return _ours(source, target, workers, "-s", "trim-lines", "-s", "reverse", "-s", "capitalize")


class _Memory(threading.Thread):
    """Adds up the memory of a process and of all its descendants, and keeps the highest sum."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.peak_bytes = 0

    def run(self) -> None:
        """Look until the process is gone."""
        while (Path("/proc") / str(self._process) / "smaps_rollup").exists():
            total = sum(map(self._of, self._family(self._process)))
            self.peak_bytes = max(self.peak_bytes, total)
            time.sleep(0.02)

    @staticmethod
    def _of(process: int) -> int:
        """The memory of one process, where what processes share counts once over all of them."""
        try:
            rollup = (Path("/proc") / str(process) / "smaps_rollup").read_text()
        except OSError:
            return 0
        return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))

    def _family(self, process: int) -> list[int]:
        try:
            tasks = list((Path("/proc") / str(process) / "task").iterdir())
            children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            return [process]
        return [process, *(member for child in children for member in self._family(child))]


def _peak_of_all(program: Program) -> float:
    """The peak memory of all processes of a program, in MiB."""
    with subprocess.Popen(program.command, stdin=subprocess.DEVNULL) as process:
        memory = _Memory(process.pid)
        memory.start()
        process.wait()
        memory.join()
    return memory.peak_bytes / 2**20


def _halves(folder: Path, source: Path) -> Path:
    """Cut a file into two at a line end, in a folder of their own."""
    folder.mkdir()
    middle = source.stat().st_size // 2
    with source.open("rb") as lines:
        lines.seek(middle)
        lines.readline()
        border = lines.tell()
        lines.seek(0)
        (folder / "0.jsonl").write_bytes(lines.read(border))
        with (folder / "1.jsonl").open("wb") as second:
            shutil.copyfileobj(lines, second, 1 << 20)
    return folder


def article(peers: Path, peers_python: str, scores: Scores) -> bool:
    """Compare the article's job with two workers on one file with two processes on a file cut by hand."""
    source = CORPUS / "docs.jsonl"
    say("\nThe article's job on one file with 2 workers")
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-", dir="/dev/shm") as name:
        folder = Path(name)
        ours = _article(source, folder / "ours.jsonl", 2)
        peer = [peers_python, str(peers / "article_loop.py"), "orjson", "article", str(source)]
        loop = Program([*peer, str(folder / "theirs.jsonl"), "2"], folder / "theirs.jsonl", source)
        run(ours)
        run(loop)
        parts = [folder / f"theirs.jsonl.{part}" for part in (0, 1)]
        loop.output.write_bytes(b"".join(part.read_bytes() for part in parts))
        # The functions of the peers drop a final line end, and know more line ends than the step.
        same = lambda mine, other: mine.rstrip("\n") == other.rstrip("\n")  # noqa: E731
        differing, compared = differences(ours, loop, same, leave_out_odd=True)
        if differing:
            say(f"not compared: {differing} of {compared} texts differ")
            return False
        ratio = 1 / times_faster(in_turn(ours, loop, ROUNDS))
        say(f"{'two orjson processes over a file cut by hand':<60}{ratio:8.2f} of their time")
        scores.note("article-two", ratio)
        alone = _article(source, folder / "alone.jsonl", 1)
        times = times_faster(in_turn(ours, alone, ROUNDS))
        say(f"{'our own, 1 worker':<60}{times:8.2f} times as fast")
        scores.note("article-scaling", times)
        for path in (loop.output, alone.output, *parts):
            path.unlink(missing_ok=True)
        missing = missing_module(peers_python, ["datatrove", "orjson"])
        if missing is None:
            files = _halves(folder / "in", source)
            command = [peers_python, str(peers / "article_datatrove.py"), "article", str(files)]
            datatrove = Program([*command, str(folder / "out"), "2"], folder / "out", source)
            times = times_faster(in_turn(ours, datatrove, 2))
            say(f"{'datatrove, 2 workers on two files':<60}{times:8.2f} times as fast")
            scores.note("article-datatrove", times)
        else:
            say(f"datatrove is skipped: its interpreter has no module `{missing}`")
            scores.give_up("article-datatrove", f"skipped: no module `{missing}`")
        remove_output(ours)
        with quiet_machine():
            peak = _peak_of_all(ours)
        say(f"{'peak memory of all processes together':<60}{peak:8.0f} MiB")
        scores.note("article-two-memory", peak)
    return True


def cost(_peers: Path, _peers_python: str, scores: Scores) -> bool:
    """Measure what a worker costs for each record over the same step in process."""
    say("\nWhat a worker costs for a record of 1 kB, over the same step (reverse) in process")
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-", dir="/dev/shm") as name:
        folder = Path(name)
        source = folder / "in.txt"
        letters = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz     ", k=1_000_000))  # noqa: S311
        with source.open("w") as lines:
            lines.writelines(letters[start % 999_000 :][:1000] + "\n" for start in range(0, 997 * RECORDS, 997))
        step = ("-s", "reverse")
        worker = _ours(source, folder / "worker.txt", 1, *step, "--isolation", "process")
        process = _ours(source, folder / "process.txt", 1, *step, "--isolation", "thread")
        run(worker)
        run(process)
        if worker.output.read_bytes() != process.output.read_bytes():
            say("not compared: the outputs differ")
            return False
        pairs = in_turn(worker, process, ROUNDS)
        wall = statistics.median(ours.seconds - theirs.seconds for ours, theirs in pairs) / RECORDS * 1e6
        processor = [(ours.processor_seconds or 0) - (theirs.processor_seconds or 0) for ours, theirs in pairs]
        say(f"{'time':<60}{wall:8.2f} µs")
        say(f"{'processor time of all processes':<60}{statistics.median(processor) / RECORDS * 1e6:8.2f} µs")
        scores.note("worker-cost", wall)
    return True


def deaths(_peers: Path, _peers_python: str, scores: Scores) -> bool:
    """Measure what it costs that every thousandth record kills its worker, and that nothing else is lost."""
    say(f"\nEvery thousandth of {DEADLY:,} records kills its worker (1 worker)")
    good = True
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-") as name:
        folder = Path(name)
        metadata = folder / "deadly-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[text_processor.plugins]\ndie = deadly:die\n")
        (folder / "deadly.py").write_text(PLUGIN)
        for kind in [None, *DEATHS]:
            lines = [f"line {number}" for number in range(DEADLY)]
            if kind is not None:
                lines[500::1000] = [f"die of {kind}"] * len(lines[500::1000])
            poison = {number for number, line in enumerate(lines) if line.startswith("die")}
            source = folder / "in.txt"
            source.write_text("".join(line + "\n" for line in lines))
            report = folder / "report.json"
            arguments = ["-s", "die", "--timeout", str(HANG), "--memory", "512MiB", "--report", str(report)]
            program = _ours(source, folder / "out.txt", 1, *arguments)
            program.environment["PYTHONPATH"] = str(folder)
            with quiet_machine():
                started = time.perf_counter()
                code = subprocess.run(
                    program.command, env={**program.environment, "PATH": "/usr/bin"}, check=False
                ).returncode
                seconds = time.perf_counter() - started
            told = json.loads(report.read_text())
            quarantine = folder / "out.quarantine.jsonl"
            caught = set()
            if quarantine.exists():
                caught = {json.loads(line)["ordinal"] for line in quarantine.read_text().splitlines()}
            expected = [line for number, line in enumerate(lines) if number not in poison]
            whole = program.output.read_text().splitlines() == expected
            good &= whole and caught == poison and code == (3 if poison else 0)
            restarts = told["restarts"]
            if kind is None:
                undisturbed = seconds
                say(f"{'none':<20}{seconds:8.2f} s")
                continue
            # Of a hang, the time that a worker is given is no cost.
            given = len(poison) * HANG if kind == "hang" else 0
            each = (seconds - undisturbed - given) / max(restarts, 1) * 1000
            outcome = "all others out, exactly these quarantined" if whole and caught == poison else "RECORDS ARE WRONG"
            say(f"{kind:<20}{seconds:8.2f} s{restarts:6} deaths{each:8.1f} ms each   {outcome}")
            if kind not in {"hang", "memory"}:
                scores.note("death-cost", each)
    scores.note("death-loss", 0 if good else 1)
    return good
