"""`Pipeline.records`: texts with other fields, and their fates."""

import itertools
from collections import ChainMap, UserDict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from text_processor import (
    BadReturnType,
    DecodeError,
    Pipeline,
    PluginOrderError,
    Record,
    RecordError,
    Reject,
    StepError,
    plugin,
)


@plugin(kind="annotate", fields={"length": int, "half": float, "first": str, "long": bool, "seen": list})
def measure(text: str) -> dict[str, Any]:
    """Adds a field of each type."""
    return {"length": len(text), "half": len(text) / 2, "first": text[:1], "long": len(text) > 3, "seen": [text, None]}


@plugin(kind="filter")
def at_least(text: str, length: int, minimum: int = 2) -> bool | Reject:
    """Asks for a field that another step adds, and for one that may come with the record."""
    return True if length >= minimum else Reject(f"{len(text)} of {minimum}")


@plugin(kind="split")
def words(text: str) -> Iterator[str]:
    """A splitter that yields."""
    yield from text.split()


@plugin(kind="filter")
def no_x(text: str) -> bool:
    """A filter that does not say why."""
    return "x" not in text


def fail_on_bad(text: str) -> str:
    """A step that fails on one text."""
    if text == "bad":
        raise ValueError(text)
    return text.upper()


def test_a_record_is_a_text_with_fields() -> None:
    record = Record("text", {"id": 7})
    assert (record.text, record.fields) == ("text", {"id": 7})
    assert (record.fate, record.reason, record.step, record.error, record.part) == (None,) * 5
    assert record == Record("text", {"id": 7})
    assert record != Record("text")
    assert repr(record) == "Record('text', {'id': 7})"
    with pytest.raises(AttributeError):
        record.text = "other"  # type: ignore[misc]


@pytest.mark.parametrize("mapping", [dict, UserDict, ChainMap])
def test_any_mapping_is_a_record(mapping: type[Mapping[str, Any]]) -> None:
    [record] = Pipeline(["trim"]).records([mapping({"text": " a ", "id": 1})])  # type: ignore[call-arg]
    assert (record.text, record.fields, record.fate) == ("a", {"id": 1}, "out")


def test_what_comes_in_is_not_changed() -> None:
    fields = {"text": " a ", "tags": ["one"]}
    item = Record(" a ", {"tags": ["one"]})
    out = list(Pipeline(["trim", measure]).records([fields, item]))
    assert fields == {"text": " a ", "tags": ["one"]}
    assert item == Record(" a ", {"tags": ["one"]})
    assert out[0] == out[1]


def test_annotators_add_fields_of_the_types_they_declare() -> None:
    [record] = Pipeline([measure]).records([{"text": "four", "id": "a"}])
    added = {"length": 4, "half": 2.0, "first": "f", "long": True, "seen": ["four", None]}
    assert record.fields == {"id": "a", **added}
    assert [type(value) for value in record.fields.values()] == [str, int, float, str, bool, list]
    assert record.text == "four"


def test_steps_ask_for_fields_by_name() -> None:
    records = Pipeline([measure, at_least]).records([{"text": "a"}, {"text": "ab"}, {"text": "ab", "minimum": 3}])
    assert [(record.fate, record.reason) for record in records] == [
        ("rejected", "1 of 2"),
        ("out", None),
        ("rejected", "2 of 3"),
    ]


def test_a_field_that_nobody_has_is_the_failure_of_a_record() -> None:
    missing, present = Pipeline([at_least]).records([{"text": "ab"}, {"text": "ab", "length": 2}])
    assert (missing.fate, present.fate) == ("quarantined", "out")
    assert missing.error is not None
    assert missing.error.kind == "missing_field"
    assert "length" in str(missing.error)


def test_a_step_that_asks_comes_after_the_one_that_adds() -> None:
    with pytest.raises(PluginOrderError, match="length"):
        Pipeline([at_least, measure])
    [first, second] = Pipeline([at_least, measure], order="auto").steps
    assert first.endswith("measure")
    assert second.endswith("at_least")


def test_every_record_meets_a_fate() -> None:
    pipeline = Pipeline(["trim", no_x, fail_on_bad])
    good, rejected, failed = pipeline.records([{"text": " a "}, {"text": "x"}, {"text": "bad", "id": 3}])
    assert (good.text, good.fate) == ("A", "out")
    assert (rejected.text, rejected.fate, rejected.step) == ("x", "rejected", f"{no_x.__module__}.no_x")
    assert rejected.reason
    assert (failed.text, failed.fate, failed.fields) == ("bad", "quarantined", {"id": 3})
    assert isinstance(failed.error, StepError)
    assert (failed.error.position, failed.error.kind, failed.step) == (2, "step_error", failed.error.step)
    assert failed.error.id == "3"
    assert isinstance(failed.error.__cause__, ValueError)


def test_on_error_raise_stops_at_the_record() -> None:
    records = Pipeline([fail_on_bad], on_error="raise").records({"text": text} for text in ("a", "bad", "b"))
    assert next(records).text == "A"
    with pytest.raises(StepError) as caught:
        next(records)
    assert caught.value.position == 1


def test_a_split_makes_numbered_parts_with_the_fields_of_their_record() -> None:
    records = list(Pipeline([words, str.upper]).records([{"text": "one two", "id": 1}, {"text": "three", "id": 2}]))
    assert [(record.text, record.fields["id"], record.fate) for record in records] == [
        ("ONE", 1, "out"),
        ("TWO", 1, "out"),
        ("THREE", 2, "out"),
    ]
    assert [record.part for record in records[:2]] == [0, 1]


def test_a_split_into_nothing_rejects_the_record() -> None:
    [record] = Pipeline([words]).records([{"text": "   "}])
    assert (record.fate, record.reason) == ("rejected", "no_parts")


def test_a_failed_part_takes_its_record_with_it() -> None:
    first, second = Pipeline([words, fail_on_bad]).records([{"text": "one bad two"}, {"text": "three"}])
    assert (first.fate, first.text, first.part) == ("quarantined", "one bad two", None)
    assert (second.fate, second.text) == ("out", "THREE")


def test_parts_are_annotated_and_rejected_each_by_itself() -> None:
    # What was rejected is told with the text that came in, as in the file of rejected records.
    records = list(Pipeline([words, measure, at_least]).records([{"text": "a bcd"}]))
    assert [(record.text, record.fate, record.fields["length"]) for record in records] == [
        ("a bcd", "rejected", 1),
        ("bcd", "out", 3),
    ]
    assert [record.part for record in records] == [0, 1]


def test_the_text_may_stand_under_another_name() -> None:
    [record] = Pipeline(["trim"], text="body").records([{"body": " a ", "text": " other "}])
    assert (record.text, record.fields) == ("a", {"text": " other "})


@pytest.mark.parametrize("item", [{}, {"text": None}, {"text": 5}, {"body": "a"}, "text", 5, None])
def test_what_is_no_record_is_refused_by_its_number(item: object) -> None:
    records = Pipeline(["trim"]).records([{"text": "a"}, item, {"text": "b"}])  # type: ignore[list-item]
    assert next(records).text == "a"
    with pytest.raises(TypeError, match="tem 1 of `items`"):
        next(records)
    assert next(records).text == "b"


def test_records_are_taken_one_by_one() -> None:
    taken = itertools.count()
    records = Pipeline([words]).records({"text": f"a{number} b"} for number in taken)
    assert [next(records).text for _ in range(3)] == ["a0", "b", "a1"]
    assert next(taken) == 2


def test_a_field_that_json_cannot_say_fails_only_where_a_step_asks_for_it() -> None:
    thing = object()
    [kept] = Pipeline(["trim"]).records([{"text": "a", "length": thing}])
    assert kept.fields["length"] is thing
    [failed] = Pipeline([at_least]).records([{"text": "a", "length": thing}])
    assert failed.fate == "quarantined"
    assert isinstance(failed.error, RecordError)
    assert failed.error.kind == "field_type"
    assert isinstance(failed.error, (DecodeError, BadReturnType, StepError))
