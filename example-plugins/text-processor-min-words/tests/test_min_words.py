"""Tests of the step `min-words`: of the class alone, and in a pipeline."""

import pytest
from text_processor_min_words import MinWords

from text_processor import Pipeline, Reject, TextProcessorError


def test_keeps_a_text_with_enough_words() -> None:
    assert MinWords(minimum=3)("one two three") is True


def test_rejects_a_text_with_too_few_words() -> None:
    assert MinWords(minimum=3)("one two") == Reject("too_few_words")


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_has_its_own_reason_for_a_text_without_words(text: str) -> None:
    assert MinWords(minimum=1)(text) == Reject("no_words")


def test_counts_a_repeated_word_once_if_told_so() -> None:
    assert MinWords(minimum=2)("spam SPAM") is True
    assert MinWords(minimum=2, distinct=True)("spam SPAM") == Reject("too_few_words")


def test_refuses_a_minimum_that_would_keep_everything() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MinWords(minimum=0)


def test_rejects_in_a_pipeline() -> None:
    pipeline = Pipeline([("min-words", {"minimum": 3})])
    assert pipeline.process("one two three") == "one two three"
    assert pipeline.process("one two") is None


def test_a_pipeline_says_why_it_rejected_a_text() -> None:
    pipeline = Pipeline([("min-words", {"minimum": 3})])
    fates = [
        (record.fate, record.reason)
        for record in pipeline.records([{"text": "one two three"}, {"text": "one"}, {"text": ""}])
    ]
    assert fates == [("out", None), ("rejected", "too_few_words"), ("rejected", "no_words")]


@pytest.mark.parametrize("configuration", [{"minimum": 0}, {"minimum": "five"}, {"minimun": 5}])
def test_a_wrong_configuration_stops_a_pipeline_before_any_text_is_read(configuration: dict[str, object]) -> None:
    with pytest.raises(TextProcessorError, match="min-words"):
        Pipeline([("min-words", configuration)])
