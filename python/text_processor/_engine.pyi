"""The Rust engine. Its classes are documented where they are written; `help()` shows it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias, final

from text_processor.exceptions import RecordError

__all__ = ["Pipeline", "Record", "Report", "TraceEntry", "__version__", "command", "worker"]

__version__: str

_Step: TypeAlias = str | Callable[..., Any] | tuple[str | Callable[..., Any], Mapping[str, Any]]
_Path: TypeAlias = str | PathLike[str]
_OnError: TypeAlias = Literal["raise", "quarantine"]

@final
class Pipeline:
    def __new__(
        cls,
        steps: Iterable[_Step],
        *,
        order: Literal["listed", "auto"] = "listed",
        text: str = "text",
        id: str = "id",
        on_error: _OnError = "quarantine",
    ) -> Pipeline: ...
    @staticmethod
    def from_file(path: _Path) -> Pipeline: ...
    @staticmethod
    def discover() -> Pipeline: ...
    @property
    def steps(self) -> tuple[str, ...]: ...
    def process(self, text: str, /) -> str | None: ...
    def process_many(self, texts: Iterable[str]) -> Iterator[str | None]: ...
    def records(self, items: Iterable[Mapping[str, Any] | Record]) -> Iterator[Record]: ...
    def trace(self, text: str, fields: Mapping[str, Any] | None = None) -> list[TraceEntry]: ...
    def run(
        self,
        inputs: _Path | Sequence[_Path],
        output: _Path,
        *,
        format: Literal["text", "file", "jsonl", "parquet", "arrow", "stream", "csv", "tsv"] | None = None,
        rejected: _Path | None = None,
        quarantine: _Path | None = None,
        workers: int | None = None,
        nulls: Literal["keep", "reject", "quarantine"] = "quarantine",
        limit: int | None = None,
        overwrite: bool = False,
        resume: bool = False,
        shard_bytes: int | None = None,
        compression: Literal["none", "gzip", "zstd"] | None = None,
        allow_repeat: bool = False,
        progress: bool | None = None,
        isolation: Literal["auto", "thread", "process"] = "auto",
        timeout: float | None = 300.0,
        memory: int | None = None,
        batch_size: int | None = None,
        memory_budget: int | None = None,
        max_expansion: int | None = 200,
        quarantine_limit: int | None = None,
        quarantine_bytes: int | None = None,
    ) -> Report: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Record:
    def __new__(cls, text: str, fields: Mapping[str, Any] | None = None) -> Record: ...
    @property
    def text(self) -> str: ...
    @property
    def fields(self) -> dict[str, Any]: ...
    @property
    def fate(self) -> Literal["out", "rejected", "quarantined"] | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def step(self) -> str | None: ...
    @property
    def error(self) -> RecordError | None: ...
    @property
    def part(self) -> int | None: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class TraceEntry:
    @property
    def step(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def outcome(self) -> Literal["text", "kept", "rejected", "annotated", "split", "failed"]: ...
    @property
    def after(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def fields(self) -> dict[str, Any]: ...
    @property
    def parts(self) -> list[str]: ...
    @property
    def seconds(self) -> float: ...

@final
class Report:
    @property
    def read(self) -> int: ...
    @property
    def out(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def quarantined(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def exit_code(self) -> int: ...
    def to_dict(self) -> dict[str, Any]: ...

def command(arguments: Sequence[str]) -> int: ...
def worker() -> None: ...
