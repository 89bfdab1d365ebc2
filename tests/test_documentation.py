"""The examples in the docstrings are true."""

import doctest
import inspect

import pytest

import text_processor
from text_processor import _engine, _text_processor


def docstrings() -> dict[str, str]:
    """The docstrings of everything public, and of the methods of classes."""
    found = {"text_processor": text_processor.__doc__ or ""}
    for name in text_processor.__all__:
        thing = getattr(text_processor, name)
        found[name] = inspect.getdoc(thing) or ""
        if (
            isinstance(thing, type)
            and thing.__module__.startswith("text_processor")
            and not issubclass(thing, Exception)
        ):
            for member in vars(thing):
                if not member.startswith("_"):
                    found[f"{name}.{member}"] = inspect.getdoc(getattr(thing, member)) or ""
    return found


@pytest.mark.parametrize("name", sorted(set(docstrings()) - {"__version__"}))
def test_everything_public_is_documented(name: str) -> None:
    assert docstrings()[name]


@pytest.mark.parametrize("name", sorted(name for name, text in docstrings().items() if ">>>" in text))
def test_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    space = {key: getattr(text_processor, key) for key in text_processor.__all__}
    test = doctest.DocTestParser().get_doctest(docstrings()[name], space, name, None, None)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)
    capsys.readouterr()


def test_the_main_door_has_examples() -> None:
    documented = {name for name, text in docstrings().items() if ">>>" in text}
    expected = {f"Pipeline.{method}" for method in ("process", "process_many", "records", "trace", "run", "from_file")}
    assert expected | {"Pipeline", "Record", "TextProcessor", "text_processor"} <= documented


def test_the_engine_offers_what_the_stubs_say() -> None:
    assert {"Pipeline", "Record", "Report", "TraceEntry", "command", "__version__"} <= set(dir(_engine))
    assert _text_processor.Pipeline is text_processor.Pipeline
