"""Converts a reading to the content that the index stores, and back.

The only module that knows how an article is stored: as the JSON that msgspec writes, beside the values that
the writer needs, so that the writer never decodes an article. Pure, and run by the processes that read files.
Decides neither which article is live nor when it changed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from feedserver.articles.digests import visible_digest
from feedserver.articles.selections.matching import asks_for_words
from feedserver.articles.selections.values import ListingRules
from feedserver.articles.selections.words import searched_text
from feedserver.index.decisions import listings_of, next_due
from feedserver.index.file_values import FileContent, SearchedFields, StatedArticle
from feedserver.model import Article, Reading, Related

_ENCODER = msgspec.json.Encoder()
_ARTICLES = msgspec.json.Decoder(Article)


def content_of(reading: Reading, rules: ListingRules) -> FileContent:
    """The content that the index stores of a reading by the rules of a site."""
    article = reading.article
    fields = None if article is None or not _needs_words(rules) else fields_of(article)
    return FileContent(
        verdict=reading.verdict,
        findings=reading.findings,
        stated=None if article is None else _stated(reading, article, rules, fields or ()),
        taxonomy=reading.taxonomy,
        links=reading.links,
        fields=fields if rules.is_searched else None,
    )


def fields_of(article: Article) -> SearchedFields:
    """The words of an article that a search looks at."""
    return SearchedFields._make(searched_text(article.title, article.excerpt, article.body_html))


def _needs_words(rules: ListingRules) -> bool:
    return rules.is_searched or any(asks_for_words(feed.criteria.condition) for feed in rules.feeds)


def _stated(
    reading: Reading, article: Article, rules: ListingRules, fields: tuple[str, ...]
) -> StatedArticle:
    listings = listings_of(article, reading.quality, reading.heat, rules, fields)
    payload = _ENCODER.encode(article)
    return StatedArticle(
        article_id=article.id,
        published=int(article.published.timestamp()),
        declared_update=_seconds(article.updated),
        date_is_provisional=reading.date_is_provisional,
        quality=reading.quality,
        heat=reading.heat,
        payload=payload,
        digest=_digest(payload),
        visible_digest=visible_digest(article),
        listings=_ENCODER.encode(sorted((key.kind.value, key.slug, text) for key, text in listings.items())),
        related_until=max((_published(related) for related in article.related), default=0),
        visible_from=_seconds(reading.visible_from) or 0,
        visible_until=_seconds(reading.visible_until),
    )


class Shown(NamedTuple):
    """An article as it is shown at a moment.

    Attributes:
        stated: the article without related articles that are published later.
        whole: the payload with them; None if there are none.
        due: the next moment at which time alone changes the article.
    """

    stated: StatedArticle
    whole: bytes | None
    due: int | None


def shown_at(stated: StatedArticle, now: int) -> Shown:
    """The article as it is shown at a moment, in seconds since the epoch (promise 6)."""
    due = next_due(now, stated.published, stated.declared_update, stated.visible_from, stated.visible_until)
    if stated.related_until <= now:
        return Shown(stated, None, due)
    article = article_in(stated.payload)
    ahead = [related for related in article.related if _published(related) > now]
    related = tuple(one for one in article.related if one not in ahead)
    shown = _with_article(stated, msgspec.structs.replace(article, related=related))
    moments = [*map(_published, ahead), *(() if due is None else (due,))]
    return Shown(shown, stated.payload, min(moments))


def stated_whole(shown: StatedArticle, whole: bytes | None) -> StatedArticle:
    """The article as its file states it, with all related articles of `whole`."""
    return shown if whole is None else _with_article(shown, article_in(whole))


def _published(related: Related) -> int:
    return _seconds(related.published) or 0


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def reading_of(content: FileContent) -> Reading:
    """The reading that a content was made of."""
    stated = content.stated
    if stated is None:
        return Reading(verdict=content.verdict, taxonomy=content.taxonomy, findings=content.findings)
    return Reading(
        verdict=content.verdict,
        article=article_in(stated.payload),
        quality=stated.quality,
        heat=stated.heat,
        date_is_provisional=stated.date_is_provisional,
        findings=content.findings,
        visible_from=_moment(stated.visible_from),
        visible_until=_moment(stated.visible_until),
    )


def article_in(payload: bytes) -> Article:
    """The article that a payload is the JSON of."""
    return _ARTICLES.decode(payload)


def published_at(stated: StatedArticle, moment: int) -> StatedArticle:
    """The same article with another publication, in seconds since the epoch."""
    article = msgspec.structs.replace(
        article_in(stated.payload), published=datetime.fromtimestamp(moment, UTC)
    )
    return msgspec.structs.replace(_with_article(stated, article), published=moment)


def _with_article(stated: StatedArticle, article: Article) -> StatedArticle:
    payload = _ENCODER.encode(article)
    return msgspec.structs.replace(
        stated, payload=payload, digest=_digest(payload), visible_digest=visible_digest(article)
    )


def _digest(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=16).digest()
