"""The library logs through Python's `logging`, under `text_processor`, a few lines per run."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from text_processor import Pipeline

LOGGER = logging.getLogger("text_processor")


class Collecting(logging.Handler):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record."""
        self.got.append(record)


@contextmanager
def listening(handler: logging.Handler, level: int = logging.NOTSET) -> Iterator[None]:
    """Has a handler on the library's logger, at a level."""
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(logging.NOTSET)


@pytest.fixture
def collecting() -> Iterator[Collecting]:
    """A handler on the library's logger."""
    handler = Collecting()
    with listening(handler):
        yield handler


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An input of several batches."""
    file = tmp_path / "in.txt"
    file.write_text("".join(f"record {number}\n" for number in range(20_000)), encoding="utf-8")
    return file


def run(source: Path) -> None:
    Pipeline(["trim", str.upper]).run(source, source.with_name("out.txt"), overwrite=True, workers=2)


def test_runs_are_logged_in_a_few_lines(collecting: Collecting, source: Path) -> None:
    LOGGER.setLevel(logging.INFO)
    run(source)
    assert 2 <= len(collecting.got) <= 10
    assert {record.levelno for record in collecting.got} == {logging.INFO}
    assert all(record.name.startswith("text_processor.") for record in collecting.got)
    assert "20000 records read" in collecting.got[-1].getMessage()


def test_a_change_of_level_takes_effect_at_the_next_run(collecting: Collecting, source: Path) -> None:
    told = []
    for level in (logging.WARNING, logging.INFO, logging.WARNING, logging.DEBUG, logging.CRITICAL):
        LOGGER.setLevel(level)
        run(source)
        told.append(bool(collecting.got))
        collecting.got.clear()
    assert told == [False, True, False, True, False]


def test_a_change_of_level_of_one_module_takes_effect_too(collecting: Collecting, source: Path) -> None:
    LOGGER.setLevel(logging.INFO)
    run(source)
    [name, *_] = {record.name for record in collecting.got}
    collecting.got.clear()
    logging.getLogger(name).setLevel(logging.ERROR)
    try:
        run(source)
    finally:
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert name not in {record.name for record in collecting.got}


def test_nothing_is_logged_for_single_texts(collecting: Collecting) -> None:
    LOGGER.setLevel(1)
    pipeline = Pipeline(["trim", str.upper])
    collecting.got.clear()
    assert pipeline.process(" a ") == "A"
    assert list(pipeline.process_many([" a "])) == ["A"]
    assert collecting.got == []


def test_a_damaged_input_is_a_warning(collecting: Collecting, tmp_path: Path, source: Path) -> None:
    report = Pipeline([]).run([source, tmp_path / "missing.txt"], tmp_path / "out.txt")
    assert report.exit_code == 5
    assert [record.levelname for record in collecting.got if record.levelno >= logging.WARNING] == ["WARNING"]
    assert "missing.txt" in collecting.got[-1].getMessage()


def test_c25_a_handler_may_call_the_library_back(source: Path) -> None:
    texts: list[str | None] = []

    class CallsBack(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(Pipeline(["trim", str.upper]).process(f" {record.levelname} "))
            if len(texts) == 1:
                small = source.with_name("small.txt")
                small.write_text("one\n", encoding="utf-8")
                Pipeline(["trim"]).run(small, source.with_name("inner.txt"))

    with listening(CallsBack(), logging.INFO):
        run(source)
    assert len(texts) >= 4
    assert set(texts) == {"INFO"}
    assert source.with_name("inner.txt").read_text(encoding="utf-8") == "one\n"


def test_c25_a_handler_may_take_a_lock_that_a_step_takes_too(source: Path) -> None:
    lock = threading.Lock()
    taken = []

    class TakesLock(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with lock:
                taken.append(record.levelname)

    def step(text: str) -> str:
        with lock:
            return text

    with listening(TakesLock(), logging.DEBUG):
        threads = [
            threading.Thread(
                target=Pipeline([step, "trim"]).run, args=(source, source.with_name(f"out{number}.txt")), daemon=True
            )
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads), "a deadlock"
    assert len(taken) >= 8


def test_c25_a_handler_that_raises_does_not_end_the_run(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: shown.append(told.exc_type))

    class Raises(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError(record.levelname)

    with listening(Raises(), logging.INFO):
        run(source)
    assert source.with_name("out.txt").stat().st_size == source.stat().st_size
    assert set(shown) == {RuntimeError}, "the exceptions are shown, as those of finalizers are"
