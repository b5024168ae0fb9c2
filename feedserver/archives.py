"""Which entries are in which archive document (RFC 5005 section 4).

A listing's entries are divided by the UTC month of their publication, and a month into parts of at most
100, oldest first. A part is closed, and so an archive document, when it is full or when its month has
ended; what is in no closed part yet is in the subscription document. Parts do not reflow: a late or
backdated article changes its own month and the links of the neighbours.

Pure: counts in, parts out. Knows no clock, no database and no address of the site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from feedserver.model import Value

PART_ENTRIES = 100

# Months are numbered: year * 12 + month - 1. Nothing is published in the first and the last year that
# there are, of which not all months have bounds.
_PART = re.compile(r"((?!0000|9999)[0-9]{4})-(0[1-9]|1[0-2])\.([1-9][0-9]{0,6})")


class Part(Value, frozen=True, order=True):
    """One part of a month; `number` counts from 1."""

    month: int
    number: int

    def __str__(self) -> str:
        return f"{self.month // 12:04d}-{self.month % 12 + 1:02d}.{self.number}"

    @property
    def offset(self) -> int:
        """How many entries of the month are before it."""
        return (self.number - 1) * PART_ENTRIES


def parse_part(text: str) -> Part | None:
    """The part that `2020-06.1` names, or None."""
    match = _PART.fullmatch(text)
    return None if match is None else Part(month=int(match[1]) * 12 + int(match[2]) - 1, number=int(match[3]))


def month_of(seconds: int) -> int:
    """The number of the UTC month of a time in seconds since the epoch."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.year * 12 + moment.month - 1


def month_bounds(month: int) -> tuple[int, int]:
    """The first second of a month and of the next one, since the epoch."""
    first, after = (datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in (month, month + 1))
    return int(first.timestamp()), int(after.timestamp())


def closed_parts(months: Mapping[int, int], month: int, open_month: int) -> int:
    """How many archive documents a month has, if months from `open_month` on have not ended."""
    entries = months.get(month, 0)
    if month < open_month:
        return -(-entries // PART_ENTRIES)
    return entries // PART_ENTRIES if month == open_month else 0


def is_closed(part: Part, months: Mapping[int, int], open_month: int) -> bool:
    """Whether a part is an archive document."""
    return part.number <= closed_parts(months, part.month, open_month)


def subscription_entries(months: Mapping[int, int], open_month: int) -> int:
    """How many entries, the newest ones, are in no archive document."""
    recent = sum(entries for month, entries in months.items() if month >= open_month)
    return recent - PART_ENTRIES * closed_parts(months, open_month, open_month)


def previous_part(part: Part, months: Mapping[int, int], open_month: int) -> Part | None:
    """The part before one: of the same month, else the last one of the nearest month before."""
    if part.number > 1:
        return Part(month=part.month, number=part.number - 1)
    return last_part({month: entries for month, entries in months.items() if month < part.month}, open_month)


def last_part(months: Mapping[int, int], open_month: int) -> Part | None:
    """The newest archive document."""
    for month in sorted(months, reverse=True):
        closed = closed_parts(months, month, open_month)
        if closed:
            return Part(month=month, number=closed)
    return None


def next_part(part: Part, months: Mapping[int, int], open_month: int) -> Part | None:
    """The part after one, or None if the subscription document comes next."""
    if part.number < closed_parts(months, part.month, open_month):
        return Part(month=part.month, number=part.number + 1)
    for month in sorted(month for month in months if month > part.month):
        if closed_parts(months, month, open_month):
            return Part(month=month, number=1)
    return None
