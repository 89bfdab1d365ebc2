"""Tests of the step `reverse`: of the function alone, and in a pipeline."""

import pytest
from text_processor_reverse import process

from text_processor import Pipeline


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("hello world", "dlrow olleh"),
        ("one\ntwo", "eno\nowt"),
        ("one\n\ntwo", "eno\n\nowt"),
        ("a final line end\n", "dne enil lanif a"),
        ("größer", "reßörg"),
    ],
)
def test_reverses_each_line(text: str, expected: str) -> None:
    assert process(text) == expected


def test_reversing_twice_gives_the_lines_back() -> None:
    text = "The quick brown fox\njumps over\n\nthe lazy dog"
    assert process(process(text)) == text


def test_runs_in_a_pipeline_by_its_short_name_and_by_its_canonical_name() -> None:
    for name in ("reverse", "text-processor-reverse/reverse"):
        assert Pipeline([name]).process("abc\ndef") == "cba\nfed"
