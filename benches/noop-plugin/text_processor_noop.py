"""The step `noop`: the cheapest plugin there can be, so that a run shows what calling one costs."""


def process(text: str) -> str:
    """Return the very text."""
    return text
