"""Laws that hold for every corpus and every pipeline."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.files import counts, read_jsonl

from text_processor import Pipeline, Reject, plugin

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)


@plugin(kind="split")
def words(text: str) -> list[str]:
    """Splits; an empty text becomes nothing."""
    return text.split()


@plugin(kind="filter")
def no_digits(text: str) -> bool | Reject:
    """Rejects."""
    return Reject("digits") if any(map(str.isdigit, text)) else True


@plugin(kind="annotate", fields={"length": int})
def measure(text: str) -> dict[str, int]:
    """Annotates."""
    return {"length": len(text)}


def fail_on_e(text: str) -> str:
    """Fails on some texts."""
    if "e" in text:
        raise ValueError(text)
    return text + "."


STEPS = st.lists(
    st.sampled_from(
        [
            *["trim", "trim-lines", "collapse-whitespace", "strip-control", "normalize-unicode", "validate", "redact"],
            ("length", {"minimum": 2}),
            ("replace", {"pattern": "a", "replacement": "ee"}),
            *[words, no_digits, fail_on_e, str.upper],
        ]
    ),
    max_size=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
OTHER_FIELDS = st.dictionaries(TEXTS.filter(lambda key: key not in {"text", "id"}), JSON, max_size=3)


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    """A line with a record, spelled in some way or other."""
    fields = list({**draw(OTHER_FIELDS), "text": draw(TEXTS)}.items())
    spelled = json.dumps(
        dict(draw(st.permutations(fields))),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")])),
    )
    return spelled.encode()


LINES = st.lists(json_lines(), max_size=12)
ENDS = st.sampled_from([b"\n", b"\r\n"])


@given(lines=LINES, end=ENDS, terminated=st.booleans(), python=st.booleans())
def test_a_copy_of_any_jsonl_is_the_same_byte_for_byte(
    lines: list[bytes],
    end: bytes,
    terminated: bool,
    python: bool,
) -> None:
    data = end.join(lines) + (end if terminated and lines else b"")
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        source.write_bytes(data)
        report = Pipeline([lambda text: text] if python else []).run(source, output, workers=2)
        assert counts(report) == (len(lines), len(lines), 0, 0)
        assert output.read_bytes() == data


@given(lines=LINES)
def test_other_fields_survive_a_change_of_the_text(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        source.write_bytes(b"".join(line + b"\n" for line in lines))
        Pipeline([lambda text: f"<{text}>"]).run(source, output)
        out = output.read_bytes().split(b"\n")[:-1]
    for before, after in zip(lines, out, strict=True):
        old = json.loads(before, parse_float=str, parse_int=str, object_pairs_hook=list)
        new = json.loads(after, parse_float=str, parse_int=str, object_pairs_hook=list)
        assert new == [(key, f"<{value}>" if key == "text" else value) for key, value in old]


BAD_LINES = st.sampled_from(
    [b"", b"  ", b"[1]", b"{", b'{"id":1}', b'{"text":5}', b'{"text":"\\ud800"}', b"\xff", b"nul"]
)


@given(lines=st.lists(st.tuples(st.booleans(), TEXTS, BAD_LINES), max_size=25), steps=STEPS, workers=st.integers(1, 3))
@example(lines=[], steps=[], workers=1)
def test_every_record_meets_exactly_one_fate(
    lines: list[tuple[bool, str, bytes]], steps: list[Any], workers: int
) -> None:
    data = [
        json.dumps({"text": text, "ordinal": ordinal}).encode() if good else bad
        for ordinal, (good, text, bad) in enumerate(lines)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.jsonl").write_bytes(b"".join(line + b"\n" for line in data))
        report = Pipeline([*steps, measure]).run(
            folder / "in.jsonl", folder / "out.jsonl", rejected=folder / "rejected.jsonl", workers=workers
        )
        read, out, rejected, quarantined = counts(report)
        ordinals = {record["ordinal"] for record in read_jsonl(folder / "out.jsonl")}
        told = report.to_dict()
        rejected_lines = read_jsonl(folder / "rejected.jsonl")
        quarantined_lines = read_jsonl(folder / "out.quarantine.jsonl")
    assert read == len(lines)
    assert len(ordinals) == out
    failed = {line["ordinal"] for line in quarantined_lines}
    dropped = {line["ordinal"] for line in rejected_lines} - ordinals
    assert len(failed) == len(quarantined_lines) == quarantined
    assert len(dropped) == rejected
    assert sorted([*ordinals, *failed, *dropped]) == list(range(read))
    assert sum(told["rejected_by_reader"].values()) == sum(not good and not bad.strip() for good, _, bad in lines)
    # Records say the same as files.
    good = [{"text": text, "ordinal": ordinal} for ordinal, (good, text, _) in enumerate(lines) if good]
    fates: dict[int, set[str | None]] = {}
    for record in Pipeline([*steps, measure]).records(good):
        fates.setdefault(record.fields["ordinal"], set()).add(record.fate)
    for ordinal, seen in fates.items():
        expected = "out" if ordinal in ordinals else "quarantined" if ordinal in failed else "rejected"
        assert expected in seen
        assert expected == "out" or seen == {expected}


@pytest.mark.parametrize(
    "step",
    [
        "trim-lines",
        "trim",
        "collapse-whitespace",
        "strip-control",
        "normalize-unicode",
        ("normalize-unicode", {"form": "nfkc"}),
        "redact",
        ("redact", {"mode": "mask"}),
    ],
    ids=str,
)
@given(text=TEXTS | st.text(alphabet=" \t\n\r\x00a\u0301\ufb01\u00a0\u2028\x1c@.0", max_size=30))
def test_cleaning_twice_is_cleaning_once(step: Any, text: str) -> None:
    pipeline = Pipeline([step])
    once = pipeline.process(text)
    assert once is not None
    assert pipeline.process(once) is once


@given(text=TEXTS, steps=STEPS)
def test_all_ways_to_process_a_text_agree(text: str, steps: list[Any]) -> None:
    pipeline = Pipeline([step for step in steps if step is not words])
    [record] = pipeline.records([{"text": text}])
    entries = pipeline.trace(text)
    if record.fate == "quarantined":
        assert entries[-1].outcome == "failed"
        return
    processed = pipeline.process(text)
    assert list(pipeline.process_many([text])) == [processed]
    assert processed == (record.text if record.fate == "out" else None)
    if record.fate == "rejected":
        assert (entries[-1].outcome, entries[-1].reason) == ("rejected", record.reason)
    elif entries:
        assert entries[-1].after == processed


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=60))
def test_trim_is_what_python_calls_strip(text: str) -> None:
    assert Pipeline(["trim"]).process(text) == text.strip()
