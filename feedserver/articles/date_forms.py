"""Parses the dates that programs and people write besides ISO 8601, without a guess.

A text is a date only if it can mean one day. `dates.parse_date` reads the frequent forms itself and asks this
module for the others: year first with slashes, dots or the Chinese signs, the name of a month, the output of
`date` of Unix and of `Date` of JavaScript, RFC 822, seconds or milliseconds since 1970, digits without
separators. Uses no clock: nothing that is missing in a text is added from today's date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache

_LONGEST = 100  # characters; the longest known form has a zone's name in brackets

_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {
    spelling: number for number, name in enumerate(_MONTH_NAMES, 1) for spelling in (name[:3], name)
} | {"sept": 9}

# RFC 822 section 5.1, and the zones of Europe, whose names no other zone has.
_ZONES = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet"), 0),
    **dict.fromkeys(("edt",), -4),
    **dict.fromkeys(("est", "cdt"), -5),
    **dict.fromkeys(("cst", "mdt"), -6),
    **dict.fromkeys(("mst", "pdt"), -7),
    **dict.fromkeys(("pst",), -8),
    **dict.fromkeys(("west", "cet"), 1),
    **dict.fromkeys(("cest", "eet"), 2),
    **dict.fromkeys(("eest", "msk"), 3),
}

_TIME = (
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d*+)?)?)?"
    r"(?:[ ]*(?P<half>[ap])\.?m\b\.?)?"
)
# The name in brackets is JavaScript's, and Go's follows the offset; both repeat what the offset says.
_OFFSET = r"(?:gmt|utc)?(?P<sign>[+-])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?(?:\ [a-z]{3,5})?"
_ZONE = rf"(?:(?P<zone>[a-z]{{1,5}})|{_OFFSET})(?:\ *\([^()]*+\))?"
_THEN_TIME = rf"(?:(?:t|,?\ +(?:at\ +)?){_TIME}(?:\ *{_ZONE})?)?"
_DAY = r"(?P<day>\d\d?)(?:st|[nr]d|th)?"
_MONTH = r"(?P<month>[a-z]{3,9})\.?"
_BASIC_DAY = r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)"
_YEAR = r"(?P<year>\d{4})"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\ +)?"

_FORMS = (
    # 2022/07/08 10:30, 2022.07.08, 2022-07-08 10:00 PM EST
    rf"{_YEAR}([-/.])(?P<month>\d\d?)\2(?P<day>\d\d?){_THEN_TIME}",
    rf"{_YEAR}年\ ?(?P<month>\d\d?)月\ ?(?P<day>\d\d?)日{_THEN_TIME}",
    # Fri, 8th July 2022 10:00 GMT, 08-Jul-2022
    rf"{_WEEKDAY}{_DAY}(?:\.?\ +|-){_MONTH}(?:,?\ +|-){_YEAR}{_THEN_TIME}",
    # RFC 822 has years of two digits.
    rf"{_WEEKDAY}{_DAY}\ +{_MONTH}\ +(?P<year>\d\d)\ +{_TIME}(?:\ *{_ZONE})?",
    # July 8, 2022 at 10:00 PM, Fri Jul 08 2022 10:00:00 GMT+0200 (CEST)
    rf"{_WEEKDAY}{_MONTH}\ +{_DAY},?\ +{_YEAR}{_THEN_TIME}",
    # Fri Jul  8 10:00:00 UTC 2022
    rf"{_WEEKDAY}{_MONTH}\ +{_DAY}\ +{_TIME}(?:\ +{_ZONE})?\ +{_YEAR}",
    # 20220708T103000Z, of which the time and its seconds may be missing
    rf"{_BASIC_DAY}(?:t(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?(?:{_ZONE})?)?",
    # 20220708103000
    rf"{_BASIC_DAY}(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)",
)
# 9 or 10 digits are seconds of the years 1973 to 2286. 12 digits may also be `202207081030`.
_EPOCH = re.compile(r"(\d{9,10})(?:\.\d*+)?|(\d{13})(?:\.\d*+)?", re.ASCII)
_YEAR_LAST = re.compile(r"(\d\d?)([-/.])(\d\d?)\2(\d{4}|\d\d)(?!\d)(.*)", re.ASCII)


class AmbiguousDateError(ValueError):
    """The text may mean several days; the message names them."""


def parse_written_date(text: str, zone: tzinfo) -> datetime:
    """The moment that a text means; `zone` is that of a time without one.

    Raises:
        AmbiguousDateError: the text may mean several days.
        ValueError: the text is no date, or no such day or time exists.
    """
    if len(text) > _LONGEST:
        raise ValueError("too long for a date")
    text = " ".join(text.split())
    for form in _forms():
        if match := form.fullmatch(text):
            return _moment(match.groupdict(), zone)
    if match := _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(match[1] or match[2][:-3]), UTC)
    if match := _YEAR_LAST.fullmatch(text):
        return parse_written_date(f"{_only_day(*match.group(1, 3, 4))}{match[5]}", zone)
    raise ValueError("no known form of a date")


@cache
def _forms() -> tuple[re.Pattern[str], ...]:
    """The patterns. Compiling them takes 25 ms, which a program that meets no such date need not spend."""
    return tuple(re.compile(form, re.ASCII | re.IGNORECASE) for form in _FORMS)


def _moment(parts: dict[str, str | None], zone: tzinfo) -> datetime:
    """The moment of the parts of a text."""
    hour, minute, second = (parts.get(name) for name in ("hour", "minute", "second"))
    moment = datetime(
        _year(parts["year"] or ""),
        _month(parts["month"] or ""),
        int(parts["day"] or ""),
        _hour(hour, minute, parts.get("half")),
        int(minute or 0),
        # A leap second (RFC 3339 section 5.6) becomes the last ordinary one of its minute.
        59 if second == "60" else int(second or 0),
        tzinfo=zone,
    )
    return moment.replace(tzinfo=_zone(parts, moment))


def _year(digits: str) -> int:
    if len(digits) == 4:
        return int(digits)
    # RFC 5322 section 4.3
    return int(digits) + (2000 if int(digits) < 50 else 1900)


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.get(text.lower(), 0)


def _hour(hour: str | None, minute: str | None, half: str | None) -> int:
    number = int(hour or 0)
    if not half:
        if hour and not minute:
            raise ValueError("an hour alone is no time")
        return number
    if not 1 <= number <= 12:
        raise ValueError("no such hour before or after noon")
    return number % 12 + (12 if half.lower() == "p" else 0)


def _zone(parts: dict[str, str | None], moment: datetime) -> tzinfo | None:
    """The zone that a text states, else that of the moment.

    A name that the zone of the site has at that time means that zone: `CST` is also the time of China.

    Raises:
        ValueError: no such offset, or a name that is unknown or has several meanings.
    """
    sign, hours, minutes, name = (parts.get(key) for key in ("sign", "hours", "minutes", "zone"))
    if sign:
        if int(minutes or 0) > 59:
            raise ValueError("no such offset")
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return timezone(-offset if sign == "-" else offset)
    if not name or name.upper() == moment.tzname():
        return moment.tzinfo
    if name.lower() not in _ZONES:
        raise ValueError("unknown name of a time zone")
    return timezone(timedelta(hours=_ZONES[name.lower()]))


def _only_day(first: str, second: str, year: str) -> str:
    """The day of a date whose year comes last, in ISO 8601.

    Raises:
        AmbiguousDateError: it may be either of two days, or the year has two digits.
    """
    if len(year) != 4:
        raise AmbiguousDateError("ambiguous; write the year first, with four digits, as in 2022-07-08")
    days = sorted(set(_days(int(year), int(first), int(second))))
    if len(days) != 1:
        raise (
            AmbiguousDateError(f"ambiguous; write it as {' or '.join(days)}")
            if days
            else ValueError("no day")
        )
    return days[0]


def _days(year: int, first: int, second: int) -> Iterator[str]:
    for month, day in ((first, second), (second, first)):
        try:
            yield date(year, month, day).isoformat()
        except ValueError:
            continue
