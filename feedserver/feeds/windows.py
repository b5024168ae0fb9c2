"""The time from which a selection takes articles, such as those of the last seven days.

A window moves once an hour, on the hour, so that its documents stay the same in between, in every process:
`24h` are the articles of the last 24 hours and of the hour that has begun. Pure: the time is an argument.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import NamedTuple

_HOUR = 3600
_SECONDS = {"h": _HOUR, "d": 24 * _HOUR}


class Window(NamedTuple):
    """Articles published at `first` or later, in seconds since the epoch; None for all.

    The window is this one from `begin` until `end`.
    """

    first: int | None = None
    begin: float = -math.inf
    end: float = math.inf


def window_at(since: str, now: float) -> Window:
    """The window of an age (`24h`, `7d`), a date, or nothing, as `selections.parameters` writes them."""
    if not since:
        return Window()
    if since[-1] in _SECONDS:
        begin = int(now) // _HOUR * _HOUR
        return Window(begin - int(since[:-1]) * _SECONDS[since[-1]], begin, begin + _HOUR)
    day = date.fromisoformat(since)
    return Window(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))
