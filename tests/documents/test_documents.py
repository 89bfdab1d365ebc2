"""Runs every example of the documentation, so that none of it is untrue.

Each document is run from top to bottom in an empty folder that holds a copy of `docs/examples`. What a fenced block
does is said by its first line:

    ```sh                    is run by bash, which stops at the first command that fails
    ```sh exit=3             the same, and must end with that exit code
    ```python                is a program of its own
    ```toml file=NAME        is written to that file, whatever its language
    ```text output           is what the block before it must have printed; a line `…` stands for any lines
    ```sh skip               is not run: it is run elsewhere (the first two commands of README.md), or it is a sketch
    ```python needs=A,B      is run if these modules or programs are installed; the page is skipped by names if not

Blocks in other languages are not run. A document that installs packages gets an environment of its own, made of wheels,
with the core and the plugins `reverse` and `capitalize`: what README.md's first command installs.

Links within the repository must lead somewhere, to a heading too, and every test that a document names must be there.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("example-plugins/*/README.md"))]
OTHER_PAGES = ["*.md", "docs/*/*.md", "*/README.md", "tests/*/README.md"]
PAGES = sorted({*DOCUMENTS, *(page for pattern in OTHER_PAGES for page in ROOT.glob(pattern))})
LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
NAMED_TEST = re.compile(r"`(?P<name>test_\w+)`")
FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = {"skip", "output"}
KEYS = {"file", "exit", "needs"}


@dataclass
class Block:
    """A fenced block of a document."""

    line: int
    language: str
    text: str
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether the block is a program."""
        return self.language in {"sh", "python"} and "skip" not in self.flags and "file" not in self.values

    @property
    def missing(self) -> list[str]:
        """The modules and programs that the block needs and that are not here."""
        needs = filter(None, self.values.get("needs", "").split(","))
        return [name for name in needs if importlib.util.find_spec(name) is None and shutil.which(name) is None]


def blocks_of(text: str) -> list[Block]:
    """Find the fenced blocks of a document. An unknown word on a first line is an error, or nobody would notice it."""
    blocks = []
    for match in FENCE.finditer(text):
        language, *words = match["info"].split() or [""]
        block = Block(text.count("\n", 0, match.start()) + 1, language, match["text"])
        for word in words:
            key, equals, value = word.partition("=")
            assert (key in KEYS) if equals else (word in FLAGS), f"line {block.line}: `{word}` means nothing here"
            if equals:
                block.values[key] = value
            else:
                block.flags.add(word)
        blocks.append(block)
    return blocks


def environment_of(blocks: list[Block], folder: Path) -> dict[str, str]:
    """Make the environment that the examples of a document run in."""
    programs = Path(sys.executable).parent
    wheels = os.environ["TEXT_PROCESSOR_WHEELS"].split(os.pathsep)
    environment = os.environ | {
        "HF_HOME": str(folder / "huggingface"),
        "NO_COLOR": "1",
        "PIP_FIND_LINKS": " ".join(wheels),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    if any("pip install" in block.text for block in blocks if block.runs):
        programs = folder / ".venv" / "bin"
        venv.create(folder / ".venv", with_pip=True)
        packages = ["text-processor", "text-processor-reverse", "text-processor-capitalize"]
        subprocess.run([programs / "pip", "install", "--quiet", *packages], env=environment, check=True)
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    return environment


def run(block: Block, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder."""
    if block.language == "sh":
        command = ["bash", "-euo", "pipefail", "-c", block.text]
    else:
        program = folder / f"example_of_line_{block.line}.py"
        program.write_text(block.text, encoding="utf-8")
        command = ["python", str(program)]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def matches(printed: str, expected: str) -> bool:
    """Whether a program printed what its document says; a line `…` stands for any lines."""
    lines = expected.strip("\n").split("\n")
    pattern = "".join("(?:.*\n)*?" if line == "…" else f"{re.escape(line)}\n" for line in lines)
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_of(document: Path, tmp_path: Path) -> None:
    blocks = blocks_of(document.read_text(encoding="utf-8"))
    if not any(block.runs for block in blocks):
        return
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    environment = environment_of(blocks, tmp_path)
    printed = ""
    missing: set[str] = set()
    left_out = False
    for block in blocks:
        where = f"{document.relative_to(ROOT)}:{block.line}"
        if "file" in block.values:
            target = tmp_path / block.values["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.missing:
            missing.update(block.missing)
            left_out = True
        elif "output" in block.flags:
            assert left_out or matches(printed, block.text), (
                f"{where}: printed was\n{printed}\ninstead of\n{block.text}"
            )
        elif block.runs:
            left_out = False
            completed = run(block, tmp_path, environment)
            printed = completed.stdout
            said = f"{where} ended with {completed.returncode}:\n{block.text}\n{completed.stdout}\n{completed.stderr}"
            assert completed.returncode == int(block.values.get("exit", "0")), said
    if missing:
        pytest.skip(f"not installed: {', '.join(sorted(missing))}; all other examples were run")


def prose_of(page: Path) -> str:
    """Take the fenced blocks out of a page."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page: Path) -> set[str]:
    """Find the anchors of a page's headings, made as GitHub makes them."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ +(.+)$", prose_of(page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = 1
        while anchor in anchors:
            anchor = f"{anchor.removesuffix(f'-{number - 1}')}-{number}"
            number += 1
        anchors.add(anchor)
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of(page: Path) -> None:
    broken = []
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", prose_of(page))):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        found = linked.exists() and linked.is_relative_to(ROOT)
        if not found or (anchor and anchor not in anchors_of(linked)):
            broken.append(target)
    assert broken == []


def test_every_test_that_a_document_names_is_there() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/*.py"))
    defined = set(re.findall(r"^ *def (test_\w+)", sources, re.MULTILINE))
    named = {name for page in PAGES for name in NAMED_TEST.findall(prose_of(page))}
    assert sorted(named - defined) == []


def test_a_line_of_dots_stands_for_any_lines() -> None:
    assert matches("a\nb\nc\n", "a\n…\nc\n")
    assert matches("a\nc\n", "a\n…\nc\n")
    assert matches("a\nb\n", "a\n…\n")
    assert not matches("a\nb\nd\n", "a\n…\nc\n")
    assert not matches("a.c\n", "abc\n")


def test_an_unknown_word_on_a_first_line_is_an_error() -> None:
    with pytest.raises(AssertionError, match="skipp"):
        blocks_of("```sh skipp\nfalse\n```\n")


def test_a_block_that_needs_what_is_not_there_says_so() -> None:
    [block] = blocks_of("```python needs=pytest,no_such_module,bash\n```\n")
    assert block.missing == ["no_such_module"]
