"""The jobs of the comparison: what ours runs, and the peers that do the same work."""

from collections.abc import Callable
from dataclasses import dataclass, field

CLEANING = ["normalize-unicode", "strip-control", "collapse-whitespace", "trim"]


@dataclass
class Peer:
    """A program of the folder of peers: its file, its arguments with IN and OUT for the files, and what it imports."""

    file: str
    arguments: list[str]
    modules: list[str] = field(default_factory=list)
    figure: str | None = None
    """The figure that the comparison decides."""
    workers: int = 1
    """How many workers ours has beside it. A peer that can has as many threads or processes."""
    folders: bool = False
    """Whether it reads all files of a folder and writes to a folder."""
    head: int | None = None
    """It is slow, so it does this many megabytes of the source, and throughput is compared."""
    must_agree: bool = True
    """Whether different texts end the comparison. Rules that differ on purpose are only counted."""

    @property
    def environment(self) -> dict[str, str]:
        """What tells it how many threads it has."""
        return {"POLARS_MAX_THREADS": str(self.workers)}

    @property
    def name(self) -> str:
        """The file and what distinguishes this use of it."""
        words = [word for word in self.arguments if word not in {"IN", "OUT"}]
        if "polars" in self.modules:
            words.append(f"{self.workers} thread{'s' * (self.workers > 1)}")
        if self.head is not None:
            words.append(f"({self.head} MB)")
        return " ".join([self.file.removesuffix(".py"), *words])


@dataclass
class Floor:
    """A job of the straight Rust program: in memory, without reading and writing, which its time leaves out."""

    job: str
    figure: str | None = None
    workers: int = 1
    must_agree: bool = True

    @property
    def name(self) -> str:
        """The job."""
        return f"floor {self.job}, in memory, {self.workers} thread{'s' * (self.workers > 1)}"


@dataclass
class Ourselves:
    """Ours with another number of workers."""

    figure: str | None = None
    workers: int = 2
    others: int = 1
    must_agree: bool = True

    @property
    def name(self) -> str:
        """What differs."""
        return f"ours with {self.others} instead of {self.workers} workers"


def _exactly(ours: str, theirs: str) -> bool:
    return ours == theirs


def _but_for_final_line_ends(ours: str, theirs: str) -> bool:
    # `str.splitlines` does not show a final line end, so each function of the peers drops one; trim-lines keeps them.
    return ours.rstrip("\n") == theirs.rstrip("\n")


def _but_for_placeholders(ours: str, theirs: str) -> bool:
    for placeholder, replacement in (("[EMAIL]", "email@example.com"), ("[IPV4]", "22.214.171.124")):
        ours = ours.replace(placeholder, replacement)
    return ours == theirs


@dataclass
class Job:
    """The same work for ours and for some peers."""

    title: str
    source: str
    peers: list[Peer | Floor | Ourselves]
    steps: list[str] | None = None
    """The steps of the command; without them ours is the job of this name in `ours.py`."""
    same: Callable[[str, str], bool] = _exactly
    leave_out_odd: bool = False
    unchanged: bool = False
    """Whether ours must write its source byte for byte."""
    memory_figure: str | None = None
    """The figure that the peak memory of ours with one worker decides."""


def _chain(name: str, figure: str | None = None, *, head: int = 100) -> list[Peer | Floor | Ourselves]:
    """The peers that run a chain of Python functions over JSON Lines."""
    return [
        Peer("article_loop.py", ["orjson", name, "IN", "OUT"], ["orjson"], figure),
        Peer("article_loop.py", ["json", name, "IN", "OUT"]),
        Peer("article_pool.py", [name, "IN", "OUT", "2"], ["orjson"], workers=2),
        Peer("article_polars.py", ["batches", name, "IN", "OUT"], ["polars"]),
        Peer("article_polars.py", ["lazy", name, "IN", "OUT"], ["polars"]),
        Peer("article_datasets.py", ["batched", name, "IN", "OUT", "1"], ["datasets"]),
        Peer("article_datasets.py", ["single", name, "IN", "OUT", "1"], ["datasets"], head=head),
        Peer("article_datatrove.py", [name, "IN", "OUT", "1"], ["datatrove", "orjson"], head=head, folders=True),
    ]


def _polars(file: str, arguments: list[str], figure: str, modules: list[str]) -> list[Peer | Floor | Ourselves]:
    """Both ways of Polars, with one thread and with two; the faster one decides the figure."""
    return [
        Peer(file, [*arguments, mode, "IN", "OUT"], modules, f"{figure}-{threads}", threads)
        for threads in (1, 2)
        for mode in ("eager", "lazy")
    ]


JOBS = {
    "noop-text": Job(
        "One plugin that changes nothing, a million lines of text",
        "lines1m.txt",
        [Peer("article_textloop.py", ["noop", "IN", "OUT"], figure="call-text")],
        ["noop"],
    ),
    "noop": Job(
        "One plugin that changes nothing, a million lines as JSON Lines",
        "lines1m.jsonl",
        _chain("noop", "call-jsonl", head=30),
        ["noop"],
    ),
    "article": Job(
        "The article's job: trim-lines in Rust, reverse and capitalize as installed plugins",
        "docs.jsonl",
        _chain("article", "article"),
        ["trim-lines", "reverse", "capitalize"],
        same=_but_for_final_line_ends,
        leave_out_odd=True,
        memory_figure="article-memory",
    ),
    "functions": Job(
        "The article's job in the library: the very functions of the peers",
        "docs.jsonl",
        _chain("article")[:1],
    ),
    "copy": Job(
        "Copy: trim where nothing changes, every line validated",
        "trimmed.jsonl",
        [
            *(
                Peer("article_polars.py", [mode, "copy", "IN", "OUT"], ["polars"], f"copy-{threads}", threads)
                for threads in (1, 2)
                for mode in ("batches", "lazy")
            ),
            Peer("article_loop.py", ["orjson", "copy", "IN", "OUT"], ["orjson"]),
            Peer("article_datatrove.py", ["copy", "IN", "OUT", "1"], ["datatrove", "orjson"], head=100, folders=True),
        ],
        ["trim"],
        unchanged=True,
    ),
    "clean": Job(
        "Cleaning: NFC, control characters, white space, trim",
        "docs.jsonl",
        [
            Floor("clean", "clean-floor"),
            *_polars("clean_polars.py", ["clean"], "clean-polars", ["polars", "datatrove"]),
            Peer("clean_loop.py", ["clean", "IN", "OUT"], ["orjson", "datatrove"], "clean-loop"),
            Peer("clean_datatrove.py", ["split", "clean", "IN", "OUT", "1"], ["datatrove"], head=100, folders=True),
            Ourselves("scaling"),
        ],
        CLEANING,
    ),
    "redact": Job(
        "Redaction of e-mail and IPv4 addresses, each by its own rules",
        "docs.jsonl",
        [
            Floor("redact", "redact", must_agree=False),
            Floor("redact_pre", must_agree=False),
            Peer("redact_polars.py", ["IN", "OUT"], ["polars"], must_agree=False),
            Peer("redact_loop.py", ["re", "IN", "OUT"], ["orjson"], head=100, must_agree=False),
            Peer("redact_loop.py", ["regex", "IN", "OUT"], ["orjson", "regex"], head=100, must_agree=False),
            Peer("redact_loop.py", ["re", "IN", "OUT", "prefilter"], ["orjson"], head=100, must_agree=False),
            Peer("redact_datatrove.py", ["IN", "OUT", "1"], ["datatrove"], head=100, folders=True, must_agree=False),
        ],
        ["redact:entities=[email,ipv4]"],
        same=_but_for_placeholders,
    ),
    "replace": Job(
        "Replace e-mail and IPv4 addresses by the peers' own patterns",
        "docs.jsonl",
        [
            Floor("redact"),
            Peer("redact_loop.py", ["re", "IN", "OUT"], ["orjson"], head=100),
            Peer("redact_polars.py", ["IN", "OUT"], ["polars"]),
        ],
    ),
}
