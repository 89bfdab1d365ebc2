"""The one-text face of the article that this project began from."""

import pytest
from support.site import Site

from text_processor import PluginNotFoundError, RecordError, TextProcessor

ARTICLE = "\n    hello world\n    this is a test\n    of our processor\n    "

REVERSE = '''
def process(text: str) -> str:
    """Reverse each line."""
    return "\\n".join(line[::-1] for line in text.splitlines())
'''

CAPITALIZE = '''
from text_processor import plugin

@plugin(after=["reverse"])
def process(text: str) -> str:
    """Capitalize each line."""
    return "\\n".join(line.capitalize() for line in text.splitlines())
'''


@pytest.fixture
def article(site: Site) -> Site:
    """The article's two plugins, installed."""
    site.install("acme-reverse", {"reverse": "acme_reverse:process"}, modules={"acme_reverse": REVERSE})
    site.install("acme-capitalize", {"capitalize": "acme_capitalize:process"}, modules={"acme_capitalize": CAPITALIZE})
    return site


@pytest.mark.usefixtures("article")
def test_the_example_of_the_article() -> None:
    processor = TextProcessor(ARTICLE, ["reverse", "capitalize"])
    assert processor.process() == "\nDlrow olleh\nTset a si siht\nRossecorp ruo fo"


@pytest.mark.usefixtures("article")
def test_every_installed_plugin_runs_where_none_is_named() -> None:
    # Other plugins may be installed beside these two. These are found, and ordered by what they declare.
    steps = TextProcessor(ARTICLE).pipeline.steps
    assert steps[0] == "trim-lines"
    assert steps.index("acme-reverse/reverse") < steps.index("acme-capitalize/capitalize")


def test_without_plugins_the_lines_are_trimmed() -> None:
    assert TextProcessor(ARTICLE, []).process() == "\nhello world\nthis is a test\nof our processor\n"


def test_it_can_be_processed_again() -> None:
    processor = TextProcessor(" a ", ["trim"])
    assert [processor.process(), processor.process()] == ["a", "a"]


def test_a_rejected_text_is_none() -> None:
    assert TextProcessor("", ["validate"]).process() is None


def test_a_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match=r"`text` must be a `str`, and is a `bytes`\."):
        TextProcessor(b"bytes")  # type: ignore[arg-type]


def test_a_plugin_that_is_not_there_is_told_when_it_is_made() -> None:
    with pytest.raises(PluginNotFoundError, match="no-such-plugin"):
        TextProcessor("text", ["no-such-plugin"])


@pytest.mark.usefixtures("hostile")
def test_an_error_of_a_plugin_arrives_with_its_cause() -> None:
    with pytest.raises(RecordError) as caught:
        TextProcessor("poison KeyError", ["raise-named"]).process()
    assert isinstance(caught.value.__cause__, KeyError)


def test_it_shows_what_it_does() -> None:
    assert repr(TextProcessor("text", ["trim"])) == "TextProcessor('text', plugins=['trim'])"
