"""The HTML of an entry: what a reader shows when the article is opened.

One text for all formats: lead image, body, video, links, related articles, attribution. It has no
inline styles, no scripts and no frames, which readers strip and validators warn of. Text is escaped
here, exactly once; the body is already HTML and sanitised. It is never empty, because JSON Feed and
the readers of Atom count on a content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from html import escape
from urllib.parse import urlsplit

from feedserver.model import Action, Article, Entry, Image, Related, Video
from feedserver.render.text import title_or_url

# Pixels. Mail and plain pages show a picture as large as it says; most readers' columns are narrower.
_LARGEST_PICTURE = 640

# The sentence around an address goes on after it: its last character is no punctuation, and a closing
# bracket belongs to it only after an opening one.
_INSIDE = r"""\([^\s<>"()]*\)|[^\s<>"()]"""
_AT_THE_END = r"""\([^\s<>"()]*\)|[^\s<>"().,:;!?'\u2019\u201d\u00bb\u2026]"""
_ADDRESS = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
    rf"(?:[/?#](?:(?:{_INSIDE})*(?:{_AT_THE_END}))?)?"
)


def content_html(entry: Entry) -> str:
    """The whole content of an entry as HTML."""
    return "\n".join(_blocks(entry.article))


def lines_html(text: str) -> str:
    """Plain text as HTML that keeps its line ends."""
    return escape(text, quote=False).replace("\n", "<br>\n")


def _blocks(article: Article) -> Iterator[str]:
    body = article.body_html or _paragraphs(article.excerpt)
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
        yield f"<p>{_link(action.url, action.title or _file_name(action))}</p>"
    if article.related:
        items = "".join(f"<li>{_related(related)}</li>" for related in article.related)
        yield f"<h3>Related</h3><ul>{items}</ul>"
    yield f"<p>Source: {_link(article.url, _source_name(article))}</p>"


def _paragraphs(text: str) -> str:
    """Plain text as paragraphs, which blank lines part; addresses of the web in it are links."""
    parts = (part.strip("\n") for part in text.split("\n\n"))
    return "\n".join(f"<p>{_linked(part)}</p>" for part in parts if part.strip())


def _linked(text: str) -> str:
    html, end = [], 0
    for address in _ADDRESS.finditer(text):
        if address[0].isascii():  # what is not would have to be converted (RSS profile section 3.4)
            html += [lines_html(text[end : address.start()]), _link(address[0], address[0])]
            end = address.end()
    return "".join([*html, lines_html(text[end:])])


def _lead_image(article: Article, image: Image) -> str:
    """The picture, linked to the article, no larger than a column; below it, who it is by."""
    alt = escape(image.title or title_or_url(article.title, article.url))
    size = "".join(f' {name}="{pixels}"' for name, pixels in _shown_size(image))
    picture = f'<a href="{escape(article.url)}"><img src="{escape(image.url)}" alt="{alt}"{size}></a>'
    credit = f"<br><small>{escape(image.credit, quote=False)}</small>" if image.credit.strip() else ""
    return f"<p>{picture}{credit}</p>"


def _shown_size(image: Image) -> Iterator[tuple[str, int]]:
    larger = max(image.width or 0, image.height or 0, _LARGEST_PICTURE)
    for name, pixels in (("width", image.width), ("height", image.height)):
        if pixels:
            yield name, max(1, round(pixels * _LARGEST_PICTURE / larger))


def _file_name(action: Action) -> str:
    """The last part of the path of an address; where there is none, the address."""
    return urlsplit(action.url).path.rpartition("/")[2] or action.url


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
