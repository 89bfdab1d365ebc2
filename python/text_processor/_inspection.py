"""What a plugin declares and how it is configured, read with all that Python has for looking into objects.

`_contract` asks this module about everything but plain functions, and the engine about configurations. What is wrong is
raised as `PluginContractError` or `ConfigError`; the engine adds where the plugin comes from.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import typing
from typing import Any, NoReturn

from text_processor._contract import MOST_ASKED, UNDECLARED, Contract, Parameter, first_paragraph, qualified_name
from text_processor._plugin import ATTRIBUTE, Declaration
from text_processor._types import alternatives, fit, words
from text_processor.exceptions import ConfigError, PluginContractError

_EMPTY = inspect.Parameter.empty


def read(target: Any, step: str) -> Contract:
    """Do what `_contract.read` says, for any object."""
    if not callable(target):
        _refuse(
            f"{step} is a {_kind_of(target)}, and a step is a function or a class.",
            "The entry point names a function or a class after a colon, `module:name`."
            if inspect.ismodule(target)
            else None,
        )
    declared = getattr(target, ATTRIBUTE, None)
    if declared is None:
        declared = UNDECLARED
    elif not isinstance(declared, Declaration):
        _refuse(f"{step} has a `{ATTRIBUTE}` that the decorator `plugin` has not made.")
    is_class = inspect.isclass(target)
    function, signature = _call_signature(target, step)
    _check_function(function, declared, step)
    return Contract(
        declared,
        asks=_asks(signature, declared.kind, step),
        parameters=_parameters(target, step) if is_class else (),
        is_class=is_class,
        name=_name(target),
        summary=_summary(target),
    )


def arguments(target: Any, step: str, configuration: dict[str, object]) -> dict[str, object]:
    """Check a configuration against what a class takes, and return the arguments to make it with.

    Raises:
        ConfigError: A key is unknown, a value is missing or has the wrong type.
    """
    if not inspect.isclass(target):
        if configuration:
            _misconfigured(
                f"The step {step} takes no configuration, because it is a {_kind_of(target)}.",
                key=next(iter(configuration)),
                hint="A plugin that is configured is a class; its fields are the configuration.",
            )
        return {}
    parameters = {parameter.name: parameter for parameter in _parameters(target, step)}
    hints = _annotations(target)
    made = {}
    for key, value in configuration.items():
        parameter = parameters.get(key) or parameters.get(key.replace("-", "_"))
        if parameter is None:
            near = difflib.get_close_matches(key.replace("-", "_"), parameters, n=1)
            known = alternatives([f"`{name}`" for name in parameters], "and")
            _misconfigured(
                f"The step {step} has no configuration `{key}`.",
                key=key,
                suggestion=near[0] if near else None,
                hint=f"It takes {known}." if parameters else "It takes no configuration.",
            )
        if parameter.name in made:
            _misconfigured(f"The configuration of the step {step} says `{parameter.name}` twice.", key=key)
        fits, converted = fit(value, hints.get(parameter.name, Any))
        if not fits:
            _misconfigured(
                f"The configuration `{key}` of the step {step} is {parameter.type}, not {_shown(value)}.",
                key=key,
            )
        made[parameter.name] = converted
    missing = [parameter for parameter in parameters.values() if parameter.required and parameter.name not in made]
    if missing:
        named = alternatives([f"`{parameter.name}` ({parameter.type})" for parameter in missing], "and")
        _misconfigured(
            f"The step {step} needs the configuration {named}.",
            key=missing[0].name,
            hint="Give it with `with` in a pipeline file, after a colon on the command line, or as a pair in Python. "
            "Whoever takes all that is installed can only take steps that need none.",
        )
    return made


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    error = PluginContractError(message)
    if hint is not None:
        error.add_note(hint)
    raise error


def _misconfigured(message: str, *, key: str, suggestion: str | None = None, hint: str | None = None) -> NoReturn:
    error = ConfigError(message, suggestion=suggestion)
    if hint is not None:
        error.add_note(hint)
    # The key is for whoever knows the pipeline file, to find the line.
    error._key = key  # type: ignore[attr-defined]  # noqa: SLF001
    raise error


def _call_signature(target: Any, step: str) -> tuple[object, inspect.Signature | None]:
    """Return what is called with each text, and its signature without `self`; no signature where C code tells none."""
    function: Any = target
    if inspect.isclass(target):
        found = next((vars(base)["__call__"] for base in target.__mro__ if "__call__" in vars(base)), None)
        if found is None:
            _refuse(
                f"{step} is a class whose instances cannot be called.",
                "Give it a method `__call__(self, text: str)`.",
            )
        function = found
    try:
        signature = inspect.signature(
            function.__func__ if isinstance(function, (staticmethod, classmethod)) else function
        )
    except (ValueError, TypeError):
        return function, None
    if inspect.isclass(target) and not isinstance(function, staticmethod):
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    return function, signature


def _check_function(function: Any, declared: Declaration, step: str) -> None:
    if isinstance(function, (staticmethod, classmethod)):
        function = function.__func__
    elif not inspect.isroutine(function) and not isinstance(function, functools.partial):
        # What a call of the instance calls, which is not always what `instance.__call__` is.
        function = getattr(type(function), "__call__", function)  # noqa: B004
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        _refuse(
            f"{step} is an async function, and a step returns its result itself.", "Write `def` instead of `async def`."
        )
    if not inspect.isgeneratorfunction(function):
        return
    if declared.batch or declared.arrow:
        word, what = ("arrow", "an array") if declared.arrow else ("batch", "a list")
        _refuse(
            f"{step} is a generator function (it says `yield`), and a step with `{word}=True` returns {what}.",
            f"Collect the results in {what} and return it.",
        )
    if declared.kind != "split":
        _refuse(
            f"{step} is a generator function (it says `yield`), and a step of kind `{declared.kind}` returns "
            "one result.",
            'Only a step of kind `split` may yield: declare it with `@plugin(kind="split")`.',
        )


def _asks(signature: inspect.Signature | None, kind: str, step: str) -> tuple[tuple[str, bool, object], ...]:
    if signature is None:
        return ()
    parameters = list(signature.parameters.values())
    expected = "A step takes the text as its first parameter, and each further parameter asks for a field by its name."
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind == parameter.VAR_POSITIONAL else "**"
            _refuse(
                f"{step} takes `{stars}{parameter.name}`, so that nobody can tell which fields it asks for.",
                f"{expected} Wrap it in a function that says so.",
            )
    if not parameters:
        _refuse(f"{step} takes no parameter, and a step of kind `{kind}` is called with the text.", expected)
    if parameters[0].kind == inspect.Parameter.KEYWORD_ONLY:
        _refuse(f"{step} takes `{parameters[0].name}` by name only, and the text is passed by position.", expected)
    asks = []
    for parameter in parameters[1:]:
        required = parameter.default is _EMPTY
        if parameter.kind != parameter.POSITIONAL_ONLY:
            asks.append((parameter.name, required, None if required else parameter.default))
        elif required:
            _refuse(f"{step} takes `{parameter.name}` by position only, and fields are passed by name.", expected)
    if len(asks) > MOST_ASKED:
        _refuse(f"{step} asks for {len(asks)} fields, and the most that a step can ask for is {MOST_ASKED}.")
    return tuple(asks)


def _parameters(target: Any, step: str) -> tuple[Parameter, ...]:
    try:
        signature = inspect.signature(target)
    except (ValueError, TypeError):
        return ()
    hints = _annotations(target)
    fields = {field.name: field for field in dataclasses.fields(target)} if dataclasses.is_dataclass(target) else {}
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if target.__init__ is object.__init__:
                continue
            _refuse(
                f"{step} is made with `{parameter}`, so that nobody can tell what it is configured with.",
                "Name each value of the configuration; a dataclass is the short way.",
            )
        if parameter.kind == parameter.POSITIONAL_ONLY:
            _refuse(f"{step} takes `{parameter.name}` by position only, and a configuration is passed by name.")
        field = fields.get(parameter.name)
        default = None if parameter.default is _EMPTY else parameter.default
        if field is not None and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        description = field.metadata.get("description", "") if field is not None else ""
        parameters.append(
            Parameter(
                name=parameter.name,
                type=words(hints.get(parameter.name, Any)),
                required=parameter.default is _EMPTY,
                default=default,
                description=str(description),
            )
        )
    return tuple(parameters)


def _annotations(target: Any) -> dict[str, Any]:
    """Return the types that the configuration of a class is annotated with; what cannot be resolved stays a text."""
    source = target if dataclasses.is_dataclass(target) else target.__init__
    try:
        return typing.get_type_hints(source)
    except Exception:  # noqa: BLE001 - an annotation is any expression, and one that only type checkers can read is no mistake.
        return {**getattr(source, "__annotations__", {})}


def _shown(value: object) -> str:
    if isinstance(value, (dict, list)):
        return f"a {'table' if isinstance(value, dict) else 'list'}"
    shown = repr(value)
    most = 60
    return f"`{shown if len(shown) <= most else shown[:most] + '…'}`"


def _kind_of(target: object) -> str:
    if inspect.isroutine(target):
        return "function"
    return "module" if inspect.ismodule(target) else f"`{type(target).__qualname__}`"


def _name(target: Any) -> str:
    while isinstance(target, functools.partial):
        target = target.func
    return qualified_name(target if hasattr(target, "__qualname__") else type(target))


def _summary(target: Any) -> str:
    while isinstance(target, functools.partial):
        target = target.func
    documented = target if inspect.isroutine(target) or inspect.isclass(target) else type(target)
    text = getattr(documented, "__doc__", None)
    # A dataclass without a docstring gets its signature as one.
    if isinstance(text, str) and text.startswith(f"{getattr(documented, '__name__', '')}("):
        return ""
    return first_paragraph(text)
