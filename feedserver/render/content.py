"""The HTML of an entry: what a reader shows when the article is opened.

One text for all formats: lead image, body, video, links, related articles, attribution. It has no
inline styles, no scripts and no frames, which readers strip and validators warn of. Text is escaped
here, exactly once; the body is already HTML and sanitised. It is never empty, because JSON Feed and
the readers of Atom count on a content.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from html import escape

from feedserver.model import Article, Entry, Image, Related, Video
from feedserver.render.text import title_or_url


def content_html(entry: Entry) -> str:
    """The whole content of an entry as HTML."""
    return "\n".join(_blocks(entry.article))


def _blocks(article: Article) -> Iterator[str]:
    body = article.body_html or (article.excerpt and f"<p>{escape(article.excerpt)}</p>")
    # The sanitiser leaves quotes in attributes alone that need no escape there.
    if article.images and escape(article.images[0].url, quote=False) not in body:
        yield _lead_image(article, article.images[0])
    if body:
        yield body
    if article.video:
        yield _video(article.video, article.duration)
    elif article.duration:
        yield f"<p>Length: {_in_words(article.duration)}</p>"
    for action in article.actions:
        yield f"<p>{_link(action.url, action.title or action.url)}</p>"
    if article.related:
        items = "".join(f"<li>{_related(related)}</li>" for related in article.related)
        yield f"<h3>Related</h3><ul>{items}</ul>"
    yield f"<p>Source: {_link(article.url, _source_name(article))}</p>"


def _lead_image(article: Article, image: Image) -> str:
    size = "".join(
        f' {name}="{pixels}"' for name, pixels in (("width", image.width), ("height", image.height)) if pixels
    )
    alt = escape(image.title or title_or_url(article.title, article.url))
    return f'<p><a href="{escape(article.url)}"><img src="{escape(image.url)}" alt="{alt}"{size}></a></p>'


def _video(video: Video, duration: int | None) -> str:
    length = f" ({_in_words(duration)})" if duration else ""
    return f"<p>{_link(video.url, 'Watch the video')}{length}</p>"


def _related(related: Related) -> str:
    date = related.published.astimezone(UTC).date().isoformat() if related.published else ""
    origin = ", ".join(filter(None, (related.provider or related.domain, date)))
    return _link(related.url, related.title or related.url) + (f" ({escape(origin)})" if origin else "")


def _source_name(article: Article) -> str:
    if article.provider and article.provider.name:
        return article.provider.name
    host = article.url.partition("://")[2].partition("/")[0]
    return host or article.url


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}">{escape(text)}</a>'


def _in_words(seconds: int) -> str:
    """A duration with the units that it has: `9 min 3 s`."""
    minutes, rest = divmod(seconds, 60)
    units = ((minutes // 60, "h"), (minutes % 60, "min"), (rest, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in units if amount)
