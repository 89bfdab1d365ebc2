"""Is no Python."""

def process(text) -> :
    return text
