"""Files of tables: writing and reading them with pyarrow, in every format."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

EXTENSIONS = {"parquet": ".parquet", "arrow": ".arrow", "stream": ".arrows"}


def write_table(path: Path, table: pa.Table, **options: Any) -> Path:
    """Writes a table in the format that the name of the file says."""
    if path.suffix == ".parquet":
        pq.write_table(table, path, **options)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, **options)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, **options)
    return path


def read_table(path: Path) -> pa.Table:
    """Reads such a file."""
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).read()
    if path.suffix == ".arrow":
        with pa.ipc.open_file(path) as reader:
            return reader.read_all()
    with pa.ipc.open_stream(path.read_bytes()) as reader:
        return reader.read_all()


def flip(path: Path, place: int) -> None:
    """Changes one bit of a byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
