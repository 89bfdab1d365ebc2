"""A1 to A6, A9 to A12, A17, A22 to A24: bad input costs exactly the records that are bad."""

import base64
import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from support.files import counts, names, read_jsonl, write_jsonl
from support.program import Program

from text_processor import ConfigError, InputError, Pipeline, Report


def run_bytes(folder: Path, data: bytes, name: str = "in.jsonl", *steps: Any) -> tuple[Report, bytes, list[Any]]:
    """Runs a pipeline over a file.

    Returns:
        The report, what went out, and the lines of the quarantine file.
    """
    source = folder / name
    source.write_bytes(data)
    output = folder / f"out{source.suffix if source.suffix in {'.txt', '.jsonl'} else '.txt'}"
    report = Pipeline(list(steps)).run(source, output)
    return report, output.read_bytes(), read_jsonl(folder / "out.quarantine.jsonl")


def bytes_of(line: Any) -> bytes:
    """The original bytes that a line of the quarantine file keeps."""
    return base64.b64decode(line["bytes_base64"], validate=True)


def test_a1_broken_json_lines_cost_only_themselves(tmp_path: Path) -> None:
    lines = [b'{"text":"%d"}' % number for number in range(1000)]
    broken = [
        b'{"text":"unclosed}',
        b'{"text":"a"',
        b'{"text":"a",}',
        b'{"text":"a"}}',
        b'{text:"a"}',
        b"{'text':'a'}",
        b'{"text":"tab\tinside"}',
        b'{"text":"\\x41"}',
        b'{"text":"a","n":01}',
        b"not json at all",
    ]
    for index, line in enumerate(broken):
        lines[index * 97 + 3] = line
    report, out, quarantine = run_bytes(tmp_path, b"\n".join(lines) + b"\n")
    assert counts(report) == (1000, 990, 0, 10)
    assert report.exit_code == 3
    assert out.splitlines() == [line for line in lines if line not in broken]
    assert [(line["kind"], line["ordinal"]) for line in quarantine] == [("json", index * 97 + 3) for index in range(10)]
    assert [bytes_of(line).rstrip(b"\n") for line in quarantine] == broken
    assert all("expected" in line["message"].lower() for line in quarantine)


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_a2_one_byte_that_is_not_utf8_costs_one_record(tmp_path: Path, name: str, bad: bytes) -> None:
    pattern = b'{"text":"%d \xe2\x82\xac"}' if name == "in.jsonl" else b"%d \xe2\x82\xac"
    lines = [pattern % number for number in range(100_000)]
    lines[70_001] = lines[70_001].replace(b" ", bad)
    data = b"\n".join(lines) + b"\n"
    report, out, [line] = run_bytes(tmp_path, data, name)
    assert counts(report) == (100_000, 99_999, 0, 1)
    assert out == b"\n".join(lines[:70_001] + lines[70_002:]) + b"\n"
    assert (line["kind"], line["ordinal"]) == ("utf8", 70_001)
    assert line["offset"] == len(b"\n".join(lines[:70_001])) + 1
    assert bytes_of(line).rstrip(b"\n") == lines[70_001]
    assert str(lines[70_001].index(bad)) in line["message"], "where in the record the first bad byte stands"


@pytest.mark.parametrize("value", ["[1]", "5", "null", "true", '"text"', "[]"])
def test_a3_a_json_value_that_is_no_object(tmp_path: Path, value: str) -> None:
    data = f'{{"text":"a"}}\n{value}\n{{"text":"b"}}\n'.encode()
    report, out, [line] = run_bytes(tmp_path, data)
    assert counts(report) == (3, 2, 0, 1)
    assert out == b'{"text":"a"}\n{"text":"b"}\n'
    assert (line["kind"], line["record"]) == ("not_object", json.loads(value))


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({}, "missing_field"),
        ({"Text": "a"}, "missing_field"),
        ({"nested": {"text": "a"}}, "missing_field"),
        ({"text": None}, "field_type"),
        ({"text": 5}, "field_type"),
        ({"text": ["a"]}, "field_type"),
        ({"text": {"text": "a"}}, "field_type"),
        ({"text": True}, "field_type"),
    ],
)
def test_a4_a_text_that_is_not_there_or_no_text(tmp_path: Path, record: dict[str, Any], kind: str) -> None:
    report, _, [line] = run_bytes(tmp_path, json.dumps({"id": 1, **record}).encode() + b'\n{"text":"b"}\n')
    assert counts(report) == (2, 1, 0, 1)
    assert (line["kind"], line["record"], line["id"]) == (kind, {"id": 1, **record}, 1)
    assert "`text`" in line["message"]


def test_a4_an_empty_text_is_a_text(tmp_path: Path) -> None:
    report, out, _ = run_bytes(tmp_path, b'{"text":""}\n', "in.jsonl", "trim", str.upper)
    assert counts(report) == (1, 1, 0, 0)
    assert out == b'{"text":""}\n'


@pytest.mark.parametrize(
    "line",
    [
        b'{"text":"a","text":"b"}',
        b'{"text":"a","\\u0074ext":"b"}',
        b'{"text":"a","id":1,"id":2}',
        b'{"text":"a","other":1,"x":{},"oth\\u0065r":1}',
    ],
)
def test_a5_duplicate_keys(tmp_path: Path, line: bytes) -> None:
    report, _, [told] = run_bytes(tmp_path, line + b'\n{"text":"b"}\n')
    assert counts(report) == (2, 1, 0, 1)
    assert told["kind"] == "duplicate_key"
    assert bytes_of(told).rstrip(b"\n") == line


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\udc00\\ud800", "\\ud800x", "\\ud800\\ud800\\udc00"])
def test_a6_lone_surrogates(tmp_path: Path, escape: str) -> None:
    line = f'{{"text":"a{escape}"}}'.encode()
    report, out, [told] = run_bytes(
        tmp_path, line + b'\n{"text":"\\ud83d\\ude00"}\n', "in.jsonl", lambda text: text + "!"
    )
    assert counts(report) == (2, 1, 0, 1)
    assert json.loads(out)["text"] == "\U0001f600!"
    assert told["kind"] == "surrogate"
    assert bytes_of(told).rstrip(b"\n") == line


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
def test_a9_a_byte_order_mark_is_dropped_once(tmp_path: Path, name: str) -> None:
    line = b'{"text":"a"}\n' if name == "in.jsonl" else b"a\n"
    report, out, _ = run_bytes(tmp_path, b"\xef\xbb\xbf" + line, name)
    assert counts(report) == (1, 1, 0, 0)
    assert out == line
    if name == "in.txt":
        again = "\ufeff\ufeffa\n".encode()
        (tmp_path / "again").mkdir()
        assert run_bytes(tmp_path / "again", again, name)[1] == "\ufeffa\n".encode(), "the second is a character"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
def test_a9_other_encodings_are_named(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(('\ufeff{"text":"a"}\n').encode(encoding))
    write_jsonl(tmp_path / "good.jsonl", [{"text": "b"}])
    report = Pipeline([]).run([tmp_path / name, tmp_path / "good.jsonl"], tmp_path / "out.jsonl")
    assert report.exit_code == 5
    [damage] = report.to_dict()["damage"]
    assert encoding.upper().replace("-LE", "LE").replace("-BE", "BE") in damage["message"]
    assert damage["input"] == str(tmp_path / name)
    assert report.out == 1, "the other input is processed"


def test_a9_latin_1_is_a_record_that_is_not_utf8(tmp_path: Path) -> None:
    report, out, [line] = run_bytes(tmp_path, "schön\ngut\n".encode("latin-1"), "in.txt")
    assert (counts(report), out, line["kind"]) == ((2, 1, 0, 1), b"gut\n", "utf8")


@pytest.mark.parametrize("mark", ["\r", "\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_a10_only_line_feeds_end_lines(tmp_path: Path, mark: str) -> None:
    seen = []

    def see(text: str) -> str:
        seen.append(text)
        return text

    data = f"a{mark}b\r\nc\n{mark}d\n".encode()
    report, out, _ = run_bytes(tmp_path, data, "in.txt", see)
    assert seen == [f"a{mark}b", "c", f"{mark}d"]
    assert (counts(report), out) == ((3, 3, 0, 0), data)


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
def test_a11_strange_characters_go_through_unchanged(tmp_path: Path, name: str) -> None:
    strange = ["\ufffe", "\uffff", "\U0001ffff", "\ufdd0", "\u200b", "\u202e", "\x7f", "a\u0300" * 50, "\U0010ffff"]
    lines = strange if name == "in.jsonl" else [*strange, "\0", "a\0b\0", "\x01\x1b[0m"]
    data = "".join(
        json.dumps({"text": line}, ensure_ascii=False) + "\n" if name == "in.jsonl" else f"{line}\n" for line in lines
    )
    seen = []

    def see(text: str) -> str:
        seen.append(text)
        return "".join(text)

    report, out, _ = run_bytes(tmp_path, data.encode(), name, see)
    assert seen == lines
    assert (counts(report), out) == ((len(lines), len(lines), 0, 0), data.encode())


def test_a11_an_escaped_nul_is_a_character(tmp_path: Path) -> None:
    report, out, _ = run_bytes(tmp_path, b'{"text":"a\\u0000b"}\n', "in.jsonl", lambda text: text + "\0")
    assert (counts(report), json.loads(out)["text"]) == ((1, 1, 0, 0), "a\0b\0")


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl", "in.txt.gz", "in.jsonl.zst"])
def test_a12_an_empty_file_has_no_records(tmp_path: Path, name: str) -> None:
    report, out, _ = run_bytes(tmp_path, b"", name)
    assert (counts(report), out, report.exit_code) == ((0, 0, 0, 0), b"", 0)


def test_a12_an_empty_gzip_member_has_no_records(tmp_path: Path) -> None:
    report, out, _ = run_bytes(tmp_path, gzip.compress(b""), "in.jsonl.gz")
    assert (counts(report), out, report.exit_code) == ((0, 0, 0, 0), b"", 0)


def test_a12_blank_lines_of_jsonl_are_rejected_and_those_of_text_are_empty_texts(tmp_path: Path) -> None:
    report, out, _ = run_bytes(tmp_path, b"\n  \n\t\r\n\n", "in.jsonl")
    assert (counts(report), out, report.exit_code) == ((4, 0, 4, 0), b"", 0)
    assert report.to_dict()["rejected_by_reader"] == {"blank_line": 4}
    report, out, _ = run_bytes(tmp_path, b"\n\n\n", "in.txt")
    assert (counts(report), out, report.exit_code) == ((3, 3, 0, 0), b"\n\n\n", 0)


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
def test_a12_a_last_line_without_an_end_is_a_record(tmp_path: Path, name: str) -> None:
    line = b'{"text":"a"}' if name == "in.jsonl" else b"a"
    report, out, _ = run_bytes(tmp_path, line + b"\n" + line, name)
    assert (counts(report), out) == ((2, 2, 0, 0), line + b"\n" + line)


def test_a17_plain_text_called_gz_is_plain_text(tmp_path: Path) -> None:
    report, out, _ = run_bytes(tmp_path, b"one\ntwo\n", "in.txt.gz")
    assert (counts(report), out) == ((2, 2, 0, 0), b"one\ntwo\n")


def test_a17_gzip_called_txt_is_gzip(tmp_path: Path) -> None:
    report, out, _ = run_bytes(tmp_path, gzip.compress(b"one\n"), "in.txt")
    assert (counts(report), out) == ((1, 1, 0, 0), b"one\n")


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("in.jsonl", b"PAR1\x15\x04\x15" + b"\0" * 100 + b"PAR1", "Parquet"),
        ("in.txt", b"PK\x03\x04" + b"\0" * 100, "ZIP"),
        ("in.jsonl", b"<!DOCTYPE html><html><body>404</body></html>\n", "HTML"),
        ("in.parquet", b"<!DOCTYPE html><html><body>404</body></html>\n", "HTML"),
        ("in.txt.gz", gzip.compress(gzip.compress(b"one\n")), "gzip"),
    ],
)
def test_a17_a_name_that_lies_is_refused_and_not_read_as_garbage(
    tmp_path: Path, name: str, data: bytes, found: str
) -> None:
    (tmp_path / name).write_bytes(data)
    try:
        report = Pipeline([]).run(tmp_path / name, tmp_path / "out.txt")
    except InputError as error:
        message = str(error)
    else:
        assert report.exit_code == 5
        assert report.out == 0
        [damage] = report.to_dict()["damage"]
        message = damage["message"]
    assert found.lower() in message.lower()
    assert name in message


def test_a22_a_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="directory") as caught:
        Pipeline([]).run(tmp_path, tmp_path / "out.txt")
    assert "*.jsonl" in caught.value.__notes__[0]


def test_a22_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"one\n" * 50_000,))
    writer.start()
    report = Pipeline(["trim"]).run(pipe, tmp_path / "out.txt")
    writer.join()
    assert counts(report) == (50_000, 50_000, 0, 0)
    assert report.exit_code == 0


def test_a22_what_cannot_be_opened_is_told_and_the_rest_is_processed(tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_bytes(b"one\n")
    dangling, missing = tmp_path / "dangling.txt", tmp_path / "missing.txt"
    dangling.symlink_to("nowhere.txt")
    report = Pipeline([]).run([dangling, good, missing], tmp_path / "out.txt")
    assert counts(report) == (1, 1, 0, 0)
    assert report.exit_code == 5
    damage = report.to_dict()["damage"]
    assert [each["input"] for each in damage] == [str(dangling), str(missing)]
    assert all(each["offset"] is None and each["message"] for each in damage)


def test_a22_a_file_that_nobody_may_read(tmp_path: Path) -> None:
    secret, good = tmp_path / "secret.txt", tmp_path / "good.txt"
    secret.write_bytes(b"secret\n")
    good.write_bytes(b"one\n")
    secret.chmod(0)
    program = Program(tmp_path)
    # Whoever is root may read everything, unless that is taken away.
    prefix = "setpriv --bounding-set=-dac_override,-dac_read_search " if os.geteuid() == 0 else ""
    done = program.shell(f"{prefix}$tp run -s trim secret.txt good.txt -o out.txt")
    assert done.returncode == 5, done.stderr
    assert b"secret.txt" in done.stderr
    assert b"Permission denied" in done.stderr
    assert (tmp_path / "out.txt").read_bytes() == b"one\n"


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe.txt", b"two\nlines.txt", b"-q.txt", b"x" * 251 + b".txt", b"\x1b[31mred.txt", "ü *?[.txt".encode()],
)
def test_a23_any_name_of_a_file_works(program: Program, name: bytes) -> None:
    (program.folder / os.fsdecode(name)).write_bytes(b" one\nx\n")
    done = program("run", "-s", "length:minimum=2", "-o", "out.jsonl", "--rejected", "rejected.jsonl", "--", name)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stderr
    [record] = read_jsonl(program.folder / "out.jsonl")
    [rejected] = read_jsonl(program.folder / "rejected.jsonl")
    assert record["text"] == " one"
    assert record["id"].rpartition(":")[0] == rejected["input"]
    assert "\n" not in rejected["input"]


def test_a23_any_name_of_an_output_works(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"one\n")
    output = tmp_path / os.fsdecode(b"\xff\nout.txt")
    Pipeline([]).run(source, output)
    assert output.read_bytes() == b"one\n"


@pytest.mark.parametrize("how", ["path", "dots", "symlink", "hard link", "pattern"])
def test_a24_one_file_given_twice_is_refused(tmp_path: Path, how: str) -> None:
    source, other = tmp_path / "in.txt", tmp_path / "other.txt"
    source.write_bytes(b"one\n")
    match how:
        case "path":
            other = source
        case "dots":
            other = tmp_path / ".." / tmp_path.name / "in.txt"
        case "symlink":
            other.symlink_to(source)
        case "hard link":
            other.hardlink_to(source)
        case "pattern":
            other = tmp_path / "in.*"
    with pytest.raises(ConfigError, match=r"given twice|same file") as caught:
        Pipeline([]).run([source, other], tmp_path / "out.txt")
    assert caught.value.__notes__
    assert not (tmp_path / "out.txt").exists()
    report = Pipeline([]).run([source, other], tmp_path / "out.txt", allow_repeat=True)
    assert counts(report) == (2, 2, 0, 0)


def test_a24_the_command_ends_with_2(program: Program) -> None:
    (program.folder / "in.txt").write_bytes(b"one\n")
    done = program("run", "-s", "trim", "in.txt", "./in.txt")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--allow-repeat" in done.stderr
    assert names(program.folder) == ["in.txt"]
    assert program("run", "-s", "trim", "--allow-repeat", "in.txt", "./in.txt").stdout == b"one\none\n"


def test_bad_input_has_the_same_fates_for_any_number_of_workers(tmp_path: Path) -> None:
    parts = [b'{"text":"good %d"}', b"[%d]", b'{"text":"\xff%d"}', b"", b'{"text":"","n":%d}', b"{%d"]
    data = b"\n".join(parts[n % len(parts)] % n if b"%d" in parts[n % len(parts)] else b"" for n in range(20_000))
    (tmp_path / "in.jsonl").write_bytes(data)
    seen = []
    for workers in (1, 4):
        folder = tmp_path / str(workers)
        folder.mkdir()
        paths = {"rejected": folder / "rejected.jsonl", "quarantine": folder / "quarantine.jsonl"}
        report = Pipeline(["validate"]).run(tmp_path / "in.jsonl", folder / "out.jsonl", workers=workers, **paths)
        seen.append([counts(report), *[(folder / name).read_bytes() for name in names(folder)]])
    assert seen[0] == seen[1]
    assert len(seen[0]) == 4
