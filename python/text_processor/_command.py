"""The console script `text-processor`: nearly everything is Rust."""

import sys

from text_processor._engine import command, tell_interrupted


def main() -> int:
    """Runs the command with the process's arguments and returns its exit code."""
    try:
        code = command(sys.argv)
    except KeyboardInterrupt:
        # Ctrl-C came before the engine looked out for it, or when it had ceased to: it ends the command as always.
        code = tell_interrupted()
    # Plugins may have left something to be done when Python ends, and what that prints is no data either.
    sys.stdout = sys.stderr
    return code
