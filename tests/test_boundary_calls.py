"""Calling steps with one text: what they may return, what they may raise, and what they are told."""

from __future__ import annotations

import builtins
import functools
import gc
import signal
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies

from text_processor import Pipeline, Reject, plugin
from text_processor.exceptions import (
    BadReturnType,
    RecordError,
    RecordTooLarge,
    StepError,
    StepMemoryExceeded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from text_processor import Record

LIMIT = 16 << 20


def a(kind: str, **arguments: Any) -> Callable[[Any], Any]:
    return plugin(kind=kind, **arguments)  # type: ignore[call-overload, no-any-return]


def constant(value: Any, _text: str) -> Any:
    return value


def records(step: Any, text: str = "t", **fields: Any) -> list[Record]:
    """What becomes of one text; a failure is raised."""
    return list(Pipeline([step], on_error="raise").records([{"text": text, **fields}]))


class TestVerdicts:
    def test_an_unchanged_text_is_the_same_object(self) -> None:
        text = " ".join("text")
        assert Pipeline([lambda text: text, lambda text: text]).process(text) is text

    @pytest.mark.parametrize(
        ("value", "got"),
        [
            (None, "NoneType"),
            (3, "int"),
            (["a"], "list"),
            ({"a": 1}, "dict"),
            (b"a", "bytes"),
            (True, "bool"),
            (Reject("x"), "text_processor._plugin.Reject"),
            ((part for part in "ab"), "generator"),
        ],
    )
    def test_a_map_returns_a_text(self, value: Any, got: str) -> None:
        with pytest.raises(BadReturnType, match=f"Expected `str`, got `{got}`") as caught:
            Pipeline([lambda _text: value]).process("a")
        assert caught.value.kind == "bad_return"

    def test_a_coroutine_is_closed(self) -> None:
        async def later() -> str:
            return ""

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(BadReturnType, match="got `coroutine`") as caught:
                Pipeline([lambda _text: later()]).process("a")
            del caught
            gc.collect()

    def test_a_subclass_of_str_is_copied_and_never_asked(self) -> None:
        class Odd(str):
            __slots__ = ()

            def _raise(self, *_: object) -> Any:
                raise AssertionError

            __str__ = __len__ = __iter__ = __getitem__ = __eq__ = encode = _raise  # type: ignore[assignment]
            __hash__ = None  # type: ignore[assignment]

        made = Pipeline([lambda _text: Odd("grüße")]).process("a")
        assert (type(made), made) == (str, "grüße")
        (record,) = records(a("split")(lambda _text: [Odd("b")]))
        assert (type(record.text), record.text) == (str, "b")

    def test_a_surrogate_is_a_failure(self) -> None:
        # Python keeps texts in units of different widths.
        for made in ("\ud800", "a\udfff\U0001f600"):
            for step in (functools.partial(constant, made), a("split")(functools.partial(constant, ["a", made]))):
                with pytest.raises(BadReturnType, match="surrogate") as caught:
                    records(step)
                assert caught.value.kind == "surrogate"

    def test_the_step_that_made_a_wrong_text_is_named(self) -> None:
        def wrong(_text: str) -> str:
            return "\ud800"

        def right(text: str) -> str:
            return text

        with pytest.raises(BadReturnType) as caught:
            Pipeline([right, wrong, right, "trim"]).process("t")
        assert caught.value.step == Pipeline([wrong]).steps[0]

    def test_a_text_over_the_limit_is_refused(self) -> None:
        for text in ("x" * (LIMIT + 1), "ü" * (LIMIT // 2 + 1)):
            with pytest.raises(RecordTooLarge) as caught:
                records(functools.partial(constant, text))
            assert caught.value.kind == "output_too_large"
        assert len(records(lambda _text: "x" * LIMIT)[0].text) == LIMIT

    @pytest.mark.parametrize(
        ("value", "fate", "reason"),
        [
            (True, "out", None),
            (False, "rejected", "few"),
            (None, "rejected", "few"),
            (Reject("why"), "rejected", "why"),
        ],
    )
    def test_a_filter_decides(self, value: Any, fate: str, reason: str | None) -> None:
        (record,) = records(a("filter", name="few")(lambda _text: value))
        assert (record.text, record.fate, record.reason) == ("t", fate, reason)

    def test_a_nameless_filter_just_rejects(self) -> None:
        assert [record.reason for record in records(a("filter")(lambda _text: False))] == ["rejected"]

    @pytest.mark.parametrize("value", ["", 0, 1, [], "yes"])
    def test_what_merely_has_a_truth_value_is_no_decision(self, value: Any) -> None:
        with pytest.raises(BadReturnType, match="Expected `bool` or `Reject`, got"):
            Pipeline([a("filter")(lambda _text: value)]).process("a")

    def test_an_annotator_returns_its_fields(self) -> None:
        fields = {"a": str, "b": int, "c": float, "d": bool, "e": object}
        made = {"e": [1, {"x": None}], "d": True, "c": 1, "b": 2, "a": "z"}
        (record,) = records(a("annotate", fields=fields)(lambda _text: made))
        assert (record.text, record.fields) == ("t", made)
        assert isinstance(record.fields["c"], float)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({}, "exactly the declared fields `a`. It lacks `a`"),
            ({"a": 1, "b": 2}, "It has `b` too"),
            ({"a": "1"}, "Expected `int` for the field `a`, got `str`"),
            ({"a": True}, "Expected `int` for the field `a`, got `bool`"),
            ({"a": None}, "Expected `int` for the field `a`, got `NoneType`"),
            ({"a": 2**63}, "does not fit 64 bits"),
            ([("a", 1)], "Expected `dict`, got `list`"),
            (None, "Expected `dict`, got `NoneType`"),
        ],
    )
    def test_wrong_fields_are_named(self, value: Any, message: str) -> None:
        with pytest.raises(BadReturnType, match=message):
            records(a("annotate", fields={"a": int})(lambda _text: value))

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("text", "Expected an iterable of `str`, got `str`"),
            (b"text", "got `bytes`"),
            (3, "got `int`"),
            (["a", 2], "got `int` for part 1"),
        ],
    )
    def test_a_split_returns_texts(self, value: Any, message: str) -> None:
        with pytest.raises(BadReturnType, match=message):
            records(a("split")(lambda _text: value))

    def test_a_split_without_parts_rejects(self) -> None:
        (record,) = records(a("split")(lambda _text: []))
        assert (record.fate, record.reason) == ("rejected", "no_parts")

    def test_an_endless_split_is_stopped_and_closed(self) -> None:
        closed = []

        @a("split")
        def endless(text: str) -> Iterator[str]:
            try:
                while True:
                    yield text
            finally:
                closed.append(True)

        with pytest.raises(RecordTooLarge, match="more than 1000000 parts") as caught:
            records(endless)
        assert caught.value.kind == "fanout"
        assert closed == [True]

    def test_a_split_that_stops_wrongly_is_a_failure(self) -> None:
        @a("split")
        def parts(text: str) -> Iterator[str]:
            yield text
            raise StopIteration

        with pytest.raises(StepError, match="RuntimeError"):
            records(parts)


JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**63), 2**64 - 1)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
)


class TestFields:
    @given(JSON)
    def test_what_json_can_say_comes_back_equal(self, value: object) -> None:
        (record,) = records(a("annotate", fields={"value": object})(lambda _text: {"value": value}))
        returned = record.fields["value"]
        assert returned == value
        assert repr(returned) == repr(value)

    def test_fields_are_passed_by_name(self) -> None:
        def step(text: str, language: str, *, score: float = 0.5) -> str:
            return f"{text} {language} {score}"

        assert records(step, language="de", other=1)[0].text == "t de 0.5"
        assert records(step, score=1, language="de")[0].text == "t de 1"
        with pytest.raises(RecordError, match="The record has no field `language`") as caught:
            records(step, score=1)
        assert caught.value.kind == "missing_field"

    def test_without_any_field_the_defaults_hold(self) -> None:
        def step(text: str, language: str = "none") -> str:
            return text + language

        assert records(step)[0].text == "tnone"
        assert Pipeline([step]).process("t") == "tnone"

    def test_a_field_that_is_changed_is_as_before_for_the_next(self) -> None:
        def spoil(text: str, words: list[str]) -> str:
            words.append("more")
            return text + str(len(words))

        given = {"text": "t", "words": ["a"]}
        (record,) = Pipeline([spoil, spoil]).records([given])
        assert (record.text, record.fields["words"]) == ("t22", ["a"])
        assert given == {"text": "t", "words": ["a"]}


def raising(exception: BaseException) -> Callable[[str], str]:
    def process(_text: str) -> str:
        raise exception

    return process


# A run tells a `KeyboardInterrupt` that a step raises from one that somebody caused; a single call cannot.
BUILT_IN = [
    value
    for value in vars(builtins).values()
    if isinstance(value, type)
    and issubclass(value, BaseException)
    and not issubclass(value, (MemoryError, UnicodeError, BaseExceptionGroup, KeyboardInterrupt))
]


class TestExceptions:
    @pytest.mark.parametrize("exception", BUILT_IN)
    def test_whatever_a_step_raises_is_a_failure_of_the_record(self, exception: type[BaseException]) -> None:
        raised = exception("why")
        with pytest.raises(StepError, match=f"It raised `{exception.__name__}`: '?why") as caught:
            Pipeline([raising(raised)]).process("t")
        assert caught.value.__cause__ is raised
        assert caught.value.step is not None
        assert caught.value.kind == "step_error"

    @pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_what_would_end_a_program_fails_one_record_of_a_run(
        self, tmp_path: Path, exception: type[BaseException]
    ) -> None:
        (tmp_path / "in.txt").write_text("good\nbad\ngood\n")

        def process(text: str) -> str:
            if text == "bad":
                raise exception
            return text

        quarantine = tmp_path / "failed.jsonl"
        report = Pipeline([process]).run(tmp_path / "in.txt", tmp_path / "out.txt", quarantine=quarantine)
        assert (report.read, report.out, report.quarantined, report.exit_code) == (3, 2, 1, 3)
        assert f'"{exception.__name__}"' in quarantine.read_text()

    def test_a_real_interrupt_is_one(self, tmp_path: Path) -> None:
        def process(text: str) -> str:
            signal.raise_signal(signal.SIGINT)
            return text

        (tmp_path / "in.txt").write_text("text\n")
        with pytest.raises(KeyboardInterrupt):
            Pipeline([process]).process("t")
        with pytest.raises(KeyboardInterrupt):
            Pipeline([process]).run(tmp_path / "in.txt", tmp_path / "out.txt")
        assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]

    def test_no_memory_has_its_own_kind(self) -> None:
        with pytest.raises(StepMemoryExceeded) as caught:
            Pipeline([raising(MemoryError())]).process("t")
        assert caught.value.kind == "step_memory"

    def test_odd_exceptions_are_told_safely(self) -> None:
        class SilentError(Exception):
            def __str__(self) -> str:
                raise ValueError

        class TwoError(Exception):
            def __init__(self, one: int, two: int) -> None:
                super().__init__(one, two)

        class OddText(str):
            __slots__ = ()

            def __len__(self) -> int:
                raise AssertionError

        class SpeakingError(Exception):
            def __str__(self) -> str:
                return OddText("x" * 10_000)

        cyclic = ValueError("a")
        cyclic.__cause__ = TypeError("b")
        cyclic.__cause__.__cause__ = cyclic
        for exception, message in [
            (SilentError(), "its message cannot be read: `ValueError`"),
            (TwoError(1, 2), r"\(1, 2\)"),
            (SpeakingError(), "x{1000}"),
            (cyclic, "ValueError`: a"),
            (ExceptionGroup("many", [ValueError("a")]), "many"),
            (ValueError("x" * 100_000_000), "x{1000}"),
        ]:
            with pytest.raises(StepError, match=message) as caught:
                Pipeline([raising(exception)]).process("t")
            assert len(str(caught.value)) < 5_000

    def test_endless_recursion_is_a_failure(self) -> None:
        def deep(text: str) -> str:
            return deep(text)

        with pytest.raises(StepError, match="RecursionError"):
            Pipeline([deep]).process("t")

    def test_a_warning_that_is_an_error_is_a_failure(self) -> None:
        def process(text: str) -> str:
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            return text

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(StepError, match="It raised `DeprecationWarning`: old"):
                Pipeline([process]).process("t")

    def test_what_dies_badly_changes_no_record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Dying:
            def __del__(self) -> None:
                message = "not even now"
                raise ValueError(message)

        def process(text: str) -> str:
            Dying()
            return text.upper()

        told: list[str] = []
        monkeypatch.setattr("sys.unraisablehook", lambda each: told.append(str(each.exc_value)))
        assert Pipeline([process, process]).process("t") == "T"
        assert told == ["not even now"] * 2


class TestLife:
    def test_what_the_engine_made_is_closed(self) -> None:
        closed, used = [], []

        class Step:
            def __call__(self, text: str) -> str:
                used.append(self)
                return text

            def close(self) -> None:
                closed.append(self)

        mine = Step()
        for target in (Step, mine):
            Pipeline([target]).process("t")
        gc.collect()
        made, same = used
        assert isinstance(made, Step)
        assert same is mine
        assert closed == [made]

    def test_a_step_that_cannot_be_closed_is_told_and_nothing_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Step:
            def __call__(self, text: str) -> str:
                return text

            def close(self) -> None:
                raise SystemExit

        told: list[Any] = []
        monkeypatch.setattr("sys.unraisablehook", told.append)
        assert Pipeline([Step]).process("t") == "t"
        gc.collect()
        assert [each.exc_type for each in told] == [SystemExit]

    @pytest.mark.parametrize("thread_safe", [False, True])
    def test_calls_take_turns_unless_the_step_is_safe(self, *, thread_safe: bool) -> None:
        inside, most = [], []

        @plugin(thread_safe=thread_safe)
        def slow(text: str) -> str:
            inside.append(text)
            most.append(len(inside))
            meeting.wait(5) if thread_safe else threading.Event().wait(0.02)
            inside.pop()
            return text

        meeting = threading.Barrier(2)
        pipeline = Pipeline([slow])
        threads = [threading.Thread(target=pipeline.process, args=("t",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(most) == (2 if thread_safe else 1)

    def test_a_step_may_use_itself(self) -> None:
        def again(text: str) -> str:
            return text if len(text) > 3 else str(pipeline.process(text * 2))

        pipeline = Pipeline([again])
        assert pipeline.process("a") == "aaaa"

    def test_numpy_texts_and_truth_values_are_understood(self) -> None:
        numpy = pytest.importorskip("numpy")
        made = Pipeline([lambda text: numpy.str_(text + "!")]).process("a")
        assert (type(made), made) == (str, "a!")
        assert Pipeline([a("filter")(lambda _text: numpy.bool_(1))]).process("a") == "a"
