"""Starts a copy of the publication history once a day, in a thread of the indexer.

The indexer continues meanwhile. A failure is logged and costs this copy; the next attempt is an hour later.
The copying itself is done by `index.sqlite.copies`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from feedserver.errors import StateError
from feedserver.index.sqlite.copies import StoppedError, is_due, make_copy

log = logging.getLogger(__name__)

# The time from a failure to the next attempt.
RETRY_SECONDS = 3600.0


class Copier:
    """Makes the copies of one state folder. `keep` is the number of copies; 0 turns copying off."""

    def __init__(self, state_dir: Path, keep: int, clock: Callable[[], float] = time.time) -> None:
        self._state_dir = state_dir
        self._keep = keep
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._retry = 0.0

    def look(self) -> None:
        """Start a copy, if one is due."""
        is_busy = self._thread is not None and self._thread.is_alive()
        if self._keep == 0 or is_busy or time.monotonic() < self._retry:
            return
        if is_due(self._state_dir, self._clock()):
            self._thread = threading.Thread(target=self._run, name="history-copy")
            self._thread.start()

    def close(self) -> None:
        """Stop a copy that is under way, and wait for its thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        begun = time.monotonic()
        try:
            made = make_copy(self._state_dir, self._clock(), self._keep, self._stop.is_set)
        except StoppedError:
            log.info("stopped before the copy of the publication history was complete")
        except (OSError, sqlite3.Error, StateError) as error:
            self._retry = time.monotonic() + RETRY_SECONDS
            log.error("the publication history was not copied: %s", error)  # noqa: TRY400  one clear sentence
        else:
            log.info("copied the publication history to %s in %.2f s", made, time.monotonic() - begun)
