"""Compressed data made by hand: bombs, odd frames, and windows that nobody should have."""

import gzip
import io
import struct

# What a block of Zstandard data may hold.
BLOCK = 128 << 10


def zstd_frame(*blocks: bytes, window_log: int = 20, dictionary: int | None = None) -> bytes:
    """A frame without a checksum of blocks made by `raw_blocks` and `repeated`; the last block is empty."""
    descriptor = 0 if dictionary is None else 3
    header = struct.pack("<IBB", 0xFD2FB528, descriptor, (window_log - 10) << 3)
    if dictionary is not None:
        header += struct.pack("<I", dictionary)
    return header + b"".join(blocks) + b"\x01\x00\x00"


def skippable_frame(content: bytes) -> bytes:
    """A frame that every reader skips."""
    return struct.pack("<II", 0x184D2A50, len(content)) + content


def raw_blocks(data: bytes) -> bytes:
    """Blocks that hold data as they are."""
    pieces = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    return b"".join((len(piece) << 3).to_bytes(3, "little") + piece for piece in pieces)


def repeated(byte: bytes, count: int) -> bytes:
    """Blocks of four bytes each that stand for a byte, many times: 32,768 bytes for one."""
    full, rest = divmod(count, BLOCK)
    sizes = [BLOCK] * full + [rest] * bool(rest)
    return b"".join((size << 3 | 2).to_bytes(3, "little") + byte for size in sizes)


def bgzf(*contents: bytes) -> bytes:
    """Blocks as bioinformatics writes them: members of gzip that say how long they are, and an empty one at the end."""
    blocks = []
    for content in [*contents, b""]:
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
            file.write(content)
        member = buffer.getvalue()
        body = member[10:]
        size = 12 + 6 + len(body) - 1
        extra = struct.pack("<HBBHH", 6, 0x42, 0x43, 2, size)
        blocks.append(b"\x1f\x8b\x08\x04" + member[4:10] + extra + body)
    return b"".join(blocks)
