"""Tests of the step `keep-language`: of the class alone, and in a pipeline."""

import pytest
from text_processor_language.keep_language import KeepLanguage

from text_processor import Pipeline, Reject, TextProcessorError

ENGLISH = "All human beings are born free and equal in dignity and rights."
GERMAN = "Alle Menschen sind frei und gleich an Würde und Rechten geboren."


def test_keeps_the_languages_it_is_told() -> None:
    keep = KeepLanguage(languages=["en", "de"])
    assert keep("Hello", language="en") is True
    assert keep("Hallo", language="de", language_score=0.2) is True
    assert keep("Bonjour", language="fr") == Reject("other_language")


def test_rejects_what_is_not_probable_enough() -> None:
    keep = KeepLanguage(languages=["en"], minimum_score=0.5)
    assert keep("Hello", language="en", language_score=0.5) is True
    assert keep("Hello", language="en", language_score=0.4) == Reject("uncertain_language")


def test_refuses_to_keep_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        KeepLanguage(languages=[])


def test_gets_the_fields_of_the_step_before_it() -> None:
    pipeline = Pipeline(["language", ("keep-language", {"languages": ["en"]})])
    assert pipeline.process(ENGLISH) == ENGLISH
    assert pipeline.process(GERMAN) is None


def test_gets_the_fields_that_come_with_a_record() -> None:
    pipeline = Pipeline([("keep-language", {"languages": ["en"]})])
    kept, rejected = pipeline.records([{"text": "Hello", "language": "en"}, {"text": "Hallo", "language": "de"}])
    assert (kept.fate, kept.reason) == ("out", None)
    assert (rejected.fate, rejected.reason) == ("rejected", "other_language")


def test_the_order_of_the_steps_must_follow_the_fields() -> None:
    with pytest.raises(TextProcessorError, match="language"):
        Pipeline([("keep-language", {"languages": ["en"]}), "language"])


def test_the_languages_must_be_given() -> None:
    with pytest.raises(TextProcessorError, match="languages"):
        Pipeline(["language", "keep-language"])
