"""Nanoseconds per call of `Pipeline.process`: one short string through `trim` and two trivial Python functions.

The string, the functions and the manner of measuring are those of `peers/latency.py`, so that the lines compare.
"""

import statistics
import timeit
from collections.abc import Callable

from text_processor import Pipeline

TEXT = "  The quick brown fox jumps over the lazy dog, then sleeps   "


def replaced(text: str) -> str:
    """Replace a letter."""
    return text.replace("a", "b")


def exclaimed(text: str) -> str:
    """Append a character."""
    return text + "!"


def unchanged(text: str) -> str:
    """Return the very text."""
    return text


def measure(name: str, call: Callable[[], object], number: int = 200_000) -> None:
    """Print the median of seven measurements."""
    call()
    times = [timeit.timeit(call, number=number) / number * 1e9 for _ in range(7)]
    print(f"{name:58s} {statistics.median(times):9.0f} ns [{min(times):.0f}-{max(times):.0f}]", flush=True)


def main() -> None:
    """Measure."""
    pipeline = Pipeline(["trim", replaced, exclaimed])
    expected = exclaimed(replaced(TEXT.strip()))
    if pipeline.process(TEXT) != expected:
        message = f"The pipeline gives {pipeline.process(TEXT)!r} instead of {expected!r}."
        raise SystemExit(message)
    measure("plain: exclaimed(replaced(text.strip()))", lambda: exclaimed(replaced(TEXT.strip())))
    measure("ours: trim and two Python functions", lambda: pipeline.process(TEXT))
    passing = Pipeline(["trim", unchanged, unchanged])
    measure("plain: unchanged(unchanged(text.strip()))", lambda: unchanged(unchanged(TEXT.strip())))
    measure("ours: trim and two functions that change nothing", lambda: passing.process(TEXT))
    trim = Pipeline(["trim"])
    measure("plain: text.strip()", TEXT.strip)
    measure("ours: trim", lambda: trim.process(TEXT))


main()
