"""Decides the Last-Modified of an address. Pure: reads no clock and no database.

HTTP dates have whole seconds, and a change may come at any moment within one. Keeps promise 3: a client gets
304 only for the content that it holds, with any date. So a date belongs to one ETag alone, is later than
every date that was given out before, and is given out only when its second has come. A date that was never
given out is free for the next ETag, so rapid changes do not move the dates ahead of the clock.
"""

from __future__ import annotations

import math
from collections.abc import Set
from typing import NamedTuple

# How long after a change a process may still send the content before it: one transaction, and the requests
# that are being answered. Writing 500 files takes some 0.1 s (measured).
SETTLING_SECONDS = 2

# A date that is further ahead of the clock than this was given out while the clock was wrong.
MOST_AHEAD_SECONDS = 5

# How many earlier dates are remembered.
MOST_EARLIER_DATES = 8


class AddressDates(NamedTuple):
    """The remembered dates of an address. Times in whole seconds since the epoch.

    Attributes:
        etag: of the last representation.
        last_modified: its date, which may lie in the future.
        sequence: of the latest index state that it was made from.
        sent: the latest date that may have been given out; None in rows of schema 1, where all dates were.
        ahead: dates that were given out before, some of them while the clock was ahead. Dates that seem past
            are remembered as well: the clock may be ahead now, and be set back later.
    """

    etag: str
    last_modified: int
    sequence: int
    sent: int | None = None
    ahead: tuple[int, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether clients may know the date."""
        return self.sent is None or self.last_modified == self.sent

    def holds(self, now: float) -> bool:
        """Whether nothing about the date changes by time alone at this moment."""
        return self.last_modified <= now + MOST_AHEAD_SECONDS and self.end > now

    @property
    def end(self) -> float:
        """When time alone ends the date: at the next one that was given out; infinite if there is none."""
        return min((date for date in self.ahead if date > self.last_modified), default=math.inf)


def earliest_date(changed: float, now: float) -> int:
    """The first date at which no client can get the content before a change any more.

    Args:
        changed: when the change began; not before the process started, because another release or other
            settings may have been served until then.
        now: when the content after it was seen: the limit if `changed` is of a wrong clock.
    """
    return min(math.ceil(now), math.floor(changed) + SETTLING_SECONDS)


def date_of(  # noqa: PLR0913  the facts that it depends on
    known: AddressDates | None, etag: str, *, sequence: int, earliest: int, now: float, lead: float = 0.0
) -> AddressDates:
    """The dates to remember of an address whose current representation has this ETag.

    Content that comes back (A, B, A) gets a new date, because a client that holds B must get A.

    Args:
        known: the dates that are remembered so far.
        etag: of the representation.
        sequence: of the index state that it was made from; at least that of `known`.
        earliest: the date of a new ETag, if it is later than all that were given out.
        now: in seconds since the epoch.
        lead: how far ahead of the clock a date may be given out, in seconds.
    """
    given: set[int] = set() if known is None else {_sent(known), *known.ahead}
    # Later dates are of a clock that was set back. HTTP ignores a client's date that is later than now, so
    # these dates count only when their time comes.
    ahead = {date for date in given if date > now + MOST_AHEAD_SECONDS}
    sent = max(given.difference(ahead), default=0)
    date = max(earliest, sent + 1)
    while date in given:  # to other content, by a clock that was ahead
        date += 1
    if known is not None and known.etag == etag and sent <= known.last_modified <= now + MOST_AHEAD_SECONDS:
        date = known.last_modified
    sent = max(sent, date) if date <= now + lead else sent
    return AddressDates(etag, date, sequence, sent, _nearest(given - {0, sent}, now))


def _nearest(dates: Set[int], now: float) -> tuple[int, ...]:
    """The dates to remember, in their order: the nearest ones ahead, then the latest ones that are past."""
    ranked = sorted(dates, key=lambda date: (date <= now, abs(date - now)))
    return tuple(sorted(ranked[:MOST_EARLIER_DATES]))


def _sent(known: AddressDates) -> int:
    return known.last_modified if known.sent is None else known.sent
