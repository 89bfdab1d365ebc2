"""Pages of Parquet files: where they lie, what their headers say, and headers that say something else."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

UNPACKED, PACKED, CHECKSUM, DICTIONARY = 2, 3, 4, 7
BINARY, STRUCTURE = 8, 12


@dataclass(frozen=True)
class Page:
    """A page of a column."""

    group: int
    column: int
    begin: int
    """Where its header begins."""
    data: range
    """Where its data lie."""
    says: dict[int, int]
    """The numbers that its header says, by their fields."""
    is_dictionary: bool


def pages(path: Path) -> Iterator[Page]:
    """Each page of a file, column by column."""
    content = path.read_bytes()
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            place = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
            end = place + chunk.total_compressed_size
            while place < end:
                begin = place
                place, fields = structure(content, begin)
                data = range(place, place + fields[PACKED])
                numbers = {field: value for field, value in fields.items() if isinstance(value, int)}
                yield Page(group, column, begin, data, numbers, DICTIONARY in fields)
                place = data.stop
            assert place == end


def structure(content: bytes, place: int) -> tuple[int, dict[int, Any]]:
    """The fields of a structure of Thrift's compact protocol, and where it ends."""
    fields: dict[int, Any] = {}
    field = 0
    while (byte := content[place]) != 0:
        place += 1
        kind = byte & 15
        if byte >> 4:
            field += byte >> 4
        else:
            place, number = unsigned(content, place)
            field = signed(number)
        if kind in {1, 2}:
            fields[field] = kind == 1
        elif kind == STRUCTURE:
            place, fields[field] = structure(content, place)
        else:
            place, number = unsigned(content, place)
            fields[field] = signed(number)
            if kind == BINARY:
                place += number
    return place + 1, fields


def unsigned(content: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    number = shift = 0
    while True:
        byte = content[place]
        place += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return place, number


def signed(number: int) -> int:
    """What a number stands for: 0, -1, 1, -2, and so on."""
    return (number >> 1) ^ -(number & 1)


def encoded(number: int, length: int) -> bytes:
    """A positive number in as many bytes."""
    number <<= 1
    return bytes([(number >> 7 * index) & 127 | 128 for index in range(length - 1)] + [number >> 7 * (length - 1)])


def lie(path: Path, page: Page, unpacked: int) -> None:
    """Makes a page say that it becomes so many bytes. What is left of its checksum is a field without meaning."""
    content = bytearray(path.read_bytes())
    header = bytes(content[page.begin : page.data.start])
    unpacked_end, _ = unsigned(header, 3)
    packed_end, _ = unsigned(header, unpacked_end + 1)
    checksum_end, _ = unsigned(header, packed_end + 1)
    # The next field says that it is one behind that of the checksum, which is now two behind that of the size.
    made = header[:3] + encoded(unpacked, 5) + header[unpacked_end:packed_end]
    made += bytes([header[checksum_end] + 0x10]) + header[checksum_end + 1 : -1]
    left = len(header) - len(made) - 2
    assert left > 0
    made += b"\x95" + encoded(0, left) + b"\0"
    content[page.begin : page.data.start] = made
    path.write_bytes(content)
