"""C6, C7, C8, C26, E10: going on with the run of an output directory."""

import gzip
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import Command
from support.directories import STEPS, committed, corpus, cut_manifest, manifest, out, target, timeless
from support.files import write_jsonl
from support.program import PATIENCE, Program, stop, wait_for
from support.site import Site
from support.tiers import rounds

from text_processor import Pipeline, RecordError, ResumeError

LOG = logging.getLogger(__name__)

KILLS = rounds("KILLS", 20)


def test_a_limit_is_a_limit_and_can_be_resumed(tmp_path: Path, source: Path, folder: Path) -> None:
    report = Pipeline(STEPS).run(source, target(folder), limit=300, shard_bytes=5000)
    assert (report.read, report.to_dict()["limited"]) == (300, True)
    whole = committed(folder)
    cut_manifest(folder, 3)
    report = Pipeline(STEPS).run(source, target(folder), limit=300, shard_bytes=5000, resume=True)
    assert (report.read, report.to_dict()["limited"]) == (300, True)
    assert committed(folder) == whole


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("workers", [1, 3])
def test_c8_a_run_goes_on_at_every_shard(tmp_path: Path, suffix: str, workers: int) -> None:
    inputs = []
    for number, records in enumerate([400, 0, 3, 700]):
        path = corpus(tmp_path / f"{number}.jsonl", records, first=number)
        if suffix:
            path.with_name(path.name + suffix).write_bytes(gzip.compress(path.read_bytes()))
        inputs.append(path.with_name(path.name + suffix))
    folder = tmp_path / "out"
    run = Pipeline(STEPS).run
    whole = run(inputs, target(folder), shard_bytes=9000).to_dict()
    expected = committed(folder)
    shards = whole["shards"]
    assert shards > 5
    for kept in range(1, shards + 2):
        cut_manifest(folder, kept)
        report = run(inputs, target(folder), shard_bytes=9000, resume=True, workers=workers).to_dict()
        assert committed(folder) == expected
        assert timeless(report) == timeless(whole)
        assert report["earlier_shards"] == kept - 1


def test_c26_a_manifest_that_is_torn_anywhere_loses_at_most_one_shard(source: Path, folder: Path) -> None:
    run = Pipeline(STEPS).run
    run(source, target(folder), shard_bytes=30_000)
    expected = committed(folder)
    lines = expected["manifest.jsonl"].splitlines(keepends=True)
    first, before_last = len(lines[0]), len(b"".join(lines[:-1]))
    for cut in [*range(first, len(expected["manifest.jsonl"]), 53), before_last - 1, before_last, before_last + 1]:
        (folder / "manifest.jsonl").write_bytes(expected["manifest.jsonl"][:cut])
        # Files that the torn manifest no longer names are in the way unless the run knows them for its own.
        for path in folder.glob("*/*"):
            if int(path.name[:5]) > expected["manifest.jsonl"][:cut].count(b"\n") - 1:
                path.unlink()
        run(source, target(folder), shard_bytes=30_000, resume=True)
        assert committed(folder) == expected, cut


def test_c26_a_manifest_that_is_damaged_in_the_middle_is_refused(source: Path, folder: Path) -> None:
    run = Pipeline(STEPS).run
    run(source, target(folder), shard_bytes=30_000)
    path = folder / "manifest.jsonl"
    whole = path.read_bytes()
    begin = len(whole.splitlines(keepends=True)[0])
    for place in (0, 10, begin - 2, begin + 20):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        before = committed(folder)
        with pytest.raises(ResumeError, match=r"damaged in line 2|does not begin as a manifest does") as caught:
            run(source, target(folder), shard_bytes=30_000, resume=True)
        assert caught.value.path == target(folder)
        assert committed(folder) == before


def test_a_complete_run_is_not_touched(command: Command, source: Path, folder: Path) -> None:
    arguments = ("run", "-s", "trim", source, "-o", target(folder))
    assert command(*arguments).code == 3
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    ended = command(*arguments, "--resume")
    assert (ended.code, "complete before" in ended.messages) == (3, True)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    report = Pipeline(["trim"]).run(source, target(folder), resume=True)
    assert report.to_dict()["already_complete"] is True
    assert report.read == 1000


Change = Callable[[Path, Path], dict[str, object]]


def options(**changed: object) -> Change:
    return lambda _source, _folder: changed


def touch(source: Path, _folder: Path) -> dict[str, object]:
    os.utime(source, (1, 1))
    return {}


def grow(source: Path, _folder: Path) -> dict[str, object]:
    with source.open("ab") as file:
        file.write(b'{"text": "one more"}\n')
    return {}


def rename(source: Path, _folder: Path) -> dict[str, object]:
    return {"inputs": source.rename(source.with_name("other.jsonl"))}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (options(steps=["trim", ("length", {"minimum": 4})]), "`minimum` of step `length` was `3` and is `4`"),
        (options(steps=["trim"]), "the list of steps was `trim`, `length` and is `trim`"),
        (options(shard_bytes=999), "the size of a shard was `30000` and is `999`"),
        (options(limit=10), "the limit on records was `null` and is `10`"),
        (options(compression="zstd"), "the compression was `none` and is `zstd`"),
        (options(format="text"), "the format of the inputs was `null` and is `text`"),
        (touch, "the time of modification"),
        (grow, "the size of"),
        (rename, "input 1 was"),
    ],
)
def test_c26_what_has_changed_is_named_and_nothing_is_written(
    source: Path, folder: Path, change: Change, what: str
) -> None:
    Pipeline(STEPS).run(source, target(folder), shard_bytes=30_000)
    cut_manifest(folder, 2)
    before = committed(folder)
    changed = {"shard_bytes": 30_000, "inputs": source, "steps": STEPS, **change(source, folder)}
    inputs, steps = changed.pop("inputs"), changed.pop("steps")
    with pytest.raises(ResumeError) as caught:
        Pipeline(steps).run(inputs, target(folder), resume=True, **changed)  # type: ignore[arg-type]
    assert what in str(caught.value)
    assert caught.value.differences
    assert all(len(difference) == 3 for difference in caught.value.differences)
    assert committed(folder) == before


def test_e10_a_plugin_whose_files_have_changed_is_named(program: Program, tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    info = site.install("acme", {"mark": "acme.steps:mark"}, modules={"acme.__init__": "", "acme.steps": MARK})
    program.paths = [site.path]
    corpus(program.folder / "in.jsonl", 1000)
    arguments = ("run", "-s", "mark", "in.jsonl", "-o", "out/", "--shard-size", "30000", "-q")
    assert program(*arguments).returncode == 3
    cut_manifest(program.folder / "out", 2)
    whole = committed(program.folder / "out")
    # Another file of the same package counts as well, and what Python compiles does not.
    (site.path / "acme" / "__pycache__").mkdir()
    (site.path / "acme" / "__pycache__" / "steps.cpython-311.pyc").write_bytes(b"compiled")
    (site.path / "acme" / "words.txt").write_text("new", encoding="utf-8")
    refused = program(*arguments, "--resume")
    assert refused.returncode == 8
    assert b"the fingerprint of the files of step `acme/mark` was" in refused.stderr
    (site.path / "acme" / "words.txt").unlink()
    info.rename(info.with_name("acme-2.0.dist-info"))
    metadata = info.with_name("acme-2.0.dist-info") / "METADATA"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace("1.0", "2.0"), encoding="utf-8")
    refused = program(*arguments, "--resume")
    assert refused.returncode == 8
    assert b"the distribution of step `acme/mark` was acme 1.0 and is acme 2.0" in refused.stderr
    assert committed(program.folder / "out") == whole


MARK = """
    def mark(text: str) -> str:
        return text + "!"
"""


def test_e10_a_callable_is_known_by_its_module(program: Program, tmp_path: Path) -> None:
    corpus(program.folder / "in.jsonl", 500)
    script = dedent(
        """
        import sys
        from text_processor import Pipeline, ResumeError

        def mark(text: str) -> str:
            return text + "!"

        try:
            Pipeline([mark]).run("in.jsonl", "out/", shard_bytes=9000, resume=True)
        except ResumeError as error:
            sys.exit(str(error))
        """
    )
    path = program.folder / "job.py"
    for text, told in ((script, ""), (script, ""), (script.replace("!", "?"), "the fingerprint of the files of step")):
        path.write_text(text, encoding="utf-8")
        if (program.folder / "out").exists():
            cut_manifest(program.folder / "out", 2)
        done = subprocess.run(
            [sys.executable, path], cwd=program.folder, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert (told in done.stderr) if told else done.returncode == 0, done.stderr


@pytest.mark.timeout(60 + KILLS * 2)
def test_c8_killed_at_any_moment_a_run_loses_nothing_and_doubles_nothing(hostile_program: Program) -> None:
    program, folder = hostile_program, hostile_program.folder
    corpus(folder / "in.jsonl", 2000)
    steps = ("-s", "trim", "-s", "length:minimum=3", "-s", f"slow:mark={folder / 'begun'},seconds=0")
    arguments = ("run", *steps, "in.jsonl", "-q", "--shard-size", "5000")
    began = time.monotonic()
    assert program(*arguments, "-o", "whole/").returncode == 3
    usual = time.monotonic() - began
    expected = committed(folder / "whole")
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    killed = 0
    for _ in range(KILLS):
        with program.started(*arguments, "-o", "out/", "--resume", "--workers", chance.choice("123")) as process:
            time.sleep(chance.uniform(usual * 0.4, usual * 1.05))
            process.kill()
            killed += process.wait() == -signal.SIGKILL
        if chance.random() < 0.3:
            assert program(*arguments, "-o", "out/", "--resume").returncode == 3
            assert committed(folder / "out") == expected, seed
            cut_manifest(folder / "out", 1)
    assert program(*arguments, "-o", "out/", "--resume").returncode == 3
    assert committed(folder / "out") == expected, seed
    LOG.info("%d of %d runs were killed before their end, and none lost or doubled anything", killed, KILLS)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_c6_c7_what_was_committed_before_a_signal_stays(
    hostile_program: Program, number: signal.Signals, code: int
) -> None:
    program, folder = hostile_program, hostile_program.folder
    (folder / "in.txt").write_text("text\n" * 600, encoding="utf-8")
    step = f"slow:mark={folder / 'begun'},seconds=0.002"
    arguments = ("run", "-s", step, "in.txt", "--shard-size", "500")
    with program.started(*arguments, "-o", "out/") as process:
        wait_for(folder, "out/out/00001.txt", process)
        ended, told, seconds = stop(process, number)
    assert (ended, seconds < 2.0) == (code, True), told
    assert b"`--resume` goes on behind them" in told
    assert not list((folder / "out").glob(".*"))
    committed_before = len(manifest(folder / "out")) - 1
    assert committed_before >= 2
    report = program(*arguments, "-o", "out/", "--resume", "--json")
    assert report.returncode == 0
    assert (folder / "in.txt").read_bytes().upper() == out(folder / "out")


def test_a_record_that_fails_stops_a_run_that_can_go_on(tmp_path: Path, folder: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "a"}, {"text": "b"}, {"text": 3}, {"text": "c"}])
    pipeline = Pipeline([], on_error="raise")
    with pytest.raises(RecordError):
        pipeline.run(source, target(folder), shard_bytes=1)
    assert len(manifest(folder)) <= 3
    with pytest.raises(RecordError):
        pipeline.run(source, target(folder), shard_bytes=1, resume=True)


def test_damage_of_an_input_is_told_again_after_going_on(tmp_path: Path, folder: Path) -> None:
    whole = gzip.compress(corpus(tmp_path / "all.jsonl", 3000).read_bytes())
    first, second = tmp_path / "first.jsonl.gz", tmp_path / "second.jsonl.gz"
    first.write_bytes(whole[: len(whole) * 2 // 3])
    second.write_bytes(whole)
    inputs = [first, tmp_path / "missing.jsonl.gz", second]
    run = Pipeline(STEPS).run
    report = run(inputs, target(folder), shard_bytes=20_000).to_dict()
    expected = committed(folder)
    assert [damage["input"] for damage in report["damage"]] == [str(path) for path in inputs[:2]]
    for kept in range(1, report["shards"] + 1):
        cut_manifest(folder, kept)
        again = run(inputs, target(folder), shard_bytes=20_000, resume=True)
        assert (again.exit_code, timeless(again.to_dict())) == (5, timeless(report))
        assert committed(folder) == expected


def test_a_committed_file_that_is_missing_is_told_before_going_on(source: Path, folder: Path) -> None:
    run = Pipeline(STEPS).run
    run(source, target(folder), shard_bytes=30_000)
    cut_manifest(folder, 2)
    (folder / "out" / "00000.jsonl").unlink()
    with pytest.raises(ResumeError, match=r"00000\.jsonl`, which was committed, is missing"):
        run(source, target(folder), shard_bytes=30_000, resume=True)
