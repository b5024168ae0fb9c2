"""Decides about publication: the file that wins an id, the `updated` of an article, its listings.

Pure functions over values, called by the writer; nothing here reads the database, a file or the clock. Keeps
promises 4 and 6: an article of the future is not live yet, and an mtime never decides which file wins an id.
It gives only the time of a visible change (`decide_updated`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from feedserver.articles.digests import is_visible_change
from feedserver.articles.selections.matching import ArticleFacts, meets
from feedserver.articles.selections.values import ListingRules, Rank
from feedserver.articles.slugs import cached_slug
from feedserver.findings import FindingCode
from feedserver.index.file_values import FileContent
from feedserver.model import Article, Finding, Kind, ListingKey, Value

# Before every time that an article can state.
_NEVER = -(1 << 62)

# Rapid edits may put `updated` this far ahead of the clock, in seconds. The W3C's feed validator calls a date
# more than ten minutes ahead implausible; one that is was made while the clock was wrong.
MOST_AHEAD_SECONDS = 600

# A clock that is set by more seconds than this was wrong, before or after. Smaller steps are ignored.
CLOCK_STEP_SECONDS = 5


class Candidate(NamedTuple):
    """A file's claim to be the article of an id. Times in seconds since the epoch.

    `order_path` is the id prefix of the root and the path below it; `declared_update` the article's
    own `updatedDateTime`. It is visible from the later of `published` and `visible_from` on, and no longer at
    `visible_until`. A provisional publication is the file's mtime or the time of first sight. The digests and
    the JSON of the listings are those of `StatedArticle`.
    """

    file_id: int
    article_id: str
    order_path: str
    published: int
    declared_update: int | None
    mtime: int
    date_is_provisional: bool = False
    digest: bytes = b""
    visible_digest: bytes = b""
    listings: bytes = b""
    visible_from: int = 0
    visible_until: int | None = None

    def is_live(self, now: int) -> bool:
        """Whether its time of publication has come, and that of its expiry has not."""
        is_over = self.visible_until is not None and self.visible_until <= now
        return max(self.published, self.visible_from) <= now and not is_over

    def stated_update(self, now: int) -> int:
        """`updatedDateTime` unless it lies in the future, else the publication, where the file states one."""
        if self.declared_update is not None and self.declared_update <= now:
            return self.declared_update
        return _NEVER if self.date_is_provisional else self.published


class Usable(Value, frozen=True):
    """A changed file, with the content that counts: its own, or the last good one.

    `mtime` is the one that belongs to the content, in seconds since the epoch.
    """

    file_id: int
    order_path: str
    content: FileContent
    mtime: int


class KnownArticle(Value, frozen=True):
    """An article in the publication history. Times in seconds since the epoch.

    `digest` is the one that `articles.digests` makes, or that an older version of it made; `first_seen` is
    the publication of an article without a date of its own.
    """

    digest: bytes
    updated: int
    first_seen: int | None = None


def next_due(now: int, *moments: int | None) -> int | None:
    """The next of the moments at which time alone changes a candidate: the first after `now`, if any is."""
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def choose_winner(candidates: Iterable[Candidate], now: int) -> Candidate | None:
    """The live candidate with the later update or publication, then the lower path; None if none is live."""
    live = [candidate for candidate in candidates if candidate.is_live(now)]
    return min(
        live, key=lambda candidate: (-candidate.stated_update(now), candidate.order_path), default=None
    )


def doubled_id(winner: str) -> Finding:
    """The finding about a file whose id another live file has."""
    return Finding.of(
        FindingCode.DOUBLED_ID,
        f"has the same id as {winner}, which is newer or comes first, so this one is not shown",
    )


def decide_updated(candidate: Candidate, digest: bytes, known: KnownArticle | None, now: int) -> int:
    """The `updated` of an article that is about to be published, in seconds since the epoch.

    This is the article's own `updatedDateTime`, unless it lies in the future. Otherwise it is the
    publication, until the visible fields (`articles.digests`) of a known article change. Then it is the time
    of the change: the mtime, but neither before the publication nor after `now`, and at least a second after
    the previous `updated`, so that edits within one second put it a few seconds ahead of the clock. A
    previous `updated` that is further ahead was made while the clock was wrong, and is decided again.
    """
    if candidate.declared_update is not None and candidate.declared_update <= now:
        return candidate.declared_update
    if known is None:
        return candidate.published
    changed = max(min(candidate.mtime, now), candidate.published)
    if known.updated > now + MOST_AHEAD_SECONDS:
        return changed
    return max(changed, known.updated + 1) if is_visible_change(known.digest, digest) else known.updated


class LiveEntry(NamedTuple):
    """A published article: times in seconds, a digest (16 bytes) of all it shows, its listings as JSON."""

    article_id: str
    file_id: int
    published: int
    updated: int
    digest: bytes
    listings: bytes


def publish(winner: Candidate, known: KnownArticle | None, now: int) -> tuple[LiveEntry, KnownArticle]:
    """The entry to publish, and the article for the publication history, which is written first."""
    updated = decide_updated(winner, winner.visible_digest, known, now)
    first_seen = None if known is None else known.first_seen
    if winner.date_is_provisional:
        first_seen = winner.published
    digest = hashlib.blake2b(winner.digest, digest_size=16)
    digest.update(updated.to_bytes(8, "big", signed=True))
    entry = LiveEntry(
        winner.article_id, winner.file_id, winner.published, updated, digest.digest(), winner.listings
    )
    return entry, KnownArticle(digest=winner.visible_digest, updated=updated, first_seen=first_seen)


def listings_of(
    article: Article, quality: int, heat: int, rules: ListingRules, fields: tuple[str, ...] = ()
) -> dict[ListingKey, str]:
    """The listings that an article is in, each with the article's own spelling of its title.

    Args:
        article: as its file states it.
        quality: as its file states it.
        heat: as its file states it.
        rules: of the site.
        fields: the words of the article, if a saved feed asks for words.
    """
    listings = _own_listings(article)
    helpers = _helper_listings(article, rules.language) if rules.has_terms or rules.feeds else {}
    if rules.feeds:
        facts = ArticleFacts({*listings, *helpers}, {Rank.QUALITY: quality, Rank.HEAT: heat}, fields)
        for feed in rules.feeds:
            if meets(feed.criteria.condition, facts):
                listings[ListingKey(kind=Kind.FEED, slug=feed.name)] = feed.title
    return listings | helpers if rules.has_terms else listings


def _own_listings(article: Article) -> dict[ListingKey, str]:
    listings = {ListingKey(kind=Kind.ARTICLES): ""}
    for topic in article.topics:
        listings[ListingKey(kind=Kind.TOPIC, slug=topic.slug)] = topic.name
    if article.provider is not None:
        listings[ListingKey(kind=Kind.PROVIDER, slug=article.provider.slug)] = article.provider.name
        if article.provider.domain:
            domain = article.provider.domain
            listings[ListingKey(kind=Kind.DOMAIN, slug=domain)] = domain
    if article.category is not None:
        listings[ListingKey(kind=Kind.CATEGORY, slug=article.category.slug)] = article.category.name
    return listings


def _helper_listings(article: Article, language: str) -> dict[ListingKey, str]:
    """The listings without a page: of its type, its authors, and its language with and without region."""
    listings: dict[ListingKey, str] = {}
    if article.kind:
        listings[ListingKey(kind=Kind.TYPE, slug=cached_slug(article.kind))] = article.kind
    tag = article.language or language
    if tag:
        for one in {tag, tag.partition("-")[0]}:
            listings[ListingKey(kind=Kind.LANGUAGE, slug=one.lower())] = one
    for author in article.authors:
        listings[ListingKey(kind=Kind.AUTHOR, slug=cached_slug(author.name))] = author.name
    return listings
