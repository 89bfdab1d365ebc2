"""The console script `text-processor`: everything but this line is Rust."""

import sys

from text_processor._engine import command


def main() -> int:
    """Runs the command with the process's arguments and returns its exit code."""
    return command(sys.argv)
