"""How long tests may take: a few rounds in the ordinary tier, thousands in the long one (`nox -s long`)."""

import os

LONG = os.environ.get("TEXT_PROCESSOR_LONG") == "1"


def rounds(of: str, ordinary: int) -> int:
    """How many rounds of something are made: as many as the variable `TEXT_PROCESSOR_<of>` says, if it is set."""
    return int(os.environ.get(f"TEXT_PROCESSOR_{of}", ordinary))
