"""The command `text-processor`, as a process of its own."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.files import names, read_jsonl, write_jsonl
from support.program import PATIENCE, Program
from support.site import Site

import text_processor

SHOUT = '''
from dataclasses import dataclass
from text_processor import plugin

@plugin(stage="emit", after=["trim-lines"])
@dataclass
class Shout:
    """Shouts."""
    mark: str = "!"

    def __call__(self, text: str) -> str:
        return text.upper() + self.mark
'''


@pytest.fixture
def acme(tmp_path: Path, site: Site) -> Program:
    """The command, where a plugin is installed."""
    site.install("acme-shout", {"shout": "acme_shout:Shout"}, modules={"acme_shout": SHOUT}, version="1.2")
    return Program(tmp_path / "work", [site.path])


def answer(done: subprocess.CompletedProcess[bytes]) -> Any:
    """The JSON on standard output of a command that went well."""
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_it_is_a_filter_by_default(program: Program) -> None:
    done = program("run", "-s", "trim-lines", stdin=b"  one\n two \n")
    assert (done.returncode, done.stdout) == (0, b"one\ntwo\n")
    # Data on standard output, and everything else on standard error.
    assert b"2" in done.stderr
    assert names(program.folder) == []


def test_quiet_is_quiet(program: Program) -> None:
    done = program("run", "-q", "-s", "trim", "-", stdin=b" one")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"one", b"")


def test_files_in_files_out(program: Program) -> None:
    (program.folder / "a.txt").write_bytes(b" one\n")
    (program.folder / "b.txt").write_bytes(b" two\n")
    done = program("run", "-s", "trim", "*.txt", "-o", "out.txt.gz")
    assert (done.returncode, done.stdout) == (0, b"")
    assert gzip.decompress((program.folder / "out.txt.gz").read_bytes()) == b"one\ntwo\n"
    assert b"out.txt.gz" in done.stderr


def test_steps_take_their_configuration_after_a_colon(acme: Program) -> None:
    done = acme("run", "-q", "-s", "length:minimum=2,unit=words", "-s", 'shout:mark="?,"', stdin=b"one\none two\n")
    assert (done.returncode, done.stdout) == (0, b"ONE TWO?,\n")


def test_a_pipeline_file(acme: Program) -> None:
    (acme.folder / "pipeline.toml").write_bytes(
        b'[pipeline]\ntext = "body"\n[[step]]\nuse = "trim"\n'
        b'[[step]]\nuse = "acme-shout/shout"\nwith = { mark = "#" }\n'
    )
    write_jsonl(acme.folder / "in.jsonl", [{"body": " a "}])
    done = acme("run", "-q", "-p", "pipeline.toml", "in.jsonl", "-o", "-")
    assert (done.returncode, done.stdout) == (0, b'{"body": "A#"}\n')
    done = acme("run", "-q", "-p", "pipeline.toml", "--text", "text", "--format", "jsonl", stdin=b'{"text":" b "}\n')
    assert (done.returncode, done.stdout) == (0, b'{"text":"B#"}\n')


def test_discover_uses_every_installed_plugin(acme: Program) -> None:
    done = acme("run", "-q", "--discover", stdin=b"text\n")
    assert done.returncode == 0
    assert b"TEXT!" in done.stdout


def test_the_closing_table_tells_what_happened(program: Program) -> None:
    texts = ["one", "", "x" * 100, "\ufffd"]
    write_jsonl(program.folder / "in.jsonl", [{"text": text} for text in texts])
    with (program.folder / "in.jsonl").open("ab") as file:
        file.write(b"[]\n")
    steps = ["-s", "validate:longer-than=50"]
    done = program(
        "run", *steps, "in.jsonl", "-o", "out.jsonl", "--rejected", "rejected.jsonl", "--report", "report.json"
    )
    assert done.returncode == 3, done.stderr
    told = done.stderr.decode()
    for word in ("empty", "too_long", "not_object", "out.quarantine.jsonl", "rejected.jsonl", "validate"):
        assert word in told
    report = json.loads((program.folder / "report.json").read_bytes())
    assert report["counts"] == {"read": 5, "out": 1, "rejected": 3, "quarantined": 1}
    assert sum(report["steps"][0]["rejected"].values()) == 3
    assert len(read_jsonl(program.folder / "rejected.jsonl")) == 3


def test_the_report_as_json_goes_where_the_data_does_not(program: Program) -> None:
    (program.folder / "in.txt").write_bytes(b"one\n")
    report = answer(program("run", "--json", "-s", "trim", "in.txt", "-o", "out.txt"))
    assert report["counts"] == {"read": 1, "out": 1, "rejected": 0, "quarantined": 0}
    done = program("run", "--json", "-s", "trim", "in.txt")
    assert (done.returncode, done.stdout) == (0, b"one\n")
    assert json.loads(done.stderr)["counts"]["read"] == 1


def test_explain_gives_the_order_and_its_reasons(acme: Program) -> None:
    told = answer(acme("explain", "--json", "-s", "trim-lines", "-s", "shout"))
    assert [(step["name"], step["kind"], step["runtime"]) for step in told["steps"]] == [
        ("trim-lines", "map", "rust"),
        ("acme-shout/shout", "map", "python"),
    ]
    assert [step["position"] for step in told["steps"]] == [1, 2]
    assert all(step["reasons"] for step in told["steps"])
    assert told["steps"][1]["distribution"] == "acme-shout 1.2"
    assert (told["text"], told["id"], told["on_error"]) == ("text", "id", "quarantine")
    done = acme("explain", "-s", "shout")
    assert done.returncode == 0
    assert b"trim-lines" in done.stdout, "a constraint that does nothing here is told too"
    done = acme("explain", "-s", "shout", "-s", "trim-lines")
    assert done.returncode == 7
    assert b"shout" in done.stderr
    assert b"trim-lines" in done.stderr


def test_trace_shows_what_each_step_makes_of_a_text(acme: Program) -> None:
    done = acme("trace", "-s", "trim-lines", "-s", "shout", "  some text ")
    assert done.returncode == 0
    told = done.stdout.decode()
    assert "trim-lines" in told
    assert "SOME TEXT!" in told
    assert "\x1b" not in told, "no colour where nobody watches"
    assert acme("trace", "-s", "shout", stdin=b"from standard input").stdout.count(b"FROM STANDARD INPUT!") == 1


def test_trace_answers_as_json_lines(acme: Program) -> None:
    write_jsonl(acme.folder / "in.jsonl", [{"text": f" {number} "} for number in range(20)])
    done = acme("trace", "--json", "-s", "trim", "-s", "shout", "--input", "in.jsonl", "--limit", "2")
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert [step["step"] for step in first["steps"]] == ["trim", "acme-shout/shout"]
    assert "0!" in json.dumps(first)
    assert "1!" in json.dumps(second)


def test_plugins_list_names_what_is_installed(acme: Program) -> None:
    told = answer(acme("plugins", "list", "--json"))
    [shout] = [plugin for plugin in told["plugins"] if plugin["distribution"] == "acme-shout"]
    assert shout["use"] == "shout"
    assert (shout["name"], shout["version"]) == ("acme-shout/shout", "1.2")
    assert (shout["entry_point"], shout["editable"]) == ("acme_shout:Shout", False)
    built_in = {step["name"] for step in told["built_in"]}
    assert {"trim-lines", "trim", "validate", "normalize-unicode", "collapse-whitespace"} <= built_in
    assert {"strip-control", "length", "replace", "redact"} <= built_in
    done = acme("plugins", "list")
    assert b"shout" in done.stdout
    assert b"acme-shout" in done.stdout


def test_plugins_show_tells_what_a_step_declares(acme: Program) -> None:
    told = answer(acme("plugins", "show", "--json", "shout"))
    assert (told["name"], told["kind"], told["stage"], told["after"]) == (
        "acme-shout/shout",
        "map",
        "emit",
        ["trim-lines"],
    )
    assert told["summary"] == "Shouts."
    [parameter] = told["parameters"]
    assert (parameter["name"], parameter["default"]) == ("mark", "!")
    built_in = answer(acme("plugins", "show", "--json", "length"))
    assert {"minimum", "maximum", "unit"} == {parameter["name"] for parameter in built_in["parameters"]}
    done = acme("plugins", "show", "redact")
    assert done.returncode == 0
    assert b"redact" in done.stdout
    assert acme("plugins", "show", "no-such-step").returncode == 7


def test_plugins_doctor_finds_what_is_wrong(acme: Program, site: Site) -> None:
    healthy = acme("plugins", "doctor")
    assert healthy.returncode == 0, healthy.stdout
    metadata = site.install("acme-broken")
    (metadata / "entry_points.txt").write_bytes(b"[text_processor.plugins]\nno equals sign\n")
    done = acme("plugins", "doctor", "--json")
    told = json.loads(done.stdout)
    [finding] = [finding for finding in told["findings"] if finding["distribution"] == "acme-broken"]
    assert (finding["code"], finding["line"]) == ("malformed_line", 2)
    assert finding["path"].endswith("entry_points.txt")
    assert "no `=`" in finding["message"]
    assert done.returncode == (7 if finding["severity"] == "error" else 0)
    assert b"entry_points.txt:2" in acme("plugins", "doctor").stdout
    assert answer(acme("plugins", "list", "--json"))["plugins"], "a broken neighbour hides nothing"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["trace", "--help"], ["plugins", "--help"]])
def test_help_is_an_answer(program: Program, arguments: list[str]) -> None:
    done = program(*arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Usage: text-processor" in done.stdout


def test_the_version(program: Program) -> None:
    done = program("--version")
    assert (done.returncode, done.stdout) == (0, f"text-processor {text_processor.__version__}\n".encode())


def test_the_module_can_be_run_too(program: Program) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "text_processor", "run", "-q", "-s", "trim"],
        input=b" a ",
        capture_output=True,
        cwd=program.folder,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"a")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["no-such-command"],
        ["run", "-s", "trim", "--no-such-option"],
        ["run", "-s", "trim", "--discover"],
        ["run", "-s", "trim", "-q", "-v"],
        ["run", "-s", "trim", "--format", "xml"],
        ["run", "-s", "trim", "--on-error", "ignore"],
        ["run", "-s", "trim", "--limit", "0"],
        ["trace", "-s", "trim", "text", "--input", "in.txt"],
        ["run", "-p", "no-such-file.toml"],
        ["run", "-s", "trim", "-o", "folder/", "--rejected", "rejected.jsonl"],
        ["run", "-s", "trim:unknown=1"],
        ["run", "-s", "length:minimum=many"],
        ["run", "-s", "replace:pattern=("],
    ],
    ids=" ".join,
)
def test_mistakes_of_usage_end_with_2(program: Program, arguments: list[str]) -> None:
    done = program(*arguments, stdin=b"text\n")
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr
    assert b"Traceback" not in done.stderr
    assert names(program.folder) == []


def test_exit_code_3_some_records_are_quarantined(program: Program) -> None:
    done = program("run", "-s", "trim", "--format", "jsonl", stdin=b'{"text":" a"}\nnot json\n')
    assert (done.returncode, done.stdout) == (3, b'{"text":"a"}\n')
    [quarantine] = names(program.folder)
    assert quarantine == "text-processor.quarantine.jsonl"
    assert quarantine.encode() in done.stderr


def test_exit_code_4_stopped_by_a_failure(program: Program) -> None:
    (program.folder / "in.jsonl").write_bytes(b'{"text":" a"}\nnot json\n')
    done = program("run", "-s", "trim", "--on-error", "raise", "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 4
    assert b"Record 1 of in.jsonl" in done.stderr
    assert names(program.folder) == ["in.jsonl"]


def test_exit_code_5_damaged_input(program: Program) -> None:
    (program.folder / "a.txt").write_bytes(b"one\n")
    done = program("run", "-s", "trim", "a.txt", "missing.txt", "-o", "out.txt")
    assert done.returncode == 5
    assert b"missing.txt" in done.stderr
    assert (program.folder / "out.txt").read_bytes() == b"one\n"
    assert program("run", "-s", "trim", "missing.txt").returncode == 5


def test_exit_code_6_output_error(program: Program) -> None:
    assert program("run", "-s", "trim", "-o", "no/such/folder.txt", stdin=b"text\n").returncode == 6


@pytest.mark.parametrize("target", ["> /dev/full", "-o /dev/full"])
def test_exit_code_6_full_device(program: Program, target: str) -> None:
    done = program.shell(f"yes | head -c 300000 | $tp run -s trim {target}")
    assert done.returncode == 6, done.stderr
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    assert names(program.folder) == []


def test_exit_code_7_plugin_that_cannot_be_used(hostile_program: Program) -> None:
    done = hostile_program("run", "-s", "import-raises", stdin=b"text\n")
    assert done.returncode == 7
    for word in (b"import-raises", b"text-processor-hostile", b"1.0", b"raised while importing"):
        assert word in done.stderr
    assert hostile_program("run", "-s", "no-such-plugin", stdin=b"text\n").returncode == 7
