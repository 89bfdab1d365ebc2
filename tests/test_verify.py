"""C26, G13: `text-processor verify` proves conservation from the files, and finds each kind of damage."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from support.directories import corpus, cut_manifest, target
from support.files import read_jsonl

from text_processor import Pipeline, plugin


@plugin(kind="split")
def words(text: str) -> list[str]:
    return text.split()


STEPS = ["trim", ("length", {"minimum": 3}), words, ("length", {"minimum": 2})]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = corpus(tmp_path / "in.jsonl", 600)
    folder = tmp_path / "out"
    Pipeline(STEPS).run(source, target(folder), shard_bytes=9000)
    return folder


def test_a_good_directory_is_proved(command: Command, folder: Path) -> None:
    ended = command("verify", folder)
    assert (ended.code, ended.messages) == (0, "")
    assert "600 records read" in ended.output.replace("\n", " ")
    answer = command.json("verify", folder)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert answer["counts"] == report["counts"]
    assert answer["fingerprint"] == report["fingerprint"]
    assert (answer["complete"], answer["findings"], answer["shards"]) == (True, [], report["shards"])
    assert answer["exit_code"] == 0
    assert answer["files"] == len(list(folder.glob("*/*")))


def test_damaged_inputs_and_compressed_outputs_are_proved_too(command: Command, tmp_path: Path) -> None:
    whole = gzip.compress(corpus(tmp_path / "all.jsonl", 2000).read_bytes())
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    for compression in ("gzip", "zstd"):
        folder = tmp_path / compression
        arguments = ("run", "-s", "trim", cut, cut, tmp_path / "missing.jsonl", "--allow-repeat", "-q")
        ended = command(*arguments, "-o", target(folder), "--compression", compression, "--shard-size", "20kB")
        assert ended.code == 5
        assert command("verify", folder).code == 0


def test_a_run_that_is_not_complete_says_so(command: Command, folder: Path) -> None:
    cut_manifest(folder, 3)
    ended = command("verify", folder)
    assert (ended.code, "--resume" in ended.output) == (8, True)
    with (folder / "manifest.jsonl").open("ab") as file:
        file.write(b'{"kind":"shard","sh')
    answer = command.json("verify", folder)
    assert (answer["complete"], answer["shards"], answer["findings"]) == (False, 2, [])


def test_what_is_no_output_directory_is_no_damage(command: Command, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", corpus(tmp_path / "in.jsonl", 1)):
        ended = command("verify", path)
        assert (ended.code, "is no output directory" in ended.messages) == (2, True)


def change(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


Deed = Callable[[Path], Any]

# Each is what happens to disks and what people do, with what is found in which file.
DEEDS: dict[str, tuple[Deed, str, str]] = {
    "a byte of the output": (
        lambda folder: change(folder / "out/00001.jsonl", b"number", b"nomber"),
        "out/00001.jsonl",
        "checksum",
    ),
    "a line of the output is gone": (
        lambda folder: change(folder / "out/00000.jsonl", (folder / "out/00000.jsonl").read_bytes()[:40], b""),
        "out/00000.jsonl",
        "bytes",
    ),
    "a byte of the ledger": (lambda folder: change(folder / "ledger/00000", b"r", b"q"), "ledger/00000", "checksum"),
    "a rejected record": (
        lambda folder: change(folder / "rejected/00000.jsonl", b"too_short", b"too_long!"),
        "rejected/00000.jsonl",
        "checksum",
    ),
    "a quarantined record": (
        lambda folder: change(folder / "quarantined/00000.jsonl", b"json", b"nosj"),
        "quarantined/00000.jsonl",
        "checksum",
    ),
    "a missing file": (
        lambda folder: (folder / "quarantined/00000.jsonl").unlink(),
        "quarantined/00000.jsonl",
        "missing",
    ),
    "a file too many": (
        lambda folder: (folder / "out/00077.jsonl").write_text("{}\n"),
        "out/00077.jsonl",
        "does not name it",
    ),
    "the report": (lambda folder: (folder / "report.json").write_text("{}"), "report.json", "missing"),
    "a line of the manifest": (
        lambda folder: change(folder / "manifest.jsonl", b'"shard":1', b'"shard":2'),
        "manifest.jsonl",
        "Line 3 is not",
    ),
    "its header": (lambda folder: change(folder / "manifest.jsonl", b"header", b"footer"), "manifest.jsonl", "begin"),
    "its last line": (
        lambda folder: change(folder / "manifest.jsonl", b'"exit_code":3', b'"exit_code":0'),
        "manifest.jsonl",
        "is not what was written",
    ),
}


@pytest.mark.parametrize("name", DEEDS)
def test_each_damage_is_found_where_it_is(command: Command, folder: Path, name: str) -> None:
    deed, file, message = DEEDS[name]
    deed(folder)
    answer = command.json("verify", folder)
    assert answer["exit_code"] == 5
    assert [finding["file"] for finding in answer["findings"]] == [file]
    assert message in answer["findings"][0]["message"]
    ended = command("verify", folder)
    assert (ended.code, f"damaged: {file}" in ended.output) == (5, True)


def seal(line: dict[str, Any]) -> bytes:
    """A line of the manifest with the checksum that belongs to it."""
    body = json.dumps(line, separators=(",", ":"), ensure_ascii=False)[:-1].encode()
    return body + b',"checksum":"%016x"}\n' % crc64(body)


def crc64(data: bytes) -> int:
    """CRC-64/NVME by its definition, bit by bit: what the engine computes by other means."""
    remainder = (1 << 64) - 1
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x9A6C9329AC4BC9B5 if remainder & 1 else 0)
    return remainder ^ ((1 << 64) - 1)


def forge(folder: Path, file: str, old: bytes, new: bytes) -> None:
    """Changes a file and makes the manifest say that it was so, as a bug of the engine would."""
    path = folder / file
    change(path, old, new)
    lines = read_jsonl(folder / "manifest.jsonl")
    for line in lines:
        line.pop("checksum")
        for entry in line.get("files", []):
            if entry["path"] == file:
                entry |= {"size": path.stat().st_size, "checksum": f"{crc64(path.read_bytes()):016x}"}
    (folder / "manifest.jsonl").write_bytes(b"".join(map(seal, lines)))


def first_lines(path: Path, count: int) -> bytes:
    return b"".join(path.read_bytes().splitlines(keepends=True)[:count])


# What no checksum can tell, because it was wrong when it was written: that is what the proof is for.
FORGED: dict[str, tuple[str, Callable[[bytes], tuple[bytes, bytes]], str]] = {
    "a lost text": ("out/00000.jsonl", lambda content: (content.splitlines(keepends=True)[0], b""), "whole lines"),
    "a fate": ("ledger/00000", lambda content: (b" 1r", b" 1q"), "tells of no rejected record"),
    "a record left out of the ledger": ("ledger/00000", lambda content: (b" 1r", b""), "It ends before record"),
    "records in another place": ("ledger/00000", lambda content: (b"0:0 ", b"0:1 "), "is the next"),
    "a lost rejection of a part": (
        "rejected/00000.jsonl",
        lambda content: (content.splitlines(keepends=True)[0], b""),
        "lines",
    ),
    "a doubled quarantine": (
        "quarantined/00000.jsonl",
        lambda content: (first := content.splitlines(keepends=True)[0], first * 2),
        "Line 2 tells of no quarantined record",
    ),
    "another record in quarantine": (
        "quarantined/00000.jsonl",
        lambda content: (b'"ordinal":13', b'"ordinal":14'),
        "tells of no quarantined record",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_was_wrong_when_it_was_written_is_found(command: Command, folder: Path, name: str) -> None:
    file, edit, message = FORGED[name]
    forge(folder, file, *edit((folder / file).read_bytes()))
    answer = command.json("verify", folder)
    assert answer["exit_code"] == 5
    assert any(message in finding["message"] for finding in answer["findings"]), answer["findings"]
    # A text or a part is no record: the account of records adds up without it.
    adds_up = not any("does not add up" in finding["message"] for finding in answer["findings"])
    assert adds_up == (name in ("a lost text", "a lost rejection of a part"))


def test_a_forgery_that_changes_nothing_is_none(command: Command, folder: Path) -> None:
    forge(folder, "out/00000.jsonl", b"number", b"nomber")
    assert command("verify", folder).code == 0
