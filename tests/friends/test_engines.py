"""Engines that map batches: each starts here, ships the pipeline to its workers, and gives the rows of a local run.

`nox -s friends` installs them. What is missing is skipped by its name.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from text_processor import Pipeline

pyarrow = pytest.importorskip("pyarrow")

# Each step means the same wherever the pipeline is unpickled. `str.upper` is one that Python executes.
PIPELINE = Pipeline(["trim", "collapse-whitespace", ("length", {"minimum": 3}), str.upper])
COUNT = 1000


@pytest.fixture(scope="module")
def table() -> Any:
    """Some records are rejected, some are null, and some hold more than ASCII."""
    texts = [None if number % 97 == 5 else "  é " * (number % 3) + f" number   {number} " for number in range(COUNT)]
    texts[::50] = [" x "] * len(texts[::50])
    return pyarrow.table({"id": range(COUNT), "text": texts})


@pytest.fixture(scope="module")
def expected(table: Any) -> list[tuple[int, str | None]]:
    """The rows of a local run."""
    rows = rows_of(pyarrow.table(PIPELINE.process_table(table)).to_pylist())
    assert 900 < len(rows) < COUNT
    assert (1, "É NUMBER 1") in rows
    return rows


def rows_of(records: list[dict[str, Any]]) -> list[tuple[int, str | None]]:
    """Rows in the order of their identities: engines may hand on partitions in any order."""
    return sorted((int(record["id"]), record["text"]) for record in records)


@pytest.fixture
def ray_data() -> Iterator[Any]:
    """Ray on this machine, with two workers."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray.data
    ray.shutdown()


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_rows_of_a_local_run(ray_data: Any, table: Any, expected: list[Any]) -> None:
    dataset = ray_data.from_arrow(table).repartition(4)
    made = dataset.map_batches(PIPELINE.map_batches, batch_format="pyarrow", batch_size=100)
    assert rows_of(made.take_all()) == expected


@pytest.fixture
def spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Spark on this machine, with two workers."""
    sql = pytest.importorskip("pyspark.sql")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.warehouse.dir", str(tmp_path)).getOrCreate()
    yield session
    session.stop()


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_spark_gives_the_rows_of_a_local_run(spark: Any, table: Any, expected: list[Any]) -> None:
    frame = spark.createDataFrame(table.to_pylist(), "id long, text string").repartition(4)
    made = frame.mapInArrow(PIPELINE.map_batches, "id long, text string")
    assert rows_of([row.asDict() for row in made.collect()]) == expected


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_dask_gives_the_rows_of_a_local_run(table: Any, expected: list[Any]) -> None:
    distributed = pytest.importorskip("distributed")
    frames = pytest.importorskip("dask.dataframe")
    frame = table.to_pandas()
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster):
        parts = frames.from_pandas(frame, npartitions=4)
        made = parts.map_partitions(PIPELINE.map_batches, meta=frame.head(0)).compute()
    made = made.astype(object).where(made.notna(), None)
    assert rows_of(made.to_dict("records")) == expected


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lazily", [False, True])
def test_datasets_give_the_rows_of_a_local_run(
    table: Any, expected: list[Any], lazily: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict(table.to_pydict())
    if lazily:
        made = list(dataset.to_iterable_dataset().map(PIPELINE, batched=True, batch_size=100))
    else:
        made = dataset.map(PIPELINE, batched=True, batch_size=100, num_proc=2).to_list()
    assert rows_of(made) == expected
