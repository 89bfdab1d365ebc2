"""Tests of the step `language`: of the class alone, and in a pipeline."""

import pytest
from text_processor_language.language import Language

from text_processor import Pipeline, TextProcessorError

SAMPLES = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
}


@pytest.fixture(scope="module")
def language() -> Language:
    return Language()


@pytest.mark.parametrize("code", sorted(SAMPLES))
def test_tells_the_language(language: Language, code: str) -> None:
    fields = language(SAMPLES[code])
    assert fields["language"] == code
    assert 0.5 < float(fields["language_score"]) <= 1.0


def test_gives_the_same_answer_each_time(language: Language) -> None:
    assert language(SAMPLES["de"]) == language(SAMPLES["de"]) == Language()(SAMPLES["de"])


@pytest.mark.parametrize("text", ["", "   ", "12345", "— ?!"])
def test_says_that_a_text_without_letters_has_no_language(language: Language, text: str) -> None:
    assert language(text) == {"language": "und", "language_score": 0.0}


def test_considers_only_the_candidates() -> None:
    assert Language(candidates=["en", "fr"])(SAMPLES["de"])["language"] in {"en", "fr"}


def test_refuses_a_candidate_that_the_model_does_not_know() -> None:
    with pytest.raises(ValueError, match="`tlh`"):
        Language(candidates=["en", "tlh"])


def test_annotates_records_in_a_pipeline() -> None:
    [record] = Pipeline(["language"]).records([{"text": SAMPLES["fr"]}])
    assert record.fate == "out"
    assert record.text == SAMPLES["fr"]
    assert record.fields["language"] == "fr"
    assert record.fields["language_score"] > 0.5


def test_an_unknown_candidate_stops_a_pipeline_before_any_text_is_read() -> None:
    with pytest.raises(TextProcessorError, match="language"):
        Pipeline([("language", {"candidates": ["tlh"]})])
