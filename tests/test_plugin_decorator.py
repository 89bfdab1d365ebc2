"""The decorator, `Reject`, and the exceptions."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from text_processor import Reject, exceptions, plugin

if TYPE_CHECKING:
    from text_processor._plugin import Declaration

EXCEPTIONS = [getattr(exceptions, name) for name in exceptions.__all__]


def declared(target: object) -> Declaration:
    return target.__text_processor_plugin__  # type: ignore[attr-defined, no-any-return]


def test_a_bare_decorator_declares_a_map() -> None:
    @plugin
    def shout(text: str) -> str:
        return text.upper()

    assert shout("a") == "A"
    assert (declared(shout).kind, declared(shout).stage) == ("map", "transform")


def test_a_declaration_can_be_sent_and_copied() -> None:
    @plugin(kind="annotate", fields={"language": str}, before=["trim"], batch=True, name="guess")
    def guess(texts: list[str]) -> list[dict[str, str]]:
        return [{"language": "en"} for _ in texts]

    sent = pickle.loads(pickle.dumps(declared(guess)))
    assert repr(sent) == repr(declared(guess))
    assert repr(copy.deepcopy(declared(guess))) == repr(sent)
    with pytest.raises(AttributeError, match="cannot be changed"):
        sent.kind = "map"


def test_a_decorated_dataclass_stays_a_dataclass() -> None:
    @plugin(kind="filter", stage="filter", after=["trim-lines"], thread_safe=True)
    @dataclass
    class MinWords:
        minimum: int = 50

        def __call__(self, text: str) -> bool:
            return len(text.split()) >= self.minimum

    assert MinWords(minimum=2)("a b")
    assert declared(MinWords).after == ("trim-lines",)
    assert declared(MinWords).thread_safe


def test_a_declaration_cannot_be_changed() -> None:
    @plugin(kind="annotate", fields={"language": str, "score": float, "extra": object})
    def annotate(_text: str) -> dict[str, object]:
        return {}

    assert declared(annotate).fields == (("language", "text"), ("score", "float"), ("extra", "json"))
    with pytest.raises(AttributeError, match="cannot be changed"):
        declared(annotate).kind = "map"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "maps"}, r"`kind` of `plugin` is one of `map`, `filter`, `annotate`, `split`, not 'maps'"),
        ({"stage": 3}, r"`stage` of `plugin` is one of `decode`, .*, not 3"),
        ({"after": "trim"}, "`after` of `plugin` is a list of names, not a string"),
        ({"before": [1]}, "`before` of `plugin` lists names of steps as text, and 1 is none"),
        ({"requires": {"a": 1}}, "`requires` of `plugin` is a list of names of steps, not `dict`"),
        ({"kind": "annotate"}, "A step of kind `annotate` declares the fields that it adds"),
        ({"fields": {"a": str}}, "A step of kind `map` adds no fields"),
        ({"kind": "annotate", "fields": {"a": bytes}}, "The field `a` cannot have the type `bytes`"),
        ({"kind": "annotate", "fields": {"a": "str"}}, "The field `a` cannot have the type `'str'`"),
        ({"batch": "yes"}, "`batch` of `plugin` is `True` or `False`, not 'yes'"),
        ({"arrow": 1}, "`arrow` of `plugin` is `True` or `False`, not 1"),
        ({"arrow": True, "batch": True}, r"lists \(`batch=True`\) or Arrow arrays \(`arrow=True`\), not both"),
        ({"thread_safe": 1}, "`thread_safe` of `plugin` is `True` or `False`, not 1"),
        ({"name": ""}, "`name` of `plugin` is a text that is not empty, not ''"),
    ],
)
def test_a_wrong_argument_is_refused_where_it_stands(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(exceptions.PluginContractError, match=message):
        plugin(**arguments)


def test_what_does_not_exist_is_not_accepted() -> None:
    with pytest.raises(TypeError, match="priority"):
        plugin(priority=True)  # type: ignore[call-overload]


@pytest.mark.parametrize("target", [3, "text"])
def test_only_callables_are_decorated(target: Any) -> None:
    with pytest.raises(exceptions.PluginContractError, match="decorates a function or a class"):
        plugin(target)


def test_what_cannot_hold_a_declaration_is_refused() -> None:
    with pytest.raises(exceptions.PluginContractError, match="cannot note its declaration"):
        plugin(len)


def test_reject_is_a_value() -> None:
    reject = Reject("too_short")
    assert reject == Reject("too_short") != Reject("other")
    assert len({reject, Reject("too_short")}) == 1
    assert repr(reject) == "Reject('too_short')"
    assert pickle.loads(pickle.dumps(reject)) == reject
    with pytest.raises(AttributeError):
        reject.reason = "other"


@pytest.mark.parametrize(("reason", "error"), [("", ValueError), (None, TypeError), (3, TypeError)])
def test_a_reason_is_a_text_that_is_not_empty(reason: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Reject(reason)


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_an_exception_is_pickled_with_its_data_and_notes(exception: type[exceptions.TextProcessorError]) -> None:
    made = exception("It failed.")
    made.add_note("Try this.")
    vars(made).update(dict.fromkeys(vars(made).keys() - {"__notes__"}, "kept"))
    copy = pickle.loads(pickle.dumps(made))
    assert type(copy) is exception
    assert str(copy) == "It failed."
    assert vars(copy) == vars(made)
    assert copy.__doc__


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import text_processor; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
        capture_output=True,
        check=True,
        text=True,
    )
    # `from __future__` is a module too; what is built into the interpreter costs nothing.
    others = {name for name in done.stdout.split() if not name.startswith("text_processor")}
    assert others <= {"__future__", *sys.builtin_module_names}
