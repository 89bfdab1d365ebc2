"""B10–B13: steps that return what they should not."""

from text_processor import plugin
from text_processor_hostile.raising import poisoned


def returning(make):
    def step(text: str) -> str:
        return make(text) if poisoned(text) else text.upper()

    return step


async def never_awaited(text):
    return text


def generated(text):
    yield text


class Liar:
    """Says that it is a `str`, and is none."""

    __class__ = str

    def __str__(self):
        return "a lie"


class OddString(str):
    """A `str` whose methods do anything but what a `str` does."""

    def fail(self, *arguments, **keywords):
        raise RuntimeError("a method of a str subclass was called")

    __str__ = __len__ = __iter__ = __getitem__ = __eq__ = __hash__ = __bool__ = __format__ = __contains__ = fail
    encode = upper = strip = split = fail


none = returning(lambda text: None)
integer = returning(lambda text: 42)
a_list = returning(lambda text: [text])
a_dict = returning(lambda text: {"text": text})
some_bytes = returning(lambda text: text.encode())
coroutine = returning(never_awaited)
generator = returning(generated)
liar = returning(lambda text: Liar())
odd_string = returning(OddString)
surrogate = returning(lambda text: "lone \ud800 surrogate")
# The limit is 16 MiB of UTF-8.
too_long = returning(lambda text: "x" * (17 << 20))
too_wide = returning(lambda text: "\U0001f600" * (5 << 20))


@plugin(kind="filter")
def filter_with_words(text: str):
    return "yes" if poisoned(text) else True


@plugin(kind="annotate", fields={"length": int})
def other_fields(text: str):
    return {"width": len(text)} if poisoned(text) else {"length": len(text)}


@plugin(kind="annotate", fields={"length": int})
def wrong_type(text: str):
    return {"length": "long"} if poisoned(text) else {"length": len(text)}
