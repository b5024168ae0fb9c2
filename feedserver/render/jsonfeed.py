"""JSON Feed 1.1. Values without a key in the standard are under `_feedserver`, by its section on extensions.

Compact, UTF-8 unescaped, keys in a fixed order, empty values left out. The RSS and Atom
renderings of the same feed are other modules. Deterministic (promise 2).
"""

from __future__ import annotations

import msgspec

from feedserver.model import Article, Channel, Entry, Feed, Format, Image, Related
from feedserver.render.content import content_html
from feedserver.render.files import media_files
from feedserver.render.people import authors_of
from feedserver.render.text import legible, rfc3339, title_or_url

_Object = dict[str, object]


def render_json(feed: Feed) -> bytes:
    """The feed as a JSON Feed 1.1 document in UTF-8."""
    feed = legible(feed)
    document = _head(feed.channel)
    document["items"] = [_item(entry) for entry in feed.entries]  # required, even if empty
    return msgspec.json.encode(document)


def _head(channel: Channel) -> _Object:
    return _present(
        version="https://jsonfeed.org/version/1.1",
        title=title_or_url(channel.title, channel.page_url),
        home_page_url=channel.page_url,
        feed_url=channel.self_url(Format.JSON),
        next_url=channel.previous_archive and channel.archive_url(channel.previous_archive, Format.JSON),
        description=channel.description,
        icon=channel.logo or channel.icon,  # the large one; favicon is the small one
        favicon=channel.icon,
        **_authors([{"name": channel.author}] if channel.author else []),
        language=channel.language,
        _feedserver=_present(
            about=channel.generator_url,
            generator=channel.generator,
            version=channel.generator_version,
            id=channel.id,
            updated=rfc3339(channel.updated),
            rights=channel.rights,
            ttl=channel.ttl,
        ),
    )


def _item(entry: Entry) -> _Object:
    article = entry.article
    # The banner is for a picture that is not in the content; the first picture is in it.
    image, banner = (*(image.url for image in article.images[:2]), "", "")[:2]
    return _present(
        id=article.id,
        url=article.url,
        title=article.title if article.title.strip() else "",
        content_html=content_html(entry),
        summary=article.excerpt,
        image=image,
        banner_image=banner,
        date_published=rfc3339(article.published),
        date_modified=rfc3339(entry.updated),
        **_authors([_present(name=author.name, url=author.url) for author in authors_of(entry)]),
        tags=[category.label for category in entry.categories],
        language=article.language,
        attachments=_attachments(article),
        _feedserver=_extension(entry),
    )


def _authors(authors: list[_Object]) -> _Object:
    """The authors, and the first of them as `author`, which is all that parsers of version 1.0 read."""
    return {"authors": authors, "author": authors[0]} if authors else {}


def _attachments(article: Article) -> list[_Object]:
    return [
        _present(
            url=file.url,
            mime_type=file.media_type,
            title=file.title,
            size_in_bytes=file.size,
            duration_in_seconds=file.duration,
        )
        for file in media_files(article)
    ]


def _extension(entry: Entry) -> _Object:
    article = entry.article
    return _present(
        type=article.kind,
        category=article.category.name if article.category else None,
        duration_in_seconds=article.duration,
        amp_urls=list(article.amp_urls),
        images=[_image(image) for image in article.images],
        video=_present(url=article.video.url, player_url=article.video.player_url) if article.video else None,
        provider=_provider(entry),
        related=[_related(related) for related in article.related],
    )


def _image(image: Image) -> _Object:
    return _present(
        url=image.url, width=image.width, height=image.height, title=image.title, credit=image.credit
    )


def _provider(entry: Entry) -> _Object:
    """The provider and, if the entry was republished from it, our feed of that provider."""
    provider, source = entry.article.provider, entry.source
    return _present(
        name=provider.name if provider else source and source.title,
        domain=provider and provider.domain,
        url=source and source.page_url,
        icon=source and source.icon,
        feed_url=source and f"{source.page_url}.{Format.JSON.value}",
    )


def _related(related: Related) -> _Object:
    return _present(
        title=related.title,
        url=related.url,
        excerpt=related.excerpt,
        date_published=rfc3339(related.published) if related.published else None,
        provider=related.provider,
        domain=related.domain,
    )


def _present(**members: object) -> _Object:
    """An object without the empty members."""
    return {name: value for name, value in members.items() if value}
