"""Offers a step of the same name as another distribution."""


def process(text):
    return text + " one"
