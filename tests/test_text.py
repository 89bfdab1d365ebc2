"""Texts across the boundary: a step is given the `str` that Python would make, and what it returns is written whole."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.files import read_jsonl, write_jsonl

from text_processor import Pipeline, plugin

# The borders of what takes one, two, three and four bytes of UTF-8, and of what a `str` keeps in one, two and four.
BORDERS = [
    *("\x00", "\x7f", "\x80", "\xbf", "\xc0", "\xff", "\u0100", "\u07ff", "\u0800", "\u0fff", "\u1000", "\ud7ff"),
    *("\ue000", "\uffff", "\U00010000", "\U0003ffff", "\U00040000", "\U000fffff", "\U0010ffff"),
]
KINDS = {"ascii": "a", "latin-1": "é", "cyrillic": "ж", "cjk": "語", "quotes": "“", "astral": "𝄞"}


def run(folder: Path, texts: list[str], step: object, on_error: str = "raise", **options: object) -> list[str]:
    """Run texts through a step in a file, where they are made and read a batch at a time."""
    source, output = folder / "in.jsonl", folder / "out.jsonl"
    write_jsonl(source, [{"text": text} for text in texts])
    Pipeline([step], on_error=on_error).run(source, output, overwrite=True, **options)
    return [record["text"] for record in read_jsonl(output)]


def assert_same(text: str, expected: str) -> None:
    """Whether two texts are the same in every respect: also in how they are kept."""
    assert type(text) is str
    assert text == expected
    assert hash(text) == hash(expected)
    assert len(text) == len(expected)
    # One that is wider than its characters need would be equal to none, and one that keeps a copy of itself is larger.
    assert sys.getsizeof(text) == sys.getsizeof(fresh(expected))
    assert text.isascii() == expected.isascii()
    assert {expected: 1}[text] == 1


def fresh(text: str) -> str:
    """The text as another object, which nobody has encoded yet."""
    return text.encode("utf-32-le", "surrogatepass").decode("utf-32-le", "surrogatepass")


def check(folder: Path, texts: list[str]) -> None:
    """Check what a step is given, and what is written of what it returns."""
    seen: list[str] = []
    made: list[str] = []

    def step(text: str) -> str:
        seen.append(text)
        made.append(fresh(text + "\n"))
        return made[-1]

    assert run(folder, texts, step) == [text + "\n" for text in texts]
    # Batches need not come in order.
    for got, text in zip(sorted(seen), sorted(texts), strict=True):
        assert_same(got, text)
    # Writing a text leaves no copy of it in the `str`.
    for got, returned in zip(seen, made, strict=True):
        assert_same(returned, got + "\n")


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_every_kind_may_have_any_length(tmp_path: Path, kind: str) -> None:
    character = KINDS[kind]
    lengths = [*range(140), 255, 256, 257, 1000, 4095, 4096, 4097, 8159, 8160, 8161, 20_000]
    check(tmp_path, [character * length for length in lengths])
    check(tmp_path, ["a" * length + character for length in lengths])
    check(tmp_path, [character + "a" * length for length in lengths])


def test_a_character_may_stand_at_any_place(tmp_path: Path) -> None:
    check(tmp_path, [f"{'x' * before}{border}{'y' * 70}" for border in BORDERS for before in range(70)])


def test_every_plane_comes_back(tmp_path: Path) -> None:
    planes = ["".join(map(chr, range(start, start + 0x10000, 7))) for start in range(0x10000, 0x110000, 0x10000)]
    basic = "".join(chr(point) for point in range(0x10000) if not 0xD800 <= point < 0xE000)
    check(tmp_path, [*planes, basic, basic[:0x800], basic[:0x100], basic[:0x80]])


@given(st.lists(st.text() | st.text(st.sampled_from(BORDERS)) | st.text(st.characters(max_codepoint=0xFF))))
def test_any_texts_come_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    check(tmp_path_factory.mktemp("texts"), texts)


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])), st.integers(1, 40))
def test_a_long_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str, times: int) -> None:
    check(tmp_path_factory.mktemp("texts"), [text * times])


def test_a_character_that_python_keeps_is_the_one_it_keeps(tmp_path: Path) -> None:
    seen: list[str] = []
    run(tmp_path, ["", "a", "é"], lambda text: seen.append(text) or text)
    assert {id(text) for text in seen} == {id(text) for text in ("", chr(0x61), chr(0xE9))}


@pytest.mark.parametrize("fill", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("surrogates", [[0xD800], [0xDFFF], [0xD83D, 0xDE00], [0xDC00, 0xD800]], ids=str)
def test_a_surrogate_is_no_character_wherever_it_stands(tmp_path: Path, fill: str, surrogates: list[int]) -> None:
    befores = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 4095, 4096, 5000]
    texts = [json.dumps([before, after]) for before in befores for after in (0, 1, 20)]

    def step(text: str) -> str:
        before, after = json.loads(text)
        return fill * before + "".join(map(chr, surrogates)) + fill * after

    quarantine = tmp_path / "quarantine.jsonl"
    assert run(tmp_path, texts, step, on_error="quarantine", quarantine=quarantine) == []
    told = [(line["kind"], line["message"]) for line in read_jsonl(quarantine)]
    assert len(told) == len(texts)
    [(kind, message)] = set(told)
    assert kind == "surrogate"
    assert message.startswith("The text that the step returned holds a surrogate code point")


def test_a_good_text_after_a_bad_one_is_written_whole(tmp_path: Path) -> None:
    texts = ["good", "bad", "gut é", "bad", "хорошо"]
    quarantine = tmp_path / "quarantine.jsonl"

    def step(text: str) -> str:
        return "語" * 100 + "\ud800" if text == "bad" else text + "!"

    written = run(tmp_path, texts, step, on_error="quarantine", quarantine=quarantine)
    assert written == ["good!", "gut é!", "хорошо!"]


@pytest.mark.parametrize("character", KINDS.values(), ids=KINDS)
def test_a_subclass_is_written_by_its_characters(tmp_path: Path, character: str) -> None:
    class Odd(str):
        __slots__ = ()

        def __len__(self) -> int:
            return 1

        def __getitem__(self, _: object) -> str:
            return "?"

        def encode(self, *_: object) -> bytes:
            return b"?"

    texts = ["x" * length + character * length for length in range(50)]
    assert run(tmp_path, texts, lambda text: Odd(text + ".")) == [text + "." for text in texts]


@pytest.mark.parametrize("character", KINDS.values(), ids=KINDS)
def test_parts_are_written_as_texts_are(tmp_path: Path, character: str) -> None:
    returned: list[str] = []

    @plugin(kind="split")
    def halves(text: str) -> list[str]:
        middle = len(text) // 2
        returned.extend([fresh(text[:middle]), fresh(text[middle:])])
        return returned[-2:]

    texts = [character * length for length in range(2, 60)]
    written = run(tmp_path, texts, halves)
    assert written == [part for text in texts for part in (text[: len(text) // 2], text[len(text) // 2 :])]
    for part in returned:
        assert_same(part, fresh(part))
