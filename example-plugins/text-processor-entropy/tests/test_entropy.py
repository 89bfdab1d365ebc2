"""Tests of the step `entropy`: of the function alone, and in a pipeline."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest
from text_processor_entropy import measure

from text_processor import Pipeline

TEXTS = ["", "a", "aaaa", "abab", "The quick brown fox jumps over the lazy dog.", "größer als ∞", "\x00\xff"]


def by_definition(text: str) -> float:
    """Do what the step does, byte by byte."""
    data = text.encode()
    return -sum(count / len(data) * math.log2(count / len(data)) for count in Counter(data).values())


def test_measures_what_the_definition_says() -> None:
    assert measure(TEXTS)["entropy"] == pytest.approx([by_definition(text) for text in TEXTS])


def test_one_text_among_many_gets_what_it_gets_alone() -> None:
    together = measure(TEXTS)["entropy"]
    assert [measure([text])["entropy"][0] for text in TEXTS] == together


def test_adds_a_field_in_a_pipeline() -> None:
    [record] = Pipeline(["entropy"]).records([{"text": "abab"}])
    assert (record.text, record.fields) == ("abab", {"entropy": 1.0})


def test_measures_a_file_in_workers(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS * 100))
    report = Pipeline(["entropy"]).run(source, output)
    assert report.to_dict()["isolation"] == "process"
    found = [json.loads(line)["entropy"] for line in output.read_text().splitlines()]
    assert found == pytest.approx([by_definition(text) for text in TEXTS] * 100)
