"""`text-processor why` tells what became of a record, whatever became of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from support.directories import corpus, target
from support.files import write_jsonl

from text_processor import Pipeline, plugin


@plugin(kind="split")
def words(text: str) -> list[str]:
    return text.split()


def brittle(text: str) -> str:
    if text == "boom":
        message = "it broke"
        raise ValueError(message)
    return text


RECORDS = [
    {"id": "plain", "text": "hello"},
    {"id": "long", "text": "some words x here"},
    {"id": "short", "text": "x y"},
    {"id": "broken", "text": "boom"},
    {"id": 7, "text": "number"},
    {"id": 'e\u0301"\\', "text": "spelled"},
    {"text": "nameless"},
    {"id": "plain", "text": "again"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = write_jsonl(tmp_path / "in.jsonl", RECORDS)
    source.write_bytes(source.read_bytes() + b'{"id": "torn", "te\n')
    folder = tmp_path / "out"
    Pipeline([words, ("length", {"minimum": 2}), brittle]).run(source, target(folder), shard_bytes=100)
    return folder


def one(command: Command, folder: Path, name: str) -> dict[str, Any]:
    [record] = command.json("why", folder, name)["records"]
    assert isinstance(record, dict)
    return record


def texts(folder: Path, record: dict[str, Any]) -> list[Any]:
    """The lines that an answer names."""
    lines = [(folder / place["file"]).read_bytes().splitlines()[place["line"] - 1] for place in record["lines"]]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ["plain", "long", "7", 'e\u0301"\\', "in.jsonl:6"])
def test_a_record_that_went_out(command: Command, folder: Path, name: str) -> None:
    for record in command.json("why", folder, name)["records"]:
        expected = RECORDS[record["ordinal"]]
        written = [line for line in texts(folder, record) if "reason" not in line]
        assert record["fate"] == "out"
        assert record["texts"] == len(written)
        assert [line["text"] for line in written] == [word for word in expected["text"].split() if len(word) > 1]
        assert all(line.get("id") == expected.get("id") for line in written)


def test_two_records_with_one_identity_are_both_told(command: Command, folder: Path) -> None:
    records = command.json("why", folder, "plain")["records"]
    assert [record["ordinal"] for record in records] == [0, 7]
    output = command("why", folder, "plain").output
    assert output.count("went out") == 2


def test_a_rejected_part_is_told_with_the_record(command: Command, folder: Path) -> None:
    record = one(command, folder, "long")
    [ending] = record["endings"]
    assert (ending["part"], ending["step"], ending["reason"]) == (2, "length", "too_short")
    assert len(record["lines"]) == 4
    output = command("why", folder, "long").output
    assert "went out as 3 texts" in output
    assert "Part 2 was rejected by step `length`: too_short." in output


def test_a_rejected_record(command: Command, folder: Path) -> None:
    record = one(command, folder, "short")
    assert (record["fate"], record["ordinal"], record["texts"]) == ("rejected", 2, 0)
    assert texts(folder, record)[0]["record"] == RECORDS[2]
    output = command("why", folder, "short").output.replace("\n", " ")
    assert "(id `short`) was rejected by step `length`: too_short." in output
    assert "rejected/00000.jsonl, line " in output


def test_a_quarantined_record(command: Command, folder: Path) -> None:
    record = one(command, folder, "broken")
    [ending] = record["endings"]
    assert (record["fate"], ending["kind"], ending["error"]) == ("quarantined", "step_error", "ValueError")
    assert "it broke" in ending["message"]
    assert texts(folder, record)[0]["record"] == RECORDS[3]
    output = command("why", folder, "broken").output.replace("\n", " ")
    assert "is quarantined by step `test_why.brittle` (step_error, ValueError)" in output


def test_a_record_that_is_no_json_is_known_by_its_place(command: Command, folder: Path) -> None:
    record = one(command, folder, "8")
    assert (record["fate"], record["id"], record["endings"][0]["kind"]) == ("quarantined", None, "json")
    assert record["endings"][0]["step"] is None


@pytest.mark.parametrize("name", ["nobody", "9", "in.jsonl:9", "other.jsonl:0", "in.jsonl:x", ""])
def test_a_record_that_is_not_there(command: Command, folder: Path, name: str) -> None:
    ended = command("why", folder, name)
    assert (ended.code, ended.output) == (2, "")
    assert "holds no record" in ended.messages
    assert "in.jsonl:7" in ended.messages


def test_a_number_that_several_inputs_have_is_asked_back(command: Command, tmp_path: Path) -> None:
    inputs = [corpus(tmp_path / f"{number}.txt", 3) for number in range(2)]
    folder = tmp_path / "out"
    Pipeline([]).run(inputs, target(folder))
    ended = command("why", folder, "1")
    assert (ended.code, "2 inputs have a record 1" in ended.messages) == (2, True)
    record = one(command, folder, "1.txt:1")
    assert (record["input"], record["lines"]) == (str(inputs[1]), [{"file": "out/00000.txt", "line": 5}])


def test_records_are_found_in_compressed_shards(command: Command, tmp_path: Path) -> None:
    source = corpus(tmp_path / "in.jsonl", 2000)
    folder = tmp_path / "out"
    Pipeline(["trim"]).run(source, target(folder), compression="zstd", shard_bytes=20_000)
    record = one(command, folder, "r1999")
    assert (record["ordinal"], record["fate"]) == (1999, "out")
    assert one(command, folder, "1999")["lines"] == record["lines"]


def test_a_row_of_a_table_is_told_as_a_row(command: Command, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b'text\nfirst\n"two\nlines"\nlast\n')
    folder = tmp_path / "out"
    Pipeline(["trim", ("length", {"minimum": 5})]).run(source, target(folder))
    for name, row in [("0", 1), ("1", 2)]:
        assert one(command, folder, name)["lines"] == [{"file": "out/00000.csv", "row": row}]
        assert f"out/00000.csv, row {row}\n" in command("why", folder, name).output
    assert one(command, folder, "2")["lines"] == [{"file": "rejected/00000.jsonl", "line": 1}]
