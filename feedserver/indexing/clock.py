"""Detects that the system's clock was set while a process runs.

Compares it with a clock that counts since the start of the machine and is never set. A machine that starts
before its time is set publishes articles that are not due yet (promise 6), so a jump is worth a line in the
log and on the status page. Decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from feedserver.index.decisions import CLOCK_STEP_SECONDS


def steady() -> float:
    """Seconds of a clock that is never set. It counts on during sleep, if the system can."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockWatch:
    """Looks at a clock, in seconds since the epoch, now and then."""

    def __init__(self, clock: Callable[[], float], count: Callable[[], float] = steady) -> None:
        self._clock = clock
        self._count = count
        self._offset = clock() - count()

    def jump(self) -> float:
        """By how many seconds the clock was set since the last look; 0 for small steps."""
        offset = self._clock() - self._count()
        jump, self._offset = offset - self._offset, offset
        return jump if abs(jump) > CLOCK_STEP_SECONDS else 0.0
