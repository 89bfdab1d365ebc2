"""Arrow files and streams: what is bad in one row or one batch costs nothing else, and nothing is read as text."""

import base64
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import counts, read_jsonl
from support.program import Program
from support.tables import read_table

from text_processor import InputError, Pipeline

MIB = 1 << 20
ARROW = [".arrow", ".arrows"]
BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}


def lying(kind: pa.DataType, values: list[bytes | None]) -> pa.Array:
    """A column of texts with any bytes: only the name of the type says that they are UTF-8."""
    array = pa.array(values, BYTES[kind])
    return pa.Array.from_buffers(kind, len(array), array.buffers(), array.null_count)


def write(path: Path, batches: list[pa.RecordBatch], **options: Any) -> Path:
    """Writes batches as they are."""
    maker = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
    with maker(path, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return path


@pytest.mark.parametrize("extension", ARROW)
@pytest.mark.parametrize("kind", BYTES, ids=str)
def test_a20_bytes_that_are_not_utf8_cost_their_rows(tmp_path: Path, kind: pa.DataType, extension: str) -> None:
    batches = []
    for number in range(3):
        texts: list[bytes | None] = [b" a text of some length " for _ in range(100)]
        notes: list[bytes | None] = [b"note", None] * 50
        if number == 1:
            texts[50] = b" gr\xfc\xdfe"
            notes[60] = b"\xe2\x82"
        ids = range(100 * number, 100 * number + 100)
        columns = {"id": pa.array(ids), "text": lying(kind, texts), "note": lying(kind, notes)}
        batches.append(pa.RecordBatch.from_pydict(columns))
    path = write(tmp_path / f"in{extension}", batches)
    output = tmp_path / f"out{extension}"
    report = Pipeline(["trim"]).run(path, output)
    assert (counts(report), report.exit_code) == ((300, 298, 0, 2), 3)
    made = read_table(output)
    assert made.schema.types == [pa.int64(), kind, kind]
    assert made["id"].to_pylist() == [number for number in range(300) if number not in {150, 160}]
    assert set(made["text"].to_pylist()) == {"a text of some length"}
    lines = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert [(line["kind"], line["ordinal"], line["offset"], line["id"]) for line in lines] == [
        ("utf8", 150, 150, 150),
        ("utf8", 160, 160, 160),
    ]
    assert "column `text`" in lines[0]["message"]
    text = base64.b64encode(b" gr\xfc\xdfe").decode()
    assert lines[0]["record"] == {"id": 150, "text": text, "note": "note"}
    note = base64.b64encode(b"\xe2\x82").decode()
    assert lines[1]["record"] == {"id": 160, "text": " a text of some length ", "note": note}


@pytest.mark.parametrize("extension", ARROW)
def test_a20_a_batch_that_is_bad_within_costs_itself(tmp_path: Path, extension: str) -> None:
    batches = []
    for number in range(3):
        tags = lying(pa.string(), [b"\xff" if number == 1 else b"tag"] * 100)
        lists = pa.ListArray.from_arrays(pa.array(range(101), pa.int32()), tags)
        texts = ["a"] * 100
        texts[50:51] = [None] if number == 2 else ["a"]
        batches.append(pa.RecordBatch.from_pydict({"text": texts, "tags": lists}))
    path = write(tmp_path / f"in{extension}", batches)
    report = Pipeline(["trim"]).run(path, tmp_path / f"out{extension}")
    assert (counts(report), report.exit_code) == ((200, 199, 0, 1), 5)
    [damage] = report.to_dict()["damage"]
    assert damage["offset"] == 100
    assert damage["message"].startswith("Batch 1 of ")
    segment, null = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert (segment["kind"], segment["offset"]) == ("segment", 100)
    assert (null["kind"], null["ordinal"], null["offset"]) == ("field_type", 150, 250)


def test_a20_behind_a_bad_dictionary_nothing_is_read(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 10, pa.int8()), lying(pa.string(), [b"\xff"]))
    path = write(tmp_path / "in.arrows", [pa.RecordBatch.from_pydict({"text": texts})])
    report = Pipeline(["trim"]).run(path, tmp_path / "out.arrows")
    assert (counts(report), report.exit_code) == ((0, 0, 0, 0), 5)
    assert "a dictionary is damaged" in report.to_dict()["damage"][0]["message"]
    path = write(tmp_path / "in.arrow", [pa.RecordBatch.from_pydict({"text": texts})])
    with pytest.raises(InputError, match="one of its dictionaries is damaged"):
        Pipeline(["trim"]).run(path, tmp_path / "refused.arrow")


@pytest.mark.parametrize(
    ("extension", "said"),
    [(".arrows", "--format stream"), (".arrow", "--format arrow"), (".parquet", "--format parquet")],
)
def test_a17_tables_on_a_pipe_are_not_read_as_text(tmp_path: Path, program: Program, extension: str, said: str) -> None:
    path = tmp_path / f"in{extension}"
    table = pa.table({"text": ["a", "b"]})
    if extension == ".parquet":
        pq.write_table(table, path)
    else:
        write(path, table.to_batches())
    done = program("run", "-s", "trim", stdin=path.read_bytes())
    assert (done.returncode, done.stdout) == (5, b"")
    assert said in " ".join(done.stderr.decode().split())
    pipe = program.folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    done = program("run", "-s", "trim", "pipe")
    writer.join()
    assert (done.returncode, done.stdout) == (5, b"")
    assert said in " ".join(done.stderr.decode().split())


@pytest.mark.parametrize("extension", ARROW)
@pytest.mark.parametrize("kept", [4, 300, 0.5, 0.99])
def test_a_table_that_is_cut_off_is_told_in_one_sentence(
    tmp_path: Path, program: Program, extension: str, kept: float
) -> None:
    batches = pa.table({"text": ["a text"] * 10_000}).to_batches(1000)
    content = write(tmp_path / f"whole{extension}", batches).read_bytes()
    (program.folder / f"in{extension}").write_bytes(content[: int(kept if kept > 1 else len(content) * kept)])
    done = program("run", "-s", "trim", f"in{extension}", "-o", f"out{extension}", "-q")
    assert done.returncode == 5
    assert b"\n\n" not in done.stderr.rstrip()
    assert b"Range [" not in done.stderr


def test_f1_a_batch_larger_than_the_memory_budget_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    zeros = pa.array([bytes(MIB)] * 140, pa.binary())
    for name, rows in [("large.arrow", 140), ("small.arrow", 10)]:
        batches = pa.table({"text": ["a"] * 140, "zeros": zeros}).to_batches(rows)
        path = write(tmp_path / name, batches, compression="zstd")
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            report = Pipeline(["trim"]).run(
                path, tmp_path / "out.txt", memory_budget=128 * MIB, max_expansion=None, overwrite=True
            )
        assert counts(report) == (140, 140, 0, 0)
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == (rows == 140), told
        assert all("take about 140 MiB of memory; the memory budget is 128 MiB" in message for message in told)
