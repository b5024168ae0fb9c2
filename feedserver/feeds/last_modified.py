"""The Last-Modified of documents, as the publication history has it, for threads that must not wait.

Keeps promise 3: a date never goes back while the clock does not, and moves whenever the ETag moves; the
history sees to that for all processes. If it cannot be read, a document has no date: its ETag still
tells the truth. Does not know what a document is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import StateError
from feedserver.index.history import PublicationHistory
from feedserver.index.last_modified import AddressDates, earliest_date
from feedserver.index.store import Store

log = logging.getLogger(__name__)

# After a failure, the process does not ask the publication history for a while, so that not every request
# waits for it.
HISTORY_PAUSE_SECONDS = 5.0

# Forgetting looks at all addresses.
_FORGET_EVERY = 500

# Commits to the index are numbered by the clock, in microseconds. The numbers grow even if it does not.
_SEQUENCE_SECONDS = 1e-6


class Dated(NamedTuple):
    """The Last-Modified of a document, or None, and from when until when that is so, in seconds."""

    moment: datetime | None
    begin: float
    end: float


class _Connection(threading.local):
    """The publication history, for one thread."""

    history: PublicationHistory | None = None


class LastModifiedDates:
    """Asks the publication history of one store. Create it before or after the fork; use it after.

    Args:
        store: has the publication history.
        clock: seconds since the epoch.
        lead: how far ahead of the clock a date may be given out, in seconds: for files, written once.
    """

    def __init__(self, store: Store, clock: Callable[[], float], lead: float = 0.0) -> None:
        self._store = store
        self._clock = clock
        self._lead = lead
        # Another release, or other settings, may have been served until this process started.
        self._started = clock()
        self._connection = _Connection()
        self._paused_until = 0.0
        self._dated_selections = 0  # a race of threads costs a miscount

    def close(self) -> None:
        """Close this thread's connection; it is opened again when it is needed."""
        history, self._connection.history = self._connection.history, None
        if history is not None:
            history.close()

    def last_modified(
        self, address: str, etag: str, sequence: int, switched: float, keep: int | None = None
    ) -> Dated:
        """The date of an address whose current representation has this ETag.

        Args:
            address: of the document.
            etag: of its bytes.
            sequence: of the index state that they were made from; 0 if that is not known.
            switched: when that index began to serve, in seconds since the epoch.
            keep: how many addresses of selections the history keeps, if this is one.
        """
        connection = self._connection
        now = self._clock()
        if 0 < self._paused_until - now <= HISTORY_PAUSE_SECONDS:  # no longer, even if the clock is set back
            return Dated(None, now, self._paused_until)
        changed = max(sequence * _SEQUENCE_SECONDS, switched, self._started)
        earliest = earliest_date(changed if sequence else now, now)
        try:
            if connection.history is not None and not connection.history.is_in_place():
                self.close()  # another file took its place, as after damage
            if connection.history is None:
                connection.history = self._store.impatient_history()
            dating = connection.history.last_modified(
                address, etag, sequence=sequence, earliest=earliest, now=now, lead=self._lead
            )
            if keep is not None:
                self._forget_some(connection.history, keep)
        except (SQLAlchemyError, StateError) as error:
            reason = error.__cause__ or error
            log.warning(
                "the publication history cannot be asked, feeds go without Last-Modified for now: %s", reason
            )
            self._paused_until = now + HISTORY_PAUSE_SECONDS
            self.close()  # its file may be another one after the pause
            return Dated(None, now, self._paused_until)
        return Dated(None, now, now) if dating is None else _dated(dating, now, self._lead)

    def _forget_some(self, history: PublicationHistory, keep: int) -> None:
        """Now and then forget the dates of addresses of selections beyond the last ones."""
        self._dated_selections += 1
        if self._dated_selections % _FORGET_EVERY == 0:
            history.forget_selections(keep)


def _dated(dating: AddressDates, now: float, lead: float) -> Dated:
    """The date if its second has come, else when to ask again."""
    if dating.last_modified > now + lead:
        return Dated(None, now, dating.last_modified - lead)
    moment = datetime.fromtimestamp(dating.last_modified, UTC)
    return Dated(moment, dating.last_modified - lead, dating.end)
