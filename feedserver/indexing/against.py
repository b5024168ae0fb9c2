"""Compares a feed that was published before with the articles that would be served.

For people who move: the readers of the old feed keep its ids, so an entry with another id is shown once more.
Reads no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from feedserver.articles.urls import absolute_url
from feedserver.indexing.published_feed import PublishedEntry, text_length
from feedserver.model import Article

# A body is shorter if less than this share of its text is left: the other program may add links of its own.
_SHARE_LEFT = 0.8


class Differing(StrEnum):
    """A difference between an entry before and now; `NEW` is none that subscribers mind."""

    LOST = "lost"
    ID = "id"
    LINK = "link"
    TITLE = "title"
    DATE = "date"
    BODY = "shorter body"
    NEW = "new"


class Difference(NamedTuple):
    """A difference of one entry. Values are texts for people."""

    change: Differing
    title: str
    before: str
    after: str


def differences(before: Sequence[PublishedEntry], articles: Iterable[Article]) -> list[Difference]:
    """All differences: those of the old entries in their order, then new entries, newest first.

    An article that is older than all entries of the old feed is not new: feeds have a limit.
    """
    newest_first = sorted(articles, key=lambda article: article.published, reverse=True)
    by_id = {article.id: article for article in newest_first}
    by_url = {article.url: article for article in newest_first}
    by_title = _unique_titles(newest_first)
    found: list[Difference] = []
    met: set[str] = set()
    for entry in (one._replace(url=_usual(one.url)) for one in before):
        article = by_id.get(entry.id) or by_url.get(entry.url) or by_title.get(entry.title)
        if article is None:
            found.append(Difference(Differing.LOST, entry.title, entry.url or entry.id, ""))
            continue
        met.add(article.id)
        found += _between(entry, article)
    oldest = min((entry.published for entry in before if entry.published), default=None)
    found += [
        Difference(Differing.NEW, article.title, "", article.url)
        for article in newest_first
        if article.id not in met and (oldest is None or article.published >= oldest)
    ]
    return found


def _usual(url: str) -> str:
    """A link as we write it: readers take blanks and letters beyond ASCII for their encoded form."""
    try:
        return absolute_url(url) or url
    except ValueError:
        return url


def _unique_titles(articles: Iterable[Article]) -> Mapping[str, Article]:
    """The articles by title, without titles that several have."""
    found: dict[str, Article | None] = {}
    for article in articles:
        found[article.title] = None if article.title in found else article
    return {title: article for title, article in found.items() if article is not None}


def _between(entry: PublishedEntry, article: Article) -> Iterator[Difference]:
    pairs = [
        (Differing.ID, entry.id, article.id),
        (Differing.LINK, entry.url, article.url),
        (Differing.TITLE, entry.title, article.title),
        (
            Differing.DATE,
            entry.published.isoformat() if entry.published else "",
            article.published.isoformat() if entry.published else "",
        ),
    ]
    for change, old, new in pairs:
        if old != new:
            yield Difference(change, article.title, old, new)
    length = text_length(article.body_html)
    if length < _SHARE_LEFT * entry.length:
        yield Difference(Differing.BODY, article.title, f"{entry.length} characters", f"{length} characters")


def as_table(found: Sequence[Difference], total: int) -> str:
    """The differences as a table, and a line that counts them."""
    rows = [
        ("what", "title", "before", "now"),
        *((d.change.value, d.title, d.before, d.after) for d in found),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = ["  ".join((*map(str.ljust, row[:3], widths), row[3])).rstrip() for row in rows]
    counts = [(change, sum(one.change is change for one in found)) for change in Differing]
    summary = ", ".join(f"{count} {change.value}" for change, count in counts if count)
    return "\n".join([*(table if found else []), f"{total} entries before: {summary or 'all as they were'}"])


def is_harmless(found: Iterable[Difference]) -> bool:
    """Whether no subscriber of the old feed would mind."""
    return all(one.change is Differing.NEW for one in found)
