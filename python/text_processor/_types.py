"""Whether a JSON value fits the type that a plugin annotates its configuration with, and that type in words."""

from __future__ import annotations

import collections.abc
import types
import typing
from typing import Any, Literal, Union

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _Fit = tuple[bool, object]
    _Inner = tuple[Any, ...]

_WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "nothing", Any: "anything"}


def fit(value: object, annotation: Any) -> _Fit:
    """Tell whether a JSON value fits a type, and return it as that type. What JSON cannot say is not checked."""
    origin, inner = _taken_apart(annotation)
    fitting = _FITTING.get(origin)
    return (True, value) if fitting is None else fitting(value, inner)


def words(annotation: Any) -> str:
    """Return a type in words that a person reads."""
    if isinstance(annotation, str):
        return annotation
    origin, inner = _taken_apart(annotation)
    if origin in _WORDS:
        return _WORDS[origin]
    if origin in (Literal, Union, types.UnionType):
        return alternatives([f"`{arm}`" if origin is Literal else words(arm) for arm in inner], "or")
    if origin in _MAPPINGS:
        return "table"
    if origin in _FITTING:
        item = words(inner[0]) if inner else "anything"
        return "list" if item == "anything" else f"list of {item}"
    return getattr(annotation, "__qualname__", None) or str(annotation)


def alternatives(listed: Sequence[str], conjunction: str) -> str:
    """Return a list in words: `a, b or c`."""
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} {conjunction} {listed[-1]}"


def _taken_apart(annotation: Any) -> tuple[Any, _Inner]:
    """Return what a type is made of: `list[int]` is `list` and `int`."""
    while isinstance(annotation, typing.NewType):
        annotation = annotation.__supertype__
    origin = typing.get_origin(annotation) or annotation
    # An annotation can be any object. One that no dictionary can hold, such as `[int]`, is no type.
    return (type(None) if origin is None else origin if _is_hashable(origin) else Any), typing.get_args(annotation)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _fit_float(value: object, _inner: _Inner) -> _Fit:
    # In JSON and in TOML one may write 1 for 1.0.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return True, float(value)
    return False, value


def _fit_literal(value: object, choices: _Inner) -> _Fit:
    return any(value == choice and type(value) is type(choice) for choice in choices), value


def _fit_union(value: object, arms: _Inner) -> _Fit:
    # An exact arm comes first: an integer for `float | int` stays one.
    if any(type(value) is arm for arm in arms):
        return True, value
    return next((fitted for fitted in (fit(value, arm) for arm in arms) if fitted[0]), (False, value))


def _fit_mapping(value: object, inner: _Inner) -> _Fit:
    if not isinstance(value, dict):
        return False, value
    expected = inner[-1] if inner else Any
    fitted = {key: fit(item, expected) for key, item in value.items()}
    return all(fits for fits, _ in fitted.values()), {key: item for key, (_, item) in fitted.items()}


def _fit_tuple(value: object, inner: _Inner) -> _Fit:
    if not inner or inner[-1] is Ellipsis:
        return _items(tuple)(value, inner)
    if not isinstance(value, list) or len(value) != len(inner):
        return False, value
    fitted = [fit(item, arm) for item, arm in zip(value, inner, strict=True)]
    return all(fits for fits, _ in fitted), tuple(item for _, item in fitted)


def _items(make: Any) -> Callable[[object, _Inner], _Fit]:
    """Return what fits a list to a collection of one type."""

    def fit_items(value: object, inner: _Inner) -> _Fit:
        if not isinstance(value, list):
            return False, value
        fitted = [fit(item, inner[0] if inner else Any) for item in value]
        if not all(fits for fits, _ in fitted):
            return False, value
        try:
            return True, make(item for _, item in fitted)
        except TypeError:
            # A list of lists cannot become a set.
            return False, value

    return fit_items


_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_SEQUENCES = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_FITTING: dict[Any, Callable[[object, _Inner], _Fit]] = {
    bool: lambda value, _inner: (isinstance(value, bool), value),
    int: lambda value, _inner: (isinstance(value, int) and not isinstance(value, bool), value),
    float: _fit_float,
    str: lambda value, _inner: (isinstance(value, str), value),
    type(None): lambda value, _inner: (value is None, value),
    Literal: _fit_literal,
    Union: _fit_union,
    types.UnionType: _fit_union,
    tuple: _fit_tuple,
    set: _items(set),
    frozenset: _items(frozenset),
    collections.abc.Set: _items(frozenset),
    **dict.fromkeys(_SEQUENCES, _items(list)),
    **dict.fromkeys(_MAPPINGS, _fit_mapping),
}
