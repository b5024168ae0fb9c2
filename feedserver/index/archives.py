"""Which entries are in which archive document (RFC 5005 section 4).

A listing's entries are divided by the UTC month of their publication, and each month into pieces of at most
100, oldest first. A piece is closed, and then is an archive document, when it is full or when its month has
ended. Entries that are in no archive document yet are in the subscription document. Archive documents do not
reflow: a late or backdated article changes its own month and the links of the neighbours.

Pure: counts in, archive documents out. Knows no clock, no database and no address of the site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from feedserver.model import Value

ARCHIVE_ENTRIES = 100

# Months are numbered: year * 12 + month - 1. Nothing is published in the first and the last year that
# there are, of which not all months have bounds.
_ARCHIVE = re.compile(r"((?!0000|9999)[0-9]{4})-(0[1-9]|1[0-2])\.([1-9][0-9]{0,6})")


class ArchiveDocument(Value, frozen=True, order=True):
    """An archive document of a month; `number` counts from 1. It exists once it is closed."""

    month: int
    number: int

    def __str__(self) -> str:
        return f"{self.month // 12:04d}-{self.month % 12 + 1:02d}.{self.number}"

    @property
    def offset(self) -> int:
        """How many entries of the month are before it."""
        return (self.number - 1) * ARCHIVE_ENTRIES


def parse_archive(text: str) -> ArchiveDocument | None:
    """The archive document that `2020-06.1` names, or None."""
    match = _ARCHIVE.fullmatch(text)
    if match is None:
        return None
    return ArchiveDocument(month=int(match[1]) * 12 + int(match[2]) - 1, number=int(match[3]))


def month_of(seconds: int) -> int:
    """The number of the UTC month of a time in seconds since the epoch."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.year * 12 + moment.month - 1


def month_bounds(month: int) -> tuple[int, int]:
    """The first second of a month and of the next one, since the epoch."""
    first, after = (datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in (month, month + 1))
    return int(first.timestamp()), int(after.timestamp())


def closed_archives(months: Mapping[int, int], month: int, open_month: int) -> int:
    """How many archive documents a month has, if months from `open_month` on have not ended."""
    entries = months.get(month, 0)
    if month < open_month:
        return -(-entries // ARCHIVE_ENTRIES)
    return entries // ARCHIVE_ENTRIES if month == open_month else 0


def is_closed(archive: ArchiveDocument, months: Mapping[int, int], open_month: int) -> bool:
    """Whether there is such an archive document: whether it is full, or its month has ended."""
    return archive.number <= closed_archives(months, archive.month, open_month)


def subscription_entries(months: Mapping[int, int], open_month: int) -> int:
    """How many entries, the newest ones, are in no archive document."""
    recent = sum(entries for month, entries in months.items() if month >= open_month)
    return recent - ARCHIVE_ENTRIES * closed_archives(months, open_month, open_month)


def previous_archive(
    archive: ArchiveDocument, months: Mapping[int, int], open_month: int
) -> ArchiveDocument | None:
    """The one before: of the same month, else the last one of the nearest month before."""
    if archive.number > 1:
        return ArchiveDocument(month=archive.month, number=archive.number - 1)
    return last_archive(
        {month: entries for month, entries in months.items() if month < archive.month}, open_month
    )


def last_archive(months: Mapping[int, int], open_month: int) -> ArchiveDocument | None:
    """The newest archive document, or None."""
    for month in sorted(months, reverse=True):
        closed = closed_archives(months, month, open_month)
        if closed:
            return ArchiveDocument(month=month, number=closed)
    return None


def archive_at(months: Mapping[int, int], position: int) -> ArchiveDocument | None:
    """Where the entry at a position is, of all entries, the newest first and counted from 0.

    Returns:
        The piece of its month, which is an archive document once it is closed. None if there are fewer
        entries.
    """
    for month in sorted(months, reverse=True):
        if position < months[month]:
            from_oldest = months[month] - 1 - position
            return ArchiveDocument(month=month, number=from_oldest // ARCHIVE_ENTRIES + 1)
        position -= months[month]
    return None


def next_archive(
    archive: ArchiveDocument, months: Mapping[int, int], open_month: int
) -> ArchiveDocument | None:
    """The one after, or None if the subscription document comes next."""
    if archive.number < closed_archives(months, archive.month, open_month):
        return ArchiveDocument(month=archive.month, number=archive.number + 1)
    for month in sorted(month for month in months if month > archive.month):
        if closed_archives(months, month, open_month):
            return ArchiveDocument(month=month, number=1)
    return None
