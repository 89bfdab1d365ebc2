"""Lies beside a `json.py` of its own; the standard library's must win."""

import json


def process(text):
    return json.loads(json.dumps(text))
