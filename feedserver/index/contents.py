"""From a reading to what the index takes of it, and back.

The one place that knows how an article is stored: as the JSON that msgspec writes of it, with all that the
writer wants to know of it beside, so that the writer never looks into an article. Pure, and run where files
are read; decides neither what is live nor when it changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from feedserver.articles.digests import visible_digest
from feedserver.index.decisions import listings_of
from feedserver.model import Article, FileContent, Reading, Selection, StatedArticle

_ENCODER = msgspec.json.Encoder()
_ARTICLES = msgspec.json.Decoder(Article)


def content_of(reading: Reading, selections: Sequence[Selection] = ()) -> FileContent:
    """What the index takes of a reading; `selections` are the feeds that the settings define."""
    article = reading.article
    return FileContent(
        verdict=reading.verdict,
        findings=reading.findings,
        stated=None if article is None else _stated(reading, article, selections),
        taxonomy=reading.taxonomy,
    )


def _stated(reading: Reading, article: Article, selections: Sequence[Selection]) -> StatedArticle:
    listings = listings_of(article, reading.quality, reading.heat, selections)
    payload = _ENCODER.encode(article)
    return StatedArticle(
        article_id=article.id,
        published=int(article.published.timestamp()),
        declared_update=None if article.updated is None else int(article.updated.timestamp()),
        date_is_provisional=reading.date_is_provisional,
        quality=reading.quality,
        heat=reading.heat,
        payload=payload,
        digest=_digest(payload),
        visible_digest=visible_digest(article),
        listings=_ENCODER.encode(sorted((key.kind.value, key.slug, text) for key, text in listings.items())),
    )


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
    )


def article_in(payload: bytes) -> Article:
    """The article that a payload is the JSON of."""
    return _ARTICLES.decode(payload)


def published_at(stated: StatedArticle, moment: int) -> StatedArticle:
    """The same article with another publication, in seconds since the epoch."""
    article = msgspec.structs.replace(
        article_in(stated.payload), published=datetime.fromtimestamp(moment, UTC)
    )
    payload = _ENCODER.encode(article)
    return msgspec.structs.replace(
        stated,
        published=moment,
        payload=payload,
        digest=_digest(payload),
        visible_digest=visible_digest(article),
    )


def _digest(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=16).digest()
