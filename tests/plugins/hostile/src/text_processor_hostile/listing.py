"""B14: steps that take lists of texts, and return what is no list of results, or die of one text among many."""

import os
from dataclasses import dataclass

from text_processor import Reject, plugin
from text_processor_hostile.dying import WAYS
from text_processor_hostile.raising import poisoned


def returning(make, **declared):
    """A step that returns what `make` makes of lists with poison, and of all others what it should."""

    @plugin(batch=True, **declared)
    def step(texts: list):
        return make(texts) if any(map(poisoned, texts)) else [text.upper() for text in texts]

    return step


def raising(texts):
    raise ValueError("poison")


def poison_as(make):
    return lambda texts: [make(text) if poisoned(text) else text.upper() for text in texts]


async def never_awaited(texts):
    return texts


class Array:
    """What looks like a list, and is none."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


raises = returning(raising)
nothing = returning(lambda texts: None)
too_few = returning(lambda texts: [text.upper() for text in texts if not poisoned(text)])
too_many = returning(lambda texts: [text.upper() for text in texts for _ in range(1 + poisoned(text))])
text = returning(lambda texts: "".join(texts))
generator = returning(lambda texts: (text.upper() for text in texts))
coroutine = returning(never_awaited)
array = returning(Array)
integer_item = returning(poison_as(len))
nothing_item = returning(poison_as(lambda text: None))
surrogate_item = returning(poison_as(lambda text: "lone \ud800 surrogate"))
long_item = returning(poison_as(lambda text: "x" * (17 << 20)))


@plugin(batch=True)
def empties(texts: list):
    """Changes the list that it is given, which is its own."""
    made = [text.upper() for text in texts]
    texts.clear()
    return made


@plugin(batch=True)
def in_place(texts: list):
    """Returns the list that it is given, changed."""
    texts[:] = [text.upper() for text in texts]
    return texts


@plugin(batch=True, kind="filter")
def filter_with_words(texts: list):
    return ["yes" if poisoned(text) else True for text in texts]


@plugin(batch=True, kind="annotate", fields={"size": int})
def short_column(texts: list):
    return {"size": [len(text) for text in texts if not poisoned(text)]}


@plugin(batch=True, kind="annotate", fields={"size": int})
def other_columns(texts: list):
    return {"length" if any(map(poisoned, texts)) else "size": [len(text) for text in texts]}


@plugin(batch=True, kind="annotate", fields={"size": int})
def wrong_value(texts: list):
    return {"size": ["three" if poisoned(text) else len(text) for text in texts]}


@plugin(batch=True, kind="split")
def raising_part(texts: list):
    def parts(text):
        yield text.upper()
        if poisoned(text):
            raise ValueError("poison")

    return [parts(text) for text in texts]


@plugin(batch=True)
@dataclass
class Die:
    """Dies in this way of each list with a text that contains `poison`, and upper-cases all others."""

    way: str

    def __call__(self, texts: list) -> list:
        if any(map(poisoned, texts)):
            WAYS[self.way]()
        return [text.upper() for text in texts]


@plugin(batch=True)
@dataclass
class DieOfMany:
    """Dies of each list of more than this many texts, as what pads them to one length may."""

    most: int = 1

    def __call__(self, texts: list) -> list:
        if len(texts) > self.most:
            os._exit(1)
        return [text.upper() for text in texts]


@plugin(batch=True)
@dataclass
class FailAlways:
    """Raises whatever it is called with, and notes with how many texts."""

    log: str

    def __call__(self, texts: list) -> list:
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(f"{len(texts)}\n")
        raise RuntimeError("no model")


@plugin(batch=True, kind="filter")
def short_of_many(texts: list):
    """Is right about single texts only."""
    return [Reject("dull") if len(texts) > 1 else True]
