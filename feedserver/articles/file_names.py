"""Names of files and folders: the page that a file is, the date in its path, and the name that remains.

Makes neither ids, which have rules of their own (`identity`), nor addresses.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from feedserver.articles.dates import zone_named
from feedserver.articles.rules import ReadingRules

# The parts of a date are in one name or in folders: `2024-05-01-x`, `2024/05/01-x`, `2024/05/01/x`. A day
# that begins a name has two digits, so that `2024/05/7-tips` is no date. Dots are those of versions:
# `2024.5.1`. Zola also knows a time after the date: `2024-05-01T10:00:00Z-x`.
_TIME = r"T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:Z|[+-][01]\d:[0-5]\d)?"
_DATED = re.compile(
    rf"(?:.*/)?(\d{{4}})[-_/](\d\d?)(?:[-_](\d\d?)({_TIME})?|/(\d\d))(?:[-_ /]([^/]+))?",
    re.ASCII | re.DOTALL,
)


def page_path(path: PurePosixPath, rules: ReadingRules) -> PurePosixPath:
    """The path of a file without the language at the end of its name, if the rules know it."""
    language = language_of_file_name(path, rules)
    return path.with_name(path.stem[: -len(language) - 1] + path.suffix) if language else path


def language_of_file_name(path: PurePosixPath, rules: ReadingRules) -> str:
    """The language at the end of a file's name, as the rules write it; '' if there is none.

    `index.es.md` is the Spanish page of its folder.
    """
    if not rules.languages:
        return ""
    name, _, end = path.stem.rpartition(".")
    known = (language for language in rules.languages if language.casefold() == end.casefold())
    return next(known, "") if name else ""


def page_parts(path: PurePosixPath) -> tuple[str, ...]:
    """The folders and the name of a file's page; an index file is the page of its folder."""
    folders = path.parts[:-1]
    return folders if path.stem == "index" and folders else (*folders, path.stem)


class DatedName(NamedTuple):
    """A path taken apart: its date, the name that remains, and the folders before the date.

    If nothing remains or there is no date, the name is the whole one.

    Attributes:
        written: year, month and day as they are in the path, with slashes.
        rest: the name that remains, '' if nothing does.
        time: of the day, with its zone, as `T10:00:00Z`; '' if the path has none.
    """

    day: date | None
    name: str
    folders: tuple[str, ...]
    written: str = ""
    rest: str = ""
    time: str = ""


def split_dated_path(path: PurePosixPath) -> DatedName:
    """The date in a path, and the rest of the path."""
    *_, name = parts = page_parts(path)
    match = _DATED.fullmatch("/".join(parts))
    if match is None:
        return DatedName(None, name, path.parts[:-1])
    year, month, day, time, own_day, rest = match.groups()
    day = day or own_day
    try:
        stated = date(int(year), int(month), int(day))
    except ValueError:  # as in 2020-13-45-parts.md
        return DatedName(None, name, path.parts[:-1])
    folders = parts[: match[0].count("/", 0, match.start(1))]
    return DatedName(stated, rest or name, folders, f"{year}/{month}/{day}", rest or "", time or "")


def date_of_file_name(path: PurePosixPath, rules: ReadingRules) -> datetime | None:
    """The date that the path of a file states, in UTC, if the rules use it."""
    if not rules.date_from_file_name:
        return None
    dated = split_dated_path(page_path(path, rules))
    if dated.day is None:
        return None
    stated = datetime.fromisoformat(f"{dated.day.isoformat()}{dated.time or 'T00:00'}")
    try:
        return (stated if stated.tzinfo else stated.replace(tzinfo=zone_named(rules.time_zone))).astimezone(
            UTC
        )
    except OverflowError:
        return None  # at the ends of the calendar


def slug_of_file_name(path: PurePosixPath, rules: ReadingRules) -> str:
    """The name of a file's page, without language and date if the rules use them; not yet encoded."""
    path = page_path(path, rules)
    return split_dated_path(path).name if rules.date_from_file_name else page_parts(path)[-1]


def folders_of_file_name(path: PurePosixPath, rules: ReadingRules) -> tuple[str, ...]:
    """The folders of a file, without those of its date if the rules use it."""
    return split_dated_path(page_path(path, rules)).folders if rules.date_from_file_name else path.parts[:-1]


def extensions_of(path: PurePosixPath, rules: ReadingRules) -> tuple[str, ...]:
    """The extensions of Markdown that a file uses: those of the rules, and MDX if its name says so."""
    is_more = path.suffix.lower() == ".mdx" and "mdx" not in rules.markdown
    return (*rules.markdown, "mdx") if is_more else rules.markdown
