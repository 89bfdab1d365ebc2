"""`Pipeline.process`: the method itself, and what happens to one text on its way."""

import gc
import inspect
import pickle
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text_processor import Pipeline, StepError


class Text(str):
    """A `str` that says of itself what is not so."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: object) -> str:
        return "wrong"

    def strip(self, chars: str | None = None, /) -> str:
        return f"wrong {chars}"


def test_it_says_what_it_takes_and_does() -> None:
    assert str(inspect.signature(Pipeline.process)) == "(self, text, /)"
    documentation = Pipeline.process.__doc__
    assert documentation is not None
    assert documentation.startswith("Runs the steps over one text.\n\nArgs:\n    text: The text.")
    assert (Pipeline.process.__name__, Pipeline.process.__qualname__) == ("process", "Pipeline.process")


def test_it_can_be_bound_and_pickled() -> None:
    process = Pipeline(["trim"]).process
    assert list(map(process, [" a", "b "])) == ["a", "b"]
    assert pickle.loads(pickle.dumps(process))(" c ") == "c"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda pipeline: pipeline.process(b"a"), "`text` is a `bytes`, and texts are `str`."),
        (lambda pipeline: pipeline.process(None), "`text` is a `NoneType`, and texts are `str`."),
        (lambda pipeline: pipeline.process(), "exactly one argument"),
        (lambda pipeline: pipeline.process("a", "b"), "exactly one argument"),
        (lambda pipeline: pipeline.process(text="a"), "keyword arguments"),
        (lambda _: Pipeline.process("a", "b"), "Pipeline"),
        (lambda _: Pipeline.process(object(), "b"), "Pipeline"),
    ],
)
def test_it_takes_one_text_and_nothing_else(call: Callable[[Pipeline], object], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        call(Pipeline(["trim"]))


def test_a_failure_holds_on_to_nothing_once_it_is_over() -> None:
    class Held:
        pass

    kept: list[weakref.ref[Held]] = []

    def fail(text: str) -> str:
        held = Held()
        kept.append(weakref.ref(held))
        raise ValueError(text)

    # To make or end a pipeline would let go of what the call had put aside.
    pipeline = Pipeline([fail])
    with pytest.raises(StepError) as caught:
        pipeline.process("a")
    assert kept[0]() is not None
    del caught
    gc.collect()
    assert kept[0]() is None
    del pipeline


def test_a_text_is_let_go_when_it_has_been_processed() -> None:
    text = "x" * 1000
    before = sys.getrefcount(text)
    pipeline = Pipeline(["trim", lambda text: text, "collapse-whitespace", str.upper])
    for _ in range(100):
        pipeline.process(text)
    assert sys.getrefcount(text) == before


@given(st.text(st.sampled_from(" \t\n\u3000\x1c\xa0aé日𝄞\u200b"), max_size=20))
def test_what_is_trimmed_is_cut_out_of_any_text(text: str) -> None:
    expected = text.strip()
    for pipeline in (Pipeline(["trim"]), Pipeline(["trim", ("length", {"minimum": 0})])):
        for given_text in (text, Text(text)):
            trimmed = pipeline.process(given_text)
            assert trimmed == expected
            if trimmed is not given_text:
                assert type(trimmed) is str
                assert sys.getsizeof(trimmed) == sys.getsizeof("".join(list(expected)))


def test_a_text_keeps_no_copy_of_itself() -> None:
    for text in (" é" * 100, " 日" * 100, " 𝄞" * 100):
        before = sys.getsizeof(text)
        assert Pipeline(["trim", "collapse-whitespace"]).process(text) == text.strip()
        assert sys.getsizeof(text) == before


@pytest.mark.parametrize("step", ["trim", "collapse-whitespace", str.upper])
def test_a_surrogate_fails_where_the_text_is_read_or_made(step: str | Callable[[str], str]) -> None:
    with pytest.raises(Exception, match="surrogate"):
        Pipeline([step]).process(" a\ud800b ")


def test_a_thread_that_takes_a_turn_again_keeps_it_to_the_end() -> None:
    inside = 0
    most = 0

    def nested(text: str) -> str:
        nonlocal inside, most
        if text == "inner":
            return text
        inside += 1
        pipeline.process("inner")
        # Whoever waits for the turn has the interpreter now.
        time.sleep(0.0005)
        most = max(most, inside)
        inside -= 1
        return text

    pipeline = Pipeline([nested])

    def work() -> None:
        for _ in range(50):
            assert pipeline.process("outer") == "outer"

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
