"""Output directories whose shards are files of tables."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.directories import committed, cut_manifest, target
from support.files import counts
from support.program import Program
from support.tables import EXTENSIONS, read_table, write_table

from text_processor import Pipeline, RecordError, Report, plugin


@pytest.mark.parametrize("extension", [*EXTENSIONS.values(), ".csv"])
def test_a_directory_of_tables_goes_on_where_it_ended(tmp_path: Path, extension: str, program: Program) -> None:
    numbers = range(3000)
    texts = [" " + "x" * (number % 50) for number in numbers]
    before = pa.table({"id": [f"r{number}" for number in numbers], "text": texts})
    path = tmp_path / f"in{extension}"
    if extension == ".csv":
        lines = [f"r{number},{text}\n" for number, text in zip(numbers, texts, strict=True)]
        path.write_text("id,text\n" + "".join(lines), encoding="utf-8")
    else:
        write_table(path, before)
    folder = tmp_path / "out"
    pipeline = Pipeline(["trim", ("length", {"minimum": 3})])
    report = pipeline.run(path, target(folder), shard_bytes=20_000)
    assert counts(report) == (3000, 2820, 180, 0)
    whole = committed(folder)
    shards = sorted((folder / "out").iterdir())
    assert [shard.suffix for shard in shards] == [extension] * len(shards)
    assert len(shards) > 3
    cut_manifest(folder, 3)
    assert pipeline.run(path, target(folder), shard_bytes=20_000, resume=True).read == 3000
    assert committed(folder) == whole, "the same bytes"
    done = program("verify", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    [history] = json.loads(program("why", folder, "r2999", "--json").stdout)["records"]
    assert (history["fate"], history["id"], history["ordinal"]) == ("out", "r2999", 2999)
    [history] = json.loads(program("why", folder, "2950", "--json").stdout)["records"]
    assert (history["fate"], history["id"], history["ordinal"]) == ("rejected", "r2950", 2950)
    with pytest.raises(Exception, match="fate of null texts"):
        pipeline.run(path, target(folder), shard_bytes=20_000, resume=True, nulls="reject")


def many_groups(folder: Path) -> Path:
    """A file of 20,000 rows in groups of 700, which the shards that are made of it have too."""
    texts = [f" text {number} " + "x" * (number % 300) for number in range(20_000)]
    table = pa.table({"id": range(20_000), "text": texts})
    return write_table(folder / "in.parquet", table, row_group_size=700)


def test_shards_have_the_same_bytes_whoever_encodes_their_rows(tmp_path: Path, program: Program) -> None:
    path = many_groups(tmp_path)
    made = []
    for workers in [1, 2, 5]:
        folder = tmp_path / f"out{workers}"
        report = Pipeline(["trim"]).run(path, target(folder), shard_bytes=1_000_000, workers=workers)
        assert counts(report) == (20_000, 20_000, 0, 0)
        made.append({name: content for name, content in committed(folder).items() if name != "report.json"})
        assert program("verify", folder).returncode == 0
    assert made[0] == made[1] == made[2]
    shards = sorted((tmp_path / "out5" / "out").iterdir())
    groups = [pq.ParquetFile(shard).num_row_groups for shard in shards]
    assert len(groups) > 2
    assert min(groups[:-1]) > 2
    assert [number for shard in shards for number in read_table(shard)["id"].to_pylist()] == list(range(20_000))


@pytest.mark.parametrize("workers", [1, 5])
def test_a_run_that_is_stopped_leaves_the_shards_that_were_complete(tmp_path: Path, workers: int) -> None:
    path = many_groups(tmp_path)
    wrong = True

    @plugin
    def stop(text: str) -> str:
        if wrong and text.startswith(" text 15000 "):
            raise ValueError(text)
        return text.strip()

    folder = tmp_path / "out"
    pipeline = Pipeline([stop], on_error="raise")

    def run(folder: Path, *, resume: bool = False) -> Report:
        return pipeline.run(
            path, target(folder), shard_bytes=500_000, workers=workers, isolation="thread", resume=resume
        )

    with pytest.raises(RecordError, match="text 15000"):
        run(folder)
    shards = sorted((folder / "out").glob("*.parquet"))
    rows = [number for shard in shards for number in read_table(shard)["id"].to_pylist()]
    assert rows == list(range(len(rows)))
    assert len(rows) < 15_000
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    named = {file["path"] for line in lines[1:] for file in line["files"]}
    assert set(committed(folder)) - {"manifest.jsonl", "lock"} == named, "nothing else is left"
    wrong = False
    assert counts(run(folder, resume=True)) == (20_000, 20_000, 0, 0)
    undisturbed = tmp_path / "undisturbed"
    run(undisturbed)
    assert committed(folder)["manifest.jsonl"] == committed(undisturbed)["manifest.jsonl"]
