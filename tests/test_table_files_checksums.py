"""Pages of the Parquet that a run writes have checksums, and what is known of their places is true."""

import zlib
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import counts
from support.pages import CHECKSUM, pages
from support.tables import flip, read_table

from text_processor import Pipeline

ROWS = 3000
GROUP = 1000
CODECS = ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]


def table() -> pa.Table:
    """Columns with many values and with few, with nulls, with lists and structures, and with nothing."""
    nested = [{"a": [number, None], "b": f"b{number % 5}"} if number % 7 else None for number in range(ROWS)]
    return pa.table(
        {
            "id": range(ROWS),
            "text": [f"text {number * 7919}" if number % 3 else None for number in range(ROWS)],
            "word": [f"word {number % 9}" for number in range(ROWS)],
            "nested": pa.array(
                nested, pa.struct([("a", pa.list_(pa.field("element", pa.int64()))), ("b", pa.string())])
            ),
            "nothing": pa.nulls(ROWS),
        }
    )


def written(folder: Path, codec: str) -> Path:
    """A file that a run has written."""
    pq.write_table(table(), folder / "in.parquet", row_group_size=GROUP, compression=codec)
    report = Pipeline([]).run(folder / "in.parquet", folder / "out.parquet", nulls="keep", workers=2)
    assert counts(report) == (ROWS, ROWS, 0, 0)
    return folder / "out.parquet"


@pytest.mark.parametrize("codec", CODECS)
def test_every_page_has_its_checksum_which_others_verify(tmp_path: Path, codec: str) -> None:
    path = written(tmp_path, codec)
    content = path.read_bytes()
    found = list(pages(path))
    assert {(page.group, page.column) for page in found} == {
        (group, column) for group in range(3) for column in range(6)
    }
    assert any(page.is_dictionary for page in found)
    for page in found:
        assert page.says[CHECKSUM] & 0xFFFFFFFF == zlib.crc32(content[page.data.start : page.data.stop])
    assert pq.ParquetFile(path, page_checksum_verification=True).read().equals(table())


@pytest.mark.parametrize("codec", CODECS)
def test_rows_are_found_by_others(tmp_path: Path, codec: str) -> None:
    path = written(tmp_path, codec)
    expected = [f"text {number * 7919}" if number % 3 else None for number in range(995, 1005)]
    within = [("id", ">=", 995), ("id", "<", 1005)]
    assert pq.read_table(path, filters=within, page_checksum_verification=True)["text"].to_pylist() == expected
    column = pl.col("id")
    assert pl.scan_parquet(path).filter(column >= 995, column < 1005).collect()["text"].to_list() == expected
    with duckdb.connect() as connection:
        # The database unpacks in a way of its own, which knows all of these.
        rows = connection.execute("SELECT text FROM read_parquet(?) WHERE id BETWEEN 995 AND 1004", [str(path)])
        assert [text for (text,) in rows.fetchall()] == expected


def test_a18_a_flipped_bit_in_any_page_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, "zstd")
    content = path.read_bytes()
    found = [page for page in pages(path) if page.data]
    assert len(found) > 20
    for number, page in enumerate(found):
        flip(path, page.data[number * 31 % len(page.data)])
        with pytest.raises(OSError, match=r"(?i)crc|checksum"):
            pq.ParquetFile(path, page_checksum_verification=True).read()
        output = tmp_path / "again.parquet"
        report = Pipeline([]).run(path, output, nulls="keep", workers=1, overwrite=True)
        assert (report.exit_code, report.out) == (5, ROWS - GROUP)
        first = page.group * GROUP
        assert read_table(output).equals(pa.concat_tables([table().slice(0, first), table().slice(first + GROUP)]))
        path.write_bytes(content)


def test_a_table_without_rows_has_no_pages(tmp_path: Path) -> None:
    pq.write_table(table().slice(0, 0), tmp_path / "in.parquet")
    report = Pipeline([]).run(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert counts(report) == (0, 0, 0, 0)
    assert list(pages(tmp_path / "out.parquet")) == []
    after = pq.ParquetFile(tmp_path / "out.parquet", page_checksum_verification=True).read()
    assert after.equals(table().slice(0, 0))
