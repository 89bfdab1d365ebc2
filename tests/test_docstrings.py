"""Every example in a docstring of the package works as it stands."""

import doctest
import inspect
import types

import pytest

import text_processor
from text_processor import _engine, _plugin, exceptions

MODULES = [text_processor, _plugin, exceptions]
PUBLIC = [getattr(text_processor, name) for name in text_processor.__all__ if name != "__version__"] + [_engine.command]


def _documented() -> list[tuple[str, str, object]]:
    """Name, docstring and owner of everything that is public, methods of classes included."""
    found = [(module.__name__, module.__doc__ or "", module) for module in MODULES]
    for thing in PUBLIC:
        found.append((thing.__name__, inspect.getdoc(thing) or "", thing))
        if isinstance(thing, type):
            found += [
                (f"{thing.__name__}.{name}", inspect.getdoc(member) or "", member)
                for name, member in vars(thing).items()
                if not name.startswith("_")
            ]
    return found


@pytest.mark.parametrize(("name", "docstring"), [(name, docstring) for name, docstring, _ in _documented()])
def test_the_examples_work(name: str, docstring: str) -> None:
    """Run the examples of one docstring."""
    example = doctest.DocTestParser().get_doctest(docstring, {"Pipeline": text_processor.Pipeline}, name, None, None)
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert results.failed == 0


@pytest.mark.parametrize("name", [name for name in text_processor.__all__ if name != "__version__"])
def test_everything_public_is_documented(name: str) -> None:
    """A class or function without a docstring is not finished; neither is one of its methods."""
    thing = getattr(text_processor, name)
    assert inspect.getdoc(thing)
    members = vars(thing).items() if isinstance(thing, type) else []
    callables = (types.FunctionType, types.MethodDescriptorType, types.GetSetDescriptorType, staticmethod, property)
    bare = [key for key, member in members if not key.startswith("_") and isinstance(member, callables)]
    assert [key for key in bare if not inspect.getdoc(getattr(thing, key))] == []


@pytest.mark.parametrize(
    "method",
    ["process", "process_many", "records", "trace", "run", "process_table", "map_batches", "from_file", "discover"],
)
def test_the_methods_of_a_pipeline_show_how_they_are_used(method: str) -> None:
    """Each has an example, and its arguments where it has some."""
    docstring = inspect.getdoc(getattr(text_processor.Pipeline, method)) or ""
    assert "Example:" in docstring
    assert "Returns:" in docstring
    assert "Args:" in docstring or method == "discover"
