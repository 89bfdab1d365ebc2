"""Offers a step with the name of a built-in; only its canonical name may lead here."""


def process(text):
    return "not trimmed by the built-in"
