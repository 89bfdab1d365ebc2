"""The console script `text-processor`: nearly everything is Rust."""

import sys

from text_processor._engine import command


def main() -> int:
    """Runs the command with the process's arguments and returns its exit code."""
    code = command(sys.argv)
    # Plugins may have left something to be done when Python ends, and what that prints is no data either.
    sys.stdout = sys.stderr
    return code
