"""RSS 2.0 with Atom links, Dublin Core creators, full content and Media RSS.

feedgen writes the RSS elements; the two extensions below add elements that it does not support. The Atom
and JSON renderings of the same feed are other modules. Deterministic (promise 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml.etree import SubElement
from lxml.etree import _Element as Element

from feedserver.model import Channel, Entry, Feed, Format
from feedserver.render.content import content_html, lines_html
from feedserver.render.feedgen_support import (
    ATOM,
    DC,
    ITUNES,
    MEDIA,
    append_branding,
    append_history,
    append_media,
    branding_namespaces,
    history_namespaces,
)
from feedserver.render.files import main_file, media_files
from feedserver.render.media_types import MEDIA_TYPES, picture_type
from feedserver.render.people import authors_of
from feedserver.render.spelling import Spelling
from feedserver.render.splicing import Splicer
from feedserver.render.text import rfc3339, title_or_url

_DOCS = "https://www.rssboard.org/rss-specification"
_IMAGE_TYPES = frozenset({"image/gif", "image/jpeg", "image/png"})  # RSS 2.0: no others


def render_rss(feed: Feed) -> bytes:
    """The feed as an RSS 2.0 document in UTF-8."""
    return _DOCUMENTS.document(feed)


def _write(feed: Feed) -> bytes:
    document = _channel(feed.channel)
    document.entry([_item(entry, feed.channel) for entry in feed.entries])
    rendered: bytes = document.rss_str()
    return rendered


_SPELLING = Spelling(
    html=("description", "content:encoded"),
    plain=("title", "category", "copyright", "source", "dc:creator", "media:credit"),
)
_DOCUMENTS = Splicer(_write, _SPELLING, b"<item>", b"</item>\n", b"</channel></rss>")


def _channel(channel: Channel) -> FeedGenerator:
    title = title_or_url(channel.title, channel.page_url)
    document = FeedGenerator()
    document.register_extension("feedserver", partial(_ChannelExtension, channel), atom=False)
    document.title(title)
    document.description(channel.description or title)  # required, and must not be empty
    document.link(href=channel.self_url(Format.RSS), rel="self", type=MEDIA_TYPES[Format.RSS])
    document.link(href=channel.page_url, rel="alternate")  # feedgen makes <link> of the last one
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
    if article.title.strip():  # an item needs a title or a description (RSS 2.0)
        item.title(article.title)
    item.link(href=article.url)
    item.content(content_html(entry))  # the description, if there is no excerpt
    if article.excerpt.strip():
        item.summary(lines_html(article.excerpt))  # RSS descriptions are HTML
    item.published(article.published)
    item.category([{"term": c.term, "label": c.label, "scheme": c.scheme} for c in entry.categories])
    if entry.source:
        item.source(f"{entry.source.page_url}.{Format.RSS.value}", entry.source.title)
    file = main_file(media_files(article))
    if file:  # one at most, and 0 where the size is unknown (RSS profile section 4.1.1.20.5)
        item.enclosure(file.url, str(file.size or 0), file.media_type)
    return item


@dataclass(frozen=True, slots=True)
class _ChannelExtension:
    """The author, links to history, and branding; feedgen writes only the link of the document itself.

    The other formats are linked in the HTTP header and on the page. SimplePie and fastfeedparser would take
    a link to them for the home page of the channel.
    """

    channel: Channel

    def extend_ns(self) -> dict[str, str]:
        of_items = {"dc": DC, "itunes": ITUNES, "media": MEDIA}
        return of_items | history_namespaces(self.channel) | branding_namespaces(self.channel)

    def extend_rss(self, rss: Element) -> None:
        if self.channel.author.strip():
            SubElement(rss[0], f"{{{DC}}}creator").text = self.channel.author
        append_history(rss[0], self.channel, Format.RSS, f"{{{ATOM}}}link")
        append_branding(rss[0], self.channel.branding)
        rss[0][-1].tail = "\n"


@dataclass(frozen=True, slots=True)
class _ItemExtension:
    """Authors without an address, date of the last change, language, duration, pictures, video and files."""

    entry: Entry
    channel_language: str

    def extend_rss(self, item: Element) -> None:
        article = self.entry.article
        for author in authors_of(self.entry):
            SubElement(item, f"{{{DC}}}creator").text = author.name
        if article.language and article.language != self.channel_language:
            SubElement(item, f"{{{DC}}}language").text = article.language
        SubElement(item, f"{{{ATOM}}}updated").text = rfc3339(self.entry.updated)
        file = main_file(media_files(article))
        if file and file.duration:
            SubElement(item, f"{{{ITUNES}}}duration").text = str(file.duration)
        # Only the enclosure's file: of several, newsboat takes the last one instead of the enclosure.
        append_media(item, article, [file] if file else [])
        item.tail = "\n"
