"""Cannot be compiled."""

def process(text)
    return text
