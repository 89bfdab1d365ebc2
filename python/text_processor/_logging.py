"""Shows the log of the command on standard error, where nobody has configured Python's `logging`.

The engine imports this with the first message of a command that is to be seen; nothing else does.
"""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class PlainFormatter(logging.Formatter):
    """One message, with nothing in it that a terminal would obey or that looks like another message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = super().format(record).replace("\n", "\n  ")
        return "".join(map(_safe, f"{record.levelname.lower()}: {told}"))


def show(level: int) -> Callable[[], None]:
    """Show messages of text-processor from a level on, and return what ends it. Where a handler is, that decides.

    Args:
        level: The lowest level to show, as `logging` counts levels.
    """
    logger, before = logging.getLogger("text_processor"), logging.getLogger("text_processor").level
    if logger.hasHandlers():
        return lambda: None
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter())
    logger.addHandler(handler)
    logger.setLevel(level)

    def hide() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)

    return hide


def _safe(character: str) -> str:
    printable = character == "\n" or character.isprintable()
    return character if printable else character.encode("unicode_escape").decode("ascii")
