"""Tests of the step `capitalize`: of the function alone, and in a pipeline."""

import pytest
from text_processor_capitalize import process

from text_processor import Pipeline


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("hello world", "Hello world"),
        ("HELLO WORLD", "Hello world"),
        ("one\ntwo\n", "One\nTwo\n"),
        ("  indented", "  indented"),
        ("éTÉ", "Été"),
    ],
)
def test_capitalizes_each_line(text: str, expected: str) -> None:
    assert process(text) == expected


def test_capitalizing_twice_changes_nothing_more() -> None:
    once = process("hELLO\n\nwORLD\n")
    assert process(once) == once


def test_runs_in_a_pipeline_by_its_short_name_and_by_its_canonical_name() -> None:
    for name in ("capitalize", "text-processor-capitalize/capitalize"):
        assert Pipeline([name]).process("hello\nWORLD") == "Hello\nWorld"
