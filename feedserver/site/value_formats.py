"""How values read on pages: dates, numbers, durations, first words; and which of them a page may hold.

Pure: no locale and no clock, so that a page of the same values is the same everywhere (promise 2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from feedserver.articles.markup import text_of
from feedserver.index.archives import ArchiveDocument
from feedserver.model import Image

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def day(moment: datetime) -> str:
    """The day in UTC: `11 May 2021`. Not strftime, whose month names follow the process's locale."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def period(archive: ArchiveDocument) -> str:
    """The month of an archive document: `June 2020`, and `June 2020, part 2`."""
    month = f"{_MONTHS[archive.month % 12]} {archive.month // 12}"
    return month if archive.number == 1 else f"{month}, part {number(archive.number)}"


def minute(moment: datetime) -> str:
    """The minute in UTC: `11 May 2021, 08:56 UTC`."""
    return f"{day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def machine_time(moment: datetime) -> str:
    """A valid `datetime` attribute: `2021-05-11T08:56:31Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def number(number: int) -> str:
    return f"{number:,}"


def articles(count: int) -> str:
    return "1 article" if count == 1 else f"{number(count)} articles"


def duration(seconds: int) -> str:
    """A duration in its two largest units: `1 h 5 min`, `12 min`, `45 s`."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" * bool(hours), f"{minutes} min" * bool(minutes)) if part)


def web_url(url: str) -> str:
    """The URL if a browser would fetch it over http or https, else the empty string.

    The test compares the first characters unchanged: a browser strips spaces and control characters before
    `javascript:`, so no other beginning is allowed.
    """
    return url if re.match("https?://", url, re.IGNORECASE) else ""


# A word before one of these ends there.
_BREAK = re.compile("<(?:br|/(?:p|li|t[dh]|h[1-6]|div|d[dt]|pre))\\b")
_LOOKED_AT = 4_000  # characters of a body, of which its first words are taken
_MOST_WORDS = 300  # characters


def first_words(body_html: str) -> str:
    """The first words of a sanitised body, for an article without title and excerpt; '' if it has no text."""
    head = body_html[:_LOOKED_AT]
    if len(head) < len(body_html):
        head = head[: head.rfind("<")]
    text = " ".join(text_of(_BREAK.sub(r" \g<0>", head)).split())
    if len(text) <= _MOST_WORDS and len(head) == len(body_html):
        return text
    cut = text[:_MOST_WORDS]
    return f"{cut.rpartition(' ')[0] or cut}…" if cut else ""


def lead_image(images: Sequence[Image]) -> Image | None:
    """The first picture that a page can show."""
    return next((image for image in images if web_url(image.url)), None)


# The characters that the HTML standard forbids (13.2.3.5): controls, surrogates and noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)


def clean(value: object) -> object:
    """Leave out forbidden characters. Runs on every value of every template, before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _FORBIDDEN.sub("", value)
    return value
