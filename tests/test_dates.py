"""Dates in the forms of programs and people: each reads back to its moment, and none is guessed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.dates import is_zero_date, parse_date, zone_named
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.model import Reading, Verdict

RULES = ReadingRules(id_authority="example.org", id_year=2025, base_url="https://example.org/")
MTIME = datetime(2024, 5, 6, tzinfo=UTC)

# Independent of the locale of the machine, unlike %a and %b.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
FIRST, MIDDLE, LAST = (datetime(year, 1, 2) for year in (1974, 2049, 2098))  # noqa: DTZ001
MOMENTS = st.datetimes(FIRST, LAST).map(lambda one: one.replace(microsecond=0))
OFFSETS = st.integers(-14 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))


def month(moment: datetime) -> str:
    return MONTHS[moment.month - 1]


def clock(moment: datetime) -> str:
    """The time as clocks of twelve hours have it."""
    return f"{(moment.hour + 11) % 12 + 1}:{moment:%M:%S} {'PM' if moment.hour > 11 else 'AM'}"


# By program or custom: a moment of the site's zone as a text.
LOCAL: dict[str, Callable[[datetime], str]] = {
    "slashes": lambda at: f"{at:%Y/%m/%d %H:%M:%S}",
    "short numbers": lambda at: f"{at.year}/{at.month}/{at.day} {at.hour}:{at:%M:%S}",
    "dots": lambda at: f"{at:%Y.%m.%d %H:%M:%S}",
    "dashes before noon and after": lambda at: f"{at:%Y-%m-%d} {clock(at)}",
    "slashes before noon and after": lambda at: f"{at:%Y/%m/%d}, {clock(at)}",
    "Chinese": lambda at: f"{at.year}年{at.month}月{at.day}日 {at:%H:%M:%S}",
    "a short month first": lambda at: f"{month(at)[:3]} {at:%d %Y %H:%M:%S}",
    "a long month first": lambda at: f"{month(at)} {at.day}, {at.year} at {clock(at)}",
    "a long month after the day": lambda at: f"{at.day} {month(at)} {at.year} {at:%H:%M:%S}",
    "a short month with dashes": lambda at: f"{at:%d}-{month(at)[:3]}-{at:%Y %H:%M:%S}",
    "a month with a dot": lambda at: f"{month(at)[:3]}. {at.day}, {at.year}, {at:%H:%M:%S}",
    "asctime of C": lambda at: f"{DAYS[at.weekday()]} {month(at)[:3]} {at.day:2} {at:%H:%M:%S %Y}",
    "no separators": lambda at: f"{at:%Y%m%d%H%M%S}",
    "ISO 8601 in its basic form": lambda at: f"{at:%Y%m%dT%H%M%S}",
}
# A moment with an offset as a text.
ABSOLUTE: dict[str, Callable[[datetime], str]] = {
    "ISO 8601": lambda at: at.isoformat(),
    "YAML written by Ruby": lambda at: f"{at:%Y-%m-%d %H:%M:%S.000000000} {at.isoformat()[-6:]}",
    "RFC 822": format_datetime,
    "JavaScript's Date": lambda at: (
        f"{DAYS[at.weekday()]} {month(at)[:3]} {at:%d %Y %H:%M:%S GMT%z} (Central European Summer Time)"
    ),
    "Go's Time": lambda at: f"{at:%Y-%m-%d %H:%M:%S.123456789 %z} CEST",
    "slashes with an offset": lambda at: f"{at:%Y/%m/%d %H:%M:%S %z}",
    "Ruby's ctime with an offset": lambda at: f"{DAYS[at.weekday()]} {month(at)[:3]} {at:%d %H:%M:%S %z %Y}",
}
UTC_FORMS: dict[str, Callable[[datetime], str]] = {
    "seconds": lambda at: str(int(at.timestamp())),
    "seconds with a fraction": lambda at: f"{int(at.timestamp())}.25",
    "a name of a zone": lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC",
    "date of Unix": lambda at: f"{DAYS[at.weekday()]} {month(at)[:3]} {at.day:2} {at:%H:%M:%S} UTC {at.year}",
    "date of Unix in the United States": lambda at: (
        f"{DAYS[at.weekday()]} {at:%d} {month(at)[:3]} {at.year} {clock(at)} UTC"
    ),
    "toUTCString": lambda at: f"{DAYS[at.weekday()]}, {at:%d} {month(at)[:3]} {at:%Y %H:%M:%S} GMT",
    "basic with Z": lambda at: f"{at:%Y%m%dT%H%M%SZ}",
}


@given(MOMENTS, st.sampled_from(sorted(LOCAL)), st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]))
def test_a_time_without_a_zone_reads_back_in_the_zone_of_the_site(
    moment: datetime, form: str, zone: str
) -> None:
    site = zone_named(zone)
    local = moment.replace(tzinfo=site)
    assert parse_date(LOCAL[form](local), site) == local.astimezone(UTC)


@given(MOMENTS, OFFSETS, st.sampled_from(sorted(ABSOLUTE)))
def test_a_time_with_an_offset_reads_back(moment: datetime, offset: timezone, form: str) -> None:
    written = moment.replace(tzinfo=offset)
    assert parse_date(ABSOLUTE[form](written), zone_named("Asia/Tokyo")) == written.astimezone(UTC)


@given(st.datetimes(FIRST, MIDDLE), OFFSETS)
def test_a_short_year_of_rfc_822_is_of_this_century_up_to_49(moment: datetime, offset: timezone) -> None:
    written = moment.replace(second=0, microsecond=0, tzinfo=offset)
    text = f"{written.day} {month(written)[:3]} {written:%y %H:%M %z}"
    assert parse_date(text, UTC) == written


@given(MOMENTS, st.sampled_from(sorted(UTC_FORMS)))
def test_a_time_in_utc_reads_back(moment: datetime, form: str) -> None:
    written = moment.replace(tzinfo=UTC)
    assert parse_date(UTC_FORMS[form](written), zone_named("Asia/Tokyo")) == written


@given(MOMENTS.filter(lambda one: one.year > 2001))
def test_milliseconds_of_javascript_read_back(moment: datetime) -> None:
    written = moment.replace(tzinfo=UTC)
    assert parse_date(f"{int(written.timestamp())}678", UTC) == written


@pytest.mark.parametrize(
    "text",
    [
        *("2022-07-08", "2022/7/8", "2022.07.08", "20220708", "Jul 08 2022", "Jul. 8, 2022", "July 8 2022"),
        *("8 July 2022", "8. July 2022", "8th July 2022", "July 8th, 2022", "08-Jul-2022", "Fri, 8 Jul 2022"),
        *("Friday, July 8, 2022", "Fri Jul 08 2022", "FRI JUL 8 2022", "2022年7月8日", " 2022/07/08 "),
    ],
)
def test_a_day_begins_at_midnight_of_the_site(text: str) -> None:
    assert parse_date(text, zone_named("Asia/Tokyo")) == datetime(2022, 7, 7, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "hour"),
    [
        *(("UT", 10), ("GMT", 10), ("Z", 10), ("EST", 15), ("EDT", 14), ("CST", 16), ("CDT", 15)),
        *(("MST", 17), ("MDT", 16), ("PST", 18), ("PDT", 17), ("pst", 18), ("CET", 9), ("CEST", 8)),
        *(("UTC+2", 8), ("GMT-5", 15), ("+02:00", 8), ("-0000", 10)),
    ],
)
def test_the_name_of_a_zone_is_its_offset(zone: str, hour: int) -> None:
    for form in ("2022-07-08 10:00 {}", "8 Jul 2022 10:00:00 {}", "July 8, 2022 10:00 AM {}"):
        assert parse_date(form.format(zone), UTC) == datetime(2022, 7, 8, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("site", "name", "hour"),
    [("Asia/Shanghai", "CST", 2), ("Asia/Kolkata", "IST", 4), ("Europe/London", "BST", 9)],
)
def test_a_name_that_the_zone_of_the_site_has_is_that_zone(site: str, name: str, hour: int) -> None:
    moment = parse_date(f"Fri Jul  8 10:00:00 {name} 2022", ZoneInfo(site))
    assert (moment.day, moment.hour) == (8, hour)


@pytest.mark.parametrize("name", ["IST", "BST", "AMT", "A", "LOCAL", "Tokyo"])
def test_a_name_of_a_zone_with_several_meanings_or_none_is_no_date(name: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        parse_date(f"2022-07-08 10:00 {name}", UTC)


@pytest.mark.parametrize(
    ("text", "hour"), [("12:00 AM", 0), ("12:30 am", 0), ("1:00 a.m.", 1), ("12:00 PM", 12), ("11pm", 23)]
)
def test_hours_before_and_after_noon(text: str, hour: int) -> None:
    assert parse_date(f"2022-07-08 {text}", UTC).hour == hour


@pytest.mark.parametrize("text", ["07/08/2022", "7-8-2022", "08.07.2022", "07/08/2022, 10:00 PM"])
def test_a_date_that_may_mean_two_days_is_refused_with_both(text: str) -> None:
    with pytest.raises(ValueError, match="ambiguous; write it as 2022-07-08 or 2022-08-07"):
        parse_date(text, UTC)


@pytest.mark.parametrize("text", ["07/08/22", "25.12.22"])
def test_a_short_year_is_refused_as_ambiguous(text: str) -> None:
    with pytest.raises(ValueError, match="ambiguous; write the year first"):
        parse_date(text, UTC)


@pytest.mark.parametrize("text", ["25/12/2022", "12/25/2022", "25.12.2022 00:00", "12-25-2022"])
def test_a_date_with_one_meaning_is_read_although_its_year_comes_last(text: str) -> None:
    assert parse_date(text, UTC) == datetime(2022, 12, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "10",
            "2022",
            "2022-07",
            "May 2022",
            "10:00",
            "tomorrow",
            "Friday",
            "31/31/2022",
            "30 Feb 2022",
        ),
        *("2022/13/01", "2022/07-08", "2022-07-08 13:00 PM", "2022-07-08 0:30 AM", "2022-07-08 10", "1e9"),
        *(
            "202207081030",
            "12345678",
            "99991231235959999",
            "8 juillet 2022",
            "about 8 July 2022",
            "July 8, 22",
        ),
        *("2022-07-08 10:00 +99:99", "2022-07-08 10:61", "\u0662\u0660\u0662\u0662/07/08"),
    ],
)
def test_nothing_is_added_to_a_text_to_make_it_a_date(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(not a date|ambiguous)"):
        parse_date(text, UTC)


PIECES = st.sampled_from(
    [
        *("2022", "07", "8", "08", "22", "1657274400", "Jul", "July", "Fri", "Fri,", "10:00", "10:00:00.5"),
        *(" ", "  ", "/", "-", ".", ",", "T", "Z", "at", "AM", "p.m.", "UTC", "CEST", "+02:00", "-0500"),
        *("GMT+0200", "(CEST)", "(", ")", "年", "月", "日", "th", "0", "99", "60", "\u0663", "\u00a0"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.lists(PIECES, max_size=9).map(" ".join))
def test_any_text_is_a_date_in_utc_or_a_value_error(text: str) -> None:
    try:
        moment = parse_date(text, zone_named("Asia/Shanghai"))
    except ValueError:
        return
    assert moment.tzinfo is UTC
    assert not moment.microsecond


@pytest.mark.parametrize("piece", [" ", "1", "2022/07/08 ", "Jul ", "(", "Fri, ", ".", "10:00 ", "-"])
def test_a_text_of_a_megabyte_is_refused_in_no_time(piece: str) -> None:
    text = "2022/07/08 10:00 " + piece * (1_000_000 // len(piece)) + "x"
    begun = time.process_time()
    with pytest.raises(ValueError, match="not a date"):
        parse_date(text, UTC)
    assert time.process_time() - begun < 1


# --- Dates of articles


def read(front: str) -> Reading:
    text = f"---\ntitle: A\nlink: /a\n{front}\n---\n"
    return read_article(text.encode(), PurePosixPath("a.md"), MTIME, RULES)


@pytest.mark.parametrize(
    "zero",
    [
        *("0", "'0'", "0000-00-00", "0000-00-00 00:00:00", "0001-01-01", "0001-01-01T00:00:00Z", "''", "~"),
        *("0001-01-01 00:00:00 +0000 UTC", "0001-01-01T00:00:00+00:00", "false"),
    ],
)
def test_an_empty_or_zero_date_of_change_is_none(zero: str) -> None:
    reading = read(f"date: 2024-05-01\nupdated: {zero}")
    assert reading.article is not None
    assert (reading.article.updated, reading.findings) == (None, ())
    later = read(f"date: 2024-05-01\nlastmod: {zero}\nupdated: 2024-05-02").article
    assert later is not None
    assert later.updated == datetime(2024, 5, 2, tzinfo=UTC)


@pytest.mark.parametrize("zero", ["0", "0000-00-00 00:00:00", "0001-01-01T00:00:00Z"])
def test_a_zero_date_of_publication_publishes_nothing(zero: str) -> None:
    reading = read(f"date: {zero}")
    assert reading.verdict is Verdict.HIDDEN
    assert [finding.code for finding in reading.findings] == ["bad-date"]


@pytest.mark.parametrize("text", ["1970-01-01", "0000-00-01", "0001-01-01 10:00", "00:00", "2000-01-01"])
def test_other_dates_are_no_zero(text: str) -> None:
    assert not is_zero_date(text)


def test_a_date_of_change_that_is_none_costs_a_warning() -> None:
    reading = read("date: 2024-05-01\nupdated: 07/08/2022")
    assert reading.article is not None
    (finding,) = reading.findings
    assert (finding.severity, finding.code) == ("warning", "bad-date")
    assert "2022-07-08 or 2022-08-07" in finding.message
