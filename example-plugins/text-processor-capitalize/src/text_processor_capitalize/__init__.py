"""The step `capitalize` for text-processor: a decorated function says where it belongs in an automatic order."""

from text_processor import plugin


@plugin(kind="map", stage="transform", after=["reverse"])
def process(text: str) -> str:
    """Write the first character of each line in upper case and the rest in lower case."""
    return "\n".join(line.capitalize() for line in text.split("\n"))
