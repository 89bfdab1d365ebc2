"""A step that takes its time."""

import time
from dataclasses import dataclass
from pathlib import Path

from text_processor import plugin


@plugin
@dataclass
class Slow:
    """Waits with each text. Its first text makes a file, so that a test knows when it has begun."""

    mark: str
    seconds: float = 0.05

    def __call__(self, text: str) -> str:
        Path(self.mark).touch()
        time.sleep(self.seconds)
        return text.upper()
