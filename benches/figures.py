"""The figures that this project promises, and the table that says which are met."""

from collections.abc import Callable
from dataclasses import dataclass

from measure import say


@dataclass
class Figure:
    """One figure: what it is about, its bound, and how its number is written."""

    title: str
    bound: float
    at_most: bool
    """Whether the bound is the largest good value, or the smallest."""
    spelled: Callable[[float], str] = "{:.2f}".format

    @property
    def target(self) -> str:
        """The bound as the table shows it."""
        return f"{'≤' if self.at_most else '≥'} {self.spelled(self.bound)}"

    def met_by(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return value <= self.bound if self.at_most else value >= self.bound


def _times(value: float) -> str:
    return f"{value:.3g} times"


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms"


def _mebibytes(value: float) -> str:
    return f"{value:.0f} MiB"


# A time over a time: smaller is better. A throughput over a throughput: larger is better.
FIGURES = {
    "one-string": Figure("One string: `process` over a Python loop of three functions", 0.85, at_most=True),
    "call-text": Figure("Per call, text: `run` over the plain Python loop", 0.5, at_most=True),
    "call-jsonl": Figure("Per call, JSON Lines: `run` over the orjson loop", 0.4, at_most=True),
    "article": Figure("Python steps: the article's job over the orjson loop", 0.75, at_most=True),
    "article-memory": Figure("Python steps: peak memory", 200, at_most=True, spelled=_mebibytes),
    "copy-1": Figure("Copy: `trim` over Polars' read and write, 1 thread", 0.35, at_most=True),
    "copy-2": Figure("Copy: the same, 2 threads", 0.35, at_most=True),
    "clean-floor": Figure("Cleaning: throughput over the straight Rust program", 4, at_most=False, spelled=_times),
    "clean-polars-1": Figure("Cleaning: throughput over Polars, 1 thread", 8, at_most=False, spelled=_times),
    "clean-polars-2": Figure("Cleaning: throughput over Polars, 2 threads", 8, at_most=False, spelled=_times),
    "clean-loop": Figure("Cleaning: throughput over the plain Python loop", 15, at_most=False, spelled=_times),
    "redact": Figure("Redaction: throughput over the straight Rust program", 1, at_most=False, spelled=_times),
    "transcoding": Figure("Texts that are not ASCII: making and reading a `str` over CPython", 0.6, at_most=True),
    "table-cleaning": Figure(
        "Tables: cleaning a Polars frame, throughput over Polars' expressions", 5, at_most=False, spelled=_times
    ),
    "table-python": Figure("Tables: a Python function over Polars' `map_elements`", 0.4, at_most=True),
    "table-identity": Figure(
        "Tables: what an empty pipeline allocates, over its column of 1 GiB",
        0.05,
        at_most=True,
        spelled="{:.1%}".format,
    ),
    "arrow-identity": Figure(
        "Tables: a step that gets columns and does nothing, per record", 30, at_most=True, spelled="{:.0f} ns".format
    ),
    "datasets-map": Figure(
        "Tables: `datasets.map` with a pipeline, over its functions text after text", 2, at_most=False, spelled=_times
    ),
    "table-files": Figure(
        "Tables: Parquet to Parquet, throughput over Polars' scan and sink, 2 threads", 1, at_most=False, spelled=_times
    ),
    "table-shards": Figure("Tables: the same into shards of a directory", 1, at_most=False, spelled=_times),
    "table-memory": Figure("Tables: the peak memory of these, over Polars'", 1, at_most=True),
    "import": Figure(
        "Start-up: `import text_processor` above the interpreter", 15, at_most=True, spelled=_milliseconds
    ),
    "help": Figure("Start-up: `text-processor --help` in all", 60, at_most=True, spelled=_milliseconds),
    "no-metadata": Figure(
        "Start-up: imports of `importlib.metadata` by a pipeline of built-ins", 0, at_most=True, spelled="{:.0f}".format
    ),
    "discovery": Figure("Discovery over 1,000 distributions over `entry_points()`", 1.2, at_most=True),
    "scaling": Figure("Scaling: the cleaning job with 2 threads over 1", 1.8, at_most=False, spelled=_times),
    "article-two": Figure(
        "Workers: the article's job, 2 workers on one file, over two orjson processes on a file cut by hand",
        0.85,
        at_most=True,
    ),
    "article-datatrove": Figure(
        "Workers: the same over datatrove with 2 workers on two files", 2.5, at_most=False, spelled=_times
    ),
    "article-scaling": Figure("Workers: the same with 2 workers over 1", 1.8, at_most=False, spelled=_times),
    "article-two-memory": Figure(
        "Workers: peak memory of all processes together", 400, at_most=True, spelled=_mebibytes
    ),
    "worker-cost": Figure(
        "Workers: a record of 1 kB over the same step in process", 0.5, at_most=True, spelled="{:.2f} µs".format
    ),
    "death-cost": Figure("Workers: a death (crash or exit)", 50, at_most=True, spelled=_milliseconds),
    "death-loss": Figure(
        "Workers: kinds of death by which another record was lost", 0, at_most=True, spelled="{:.0f}".format
    ),
}


class Scores:
    """What was measured of the figures."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._reasons: dict[str, str] = {}

    def note(self, figure: str | None, value: float) -> None:
        """Note a value. Of several for one figure, as when a peer has two ways to do a job, the worst for us counts."""
        if figure is None:
            return
        worse = max if FIGURES[figure].at_most else min
        self._values[figure] = worse(self._values.get(figure, value), value)

    def note_faster(self, figure: str | None, times: float) -> None:
        """Note how many times faster ours is, in the terms of the figure."""
        if figure is not None:
            self.note(figure, 1 / times if FIGURES[figure].at_most else times)

    def give_up(self, figure: str | None, reason: str) -> None:
        """Note why a figure was not measured."""
        if figure is not None:
            self._reasons[figure] = reason

    def show(self) -> None:
        """Print the table of all figures."""
        width = max(len(figure.title) for figure in FIGURES.values()) + 2
        say(f"\n{'figure':<{width}}{'target':>14}{'measured':>14}  met")
        for name, figure in FIGURES.items():
            row = f"{figure.title:<{width}}{figure.target:>14}"
            if name in self._reasons:
                say(f"{row}{'':>14}  {self._reasons[name]}")
            elif name not in self._values:
                say(f"{row}{'':>14}  not asked for")
            else:
                value = self._values[name]
                say(f"{row}{figure.spelled(value):>14}  {'yes' if figure.met_by(value) else 'NO'}")
