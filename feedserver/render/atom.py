"""Atom 1.0 (RFC 4287) with Media RSS.

feedgen writes the simple elements; the two extensions below write the links, the source and the
dates, where it is wrong or has no words. Its tree holds Atom elements without a namespace, the
declaration being an attribute of the root, and so do the extensions. The RSS and JSON renderings of
the same feed are other modules. Deterministic (promise 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml.etree import SubElement
from lxml.etree import _Element as Element

from feedserver.model import Action, Article, Channel, Entry, Feed, Format, Person, Source
from feedserver.render.content import content_html, lines_html
from feedserver.render.feedgen_support import (
    MEDIA,
    XML,
    append_branding,
    append_history,
    append_media,
    branding_namespaces,
    history_namespaces,
)
from feedserver.render.files import media_files
from feedserver.render.media_types import MEDIA_TYPES
from feedserver.render.people import authors_of
from feedserver.render.spelling import Spelling
from feedserver.render.splicing import Splicer
from feedserver.render.text import rfc3339, title_or_url

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")  # RFC 4287 section 3.2.3 asks for an address


def render_atom(feed: Feed) -> bytes:
    """The feed as an Atom 1.0 document in UTF-8."""
    return _DOCUMENTS.document(feed)


def _write(feed: Feed) -> bytes:
    document = _feed(feed.channel)
    document.entry([_entry(entry, feed.channel) for entry in feed.entries])
    rendered: bytes = document.atom_str()
    return rendered


_UNTITLED = "-"  # for feedgen, which refuses a blank title
_SPELLING = Spelling(html=("content", "summary"))
_DOCUMENTS = Splicer(_write, _SPELLING, b"<entry", b"</entry>\n", b"</feed>")


def _feed(channel: Channel) -> FeedGenerator:
    title = title_or_url(channel.title, channel.page_url)
    document = FeedGenerator()
    document.register_extension("feedserver", partial(_FeedExtension, channel), rss=False)
    document.id(channel.id)
    document.title(title)
    document.subtitle(channel.description or None)
    document.updated(channel.updated)  # otherwise now
    document.author(name=channel.author or title)  # of the entries without an author
    # In this order: htmlparser2 and feed-extractor take the first link for the page.
    document.link(href=channel.page_url, rel="alternate", type="text/html")
    document.link(href=channel.self_url(Format.ATOM), rel="self", type=MEDIA_TYPES[Format.ATOM])
    document.generator(channel.generator, channel.generator_version or None, channel.generator_url or None)
    document.language(channel.language or None)
    document.rights(channel.rights or None)
    document.icon(channel.icon or None)
    document.logo(channel.logo or None)
    return document


def _entry(entry: Entry, channel: Channel) -> FeedEntry:
    article = entry.article
    element = FeedEntry()
    element.register_extension("feedserver", partial(_EntryExtension, entry, channel.language), rss=False)
    element.id(article.id)
    element.title(article.title if article.title.strip() else _UNTITLED)
    element.updated(entry.updated)
    element.author([_person(author) for author in authors_of(entry)])
    element.content(content_html(entry), type="html")
    if article.excerpt.strip():
        # As HTML: rss2email sends a summary of plain text instead of the content.
        element.summary(lines_html(article.excerpt), type="html")
    element.category([{"term": c.term, "label": c.label, "scheme": c.scheme} for c in entry.categories])
    return element


def _person(person: Person) -> dict[str, str]:
    email = person.email if _EMAIL.fullmatch(person.email) else ""
    return {"name": person.name, "uri": person.url, "email": email}


def _links(article: Article, files: Iterable[Action]) -> Iterable[dict[str, str]]:
    """The links of an entry: its page, media files and related articles, each address once."""
    links = [
        {"rel": "alternate", "type": "text/html", "href": article.url},
        *(_enclosure(file) for file in files),
        *({"rel": "related", "href": related.url} | _titled(related.title) for related in article.related),
    ]
    distinct: dict[tuple[str, str], dict[str, str]] = {}
    for link in links:
        distinct.setdefault((link["rel"], link["href"]), link)
    return distinct.values()


def _enclosure(file: Action) -> dict[str, str]:
    length = {"length": str(file.size)} if file.size else {}
    return {"rel": "enclosure", "type": file.media_type, "href": file.url} | length | _titled(file.title)


def _titled(title: str) -> dict[str, str]:
    return {"title": title} if title.strip() else {}


@dataclass(frozen=True, slots=True)
class _FeedExtension:
    """The date of the feed in the short form, the links to history, the namespace of Media RSS."""

    channel: Channel

    def extend_ns(self) -> dict[str, str]:
        return {"media": MEDIA} | history_namespaces(self.channel) | branding_namespaces(self.channel)

    def extend_atom(self, feed: Element) -> None:
        _set_updated(feed, rfc3339(self.channel.updated))
        append_history(feed, self.channel, Format.ATOM, "link")
        append_branding(feed, self.channel.branding)
        feed[-1].tail = "\n"


@dataclass(frozen=True, slots=True)
class _EntryExtension:
    """Links, dates, language, source, pictures, video and files of an entry."""

    entry: Entry
    feed_language: str

    def extend_atom(self, element: Element) -> None:
        article = self.entry.article
        if article.language and article.language != self.feed_language:
            element.set(f"{{{XML}}}lang", article.language)
        _set_updated(element, rfc3339(self.entry.updated))
        if not article.title.strip():
            _remove_placeholder(element)
        SubElement(element, "published").text = rfc3339(article.published)
        files = media_files(article)
        for link in _links(article, files):
            SubElement(element, "link", link)
        if self.entry.source:
            _append_source(element, self.entry, self.entry.source)
        append_media(element, article, files)
        element.tail = "\n"


def _remove_placeholder(element: Element) -> None:
    """Empty the title of an entry that has none: Atom requires the element, and not that it has a text."""
    for title in element.iterchildren("title"):
        title.text = None


def _set_updated(element: Element, date: str) -> None:
    """Replace the date of feedgen, which has a numeric zone and fractions of a second."""
    for updated in element.iterchildren("updated"):
        updated.text = date


def _append_source(element: Element, entry: Entry, source: Source) -> None:
    """Append the source of the entry (RFC 4287 section 4.2.11); that of feedgen has no id and no date.

    It names the provider as author: an entry without authors is by its source, not by this feed.
    """
    origin = SubElement(element, "source")
    SubElement(origin, "id").text = source.id
    SubElement(origin, "title").text = source.title
    SubElement(origin, "updated").text = rfc3339(entry.updated)
    if entry.article.provider:
        SubElement(SubElement(origin, "author"), "name").text = entry.article.provider.name
    feed_url = f"{source.page_url}.{Format.ATOM.value}"
    SubElement(origin, "link", rel="alternate", type="text/html", href=source.page_url)
    SubElement(origin, "link", rel="self", type=MEDIA_TYPES[Format.ATOM], href=feed_url)
    if source.icon:
        SubElement(origin, "icon").text = source.icon
