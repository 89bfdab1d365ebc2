"""A18, F19: tables that are damaged, cut off, or lie about themselves."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import counts, read_jsonl
from support.program import Program
from support.tables import EXTENSIONS, flip, read_table, write_table

from text_processor import InputError, Pipeline

ROWS = 4000
GROUP = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A Parquet file of four row groups whose pages have checksums."""
    path = tmp_path / "in.parquet"
    texts = [f" text {number} {number * 7919}" for number in range(ROWS)]
    table = pa.table({"id": range(ROWS), "text": texts})
    pq.write_table(
        table, path, row_group_size=GROUP, write_page_checksum=True, compression="NONE", use_dictionary=False
    )
    return path


@pytest.mark.parametrize("workers", [1, 3])
def test_a18_a_page_with_a_wrong_checksum_costs_its_row_group(tmp_path: Path, path: Path, workers: int) -> None:
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    flip(path, column.data_page_offset + column.total_compressed_size // 2)
    output = tmp_path / "out.parquet"
    report = Pipeline(["trim"]).run(path, output, workers=workers)
    assert report.exit_code == 5
    assert counts(report) == (ROWS - GROUP, ROWS - GROUP, 0, 0)
    assert read_table(output)["id"].to_pylist() == [*range(GROUP), *range(2 * GROUP, ROWS)]
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert (line["kind"], line["offset"]) == ("segment", GROUP)
    assert "checksum" in line["message"]
    assert "Row group 1 of" in line["message"]


def test_a18_a_directory_goes_on_behind_the_damage(tmp_path: Path, path: Path, program: Program) -> None:
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    flip(path, column.data_page_offset + column.total_compressed_size // 2)
    folder = tmp_path / "out"
    report = Pipeline(["trim"]).run(path, f"{folder}/", shard_bytes=9000)
    assert (report.exit_code, report.out) == (5, ROWS - GROUP)
    assert program("verify", folder).returncode == 0
    ids = [number for shard in sorted((folder / "out").iterdir()) for number in read_table(shard)["id"].to_pylist()]
    assert ids == [*range(GROUP), *range(2 * GROUP, ROWS)]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_f19_a_file_that_is_cut_off_is_refused(tmp_path: Path, path: Path, kept: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: max(8, int(len(content) * kept))])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        Pipeline(["trim"]).run(path, tmp_path / "out.parquet")


@pytest.mark.parametrize("extension", EXTENSIONS.values())
def test_f19_no_flipped_bits_crash_a_run(tmp_path: Path, path: Path, extension: str) -> None:
    whole = write_table(tmp_path / f"whole{extension}", read_table(path).slice(0, 300)).read_bytes()
    rng = random.Random(19)
    pipeline = Pipeline(["trim"])
    for _ in range(150):
        damaged = tmp_path / f"damaged{extension}"
        content = bytearray(whole)
        # Half of the mutations hit the end, where a footer tells of everything else.
        first = rng.choice([0, max(0, len(content) - 600)])
        for _ in range(rng.choice([1, 1, 4])):
            content[rng.randrange(first, len(content))] = rng.randrange(256)
        damaged.write_bytes(content)
        output = tmp_path / f"out{extension}"
        try:
            report = pipeline.run(damaged, output, overwrite=True, format=extension_format(extension))
        except Exception as error:  # noqa: BLE001 - which error it is depends on the byte
            assert type(error).__name__ in {"InputError", "ConfigError"}, error  # noqa: PT017
        else:
            assert report.exit_code in {0, 3, 5}
            assert report.read == report.out + report.rejected + report.quarantined


def extension_format(extension: str) -> str:
    """The word for the format of an extension."""
    return next(word for word, other in EXTENSIONS.items() if other == extension)
