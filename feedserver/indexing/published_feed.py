"""Reads a feed that was published before: RSS, Atom or JSON Feed, from a file.

Keeps of each entry only the values that a subscriber's program compares. Fetches nothing.
"""

from __future__ import annotations

import io
import json
from calendar import timegm
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import feedparser

from feedserver.articles.dates import parse_date
from feedserver.articles.markup import text_of
from feedserver.errors import FeedFileError

_MOST_BYTES = 64_000_000


class PublishedEntry(NamedTuple):
    """An entry of a feed. `length` is that of its text, without markup, in characters; 0 if it has none."""

    id: str
    url: str
    title: str
    published: datetime | None
    length: int


def read_feed(path: Path) -> list[PublishedEntry]:
    """The entries of a feed, in its order.

    Raises:
        FeedFileError: the file cannot be read, or is no feed.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FeedFileError(path, f"cannot be read: {error.strerror}") from error
    if len(raw) > _MOST_BYTES:
        raise FeedFileError(path, f"is larger than {_MOST_BYTES:,} bytes")
    entries = _of_json(path, raw) if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else _of_xml(raw)
    if not entries:
        raise FeedFileError(path, "is no feed of RSS, Atom or JSON Feed, or has no entries")
    return entries


def text_length(markup: str) -> int:
    """The length of the text of markup, runs of blanks as one, in characters."""
    return len(" ".join(text_of(markup).split()))


def _of_json(path: Path, raw: bytes) -> list[PublishedEntry]:
    try:
        items = json.loads(raw)["items"]
        return [_of_item(item) for item in items if isinstance(item, Mapping)]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise FeedFileError(path, "is no JSON Feed") from error


def _of_item(item: Mapping[str, Any]) -> PublishedEntry:
    stated = str(item.get("date_published") or "")
    try:
        published = parse_date(stated, UTC) if stated else None
    except ValueError:
        published = None
    return PublishedEntry(
        id=str(item.get("id") or ""),
        url=str(item.get("url") or ""),
        title=_one_line(str(item.get("title") or "")),
        published=published,
        length=text_length(str(item.get("content_html") or item.get("content_text") or "")),
    )


def _of_xml(raw: bytes) -> list[PublishedEntry]:
    # From a file object: of a text feedparser would fetch a URL.
    found = feedparser.parse(io.BytesIO(raw), sanitize_html=False, resolve_relative_uris=False)
    return [_of_entry(entry) for entry in found.entries]


def _of_entry(entry: Mapping[str, Any]) -> PublishedEntry:
    moment = entry.get("published_parsed")
    contents = entry.get("content") or [{"value": entry.get("summary") or ""}]
    return PublishedEntry(
        id=entry.get("id") or entry.get("link") or "",
        url=entry.get("link") or "",
        title=_one_line(text_of(entry.get("title") or "")),
        published=datetime.fromtimestamp(timegm(moment), UTC) if moment else None,
        length=max(text_length(one.get("value") or "") for one in contents),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
