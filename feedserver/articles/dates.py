"""Dates and durations as people write them in front matter.

Knows no clock: whether a date lies in the future is judged elsewhere.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[Tt]|[ \t]+)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d*)?)?"
    r"[ \t]*([Zz]|([+-])(\d{1,2})(?::?(\d{2}))?)?)?",
    re.ASCII,
)
# What nearly all articles state; the interpreter reads it in a sixth of the time (measured).
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\dZ", re.ASCII)
_RFC822 = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?\d{1,2}\s+[A-Za-z]{3}\s+(?:\d{2}|\d{4})\s+\d{1,2}:\d{2}(?::\d{2})?"
    r"(?:\s+(?P<zone>[+-]\d{4}|[A-Za-z]{1,5}))?",
    re.ASCII,
)
_FILE_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-(?=.)", re.ASCII)
_DURATION = re.compile(
    r"P(?=[\dT])(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})(?:[.,]\d+)?S)?)?",
    re.ASCII,
)


@lru_cache(maxsize=16)
def zone_named(name: str) -> tzinfo:
    """The time zone with an IANA name; raises `zoneinfo.ZoneInfoNotFoundError` if there is none."""
    return UTC if name == "UTC" else ZoneInfo(name)


def parse_date(text: str, zone: tzinfo) -> datetime:
    """A date or time, in UTC and whole seconds.

    Understands ISO 8601 as YAML and RFC 3339 have it (`2020-01-02`, `2020-01-02 10:00:00 +0800`) and
    RFC 822. What states no zone is in `zone`, the first of two times where clocks go back.

    Raises:
        ValueError: it is neither, or no such time exists. Plain numbers are not dates.
    """
    text = text.strip()
    try:
        if _USUAL.fullmatch(text):
            moment = datetime.fromisoformat(text)
        elif match := _ISO.fullmatch(text):
            moment = _from_iso(match, zone).astimezone(UTC)
        elif match := _RFC822.fullmatch(text):
            moment = _from_rfc822(text, match["zone"], zone).astimezone(UTC)
        else:
            raise ValueError("not a date")
    except (OverflowError, TypeError) as error:
        # Next to the years 1 and 9999 an offset leaves the calendar; email.utils knows TypeErrors.
        raise ValueError("not a date") from error
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValueError("not a date that every time zone can show")
    return moment.replace(microsecond=0)


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


def _from_rfc822(text: str, offset: str | None, zone: tzinfo) -> datetime:
    moment = parsedate_to_datetime(text)
    if moment.tzinfo is not None:
        return moment
    # -0000 is UTC from an unknown place (RFC 5322 section 3.3).
    return moment.replace(tzinfo=UTC if offset == "-0000" else zone)


def split_dated_name(stem: str) -> tuple[str, str]:
    """A file name without extension as its `YYYY-MM-DD` and the rest; ('', stem) if it holds none."""
    match = _FILE_NAME.match(stem)
    return (match[1], stem[match.end() :]) if match else ("", stem)


def parse_duration(text: str) -> int:
    """The seconds of an ISO 8601 duration of weeks, days, hours, minutes, seconds; fractions are cut.

    Raises:
        ValueError: it is none, or holds years or months, whose length depends on the calendar.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError("not a duration")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
