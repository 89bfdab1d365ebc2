"""Steps that do to the engine whatever a record tells them to: a text `chaos:NAME` makes them do NAME, any other text is kept."""

import builtins
import warnings

from text_processor import Reject, plugin

PREFIX = "chaos:"
NOT_CALLABLE = 42


class TwoArguments(Exception):
    """Cannot be made again from its `args`, nor pickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.handle = open(__file__, "rb")  # noqa: SIM115

    def __del__(self):
        self.handle.close()


class Unspeakable(Exception):
    """Cannot even say what it is."""

    def __str__(self):
        raise ValueError("no words")

    __repr__ = __str__


class OwnBaseException(BaseException):
    """Passes every `except Exception`."""


class DiesBadly:
    """Raises when it is collected."""

    def __del__(self):
        raise ValueError("not even now")


class OddString(str):
    """Text whose methods must never be asked."""

    def __str__(self):
        raise AssertionError("the methods of a result were called")

    encode = __len__ = __iter__ = __getitem__ = __eq__ = __str__
    __hash__ = str.__hash__


def cyclic():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def recursion(depth=0):
    return recursion(depth + 1)


async def coroutine():
    return "never awaited"


def throw(exception):
    raise exception


def dies_badly():
    DiesBadly()
    return "survived"


def warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.warn("an error now", UserWarning, stacklevel=1)


def built_in_exceptions():
    """Every subclass of `Exception` that the language has, made with as few arguments as it takes."""
    for name, value in sorted(vars(builtins).items()):
        if isinstance(value, type) and issubclass(value, Exception):
            for arguments in ((), ("message", [ValueError("inner")]), ("utf-8", b"x", 0, 1, "reason"), ("x", 0, 1, "reason")):
                try:
                    yield name, value(*arguments)
                    break
                except TypeError:
                    continue


# What each word does. A function raises or returns.
DEEDS = {
    **{f"raise-{name}": (lambda exception=exception: throw(exception)) for name, exception in built_in_exceptions()},
    "base-exception": lambda: throw(OwnBaseException("passes every except")),
    "generator-exit": lambda: throw(GeneratorExit()),
    "exit-0": lambda: throw(SystemExit(0)),
    "exit-text": lambda: throw(SystemExit("x")),
    "keyboard-interrupt": lambda: throw(KeyboardInterrupt()),
    "recursion": recursion,
    "two-arguments": lambda: throw(TwoArguments(1, 2)),
    "unspeakable": lambda: throw(Unspeakable()),
    "huge-message": lambda: throw(ValueError("x" * 100_000_000)),
    "cyclic-cause": cyclic,
    "exception-group": lambda: throw(ExceptionGroup("several", [ValueError("one"), TypeError("two")])),
    "base-exception-group": lambda: throw(BaseExceptionGroup("several", [KeyboardInterrupt()])),
    "dies-badly": dies_badly,
    "warning": warns,
    "none": lambda: None,
    "number": lambda: 42,
    "list": lambda: ["text"],
    "dictionary": lambda: {"text": "text"},
    "bytes": lambda: b"text",
    "coroutine": coroutine,
    "generator": lambda: (character for character in "text"),
    "odd-string": lambda: OddString("odd but right"),
    "surrogate": lambda: "a lone \ud800 surrogate",
    "huge-text": lambda: "x" * (32 << 20),
}


def deed(text):
    """What a text tells a step to do, or None."""
    return DEEDS[text.removeprefix(PREFIX)] if text.startswith(PREFIX) else None


@plugin
def chaos_map(text):
    """Do what the text says."""
    return text if deed(text) is None else deed(text)()


@plugin(kind="filter")
def chaos_filter(text):
    """Do what the text says; `reject` rejects with a reason, `false` without one."""
    match text:
        case "reject":
            return Reject("told_so")
        case "false":
            return False
    return True if deed(text) is None else deed(text)()


@plugin(kind="annotate", fields={"number": int, "word": str})
def chaos_annotate(text):
    """Do what the text says; some words return fields that were not declared so."""
    match text:
        case "too few":
            return {"number": 1}
        case "too many":
            return {"number": 1, "word": "one", "more": True}
        case "wrong type":
            return {"number": "one", "word": "one"}
        case "too large":
            return {"number": 1 << 80, "word": "one"}
    return {"number": len(text), "word": text[:10]} if deed(text) is None else deed(text)()


@plugin(kind="split")
def chaos_split(text):
    """Yield words; do what a text says between two of them; `endless` never stops."""
    if text == "endless":
        while True:
            yield text
    if deed(text) is not None:
        yield "before"
        yield deed(text)()
        yield "after"
        return
    yield from text.split()


@plugin
def chaos_mutate(text, payload: dict):
    """Change the value of a field that came in, which nobody else may notice."""
    payload["changed"] = True
    payload.setdefault("list", []).append(text)
    return text


@plugin
class Created:
    """Fail while it is made, in the way that its configuration says."""

    def __init__(self, how: str = "not"):
        if how != "not":
            DEEDS[how]()

    def __call__(self, text):
        return text


async def asynchronous(text):
    return text


def no_parameter():
    return ""


def stars(*texts):
    return texts[0]
