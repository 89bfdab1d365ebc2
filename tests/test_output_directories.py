"""C8, C14, C15, C16, C26, D8, E10, F10: output directories, and going on with them."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import Command
from support.directories import committed, corpus, cut_manifest, manifest, out, target, timeless
from support.files import counts, names, read_jsonl, write_jsonl
from support.program import PATIENCE, Program, stop, wait_for
from support.site import Site

from text_processor import ConfigError, InputError, LockedError, OutputError, Pipeline, RecordError, ResumeError

STEPS = ["trim", ("length", {"minimum": 3})]
KILLS = int(os.environ.get("TEXT_PROCESSOR_KILLS", "20"))


def dashed(text: str) -> str:
    return f"- {text}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return corpus(tmp_path / "in.jsonl", 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_run_into_a_directory_is_that_into_a_file_in_pieces(tmp_path: Path, source: Path, folder: Path) -> None:
    report = Pipeline(STEPS).run(source, target(folder), shard_bytes=10_000)
    one, rejected, quarantine = (tmp_path / name for name in ("one.jsonl", "rejected.jsonl", "quarantine.jsonl"))
    single = Pipeline(STEPS).run(source, one, rejected=rejected, quarantine=quarantine)
    assert counts(report) == counts(single)
    assert report.to_dict()["fingerprint"] == single.to_dict()["fingerprint"]
    assert out(folder) == one.read_bytes()
    for part, whole in (("rejected", rejected), ("quarantined", quarantine)):
        shards = sorted((folder / part).iterdir())
        assert b"".join(path.read_bytes() for path in shards) == whole.read_bytes()
    assert names(folder) == ["ledger", "lock", "manifest.jsonl", "out", "quarantined", "rejected", "report.json"]
    assert report.to_dict()["shards"] == len(names(folder / "out")) == 6
    assert timeless(report.to_dict()) == timeless(json.loads((folder / "report.json").read_text(encoding="utf-8")))


def test_the_manifest_tells_what_was_done(source: Path, folder: Path) -> None:
    Pipeline(STEPS).run(source, target(folder), shard_bytes=20_000)
    header, *shards, end = manifest(folder)
    assert [step["name"] for step in header["plan"]["steps"]] == ["trim", "length"]
    assert header["plan"]["steps"][1]["configuration"]["minimum"] == 3
    assert header["inputs"][0]["name"] == str(source)
    assert header["inputs"][0]["size"] == source.stat().st_size
    assert header["options"]["shard_bytes"] == 20_000
    ends = [shard["end"]["offset"] for shard in shards]
    assert all(end - begin >= 20_000 for begin, end in zip([0, *ends], ends[:-1], strict=False))
    assert ends[-1] == source.stat().st_size
    assert [shard["begin"] for shard in shards[1:]] == [shard["end"] for shard in shards[:-1]]
    assert end["counts"]["read"] == sum(shard["counts"]["read"] for shard in shards) == 1000
    assert end["exit_code"] == 3
    ledger = (folder / "ledger" / "00000").read_text(encoding="utf-8")
    assert ledger.startswith("0:0 5o 1r 1o 1r 5o 1q ")


def test_a_shard_may_span_inputs_and_a_file_without_a_last_line_end_glues_nothing(tmp_path: Path, folder: Path) -> None:
    inputs = []
    for number in range(7):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"one {number}\ntwo {number}", encoding="utf-8")
        inputs.append(path)
    report = Pipeline([]).run(inputs, target(folder), shard_bytes=30)
    assert report.read == 14
    lines = out(folder).decode().splitlines()
    assert lines == [f"{word} {number}" for number in range(7) for word in ("one", "two")]
    assert (folder / "ledger" / "00000").read_text(encoding="utf-8") == "0:0 2o\n1:0 2o\n2:0 2o\n"


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_the_bytes_are_the_same_for_any_number_of_workers(tmp_path: Path, compression: str) -> None:
    source = corpus(tmp_path / "in.jsonl", 20_000)
    made = []
    for workers in (1, 2, 5):
        folder = tmp_path / f"out{workers}"
        Pipeline([*STEPS, dashed]).run(
            source,
            target(folder),
            shard_bytes=300_001,
            workers=workers,
            compression=compression,  # type: ignore[arg-type]
        )
        made.append(committed(folder))
    assert made[0] == made[1] == made[2]


def test_a_directory_is_compressed_as_its_inputs_are(tmp_path: Path, folder: Path) -> None:
    inputs = []
    for number in range(2):
        path = tmp_path / f"{number}.jsonl.gz"
        path.write_bytes(gzip.compress(b'{"text": "a"}\n'))
        inputs.append(path)
    Pipeline([]).run(inputs, target(folder))
    assert names(folder / "out") == ["00000.jsonl.gz"]
    assert gzip.decompress((folder / "out" / "00000.jsonl.gz").read_bytes()) == b'{"text": "a"}\n' * 2
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(b'{"text": "b"}\n')
    Pipeline([]).run([*inputs, plain], target(tmp_path / "mixed"))
    assert names(tmp_path / "mixed" / "out") == ["00000.jsonl"]


def test_steps_that_add_fields_make_json_lines_of_text(tmp_path: Path, folder: Path, site: Site) -> None:
    site.install("acme", {"count": "acme:Count"}, modules={"acme": COUNT})
    source = tmp_path / "in.txt"
    source.write_text("one two\n", encoding="utf-8")
    Pipeline(["count"]).run(source, target(folder))
    assert [record["words"] for record in read_jsonl(folder / "out" / "00000.jsonl")] == [2]


COUNT = """
    from dataclasses import dataclass
    from text_processor import plugin

    @plugin(kind="annotate", fields={"words": int})
    @dataclass
    class Count:
        def __call__(self, text: str) -> dict[str, int]:
            return {"words": len(text.split())}
"""


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


def test_d8_a_directory_with_something_in_it_is_refused(source: Path, folder: Path) -> None:
    run = Pipeline(STEPS).run
    run(source, target(folder))
    before = committed(folder)
    with pytest.raises(ConfigError, match="holds a run already") as caught:
        run(source, target(folder))
    assert "--resume" in caught.value.__notes__[0]
    assert committed(folder) == before


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_d8_a_directory_that_is_not_ours_is_left_alone(source: Path, folder: Path, how: dict[str, bool]) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises((ConfigError, ResumeError), match=r"thesis\.txt"):
        Pipeline(STEPS).run(source, folder, **how)  # type: ignore[arg-type]
    assert names(folder) == ["thesis.txt"]


def test_overwriting_removes_what_the_manifest_names_and_nothing_else(source: Path, folder: Path) -> None:
    Pipeline(STEPS).run(source, target(folder), shard_bytes=3000)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "out" / "mine.jsonl").write_text("{}\n", encoding="utf-8")
    Pipeline(["trim"]).run(source, target(folder), overwrite=True)
    assert names(folder / "out") == ["00000.jsonl", "mine.jsonl"]
    assert names(folder / "rejected") == ["00000.jsonl"]
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_an_empty_directory_is_used(source: Path, folder: Path) -> None:
    folder.mkdir()
    report = Pipeline([]).run(source, folder, resume=True)
    assert report.to_dict()["already_complete"] is False
    assert report.read == 1000


def test_an_input_without_records_makes_no_shard(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    report = Pipeline([]).run(empty, target(folder))
    assert (report.read, report.to_dict()["shards"]) == (0, 0)
    assert [line["kind"] for line in manifest(folder)] == ["header", "end"]
    assert Pipeline([]).run(empty, target(folder), resume=True).to_dict()["already_complete"] is True


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


def test_c16_two_runs_cannot_write_to_one_directory(hostile_program: Program) -> None:
    folder = hostile_program.folder
    (folder / "in.txt").write_text("text\n" * 10_000, encoding="utf-8")
    step = f"slow:mark={folder / 'begun'},seconds=0.02"
    arguments = ("run", "-s", step, "in.txt", "-o", "out/")
    with hostile_program.started(*arguments) as process:
        wait_for(folder, "begun", process)
        for option in ((), ("--resume",), ("--overwrite",)):
            second = hostile_program(*arguments, *option)
            assert second.returncode == 8, second.stderr
            assert b"Another run is writing to `out/`" in second.stderr
        with pytest.raises(LockedError) as caught:
            Pipeline([]).run(folder / "in.txt", target(folder / "out"), resume=True)
        assert caught.value.path == target(folder / "out")
        process.kill()
        process.wait()
    # The lock of a run that was killed is nobody's.
    assert hostile_program("run", "-s", "trim", "in.txt", "-o", "out/", "--overwrite", "-q").returncode == 0


def test_c8_killed_at_any_moment_a_run_loses_nothing_and_doubles_nothing(hostile_program: Program) -> None:
    program, folder = hostile_program, hostile_program.folder
    corpus(folder / "in.jsonl", 4000)
    steps = ("-s", "trim", "-s", "length:minimum=3", "-s", f"slow:mark={folder / 'begun'},seconds=0")
    arguments = ("run", *steps, "in.jsonl", "-q", "--shard-size", "9000")
    began = time.monotonic()
    assert program(*arguments, "-o", "whole/").returncode == 3
    usual = time.monotonic() - began
    expected = committed(folder / "whole")
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(KILLS):
        with program.started(*arguments, "-o", "out/", "--resume", "--workers", chance.choice("123")) as process:
            time.sleep(chance.uniform(usual * 0.4, usual * 1.05))
            process.kill()
            process.wait()
        if chance.random() < 0.3:
            assert program(*arguments, "-o", "out/", "--resume").returncode == 3
            assert committed(folder / "out") == expected, seed
            cut_manifest(folder / "out", 1)
    assert program(*arguments, "-o", "out/", "--resume").returncode == 3
    assert committed(folder / "out") == expected, seed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_c6_c7_what_was_committed_before_a_signal_stays(
    hostile_program: Program, number: signal.Signals, code: int
) -> None:
    program, folder = hostile_program, hostile_program.folder
    (folder / "in.txt").write_text("text\n" * 2000, encoding="utf-8")
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


def test_c15_an_input_that_changes_while_it_is_read_is_not_committed(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"line {number}\n" for number in range(3000)), encoding="utf-8")

    def meddle(text: str) -> str:
        if text == "line 2500":
            with source.open("a", encoding="utf-8") as file:
                file.write("one more\n")
        return text

    # Batches are small at first, so that the reader has not read everything when the first record is processed.
    with pytest.raises(InputError, match="changed while it was read") as caught:
        Pipeline([meddle]).run(source, target(folder), shard_bytes=1 << 30, workers=1)
    assert caught.value.path == str(source)
    assert [line["kind"] for line in manifest(folder)] == ["header"]
    assert names(folder / "out") == []


def test_c14_a_directory_that_cannot_be_written_is_told_at_the_start(program: Program) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    corpus(program.folder / "in.jsonl", 10)
    out = program.folder / "out"
    out.mkdir(mode=0o555)
    done = program("run", "-s", "trim", "in.jsonl", "-o", "out/")
    assert done.returncode == 6
    assert names(out) == []


def test_c14_a_directory_that_is_moved_away_is_noticed(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("a\nmove\nb\n", encoding="utf-8")

    def move(text: str) -> str:
        if text == "move":
            folder.rename(tmp_path / "elsewhere")
        return text

    with pytest.raises(OutputError, match="was moved or removed"):
        Pipeline([move]).run(source, target(folder))
    assert not folder.exists()
    assert names(tmp_path / "elsewhere" / "out") == []


@pytest.mark.parametrize("deed", ["truncate", "unlink", "replace"])
def test_b39_a_plugin_that_meddles_with_our_files_commits_nothing(tmp_path: Path, folder: Path, deed: str) -> None:
    source = tmp_path / "in.txt"
    lines = ["a" * 100] * 9000 + ["meddle"] + ["b" * 100] * 9000
    source.write_text("\n".join(lines), encoding="utf-8")

    def meddle(text: str) -> str:
        if text == "meddle":
            deadline = time.monotonic() + PATIENCE
            while not any(path.stat().st_size for path in folder.glob(".out-*.partial")):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            for path in folder.glob(".out-*.partial"):
                if deed == "truncate":
                    os.truncate(path, 0)
                else:
                    path.unlink()
                if deed == "replace":
                    path.write_text("forged\n", encoding="utf-8")
        return text

    with pytest.raises(OutputError, match="changed by somebody else") as caught:
        Pipeline([meddle]).run(source, target(folder), workers=1)
    assert "--resume" in caught.value.__notes__[0]
    assert [line["kind"] for line in manifest(folder)] == ["header"]
    assert names(folder / "out") == []
    report = Pipeline([dashed]).run(source, target(folder), overwrite=True)
    assert report.out == 18_001


def test_f10_a_planted_link_is_not_followed(tmp_path: Path, source: Path, folder: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    Pipeline(STEPS).run(source, target(folder))
    cut_manifest(folder, 1)
    (folder / ".out-00000.partial").symlink_to(victim)
    (folder / "out" / "00000.jsonl").unlink()
    (folder / "out" / "00000.jsonl").symlink_to(victim)
    (folder / ".manifest.jsonl.partial").symlink_to(victim)
    Pipeline(STEPS).run(source, target(folder), resume=True)
    assert victim.read_text(encoding="utf-8") == "precious"
    assert not (folder / "out" / "00000.jsonl").is_symlink()
    cut_manifest(folder, 1)
    shutil.rmtree(folder / "ledger")
    (tmp_path / "outside").mkdir()
    (folder / "ledger").symlink_to(tmp_path / "outside")
    with pytest.raises(OutputError):
        Pipeline(STEPS).run(source, target(folder), resume=True)
    assert names(tmp_path / "outside") == []


def test_files_have_the_mode_that_the_mask_allows(program: Program) -> None:
    corpus(program.folder / "in.jsonl", 100)
    done = program.shell('umask 027; "$tp" run -s trim in.jsonl -o out/ -q')
    assert done.returncode == 3
    assert {path.stat().st_mode & 0o777 for path in (program.folder / "out").rglob("*")} == {0o640, 0o750}


def test_what_is_read_once_cannot_be_resumed(program: Program) -> None:
    done = program("run", "-s", "trim", "-o", "out/", "-q", stdin=b" a \n")
    assert done.returncode == 0
    assert (program.folder / "out" / "out" / "00000.txt").read_bytes() == b"a\n"
    again = program("run", "-s", "trim", "-o", "other/", "--resume", stdin=b" a \n")
    assert again.returncode == 2
    assert b"standard input cannot be resumed" in again.stderr
    assert not (program.folder / "other").exists()


def test_options_that_do_not_go_together_are_refused(tmp_path: Path, source: Path, folder: Path) -> None:
    run = Pipeline(STEPS).run
    for wrong in (
        lambda: run(source, target(folder), rejected=tmp_path / "rejected.jsonl"),
        lambda: run(source, target(folder), quarantine=tmp_path / "quarantine.jsonl"),
        lambda: run(source, target(folder), resume=True, overwrite=True),
        lambda: run(source, target(folder), shard_bytes=0),
        lambda: run(source, tmp_path / "one.jsonl", resume=True),
        lambda: run(source, tmp_path / "one.jsonl", shard_bytes=1),
        lambda: run(source, tmp_path / "one.jsonl", compression="zstd"),
        lambda: run(source, tmp_path),
        lambda: run(source, f"{source}/"),
    ):
        with pytest.raises(ConfigError):
            wrong()
    with pytest.raises(OutputError) as caught:
        run(source, f"{tmp_path}/missing/out/")
    assert "above it first" in caught.value.__notes__[0]
    assert names(tmp_path) == ["in.jsonl"]


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
