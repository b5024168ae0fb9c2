"""A circuit breaker: while statements run into time-outs, one thread tries at a time, others fail at once.

Thread-safe. Otherwise a lock that another session holds would hold up each thread of a server in turn, and
cached feeds with them. Does not know what times out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

# Between a time-out and the next try.
PAUSE_SECONDS: Final = 1.0


class Breaker:
    """Open while statements run into time-outs.

    Args:
        try_seconds: how long one try lasts at most.
        clock: seconds.
    """

    def __init__(self, try_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._try_seconds = try_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._reason = ""
        self._next_try = 0.0

    def obstacle(self) -> str:
        """Why not to ask now; '' to ask, and to tell then how that went."""
        if not self._reason:
            return ""
        with self._lock:
            now = self._clock()
            if self._reason and now < self._next_try:
                return self._reason
            self._next_try = now + self._try_seconds
        return ""

    def note_timeout(self, reason: str) -> None:
        """Note that a statement ran into a time-out."""
        with self._lock:
            self._reason, self._next_try = reason, self._clock() + PAUSE_SECONDS

    def note_answer(self) -> None:
        """Note that there was an answer."""
        if self._reason:
            with self._lock:
                self._reason = ""
