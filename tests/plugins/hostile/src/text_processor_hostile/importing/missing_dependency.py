"""Needs something that is not installed."""

import a_library_that_nobody_has  # noqa: F401


def process(text: str) -> str:
    return text
