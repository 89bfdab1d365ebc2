"""Nanoseconds per call of `Pipeline.process`: one short string through `trim` and two trivial Python functions.

The string, the functions and the manner of measuring are those of `peers/latency.py`, so that the lines compare. Ours
and the loop that a user would write are measured in turn; the last line is the figure, for `own_figures.py`.
"""

import json
import statistics
import timeit
from collections.abc import Callable

from text_processor import Pipeline

TEXT = "  The quick brown fox jumps over the lazy dog, then sleeps   "
ROUNDS = 15


def replaced(text: str) -> str:
    """Replace a letter."""
    return text.replace("a", "b")


def exclaimed(text: str) -> str:
    """Append a character."""
    return text + "!"


def unchanged(text: str) -> str:
    """Return the very text."""
    return text


def looped(text: str, functions: tuple[Callable[[str], str], ...] = (str.strip, replaced, exclaimed)) -> str:
    """Call the functions one after the other."""
    for function in functions:
        text = function(text)
    return text


def nanoseconds(call: Callable[[], object], number: int = 100_000) -> float:
    """Measure once."""
    return timeit.timeit(call, number=number) / number * 1e9


def in_turn(lines: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Measure calls in turn, print the median of each, and return all measurements."""
    times: dict[str, list[float]] = {name: [] for name in lines}
    for call in lines.values():
        call()
    for _ in range(ROUNDS):
        for name, call in lines.items():
            times[name].append(nanoseconds(call))
    for name, measured in times.items():
        print(f"{name:58s} {statistics.median(measured):9.0f} ns [{min(measured):.0f}-{max(measured):.0f}]")
    return times


def main() -> None:
    """Measure."""
    pipeline = Pipeline(["trim", replaced, exclaimed])
    if pipeline.process(TEXT) != looped(TEXT):
        message = f"The pipeline gives {pipeline.process(TEXT)!r} instead of {looped(TEXT)!r}."
        raise SystemExit(message)
    passing = Pipeline(["trim", unchanged, unchanged])
    trim = Pipeline(["trim"])
    ours, loop = "ours: trim and two Python functions", "plain: loop over a tuple of 3"
    times = in_turn(
        {
            ours: lambda: pipeline.process(TEXT),
            loop: lambda: looped(TEXT),
            "plain: exclaimed(replaced(text.strip()))": lambda: exclaimed(replaced(TEXT.strip())),
            "ours: trim and two functions that change nothing": lambda: passing.process(TEXT),
            "plain: unchanged(unchanged(text.strip()))": lambda: unchanged(unchanged(TEXT.strip())),
            "ours: trim": lambda: trim.process(TEXT),
            "plain: text.strip()": lambda: TEXT.strip(),  # noqa: PLW0108 - as for ours, the lambda is measured too.
        }
    )
    ratios = [ours / loop for ours, loop in zip(times[ours], times[loop], strict=True)]
    print(json.dumps({"one-string": statistics.median(ratios)}))


main()
