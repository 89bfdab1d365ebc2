"""A18: Parquet with checksums that is changed at random is read as what it was, or not at all.

Each mutation counts as one of these: the same rows came out; rows are missing, and a segment tells of it; records were
quarantined; the file was refused; other rows came out than went in, which is never to be.

Pages have checksums. A footer has none, but it says twice how many rows there are, of which types and how deep, and no
checksum fits where it tells of a wrong place. What it says once, such as the unit of a time, can change unnoticed.
"""

import logging
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.pages import pages
from support.tables import read_table
from support.tiers import LONG, rounds

from text_processor import ConfigError, InputError, Pipeline

# So many of pages, and as many of footers, in four files.
MUTATIONS = rounds("MUTATIONS", 10_000 if LONG else 150)
ROWS = 300
log = logging.getLogger(__name__)

pytestmark = pytest.mark.timeout(3600 if LONG else 60)


def table() -> pa.Table:
    """Rows that differ, with dictionaries, lists and nulls."""
    rng = random.Random(18)
    return pa.table(
        {
            "id": range(ROWS),
            "text": [f" text {number} {rng.random()}" for number in range(ROWS)],
            "word": [f"word {number % 9}" for number in range(ROWS)],
            "score": [number / 2 if number % 3 else None for number in range(ROWS)],
            "list": pa.array([[number, None] for number in range(ROWS)], pa.list_(pa.field("element", pa.int64()))),
        }
    )


def write(folder: Path, maker: str, codec: str) -> Path:
    """A file with checksums, written by Arrow or by a run."""
    path = folder / f"{maker}.parquet"
    pq.write_table(
        table(), path, row_group_size=100, compression=codec, write_page_checksum=True, data_page_version="2.0"
    )
    if maker == "ours":
        path = folder / "again.parquet"
        assert Pipeline([]).run(folder / "ours.parquet", path).out == ROWS
    return path


def outcome(path: Path, output: Path, before: pa.Table) -> str:
    """What became of a mutation."""
    try:
        report = Pipeline([]).run(path, output, overwrite=True, workers=1)
    except (InputError, ConfigError):
        return "refused"
    assert report.read == report.out + report.rejected + report.quarantined
    after = read_table(output)
    if report.exit_code == 0 and after.num_rows == before.num_rows:
        return "same" if after.columns == before.columns else "different"
    if report.exit_code == 0:
        return "different"
    assert report.exit_code in {3, 5}
    rows = {row["id"]: tuple(row.values()) for row in before.to_pylist()}
    columns = [column.to_pylist() for column in after.columns]
    ids = columns[0]
    is_part = ids == sorted(set(ids)) and all(rows.get(row[0]) == row for row in zip(*columns, strict=True))
    if not is_part:
        return "different"
    return "segment" if report.exit_code == 5 else "quarantined"


@pytest.mark.parametrize("place", ["pages", "footer"])
@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("maker", ["theirs", "ours"])
def test_a18_mutated_parquet_is_never_something_else(tmp_path: Path, maker: str, codec: str, place: str) -> None:
    path = write(tmp_path, maker, codec)
    before = read_table(path)
    content = path.read_bytes()
    behind = max(page.data.stop for page in pages(path))
    within = range(4, behind) if place == "pages" else range(behind, len(content))
    rng = random.Random(f"{maker} {codec} {place}")
    outcomes: Counter[str] = Counter()
    for number in range(MUTATIONS // 4):
        mutated = bytearray(content)
        for _ in range(rng.choice([1, 1, 1, 4])):
            at = rng.choice(within)
            mutated[at] = rng.choice([mutated[at] ^ 1 << rng.randrange(8), rng.randrange(256), 0, 255])
        path.write_bytes(mutated)
        became = outcome(path, tmp_path / "out.arrow", before)
        outcomes[became] += 1
        if became == "different":
            changed = [(at, content[at], mutated[at]) for at in within if content[at] != mutated[at]]
            log.info("%s %s %s: mutation %d of %s", maker, codec, place, number, changed)
    log.info("%s %s %s: %s", maker, codec, place, dict(outcomes))
    assert outcomes["different"] == 0
    assert outcomes["segment"] + outcomes["refused"] > 0
