"""Tests of the step `sentences`: of the class alone, and in a pipeline."""

import random
import sys

import pytest
from text_processor_sentences import Sentences

from text_processor import Pipeline

TEXT = "Dr. Smith went to Washington.  He arrived at 5 p.m. on Monday!\n\nWas it late?  “Yes,” he said."
SENTENCES = ["Dr. Smith went to Washington.", "He arrived at 5 p.m. on Monday!", "Was it late?", "“Yes,” he said."]
ALL_WHITE_SPACE = [character for character in map(chr, range(sys.maxunicode)) if character.isspace()]
PIECES = [
    "a",
    "B",
    "Dr. ",
    "J. K. ",
    "e.g. ",
    ".",
    "?",
    "!",
    "…",
    "“",
    "”",
    "(",
    ")",
    "1.",
    "😀",
    "e\u0301",
    "。",
    *ALL_WHITE_SPACE,
]


def test_finds_the_sentences() -> None:
    assert list(Sentences()(TEXT)) == SENTENCES


def test_keeps_white_space_if_told_so() -> None:
    assert "".join(Sentences(keep_whitespace=True)(TEXT)) == TEXT


@pytest.mark.parametrize("text", ["", " ", "\n\n", "no sentence"])
def test_leaves_a_text_without_sentences_as_it_is(text: str) -> None:
    assert list(Sentences()(text)) == [text]


def test_follows_the_rules_of_the_language() -> None:
    text = "すべての人間は自由である。彼らは平等である。"
    assert list(Sentences()(text, language="ja")) == ["すべての人間は自由である。", "彼らは平等である。"]


@pytest.mark.parametrize("language", [None, "", "und", "en", "de"])
def test_takes_any_language(language: str | None) -> None:
    assert list(Sentences()("One. Two.", language=language)) == ["One.", "Two."]


def test_never_loses_text() -> None:
    generator = random.Random(20261123)
    keeping, stripping = Sentences(keep_whitespace=True), Sentences()
    for _ in range(2_000):
        text = "".join(generator.choices(PIECES, k=generator.randrange(30)))
        assert "".join(keeping(text)) == text
        assert "".join("".join(stripping(text)).split()) == "".join(text.split())


def test_splits_records_in_a_pipeline() -> None:
    records = list(Pipeline(["sentences"]).records([{"text": TEXT}]))
    assert [record.text for record in records] == SENTENCES
    assert {record.fate for record in records} == {"out"}
