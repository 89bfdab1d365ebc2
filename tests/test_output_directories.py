"""B39, C14, C15, C16, D8, F10: output directories."""

import gzip
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from support.directories import STEPS, committed, corpus, cut_manifest, manifest, out, target, timeless
from support.files import counts, names, read_jsonl
from support.program import PATIENCE, Program, wait_for
from support.site import Site

from text_processor import ConfigError, InputError, LockedError, OutputError, Pipeline, ResumeError


def dashed(text: str) -> str:
    return f"- {text}"


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


def test_c15_an_input_that_changes_while_it_is_read_is_not_committed(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"line {number} {'x' * 80}\n" for number in range(60_000)), encoding="utf-8")

    def meddle(text: str) -> str:
        if text.startswith("line 9 "):
            with source.open("a", encoding="utf-8") as file:
                file.write("one more\n")
        return text

    # There is more than is ever in flight, so that not everything is read when the first records are processed.
    with pytest.raises(InputError, match="changed while it was read") as caught:
        Pipeline([meddle]).run(source, target(folder), shard_bytes=1 << 30, workers=1)
    assert caught.value.path == str(source)
    assert [line["kind"] for line in manifest(folder)] == ["header"]
    assert names(folder / "out") == []


def test_c14_a_directory_that_cannot_be_written_is_told_at_the_start(program: Program) -> None:
    corpus(program.folder / "in.jsonl", 10)
    out = program.folder / "out"
    out.mkdir(mode=0o555)
    # Whoever is root may write everywhere, unless that is taken away.
    prefix = "setpriv --bounding-set=-dac_override,-dac_read_search " if os.geteuid() == 0 else ""
    done = program.shell(f"{prefix}$tp run -s trim in.jsonl -o out/")
    assert done.returncode == 6, done.stderr
    assert b"Permission denied" in done.stderr
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
