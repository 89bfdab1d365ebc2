"""C24: one pipeline, many callers."""

import asyncio
import importlib.util
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.files import counts

from text_processor import Pipeline, plugin

THREADS = 8


@plugin
@dataclass
class Careless:
    """A step that notices when it is called by two threads at once."""

    busy: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, text: str) -> str:
        """Marks itself as busy meanwhile."""
        assert self.busy.acquire(blocking=False), "two threads at once"
        try:
            # Gives other threads a chance to come in.
            sum(range(200))
            return text + "!"
        finally:
            self.busy.release()


def test_c24_eight_threads_share_a_pipeline(tmp_path: Path) -> None:
    pipeline = Pipeline(["trim", str.upper, ("replace", {"pattern": "A+", "replacement": "b"})])

    def work(number: int) -> None:
        texts = [f" {number} {index} aa " for index in range(300)]
        expected = [f"{number} {index} b".upper().replace("B", "b") for index in range(300)]
        assert [pipeline.process(text) for text in texts] == expected
        assert list(pipeline.process_many(texts)) == expected
        assert [record.text for record in pipeline.records({"text": text} for text in texts)] == expected
        assert pipeline.trace(texts[0])[-1].after == expected[0]
        source, output = tmp_path / f"in{number}.txt", tmp_path / f"out{number}.txt"
        source.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        assert counts(pipeline.run(source, output, workers=2)) == (300, 300, 0, 0)
        assert output.read_text(encoding="utf-8").splitlines() == expected

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


def test_c24_a_step_that_does_not_say_it_is_safe_is_called_by_one_thread_at_a_time() -> None:
    pipeline = Pipeline([Careless()])
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(lambda number: pipeline.process(str(number)), range(2000)))
    finally:
        sys.setswitchinterval(before)
    assert results == [f"{number}!" for number in range(2000)]


def test_c24_a_step_may_use_a_pipeline_itself() -> None:
    inner = Pipeline(["trim", str.upper])
    outer = Pipeline([lambda text: inner.process(text) or "", "trim-lines"])
    assert outer.process(" a ") == "A"


def test_c24_threads_may_share_an_iterator() -> None:
    texts = Pipeline(["trim"]).process_many(f" {number} " for number in range(1000))
    taken: list[str | None] = []
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:  # A generator cannot be asked by two threads at once, and that is not ours to change.
                try:
                    text = next(texts)
                except StopIteration:
                    return
            taken.append(text)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work) for _ in range(THREADS)]:
            done.result()
    assert sorted(map(int, filter(None, taken))) == list(range(1000))


def test_c24_a_run_lets_an_event_loop_go_on(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f" {number} \n" for number in range(20_000)), encoding="utf-8")

    async def main() -> int:
        beats = 0

        async def heart() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.001)
                beats += 1

        beating = asyncio.create_task(heart())
        runs = [
            asyncio.to_thread(Pipeline(["trim", str.upper]).run, source, tmp_path / f"out{number}.txt")
            for number in range(2)
        ]
        reports = await asyncio.gather(*runs)
        beating.cancel()
        assert [counts(report) for report in reports] == [(20_000, 20_000, 0, 0)] * 2
        return beats

    assert asyncio.run(main()) > 0


def test_c24_a_subinterpreter_works_or_refuses_clearly() -> None:
    names = ["_interpreters", "_xxsubinterpreters"]
    [module] = [name for name in names if importlib.util.find_spec(name)][:1]
    program = f"""
import {module} as interpreters
made = interpreters.create()
try:
    result = interpreters.run_string(made, "import text_processor; text_processor.Pipeline(['trim']).process(' a ')")
except interpreters.RunFailedError as error:
    result = str(error)
interpreters.destroy(made)
assert result is None or "ImportError" in str(getattr(result, "type", result)) + str(result), result
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("daemon", [True, False])
def test_a_program_that_ends_while_a_run_goes_on_ends(tmp_path: Path, daemon: bool) -> None:
    (tmp_path / "in.txt").write_text("text\n" * 5000, encoding="utf-8")
    program = f"""
import threading, time
from text_processor import Pipeline
pipeline = Pipeline([lambda text: time.sleep(0.0001) or text])
begun = threading.Event()
step = Pipeline([lambda text: begun.set() or text, lambda text: time.sleep(0.0002) or text])
files = {str(tmp_path / "in.txt")!r}, {str(tmp_path / "out.txt")!r}
thread = threading.Thread(target=step.run, args=files, daemon={daemon})
thread.start()
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").exists() is not daemon
