"""Leaves a file when it is imported, so that a test can prove that it was not: TEXT_PROCESSOR_CANARY names the file."""

import os
from pathlib import Path

if "TEXT_PROCESSOR_CANARY" in os.environ:
    Path(os.environ["TEXT_PROCESSOR_CANARY"]).write_text("imported", encoding="utf-8")


def process(text):
    return text
