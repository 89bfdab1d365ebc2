"""The step `reverse` for text-processor: an undecorated function is a `map` step."""


def process(text: str) -> str:
    """Reverse each line, and drop the final line end."""
    return "\n".join(line[::-1] for line in text.splitlines())
