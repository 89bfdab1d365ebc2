"""D1, D2, D4 to D6, D8: mistakes of configuration are told before anything is read, with the place and the way out.

D3 is about YAML, and pipeline files are TOML. D7 is about placeholders for variables, which do not exist.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import names
from support.program import Program

from text_processor import ConfigError, Pipeline, PluginError, PluginNotFoundError, TextProcessorError


def complaint(folder: Path, text: str) -> TextProcessorError:
    """What is wrong with a pipeline file."""
    file = folder / "pipeline.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TextProcessorError) as caught:
        Pipeline.from_file(file)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('[pipeline]\non_error = "raise"\n', 2, 1, ["`on_error`", "Did you mean `on-error`?"]),
        ('[pipelin]\ntext = "a"\n', 1, 2, ["`pipelin`", "Did you mean `pipeline`?"]),
        ('[pipeline]\non-error = "rise"\n', 2, 12, ["`rise`", "Did you mean `raise`?"]),
        ("[pipeline]\ntext = 5\n", 2, 8, ["`text`", "an integer"]),
        ('[pipeline]\norder = "random"\n', 2, 9, ["`random`", "`auto`"]),
        ("[[step]]\nwith = {}\n", 1, 1, ["`use`"]),
        ("[[step]]\nuse = 5\n", 2, 7, ["`use`", "an integer"]),
        ('[[step]]\nuse = "trim"\nwith = 5\n', 3, 8, ["`with`", "an integer"]),
        ('[[step]]\nuse = "trim"\nminimum = 5\n', 3, 1, ["`minimum`", "`with`"]),
        ('[[step]]\nuse = "length"\nwith = { minimun = 5 }\n', 3, 10, ["`minimun`", "Did you mean `minimum`?"]),
        ('[[step]]\nuse = "length"\nwith = { minimum = "many" }\n', 3, 10, ["`minimum`", "integer", "`many`"]),
        ('[[step]]\nuse = "length"\nwith = { minimum = -1 }\n', 3, 10, ["`minimum`", "-1"]),
        ('[[step]]\nuse = "length"\nwith = { minimum = 1.5 }\n', 3, 10, ["`minimum`", "1.5"]),
        ('[[step]]\nuse = "length"\nwith = { minimum = 5, maximum = 1 }\n', 3, 23, ["`maximum`", "5"]),
        ('[[step]]\nuse = "length"\nwith = { minimum = 1, unit = "word" }\n', 3, 23, ["`word`", "`words`"]),
        ('[[step]]\nuse = "length"\n', None, None, ["`minimum`"]),
        ("[pipeline\n", 1, 10, ["not valid TOML"]),
        ('[[step]]\nuse = "trim\n', 2, 12, ["not valid TOML"]),
        ('[pipeline]\ntext = "a"\ntext = "b"\n', 3, 1, ["duplicate key"]),
    ],
)
def test_d1_a_mistake_in_a_file_is_told_with_its_place(
    tmp_path: Path, text: str, line: int | None, column: int | None, words: list[str]
) -> None:
    error = complaint(tmp_path, text)
    assert isinstance(error, ConfigError)
    told = "\n".join([str(error), *getattr(error, "__notes__", [])])
    for word in words:
        assert word in told
    if line is not None:
        assert (error.file, error.line, error.column) == (str(tmp_path / "pipeline.toml"), line, column)
        assert str(error).startswith(f"{tmp_path / 'pipeline.toml'}:{line}:{column}: ")
        assert error.snippet is not None
        assert text.splitlines()[line - 1] in error.snippet
        assert "^" in error.snippet
    assert "\x1b" not in told


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
BUILT_INS = ["trim-lines", "trim", "validate", "normalize-unicode", "collapse-whitespace", "strip-control"]
BUILT_INS += ["length", "replace", "redact"]


@given(
    step=st.sampled_from(BUILT_INS), key=st.sampled_from(["minimum", "unit", "pattern", "form", "x"]), value=JSON_VALUES
)
def test_d1_whatever_the_configuration_a_step_is_made_or_refused(step: str, key: str, value: Any) -> None:
    try:
        pipeline = Pipeline([(step, {key: value})])
    except ConfigError as error:
        assert step in str(error)  # noqa: PT017
    else:
        assert pipeline.steps == (step,)


@given(
    data=st.binary(max_size=60) | st.text(alphabet='[]{}"=#\n step use with pipeline.trim', max_size=80).map(str.encode)
)
def test_d1_whatever_the_file_it_is_a_pipeline_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "generated.toml"
    file.write_bytes(data)
    try:
        Pipeline.from_file(file)
    except (ConfigError, PluginError) as error:
        assert str(error)  # noqa: PT017


def test_d1_a_file_that_is_not_there_or_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pipeline file"):
        Pipeline.from_file(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b'[pipeline]\ntext = "gr\xfc"\n')
    with pytest.raises(ConfigError, match="not UTF-8"):
        Pipeline.from_file(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        Pipeline.from_file(tmp_path)


def test_d1_the_command_shows_the_line(program: Program) -> None:
    (program.folder / "pipeline.toml").write_bytes(b'[[step]]\nuse = "length"\nwith = { minimun = 5 }\n')
    done = program("run", "-p", "pipeline.toml", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"pipeline.toml:3:10: " in done.stderr
    assert b"^" in done.stderr
    assert b"`minimum`" in done.stderr
    done = program("run", "-s", "length:minimun=5", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"length:minimun=5" in done.stderr


def test_d2_an_unknown_step_is_told_with_the_nearest(tmp_path: Path, program: Program) -> None:
    error = complaint(tmp_path, '[[step]]\nuse = "trim"\n\n[[step]]\nuse = "colapse-whitespace"\n')
    assert isinstance(error, PluginNotFoundError)
    assert f"{tmp_path / 'pipeline.toml'}:5:7: " in str(error)
    assert "`collapse-whitespace`" in str(error)
    assert error.__notes__
    done = program("run", "-s", "colapse-whitespace", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"pip install" not in done.stderr, "a package of that name may be anybody's"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", ["unclosed group"]),
        ("[z-a]", ["[z-a]"]),
        ("*a", ["*a"]),
        (r"(?=look)", ["look-around"]),
        (r"(?<!behind)x", ["look-around"]),
        (r"(a)\1", ["backreference"]),
        (r"\p{NoSuchScript}", ["NoSuchScript"]),
        (r"(\w{100}){100}", ["1048576 bytes"]),
        ("a{5}{50}{50}{50}", ["1048576 bytes"]),
    ],
)
def test_d4_f6_a_pattern_that_cannot_be_used(pattern: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Pipeline([("replace", {"pattern": pattern, "replacement": ""})])
    told = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])]).lower()
    assert "replace" in told
    for word in words:
        assert word.lower() in told


@pytest.mark.parametrize("other", ["in.txt", "./in.txt", "link.txt", "hard.txt"])
def test_d5_an_output_must_not_be_an_input(tmp_path: Path, other: str) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b" one\n")
    (tmp_path / "link.txt").symlink_to(source)
    (tmp_path / "hard.txt").hardlink_to(source)
    for keyword in ({}, {"rejected": tmp_path / other}, {"quarantine": tmp_path / other}):
        output = tmp_path / "out.txt" if keyword else tmp_path / other
        with pytest.raises(ConfigError, match="also an input"):
            Pipeline(["trim"]).run(source, output, overwrite=True, **keyword)
    assert source.read_bytes() == b" one\n"


@pytest.mark.parametrize(
    ("rejected", "quarantine"), [("out.txt", None), (None, "out.txt"), ("same.jsonl", "same.jsonl"), ("./x", "x")]
)
def test_d5_outputs_must_not_be_each_other(tmp_path: Path, rejected: str | None, quarantine: str | None) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"one\n")
    given = {"rejected": rejected, "quarantine": quarantine}
    paths = {key: f"{tmp_path}/{name}" for key, name in given.items() if name}
    with pytest.raises(ConfigError, match="same file"):
        Pipeline(["trim"]).run(source, tmp_path / "out.txt", overwrite=True, **paths)
    assert names(tmp_path) == ["in.txt"]


def test_d5_the_quarantine_beside_an_output_must_not_be_an_input(tmp_path: Path) -> None:
    source = tmp_path / "out.quarantine.jsonl"
    source.write_bytes(b'{"text":"one"}\n')
    with pytest.raises(ConfigError, match="also an input"):
        Pipeline(["trim"]).run(source, tmp_path / "out.jsonl")


@pytest.mark.parametrize("workers", ["0", "-1", "1000000", "two", "1.5", ""])
def test_d6_a_number_of_workers_that_cannot_be(program: Program, workers: str) -> None:
    done = program("run", "-s", "trim", "--workers", workers, stdin=b"text\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"auto" in done.stderr
    assert b"1024" in done.stderr


@pytest.mark.parametrize("workers", [0, -1, 1_000_000])
def test_d6_the_library_refuses_it_too(tmp_path: Path, workers: int) -> None:
    (tmp_path / "in.txt").write_bytes(b"one\n")
    with pytest.raises(ConfigError, match="workers"):
        Pipeline([]).run(tmp_path / "in.txt", tmp_path / "out.txt", workers=workers)


@pytest.mark.parametrize("timeout", [0, -1, "soon"])
def test_d6_a_timeout_that_cannot_be(timeout: object) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        Pipeline([("replace", {"pattern": "a", "replacement": "b", "timeout": timeout})])


@pytest.mark.parametrize("existing", ["out.txt", "rejected.jsonl", "kept.jsonl", "report.json"])
def test_d8_files_that_exist_are_kept_unless_said_otherwise(program: Program, existing: str) -> None:
    (program.folder / "in.txt").write_bytes(b"one\n")
    (program.folder / existing).write_bytes(b"old\n")
    files = ["-o", "out.txt", "--rejected", "rejected.jsonl", "--quarantine", "kept.jsonl", "--report", "report.json"]
    done = program("run", "-s", "trim", "in.txt", *files)
    assert done.returncode == 2, done.stderr
    assert existing.encode() in done.stderr
    assert b"--overwrite" in done.stderr
    assert names(program.folder) == sorted(["in.txt", existing])
    assert (program.folder / existing).read_bytes() == b"old\n"
    done = program("run", "-s", "trim", "in.txt", *files, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert (program.folder / "out.txt").read_bytes() == b"one\n"
    assert json.loads((program.folder / "report.json").read_bytes())["counts"]["read"] == 1
