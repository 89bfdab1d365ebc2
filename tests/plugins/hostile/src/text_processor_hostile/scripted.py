"""Steps that do what each text tells them to do: `crash@2` crashes the step whose place is 2."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from text_processor import Reject, plugin
from text_processor_hostile.dying import segfault
from text_processor_hostile.hanging import loop_for_ever


def fail():
    raise ValueError("as the text says")


HARM = {
    "raise": fail,
    "crash": segfault,
    "abort": os.abort,
    "exit": lambda: os._exit(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": loop_for_ever,
}


@dataclass
class Scripted:
    """A step at a place, which may leave marks in a folder."""

    place: int
    marks: str

    def words(self, text):
        """What the text tells this step to do, with the number that stands behind it."""
        for word in text.split():
            verb, _, place = word.partition("@")
            if place == str(self.place):
                verb, _, number = verb.partition("=")
                yield verb, number

    def obey(self, text):
        for verb, number in self.words(text):
            if verb in HARM:
                HARM[verb]()
            elif verb == "flaky":
                mark = Path(self.marks) / f"{self.place}-{number}"
                if not mark.exists():
                    mark.touch()
                    segfault()


@plugin
@dataclass
class Map(Scripted):
    def __call__(self, text: str) -> str:
        self.obey(text)
        return f"{text} m{self.place}"


@plugin(kind="filter")
@dataclass
class Filter(Scripted):
    def __call__(self, text: str) -> bool | Reject:
        self.obey(text)
        return not any(verb == "reject" for verb, _ in self.words(text)) or Reject(f"by {self.place}")


@plugin(kind="annotate", fields={"note": int})
@dataclass
class Annotate(Scripted):
    def __call__(self, text: str) -> dict:
        self.obey(text)
        return {"note": len(text)}


@plugin(kind="split")
@dataclass
class Split(Scripted):
    def __call__(self, text: str):
        self.obey(text)
        count = next((int(number) for verb, number in self.words(text) if verb == "split"), 1)
        return (f"{text} p{part}" for part in range(count))
