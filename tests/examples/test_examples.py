"""The example plugins in an environment of wheels: what is found is what was installed, and the article's result holds.

The session `examples` of the noxfile makes that environment and says in TEXT_PROCESSOR_EXAMPLES what it installed.
"""

import json
import os
import subprocess

from text_processor import Pipeline, TextProcessor

STEPS = ["trim-lines", "reverse", "capitalize"]
ARTICLE = "\n    hello world\n    this is a test\n    of our processor\n    "
EXPECTED = "\nDlrow olleh\nTset a si siht\nRossecorp ruo fo"


def _command(*arguments: str, text: str = "") -> str:
    completed = subprocess.run(
        ["text-processor", *arguments], input=text, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_finds_exactly_what_is_installed() -> None:
    listed = json.loads(_command("plugins", "list", "--json"))["plugins"]
    assert sorted(plugin["name"] for plugin in listed) == json.loads(os.environ["TEXT_PROCESSOR_EXAMPLES"])


def test_nothing_is_wrong_with_what_is_installed() -> None:
    assert json.loads(_command("plugins", "doctor", "--json"))["findings"] == []


def test_the_article_holds_in_the_library() -> None:
    assert Pipeline(STEPS).process(ARTICLE) == EXPECTED
    assert TextProcessor(ARTICLE, plugins=["reverse", "capitalize"]).process() == EXPECTED


def test_the_article_holds_in_the_command() -> None:
    steps = [argument for step in STEPS for argument in ("-s", step)]
    out = _command("run", *steps, "--format", "jsonl", "--quiet", text=json.dumps({"text": ARTICLE}) + "\n")
    assert json.loads(out) == {"text": EXPECTED}


def test_discovered_steps_stand_in_an_order_that_satisfies_what_they_declare() -> None:
    explained = json.loads(_command("explain", "-s", "reverse", "-s", "capitalize", "--json"))
    assert [step["name"].split("/")[-1] for step in explained["steps"]] == ["reverse", "capitalize"]
