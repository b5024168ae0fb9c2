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
# `2024.5.1`.
_DATED = re.compile(
    r"(?:.*/)?(\d{4})[-_/](\d\d?)(?:[-_](\d\d?)|/(\d\d))(?:[-_ /]([^/]+))?", re.ASCII | re.DOTALL
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
    """

    day: date | None
    name: str
    folders: tuple[str, ...]


def split_dated_path(path: PurePosixPath) -> DatedName:
    """The date in a path, and the rest of the path."""
    *_, name = parts = page_parts(path)
    match = _DATED.fullmatch("/".join(parts))
    if match is None:
        return DatedName(None, name, path.parts[:-1])
    year, month, day, own_day, rest = match.groups()
    try:
        stated = date(int(year), int(month), int(day or own_day))
    except ValueError:  # as in 2020-13-45-parts.md
        return DatedName(None, name, path.parts[:-1])
    return DatedName(stated, rest or name, parts[: match[0].count("/", 0, match.start(1))])


def date_of_file_name(path: PurePosixPath, rules: ReadingRules) -> datetime | None:
    """The date that the path of a file states, in UTC, if the rules use it."""
    stated = split_dated_path(page_path(path, rules)).day if rules.date_from_file_name else None
    if stated is None:
        return None
    midnight = datetime(stated.year, stated.month, stated.day, tzinfo=zone_named(rules.time_zone))
    try:
        return midnight.astimezone(UTC)
    except OverflowError:
        return None  # at the ends of the calendar


def slug_of_file_name(path: PurePosixPath, rules: ReadingRules) -> str:
    """The name of a file's page, without language and date if the rules use them; not yet encoded."""
    path = page_path(path, rules)
    return split_dated_path(path).name if rules.date_from_file_name else page_parts(path)[-1]


def folders_of_file_name(path: PurePosixPath, rules: ReadingRules) -> tuple[str, ...]:
    """The folders of a file, without those of its date if the rules use it."""
    return split_dated_path(page_path(path, rules)).folders if rules.date_from_file_name else path.parts[:-1]
