"""Declares something that this release does not know."""

from text_processor import plugin


@plugin(batch=True)
def process(texts: list[str]) -> list[str]:
    return texts[:-1]
