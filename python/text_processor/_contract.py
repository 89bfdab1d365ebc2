"""What a plugin declares, read from the object itself when it is loaded.

The engine asks this module, which is imported with the first plugin that is loaded. Most plugins are plain functions,
and what they declare can be read from the function itself. All others, and whatever is wrong, are for `_inspection`: it
imports `inspect`, `dataclasses` and `typing`, which take longer than a small run.
"""

from __future__ import annotations

from text_processor._plugin import ATTRIBUTE, Declaration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any, TypeGuard

# The engine passes the values of these fields on its stack.
MOST_ASKED = 16

# What `inspect` calls CO_VARARGS, CO_VARKEYWORDS, CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE and
# CO_ASYNC_GENERATOR: a function with none of these takes parameters that have names, and returns what it returns.
_NOT_PLAIN = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200

_FUNCTION: Any = type(lambda: None)

# What a step declares that nobody has decorated.
UNDECLARED = Declaration(
    kind="map",
    stage="transform",
    before=(),
    after=(),
    requires=(),
    fields=None,
    batch=False,
    arrow=False,
    thread_safe=False,
    name=None,
    summary=None,
)


class Parameter:
    """One value that a step can be configured with."""

    __slots__ = ("default", "description", "name", "required", "type")

    def __init__(self, *, name: str, type: str, required: bool, default: object, description: str) -> None:  # noqa: A002
        """Keep what it is given."""
        self.name = name
        self.type = type
        self.required = required
        self.default = default
        self.description = description


class Contract:
    """What a plugin declares: its declaration, and what can be read from the object."""

    __slots__ = (
        "after",
        "arrow",
        "asks",
        "batch",
        "before",
        "fields",
        "is_class",
        "kind",
        "name",
        "parameters",
        "requires",
        "stage",
        "summary",
        "thread_safe",
    )

    def __init__(
        self,
        declared: Declaration,
        *,
        asks: tuple[tuple[str, bool, object], ...],
        parameters: tuple[Parameter, ...],
        is_class: bool,
        name: str,
        summary: str,
    ) -> None:
        """Join a declaration with what was read: `name` and `summary` count if it has none."""
        self.kind = declared.kind
        self.stage = declared.stage
        self.before = declared.before
        self.after = declared.after
        self.requires = declared.requires
        self.fields = declared.fields
        self.batch = declared.batch
        self.arrow = declared.arrow
        self.thread_safe = declared.thread_safe
        self.asks = asks
        self.parameters = parameters
        self.is_class = is_class
        self.name = declared.name or name
        self.summary = declared.summary or summary


def read(target: Any, step: str) -> Contract:
    """Read what a function, a class or an instance of a class declares, and check that it can be a step.

    Args:
        target: The object that the entry point names, or that was passed to a pipeline.
        step: The step as messages are to call it.

    Raises:
        PluginContractError: It cannot be a step.
    """
    if _is_plain(target):
        return Contract(
            target.__dict__.get(ATTRIBUTE, UNDECLARED),
            asks=_asks(target),
            parameters=(),
            is_class=False,
            name=qualified_name(target),
            summary=first_paragraph(target.__doc__),
        )
    from text_processor import _inspection  # noqa: PLC0415 - the reason for this module.

    return _inspection.read(target, step)


def _is_plain(target: Any) -> TypeGuard[FunctionType]:
    """Tell whether a target is a function about which there is no question."""
    # Decorators such as `functools.wraps` leave something in the dictionary, and so does who marks a function as async.
    if type(target) is not _FUNCTION or not target.__dict__.keys() <= {ATTRIBUTE}:
        return False
    code = target.__code__
    return (
        isinstance(target.__dict__.get(ATTRIBUTE, UNDECLARED), Declaration)
        and not code.co_flags & _NOT_PLAIN
        and code.co_argcount >= 1
        and code.co_posonlyargcount <= 1
        and code.co_argcount + code.co_kwonlyargcount <= MOST_ASKED + 1
    )


def _asks(function: FunctionType) -> tuple[tuple[str, bool, object], ...]:
    """Return the parameters behind the text, whether each must be given, and its default."""
    code = function.__code__
    count = code.co_argcount
    by_position = function.__defaults__ or ()
    defaults = dict(zip(code.co_varnames[count - len(by_position) : count], by_position, strict=True))
    defaults.update(function.__kwdefaults__ or {})
    names = code.co_varnames[1 : count + code.co_kwonlyargcount]
    return tuple((name, name not in defaults, defaults.get(name)) for name in names)


def qualified_name(named: Any) -> str:
    """Return the name of a function or class, with its module unless that says nothing."""
    module = getattr(named, "__module__", None)
    name: str = named.__qualname__
    return name if module in (None, "__main__", "builtins") else f"{module}.{name}"


def first_paragraph(documentation: object) -> str:
    """Return the first paragraph of a docstring in one line."""
    if not isinstance(documentation, str):
        return ""
    lines = [line.split() for line in documentation.strip().splitlines()]
    end = next((index for index, words in enumerate(lines) if not words), len(lines))
    return " ".join(word for words in lines[:end] for word in words)
