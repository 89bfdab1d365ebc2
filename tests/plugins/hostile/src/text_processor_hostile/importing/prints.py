"""Prints when it is imported, and with each text."""

import sys

print("printed while importing")
print("shouted while importing", file=sys.stderr)
sys.stdout.flush()


def process(text: str) -> str:
    print("printed by a step")
    return text.upper()
