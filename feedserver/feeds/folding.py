"""Folds articles about one story into one entry.

Two articles are about one story if one names the other among its related articles, or if both have the same
page: by its URL, that of an AMP version, or either of them without tracking parameters. The best one is
shown: the highest quality, then the highest heat, then the first published. The others are related articles
of that entry.

The entry keeps the id of the article that is shown. If another article becomes the best one, subscribers see
the story again, at most once for each of its articles: readers know the id of one that was shown before. Its
`updated` is the latest of its articles. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from feedserver.index.values import FoundEntry, SelectedEntry
from feedserver.model import Article, Related

_TRACKERS = ("utm_", "mc_", "pk_", "mtm_")
_TRACKING = frozenset({"fbclid", "gclid", "dclid", "msclkid", "igshid", "ref", "ref_src", "cmpid", "ncid"})


def fold(found: Sequence[FoundEntry]) -> list[SelectedEntry]:
    """One entry for each story, in the order of the articles that are shown."""
    stories = _stories([one.entry.article for one in found])
    shown: dict[int, SelectedEntry] = {}
    for story in stories:
        best = max(story, key=lambda index: _rank(found[index]))
        others = [found[index].entry for index in story if index != best]
        shown[best] = _with_others(found[best].entry, others)
    return [shown[index] for index in sorted(shown)]


def _rank(one: FoundEntry) -> tuple[int, int, float, str]:
    article = one.entry.article
    return one.quality, one.heat, -article.published.timestamp(), article.id


def _stories(articles: Sequence[Article]) -> list[list[int]]:
    """The positions of the articles of each story."""
    together = _Together(len(articles))
    places: dict[str, int] = {}
    for index, article in enumerate(articles):
        for page in _pages(article):
            together.join(index, places.setdefault(page, index))
    for index, article in enumerate(articles):
        for related in article.related:
            together.join(index, places.get(bare_url(related.url), index))
    return together.groups()


class _Together:
    """Which of some numbers belong together: a forest of disjoint sets."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Let two numbers, and all that belong to them, belong together."""
        self._above[self._top(one)] = self._top(other)

    def groups(self) -> list[list[int]]:
        """The numbers that belong together."""
        groups: dict[int, list[int]] = {}
        for number in range(len(self._above)):
            groups.setdefault(self._top(number), []).append(number)
        return list(groups.values())

    def _top(self, number: int) -> int:
        while self._above[number] != number:
            self._above[number] = self._above[self._above[number]]
            number = self._above[number]
        return number


def _pages(article: Article) -> Iterator[str]:
    for url in (article.url, *article.amp_urls):
        if url:
            yield bare_url(url)


def bare_url(url: str) -> str:
    """A URL without the parts that do not decide which page it is: scheme, `www.`, tracking, fragment."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return url
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not name.lower().startswith(_TRACKERS) and name.lower() not in _TRACKING
    ]
    query = f"?{urlencode(sorted(kept))}" if kept else ""
    return f"{host}{parts.path.rstrip('/')}{query}"


def _with_others(shown: SelectedEntry, others: Iterable[SelectedEntry]) -> SelectedEntry:
    """An entry with the other articles of its story, the newest first, instead of links to them."""
    others = sorted(others, key=lambda one: (one.article.published, one.article.id), reverse=True)
    if not others:
        return shown
    pages = {page for one in (shown, *others) for page in _pages(one.article)}
    kept = [related for related in shown.article.related if bare_url(related.url) not in pages]
    article = msgspec.structs.replace(
        shown.article, related=(*(_related(one.article) for one in others), *kept)
    )
    return msgspec.structs.replace(
        shown, article=article, updated=max(one.updated for one in (shown, *others))
    )


def _related(article: Article) -> Related:
    provider = article.provider
    return Related(
        title=article.title,
        url=article.url,
        excerpt=article.excerpt,
        published=article.published,
        provider="" if provider is None else provider.name,
        domain="" if provider is None else provider.domain,
    )
