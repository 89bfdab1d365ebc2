"""Plugins that take lists of texts: the same results as one by one, and who is to blame when a list fails."""

import json
import logging
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import list_steps
from support.files import counts, names, read_jsonl, write_jsonl
from support.processes import nothing_left
from support.program import Program
from support.runs import run_over, run_poisoned
from support.site import Site
from support.tiers import LONG

from text_processor import BadReturnType, Pipeline, PluginContractError, Reject, StepError, plugin

MANY = [f"text {place}" for place in range(1_000)]


@pytest.fixture(autouse=True)
def _nothing_left(hostile: list[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a process, a descriptor or a temporary file behind."""
    with nothing_left(monkeypatch):
        yield


class Noting:
    """A step of any kind that notes how many texts it gets at once."""

    def __init__(self, make: Callable[[str], Any], **declared: Any) -> None:
        self.sizes: list[int] = []

        def step(texts: list[str]) -> list[Any]:
            assert type(texts) is list
            self.sizes.append(len(texts))
            return [make(text) for text in texts]

        self.step = plugin(batch=True, **declared)(step)


def in_process(folder: Path, steps: list[Any], texts: list[str], **options: Any) -> Any:
    return run_over(folder, steps, texts, isolation="thread", **options)


class TestOneText:
    def test_a_text_alone_comes_as_a_list_of_one(self) -> None:
        shout = Noting(str.upper)
        pipeline = Pipeline([shout.step, "trim"])
        assert pipeline.process(" a ") == "A"
        assert list(pipeline.process_many(["b", "c"])) == ["B", "C"]
        assert [entry.after for entry in pipeline.trace(" d ")] == [" D ", "D"]
        assert set(shout.sizes) == {1}

    def test_every_kind_has_its_outcome(self) -> None:
        [record] = Pipeline([list_steps.measure_columns, list_steps.tell_all]).records([{"text": "ac", "other": "o"}])
        assert (record.text, record.fields["letters"]) == ("ac:3:o", ["a", "c"])
        assert Pipeline([list_steps.LongerAll]).process("ab") is None
        records = list(Pipeline([list_steps.words_all, list_steps.shout_all]).records([{"text": "a b"}]))
        assert [(record.text, record.part) for record in records] == [("A", 0), ("B", 1)]

    def test_a_text_that_is_returned_is_the_one_that_came(self) -> None:
        text = " ".join(["a", "b"])
        assert Pipeline([plugin(batch=True)(lambda texts: texts)]).process(text) is text

    def test_the_cause_is_the_plugins_own_exception(self) -> None:
        with pytest.raises(StepError, match="ValueError") as caught:
            Pipeline([list_steps.shout_all]).process("x")
        assert isinstance(caught.value.__cause__, ValueError)

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            ([], "Expected a list of length 1, as long as that of the texts, got one of length 0."),
            (["a", "b"], "Expected a list of length 1, as long as that of the texts, got one of length 2."),
            ("a", "Expected a list, got `str`."),
            (None, "Expected a list, got `NoneType`."),
            ({"a": 1}, "Expected a list, got `dict`."),
            ([3], "Expected `str`, got `int`."),
        ],
    )
    def test_a_wrong_return_says_what_was_expected(self, returned: Any, message: str) -> None:
        with pytest.raises(BadReturnType) as caught:
            Pipeline([plugin(batch=True, name="acme")(lambda texts: returned)]).process("a")
        assert str(caught.value) == f"Step `acme` failed: {message}"

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            ({"size": []}, "Expected a list of length 1 for the field `size`, as long as that of the texts"),
            ({"size": 3}, "Expected a list of values for the field `size`, got `int`."),
            ({"size": "3"}, "Expected a list of values for the field `size`, got `str`."),
            ({"size": ["3"]}, "Expected `int` for the field `size`, got `str`."),
            ({"length": [3]}, "exactly the declared fields `size`. It lacks `size`."),
            ({"size": [3], "length": [3]}, "exactly the declared fields `size`. It has `length` too."),
            ([{"length": 3}], "exactly the declared fields `size`. It lacks `size`."),
            (3, "Expected a `dict` of lists, or a list of `dict`, got `int`."),
        ],
    )
    def test_wrong_columns_say_what_was_expected(self, returned: Any, message: str) -> None:
        step = plugin(batch=True, kind="annotate", fields={"size": int})(lambda texts: returned)
        with pytest.raises(BadReturnType) as caught:
            Pipeline([step]).process("a")
        assert message in str(caught.value)


class TestManyTexts:
    def test_lists_are_long_and_not_too_long(self, tmp_path: Path) -> None:
        texts = [f"text {place} " + "y" * 50 for place in range(20_000)]
        shout = Noting(str.upper)
        assert in_process(tmp_path, [shout.step], texts).texts == [text.upper() for text in texts]
        assert max(shout.sizes) == 256
        assert sum(shout.sizes) == len(texts)
        assert len(shout.sizes) < len(texts) / 64

    def test_what_is_rejected_before_does_not_make_lists_short(self, tmp_path: Path) -> None:
        shout = Noting(str.upper)
        keep = plugin(kind="filter")(lambda text: int(text) % 2 == 0)
        texts = [f"{place}" for place in range(30_000)]
        assert len(in_process(tmp_path, [keep, shout.step], texts).out) == 15_000
        # The smallest batch has some 800 such texts. If rejected ones counted, no list would be longer than 128.
        assert sorted(shout.sizes)[len(shout.sizes) // 2] > 128

    def test_long_texts_make_short_lists(self, tmp_path: Path) -> None:
        shout = Noting(str.upper)
        in_process(tmp_path, [shout.step], ["a" * 400_000] * 8)
        assert max(shout.sizes) <= 3

    def test_neighbours_hand_the_same_objects_along(self, tmp_path: Path) -> None:
        made: list[str] = []

        def make(text: str) -> str:
            made.append(text + "!")
            return made[-1]

        seen: list[str] = []
        look = plugin(batch=True)(lambda texts: seen.extend(texts) or texts)
        again = plugin(lambda text: seen.append(text) or text)
        in_process(tmp_path, [make, look, again], MANY[:50])
        assert list(map(id, seen[:50])) == list(map(id, made)) == list(map(id, seen[50:]))

    def test_a_list_is_the_steps_own(self, tmp_path: Path) -> None:
        for step in ("list-empties", "list-in-place"):
            assert in_process(tmp_path, [step], MANY).texts == [text.upper() for text in MANY]

    def test_texts_that_outgrow_the_room_of_a_batch_are_taken_fewer_at_a_time(self, tmp_path: Path) -> None:
        grow = plugin(batch=True)(lambda texts: [text * 1_000_000 for text in texts])
        cut = plugin(lambda text: text[:3])
        for steps in ([grow, cut], [grow, plugin(batch=True)(lambda texts: [text[:3] for text in texts])]):
            ran = in_process(tmp_path, steps, ["abc"] * 300, memory_budget=128 << 20)
            assert ran.texts == ["abc"] * 300

    def test_records_are_counted_once_in_each_step(self, tmp_path: Path) -> None:
        ran = in_process(tmp_path, [list_steps.LongerAll, list_steps.shout_all], ["ab", "abc", "x", "xyz"])
        entered = [(step["name"].rsplit(".")[-1], step["entered"]) for step in ran.report.to_dict()["steps"]]
        assert entered == [("LongerAll", 4), ("shout_all", 2)]


TEXTS = st.lists(st.text("ab xé\U0001f600C", max_size=12), max_size=40)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Steps that take one text, and some of their twins in their places."""
    singles: list[Any] = draw(st.lists(st.sampled_from([list_steps.shout, list_steps.words, str.title]), max_size=2))
    singles.append(draw(st.sampled_from([list_steps.measure, list_steps.Longer, "trim"])))
    singles += draw(st.lists(st.sampled_from([list_steps.shout, list_steps.words, list_steps.Longer]), max_size=2))
    if list_steps.measure in singles:
        singles.append(list_steps.tell)
    twins = [draw(st.sampled_from(list_steps.TWINS.get(step, [step]))) for step in singles]
    return singles, twins


def results(folder: Path, steps: list[Any], texts: list[str], **options: Any) -> Any:
    """What becomes of texts, without what differs between twins: their names, and where something was raised."""
    folder.mkdir()
    records = (
        {"id": place, "text": text, **({"other": text} if place % 3 else {})} for place, text in enumerate(texts)
    )
    report = Pipeline(steps).run(
        write_jsonl(folder / "in.jsonl", records),
        folder / "out.jsonl",
        rejected=folder / "rejected.jsonl",
        overwrite=True,
        **options,
    )
    failed = [
        (line["record"], line["kind"], line["message"], line.get("error"))
        for line in read_jsonl(folder / "out.quarantine.jsonl")
    ]
    rejected = [(line["record"], line["reason"].lower()[:6]) for line in read_jsonl(folder / "rejected.jsonl")]
    return counts(report), (folder / "out.jsonl").read_bytes(), rejected, failed


@given(pair=pairs(), texts=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_lists_give_what_single_texts_give(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[list[Any], list[Any]], texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("twins")
    singles, twins = pair
    expected = results(folder / "singles", singles, texts, isolation="thread")
    assert results(folder / "twins", twins, texts, isolation="thread") == expected


@given(pair=pairs(), texts=TEXTS, size=st.sampled_from([None, 1, 7]))
@settings(
    max_examples=200 if LONG else 6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_lists_in_workers_give_what_single_texts_give(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[list[Any], list[Any]], texts: list[str], size: int | None
) -> None:
    folder = tmp_path_factory.mktemp("twins")
    singles, twins = pair
    expected = results(folder / "singles", singles, texts, isolation="thread")
    assert results(folder / "twins", twins, texts, isolation="process", workers=2, batch_size=size) == expected


class TestFields:
    def test_fields_are_lists_of_the_same_length(self, tmp_path: Path) -> None:
        lists = []

        @plugin(batch=True)
        def look(texts: list[str], source: list[str], weight: Any = None) -> list[str]:
            lists.append((texts, source, weight))
            return texts

        records = [{"text": "a", "source": "s", "weight": 1.5}, {"text": "b"}, {"text": "c", "source": None}]
        source = write_jsonl(tmp_path / "in.jsonl", records)
        report = Pipeline([look]).run(source, tmp_path / "out.jsonl", isolation="thread")
        assert lists == [(["a", "c"], ["s", None], [1.5, None])]
        assert counts(report) == (3, 2, 0, 1)
        [line] = read_jsonl(tmp_path / "out.quarantine.jsonl")
        assert (line["record"]["text"], line["kind"]) == ("b", "missing_field")

    def test_a_default_stands_where_a_record_has_nothing(self) -> None:
        step = plugin(batch=True)(
            lambda texts, *, source="nowhere": [f"{t} {s}" for t, s in zip(texts, source, strict=True)]
        )
        texts = [record.text for record in Pipeline([step]).records([{"text": "a", "source": "s"}, {"text": "b"}])]
        assert texts == ["a s", "b nowhere"]

    def test_nothing_is_called_where_no_record_has_what_it_needs(self, tmp_path: Path) -> None:
        step = plugin(batch=True)(lambda texts, source: pytest.fail("it was called"))
        assert in_process(tmp_path, [step], ["a", "b"]).report.quarantined == 2

    def test_json_is_made_anew_for_each_call(self, tmp_path: Path) -> None:
        @plugin(batch=True)
        def spoil(texts: list[str], other: list[Any]) -> list[str]:
            was = [list(values) for values in other]
            for values in other:
                values.clear()
            if len(texts) > 1:
                raise ValueError
            return [str(values) for values in was]

        source = write_jsonl(tmp_path / "in.jsonl", ({"text": "", "other": [place]} for place in range(5)))
        Pipeline([spoil]).run(source, tmp_path / "out.jsonl", isolation="thread")
        assert [record["text"] for record in read_jsonl(tmp_path / "out.jsonl")] == [f"[{place}]" for place in range(5)]


class TestBlame:
    @pytest.mark.parametrize("isolation", ["thread", "process"])
    @pytest.mark.parametrize("step", ["list-raises", "list-none", "list-too-few", "list-too-many", "list-text"])
    def test_b14_exactly_the_poison_is_quarantined(self, tmp_path: Path, step: str, isolation: str) -> None:
        poison = [3, 4, 300, 999]
        texts = ["poison" if place in poison else text for place, text in enumerate(MANY)]
        ran = run_over(tmp_path, [step], texts, isolation=isolation)
        assert [line["record"]["id"] for line in ran.quarantine] == poison
        assert ran.texts == [text.upper() for text in texts if text != "poison"]
        kind = "step_error" if step == "list-raises" else "bad_return"
        assert {line["kind"] for line in ran.quarantine} == {kind}

    @pytest.mark.parametrize(
        ("step", "kind", "message"),
        [
            ("list-generator", "bad_return", "Expected a list, got `generator`."),
            ("list-coroutine", "bad_return", "Expected a list, got `coroutine`."),
            ("list-array", "bad_return", "Expected a list, got `text_processor_hostile.listing.Array`."),
            ("list-integer-item", "bad_return", "Expected `str`, got `int`."),
            ("list-none-item", "bad_return", "Expected `str`, got `NoneType`."),
            ("list-surrogate-item", "surrogate", "surrogate code point"),
            ("list-long-item", "output_too_large", "at least 17825792 bytes"),
        ],
    )
    def test_b14_what_is_no_result_costs_its_record(self, tmp_path: Path, step: str, kind: str, message: str) -> None:
        line = run_poisoned(tmp_path, step, isolation="thread")
        assert line["kind"] == kind
        assert message in line["message"]

    @pytest.mark.parametrize(
        ("step", "kind"),
        [
            ("list-filter-words", "bad_return"),
            ("list-short-column", "bad_return"),
            ("list-other-columns", "bad_return"),
            ("list-wrong-value", "bad_return"),
            ("list-raising-part", "step_error"),
        ],
    )
    def test_b14_the_other_kinds_lose_only_the_poison(self, tmp_path: Path, step: str, kind: str) -> None:
        ran = in_process(tmp_path, [step], ["before", "poison", "after"])
        assert [(line["record"]["id"], line["kind"]) for line in ran.quarantine] == [(1, kind)]
        assert [record["id"] for record in ran.out] == [0, 2]

    def test_b14_a_wrong_result_is_not_called_again(self, tmp_path: Path) -> None:
        calls = Noting(lambda text: 3 if text == "poison" else text)
        in_process(tmp_path, [calls.step], ["a", "poison", "b"])
        assert calls.sizes == [3]

    def test_b14_a_step_that_always_fails_is_called_a_bounded_number_of_times(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        (tmp_path / "in.txt").write_text("\n".join(MANY * 4))
        steps: list[Any] = [("list-fail-always", {"log": str(log)})]
        report = Pipeline(steps).run(tmp_path / "in.txt", tmp_path / "out.txt", isolation="thread")
        sizes = [int(line) for line in log.read_text().split()]
        assert counts(report) == (4_000, 0, 0, 4_000)
        assert sizes.count(1) == 4_000
        assert len(sizes) < 2 * 4_000
        assert sum(sizes) <= 4 * 4_000

    def test_b14_a_mistake_that_single_records_hide_is_told_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert in_process(tmp_path, ["list-short-of-many"], ["a", "b", "c"]).texts == ["a", "b", "c"]
        in_process(tmp_path, ["list-short-of-many"], ["a"])
        [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warning == (
            "The step `text-processor-hostile/list-short-of-many` was called with 3 texts: Expected a list of "
            "length 3, as long as that of the texts, got one of length 1. Such calls are made again with fewer."
        )

    def test_an_error_names_the_record(self, tmp_path: Path) -> None:
        texts = ["x" if place == 700 else text.replace("x", "") for place, text in enumerate(MANY)]
        with pytest.raises(StepError, match=r"record 700 of .*in\.jsonl") as caught:
            in_process(tmp_path, [list_steps.shout_all], texts, on_error="raise")
        assert caught.value.position == 700

    def test_an_interrupt_of_the_plugins_own_is_a_failure(self, tmp_path: Path) -> None:
        @plugin(batch=True)
        def interrupt(texts: list[str]) -> list[str]:
            if "poison" in texts:
                raise KeyboardInterrupt
            return texts

        ran = in_process(tmp_path, [interrupt], ["a", "poison", "b"])
        assert ([line["error"] for line in ran.quarantine], ran.texts) == (["KeyboardInterrupt"], ["a", "b"])


class TestWorkers:
    @pytest.mark.parametrize("size", [1, 16, 256])
    @pytest.mark.parametrize(
        ("way", "kind"),
        [("segfault", "step_crash"), ("exit-0", "step_crash"), ("memory", "step_memory"), ("hang", "step_timeout")],
    )
    def test_b14_exactly_the_poison_of_a_list_is_quarantined(
        self, tmp_path: Path, way: str, kind: str, size: int
    ) -> None:
        poison = [30, 31, 999]
        texts = ["poison" if place in poison else text for place, text in enumerate(MANY)]
        timeout = 0.5 if way == "hang" else 30.0
        steps = [("list-die", {"way": way})]
        ran = run_over(tmp_path, steps, texts, workers=2, batch_size=size, timeout=timeout, memory=200 << 20)
        assert [(line["record"]["id"], line["kind"]) for line in ran.quarantine] == [(place, kind) for place in poison]
        assert ran.texts == [text.upper() for text in texts if text != "poison"]
        # One death for a list, and then one or two for each poison: a hang is not tried again.
        assert ran.restarts <= 2 + len(poison) * (1 if way == "hang" else 2)

    def test_b14_a_crash_among_others_is_told_as_one_alone(self, tmp_path: Path) -> None:
        line = run_poisoned(tmp_path, ("list-die", {"way": "exit-7"}), timeout=30.0)
        assert (line["step"], line["kind"]) == ("text-processor-hostile/list-die", "step_crash")
        assert "ended with exit code 7 while the step worked on this record, as 1 before it did" in line["message"]

    def test_b14_what_dies_of_many_texts_gets_them_one_by_one(self, tmp_path: Path) -> None:
        ran = run_over(tmp_path, ["list-die-of-many"], MANY, workers=2, timeout=30.0)
        assert ran.quarantine == []
        assert ran.texts == [text.upper() for text in MANY]

    def test_b14_many_poisons_in_lists_are_no_crash_loop(self, tmp_path: Path) -> None:
        texts = ["poison" if place % 20 == 0 else text for place, text in enumerate(MANY[:400])]
        ran = run_over(tmp_path, [("list-die", {"way": "exit-7"})], texts, workers=2, timeout=30.0)
        assert (len(ran.quarantine), len(ran.out)) == (20, 380)

    def test_a_list_behind_a_split_finds_the_record_of_the_poisoned_part(self, tmp_path: Path) -> None:
        texts = ["a b", "c poison d", "e", "f g h"]
        ran = run_over(tmp_path, [list_steps.words, ("list-die", {"way": "abort"})], texts, timeout=30.0)
        assert [(line["record"]["id"], line["kind"]) for line in ran.quarantine] == [(1, "step_crash")]
        assert ran.texts == ["A", "B", "E", "F", "G", "H"]

    def test_a_copy_that_comes_back_from_a_list_is_ended(self, tmp_path: Path) -> None:
        texts = ["poison", *MANY[:20]]
        ran = run_over(tmp_path, [("list-die", {"way": "fork"})], texts, workers=1)
        assert (ran.texts, ran.quarantine) == ([text.upper() for text in texts], [])


class TestLoading:
    def test_a_generator_function_is_refused(self) -> None:
        def step(texts: list[str]) -> Iterator[list[str]]:
            yield texts

        for kind in ("map", "split"):
            with pytest.raises(PluginContractError, match="`batch=True` returns a list"):
                Pipeline([plugin(batch=True, kind=kind)(step)])

    def test_a_class_is_made_with_its_configuration(self) -> None:
        pipeline = Pipeline([(list_steps.LongerAll, {"minimum": 5})])
        copy = pickle.loads(pickle.dumps(pipeline))
        assert (copy.process("abcd"), copy.process("abcde")) == (None, "abcde")

    def test_plugins_show_says_it(self, site: Site, command: Command) -> None:
        site.install("acme", {"shout": "support.list_steps:shout_all", "tell": "support.list_steps:tell_all"})
        assert "called with  lists of texts" in command("plugins", "show", "shout").output
        shown = command.json("plugins", "show", "tell")
        assert (shown["called_with"], [asked["name"] for asked in shown["asks"]]) == ("list", ["length", "other"])
        assert command("explain", "-s", "shout").code == 0

    def test_the_command_runs_it_in_workers(self, tmp_path: Path, site: Site) -> None:
        site.install("acme", {"shout": "support.list_steps:shout_all"})
        program = Program(tmp_path / "work", [site.path, Path(__file__).parent])
        done = program("run", "--json", "-s", "shout", "-o", "out.txt", stdin=b"one\nx\ntwo\n")
        assert (done.returncode, json.loads(done.stdout)["isolation"]) == (3, "process"), done.stderr
        assert (program.folder / "out.txt").read_bytes() == b"ONE\nTWO\n"
        assert names(program.folder) == ["out.quarantine.jsonl", "out.txt"]


def test_a_pipeline_may_use_itself_in_a_list(tmp_path: Path) -> None:
    pipelines: list[Pipeline] = []

    @plugin(batch=True)
    @dataclass
    class Nested:
        def __call__(self, texts: list[str]) -> list[str]:
            return [f"({text})" if text.startswith("(") else pipelines[0].process(f"({text})") or "" for text in texts]

    pipelines.append(Pipeline([Nested]))
    assert in_process(tmp_path, [pipelines[0].process], ["a", "b"]).texts == ["((a))", "((b))"]


def test_a_reason_is_each_records_own(tmp_path: Path) -> None:
    decide = plugin(batch=True, kind="filter", name="decide")(
        lambda texts: [Reject(text) if text == "b" else None if text == "c" else True for text in texts]
    )
    records = Pipeline([decide]).records([{"text": text} for text in "abc"])
    assert [(record.fate, record.reason) for record in records] == [
        ("out", None),
        ("rejected", "b"),
        ("rejected", "decide"),
    ]
