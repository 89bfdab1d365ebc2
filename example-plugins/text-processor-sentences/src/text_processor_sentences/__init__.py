"""The step `sentences` for text-processor: a splitter, which makes many texts of one."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sentencex import segment

from text_processor import plugin

# sentencex 1.0.32 panics on white space that is longer than one byte in UTF-8, such as U+0085 after an initial. It is
# therefore shown a text of the same length with plain white space instead, and the sentences are cut from the real one.
_PLAIN_SPACE = str.maketrans(
    dict.fromkeys(
        "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
    )
    | dict.fromkeys("\u0085\u2028\u2029", "\n")
)


@plugin(kind="split", stage="emit")
@dataclass
class Sentences:
    """Split a text into its sentences, by the rules of its language.

    No text is lost: with `keep_whitespace` the sentences together are the very text, and without it only the white
    space around them is missing. A text without sentences stays as it is.
    """

    keep_whitespace: bool = field(
        default=False, metadata={"description": "Whether each sentence keeps the white space that follows it."}
    )

    def __call__(self, text: str, language: str | None = "en") -> Iterator[str]:
        """Yield the sentences.

        The field `language` of the record chooses the rules; without it they are those of English.
        """
        end = 0
        found = False
        for plain in segment(language or "en", text.translate(_PLAIN_SPACE)):
            start, end = end, end + len(plain)
            sentence = text[start:end] if self.keep_whitespace else text[start:end].strip()
            if sentence:
                found = True
                yield sentence
        if not found:
            yield text
