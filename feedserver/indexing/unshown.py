"""Tells why the articles of a check are in no feed, without being wrong: for an editor who misses one.

Hidden, future and expired articles are no problems, so a check has no findings about them. Decides nothing:
the reasons follow from the verdict and the dates of a reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from feedserver.index.decisions import Candidate
from feedserver.model import Verdict


class Reason(StrEnum):
    """Why an article is in no feed now, as a summary counts it."""

    HIDDEN = "hidden"
    LATER = "later"
    EXPIRED = "expired"
    UNDATED = "without a date"


class Unshown(NamedTuple):
    """The reason, and the moment at which the article comes or went, in seconds since the epoch."""

    reason: Reason
    moment: int | None = None

    @property
    def date(self) -> str:
        """The moment as a date of RFC 3339; '' if there is none."""
        return "" if self.moment is None else f"{datetime.fromtimestamp(self.moment, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def __str__(self) -> str:
        texts = {
            Reason.HIDDEN: "is hidden",
            Reason.LATER: f"comes at {self.date}",
            Reason.EXPIRED: f"expired at {self.date}",
            Reason.UNDATED: "has no date",
        }
        return texts[self.reason]


def why_unshown(verdict: Verdict, candidate: Candidate | None, now: int) -> Unshown | None:
    """Why a file that holds an article is in no feed; None if it is in one, is broken, or holds none."""
    if verdict is Verdict.HIDDEN:
        return Unshown(Reason.HIDDEN)
    if verdict is Verdict.UNDATED:
        return Unshown(Reason.UNDATED)
    if candidate is None or candidate.is_live(now):
        return None
    if candidate.visible_until is not None and candidate.visible_until <= now:
        return Unshown(Reason.EXPIRED, candidate.visible_until)
    return Unshown(Reason.LATER, max(candidate.published, candidate.visible_from))


def summary(all_unshown: Iterable[Unshown | None]) -> str:
    """How many articles are in no feed, by reason: `2 hidden, 1 without a date`; '' if there are none."""
    counts = Counter(one.reason for one in all_unshown if one is not None)
    return ", ".join(f"{counts[reason]} {reason.value}" for reason in Reason if counts[reason])
