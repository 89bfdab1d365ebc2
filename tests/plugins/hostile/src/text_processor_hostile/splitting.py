"""B7: steps of kind `split` that end in the middle, or never."""

import itertools

from text_processor import plugin
from text_processor_hostile.raising import poisoned


@plugin(kind="split")
def stop_iteration_inside(text: str):
    """A generator turns the `StopIteration` into a `RuntimeError`, so the parts before it are not the whole."""
    yield "first"
    if poisoned(text):
        next(iter(()))
    yield "second"


@plugin(kind="split")
def raising_after_two(text: str):
    yield "first"
    yield "second"
    if poisoned(text):
        raise ValueError("because")


class Clinging:
    """An iterator that does not want to be closed, and whose end raises when it is asked for twice."""

    def __init__(self, text):
        self.parts = iter(text.split())
        self.ended = False

    def __iter__(self):
        return self

    def __next__(self):
        if self.ended:
            raise RuntimeError("asked again after the end")
        try:
            return next(self.parts)
        except StopIteration:
            self.ended = True
            raise

    def close(self):
        raise RuntimeError("raised while closing")


@plugin(kind="split")
def clinging(text: str):
    return Clinging(text)


@plugin(kind="split")
def endless(text: str):
    if poisoned(text):
        return itertools.repeat("again")
    return [text]


@plugin(kind="split")
def mixed(text: str):
    return ["a text", 5] if poisoned(text) else [text]


@plugin(kind="split")
def nothing(text: str):
    return [] if poisoned(text) else [text]


@plugin(kind="split")
def words(text: str):
    return text.split()
