"""What the author of a plugin writes: the decorator `plugin`, and `Reject`.

This module is imported with the package, so it imports nothing that takes time: no `typing`, no `dataclasses`, no
`inspect`.
"""

from __future__ import annotations

from text_processor.exceptions import PluginContractError

# Type checkers take a variable of this name for true; `typing` itself would cost a third of the package's start-up.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, Concatenate, Literal, NoReturn, Protocol, TypeVar, overload

    from text_processor._engine import Column

    _Kind = Literal["map", "filter", "annotate", "split"]
    _Stage = Literal["decode", "normalize", "filter", "transform", "redact", "annotate", "emit"]
    _Target = TypeVar("_Target", bound=Callable[..., Any])
    _Result_co = TypeVar("_Result_co", covariant=True)

    class _TakesLists(Protocol[_Result_co]):
        def __call__(self, texts: list[str], /, *fields: Any, **named: Any) -> _Result_co: ...

    # What `batch=True` decorates: a function, or a class whose instances are called. What holds texts is a list or a
    # tuple, because a `str` is a sequence of `str` too.
    _OfLists = Callable[Concatenate[list[str], ...], _Result_co] | type[_TakesLists[_Result_co]]
    _Texts = list[str] | tuple[str, ...]
    _ListMap = TypeVar("_ListMap", bound=_OfLists[_Texts])
    _ListFilter = TypeVar("_ListFilter", bound="_OfLists[Sequence[bool | Reject | None]]")
    _ListAnnotate = TypeVar("_ListAnnotate", bound=_OfLists[Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]])
    _ListSplit = TypeVar("_ListSplit", bound=_OfLists[Sequence[_Texts | Iterator[str]]])

    # What an Arrow array holds is not part of its Python type.
    class _ArrowArray(Protocol):
        def __arrow_c_array__(self, requested_schema: Any = None, /) -> Any: ...

    class _ArrowStream(Protocol):
        def __arrow_c_stream__(self, requested_schema: Any = None, /) -> Any: ...

    class _TakesArrays(Protocol):
        def __call__(self, texts: Column, /, *fields: Any, **named: Any) -> _ArrowArray | _ArrowStream: ...

    _OfArrays = TypeVar(
        "_OfArrays", bound=Callable[Concatenate[Column, ...], _ArrowArray | _ArrowStream] | type[_TakesArrays]
    )

__all__ = ["Declaration", "Reject", "plugin"]

ATTRIBUTE = "__text_processor_plugin__"
KINDS = ("map", "filter", "annotate", "split")
STAGES = ("decode", "normalize", "filter", "transform", "redact", "annotate", "emit")
FIELD_TYPES = {str: "text", int: "integer", float: "float", bool: "boolean", list: "json", dict: "json", object: "json"}


class Reject:
    """What a filter returns to reject a record with a reason of its own.

    The reason is a short, stable word such as `too_short`, not a sentence: reports count records by it.

        return True if len(text) >= 100 else Reject("too_short")
    """

    __match_args__ = ("reason",)
    __slots__ = ("reason",)

    reason: str

    def __init__(self, reason: str) -> None:
        if not isinstance(reason, str):
            message = f"The reason of a `Reject` is a `str`, not `{type(reason).__name__}`."
            raise TypeError(message)
        if not reason:
            message = "The reason of a `Reject` must not be empty: reports count records by it."
            raise ValueError(message)
        object.__setattr__(self, "reason", reason)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"A `Reject` cannot be changed (`{name}`)."
        raise AttributeError(message)

    def __reduce__(self) -> tuple[type[Reject], tuple[str]]:
        return (type(self), (self.reason,))

    def __repr__(self) -> str:
        return f"Reject({self.reason!r})"

    def __eq__(self, other: object) -> bool:
        return self.reason == other.reason if isinstance(other, Reject) else NotImplemented

    def __hash__(self) -> int:
        return hash((Reject, self.reason))


class Declaration:
    """What `plugin` notes on a function or class. It cannot be changed."""

    __slots__ = (
        "after",
        "arrow",
        "batch",
        "before",
        "fields",
        "kind",
        "name",
        "requires",
        "stage",
        "summary",
        "thread_safe",
    )

    kind: _Kind
    stage: _Stage
    before: tuple[str, ...]
    after: tuple[str, ...]
    requires: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    batch: bool
    arrow: bool
    thread_safe: bool
    name: str | None
    summary: str | None

    def __init__(
        self,
        *,
        kind: str,
        stage: str,
        before: Sequence[str],
        after: Sequence[str],
        requires: Sequence[str],
        fields: Mapping[str, type] | None,
        batch: bool,
        arrow: bool,
        thread_safe: bool,
        name: str | None,
        summary: str | None,
    ) -> None:
        checked = {
            "kind": _one_of("kind", kind, KINDS),
            "stage": _one_of("stage", stage, STAGES),
            "before": _names("before", before),
            "after": _names("after", after),
            "requires": _names("requires", requires),
            "fields": _fields(kind, fields),
            "batch": _boolean("batch", batch),
            "arrow": _arrow(arrow, batch),
            "thread_safe": _boolean("thread_safe", thread_safe),
            "name": _text("name", name),
            "summary": _text("summary", summary),
        }
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"A declaration cannot be changed (`{name}`)."
        raise AttributeError(message)

    def __getstate__(self) -> dict[str, object]:
        return {key: getattr(self, key) for key in self.__slots__}

    # A function that is sent to another process by value, as `cloudpickle` sends those of `__main__`, takes its
    # declaration along.
    def __setstate__(self, state: dict[str, object]) -> None:
        for key, value in state.items():
            object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        return f"Declaration({', '.join(f'{key}={getattr(self, key)!r}' for key in self.__slots__)})"


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    error = PluginContractError(message)
    if hint is not None:
        error.add_note(hint)
    raise error


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _one_of(argument: str, value: object, choices: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in choices:
        return value
    return _refuse(f"`{argument}` of `plugin` is one of {_listed(choices)}, not {value!r}.")


def _names(argument: str, value: object) -> tuple[str, ...]:
    # A lone string would be taken for a list of its characters.
    if isinstance(value, str):
        _refuse(f"`{argument}` of `plugin` is a list of names, not a string.", f"Write `{argument}=[{value!r}]`.")
    if not isinstance(value, (list, tuple, set, frozenset)):
        _refuse(f"`{argument}` of `plugin` is a list of names of steps, not `{type(value).__name__}`.")
    for name in value:
        if not isinstance(name, str) or not name.strip():
            _refuse(f"`{argument}` of `plugin` lists names of steps as text, and {name!r} is none.")
    return tuple(sorted(value)) if isinstance(value, (set, frozenset)) else tuple(value)


def _fields(kind: str, value: object) -> tuple[tuple[str, str], ...]:
    if kind != "annotate":
        if value:
            _refuse(f"A step of kind `{kind}` adds no fields.", 'Only `kind="annotate"` takes `fields`.')
        return ()
    if not isinstance(value, dict) or not value:
        _refuse(
            "A step of kind `annotate` declares the fields that it adds.",
            'Write, for example, `fields={"language": str, "score": float}`.',
        )
    for name, declared in value.items():
        if not isinstance(name, str) or not name:
            _refuse(f"`fields` of `plugin` maps names to types, and {name!r} is no name.")
        if "\0" in name:
            _refuse(f"The name {name!r} of a field holds a NUL, and no table could be handed on that has it.")
        if not isinstance(declared, type) or declared not in FIELD_TYPES:
            shown = declared.__name__ if isinstance(declared, type) else repr(declared)
            _refuse(
                f"The field `{name}` cannot have the type `{shown}`.",
                f"Types of fields are {_listed([each.__name__ for each in FIELD_TYPES])}; "
                "`list`, `dict` and `object` stand for anything that JSON can say.",
            )
    return tuple((name, FIELD_TYPES[declared]) for name, declared in value.items())


def _boolean(argument: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    return _refuse(f"`{argument}` of `plugin` is `True` or `False`, not {value!r}.")


def _arrow(arrow: object, batch: object) -> bool:
    if _boolean("arrow", arrow) and batch:
        _refuse(
            "A step takes lists (`batch=True`) or Arrow arrays (`arrow=True`), not both.",
            "Leave out `batch`: a step with `arrow=True` gets many texts at a time too.",
        )
    return bool(arrow)


def _text(argument: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    return _refuse(f"`{argument}` of `plugin` is a text that is not empty, not {value!r}.")


if TYPE_CHECKING:
    # Each overload spells its keywords out. A `TypedDict` would name those that all of them share once, and `stubtest`
    # would take it for keywords of any name, which the function does not have.

    @overload
    def plugin(target: _Target, /) -> _Target: ...

    @overload
    def plugin(
        target: None = None,
        /,
        *,
        batch: Literal[True],
        kind: Literal["map"] = "map",
        stage: _Stage = "transform",
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        requires: Sequence[str] = (),
        thread_safe: bool = False,
        name: str | None = None,
        summary: str | None = None,
    ) -> Callable[[_ListMap], _ListMap]: ...

    @overload
    def plugin(
        target: None = None,
        /,
        *,
        batch: Literal[True],
        kind: Literal["filter"],
        stage: _Stage = "transform",
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        requires: Sequence[str] = (),
        thread_safe: bool = False,
        name: str | None = None,
        summary: str | None = None,
    ) -> Callable[[_ListFilter], _ListFilter]: ...

    @overload
    def plugin(
        target: None = None,
        /,
        *,
        batch: Literal[True],
        kind: Literal["annotate"],
        fields: Mapping[str, type],
        stage: _Stage = "transform",
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        requires: Sequence[str] = (),
        thread_safe: bool = False,
        name: str | None = None,
        summary: str | None = None,
    ) -> Callable[[_ListAnnotate], _ListAnnotate]: ...

    @overload
    def plugin(
        target: None = None,
        /,
        *,
        batch: Literal[True],
        kind: Literal["split"],
        stage: _Stage = "transform",
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        requires: Sequence[str] = (),
        thread_safe: bool = False,
        name: str | None = None,
        summary: str | None = None,
    ) -> Callable[[_ListSplit], _ListSplit]: ...

    @overload
    def plugin(
        target: None = None,
        /,
        *,
        arrow: Literal[True],
        kind: _Kind = "map",
        fields: Mapping[str, type] | None = None,
        stage: _Stage = "transform",
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        requires: Sequence[str] = (),
        thread_safe: bool = False,
        name: str | None = None,
        summary: str | None = None,
    ) -> Callable[[_OfArrays], _OfArrays]: ...

    @overload
    def plugin(
        target: None = None,
        /,
        *,
        kind: _Kind = "map",
        stage: _Stage = "transform",
        before: Sequence[str] = (),
        after: Sequence[str] = (),
        requires: Sequence[str] = (),
        fields: Mapping[str, type] | None = None,
        batch: Literal[False] = False,
        arrow: Literal[False] = False,
        thread_safe: bool = False,
        name: str | None = None,
        summary: str | None = None,
    ) -> Callable[[_Target], _Target]: ...


def plugin(
    target: _Target | None = None,
    /,
    *,
    kind: _Kind = "map",
    stage: _Stage = "transform",
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    requires: Sequence[str] = (),
    fields: Mapping[str, type] | None = None,
    batch: bool = False,
    arrow: bool = False,
    thread_safe: bool = False,
    name: str | None = None,
    summary: str | None = None,
) -> _Target | Callable[[_Target], _Target]:
    """Declare what a step does and where it belongs.

    It decorates a function or a class, as `@plugin` or with arguments. A class is made once per pipeline, with the
    step's configuration as its arguments (a dataclass is the short way to write one), and its instances are called with
    each text.

        @plugin(kind="filter", stage="filter", after=["trim-lines"])
        @dataclass
        class MinWords:
            minimum: int = 50

            def __call__(self, text: str) -> bool | Reject:
                return len(text.split()) >= self.minimum

    Args:
        target: The function or class.
        kind: `map` returns a text, `filter` returns `True`, `False` or `Reject`, `annotate` returns a mapping of the
            fields that it declares, `split` returns an iterable of texts.
        stage: Where the step belongs when steps are put in order automatically.
        before: Names of steps that it must run before, if they are there.
        after: Names of steps that it must run after, if they are there.
        requires: Names of steps that must be there, and run before it.
        fields: What `annotate` adds: names and types (`str`, `int`, `float`, `bool`; `list`, `dict` and `object` for
            JSON).
        batch: Whether it is called with a list of texts. It returns a list, or a tuple, with a result for each: what
            `kind` says. `annotate` may also return a mapping of each field to a list of its values. Fields are lists
            too.
        arrow: Whether it is called with an Arrow array of texts, and returns an Arrow array: of texts for `map`, of
            booleans for `filter`, of structures for `annotate`, of lists of texts for `split`. Anything with
            `__arrow_c_array__` or `__arrow_c_stream__` will do. Fields are Arrow arrays too.
        thread_safe: Whether it may be called from several threads at once.
        name: What a callable that is passed to `Pipeline` is called. A plugin is called what its entry point says.
        summary: What it does, in one sentence; by default the first line of its docstring.

    Raises:
        PluginContractError: An argument is not what it must be.
    """
    declaration = Declaration(
        kind=kind,
        stage=stage,
        before=before,
        after=after,
        requires=requires,
        fields=fields,
        batch=batch,
        arrow=arrow,
        thread_safe=thread_safe,
        name=name,
        summary=summary,
    )

    def declare(target: _Target) -> _Target:
        if not callable(target):
            _refuse(f"`plugin` decorates a function or a class, not `{type(target).__name__}`.")
        try:
            setattr(target, ATTRIBUTE, declaration)
        except AttributeError:
            _refuse(
                f"`plugin` cannot note its declaration on a `{type(target).__name__}`.",
                "Decorate a function or a class written in Python.",
            )
        return target

    return declare if target is None else declare(target)
