"""Plugins that take Arrow arrays: with real libraries where they are there, and with capsules of our own everywhere."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.files import counts, read_jsonl, write_jsonl
from support.processes import nothing_left
from support.runs import run_over

from text_processor import BadReturnType, Column, Pipeline, StepError, plugin
from text_processor.exceptions import PluginContractError

MANY = [f"text {place} " + "é" * (place % 30) for place in range(3_000)]


@pytest.fixture(scope="module")
def _libraries() -> None:
    """What libraries open for themselves when they are first used stays open."""
    with contextlib.suppress(ImportError):
        import polars as pl

        pl.Series(["a"]).to_frame("a").select(pl.col("a").str.to_uppercase())


@pytest.fixture(autouse=True)
def _nothing_left(_libraries: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a process, a descriptor or a temporary file behind."""
    with nothing_left(monkeypatch):
        yield


@plugin(arrow=True)
def same(texts: Column) -> Column:
    return texts


def in_process(folder: Path, steps: list[Any], texts: list[str], **options: Any) -> Any:
    return run_over(folder, steps, texts, isolation="thread", **options)


class Relay:
    """Hands the capsules of a column on, as a library does that has changed nothing."""

    def __init__(self, column: Column) -> None:
        self.column = column

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        return self.column.__arrow_c_array__(requested_schema)


def relay(texts: Column) -> Relay:
    return Relay(texts)


class TestWithoutLibraries:
    def test_the_very_array_may_be_returned(self, tmp_path: Path) -> None:
        assert Pipeline([same]).process("a text that is longer than twelve bytes") is not None
        assert in_process(tmp_path, [same], MANY).texts == MANY
        text = " ".join(["a", "b"])
        assert Pipeline([same]).process(text) is text

    def test_a_copy_of_it_changes_nothing(self, tmp_path: Path) -> None:
        ran = in_process(tmp_path, [plugin(arrow=True)(relay)], MANY)
        assert ran.texts == MANY
        assert (tmp_path / "run" / "out.jsonl").read_bytes() == (tmp_path / "run" / "in.jsonl").read_bytes()

    def test_lists_strings_and_arrays_stand_side_by_side(self, tmp_path: Path) -> None:
        listed = plugin(batch=True)(lambda texts: [text + "l" for text in texts])
        steps = [same, str.upper, same, listed, plugin(arrow=True)(relay), str.title, "trim", same]
        expected = [(text.upper() + "l").title().strip() for text in MANY]
        assert in_process(tmp_path, steps, MANY).texts == expected

    def test_a_column_says_what_it_is(self) -> None:
        seen: list[tuple[int, str]] = []

        @plugin(arrow=True)
        def look(texts: Column) -> Column:
            seen.append((len(texts), repr(texts)))
            assert texts.__arrow_c_schema__() is not None
            return texts

        Pipeline([look]).process("abc")
        assert seen == [(1, "<Column of 1 values, Utf8View>")]

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            (None, "Expected an Arrow array, got `NoneType`."),
            (["a"], "Expected an Arrow array, got `list`."),
            ("a", "Expected an Arrow array, got `str`."),
        ],
    )
    def test_a_wrong_return_says_what_was_expected(self, returned: Any, message: str) -> None:
        with pytest.raises(BadReturnType) as caught:
            Pipeline([plugin(arrow=True, name="acme")(lambda texts: returned)]).process("a")
        assert str(caught.value) == f"Step `acme` failed: {message}"

    def test_a_wrong_length_names_both_numbers(self, tmp_path: Path) -> None:
        columns: list[Column] = []
        keep = plugin(arrow=True)(lambda texts: columns.append(texts) or texts)
        in_process(tmp_path, [keep], ["a", "b", "c"])
        with pytest.raises(BadReturnType, match="of length 1, as long as that of the texts, got one of length 3"):
            Pipeline([plugin(arrow=True)(lambda texts: columns[0])]).process("a")

    def test_texts_are_no_decisions(self) -> None:
        for kind, message in [
            ("filter", "Expected an array of booleans, got one of `Utf8View`"),
            ("split", "Expected an array of lists of texts, got one of `Utf8View`"),
        ]:
            with pytest.raises(BadReturnType, match=message):
                list(Pipeline([plugin(arrow=True, kind=kind)(relay)], on_error="raise").records([{"text": "a"}]))

    def test_capsules_that_raise_are_the_steps_own_fault(self) -> None:
        class Raises:
            def __arrow_c_array__(self, requested_schema: object = None) -> Any:
                raise ValueError

        class Lies:
            def __arrow_c_array__(self, requested_schema: object = None) -> Any:
                return 3, 4

        for returned in (Raises, Lies):
            with pytest.raises(StepError):
                Pipeline([plugin(arrow=True)(lambda texts, returned=returned: returned())]).process("a")

    def test_both_at_once_and_generators_are_refused(self) -> None:
        with pytest.raises(PluginContractError, match="not both"):
            plugin(arrow=True, batch=True)(same)

        def generate(texts: Column) -> Iterator[Column]:
            yield texts

        with pytest.raises(PluginContractError, match="`arrow=True` returns an array"):
            Pipeline([plugin(arrow=True)(generate)])


class TestPyArrow:
    @pytest.fixture(autouse=True)
    def _pyarrow(self) -> None:
        self.pa = pytest.importorskip("pyarrow")
        self.pc = pytest.importorskip("pyarrow.compute")

    def test_a_column_may_be_kept(self, tmp_path: Path) -> None:
        kept: list[Column] = []
        keep = plugin(arrow=True)(lambda texts: kept.append(texts) or texts)
        ran = in_process(tmp_path, [keep, str.upper], MANY)
        # What was lent for that run is as it was, whatever has become of its batches. A later one may have come first.
        assert sorted(text for column in kept for text in self.pa.array(column).to_pylist()) == sorted(MANY)
        assert ran.texts == [text.upper() for text in MANY]

    def test_b14_exactly_the_poison_of_an_array_is_quarantined(self, tmp_path: Path) -> None:
        sizes: list[int] = []

        @plugin(arrow=True)
        def choosy(texts: Column) -> Column:
            sizes.append(len(texts))
            if "poison" in self.pa.array(texts).to_pylist():
                raise ValueError
            return texts

        texts = ["poison" if place in (5, 2_000) else text for place, text in enumerate(MANY)]
        ran = in_process(tmp_path, [choosy], texts)
        assert [(line["record"]["id"], line["error"]) for line in ran.quarantine] == [
            (5, "ValueError"),
            (2_000, "ValueError"),
        ]
        assert ran.texts == [text for text in texts if text != "poison"]
        assert max(sizes) > 90

    @pytest.mark.parametrize("isolation", ["thread", "process"])
    def test_every_type_of_text_comes_back(self, tmp_path: Path, isolation: str) -> None:
        from support import arrow_steps

        for step in (arrow_steps.upper, arrow_steps.upper_large, arrow_steps.upper_chunked, arrow_steps.upper_encoded):
            ran = run_over(tmp_path, [step], MANY, isolation=isolation)
            assert ran.texts == [text.upper() for text in MANY]

    def test_every_kind(self, tmp_path: Path) -> None:
        from support import arrow_steps

        steps = [arrow_steps.measure, arrow_steps.tell, arrow_steps.longer, arrow_steps.words]
        texts = ["a bc", "d", "", "e f g"]
        ran = in_process(tmp_path, steps, texts)
        assert [(record["text"], record["size"], record["first"]) for record in ran.out] == [
            (word, len(text), text[:1]) for text in ("a bc", "e f g") for word in f"{text}:{len(text)}".split()
        ]
        assert counts(ran.report) == (4, 2, 2, 0)

    @pytest.mark.parametrize(
        ("declared", "make", "failure"),
        [
            ({"kind": "map"}, lambda pa, n: pa.array([None] * n, pa.string()), "Expected a text, got null."),
            ({"kind": "map"}, lambda pa, n: pa.array([1] * n), "Expected an array of texts, got one of `Int64`."),
            ({"kind": "map"}, lambda pa, n: pa.array(["x" * (17 << 20)] * n), "at least 17825792 bytes"),
            (
                {"kind": "split"},
                lambda pa, n: pa.array([None] * n, pa.list_(pa.string())),
                "a list of texts, got null.",
            ),
            ({"kind": "split"}, lambda pa, n: pa.array([["a", None]] * n), "a text for each part, got null."),
            ({"kind": "split"}, lambda pa, n: pa.array([[1]] * n), "lists of texts, got one of `List("),
            (
                {"kind": "annotate", "fields": {"size": int}},
                lambda pa, n: pa.array([1] * n),
                "of structures, or a record batch, got",
            ),
            (
                {"kind": "annotate", "fields": {"size": int}},
                lambda pa, n: pa.array([{"other": 1}] * n),
                "It lacks `size`.",
            ),
            (
                {"kind": "annotate", "fields": {"size": int}},
                lambda pa, n: pa.array([{"size": 1, "more": 2}] * n),
                "It has `more` too.",
            ),
            (
                {"kind": "annotate", "fields": {"size": int}},
                lambda pa, n: pa.array([{"size": "1"}] * n),
                "an array of integers for the",
            ),
            (
                {"kind": "annotate", "fields": {"size": str}},
                lambda pa, n: pa.array([{"size": 1}] * n),
                "an array of texts for the field",
            ),
            (
                {"kind": "annotate", "fields": {"size": int}},
                lambda pa, n: pa.array([{"size": None}] * n),
                "integers without nulls for the",
            ),
            (
                {"kind": "annotate", "fields": {"size": int}},
                lambda pa, n: pa.array([None] * n, pa.struct({"size": pa.int8()})),
                "got null.",
            ),
            (
                {"kind": "annotate", "fields": {"size": float}},
                lambda pa, n: pa.array([{"size": float("nan")}] * n),
                "is not finite",
            ),
            (
                {"kind": "annotate", "fields": {"size": int}},
                lambda pa, n: pa.array([{"size": 2**63}] * n, pa.struct({"size": pa.uint64()})),
                "does not fit 64 bits",
            ),
        ],
    )
    def test_what_is_no_result_costs_its_record(
        self, tmp_path: Path, declared: Any, make: Callable[[Any, int], Any], failure: str
    ) -> None:
        step = plugin(arrow=True, **declared)(lambda texts: make(self.pa, len(texts)))
        ran = in_process(tmp_path, [step], ["a", "b"])
        assert [line["record"]["id"] for line in ran.quarantine] == [0, 1]
        assert all(failure in line["message"] for line in ran.quarantine), ran.quarantine[0]["message"]

    def test_values_of_fields_have_their_types(self, tmp_path: Path) -> None:
        pa = self.pa
        fields = {"i": int, "f": float, "b": bool, "s": str, "j": list, "k": object}

        @plugin(arrow=True, kind="annotate", fields=fields)
        def annotate(texts: Column) -> Any:
            row = {"k": None, "i": 3, "f": 2, "b": True, "s": "é", "j": [1, None]}
            return pa.Table.from_pylist([row] * len(texts))

        ran = in_process(tmp_path, [annotate], ["a", "b"])
        assert ran.out[1] == {"id": 1, "text": "b", "i": 3, "f": 2.0, "b": True, "s": "é", "j": [1, None], "k": None}

    def test_fields_are_arrays(self, tmp_path: Path) -> None:
        pa = self.pa
        seen: list[list[Any]] = []

        @plugin(arrow=True)
        def look(texts: Column, a: Column, b: Column, cd: Column, e: Any = 7) -> Column:
            seen.append([pa.array(column) for column in (a, b, cd, e)])
            return texts

        records = [
            {"text": "x", "a": 1, "b": "one", "cd": [1]},
            {"text": "y", "a": None, "b": "two", "cd": {"k": None}},
            {"text": "z", "a": 3},
        ]
        source = write_jsonl(tmp_path / "in.jsonl", records)
        report = Pipeline([look]).run(source, tmp_path / "out.jsonl", isolation="thread")
        assert counts(report) == (3, 2, 0, 1)
        [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
        assert (line["record"]["text"], line["kind"]) == ("z", "missing_field")
        [(a, b, cd, e)] = seen
        assert (a.type, a.to_pylist()) == (pa.int64(), [1, None])
        assert (b.type, b.to_pylist()) == (pa.string(), ["one", "two"])
        assert (cd.type, cd.to_pylist()) == (pa.string(), ["[1]", '{"k": null}'])
        assert (e.type, len(e)) == (pa.null(), 2)

    def test_no_text_is_copied_on_the_way_in_and_back(self, tmp_path: Path) -> None:
        pa = self.pa
        addresses: set[int] = set()

        @plugin(arrow=True)
        def look(texts: Column) -> Any:
            array = pa.array(texts)
            assert array.type == pa.string_view()
            addresses.update(buffer.address for buffer in array.buffers()[2:])
            return array

        assert in_process(tmp_path, [look, look], MANY).texts == MANY
        assert in_process(tmp_path, [look], [text + "\\" for text in MANY]).texts == [text + "\\" for text in MANY]
        assert addresses

    def test_utf8_that_is_none_is_found(self) -> None:
        pa = self.pa
        offsets, data = pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")
        broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, data])
        with pytest.raises(BadReturnType, match="damaged"):
            Pipeline([plugin(arrow=True)(lambda texts: broken)]).process("a")

    def test_a_null_rejects_as_false_does(self) -> None:
        decisions = self.pa.array([None])
        step = plugin(arrow=True, kind="filter", name="decide")(lambda texts: decisions.cast(self.pa.bool_()))
        [record] = Pipeline([step]).records([{"text": "a"}])
        assert (record.fate, record.reason) == ("rejected", "decide")

    def test_what_becomes_of_a_record_does_not_depend_on_the_others(self) -> None:
        pa = self.pa

        @plugin(arrow=True, kind="split")
        def words(texts: Column) -> Any:
            return pa.array([text.split() or (None if text else [None]) for text in pa.array(texts).to_pylist()])

        @plugin(arrow=True, kind="filter")
        def late(texts: Column) -> Any:
            return pa.array([True if text > "m" else None for text in pa.array(texts).to_pylist()])

        @plugin(arrow=True)
        def none(texts: Column) -> Any:
            return pa.array([text if text > "m" else None for text in pa.array(texts).to_pylist()])

        def fates(step: Any, texts: list[str]) -> list[Any]:
            made = pa.table(Pipeline([step]).process_table(pa.table({"text": texts}), fates=True))
            return list(zip(made["fate"].to_pylist(), made["reason"].to_pylist(), strict=True))

        for step, reason in ((words, "text"), (late, "late"), (none, "text")):
            for odd in (" ", "", "a"):
                both = fates(step, ["z", odd])
                assert both[0][0] == "out"
                assert both[1:] == fates(step, [odd]), reason

    def test_an_empty_list_rejects_whatever_its_type(self) -> None:
        pa = self.pa

        def returning(lists: Any) -> Any:
            return lambda texts: lists.slice(0, len(texts))

        for kind in (pa.list_(pa.string(), 0), pa.list_(pa.null()), pa.list_(pa.string()), pa.large_list(pa.null())):
            step = plugin(arrow=True, kind="split")(returning(pa.array([[], []], kind)))
            made = pa.table(Pipeline([step]).process_table(pa.table({"text": ["a", "b"]}), fates=True))
            assert made["reason"].to_pylist() == ["no_parts", "no_parts"]

    def test_a_null_among_the_values_of_a_dictionary_is_a_null(self) -> None:
        pa = self.pa
        values = pa.array(["q", None])

        def encoded(count: int) -> Any:
            return pa.DictionaryArray.from_arrays(pa.array([place % 2 for place in range(count)], pa.int8()), values)

        step = plugin(arrow=True)(lambda texts: encoded(len(texts)))
        made = pa.table(Pipeline([step]).process_table(pa.table({"text": ["a", "b"]}), fates=True))
        assert (made["fate"].to_pylist(), made["text"].to_pylist()) == (["out", "quarantined"], ["q", "b"])
        parts = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), encoded(2))
        step = plugin(arrow=True, kind="split")(lambda texts: parts.slice(0, len(texts)))
        made = pa.table(Pipeline([step]).process_table(pa.table({"text": ["a", "b"]}), fates=True))
        assert (made["fate"].to_pylist(), made["text"].to_pylist()) == (["out", "quarantined"], ["q", "b"])

    def test_a_list_in_an_empty_one_rejects(self) -> None:
        step = plugin(arrow=True, kind="split")(lambda texts: self.pa.array([[]], self.pa.list_(self.pa.string())))
        [record] = Pipeline([step]).records([{"text": "a"}])
        assert (record.fate, record.reason) == ("rejected", "no_parts")

    def test_b14_a_worker_that_dies_of_an_array_names_the_record(self, tmp_path: Path) -> None:
        from support import arrow_steps

        texts = ["poison" if place in (7, 700) else text for place, text in enumerate(MANY[:1_000])]
        ran = run_over(tmp_path, [arrow_steps.die], texts, workers=2, timeout=30.0)
        assert [(line["record"]["id"], line["kind"]) for line in ran.quarantine] == [
            (7, "step_crash"),
            (700, "step_crash"),
        ]
        assert ran.texts == [text for text in texts if text != "poison"]


class TestPolars:
    @pytest.fixture(autouse=True)
    def _polars(self) -> None:
        self.pl = pytest.importorskip("polars")

    def test_every_kind(self, tmp_path: Path) -> None:
        pl = self.pl
        steps = [
            plugin(arrow=True, kind="annotate", fields={"size": int, "first": str})(
                lambda texts: pl.DataFrame({"t": pl.Series(texts)}).select(
                    size=pl.col("t").str.len_chars(), first=pl.col("t").str.slice(0, 1)
                )
            ),
            plugin(arrow=True, kind="filter")(lambda texts, size: pl.Series(size) > 1),
            plugin(arrow=True)(lambda texts: pl.Series(texts).str.to_uppercase()),
            plugin(arrow=True, kind="split")(lambda texts: pl.Series(texts).str.split(" ")),
        ]
        ran = in_process(tmp_path, steps, ["a bc", "d", "", "é ff"])
        assert [(record["text"], record["size"], record["first"]) for record in ran.out] == [
            ("A", 4, "a"),
            ("BC", 4, "a"),
            ("É", 4, "é"),
            ("FF", 4, "é"),
        ]
