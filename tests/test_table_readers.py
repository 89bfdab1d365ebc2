"""The workers of a `TableReader`: they stay from chunk to chunk, and go with the reader."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from support import processes, table_steps
from support.processes import nothing_left, state, wait_until

from text_processor import Pipeline, StepError, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator

# As many rows as a reader collects before workers get any.
ROWS = 1 << 13


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a process, a descriptor or a temporary file behind."""
    with nothing_left(monkeypatch):
        yield


def read_with(step: Any, texts: Iterator[str] | None = None, **options: Any) -> TableReader:
    """Makes a reader of chunks without end, or of these texts, whose steps run in workers."""
    first = pa.record_batch({"text": [""]})
    chunks = (pa.record_batch({"text": [text] * ROWS}) for text in texts or itertools.repeat("a text"))
    source = pa.RecordBatchReader.from_batches(first.schema, chunks)
    made = Pipeline([step]).process_table(source, isolation="process", **{"workers": 2, **options})
    assert isinstance(made, TableReader)
    return made


def said(chunk: Any) -> set[str]:
    return set(pa.table(chunk)["text"].to_pylist())


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that can import the steps."""
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", dedent(program)],
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )


def test_workers_stay_from_chunk_to_chunk() -> None:
    reader = read_with(table_steps.tell_process, iter(["a"] * 8))
    seen = [said(chunk) for chunk in reader]
    assert len(seen) == 8
    assert 1 <= len(set().union(*seen)) <= 2
    # They ended with the last chunk, not with the reader.
    assert processes.workers() == []
    assert (reader.report.out, reader.report.to_dict()["restarts"]) == (8 * ROWS, 0)


def test_workers_end_with_a_reader_that_is_not_read_to_its_end() -> None:
    reader = read_with(table_steps.tell_process)
    seen = said(next(reader)) | said(next(reader))  # type: ignore[call-overload]
    assert {str(worker) for worker in processes.workers()} >= seen
    del reader
    gc.collect()
    assert processes.workers() == []
    stream = pa.RecordBatchReader.from_stream(read_with(table_steps.tell_process))
    stream.read_next_batch()
    assert processes.workers() != []
    stream.close()
    del stream
    gc.collect()
    assert processes.workers() == []


def test_a_reader_that_nobody_reads_starts_nothing() -> None:
    reader = read_with(table_steps.tell_process)
    assert processes.workers() == []
    del reader


def test_an_error_ends_the_workers() -> None:
    reader = read_with(table_steps.fail_on_poison, iter(["a", "poison", "a"]), on_error="raise")
    next(reader)  # type: ignore[call-overload]
    with pytest.raises(StepError):
        next(reader)  # type: ignore[call-overload]
    assert processes.workers() == []
    assert list(reader) == []


def test_a_worker_that_dies_between_two_chunks_is_replaced() -> None:
    reader = read_with(table_steps.tell_process, iter(["a"] * 3), workers=1)
    [before] = said(next(reader))  # type: ignore[call-overload]
    os.kill(int(before), 9)
    wait_until(lambda: state(int(before)) in ("Z", ""))
    [after] = said(next(reader))  # type: ignore[call-overload]
    assert after != before
    assert said(next(reader)) == {after}  # type: ignore[call-overload]
    assert list(reader) == []
    assert (reader.report.out, reader.report.quarantined, reader.report.to_dict()["restarts"]) == (3 * ROWS, 0, 1)


def test_a_step_that_kills_its_worker_costs_its_record_only() -> None:
    chunks = [pa.record_batch({"text": ["a", "poison", "b"]}) for _ in range(3)]
    source = pa.RecordBatchReader.from_batches(chunks[0].schema, iter(chunks))
    made = Pipeline([table_steps.die_on_poison]).process_table(source, isolation="process", workers=1)
    assert pa.table(made)["text"].to_pylist() == ["a", "b"] * 3
    assert made.report.quarantined == 3


def test_what_steps_print_at_last_is_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        reader = read_with(table_steps.Farewell, iter(["a", "a"]), workers=1)
        list(reader)
    assert caplog.messages.count("farewell") == 1
    assert reader.report.to_dict()["printed_bytes"] == len("farewell\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_fork_leaves_the_workers_alone(goes_on: bool) -> None:
    program = f"""
        import gc, os, sys
        import pyarrow as pa
        from support import table_steps
        from text_processor import ConfigError, Pipeline

        chunk = pa.record_batch({{"text": ["a"] * {ROWS}}})
        source = pa.RecordBatchReader.from_batches(chunk.schema, iter([chunk] * 4))
        reader = Pipeline([table_steps.tell_process]).process_table(source, isolation="process", workers=1)
        said = lambda: set(pa.table(next(reader))["text"].to_pylist())
        first = said()
        child = os.fork()
        if child == 0:
            if {goes_on}:
                try:
                    said()
                except ConfigError as error:
                    assert "forked" in str(error)
                else:
                    os._exit(1)
            del reader
            gc.collect()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(said() == said() == first)
    """
    done = run_program(program)
    assert done.stdout == "True\n", done.stderr


def test_a_reader_that_is_never_let_go_leaves_nothing() -> None:
    program = """
        import pyarrow as pa
        from support import table_steps
        from text_processor import Pipeline

        chunk = pa.record_batch({"text": ["a"] * 10_000})
        source = pa.RecordBatchReader.from_batches(chunk.schema, iter([chunk] * 4))
        reader = Pipeline([table_steps.tell_process]).process_table(source, isolation="process", workers=1)
        ever = [reader]
        ever.append(ever)
        print(*set(pa.table(next(reader))["text"].to_pylist()))
    """
    done = run_program(program)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: state(int(done.stdout)) in ("Z", ""), 5)
