"""B8: steps whose exceptions do harm when somebody shows, copies or follows them."""

import threading

from text_processor_hostile.raising import poisoned


class TwoArguments(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.two = two


class Unpicklable(Exception):
    def __init__(self):
        super().__init__("because")
        self.lock = threading.Lock()

    def __reduce__(self):
        raise RuntimeError("raised while pickling")


class FailingText(Exception):
    def __str__(self):
        raise RuntimeError("raised in __str__")

    __repr__ = __str__


class WrongText(Exception):
    def __str__(self):
        return 42


class ExitingText(Exception):
    def __str__(self):
        raise SystemExit(0)


class FailingAttributes(Exception):
    def __getattribute__(self, name):
        raise RuntimeError(f"raised for {name}")


def raising(make):
    def step(text: str) -> str:
        if poisoned(text):
            raise make()
        return text.upper()

    return step


two_arguments = raising(lambda: TwoArguments("one", "two"))
unpicklable = raising(Unpicklable)
failing_text = raising(FailingText)
wrong_text = raising(WrongText)
exiting_text = raising(ExitingText)
huge_text = raising(lambda: ValueError("x" * 100_000_000))
surrogate_text = raising(lambda: ValueError("lone \ud800 surrogate"))
escaping_text = raising(lambda: ValueError("\x1b[31mred\x1b[0m\nsecond line\r\u202eright to left"))
failing_attributes = raising(FailingAttributes)


def cyclic():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    first.__context__ = first
    return first


cyclic_cause = raising(cyclic)
