"""Whatever a corpus, a pipeline and a plan of faults are made up: each record ends once, where a model says it does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.files import counts, read_jsonl
from support.processes import nothing_left
from support.tiers import LONG

from text_processor import Pipeline

# What a word of a text does to its record.
HARM = {
    "raise": "step_error",
    "crash": "step_crash",
    "abort": "step_crash",
    "exit": "step_crash",
    "kill": "step_crash",
    "hang": "step_timeout",
}
# Lines that are no record, and what becomes of them.
ODD_LINES = {b"{": "json", b"[1]": "not_object", b'{"id": 1}': "missing_field", b'{"text": 1}': "field_type", b"": None}


@dataclass
class Case:
    """A corpus, a pipeline and how it is run."""

    kinds: list[str]
    lines: list[str | bytes]
    workers: int
    batch_size: int | None


@dataclass
class Fates:
    """What becomes of the records, in order."""

    out: list[dict[str, Any]] = field(default_factory=list)
    sources: set[int] = field(default_factory=set)
    rejected: list[int] = field(default_factory=list)
    quarantined: list[tuple[int, str]] = field(default_factory=list)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A case in which few records are deadly, so that no run is stopped, and a test does not take all day."""
    kinds = draw(st.lists(st.sampled_from(["map", "filter", "split", "trim"]), min_size=1, max_size=5))
    if draw(st.booleans()):
        kinds.insert(draw(st.integers(0, len(kinds))), "annotate")
    places = st.integers(0, len(kinds) - 1)
    lines: list[str | bytes] = []
    deaths = 0
    for _ in range(draw(st.integers(0, 200 if LONG else 60))):
        match draw(st.integers(0, 19)):
            case 0 | 1:
                lines.append(draw(st.sampled_from(sorted(ODD_LINES))))
            case 2 | 3 if deaths < 4:
                deaths += 1
                verb = draw(st.sampled_from(["crash", "abort", "exit", "kill", "hang", f"flaky={len(lines)}"]))
                lines.append(f"{verb}@{draw(places)} é")
            case 4 | 5 | 6:
                lines.append(f"raise@{draw(places)} {draw(st.sampled_from(['', 'reject@0', 'split=2@1']))}")
            case 7 | 8:
                lines.append(f"reject@{draw(places)}")
            case 9 | 10:
                lines.append(f"split={draw(st.integers(0, 3))}@{draw(places)}")
            case _:
                lines.append(draw(st.sampled_from(["", " plain ", '"quoted" \\', "\U0001f600", "x" * 5000])))
    return Case(kinds, lines, draw(st.integers(1, 3)), draw(st.sampled_from([None, 1, 5, 64])))


def words(text: str, place: int) -> Iterator[tuple[str, str]]:
    """What a text tells the step at a place to do."""
    for word in text.split():
        verb, _, where = word.partition("@")
        if where == str(place):
            yield verb.partition("=")[0], verb.partition("=")[2]


def follow(text: str, kinds: list[str]) -> tuple[list[dict[str, Any]], str | None]:
    """The parts that go out of one text, and the kind of its failure."""
    parts: list[dict[str, Any]] = [{"text": text}]
    for place, kind in enumerate(kinds):
        after: list[dict[str, Any]] = []
        for part in parts:
            told = list(words(part["text"], place)) if kind != "trim" else []
            harm = next((HARM[verb] for verb, _ in told if verb in HARM), None)
            if harm is not None:
                return [], harm
            match kind:
                case "map":
                    after.append({**part, "text": f"{part['text']} m{place}"})
                case "filter":
                    after += [] if any(verb == "reject" for verb, _ in told) else [part]
                case "annotate":
                    after.append({**part, "note": len(part["text"])})
                case "split":
                    count = next((int(number) for verb, number in told if verb == "split"), 1)
                    after += [{**part, "text": f"{part['text']} p{number}"} for number in range(count)]
                case _:
                    after.append({**part, "text": part["text"].strip()})
        parts = after
    return parts, None


def expected(case: Case) -> Fates:
    """What the model says."""
    fates = Fates()
    for place, line in enumerate(case.lines):
        if isinstance(line, bytes):
            kind = ODD_LINES[line]
            if kind is None:
                fates.rejected.append(place)
            else:
                fates.quarantined.append((place, kind))
            continue
        parts, harm = follow(line, case.kinds)
        if harm is not None:
            fates.quarantined.append((place, harm))
        elif parts:
            fates.sources.add(place)
            fates.out += [{"id": place, **part} for part in parts]
        else:
            fates.rejected.append(place)
    return fates


def steps(case: Case, marks: Path) -> list[Any]:
    """The pipeline of a case."""
    return [
        kind if kind == "trim" else (f"script-{kind}", {"place": place, "marks": str(marks)})
        for place, kind in enumerate(case.kinds)
    ]


@pytest.mark.timeout(7200 if LONG else 120)
@given(case=cases())
@settings(
    max_examples=1_000 if LONG else 15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_each_record_ends_once_where_the_model_says(
    tmp_path_factory: pytest.TempPathFactory, hostile: list[Path], case: Case
) -> None:
    folder = tmp_path_factory.mktemp("case")
    marks = folder / "marks"
    marks.mkdir()
    source = folder / "in.jsonl"
    encoded = [
        line if isinstance(line, bytes) else json.dumps({"id": place, "text": line}).encode()
        for place, line in enumerate(case.lines)
    ]
    source.write_bytes(b"".join(line + b"\n" for line in encoded))
    fates = expected(case)
    with pytest.MonkeyPatch.context() as patch, nothing_left(patch):
        report = Pipeline(steps(case, marks)).run(
            source,
            folder / "out.jsonl",
            rejected=folder / "rejected.jsonl",
            isolation="process",
            workers=case.workers,
            batch_size=case.batch_size,
            timeout=0.5,
        )
    assert counts(report) == (len(case.lines), len(fates.sources), len(fates.rejected), len(fates.quarantined))
    assert read_jsonl(folder / "out.jsonl") == fates.out
    quarantine = read_jsonl(folder / "out.quarantine.jsonl")
    assert [(line["ordinal"], line["kind"]) for line in quarantine] == fates.quarantined
    rejected = [line["ordinal"] for line in read_jsonl(folder / "rejected.jsonl")]
    assert sorted(set(rejected)) == fates.rejected
