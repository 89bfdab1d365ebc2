"""A18, F19: tables that are damaged, cut off, or lie about themselves."""

import base64
import random
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption
from support.files import counts, read_jsonl
from support.pages import lie, pages
from support.program import Program
from support.tables import EXTENSIONS, flip, read_table, write_table
from support.tiers import LONG, rounds

from text_processor import InputError, Pipeline

MUTATIONS = rounds("MUTATIONS", 10_000 if LONG else 150)
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


@pytest.mark.timeout(3600 if LONG else 60)
@pytest.mark.parametrize("extension", EXTENSIONS.values())
def test_f19_no_flipped_bits_crash_a_run(tmp_path: Path, path: Path, extension: str) -> None:
    whole = write_table(tmp_path / f"whole{extension}", read_table(path).slice(0, 300)).read_bytes()
    rng = random.Random(19)
    pipeline = Pipeline(["trim"])
    for _ in range(MUTATIONS):
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


def letters(length: int, number: int) -> str:
    """One of many texts that cannot be made much shorter."""
    return "".join(random.Random(number).choices("abcdefghijklmnop", k=length))


@pytest.mark.parametrize("codec", ["snappy", "gzip", "zstd", "lz4", "brotli"])
def test_f19_a_page_that_says_that_it_becomes_too_large_is_not_believed(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "in.parquet"
    table = pa.table({"text": [letters(2000, number) for number in range(40)]})
    pq.write_table(table, path, row_group_size=20, compression=codec, use_dictionary=False, write_page_checksum=True)
    second = list(pages(path))[1]
    lie(path, second, 2**31 - 1)
    report = Pipeline([]).run(path, tmp_path / "out.parquet")
    assert (report.exit_code, report.out) == (5, 20)
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert line["offset"] == 20
    said = f"a page of its column `text` says that it becomes 2147483647 bytes, of {len(second.data)}: "
    assert line["message"] == (
        f"Row group 1 of `{path}` is damaged: {said}if it is what it should be, allow more with `--max-expansion`. "
        "Its last 20 rows, from row 0 of the group on, are lost."
    )


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("extension", [".arrow", ".arrows"])
def test_f19_a_buffer_that_says_that_it_becomes_too_large_is_not_believed(
    tmp_path: Path, codec: str, extension: str
) -> None:
    table = pa.table({"text": [letters(1000, number) for number in range(20)]})
    path = tmp_path / f"in{extension}"
    maker = pa.ipc.new_file if extension == ".arrow" else pa.ipc.new_stream
    with maker(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=10)
    content = path.read_bytes()
    # The texts of the second batch: how many bytes they become, and the mark of their compression.
    mark = {"zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18"}[codec]
    place = content.rindex(struct.pack("<q", 10_000) + mark)
    path.write_bytes(content[:place] + struct.pack("<q", 2**40) + content[place + 8 :])
    report = Pipeline([]).run(path, tmp_path / "out.parquet")
    assert (report.exit_code, report.out) == (5, 10)
    [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
    assert "it says that it becomes 10995116" in line["message"]
    assert "`--max-expansion`" in line["message"]


@pytest.mark.parametrize("extension", EXTENSIONS.values())
def test_f1_tables_that_shrink_well_are_read(tmp_path: Path, extension: str) -> None:
    # A thousand times as large as in the file, and each record is nearly as large as it may be.
    texts = [letter * (15 << 20) for letter in "ab"]
    table = pa.table({"text": texts, **{f"column {number}": ["x"] * 2 for number in range(70)}})
    options: dict[str, Any] = {"compression": "zstd"}
    path = tmp_path / f"in{extension}"
    if extension == ".parquet":
        pq.write_table(table, path, use_dictionary=False, **options)
    else:
        maker = pa.ipc.new_file if extension == ".arrow" else pa.ipc.new_stream
        with maker(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(table)
    assert path.stat().st_size < 1 << 20
    report = Pipeline([]).run(path, tmp_path / "out.parquet")
    assert counts(report) == (2, 2, 0, 0)
    assert read_table(tmp_path / "out.parquet")["text"].to_pylist() == texts


class Keys(encryption.KmsClient):  # type: ignore[misc]
    """Gives keys away."""

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:  # noqa: ARG002 - its name is given.
        return base64.b64encode(key_bytes)


@pytest.mark.parametrize(
    ("columns", "is_plain", "said"),
    [
        (["id", "text"], False, "`{}` is encrypted, and there is no way to give"),
        (["text"], False, "`{}` looks like an encrypted Parquet file"),
        (["text"], True, "Columns of `{}` are encrypted, and there is no way to give"),
    ],
)
def test_encrypted_parquet_is_told_of(tmp_path: Path, columns: list[str], is_plain: bool, said: str) -> None:
    table = pa.table({"id": range(9), "text": [f"text {number}" for number in range(9)]})
    wish = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"columns": columns}, plaintext_footer=is_plain
    )
    factory = encryption.CryptoFactory(lambda _: Keys())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), wish)
    path = tmp_path / "in.parquet"
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    assert path.read_bytes().endswith(b"PAR1" if is_plain else b"PARE")
    with pytest.raises(InputError) as caught:
        Pipeline([]).run(path, tmp_path / "out.parquet")
    assert str(caught.value).startswith(said.format(path))
    assert any("Decrypt it first" in note for note in caught.value.__notes__)


def extension_format(extension: str) -> str:
    """The word for the format of an extension."""
    return next(word for word, other in EXTENSIONS.items() if other == extension)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_row_groups_are_read_ahead_in_order_and_damage_stays_where_it_is(tmp_path: Path, suffix: str) -> None:
    rows = 20_000
    table = pa.table({"id": range(rows), "text": [f"  text {number}  " for number in range(rows)]})
    pq.write_table(table, tmp_path / "theirs.parquet", row_group_size=1000)
    # Pages that this writes have checksums, so that no damage goes unnoticed.
    source = tmp_path / "in.parquet"
    Pipeline([]).run(tmp_path / "theirs.parquet", source)
    content = bytearray(source.read_bytes())
    for group in (0, 7, 8, 19):
        column = pq.ParquetFile(source).metadata.row_group(group).column(1)
        begin = column.dictionary_page_offset or column.data_page_offset
        content[begin + column.total_compressed_size // 2] ^= 1
    source.write_bytes(content)

    made = []
    for workers in (1, 2, 6):
        output = tmp_path / f"{workers}.{suffix}"
        report = Pipeline(["trim"]).run(source, output, workers=workers)
        assert (report.exit_code, report.out, len(report.to_dict()["damage"])) == (5, 16_000, 4)
        quarantine = (tmp_path / f"{workers}.quarantine.jsonl").read_bytes()
        made.append((output.read_bytes(), quarantine))
    assert made[0] == made[1] == made[2]
    if suffix == "jsonl":
        ids = [record["id"] for record in read_jsonl(tmp_path / "1.jsonl")]
        assert ids == [number for number in range(rows) if number // 1000 not in (0, 7, 8, 19)]
