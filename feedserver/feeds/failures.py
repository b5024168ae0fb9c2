"""Failures of a process: which the log knows already, and how many stale answers they caused.

Thread-safe. Does not know what failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cachetools import TTLCache

from feedserver.errors import IndexUnreadableError

log = logging.getLogger(__name__)

# A failure that was not met for this many seconds is logged again.
FORGOTTEN_AFTER = 60.0
MOST_FAILURES = 200


class Failures:
    """The recent failures of this process, so that the log has one line per event and not per request.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: TTLCache[str, None] = TTLCache(MOST_FAILURES, FORGOTTEN_AFTER, timer=clock)
        self._lock = threading.Lock()

    def is_new(self, address: str, error: Exception) -> bool:
        """Whether a failure is none of the recent ones. One of the index is the same for all addresses."""
        # SQLAlchemy's message holds the statement, which differs with each document; the driver's does not.
        cause = getattr(error, "orig", None)
        is_index = cause is not None or isinstance(error, IndexUnreadableError)
        failure = f"{type(error).__name__}: {cause or error}" if is_index else f"{address}: {error!r}"
        with self._lock:
            is_new = failure not in self._seen
            self._seen[failure] = None  # its time starts again: it lasts as long as it is met
            return is_new


class StaleAnswers:
    """How many requests this process answered with the last good representation, and the last reason."""

    def __init__(self) -> None:
        self.count = 0
        self.last_reason = ""
        self.failures = Failures()

    def note(self, address: str, error: Exception) -> None:
        """Count an answer, and log its reason if that is new."""
        self.count += 1
        self.last_reason = f"{address}: {type(error).__name__}: {error}"
        if self.failures.is_new(address, error):
            log.error("%s failed, its last good state is served", address, exc_info=error)
