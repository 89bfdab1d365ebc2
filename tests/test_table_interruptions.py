"""A Ctrl-C at any moment of a call with tables: it is raised, and the handler that was there is there again."""

import contextlib
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from text_processor import Pipeline, plugin

TABLE = pa.table({"text": [" a ", "b"]})


def press() -> None:
    """Ctrl-C, whose handler runs before this returns."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """Whoever starts this may have had the signal ignored. The handler must be the same afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


@plugin
def press_and_go_on(text: str) -> str:
    with contextlib.suppress(KeyboardInterrupt):
        press()
    return text


@plugin(batch=True)
def press_with_many(texts: list[str]) -> list[str]:
    with contextlib.suppress(KeyboardInterrupt):
        press()
    return texts


@plugin
def fail(text: str) -> str:
    raise ValueError


def reader(table: pa.Table = TABLE) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches()))


CALLS: dict[str, Callable[[Pipeline], Any]] = {
    "table": lambda pipeline: pipeline.process_table(TABLE),
    "reader": lambda pipeline: list(pipeline.process_table(reader())),
    "batch": lambda pipeline: pipeline.map_batches(TABLE),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_c6_an_interrupt_that_a_step_holds_back_is_raised(call: Callable[[Pipeline], Any]) -> None:
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            call(Pipeline([press_and_go_on]))


def test_c6_an_interrupt_of_steps_that_take_many_texts_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        Pipeline([press_with_many]).map_batches({"text": ["a"]})


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_c6_an_interrupt_in_the_log_is_raised(call: Callable[[Pipeline], Any]) -> None:
    class Pressing(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            press()

    logger, handler = logging.getLogger("text_processor"), Pressing()
    logger.addHandler(handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call(Pipeline([fail]))
    finally:
        logger.removeHandler(handler)


def test_c6_an_interrupt_reaches_whoever_reads_through_another_library() -> None:
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it comes when Python goes on.
            try:
                pa.table(Pipeline([press_and_go_on]).process_table(reader()))
            except pa.ArrowInvalid:
                str(TABLE)
            pytest.fail("The interrupt was dropped.")


AT_ANY_MOMENT = """
import os, random, signal, threading
import pyarrow as pa
from text_processor import Pipeline

signal.signal(signal.SIGINT, signal.default_int_handler)
pipeline, table = Pipeline(["trim"]), pa.table({"text": [" a "] * 100})
calls = [
    lambda: pipeline.process_table(table),
    lambda: list(pipeline.process_table(table, stream=True)),
    lambda: pipeline.map_batches(table),
    lambda: pipeline.map_batches({"text": ["a"]}),
]
moments, raised = random.Random(1), 0
for number in range(40):
    call = calls[number % 4]
    timer = threading.Timer(moments.uniform(0.001, 0.03), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while timer.is_alive():
            call()
        call()
    except KeyboardInterrupt:
        raised += 1
    timer.join()
print(raised, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_c6_an_interrupt_by_another_thread_is_raised_at_any_moment() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_ANY_MOMENT], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.stderr) == ("40 True\n", "")
