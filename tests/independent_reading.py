"""Reads a folder of articles without a line of feedserver, for a replay to compare feeds with.

Knows front matter in YAML and TOML, dates in front matter and in file names, and what hides an article. That
is less than the product knows; what it cannot read is no article for a replay.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SUFFIXES = (".md", ".markdown", ".html")
SKIPPED = (".*", "*~", "*.swp", "README*", "_site", "_layouts", "_includes", "_drafts", "node_modules")
_FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(.*?)\n\1[ \t]*(?:\n(.*)|$)", re.DOTALL)
_DATED_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


class Told(NamedTuple):
    """The parts of an article that identify it to a subscriber: title and day of publication."""

    title: str
    day: str


class Read(NamedTuple):
    """An article as its file says: where it is, its bytes, and the words of its body."""

    path: str
    raw: bytes
    words: tuple[str, ...]


def read_folder(folder: Path, today: dt.date | None = None) -> dict[Told, list[Read]]:
    """All articles of a folder; several may be told alike."""
    found: dict[Told, list[Read]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix in SUFFIXES and path.is_file() and not _is_skipped(name):
            raw = path.read_bytes()
            told, words = _article(name.name, raw, today or dt.datetime.now(dt.UTC).date())
            if told is not None:
                found.setdefault(told, []).append(Read(str(name), raw, words))
    return found


def _is_skipped(name: Path) -> bool:
    return any(fnmatch.fnmatch(part, glob) for part in name.parts for glob in SKIPPED)


def _article(name: str, raw: bytes, today: dt.date) -> tuple[Told | None, tuple[str, ...]]:
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n").removeprefix("\ufeff")
    match = _FRONT_MATTER.match(text)
    fields = {} if match is None else _fields(match[1], match[2])
    title, day = fields.get("title"), _day(fields.get("date"), name)
    is_hidden = fields.get("draft", False) is not False or fields.get("published", True) is not True
    if match is None or not title or day is None or is_hidden or day > today:
        return None, ()
    words = re.findall(r"\w+", _COMMENT.sub("", match[3] or ""))
    return Told(" ".join(str(title).split()), day.isoformat()), tuple(words)


def _fields(fence: str, text: str) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(text) if fence == "---" else tomllib.loads(text)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _day(stated: object, name: str) -> dt.date | None:
    """The day of a date in front matter, in UTC, or of the one in a file name."""
    if isinstance(stated, dt.date) and not isinstance(stated, dt.datetime):
        return stated
    match = _DATED_NAME.match(name)
    try:
        moment = dt.datetime.fromisoformat(match[1] if match and stated is None else _iso(str(stated)))
    except ValueError:
        return None
    return (moment.astimezone(dt.UTC) if moment.tzinfo else moment).date()


def _iso(text: str) -> str:
    """A date as Jekyll's users write it, without the blank before the zone."""
    return re.sub(r" (?=[+-]\d{2}:?\d{2}$)", "", text)
