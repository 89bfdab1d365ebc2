"""Objects in stores as inputs and outputs: the same bytes as with files, whatever the network does."""

from __future__ import annotations

import gzip
import json
import logging
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.directories import STEPS, committed, target
from support.files import counts
from support.processes import wait_until
from support.program import Program, stop
from support.stores import AmazonStore, AzureStore, GoogleStore, Store, missing
from support.tiers import rounds
from support.web import web_server

from text_processor import ConfigError, InputError, LockedError, OutputError, Pipeline, ResumeError, plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Command


@pytest.fixture(scope="module", params=[AmazonStore, GoogleStore, AzureStore], ids=lambda kind: kind.scheme)
def started(request: pytest.FixtureRequest) -> Iterator[Store]:
    lacks = missing(request.param)
    if lacks:
        pytest.skip(lacks)
    store = request.param()
    yield store
    store.close()


@pytest.fixture
def store(started: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, which the environment names."""
    started.empty()
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    for name, value in started.environment.items():
        monkeypatch.setenv(name, value)
    return started


def local(tmp_path: Path, source: Path, name: str, **options: Any) -> bytes:
    """What the run makes of files of this machine."""
    Pipeline(STEPS).run(source, tmp_path / name, overwrite=True, **options)
    return (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst"])
def test_an_object_becomes_an_object(tmp_path: Path, store: Store, source: Path, name: str) -> None:
    url = store.put("in.jsonl", source)
    report = Pipeline(STEPS).run(url, store.url(name))
    assert store.get(name) == local(tmp_path, source, name)
    assert counts(report)[0] == 1000
    assert report.to_dict()["files"][0]["path"] == store.url(name)
    assert store.names() == ["in.jsonl", name, "out.quarantine.jsonl"]
    lines = store.get("out.quarantine.jsonl").splitlines()
    assert len(lines) == report.quarantined > 0


def test_what_was_read_compressed_is_read(tmp_path: Path, store: Store, source: Path) -> None:
    store.put("in.gz", gzip.compress(source.read_bytes()))
    Pipeline(STEPS).run(store.url("in.gz"), tmp_path / "out.jsonl", format="jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == local(tmp_path, source, "local.jsonl")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 5 << 20, (9 << 20) + 1])
def test_all_of_an_object_is_read_whatever_its_size(tmp_path: Path, store: Store, size: int) -> None:
    letters = bytes(97 + byte % 25 if byte else 10 for byte in range(256))
    content = random.Random(size).randbytes(size).translate(letters)
    store.put("in.txt", content)
    Pipeline([]).run(store.url("in.txt"), tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == content


def test_patterns_are_those_of_folders(tmp_path: Path, store: Store) -> None:
    for name in ["a.txt", "b/a.txt", "b/b.txt", "b/.hidden.txt", "b/c/d.txt", "c.jsonl"]:
        store.put(f"in/{name}", f"{name}\n".encode())

    def found(pattern: str) -> list[str]:
        Pipeline([]).run(store.url(pattern), tmp_path / "out.txt", overwrite=True, format="text")
        return (tmp_path / "out.txt").read_text().splitlines()

    assert found("in/*.txt") == ["a.txt"]
    assert found("in/b/*.txt") == ["b/a.txt", "b/b.txt"]
    assert found("in/**/*.txt") == ["a.txt", "b/a.txt", "b/b.txt", "b/c/d.txt"]
    assert found("in/[ac].*") == ["a.txt", "c.jsonl"]
    with pytest.raises(InputError, match="matches no object"):
        found("in/*.csv")


def test_what_stands_for_a_folder_is_no_input(tmp_path: Path, store: Store) -> None:
    for name in ["in/", "in/empty/", "in/full/"]:
        store.put(name, b"")
    store.put("in/a.txt", b"one\n")
    store.put("in/full/b.txt", b"two\n")
    for pattern in ["in/**", "**", "in/**/*", "in/*"]:
        report = Pipeline([]).run(store.url(pattern), tmp_path / "out.txt", overwrite=True, format="text")
        assert (report.exit_code, report.out) == (0, 1 if pattern == "in/*" else 2), pattern


def test_a_name_that_no_request_can_be_made_with_costs_only_itself(tmp_path: Path, store: Store) -> None:
    odd = ["in/a//b.txt", "in/tab\t.txt", "in/delete\x7f.txt", "in/full/", "dots/./c.txt", "dots/../d.txt"]
    if isinstance(store, AzureStore):
        # Azure's own client sends no others as they are.
        odd = ["in/a//b.txt"]
    for name in odd:
        store.put(name, b"odd\n")
    for name in ["in/a/b.txt", "dots/.e/e.txt"]:
        store.put(name, f"{name}\n".encode())
    patterns = [store.url("in/**"), store.url("dots/.*/*.txt")]
    report = Pipeline([]).run(patterns, tmp_path / "out.txt", format="text")
    assert (report.exit_code, (tmp_path / "out.txt").read_text()) == (5, "in/a/b.txt\ndots/.e/e.txt\n")
    damage = [damaged["message"] for damaged in report.to_dict()["damage"]]
    assert len(damage) == len(odd), damage
    assert all("no request can be made with this name: " in message for message in damage)
    store.put("alone/a//b.txt", b"odd\n")
    with pytest.raises(InputError, match="no request can be made with this name: a part of it is empty") as caught:
        Pipeline([]).run(store.url("alone/**"), tmp_path / "none.txt", format="text")
    with pytest.raises(ConfigError, match="names no object that can be asked for: a part of it is empty") as refused:
        Pipeline([]).run(store.url("alone/a//b.txt"), tmp_path / "none.txt")
    for error in [caught, refused]:
        assert "Give the object another name" in "".join(error.value.__notes__)


def test_a_name_that_begins_with_a_slash_is_not_taken_for_another(tmp_path: Path, store: Store) -> None:
    store.put("/in.txt", b"odd\n")
    store.put("in.txt", b"one\n")
    report = Pipeline([]).run(store.url("**"), tmp_path / "out.txt", format="text")
    assert (report.exit_code, (tmp_path / "out.txt").read_bytes()) == (5, b"one\n")
    with pytest.raises(ConfigError, match="it begins with a slash"):
        Pipeline([]).run(store.url("/in.txt"), tmp_path / "none.txt")


@pytest.mark.parametrize("spelled", ["synonym", "capitals"])
def test_d5_a24_one_object_is_one_however_its_address_is_spelled(tmp_path: Path, store: Store, spelled: str) -> None:
    url = store.put("in.txt", b"text\n")
    synonyms = {"s3": ["s3a"], "az": ["azure", "abfs", "abfss", "adl"]}.get(store.scheme, [])
    schemes = [store.scheme.upper()] if spelled == "capitals" else synonyms
    for scheme in schemes:
        other = f"{scheme}://corpus/in.txt"
        with pytest.raises(ConfigError, match="is also an input"):
            Pipeline([]).run(url, other, overwrite=True)
        with pytest.raises(ConfigError, match="are the same file"):
            Pipeline([]).run([url, other], tmp_path / "out.txt")
        with pytest.raises(ConfigError, match="are the same file"):
            Pipeline([]).run(url, store.url("out.txt"), rejected=f"{scheme}://corpus/out.txt")
        with pytest.raises(ConfigError, match="lies in the output directory"):
            Pipeline([]).run(store.put("out/in.txt", b"text\n"), f"{scheme}://corpus/out/")
        report = Pipeline([]).run([url, other], tmp_path / "twice.txt", allow_repeat=True, overwrite=True)
        assert report.read == 2
    assert store.get("in.txt") == b"text\n"


def test_odd_names_are_taken_as_they_are(tmp_path: Path, store: Store) -> None:
    name = "a folder/100% #1 ü+&=.txt"
    store.put(name, b"text\n")
    Pipeline(["trim"]).run(store.url(name), store.url("out of " + name))
    assert store.get("out of " + name) == b"text\n"


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "csv"])
def test_tables_are_read_and_written(tmp_path: Path, store: Store, suffix: str) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"id": [f"r{n}" for n in range(5000)], "text": [f"  text {n} " for n in range(5000)]})
    path = tmp_path / f"in.{suffix}"
    write = {"parquet": "write_parquet", "arrow": "write_ipc", "arrows": "write_ipc_stream", "csv": "write_csv"}
    getattr(frame, write[suffix])(path)
    store.put(path.name, path)
    Pipeline(["trim"]).run(store.url(path.name), store.url(f"out.{suffix}"))
    Pipeline(["trim"]).run(path, tmp_path / f"out.{suffix}")
    assert store.get(f"out.{suffix}") == (tmp_path / f"out.{suffix}").read_bytes()


def test_columns_that_are_not_needed_are_not_asked_for(tmp_path: Path, store: Store) -> None:
    polars = pytest.importorskip("polars")
    noise = random.Random(7)
    rows = 4000
    frame = polars.DataFrame(
        {"noise": [noise.randbytes(1000) for _ in range(rows)], "text": [f"text {n}" for n in range(rows)]}
    )
    path = tmp_path / "in.parquet"
    frame.write_parquet(path, row_group_size=1000)
    store.put("in.parquet", path)
    store.sent = 0
    Pipeline([]).run(store.url("in.parquet"), tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text().splitlines() == frame["text"].to_list()
    assert store.sent < path.stat().st_size / 10


def test_requests_that_fail_are_made_again(tmp_path: Path, store: Store, source: Path) -> None:
    store.put("in.jsonl", source)
    expected = local(tmp_path, source, "local.jsonl")
    calls = iter(range(10**6))
    store.fault = lambda _method, _path: 503 if next(calls) % 2 == 0 else None
    Pipeline(STEPS).run(store.url("in.jsonl"), store.url("out.jsonl"))
    store.fault = lambda _method, _path: None
    assert store.get("out.jsonl") == expected


def test_what_cannot_be_read_any_more_is_a_damaged_segment(tmp_path: Path, store: Store) -> None:
    line = b"one line of some length\n"
    store.put("in.txt", line * ((30 << 20) // len(line)))
    store.put("other.txt", b"another\n")
    asked: list[str] = []

    # One request looks at it, and four that are under way together bring its first parts, in whatever order they come.
    def fault(method: str, path: str) -> int | None:
        asked.append(path)
        return 403 if path == "/corpus/in.txt" and asked.count(path) > 5 else None

    store.fault = fault
    report = Pipeline([]).run([store.url("in.txt"), store.url("other.txt")], tmp_path / "out.txt")
    assert report.exit_code == 5
    [damage] = report.to_dict()["damage"]
    assert "does not permit it" in damage["message"]
    written = (tmp_path / "out.txt").read_bytes()
    assert written == line * (written.count(b"\n") - 1) + b"another\n"
    assert report.out == written.count(b"\n") > 100_000


def test_what_the_libraries_say_is_not_logged(
    store: Store, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Pipeline(STEPS).run(store.put("in.jsonl", source), tmp_path / "out.jsonl")
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert loggers - {"azure", "werkzeug", "urllib3", "botocore", "boto3"} == {"text_processor"}


def test_an_object_that_is_replaced_while_it_is_read_is_noticed(tmp_path: Path, store: Store) -> None:
    store.put("in.txt", b"one line\n" * (5 << 20))

    @plugin
    def replace(text: str) -> str:
        if not replaced:
            store.put("in.txt", b"other line\n" * (5 << 20))
            replaced.append(text)
        return text

    replaced: list[str] = []
    with pytest.raises(InputError, match="was changed while it was read"):
        Pipeline([replace]).run(store.url("in.txt"), tmp_path / "out.txt", isolation="thread")
    assert not (tmp_path / "out.txt").exists()


def incompressible(path: Path, size: int) -> Path:
    """Writes lines that do not become smaller."""
    noise = random.Random(3)
    path.write_bytes(b"".join(noise.randbytes(500).hex().encode() + b"\n" for _ in range(size // 1001)))
    return path


def test_a_large_object_is_uploaded_in_parts(tmp_path: Path, store: Store) -> None:
    source = incompressible(tmp_path / "in.txt", 40 << 20)
    Pipeline(["trim"]).run(source, store.url("out.txt"))
    assert store.get("out.txt") == source.read_bytes()
    assert store.parts == 3
    assert store.uploads() == []


def test_nothing_is_left_of_a_run_that_fails(tmp_path: Path, store: Store) -> None:
    source = incompressible(tmp_path / "in.txt", 40 << 20)
    last = source.read_text().splitlines()[-1]

    @plugin
    def fail(text: str) -> str:
        if text == last:
            # The upload has begun by then.
            wait_until(lambda: store.parts > 0)
            raise ValueError(text)
        return text

    with pytest.raises(Exception, match="fail"):
        Pipeline([fail], on_error="raise").run(source, store.url("out.txt"), isolation="thread")
    assert (store.names(), store.uploads()) == ([], [])


def test_what_exists_is_replaced_only_when_somebody_says_so(store: Store) -> None:
    store.put("in.txt", b"new\n")
    store.put("out.txt", b"old\n")
    with pytest.raises(ConfigError, match="exists already"):
        Pipeline([]).run(store.url("in.txt"), store.url("out.txt"))
    assert store.get("out.txt") == b"old\n"
    Pipeline([]).run(store.url("in.txt"), store.url("out.txt"), overwrite=True)
    assert store.get("out.txt") == b"new\n"
    with pytest.raises(ConfigError, match="is also an input"):
        Pipeline([]).run(store.url("in.txt"), store.url("in.txt"), overwrite=True)


def test_what_appears_meanwhile_is_not_replaced(store: Store) -> None:
    store.put("in.txt", b"new\n")

    @plugin
    def rival(text: str) -> str:
        store.put("out.txt", b"rival\n")
        return text

    with pytest.raises(ConfigError, match="exists already"):
        Pipeline([rival]).run(store.url("in.txt"), store.url("out.txt"), isolation="thread")
    assert store.get("out.txt") == b"rival\n"


def test_an_object_that_is_not_there_is_told_of(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match="there is no such object"):
        Pipeline([]).run(store.url("missing.txt"), tmp_path / "out.txt")
    store.put("in.txt", b"text\n")
    report = Pipeline([]).run([store.url("missing.txt"), store.url("in.txt")], tmp_path / "out.txt", format="text")
    assert (report.exit_code, report.out) == (5, 1)
    with pytest.raises(ConfigError, match="is given twice"):
        Pipeline([]).run([store.url("in.txt")] * 2, tmp_path / "out.txt", overwrite=True)


def test_a_store_that_refuses_is_told_of_with_the_way_out(tmp_path: Path, store: Store) -> None:
    store.fault = lambda _method, _path: 403
    with pytest.raises(InputError, match="does not permit it") as caught:
        Pipeline([]).run(store.url("in.txt"), tmp_path / "out.txt")
    assert store.credential in "".join(caught.value.__notes__)
    (tmp_path / "in.txt").write_text("text\n")
    with pytest.raises(OutputError, match="does not permit it"):
        Pipeline([]).run(tmp_path / "in.txt", store.url("out.txt"))


def test_a_bucket_that_is_not_there_is_told_of_in_words(tmp_path: Path, store: Store, command: Command) -> None:
    source = tmp_path / "in.txt"
    source.write_text("text\n")
    nowhere = f"{store.scheme}://nowhere"
    for arguments in [
        [f"{nowhere}/*.txt", "-o", tmp_path / "out.txt"],
        [f"{nowhere}/in.txt", "-o", tmp_path / "out.txt"],
        [source, "-o", f"{nowhere}/out/"],
        [source, "-o", f"{nowhere}/out.txt"],
    ]:
        ran = command("run", "-s", "trim", *map(str, arguments))
        assert ran.code in {5, 6}, ran.messages
        assert "there is no such bucket" in ran.messages
        assert "hint: Check the address: the bucket" in ran.messages
        assert "<" not in ran.messages
        assert "--resume" not in ran.messages


def test_the_address_of_a_bucket_is_none_of_an_object(tmp_path: Path, store: Store, command: Command) -> None:
    (tmp_path / "in.txt").write_text("text\n")
    bucket = store.url("").rstrip("/")
    for address in [bucket, bucket + "/"]:
        with pytest.raises(ConfigError, match="names a bucket, and no object in it") as caught:
            Pipeline([]).run(address, tmp_path / "out.txt")
        assert f"`{bucket}/*.jsonl`" in "".join(caught.value.__notes__)
    store.put("a/in.txt", b"text\n")
    with pytest.raises(ConfigError, match="is a directory; expected an object"):
        Pipeline([]).run(store.url("a/"), tmp_path / "out.txt")
    with pytest.raises(ConfigError, match="names a bucket, and no object in it") as caught:
        Pipeline([]).run(tmp_path / "in.txt", bucket)
    assert f"`{bucket}/`" in "".join(caught.value.__notes__)
    with pytest.raises(ConfigError, match="is a directory"):
        Pipeline([]).run(tmp_path / "in.txt", tmp_path / "out.txt", rejected=store.url("a/"))
    store.empty()
    # The root of a bucket can be an output directory as any folder can.
    assert Pipeline([]).run(tmp_path / "in.txt", bucket + "/").out == 1
    assert store.get("out/00000.txt") == b"text\n"
    assert Pipeline([]).run(tmp_path / "in.txt", bucket + "/", resume=True).to_dict()["already_complete"]
    assert command("verify", bucket + "/").code == 0


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://host/a.txt", "cannot be read"),
        ("s3:///a.txt", "names no bucket"),
        ("s3://bucket/a//b.txt", "names no object"),
        (Path("s3://bucket/a.txt"), "one slash is missing"),
    ],
)
def test_what_is_no_address_is_refused(tmp_path: Path, address: str | Path, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Pipeline([]).run(address, tmp_path / "out.txt")
    assert caught.value.__notes__
    (tmp_path / "in.txt").write_text("text\n")
    with pytest.raises(ConfigError, match=message):
        Pipeline([]).run(tmp_path / "in.txt", address)
    assert list(tmp_path.iterdir()) == [tmp_path / "in.txt"]


@pytest.mark.parametrize("parts", [True, False])
def test_a_web_server_is_read(tmp_path: Path, parts: bool) -> None:
    content = b"".join(b"line %d\n" % number for number in range(900_000))
    files = {"/a/in.txt": content, "/b%20c.txt?signature=x%2Fy": b"signed\n", "/empty.txt": b""}
    with web_server(files, parts=parts) as server:
        Pipeline([]).run(f"{server}/a/in.txt", tmp_path / "out.txt")
        assert (tmp_path / "out.txt").read_bytes() == content
        Pipeline([]).run(f"{server}/b%20c.txt?signature=x%2Fy", tmp_path / "signed.txt")
        assert (tmp_path / "signed.txt").read_bytes() == b"signed\n"
        with pytest.raises(InputError) as caught:
            Pipeline([]).run(f"{server}/no.txt?signature=secret", tmp_path / "none.txt")
        assert "secret" not in str(caught.value) + str(caught.value.path) + "".join(caught.value.__notes__)
        report = Pipeline([]).run(f"{server}/empty.txt", tmp_path / "empty.txt")
        assert (report.read, report.exit_code) == (0, 0)
        with pytest.raises(InputError, match="no such object") as missing:
            Pipeline([]).run(f"{server}/missing.txt", tmp_path / "missing.txt")
        assert "Check the address: the server" in "".join(missing.value.__notes__)
        with pytest.raises(ConfigError, match="only read"):
            Pipeline([]).run(f"{server}/a/in.txt", f"{server}/out.txt")


@pytest.mark.parametrize("tags", [True, False])
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1 << 20])
def test_a_web_server_that_does_not_know_how_long_a_file_is_is_read(tmp_path: Path, size: int, tags: bool) -> None:
    content = (b"a line of text\n" * (size // 15 + 1))[:size]
    files = {"/in.txt": content, "/in.txt.gz": gzip.compress(content), "/in.parquet": b"PAR1" + bytes(5000)}
    with web_server(files, parts=False, tags=tags, lengths=False) as server:
        Pipeline([]).run(f"{server}/in.txt", tmp_path / "out.txt")
        assert (tmp_path / "out.txt").read_bytes() == content
        Pipeline([]).run(f"{server}/in.txt.gz", tmp_path / "unpacked.txt")
        assert (tmp_path / "unpacked.txt").read_bytes() == content
        Pipeline([]).run(f"{server}/in.txt", target(tmp_path / "out"), shard_bytes=9000)
        again = Pipeline([]).run(f"{server}/in.txt", target(tmp_path / "out"), shard_bytes=9000, resume=True)
        assert again.to_dict()["already_complete"]
        with pytest.raises(ConfigError, match="as a whole only"):
            Pipeline([]).run(f"{server}/in.parquet", tmp_path / "table.txt")


@pytest.mark.parametrize("address", ["az://corpus/a/in.txt", "abfss://corpus/a/in.txt"])
def test_azure_is_asked_for_the_right_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    content = b"".join(b"line %d\n" % number for number in range(100_000))
    # What everybody may read is read as from any web server: one can stand in for the store, where there is no Azurite.
    with web_server({"/corpus/a/in.txt": content}, tags=True) as server:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server)
        monkeypatch.setenv("AZURE_SKIP_SIGNATURE", "true")
        Pipeline([]).run(address, tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == content


def test_parquet_needs_a_server_that_gives_parts(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    polars.DataFrame({"text": ["one", "two"] * 1000}).write_parquet(tmp_path / "in.parquet")
    files = {"/in.parquet": (tmp_path / "in.parquet").read_bytes()}
    with web_server(files) as server:
        Pipeline([]).run(f"{server}/in.parquet", tmp_path / "out.txt")
        assert (tmp_path / "out.txt").read_text() == "one\ntwo\n" * 1000
    with web_server(files, parts=False) as server, pytest.raises(ConfigError, match="as a whole only"):
        Pipeline([]).run(f"{server}/in.parquet", tmp_path / "other.txt")


def shards(store: Store, tmp_path: Path, prefix: str) -> dict[str, bytes]:
    """What lies in an output directory of the store, without what tells of times, and of inputs."""
    folder = tmp_path / f"copy-{random.getrandbits(40)}"
    return committed(store.copy(prefix, folder))


def test_an_output_directory_is_that_of_a_folder(tmp_path: Path, store: Store, source: Path) -> None:
    options = {"shard_bytes": 9000}
    Pipeline(STEPS).run(source, store.url("out/"), **options)
    Pipeline(STEPS).run(source, target(tmp_path / "out"), **options)
    there, here = shards(store, tmp_path, "out/"), committed(tmp_path / "out")
    here.pop("lock")
    assert there == here
    assert store.uploads() == []


def test_a_run_goes_on_at_every_shard(tmp_path: Path, store: Store, source: Path) -> None:
    url = store.put("in.jsonl", source)
    run = Pipeline(STEPS).run
    run(url, store.url("whole/"), shard_bytes=9000)
    expected = shards(store, tmp_path, "whole/")
    total = expected["manifest.jsonl"].count(b"\n") - 2
    assert total > 5
    for writes in range(1, total + 2):
        store.empty_below("out/")
        seen: list[str] = []

        def fault(method: str, path: str, writes: int = writes, seen: list[str] = seen) -> int | None:
            if method == "PUT" and path.endswith("/manifest.jsonl"):
                seen.append(path)
                # The store takes no more, from one moment on.
                return 403 if len(seen) > writes else None
            return None

        store.fault = fault
        with pytest.raises(OutputError):
            run(url, store.url("out/"), shard_bytes=9000)
        store.fault = lambda _method, _path: None
        report = run(url, store.url("out/"), shard_bytes=9000, resume=True)
        assert report.to_dict()["earlier_shards"] == writes - 1
        assert shards(store, tmp_path, "out/") == expected
    assert run(url, store.url("out/"), shard_bytes=9000, resume=True).to_dict()["already_complete"]


NOON, EVENING = "Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 18:00:00 GMT"


def test_an_input_that_was_replaced_is_another_whenever_that_was(store: Store, source: Path) -> None:
    run = Pipeline(STEPS).run
    # Stores tell in seconds when an object was put there: this happens within one, and with as many bytes.
    store.modified = NOON
    url = store.put("in.jsonl", source)
    run(url, store.url("out/"), shard_bytes=9000)
    store.put("in.jsonl", source.read_bytes().replace(b"number", b"NUMBER"))
    with pytest.raises(ResumeError, match=r"the ETag of `.*in\.jsonl` was `.*` and is `.*`"):
        run(url, store.url("out/"), shard_bytes=9000, resume=True)


def test_the_same_bytes_are_the_same_input_whenever_they_were_put_there(store: Store, source: Path) -> None:
    run = Pipeline(STEPS).run
    store.modified = NOON
    url = store.put("in.jsonl", source)
    run(url, store.url("out/"), shard_bytes=9000)
    store.modified = EVENING
    assert run(url, store.url("out/"), shard_bytes=9000, resume=True).to_dict()["already_complete"]


def test_a_run_that_is_replaced_while_it_goes_on_ends(store: Store, source: Path) -> None:
    url = store.put("in.jsonl", source)
    second: list[BaseException | None] = []

    @plugin
    def meet(text: str) -> str:
        if not second:
            second.append(None)
            # The other run takes the directory over and completes it, while this one thinks that it is its own.
            Pipeline([other]).run(url, store.url("out/"), shard_bytes=9000, overwrite=True, isolation="thread")
        return text

    @plugin
    def other(text: str) -> str:
        return text.upper()

    with pytest.raises(LockedError, match="Another run"):
        Pipeline([meet]).run(url, store.url("out/"), shard_bytes=9000, isolation="thread")
    assert b"TEXT NUMBER 1 " in store.get("out/out/00000.jsonl")


def test_a_run_that_is_resumed_elsewhere_ends(store: Store, source: Path, command: Command) -> None:
    url = store.put("in.jsonl", source)
    met: list[str] = []

    @plugin
    def meet(text: str) -> str:
        met.append(text)
        if len(met) == 1:
            # The other run takes the directory over, and comes to its end before it has committed anything.
            store.fault = lambda method, path: 403 if (method, path[:15]) == ("PUT", "/corpus/out/out") else None
            with pytest.raises(OutputError):
                pipeline.run(url, store.url("out/"), shard_bytes=9000, resume=True, isolation="thread")
            store.fault = lambda _method, _path: None
        return text

    pipeline = Pipeline([meet])
    with pytest.raises(LockedError, match="has taken over"):
        pipeline.run(url, store.url("out/"), shard_bytes=9000, isolation="thread")
    pipeline.run(url, store.url("out/"), shard_bytes=9000, resume=True, isolation="thread")
    assert command("verify", store.url("out/")).code == 0


def test_what_a_directory_holds_is_verified_and_explained(store: Store, source: Path, command: Command) -> None:
    url = store.put("in.jsonl", source)
    directory = store.url("out/")
    steps = ["-s", "trim", "-s", "length:minimum=3"]
    ran = command("run", *steps, url, "-o", directory, "--shard-size", "9kB", "--report", store.url("report.json"))
    assert ran.code == 3, ran.messages
    assert json.loads(store.get("report.json"))["counts"]["quarantined"] > 0
    assert command("verify", directory).code == 0
    told = command("why", directory, "r5")
    assert told.code == 0
    assert "rejected" in told.output
    store.put("out/out/00001.jsonl", b"garbage\n")
    assert command("verify", directory).code == 5
    store.put("out/out/99999.jsonl", b"stranger\n")
    assert "99999" in command("verify", directory).output


def test_a_directory_is_refused_replaced_and_resumed_as_a_folder_is(store: Store, source: Path) -> None:
    url = store.put("in.jsonl", source)
    run = Pipeline(STEPS).run
    run(url, store.url("out/"), shard_bytes=9000)
    with pytest.raises(ConfigError, match="holds a run already"):
        run(url, store.url("out/"))
    run(url, store.url("out/"), overwrite=True)
    assert store.names("out/out/") == ["out/out/00000.jsonl"]
    store.put("in.jsonl", b'{"text": "another"}\n')
    with pytest.raises(Exception, match=r"in\.jsonl"):
        run(url, store.url("out/"), resume=True)
    store.put("mine/notes.txt", b"mine")
    with pytest.raises(ConfigError, match="is not empty"):
        run(url, store.url("mine/"), overwrite=True)
    with pytest.raises(ConfigError, match="lies in the output directory"):
        run(store.put("in/in.jsonl", source), store.url("in/"))


def test_a_run_that_is_killed_at_any_moment_goes_on(tmp_path: Path, store: Store, source: Path) -> None:
    program = Program(tmp_path / "work", variables=store.environment)
    url = store.put("in.jsonl", source)
    arguments = ("run", "-s", "trim", "-s", "length:minimum=3", url, "--quiet", "--shard-size", "9000")
    began = time.monotonic()
    assert program(*arguments, "-o", store.url("whole/")).returncode == 3
    usual = time.monotonic() - began
    expected = shards(store, tmp_path, "whole/")
    moments = random.Random(11)
    killed = 0
    for _ in range(rounds("REMOTE_KILLS", 6)):
        with program.started(*arguments, "-o", store.url("out/"), "--resume") as process:
            time.sleep(moments.uniform(usual * 0.3, usual))
            process.kill()
            killed += process.wait() == -signal.SIGKILL
    assert killed
    assert program(*arguments, "-o", store.url("out/"), "--resume").returncode == 3
    assert shards(store, tmp_path, "out/") == expected


@pytest.mark.parametrize("moment", ["GET /corpus/in.txt", "HEAD /corpus/out.txt", "PUT /corpus/out.txt"])
def test_a_signal_ends_a_run_that_waits_for_a_store(tmp_path: Path, store: Store, moment: str) -> None:
    program = Program(tmp_path / "work", variables=store.environment)
    url = store.put("in.txt", b"text\n")
    waits, goes_on = threading.Event(), threading.Event()

    def hang(method: str, path: str) -> int | None:
        if f"{method} {path}" == moment:
            waits.set()
            goes_on.wait(30)
        return None

    store.fault = hang
    try:
        with program.started("run", "-s", "trim", url, "-o", store.url("out.txt")) as process:
            assert waits.wait(20)
            ended, told, seconds = stop(process, signal.SIGINT)
    finally:
        goes_on.set()
    assert ended == 130, told
    assert b"Traceback" not in told
    assert seconds < 2.0
