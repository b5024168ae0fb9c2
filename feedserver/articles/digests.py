"""The digests that tell whether subscribers see a difference between two versions of an article (promise 1).

A digest of an article has two halves of 16 bytes. The first is of the article as its file states it, the
second of the article as feed readers display it. The article changed visibly if both differ:

- equal first halves mean an unchanged source, so a new Markdown renderer or sanitiser re-dates no article;
- equal second halves mean an invisible edit: a comment or a class in the body, the size of the provider's
  picture, or a field that only JSON Feed carries, in an extension that readers ignore.

Digests of 16 bytes are of version 1, which had the first half only. They cannot tell whether an edit is
visible, so they are not compared with digests of version 2, and an upgrade re-dates no article.

Stability contract: the first half stays the same as long as the source does, across restarts, machines and
versions of this program, because the history compares it with digests of years ago. Therefore:

- it is made of parsed fields, never of rendered HTML (`body_digest` represents the body as written);
- defaults are left out, so that a field may be added to the end of `model.Article`, or of a value inside
  it, with a default that means "not stated"; fields are never renamed, reordered or given other defaults;
- a test holds a golden digest.
"""

from __future__ import annotations

import hashlib

import msgspec

from feedserver.articles.visible_html import visible_html
from feedserver.model import Article, Image, Provider, Related

_HALF = 16  # bytes
_ENCODER = msgspec.json.Encoder()


def visible_digest(article: Article) -> bytes:
    """The 32 bytes by which two versions of an article are compared."""
    displayed = hashlib.blake2b(_ENCODER.encode(_displayed(article)), digest_size=_HALF)
    source = displayed.copy()
    source.update(_ENCODER.encode(_not_displayed(article)))
    displayed.update(visible_html(article.body_html).encode())
    if article.derived:
        displayed.update(_ENCODER.encode([getattr(article, field) for field in article.derived]))
    return source.digest() + displayed.digest()


def is_visible_change(before: bytes, now: bytes) -> bool:
    """Whether subscribers see a difference between the articles of two digests.

    A digest of another version counts as no difference.
    """
    return len(before) == len(now) and before[:_HALF] != now[:_HALF] and before[-_HALF:] != now[-_HALF:]


def _displayed(article: Article) -> Article:
    """The article without its body, with only those fields that some reader displays.

    The category and the domain of the provider are kept, because they decide in which feeds the article is.
    Derived fields are left out, because they may depend on the renderer and the settings; the body represents
    them in the first half.
    """
    if article.derived:
        article = msgspec.structs.replace(article, **dict.fromkeys(article.derived, ""), derived=())
    return msgspec.structs.replace(
        article,
        amp_urls=(),
        body_html="",
        body_digest="",
        kind="",
        provider=_displayed_provider(article.provider),
        images=_displayed_images(article.images),
        related=tuple(map(_displayed_related, article.related)) if article.related else (),
    )


def _not_displayed(article: Article) -> tuple[object, ...]:
    """The values that `_displayed` leaves out or shortens, and the digest of the body as written."""
    pictures = article.provider.images if article.provider else ()
    return (
        article.body_digest,
        article.kind,
        article.amp_urls,
        pictures,
        article.images[1:],
        article.related,
    )


def _displayed_provider(provider: Provider | None) -> Provider | None:
    """The provider with only the address of its first picture: no more of its pictures is shown."""
    if provider is None or not provider.images:
        return provider
    return msgspec.structs.replace(provider, images=(Image(url=provider.images[0].url),))


def _displayed_images(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """The pictures, without the titles after the first one, which only JSON Feed has."""
    if len(images) < 2:
        return images
    return images[:1] + tuple(msgspec.structs.replace(image, title="") for image in images[1:])


def _displayed_related(related: Related) -> Related:
    """The related article without its excerpt, and without the domain if its provider has a name."""
    return msgspec.structs.replace(related, excerpt="", domain="" if related.provider else related.domain)
