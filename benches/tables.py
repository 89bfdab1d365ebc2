"""Tables in memory: `process_table` on a Polars frame against Polars itself, and what an identity allocates.

    python benches/tables.py docs.jsonl

Ours and theirs run in turn, in this process; the figure is the median of the ratios of neighbouring runs. The last line
holds the figures as JSON.
"""

import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from text_processor import Column, Pipeline, plugin

ROUNDS = 5
CLEANING = ["normalize-unicode", "strip-control", "collapse-whitespace", "trim"]


def cleaned(text: pl.Expr) -> pl.Expr:
    """What the built-in steps do, as expressions of Polars."""
    return (
        text.str.normalize("NFC")
        .str.replace_all("[\x00-\x08\x0b-\x1f\x7f-\x9f]", "")
        .str.replace_all(r"[^\S\n]+", " ")
        .str.replace_all(r" ?\n ?", "\n")
        .str.replace_all(r"\n{3,}", "\n\n")
        .str.strip_chars()
    )


def stripped(text: str) -> str:
    """A function that takes little time itself: with one that takes much, both are as slow as it is."""
    return text.strip()


def compare(name: str, ours: Callable[[], pl.DataFrame], theirs: Callable[[], pl.DataFrame]) -> float:
    """Return the median of our time over theirs, once both have made the same texts, or nearly."""
    same = (ours()["text"] == theirs()["text"]).mean()
    pairs = []
    for _ in range(ROUNDS):
        times = []
        for function in (ours, theirs):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)
        pairs.append(times)
    ratio = statistics.median(one / other for one, other in pairs)
    one, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    sys.stdout.write(f"{name:<44}{other:9.2f}{one:9.2f}{other / one:8.2f} x   {same:.2%} of the texts are the same\n")
    return ratio


def resident(key: str) -> int:
    """Return how many bytes this process has in memory (`VmRSS`), or has had at most (`VmHWM`)."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)]
    return int(line.split()[1]) << 10


def identity(kind: pa.DataType) -> float:
    """Return how much of a column of 1 GiB an empty pipeline allocates at most."""
    text = "A text of a hundred bytes, which lies in memory once, however many tables there are that refer to it."
    column = pa.array([text * 10] * ((1 << 30) // (10 * len(text))), kind)
    table = pa.table({"text": column})
    pipeline = Pipeline([])
    pipeline.process_table(table.slice(0, 1000))
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    made = pa.table(pipeline.process_table(table))
    grown = (resident("VmHWM") - before) / table.nbytes
    there = [buffer.address for buffer in table["text"].chunk(0).buffers() if buffer]
    shared = there == [buffer.address for buffer in made["text"].chunk(0).buffers() if buffer]
    sys.stdout.write(f"identity over {table.nbytes >> 20} MiB of {kind}: {grown:.2%} allocated, shared: {shared}\n")
    return grown if shared else 1.0


@plugin(arrow=True)
def same(texts: Column) -> Column:
    """A step that does nothing with a column, to see what calling it costs."""
    return texts


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes, as the median of some."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def arrow_identity() -> float:
    """Return what a step costs that gets columns and does nothing, in nanoseconds a record of 100 bytes."""
    texts = pa.array([f"{number:<100}" for number in range(1_000_000)], pa.string_view())
    table = pa.table({"text": texts})
    runs = [Pipeline(steps) for steps in ([], [same])]
    empty, identity = (seconds(lambda run=run: run.process_table(table, workers=1)) for run in runs)
    cost = (identity - empty) * 1e9 / len(texts)
    sys.stdout.write(f"an Arrow identity step: {cost:.0f} ns a record of 100 bytes\n")
    return cost


def datasets_map(frame: pl.DataFrame) -> float:
    """Return how many times as fast `datasets.map` is with a pipeline as with its functions, text after text.

    The figure is that of functions that take little time. With such as take much nobody can be much faster: what they
    take by themselves is printed, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HF_HOME": folder, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        import datasets  # noqa: PLC0415 - it reads where to keep its files when it is imported.

        datasets.disable_caching()
        texts = frame["text"].to_list()
        dataset = datasets.Dataset.from_dict({"text": texts})
        times_faster = []
        for name, function in [("cut", lambda text: text[:1000]), ("swap the case", str.swapcase)]:
            pipeline = Pipeline([str.strip, function])

            def one(record: dict[str, str], function: Any = function) -> dict[str, str]:
                return {"text": function(record["text"].strip())}

            def many(batch: dict[str, list[str]], function: Any = function) -> dict[str, list[str]]:
                return {"text": [function(text.strip()) for text in batch["text"]]}

            ours = seconds(lambda pipeline=pipeline: dataset.map(pipeline, batched=True))
            singly, batched = (
                seconds(lambda one=one: dataset.map(one)),
                seconds(lambda many=many: dataset.map(many, batched=True)),
            )
            alone = seconds(lambda many=many: many({"text": texts}))
            times_faster.append(singly / ours)
            sys.stdout.write(
                f"datasets.map with a pipeline of functions that strip and {name}: {ours:.2f} s; with the functions, "
                f"text after text {singly:.2f} s, in batches {batched:.2f} s; the functions alone {alone:.2f} s\n"
            )
    return times_faster[0]


def main() -> None:
    """Measure all figures."""
    frame = pl.read_ndjson(sys.argv[1])
    sys.stdout.write(f"{frame.height} texts, {pl.thread_pool_size()} threads{'':<19}   Polars     ours    ratio\n")
    cleaning, python = Pipeline(CLEANING), Pipeline([stripped])
    figures = {
        "table-cleaning": 1
        / compare(
            "cleaning",
            lambda: pl.DataFrame(cleaning.process_table(frame)),
            lambda: frame.with_columns(cleaned(pl.col("text"))),
        ),
        "table-python": compare(
            "a Python function",
            lambda: pl.DataFrame(python.process_table(frame)),
            lambda: frame.with_columns(pl.col("text").map_elements(stripped, return_dtype=pl.String)),
        ),
        "table-identity": max(identity(kind) for kind in (pa.large_string(), pa.string_view())),
        "arrow-identity": arrow_identity(),
    }
    if importlib.util.find_spec("datasets"):
        figures["datasets-map"] = datasets_map(frame[:30_000])
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
