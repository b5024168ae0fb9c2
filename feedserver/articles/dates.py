"""Parses dates and durations of front matter.

Uses no clock: whether a date lies in the future is decided elsewhere.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache, reduce
from zoneinfo import ZoneInfo

from feedserver.articles.date_forms import AmbiguousDateError, parse_written_date

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[Tt]|[ \t]+)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d*)?)?"
    r"[ \t]*([Zz]|([+-])(\d{1,2})(?::?(\d{2}))?)?)?",
    re.ASCII,
)
# The format of nearly all articles; the interpreter parses it in a sixth of the time (measured).
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\dZ", re.ASCII)
# The zero dates of programs: those of SQL, of Go, and of numbers.
_ZERO = re.compile(
    r"0+|(?:0000-00-00|0001-01-01)(?:[Tt ]00:00(?::00(?:\.0*+)?)?)?(?: ?(?:[Zz]|\+00:?00(?: UTC)?))?",
    re.ASCII,
)
_DURATION = re.compile(
    r"P(?=[\dT])(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})(?:[.,]\d+)?S)?)?",
    re.ASCII,
)
# The formats of podcasts: 1865, 31:05, 1:02:03.
_CLOCK = re.compile(r"(\d{1,9}(?::[0-5]\d){0,2})(?:[.,]\d+)?", re.ASCII)


@lru_cache(maxsize=16)
def zone_named(name: str) -> tzinfo:
    """The time zone with an IANA name; raises `zoneinfo.ZoneInfoNotFoundError` if there is none."""
    return UTC if name == "UTC" else ZoneInfo(name)


def parse_date(text: str, zone: tzinfo) -> datetime:
    """A date or time, in UTC and whole seconds.

    Understands ISO 8601 as in YAML and RFC 3339 (`2020-01-02`, `2020-01-02 10:00:00 +0800`), and the forms of
    `date_forms`. A time without a zone is in `zone`; if it occurs twice, because clocks go back, the first
    one is meant.

    Raises:
        ValueError: the text is no date, no such time exists, or it may mean several days. The message is a
            predicate of the text: "not a date", or "ambiguous" with the days.
    """
    text = text.strip()
    try:
        if _USUAL.fullmatch(text):
            moment = datetime.fromisoformat(text)
        elif match := _ISO.fullmatch(text):
            moment = _from_iso(match, zone).astimezone(UTC)
        else:
            moment = parse_written_date(text, zone).astimezone(UTC)
    except AmbiguousDateError:
        raise
    except (OverflowError, ValueError) as error:
        # Near the years 1 and 9999 an offset leaves the calendar.
        raise ValueError("not a date") from error
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValueError("not a date that every time zone can show")
    return moment.replace(microsecond=0)


def is_zero_date(text: str) -> bool:
    """Whether a program wrote that there is no date: `0`, `0000-00-00`, `0001-01-01T00:00:00Z`."""
    return text[:1] == "0" and bool(_ZERO.fullmatch(text))


def _from_iso(match: re.Match[str], zone: tzinfo) -> datetime:
    year, month, day, hour, minute, second = (int(number or 0) for number in match.groups()[:6])
    # A leap second (RFC 3339 section 5.6) becomes the last ordinary one of its minute.
    second = 59 if second == 60 else second
    return datetime(year, month, day, hour, minute, second, tzinfo=_stated_zone(match) or zone)


def _stated_zone(match: re.Match[str]) -> tzinfo | None:
    name, sign, hours, minutes = match.groups()[6:]
    if not sign:
        return UTC if name else None
    if int(minutes or 0) > 59:
        raise ValueError("no such offset")
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if sign == "-" else offset)


def parse_duration(text: str) -> int:
    """The seconds of a duration; fractions are dropped.

    Understands ISO 8601 with weeks, days, hours, minutes and seconds (`PT31M5S`), a clock (`31:05`,
    `1:02:03`) and a plain number of seconds.

    Raises:
        ValueError: the text is not a duration, or has years or months, whose length depends on the calendar.
    """
    text = text.strip()
    if clock := _CLOCK.fullmatch(text):
        return reduce(lambda total, unit: total * 60 + int(unit), clock[1].split(":"), 0)
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("not a duration")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
