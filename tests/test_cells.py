"""CSV and TSV: records that cannot be read are quarantined alone, and nothing is changed silently."""

import base64
import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.directories import committed, cut_manifest, target
from support.files import counts, read_jsonl
from support.program import Program
from support.tables import write_table

from text_processor import Pipeline, QuarantineLimitExceeded, RecordError, Report

MIB = 1 << 20


def run(folder: Path, content: bytes, **options: Any) -> tuple[Report, bytes, list[Any]]:
    """Runs over these bytes: the report, what went out, and the quarantine."""
    path = folder / "in.csv"
    path.write_bytes(content)
    report = Pipeline(["trim"]).run(path, folder / "out.csv", **options)
    return report, (folder / "out.csv").read_bytes(), read_jsonl(folder / "out.quarantine.jsonl")


@pytest.mark.parametrize("workers", [1, 3])
def test_a2_a9_a_record_that_is_not_utf8_is_quarantined_alone(tmp_path: Path, workers: int) -> None:
    content = b"id,text\n" + b"".join(
        b"%d, grau%s \r\n" % (number, b"\xdf" if number % 3 == 0 else b"") for number in range(30_000)
    )
    report, out, lines = run(tmp_path, content, workers=workers)
    assert counts(report) == (30_000, 20_000, 0, 10_000)
    assert (report.exit_code, report.to_dict()["damage"]) == (3, [])
    assert out == b"id,text\n" + b"".join(b"%d,grau\n" % number for number in range(30_000) if number % 3)
    for line, number in zip(lines, range(0, 30_000, 3), strict=True):
        assert (line["kind"], line["ordinal"], line["offset"]) == ("utf8", number, number)
        assert base64.b64decode(line["bytes_base64"]) == b"%d, grau\xdf " % number
    assert "found `0xdf`" in lines[0]["message"]


def test_a2_the_limits_on_failures_hold_for_cells_too(tmp_path: Path) -> None:
    content = b"text,x\n" + b"a\xff,1\n" * 1000 + b"b,1\n"
    with pytest.raises(QuarantineLimitExceeded):
        run(tmp_path, content, quarantine_limit=5)
    with pytest.raises(RecordError, match=r"Record 0 of .* cannot be used: The bytes are not UTF-8"):
        Pipeline(["trim"], on_error="raise").run(tmp_path / "in.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_records_of_another_width_are_quarantined_alone(tmp_path: Path) -> None:
    report, out, lines = run(tmp_path, b'id,text\n1, a \n\n2,"b\nB",c\n3\n4, d \n')
    assert out == b"id,text\n1,a\n4,d\n"
    assert (counts(report), report.exit_code) == ((4, 2, 0, 2), 3)
    assert [base64.b64decode(line["bytes_base64"]) for line in lines] == [b'2,"b\nB",c', b"3"]
    assert [(line["kind"], line["ordinal"]) for line in lines] == [("schema", 1), ("schema", 2)]
    assert [line["message"] for line in lines] == [
        "The record in line 4 has 3 cells, and the first line names 2.",
        "The record in line 6 has 1 cell, and the first line names 2.",
    ]


def test_a_directory_goes_on_behind_records_that_cannot_be_read(tmp_path: Path, program: Program) -> None:
    kinds = itertools.cycle([b"%d,a\n", b"%d\n", b"%d,\xff\n", b"%d,b\n"])
    rows = [kind % number for kind, number in zip(kinds, range(1000), strict=False)]
    rows[500] = b"500," + b"x" * (17 * MIB) + b"\n"
    path = tmp_path / "in.csv"
    path.write_bytes(b"id,text\n" + b"".join(rows))
    folder = tmp_path / "out"
    report = Pipeline(["trim"]).run(path, target(folder), shard_bytes=1000)
    assert (counts(report), report.exit_code) == ((1000, 499, 0, 501), 3)
    whole = committed(folder)
    cut_manifest(folder, 3)
    report = Pipeline(["trim"]).run(path, target(folder), shard_bytes=1000, resume=True, workers=1)
    assert counts(report) == (1000, 499, 0, 501)
    assert committed(folder) == whole, "the same bytes"
    done = program("verify", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    done = program("why", folder, "502")
    assert b"Record 502" in done.stdout
    assert b"not UTF-8" in done.stdout


def test_a13_a_record_over_the_limit_is_passed_over(tmp_path: Path) -> None:
    large = b'2,"' + b"x" * (9 * MIB) + b"\n" + b"y" * (9 * MIB) + b'"'
    report, out, [line] = run(tmp_path, b"id,text\n1,a\n" + large + b"\n3,c\n")
    assert (counts(report), report.exit_code) == ((3, 2, 0, 1), 3)
    assert out == b"id,text\n1,a\n3,c\n"
    assert (line["kind"], line["ordinal"], line["length"]) == ("record_too_large", 1, len(large))
    assert base64.b64decode(line["bytes_base64"]) == large[:4096]


def test_a13_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    report, out, [line] = run(tmp_path, b'id,text\n1,a\n2,"b\n3,c\n')
    assert out == b"id,text\n1,a\n"
    assert (counts(report), report.exit_code) == ((1, 1, 0, 0), 5)
    assert (line["kind"], base64.b64decode(line["bytes_base64"])) == ("segment", b'2,"b\n3,c\n')
    assert "begins in line 3" in line["message"]
    # However much it swallows.
    report, out, [line] = run(tmp_path, b'id,text\n1,a\n2,"' + b"x\n" * (10 * MIB), overwrite=True)
    assert (report.exit_code, out, line["kind"]) == (5, b"id,text\n1,a\n", "segment")


def test_what_cannot_be_read_is_shown_in_a_trace(tmp_path: Path, program: Program) -> None:
    (tmp_path / "in.csv").write_bytes(b"text\na\nb,c\n\xff\n")
    done = program("trace", "-s", "trim", "--input", tmp_path / "in.csv", "--json")
    assert done.returncode == 0
    assert [b"has 2 cells" in line or b"not UTF-8" in line for line in done.stdout.splitlines()] == [False, True, True]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"t\xffxt\na\n", "its first line, which names the columns, is not UTF-8"),
        (b'"text\na\n', "its first line, which names the columns, holds a quote that is never closed"),
    ],
)
def test_a_first_line_that_cannot_be_read_is_told(tmp_path: Path, program: Program, content: bytes, said: str) -> None:
    (program.folder / "in.csv").write_bytes(content)
    done = program("run", "-s", "trim", "in.csv", "-o", "out.csv")
    assert done.returncode == 5
    assert said in " ".join(done.stderr.decode().split())


@pytest.mark.parametrize("extension", [".csv", ".tsv", ".arrows"])
@pytest.mark.parametrize("first", [True, False])
def test_a12_an_empty_file_among_others_has_no_records(tmp_path: Path, extension: str, first: bool) -> None:
    empty, full = tmp_path / f"{'a' if first else 'z'}{extension}", tmp_path / f"m{extension}"
    empty.write_bytes(b"")
    if extension == ".arrows":
        write_table(full, pa.table({"text": ["one"]}))
    else:
        full.write_bytes(b"text\none\n")
    report = Pipeline(["trim"]).run(str(tmp_path / f"*{extension}"), tmp_path / "made.jsonl")
    assert (counts(report), report.exit_code) == ((1, 1, 0, 0), 0)
    assert read_jsonl(tmp_path / "made.jsonl") == [{"text": "one"}]


@pytest.mark.parametrize("extension", [".csv", ".tsv", ".arrows"])
def test_a12_empty_files_alone_have_no_records(tmp_path: Path, extension: str, program: Program) -> None:
    path = program.folder / f"in{extension}"
    path.write_bytes(b"")
    for sink in [extension, ".jsonl", ".parquet"]:
        report = Pipeline(["trim"]).run(path, tmp_path / f"made{sink}")
        assert (counts(report), report.exit_code) == ((0, 0, 0, 0), 0)
    assert pq.read_table(tmp_path / "made.parquet").to_pydict() == {"text": []}
    done = program(
        "run", "-s", "trim", "--format", "csv" if extension == ".csv" else "stream", "-o", "x.jsonl", stdin=b""
    )
    assert (done.returncode, (program.folder / "x.jsonl").read_bytes()) == (0, b"")
    assert program("trace", "-s", "trim", "--input", path.name).returncode == 0
