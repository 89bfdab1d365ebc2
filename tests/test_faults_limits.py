"""A7, A8, A13 to A16, F1 to F3, F12, F13: inputs that are larger, deeper or denser than anybody expects.

`TEXT_PROCESSOR_REAL_SIZES=1` makes them as large as they are in the matrix: 10 GB in a line, 32 GiB out of a megabyte.
"""

import gzip
import json
import os
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from support.compressed import bgzf, raw_blocks, repeated, skippable_frame, zstd_frame
from support.files import counts, names, read_jsonl, write_jsonl
from support.program import Program

from text_processor import ConfigError, Pipeline, QuarantineLimitExceeded, Report

REAL_SIZES = bool(os.environ.get("TEXT_PROCESSOR_REAL_SIZES"))
PATIENCE = 3600 if REAL_SIZES else 60
MIB = 1 << 20

# The smallest budget there is, and what interpreter and program take beside it.
BUDGET = 128
BESIDE = 64

needs_linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="peak memory is told by other means here")


def run_bytes(folder: Path, data: bytes, name: str, *steps: Any, **options: Any) -> tuple[Report, bytes, list[Any]]:
    """Runs a pipeline over a file.

    Returns:
        The report, what went out, and the lines of the quarantine file.
    """
    source, output = folder / name, folder / ("out.jsonl" if ".jsonl" in name else "out.txt")
    source.write_bytes(data)
    report = Pipeline(list(steps)).run(source, output, overwrite=True, **options)
    return report, output.read_bytes(), read_jsonl(folder / "out.quarantine.jsonl")


# Numbers


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1e-400", "-0", "-0.0", "0.10", "1E+2", "9" * 5000, "0." + "1" * 5000, str(2**64)]
)
def test_a7_f3_a_number_is_kept_as_it_is_spelled(tmp_path: Path, number: str) -> None:
    line = f'{{"text":" a ","n":{number},"m":[{number}]}}\n'.encode()
    report, out, _ = run_bytes(tmp_path, line, "in.jsonl", "trim")
    assert counts(report) == (1, 1, 0, 0)
    assert out == line.replace(b" a ", b"a")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "+1", ".5", "1.", "0x10", "1e", "--1", "01"])
def test_a7_what_is_no_number_in_json_is_told(tmp_path: Path, number: str) -> None:
    report, out, [told] = run_bytes(tmp_path, f'{{"text":"a","n":{number}}}\n{{"text":"b"}}\n'.encode(), "in.jsonl")
    assert (counts(report), out, told["kind"]) == ((2, 1, 0, 1), b'{"text":"b"}\n', "json")


# Depth


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    """An object that is nested so deep in all, itself included."""
    inside = opening * (depth - 1) + "1" + closing * (depth - 1)
    return f'{{"text":" a ","x":{inside}}}\n'.encode()


@pytest.mark.parametrize("depth", [2, 127, 128])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_a8_up_to_the_limit_nesting_goes_through(tmp_path: Path, depth: int, brackets: str) -> None:
    opening = '{"k":' if brackets == "{}" else "["
    line = nested(depth, opening, brackets[1])
    report, out, _ = run_bytes(tmp_path, line, "in.jsonl", "trim")
    assert (counts(report), out) == ((1, 1, 0, 0), line.replace(b" a ", b"a"))


@pytest.mark.parametrize("depth", [129, 130, 1024, 100_000, 4_000_000])
@pytest.mark.parametrize("closed", [True, False])
def test_a8_f3_beyond_the_limit_nesting_is_told(tmp_path: Path, depth: int, closed: bool) -> None:
    line = nested(depth)
    if not closed:
        line = line.partition(b"1")[0] + b"\n"
    report, out, [told] = run_bytes(tmp_path, line + b'{"text":"b"}\n', "in.jsonl")
    assert (counts(report), out, told["kind"]) == ((2, 1, 0, 1), b'{"text":"b"}\n', "json_depth")


@pytest.mark.parametrize("end", ["}", "", "]"])
def test_a8_f3_a_million_keys(tmp_path: Path, end: str) -> None:
    keys = ",".join(f'"{number:x}":{number}' for number in range(1_000_000))
    line = f'{{"text":"a",{keys}{end}\n'.encode()
    assert len(line) < 16 * MIB
    started = time.monotonic()
    report, out, told = run_bytes(tmp_path, line + b'{"text":"b"}\n', "in.jsonl")
    if end == "}":
        assert (counts(report), out) == ((2, 2, 0, 0), line + b'{"text":"b"}\n')
    else:
        assert (counts(report), [line["kind"] for line in told]) == ((2, 1, 0, 1), ["json"])
    assert time.monotonic() - started < PATIENCE / 4


# Memory


@needs_linux
@pytest.mark.timeout(PATIENCE + 30)
@pytest.mark.parametrize("how", ["plain", "gzip", "zstd"])
def test_a13_f3_a_line_as_large_as_a_disk_is_passed_over(program: Program, how: str) -> None:
    size = (10 << 30 if how == "plain" else 4 << 30) if REAL_SIZES else 256 * MIB
    source = program.folder / "in.txt"
    if how == "plain":
        with source.open("wb") as file:
            file.write(b"before\n")
            file.truncate(size)
            file.seek(size)
            file.write(b"\nafter\n")
        size -= len(b"before\n")
    elif how == "gzip":
        with gzip.open(source, "wb", compresslevel=1) as file:
            file.write(b"before\n")
            for _ in range(size // MIB):
                file.write(bytes(MIB))
            file.write(b"\nafter\n")
    else:
        blocks = [raw_blocks(b"before\n"), repeated(b"\0", size), raw_blocks(b"\nafter\n")]
        source.write_bytes(zstd_frame(*blocks))
    arguments = ["run", "-q", "-s", "trim-lines", "in.txt", "-o", "out.txt", "--memory-budget", f"{BUDGET}MiB"]
    code, peak = program.measured(*arguments, "--max-expansion", "none", "--workers", "2", patience=PATIENCE)
    assert code == 3
    assert (program.folder / "out.txt").read_bytes() == b"before\nafter\n"
    [line] = read_jsonl(program.folder / "out.quarantine.jsonl")
    assert (line["kind"], line["offset"], line["length"]) == ("record_too_large", 7, size)
    assert line["hash"].startswith("blake3:")
    assert peak <= BUDGET + BESIDE


HEAVY = {
    "escapes": ("in.jsonl", b'{"text":"' + b"\\n" * (8 * MIB - 20) + b'"}\n', []),
    "unicode escapes": ("in.jsonl", b'{"text":"' + b"\\u00e9" * (16 * MIB // 6 - 20) + b'"}\n', []),
    "every step": (
        "in.jsonl",
        b'{"text":"' + b"a \\t\\u0000b " * (16 * MIB // 12 - 2) + b'"}\n',
        ["normalize-unicode", "collapse-whitespace", "strip-control", "redact", "trim"],
    ),
    "line ends": ("in.txt", b"\n" * MIB, []),
    "lines of one byte": ("in.txt", b"a\n" * (MIB // 2), ["replace:pattern=a,replacement=" + "b" * 200]),
    "lines that are no json": ("in.jsonl", b"x\n" * (MIB // 4), []),
    "blank lines": ("in.jsonl", b"\n" * (MIB // 2), []),
    "growth": ("in.txt", b"aaaaaaaaaa\n" * 100, ["replace:pattern=a,replacement=" + "b" * 20_000]),
}


@needs_linux
@pytest.mark.timeout(PATIENCE + 30)
@pytest.mark.parametrize("what", HEAVY)
def test_f1_the_memory_budget_holds_whatever_the_records_are(program: Program, what: str) -> None:
    name, content, steps = HEAVY[what]
    times = (40 if REAL_SIZES else 5) if len(content) > 2000 else 10
    with (program.folder / name).open("wb") as file:
        for _ in range(times):
            file.write(content)
    output = ["-o", "out.jsonl", "--rejected", "rejected.jsonl", "--quarantine", "quarantine.jsonl"]
    budget = ["--memory-budget", f"{BUDGET}MiB", "--workers", "2"]
    listed = [argument for step in ["trim-lines", *steps] for argument in ("-s", step)]
    code, peak = program.measured("run", "-q", *listed, name, *output, *budget, patience=PATIENCE)
    assert code in {0, 3}
    assert peak <= BUDGET + BESIDE, what


@needs_linux
@pytest.mark.timeout(PATIENCE + 30)
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("what", ["one line", "many lines"])
def test_f1_a_bomb_is_cut_off(program: Program, kind: str, what: str) -> None:
    size = (32 << 30) if REAL_SIZES else 256 * MIB
    source = program.folder / "in.txt"
    line = bytes(MIB) if what == "one line" else (b"x" * 65_535 + b"\n") * 16
    if kind == "gzip":
        with gzip.open(source, "wb", compresslevel=9) as file:
            file.write(b"first\n")
            for _ in range(min(size, 4 << 30) // MIB):
                file.write(line)
    else:
        one = repeated(b"\0", MIB) if what == "one line" else (repeated(b"x", 65_535) + raw_blocks(b"\n")) * 16
        source.write_bytes(zstd_frame(raw_blocks(b"first\n"), one * (size // MIB)))
    assert source.stat().st_size * 900 < size
    write_jsonl(program.folder / "next.jsonl", [{"text": "next"}])
    arguments = ["run", "-q", "-s", "trim-lines", "in.txt", "next.jsonl", "-o", "out.jsonl", "--workers", "2"]
    code, peak = program.measured(*arguments, "--memory-budget", f"{BUDGET}MiB", patience=PATIENCE)
    assert code == 5
    assert peak <= BUDGET + BESIDE
    [segment] = [line for line in read_jsonl(program.folder / "out.quarantine.jsonl") if line["kind"] == "segment"]
    assert "more than 200 times" in segment["message"]
    assert "--max-expansion" in segment["hint"]
    with (program.folder / "out.jsonl").open("rb") as file:
        lines = file.readlines()
    assert [json.loads(line)["text"] for line in (lines[0], lines[-1])] == ["first", "next"]


def test_f1_the_limit_on_expansion_can_be_set(tmp_path: Path) -> None:
    count = 1100
    data = zstd_frame(*[repeated(b"x", 65_535) + raw_blocks(b"\n")] * count)
    report, _, [segment] = run_bytes(tmp_path, data, "in.txt")
    assert (report.exit_code, report.out >= 1000, segment["kind"]) == (5, True, "segment")
    assert segment["offset"] >= 64 * MIB
    report, out, _ = run_bytes(tmp_path, data, "in.txt", max_expansion=None)
    assert (report.exit_code, report.out, len(out)) == (0, count, count * 65_536)
    assert run_bytes(tmp_path, data, "in.txt", max_expansion=100_000)[0].exit_code == 0
    with pytest.raises(ValueError, match="max_expansion"):
        run_bytes(tmp_path, data, "in.txt", max_expansion=0)


def test_f1_a_file_that_shrinks_well_is_no_bomb(tmp_path: Path) -> None:
    data = b"the same line, again and again\n" * 100_000
    assert len(gzip.compress(data)) * 200 < len(data)
    report, out, _ = run_bytes(tmp_path, gzip.compress(data), "in.txt.gz")
    assert (report.exit_code, out == data) == (0, True)


@needs_linux
def test_f1_a_million_empty_members(program: Program) -> None:
    (program.folder / "in.txt").write_bytes(gzip.compress(b"", mtime=0) * 1_000_000 + gzip.compress(b"end\n"))
    code, peak = program.measured("run", "-q", "-s", "trim", "in.txt", "-o", "out.txt")
    assert (code, (program.folder / "out.txt").read_bytes()) == (0, b"end\n")
    assert peak <= BESIDE


def test_f1_what_was_compressed_twice_is_refused(tmp_path: Path) -> None:
    bomb = gzip.compress(gzip.compress(bytes(16 * MIB)))
    (tmp_path / "in.txt.gz.gz").write_bytes(bomb)
    report = Pipeline([]).run(tmp_path / "in.txt.gz.gz", tmp_path / "out.txt")
    assert (report.exit_code, report.out) == (5, 0)
    assert "compressed twice" in report.to_dict()["damage"][0]["message"]


@needs_linux
@pytest.mark.parametrize("window_log", [28, 31])
def test_f2_a_window_beyond_the_limit_is_refused_and_not_allocated(program: Program, window_log: int) -> None:
    (program.folder / "in.txt").write_bytes(zstd_frame(raw_blocks(b"one\n"), window_log=window_log))
    code, peak = program.measured("run", "-q", "-s", "trim", "in.txt", "-o", "out.txt")
    assert code == 5
    assert peak <= BESIDE
    [segment] = read_jsonl(program.folder / "out.quarantine.jsonl")
    assert "128 MiB" in segment["hint"]


def test_f2_a_window_up_to_half_of_the_budget_is_read(tmp_path: Path) -> None:
    frame = zstd_frame(raw_blocks(b"one\n"), window_log=27)
    assert run_bytes(tmp_path, frame, "in.txt")[:2][1] == b"one\n"
    report, out, [segment] = run_bytes(tmp_path, frame, "in.txt", memory_budget=BUDGET * MIB)
    assert (report.exit_code, out, segment["kind"]) == (5, b"", "segment")
    assert "64 MiB" in segment["hint"]


@pytest.mark.parametrize("budget", [-1, 0, 1, 127 * MIB, 1 << 41])
def test_d6_a_memory_budget_that_cannot_be(tmp_path: Path, budget: int) -> None:
    with pytest.raises(ConfigError, match="128 MiB"):
        run_bytes(tmp_path, b"one\n", "in.txt", memory_budget=budget)
    assert names(tmp_path) == ["in.txt"]


@pytest.mark.parametrize("size", ["", "0", "x", "12 parsecs", "-1", "1MiB", "99999999999TiB", "127MiB"])
def test_d6_the_command_says_how_a_budget_is_written(program: Program, size: str) -> None:
    (program.folder / "in.txt").write_bytes(b"one\n")
    done = program("run", "-s", "trim", "in.txt", f"--memory-budget={size}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"MiB" in done.stderr


# Compressed data that are damaged, or put together


def compressed_lines() -> tuple[list[bytes], bytes]:
    """Lines that shrink little, and what gzip makes of them."""
    lines = [b"%d %d\n" % (number, zlib.crc32(b"%d" % number)) for number in range(20_000)]
    return lines, gzip.compress(b"".join(lines), mtime=0)


def test_a14_gzip_that_is_cut_gives_what_comes_before(tmp_path: Path) -> None:
    lines, data = compressed_lines()
    whole = b"".join(lines)
    most = 0
    for point in range(100):
        cut = max(2, len(data) * point // 100)
        report, out, quarantine = run_bytes(tmp_path, data[:cut], "in.txt")
        assert report.exit_code == 5, cut
        assert len(report.to_dict()["damage"]) == 1
        assert [line["kind"] for line in quarantine] == ["segment"]
        # What could be decompressed of the last line is part of the segment.
        assert out == b"".join(lines[: report.out])
        assert quarantine[0]["offset"] == len(out)
        assert whole.startswith(out)
        assert len(out) >= most, "more data give more records"
        most = len(out)
    assert most > len(whole) * 0.9


@pytest.mark.parametrize("place", [-1, -4, -5, -8])
def test_a14_a_wrong_checksum_or_length_is_told(tmp_path: Path, place: int) -> None:
    lines, data = compressed_lines()
    flipped = bytearray(data)
    flipped[place] ^= 1
    report, out, [segment] = run_bytes(tmp_path, bytes(flipped), "in.txt")
    assert (report.exit_code, segment["kind"]) == (5, "segment")
    assert out == b"".join(lines[: report.out])


def test_a15_members_blocks_and_padding_are_read_as_one(tmp_path: Path) -> None:
    one, two = gzip.compress(b"one\ntw"), gzip.compress(b"o\nthree\n")
    for data in (
        one + two,
        one + gzip.compress(b"") + two,
        one + bytes(512) + two + bytes(3),
        bgzf(b"one\ntw", b"o\nth", b"ree\n"),
    ):
        report, out, _ = run_bytes(tmp_path, data, "in.txt")
        assert (report.exit_code, out) == (0, b"one\ntwo\nthree\n")


@pytest.mark.parametrize("garbage", [b"garbage", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x08garbage", b"\n", b"\0\0x"])
def test_a15_garbage_behind_the_data_is_one_segment(tmp_path: Path, garbage: bytes) -> None:
    report, out, [segment] = run_bytes(tmp_path, gzip.compress(b"one\ntwo\n") + garbage, "in.txt")
    assert (report.exit_code, out) == (5, b"one\ntwo\n")
    assert (segment["kind"], segment["offset"]) == ("segment", 8)


def test_a16_frames_that_are_read(tmp_path: Path) -> None:
    frame = zstd_frame(raw_blocks(b"one\ntw"))
    for data in (
        frame + zstd_frame(raw_blocks(b"o\n")),
        skippable_frame(b"note") + frame + skippable_frame(b"") + zstd_frame() + zstd_frame(raw_blocks(b"o\n")),
        frame + zstd_frame(raw_blocks(b"o\n"), window_log=10) + skippable_frame(bytes(1000)),
    ):
        report, out, _ = run_bytes(tmp_path, data, "in.txt.zst")
        assert (report.exit_code, out) == (0, b"one\ntwo\n")


def test_a16_frames_that_cannot_be_read(tmp_path: Path) -> None:
    Pipeline([]).run(write_jsonl(tmp_path / "a.jsonl", [{"text": "x" * 100}]), tmp_path / "a.jsonl.zst")
    with_checksum = bytearray((tmp_path / "a.jsonl.zst").read_bytes())
    with_checksum[-1] ^= 1
    frame = zstd_frame(raw_blocks(b"one\ntwo\n"))
    for data in (
        zstd_frame(raw_blocks(b"one\n"), dictionary=7),
        bytes(with_checksum),
        frame + b"garbage",
        frame[:-3],
        frame + skippable_frame(b"cut off")[:-1],
    ):
        report, out, [segment] = run_bytes(tmp_path, data, "in.txt.zst")
        assert (report.exit_code, segment["kind"]) == (5, "segment"), data
        assert b"one\ntwo\n".startswith(out)


# Texts that take much time or space


def unfriendly(what: str, size: int) -> str:
    """A text that a careless algorithm takes for ever over."""
    match what:
        case "expansion":
            return "\ufdfa" * (size // 3)
        case "combining marks":
            return "a" + "\u0301\u0323" * (size // 4)
        case "joined":
            return "\U0001f469\u200d" * (size // 7)
        case "flags":
            return "\U0001f1e9" * (size // 4)
        case _:
            return "\u1100\u1161\u11a8" * (size // 9)


@pytest.mark.parametrize("what", ["expansion", "combining marks", "joined", "flags", "jamo"])
def test_f12_texts_that_grow_or_hang_together(tmp_path: Path, what: str) -> None:
    steps: list[Any] = [("normalize-unicode", {"form": form}) for form in ("nfc", "nfkc")]
    steps += [("length", {"maximum": 1 << 30}), "collapse-whitespace", "strip-control", "trim-lines", "redact"]
    text = unfriendly(what, 4 * MIB)
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "before"}, {"text": text}, {"text": "after"}])
    for step in steps:
        started = time.monotonic()
        report = Pipeline([step]).run(source, tmp_path / "out.jsonl", overwrite=True, workers=2)
        assert time.monotonic() - started < PATIENCE / 4, step
        assert report.read == 3
        told = read_jsonl(tmp_path / "out.quarantine.jsonl")
        # A text that would become larger than a record may be is told, and costs nobody else.
        assert {line["kind"] for line in told} <= {"output_too_large"}
        kept = [record["text"] for record in read_jsonl(tmp_path / "out.jsonl")]
        assert (kept[0], kept[-1]) == ("before", "after")


# Failures without end


def test_f13_errors_are_cut_and_the_quarantine_is_bounded(tmp_path: Path) -> None:
    def fail(text: str) -> str:
        raise ValueError("x" * 1_000_000)

    source = tmp_path / "in.txt"
    source.write_bytes(b"text\n" * 500)
    report = Pipeline([fail]).run(source, tmp_path / "out.txt")
    assert counts(report) == (500, 0, 0, 500)
    quarantine = tmp_path / "out.quarantine.jsonl"
    assert quarantine.stat().st_size < 500 * 10_000
    quarantine.unlink()
    (tmp_path / "out.txt").unlink()
    for limits in ({"quarantine_bytes": 1 << 20}, {"quarantine_limit": 499}, {"quarantine_limit": 0}):
        with pytest.raises(QuarantineLimitExceeded, match="quarantine") as caught:
            Pipeline([fail]).run(source, tmp_path / "out.txt", **limits)
        assert caught.value.__notes__
        assert names(tmp_path) == ["in.txt"]
    assert Pipeline([fail]).run(source, tmp_path / "out.txt", quarantine_limit=500).quarantined == 500


@pytest.mark.parametrize("limit", [["--quarantine-limit", "9"], ["--quarantine-bytes", "1KiB"]])
def test_f13_the_command_ends_with_4(program: Program, limit: list[str]) -> None:
    (program.folder / "in.jsonl").write_bytes(b"no json\n" * 10)
    done = program("run", "-s", "trim", "in.jsonl", "-o", "out.jsonl", *limit)
    assert done.returncode == 4
    assert b"not committed is gone" in done.stderr
    assert names(program.folder) == ["in.jsonl"]
    assert program("run", "-s", "trim", "in.jsonl", "-o", "out.jsonl", "--quarantine-limit", "10").returncode == 3
