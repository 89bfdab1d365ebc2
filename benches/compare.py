"""Compares this project with what people use today, on the same work: `nox -s bench`, or `nox -s bench -- JOB …`.

    TEXT_PROCESSOR_BENCH          the folder with the generator of the corpora, the peers and the straight Rust program
                                  (needed)
    TEXT_PROCESSOR_CORPUS         the folder with the corpora, which are made if they are missing
                                  (default: ~/.cache/text-processor-corpus)
    TEXT_PROCESSOR_PEERS_PYTHON   an interpreter that has what the peers import (default: nox makes one)
    TEXT_PROCESSOR_FLOOR          the straight Rust program, built (default: nox builds it)
    TEXT_PROCESSOR_BENCH_ROUNDS   how often each pair runs after the warm-up (default: 5; or `--rounds N`)
    TEXT_PROCESSOR_BENCH_OUTPUT   where outputs are written (default: /dev/shm, which is memory; about 1 GB is needed)
    TEXT_PROCESSOR_BENCH_LOCK     a file to lock around each pair, where several measurements share a machine

Ours and the peer run in turn, on the same input, after one run of each whose outputs must hold the same texts: before
that, no time is believed. A ratio is the median of the ratios of neighbouring runs; above 1, ours has the higher
throughput. Times are those of whole processes, the start of the interpreter included, for both; only the straight Rust
program leaves reading and writing out. Processor time is that of all threads and processes together, and peak memory
that of the largest process. A slow peer does the first megabytes of the input only, which its line says. The last table
holds the promised figures.
"""

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jobs
from corpora import Corpora
from figures import Scores
from measure import (
    Program,
    ProgramFailedError,
    differences,
    heading,
    in_turn,
    missing_module,
    remove_output,
    run,
    say,
    summary,
    times_faster,
)
from own_figures import OWN_FIGURES

HERE = Path(__file__).parent


def _seconds_of_floor(said: str) -> float:
    """Find the time in the line that the straight Rust program prints."""
    found = re.search(r"^\w+ x\d+: ([\d.]+) s", said, re.MULTILINE)
    if found is None:
        message = f"the program did not say its time: {said[-200:]}"
        raise ProgramFailedError(message)
    return float(found[1])


@dataclass
class Comparison:
    """Everything that a comparison needs."""

    peers: Path
    peers_python: str
    floor: str | None
    command: str
    corpora: Corpora
    folder: Path
    rounds: int
    only_figures: bool
    scores: Scores

    def ours(self, name: str, job: jobs.Job, source: Path, workers: int, *, output: str = "ours") -> Program:
        """Ours, for a job."""
        target = self.folder / f"{output}{source.suffix}"
        if job.steps is None:
            command = [sys.executable, str(HERE / "ours.py"), name, str(source), str(target), str(workers)]
            return Program(command, target, source, {"PYTHONPATH": str(self.peers)})
        steps = [word for step in job.steps for word in ("-s", step)]
        command = [self.command, "run", *steps, str(source), "-o", str(target), "--workers", str(workers)]
        # What these figures promise is about plugins in process; those of workers stand in `worker_figures.py`.
        command += ["--isolation", "thread"]
        return Program([*command, "--quiet", "--overwrite"], target, source)

    def theirs(self, name: str, job: jobs.Job, peer: jobs.Peer | jobs.Floor | jobs.Ourselves, source: Path) -> Program:
        """A peer, for a job."""
        target = self.folder / f"theirs{source.suffix}"
        if isinstance(peer, jobs.Ourselves):
            return self.ours(name, job, source, peer.others, output="theirs")
        if isinstance(peer, jobs.Floor):
            command = [str(self.floor), peer.job, str(source), str(peer.workers), str(target)]
            return Program(command, target, source, own_seconds=_seconds_of_floor)
        if peer.head is not None:
            source = self.corpora.head(source, peer.head)
        places = {"IN": str(source), "OUT": str(target)}
        if peer.folders:
            target = self.folder / "theirs"
            places = {"IN": str(_folder_of(self.folder / "in", source)), "OUT": str(target)}
        command = [self.peers_python, str(self.peers / peer.file), *(places.get(word, word) for word in peer.arguments)]
        return Program(command, target, source, peer.environment)

    def missing(self, peer: jobs.Peer | jobs.Floor | jobs.Ourselves) -> str | None:
        """Say what is missing to run a peer."""
        if isinstance(peer, jobs.Floor) and self.floor is None:
            return "TEXT_PROCESSOR_FLOOR does not name the straight Rust program"
        if isinstance(peer, jobs.Peer):
            module = missing_module(self.peers_python, peer.modules)
            return module and f"its interpreter has no module `{module}`"
        return None

    def job(self, name: str, job: jobs.Job) -> bool:
        """Compare ours with each peer of a job. Returns whether all wrote what they should."""
        if self.only_figures and not any(peer.figure for peer in job.peers):
            return True
        say(heading(job.title))
        source = self.corpora.source(job.source)
        good = True
        for peer in job.peers:
            if self.only_figures and peer.figure is None:
                continue
            missing = self.missing(peer)
            if missing is not None:
                say(f"{peer.name:<44}skipped: {missing}")
                self.scores.give_up(peer.figure, f"skipped: {missing}")
                continue
            fault = self.pair(name, job, peer, source)
            if fault is not None:
                say(f"{peer.name:<44}{fault}")
                self.scores.give_up(peer.figure, fault.splitlines()[-1])
                good = False
        for path in self.folder.iterdir():
            if path.name not in {job.source for job in jobs.JOBS.values()}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return good

    def pair(self, name: str, job: jobs.Job, peer: jobs.Peer | jobs.Floor | jobs.Ourselves, source: Path) -> str | None:
        """Compare ours with one peer. Returns what is wrong, if anything is."""
        theirs = self.theirs(name, job, peer, source)
        # Of what a slow peer does not read, ours cannot be compared: it must do the same part once.
        ours = self.ours(name, job, theirs.source, peer.workers)
        try:
            run(ours)
            run(theirs)
            differing, compared = differences(ours, theirs, job.same, leave_out_odd=job.leave_out_odd)
            if differing and peer.must_agree:
                return f"not compared: {differing} of {compared} texts differ"
            if job.unchanged and not filecmp.cmp(ours.output, theirs.source, shallow=False):
                return "not compared: ours changed its source"
            remove_output(ours)
            pairs = in_turn(self.ours(name, job, source, peer.workers), theirs, self.rounds)
        except ProgramFailedError as error:
            return f"failed: {error}"
        finally:
            remove_output(theirs)
        times = times_faster(pairs)
        self.scores.note_faster(peer.figure, times)
        if job.memory_figure is not None and peer.workers == 1:
            self.scores.note(job.memory_figure, max(ours.peak_bytes for ours, _ in pairs) / 2**20)
        note = f"  {differing} of {compared} texts differ, by their rules" if differing else ""
        say(summary(peer.name, pairs) + note)
        return None


def _folder_of(folder: Path, source: Path) -> Path:
    """Make a folder with nothing but a link to the source in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / source.name).symlink_to(source)
    return folder


def _arguments() -> argparse.Namespace:
    choices = [*jobs.JOBS, *OWN_FIGURES]
    parser = argparse.ArgumentParser(prog="nox -s bench --", description="Compare with peers.")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"what to compare: {', '.join(choices)}; default: all")
    rounds = int(os.environ.get("TEXT_PROCESSOR_BENCH_ROUNDS") or 5)
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each pair runs after the warm-up")
    parser.add_argument("--figures", action="store_true", help="only the pairs that decide a promised figure")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.jobs) - set(choices))
    if unknown:
        parser.error(f"There is no job `{unknown[0]}`. The jobs are: {', '.join(choices)}.")
    if arguments.rounds < 1:
        parser.error("At least one round is needed.")
    arguments.jobs = arguments.jobs or choices
    return arguments


def main() -> int:
    """Run the comparisons that the arguments name, or all."""
    arguments = _arguments()
    bench = os.environ.get("TEXT_PROCESSOR_BENCH")
    if not bench:
        say("TEXT_PROCESSOR_BENCH must name the folder that holds `make_corpus.py`, `peers/` and `floor/`.")
        return 2
    command = shutil.which("text-processor", path=str(Path(sys.executable).parent))
    if command is None:
        say(f"The environment of {sys.executable} has no command `text-processor`.")
        return 2
    outputs = os.environ.get("TEXT_PROCESSOR_BENCH_OUTPUT") or "/dev/shm"  # noqa: S108 - memory, on purpose.
    with tempfile.TemporaryDirectory(prefix="text-processor-bench-", dir=outputs) as folder:
        comparison = Comparison(
            peers=Path(bench) / "peers",
            peers_python=os.environ.get("TEXT_PROCESSOR_PEERS_PYTHON") or sys.executable,
            floor=os.environ.get("TEXT_PROCESSOR_FLOOR"),
            command=command,
            corpora=Corpora(Path(bench), command, Path(folder)),
            folder=Path(folder),
            rounds=arguments.rounds,
            only_figures=arguments.figures,
            scores=Scores(),
        )
        version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        say(f"{version}, CPython {sys.version.split()[0]}, {os.cpu_count()} processors, rounds: {arguments.rounds}")
        good = True
        for name in arguments.jobs:
            if name in OWN_FIGURES:
                good &= OWN_FIGURES[name](comparison.peers, comparison.peers_python, comparison.scores)
            else:
                good &= comparison.job(name, jobs.JOBS[name])
    comparison.scores.show()
    return 0 if good else 1


sys.exit(main())
