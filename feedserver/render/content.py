"""The HTML of an entry, which a reader shows when the article is opened.

All formats have the same HTML: lead image, body, video, links, related articles, attribution. It has no
inline styles, scripts or frames, which readers strip and validators warn of. Text is escaped here, exactly
once; the body is already sanitised HTML. The HTML is never empty, because JSON Feed and the readers of Atom
expect content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from html import escape
from urllib.parse import urlsplit

from feedserver.model import Action, Article, Entry, Image, Related, Video

# Pixels. Mail programs and plain pages show a picture in its stated size; most readers have narrower columns.
_LARGEST_PICTURE = 640

# The sentence continues after an address. So the last character of an address is not punctuation, and a
# closing bracket belongs to it only after an opening one.
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
    # The sanitiser does not escape quotes in attributes where this is not needed.
    if article.images and escape(article.images[0].url, quote=False) not in body:
        yield _lead_image(article, article.images[0])
    if body:
        yield body
    if article.video:
        yield _video(article.video, article.duration)
    elif article.duration:
        yield f"<p>Length: {_in_words(article.duration)}</p>"
    for action in article.actions:
        yield _offer(action)
    if article.related:
        items = "".join(f"<li>{_related(related)}</li>" for related in article.related)
        yield f"<h3>Related</h3><ul>{items}</ul>"
    yield f"<p>Source: {_link(article.url, _source_name(article))}</p>"


def _paragraphs(text: str) -> str:
    """Plain text as paragraphs, divided at blank lines, with web addresses as links."""
    parts = (part.strip("\n") for part in text.split("\n\n"))
    return "\n".join(f"<p>{_linked(part)}</p>" for part in parts if part.strip())


def _linked(text: str) -> str:
    html, end = [], 0
    for address in _ADDRESS.finditer(text):
        if address[0].isascii():  # others would have to be converted (RSS profile section 3.4)
            html += [lines_html(text[end : address.start()]), _link(address[0], address[0])]
            end = address.end()
    return "".join([*html, lines_html(text[end:])])


def _lead_image(article: Article, image: Image) -> str:
    """The picture, linked to the article, no larger than a column; below it, its attribution."""
    alt = escape(image.title or article.title)
    size = "".join(f' {name}="{pixels}"' for name, pixels in _shown_size(image))
    attributes = f'src="{escape(image.url)}" alt="{alt}"{size} referrerpolicy="no-referrer"'
    picture = f'<a href="{escape(article.url)}"><img {attributes}></a>'
    credit = f"<br><small>{escape(image.credit, quote=False)}</small>" if image.credit.strip() else ""
    return f"<p>{picture}{credit}</p>"


def _shown_size(image: Image) -> Iterator[tuple[str, int]]:
    larger = max(image.width or 0, image.height or 0, _LARGEST_PICTURE)
    for name, pixels in (("width", image.width), ("height", image.height)):
        if pixels:
            yield name, max(1, round(pixels * _LARGEST_PICTURE / larger))


def _offer(action: Action) -> str:
    link = _link(action.url, action.title or _file_name(action))
    return f"<p>{link}{_in_brackets(action.duration)}</p>"


def _file_name(action: Action) -> str:
    """The last segment of the path of an address, or the whole address if it has no path."""
    return urlsplit(action.url).path.rpartition("/")[2] or action.url


def _video(video: Video, duration: int | None) -> str:
    return f"<p>{_link(video.url, 'Watch the video')}{_in_brackets(duration)}</p>"


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


def _in_brackets(duration: int | None) -> str:
    return f" ({_in_words(duration)})" if duration else ""


def _in_words(seconds: int) -> str:
    """A duration with the units that are not zero: `9 min 3 s`."""
    minutes, rest = divmod(seconds, 60)
    units = ((minutes // 60, "h"), (minutes % 60, "min"), (rest, "s"))
    return " ".join(f"{amount} {unit}" for amount, unit in units if amount)
