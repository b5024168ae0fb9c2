"""The Last-Modified of documents, as the memory has it, for threads that must not wait.

Keeps promise 3: a date never goes back, and moves whenever the ETag moves; the memory sees to that for
all processes. Where it cannot say, a document goes without a date: its ETag still tells the truth. Does not
know what a document is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import StateError
from feedserver.index import builds
from feedserver.index.memory import Memory

log = logging.getLogger(__name__)

# A serving thread does not wait longer for another one's note in the memory. When that fails, the
# process leaves the memory alone for a while: nobody shall wait for it at every request.
MEMORY_PATIENCE_SECONDS = 0.5
MEMORY_PAUSE_SECONDS = 5.0


class _Connection(threading.local):
    """The memory, for one thread."""

    memory: Memory | None = None


class Dates:
    """Asks the memory of one state folder. Create it before or after the fork; use it after.

    Args:
        state_dir: where the memory is.
        clock: seconds since the epoch, for what was never seen before.
    """

    def __init__(self, state_dir: Path, clock: Callable[[], float]) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._connection = _Connection()
        self._paused_until = 0.0

    def close(self) -> None:
        """Give this thread's connection back; it is opened again when it is needed."""
        memory, self._connection.memory = self._connection.memory, None
        if memory is not None:
            memory.close()

    def last_modified(self, address: str, etag: str, sequence: int) -> datetime | None:
        """When an address was first seen with an ETag; None if the memory cannot say.

        Args:
            address: of the document.
            etag: of its bytes.
            sequence: of the index state that they were made from; 0 if that is not known.
        """
        connection = self._connection
        now = self._clock()
        if 0 < self._paused_until - now <= MEMORY_PAUSE_SECONDS:  # no longer, if the clock is set back
            return None
        try:
            if connection.memory is None:
                connection.memory = Memory(self._state_dir, MEMORY_PATIENCE_SECONDS, builds.READER_CACHE_KIB)
            return connection.memory.last_modified(address, etag, sequence, datetime.fromtimestamp(now, UTC))
        except (SQLAlchemyError, StateError) as error:
            reason = error.__cause__ or error
            log.warning("the memory cannot be asked, feeds go without Last-Modified for now: %s", reason)
            self._paused_until = now + MEMORY_PAUSE_SECONDS
            self.close()  # its file may be another one by then
            return None
