"""B1–B7, B9: steps that raise."""

import builtins
import sys
import warnings


def poisoned(text):
    return "poison" in text.lower()


# Built-in exceptions that cannot be made without arguments of their own.
ARGUMENTS = {
    "UnicodeDecodeError": ("utf-8", b"\xff", 0, 1, "because"),
    "UnicodeEncodeError": ("ascii", "é", 0, 1, "because"),
    "UnicodeTranslateError": ("é", 0, 1, "because"),
    "ExceptionGroup": ("several", [ValueError("one"), TypeError("two")]),
}


def raise_named(text):
    """Raises the built-in exception that stands after `poison`."""
    if poisoned(text):
        name = text.split()[-1]
        raise getattr(builtins, name)(*ARGUMENTS.get(name, ("because",)))
    return text.upper()


def raise_base_exception(text):
    if poisoned(text):
        raise BaseException("because")
    return text.upper()


def raise_generator_exit(text):
    if poisoned(text):
        raise GeneratorExit
    return text.upper()


class Own(BaseException):
    pass


def raise_own_base_exception(text):
    if poisoned(text):
        raise Own("because")
    return text.upper()


def exit_zero(text):
    if poisoned(text):
        sys.exit(0)
    return text.upper()


def exit_with_text(text):
    if poisoned(text):
        sys.exit("because")
    return text.upper()


def raise_keyboard_interrupt(text):
    """Nobody pressed Ctrl-C."""
    if poisoned(text):
        raise KeyboardInterrupt("because")
    return text.upper()


def recurse(text):
    if poisoned(text):
        return recurse(text) + "!"
    return text.upper()


def raise_memory_error(text):
    if poisoned(text):
        raise MemoryError
    return text.upper()


def allocate(text):
    """Asks for more memory than any machine has."""
    if poisoned(text):
        return str(bytearray(1 << 60))
    return text.upper()


def raise_stop_iteration(text):
    if poisoned(text):
        return next(iter(()))
    return text.upper()


def warn(text):
    if poisoned(text):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.warn("because", UserWarning, stacklevel=1)
    return text.upper()


def raise_group(text):
    if poisoned(text):
        nested = ExceptionGroup("inner", [KeyError("two"), *[ValueError(str(number)) for number in range(1000)]])
        raise BaseExceptionGroup("outer", [ValueError("one"), nested, SystemExit(3)])
    return text.upper()


class FailsInFinalizer:
    def __del__(self):
        raise RuntimeError("raised in a finalizer")


def fail_in_finalizer(text):
    """The exception in `__del__` is nobody's: the record is processed."""
    if poisoned(text):
        FailsInFinalizer()
    return text.upper()
