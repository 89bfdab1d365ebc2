"""The command and its plugins: what they print, what they log, and what is shown when they cannot be loaded."""

from __future__ import annotations

import gzip
import logging
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import Ended, run_python

from text_processor import Pipeline, _command
from text_processor._logging import PlainFormatter

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Site

NOISY = """
    import atexit, sys
    print("printed at import")
    atexit.register(print, "printed at the end")

    class Noisy:
        def __init__(self):
            sys.stdout.write("printed when made\\n")

        def __call__(self, text):
            print("printed in a call")
            return text.upper()

        def close(self):
            print("printed when closed")
"""


def main(*arguments: str | Path, path: list[Path] | None = None, head: str = "") -> Ended:
    """Run the command in a process of its own, as its console script does."""
    script = "import sys; sys.argv[0] = 'text-processor'; from text_processor._command import main; sys.exit(main())"
    return run_python(f"{head}\n{script}", *arguments, path=path)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("one\ntwo\n")
    return path


class TestOutput:
    def test_what_a_plugin_prints_is_not_among_the_data(self, site: Site, texts: Path) -> None:
        site.install("noisy", {"noisy": "noisy:Noisy"}, modules={"noisy": NOISY})
        done = main("run", "--isolation", "thread", "-s", "noisy", texts, path=[site.path])
        assert (done.code, done.output) == (0, "ONE\nTWO\n")
        printed = [line for line in done.messages.splitlines() if line.startswith("printed")]
        assert sorted(printed) == [
            "printed at import",
            "printed at the end",
            "printed in a call",
            "printed in a call",
            "printed when closed",
            "printed when made",
        ]

    def test_what_a_plugin_prints_is_in_no_answer(self, site: Site, command: Command) -> None:
        site.install("noisy", {"noisy": "noisy:Noisy"}, modules={"noisy": NOISY.replace("atexit.register", "id or ")})
        assert command.json("plugins", "show", "noisy")["name"] == "noisy/noisy"
        assert "printed at import" in command("trace", "-s", "noisy", "text").messages or "noisy" in sys.modules

    def test_standard_output_is_as_before_afterwards(self, capfd: pytest.CaptureFixture[str]) -> None:
        stdout = sys.stdout
        sys.stdout.write("before\n")
        ended = _command.command(["text-processor", "--version"])
        sys.stdout.write("after\n")
        assert sys.stdout is stdout
        assert ended == 0
        before, version, after = capfd.readouterr().out.splitlines()
        assert (before, after) == ("before", "after")
        assert version.startswith("text-processor ")

    @pytest.mark.parametrize("missing", ["None", "open('/dev/full', 'w')"])
    def test_a_missing_or_broken_standard_output_of_python_is_no_error(self, missing: str) -> None:
        done = main("--version", head=f"import sys; sys.stdout = {missing}; print('lost', file=sys.stdout)")
        assert done.output.startswith("text-processor ")


class TestLog:
    @pytest.mark.parametrize(
        ("options", "levels"), [(["-q"], set()), ([], set()), (["-v"], {"info"}), (["-vv"], {"info"})]
    )
    def test_the_options_say_how_much_is_logged(self, texts: Path, options: list[str], levels: set[str]) -> None:
        done = main("run", "-s", "trim", *options, texts)
        assert (done.code, done.output) == (0, "one\ntwo\n")
        logged = [line for line in done.messages.splitlines() if line.split(":")[0] in ("debug", "info", "warning")]
        assert {line.split(":")[0] for line in logged} == levels
        assert ("info: The run ended: 2 records read, 2 out, 0 rejected, 0 quarantined." in logged) == bool(levels)

    def test_a_message_is_safe_for_a_terminal(self, tmp_path: Path) -> None:
        cut = tmp_path / "cut\x1b[31m\nwarning: forged\u202e.gz"
        cut.write_bytes(gzip.compress(b"one\ntwo\n")[:-9])
        done = main("run", "-s", "trim", "-q", cut, "-o", tmp_path / "out.txt")
        assert done.code == 5
        (logged,) = [line for line in done.messages.splitlines() if line.startswith("warning: The gzip data")]
        assert "warning: forged" in logged
        assert "\x1b" not in done.messages
        assert "\u202e" not in done.messages

    def test_a_message_of_several_lines_cannot_look_like_two(self) -> None:
        record = logging.LogRecord(
            "text_processor", logging.INFO, "", 0, "a\x1b[2J\ninfo: b\r\u202e %s", ("grüße",), None
        )
        assert PlainFormatter().format(record) == "info: a\\x1b[2J\n  info: b\\r\\u202e grüße"

    def test_whoever_has_configured_logging_decides(self, texts: Path) -> None:
        head = "import logging; logging.basicConfig(level='INFO', format='mine %(name)s %(levelname)s %(message)s')"
        done = main("run", "-s", "trim", "-q", texts, head=head)
        assert "mine text_processor.engine.run INFO The run starts" in done.messages
        assert "\ninfo: " not in f"\n{done.messages}"

    def test_logging_is_not_imported_for_nothing(self, texts: Path, tmp_path: Path) -> None:
        head = "import atexit, sys; atexit.register(lambda: print('logging' in sys.modules, file=sys.stderr))"
        for arguments in (["--version"], ["run", "-s", "trim", texts, "-o", tmp_path / "out.txt"]):
            done = main(*arguments, head=head)
            assert (done.code, done.messages.splitlines()[-1]) == (0, "False")
        program = f"""
            from text_processor import Pipeline
            Pipeline(["trim"]).run({str(texts)!r}, {str(tmp_path / "second.txt")!r})
            print("logging" in sys.modules)
        """
        assert run_python(program).output == "False\n"

    def test_a_level_that_is_changed_holds_for_the_next_run(
        self, texts: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        def run() -> list[str]:
            caplog.clear()
            Pipeline(["trim"]).run(texts, texts.with_name("out.txt"), overwrite=True)
            return [record.name for record in caplog.records]

        logger = logging.getLogger("text_processor")
        for level, expected in [("WARNING", 0), ("INFO", 2), ("WARNING", 0), ("DEBUG", 2)]:
            caplog.set_level(level, "text_processor")
            assert run() == ["text_processor.engine.run"] * expected
        logger.setLevel(logging.NOTSET)

    def test_a_handler_that_raises_fails_no_run(self, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_record: logging.LogRecord) -> bool:
            message = "no"
            raise ValueError(message)

        told: list[str] = []
        monkeypatch.setattr("sys.unraisablehook", lambda each: told.append(repr(each.exc_value)))
        logger = logging.getLogger("text_processor.engine.run")
        logger.addFilter(refuse)
        logger.setLevel(logging.INFO)
        try:
            report = Pipeline(["trim"]).run(texts, texts.with_name("out.txt"))
        finally:
            logger.removeFilter(refuse)
            logger.setLevel(logging.NOTSET)
        assert report.out == 2
        assert set(told) == {"ValueError('no')"}


class TestLoadErrors:
    def test_the_command_shows_the_traceback_of_a_plugin(self, site: Site, command: Command) -> None:
        source = """
            def helper():
                try:
                    {}["key"]
                except KeyError as error:
                    raise RuntimeError("needs a \\x1b[31mcard") from error
            helper()
        """
        site.install("acme", {"x": "acme:process"}, modules={"acme": source})
        done = command("run", "-s", "acme/x")
        assert (done.code, done.output) == (7, "")
        _, shown = done.messages.split("caused by:\n")
        assert shown.startswith("  Traceback (most recent call last):\n")
        assert f'File "{site.path / "acme.py"}", line 6, in helper' in shown
        assert "KeyError: 'key'" in shown
        assert "The above exception was the direct cause" in shown
        assert shown.rstrip().endswith("RuntimeError: needs a \\u{1b}[31mcard")
        assert "importlib" not in shown

    def test_a_syntax_error_shows_its_line(self, site: Site, command: Command) -> None:
        site.install("acme", {"x": "acme:process"}, modules={"acme": "def process(text) return text"})
        done = command("explain", "-s", "acme/x")
        assert done.code == 7
        assert "    def process(text) return text\n" in done.messages
        assert "^^^^^^" in done.messages

    def test_a_long_traceback_keeps_its_innermost_part(self, site: Site, command: Command) -> None:
        source = f"""
            def deep(level):
                if level == 0:
                    raise ValueError("why" + "x" * 100_000_000)
                deeper(level - 1)  # {"long " * 80}
            def deeper(level):
                deep(level - 1)  # {"long " * 80}
            deep(30)
        """
        site.install("acme", {"x": "acme:process"}, modules={"acme": source})
        done = command("explain", "-s", "acme/x", "-v")
        _, shown = done.messages.split("caused by:\n")
        assert shown.startswith("  [the outermost part is left out]\n")
        assert 'raise ValueError("why"' in shown
        assert "ValueError: whyxxx" in shown
        assert len(shown) < 6_000

    def test_an_exception_that_cannot_speak_is_shown_safely(self, site: Site, command: Command) -> None:
        source = """
            class Silent(Exception):
                def __str__(self): raise SystemExit
                __repr__ = __str__
            raise Silent
        """
        site.install("acme", {"x": "acme:process"}, modules={"acme": source})
        done = command("explain", "-s", "acme/x")
        assert done.code == 7
        assert "its message cannot be read: `SystemExit`" in done.messages
