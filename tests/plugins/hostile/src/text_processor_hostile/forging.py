"""F15: steps that send the supervisor what no worker would send."""

import os
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path

from text_processor import plugin
from text_processor_hostile.dying import doorbells
from text_processor_hostile.raising import poisoned

MASK = (1 << 64) - 1


class Payload:
    """Makes a file wherever it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


def checksum(head):
    total = 0x9E3779B97F4A7C15
    for (word,) in struct.iter_unpack("<Q", head):
        total = (((total << 23) | (total >> 41)) & MASK) ^ word
        total = ((total ^ (total >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        total = ((total ^ (total >> 27)) * 0x94D049BB133111EB) & MASK
        total ^= total >> 31
    return total


def frame(length, sequence, kind=5, slot=0, in_file=0, process=None):
    """A frame as the channel makes them, with a checksum that is right."""
    head = struct.pack("<IBBBBIIQQ", 0x74707731, kind, slot, in_file, 0, process or os.getpid(), 0, length, sequence)
    return head + struct.pack("<Q", checksum(head))


WAYS = {
    # A frame whose checksum is wrong.
    "checksum": lambda step: frame(10, 2)[:-1] + b"\x00",
    # Half of one, and then the end.
    "half": lambda step: frame(10, 2)[:20],
    # Right in itself, but it answers nothing that was asked.
    "sequence": lambda step: frame(10, 1 << 40),
    # More bytes than there are.
    "length": lambda step: frame(1 << 62, 2),
    "area": lambda step: frame((1 << 20) + 1, 2),
    "file": lambda step: frame(1 << 30, 2, in_file=1),
    # A slot and a kind that do not exist.
    "slot": lambda step: frame(10, 2, slot=9),
    "kind": lambda step: frame(10, 2, kind=99),
    # A kind that only the supervisor sends.
    "load": lambda step: frame(10, 2, kind=2),
    # In the name of somebody else.
    "process": lambda step: frame(10, 2, process=1),
    # An answer to the right question, which was never written.
    "empty": lambda step: frame(0, 2),
    "zeros": lambda step: frame(1000, 2),
    "pickle": lambda step: pickle.dumps(Payload(step.mark)),
}


@plugin
@dataclass
class Forge:
    """Writes something to the doorbell for each text that contains `poison`, and then dies."""

    way: str
    mark: str = ""

    def __call__(self, text: str) -> str:
        if poisoned(text):
            for descriptor in doorbells():
                os.write(descriptor, WAYS[self.way](self))
            os._exit(5)
        return text.upper()
