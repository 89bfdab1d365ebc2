"""Values of columns of Python objects, as a table would have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any


def plain(value: Any, *, nested: bool = False) -> Any:
    """Return a value as a step is given it of a table: what JSON has no word for is a text, or a number.

    Not finite numbers stay at the top, and are `None` in lists and structures, as in tables.
    """
    made = value
    if isinstance(value, float):
        made = value if not nested or math.isfinite(value) else None
    elif isinstance(value, (date, time, timedelta)):
        # What is not equal to itself is no time (`pandas.NaT`).
        made = _time(value) if value == value else None  # noqa: PLR0124
    elif isinstance(value, Decimal):
        made = plain(float(value), nested=True) if nested else format(value, "f")
    elif isinstance(value, Mapping):
        made = {key: plain(each, nested=True) for key, each in value.items()}
    elif isinstance(value, (list, tuple)):
        made = [plain(each, nested=True) for each in value]
    elif hasattr(value, "tolist"):
        made = plain(_of_numpy(value), nested=nested)
    return made


def _time(value: date | time | timedelta) -> str:
    if isinstance(value, timedelta):
        return _duration(value)
    text = value.isoformat()
    return f"{text[:-6]}Z" if isinstance(value, (datetime, time)) and text.endswith("+00:00") else text


def _duration(value: timedelta) -> str:
    microseconds = abs(value) // timedelta(microseconds=1)
    if not microseconds:
        return "P0D"
    seconds, rest = divmod(microseconds, 1_000_000)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if value < timedelta() else ''}PT{seconds}{fraction}S"


def _of_numpy(value: Any) -> Any:
    """Return a scalar or an array of NumPy as Python's objects, which know no nanoseconds."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return value.astype(f"{kind}8[us]").tolist() if kind in {"M", "m"} else value.tolist()
