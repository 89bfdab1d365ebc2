"""`Pipeline.trace`: what each step makes of a text."""

import pytest

from text_processor import Pipeline, Reject, plugin


@plugin(kind="annotate", fields={"length": int})
def measure(text: str) -> dict[str, int]:
    """Adds a field."""
    return {"length": len(text)}


@plugin(kind="filter")
def short(text: str, length: int) -> bool | Reject:
    """Asks for a field."""
    return True if length < 10 else Reject(f"{len(text)} characters")


@plugin(kind="split")
def words(text: str) -> list[str]:
    """Splits."""
    return text.split()


def fail_on_bad(text: str) -> str:
    """Fails on one text."""
    if text == "bad":
        raise ValueError(text)
    return text


def test_each_step_says_what_it_did() -> None:
    entries = Pipeline(["trim", measure, short, str.upper]).trace(" text ")
    assert [entry.outcome for entry in entries] == ["text", "annotated", "kept", "text"]
    assert [(entry.before, entry.after) for entry in entries] == [
        (" text ", "text"),
        ("text", "text"),
        ("text", "text"),
        ("text", "TEXT"),
    ]
    assert entries[0].step == "trim"
    assert entries[1].fields == {"length": 4}
    assert all(entry.seconds >= 0 for entry in entries)


def test_a_rejection_ends_it_with_the_reason() -> None:
    entries = Pipeline([measure, short, str.upper]).trace("longer than ten")
    assert [entry.outcome for entry in entries] == ["annotated", "rejected"]
    assert (entries[-1].reason, entries[-1].after) == ("15 characters", None)


def test_a_failure_ends_it_with_the_sentence() -> None:
    entries = Pipeline(["trim", fail_on_bad, str.upper]).trace(" bad ")
    assert [entry.outcome for entry in entries] == ["text", "failed"]
    assert entries[-1].after is None
    assert "ValueError" in (entries[-1].reason or "")


def test_the_parts_of_a_split_are_followed_one_after_the_other() -> None:
    entries = Pipeline([words, fail_on_bad, str.upper]).trace("one bad two")
    assert entries[0].parts == ["one", "bad", "two"]
    assert [(entry.before, entry.outcome) for entry in entries[1:]] == [
        ("one", "text"),
        ("one", "text"),
        ("bad", "failed"),
        ("two", "text"),
        ("two", "text"),
    ]


def test_fields_may_come_with_the_text() -> None:
    pipeline = Pipeline([short])
    assert [entry.outcome for entry in pipeline.trace("text", {"length": 3})] == ["kept"]
    assert [entry.outcome for entry in pipeline.trace("text", {"length": 30})] == ["rejected"]
    assert [entry.outcome for entry in pipeline.trace("text")] == ["failed"]


def test_no_step_leaves_no_trace() -> None:
    assert Pipeline([]).trace("text") == []


@pytest.mark.parametrize(
    ("pipeline", "text", "shown"),
    [
        (Pipeline(["trim"]), " a ", "<TraceEntry trim: ' a ' -> 'a'>"),
        (Pipeline([measure]), "a", "'a' -> {'length': 1}>"),
        (Pipeline([words]), "a b", "'a b' -> ['a', 'b']>"),
        (Pipeline(["validate"]), "", "<TraceEntry validate: '' -> rejected: empty>"),
    ],
)
def test_entries_show_what_happened(pipeline: Pipeline, text: str, shown: str) -> None:
    [entry] = pipeline.trace(text)
    assert repr(entry).endswith(shown)
