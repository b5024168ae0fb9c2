"""RSS 2.0 with Atom links, Dublin Core creators, full content and Media RSS.

feedgen writes the RSS elements; the two extensions below add what it has no words for. The Atom
and JSON renderings of the same feed are other modules. Deterministic (promise 2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml.etree import SubElement
from lxml.etree import _Element as Element

from feedserver.model import Action, Article, Channel, Entry, Feed, Format
from feedserver.render.content import content_html, lines_html
from feedserver.render.feedgen_support import (
    ATOM,
    DC,
    MEDIA,
    append_branding,
    append_history,
    append_media,
    branding_namespaces,
    history_namespaces,
)
from feedserver.render.media_types import MEDIA_TYPES, picture_type
from feedserver.render.people import authors_of
from feedserver.render.splicing import Splicer
from feedserver.render.text import rfc3339, title_or_url

_DOCS = "https://www.rssboard.org/rss-specification"
# The elements of plain text that hold a reference.
_PLAIN_TEXT = re.compile(
    rb"<(?:title|category|copyright|source|dc:creator|media:credit)(?: [^>]*)?>[^<&]*&[^<]*"
)
_IMAGE_TYPES = frozenset({"image/gif", "image/jpeg", "image/png"})  # RSS 2.0: no others


def render_rss(feed: Feed) -> bytes:
    """The feed as an RSS 2.0 document in UTF-8."""
    return _DOCUMENTS.document(feed)


def _write(feed: Feed) -> bytes:
    document = _channel(feed.channel)
    document.entry([_item(entry, feed.channel) for entry in feed.entries])
    return _PLAIN_TEXT.sub(_spelt_out, document.rss_str())


def _spelt_out(text: re.Match[bytes]) -> bytes:
    """The same text, to an XML parser, in the spelling that more aggregators show right.

    RSS profile section 3.1; lxml knows no other spelling than its own.
    """
    return text[0].replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;").replace(b"&gt;", b"&#x3E;")


_DOCUMENTS = Splicer(_write, b"<item>", b"</item>\n", b"</channel></rss>")


def _channel(channel: Channel) -> FeedGenerator:
    title = title_or_url(channel.title, channel.page_url)
    document = FeedGenerator()
    document.register_extension("feedserver", partial(_ChannelExtension, channel), atom=False)
    document.title(title)
    document.description(channel.description or title)  # required, and must not be empty
    document.link(href=channel.self_url(Format.RSS), rel="self", type=MEDIA_TYPES[Format.RSS])
    document.link(href=channel.page_url, rel="alternate")  # feedgen: <link> is the last one added
    document.updated(channel.updated)  # otherwise now
    document.ttl(channel.ttl)
    document.docs(_DOCS)
    document.generator(" ".join(filter(None, (channel.generator, channel.generator_version))))
    document.language(channel.language or None)
    document.rights(channel.rights or None)
    image = next((url for url in (channel.logo, channel.icon) if picture_type(url) in _IMAGE_TYPES), None)
    document.image(image, title=title, link=channel.page_url)
    return document


def _item(entry: Entry, channel: Channel) -> FeedEntry:
    article = entry.article
    item = FeedEntry()
    item.register_extension("feedserver", partial(_ItemExtension, entry, channel.language), atom=False)
    item.guid(article.id, permalink=False)
    item.title(title_or_url(article.title, article.url))
    item.link(href=article.url)
    item.content(content_html(entry))  # the description, if there is no excerpt
    if article.excerpt.strip():
        item.summary(lines_html(article.excerpt))  # RSS descriptions are HTML
    item.published(article.published)
    item.category([{"term": c.term, "label": c.label, "scheme": c.scheme} for c in entry.categories])
    if entry.source:
        item.source(f"{entry.source.page_url}.{Format.RSS.value}", entry.source.title)
    media_file = _media_file(article)
    if media_file:  # one at most (RSS profile), and 0 is the length that nobody knows
        item.enclosure(media_file.url, "0", media_file.media_type)
    return item


def _media_file(article: Article) -> Action | None:
    """The one file that an item has room for: the first to play, as podcast clients want, or to keep."""
    files = [action for action in article.actions if action.media_type]
    playable = (action for action in files if action.media_type.startswith(("audio/", "video/")))
    return next(playable, files[0] if files else None)


@dataclass(frozen=True, slots=True)
class _ChannelExtension:
    """Links to the other formats and to history, which feedgen leaves out of RSS: it writes rel=self only."""

    channel: Channel

    def extend_ns(self) -> dict[str, str]:
        return (
            {"dc": DC, "media": MEDIA} | history_namespaces(self.channel) | branding_namespaces(self.channel)
        )

    def extend_rss(self, rss: Element) -> None:
        for fmt in (Format.ATOM, Format.JSON):
            link = {"href": self.channel.self_url(fmt), "rel": "alternate", "type": MEDIA_TYPES[fmt]}
            SubElement(rss[0], f"{{{ATOM}}}link", link)
        append_history(rss[0], self.channel, Format.RSS, f"{{{ATOM}}}link")
        append_branding(rss[0], self.channel.branding)
        rss[0][-1].tail = "\n"


@dataclass(frozen=True, slots=True)
class _ItemExtension:
    """Authors without an address, the date of the last change, the language, pictures and video."""

    entry: Entry
    channel_language: str

    def extend_rss(self, item: Element) -> None:
        article = self.entry.article
        for author in authors_of(self.entry):
            SubElement(item, f"{{{DC}}}creator").text = author.name
        if article.language and article.language != self.channel_language:
            SubElement(item, f"{{{DC}}}language").text = article.language
        SubElement(item, f"{{{ATOM}}}updated").text = rfc3339(self.entry.updated)
        append_media(item, article)
        item.tail = "\n"
