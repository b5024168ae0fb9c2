"""Additions to feedgen 1.0.0 for RSS and Atom: dates, names, history, branding and Media RSS.

feedgen is extended through objects that it calls while it builds the tree (`register_extension`);
it needs no base class for them, only the methods. Importing this module replaces feedgen's date
function, nothing else reaches into the library.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime

import feedgen.entry
import feedgen.feed
from lxml.etree import SubElement
from lxml.etree import _Element as Element

from feedserver.model import Action, Article, Branding, Channel, Format, Image, Video
from feedserver.render.files import is_playable
from feedserver.render.media_types import MEDIA_TYPES, picture_type

ATOM = "http://www.w3.org/2005/Atom"
DC = "http://purl.org/dc/elements/1.1/"
HISTORY = "http://purl.org/syndication/history/1.0"
ITUNES = "http://www.itunes.com/dtds/podcast-1.0.dtd"
MEDIA = "http://search.yahoo.com/mrss/"
WEBFEEDS = "http://webfeeds.org/rss/1.0"
XML = "http://www.w3.org/XML/1998/namespace"


def rfc822(moment: datetime) -> str:
    """A moment in the form of RSS: `Fri, 26 Jun 2020 12:00:00 GMT`.

    The zone is GMT: by the RSS profile (section 3.2), only that and +0000 work everywhere.
    """
    return format_datetime(moment.astimezone(UTC), usegmt=True)


# feedgen's own function calls setlocale twice per date. It is slower, and four threads left a process in
# another locale permanently. Both modules import it by name.
feedgen.feed.formatRFC2822 = rfc822
feedgen.entry.formatRFC2822 = rfc822


def history_namespaces(channel: Channel) -> dict[str, str]:
    """The namespace that only an archive document needs."""
    return {"fh": HISTORY} if channel.archive else {}


def append_history(element: Element, channel: Channel, fmt: Format, link: str) -> None:
    """Append the elements of archived feeds (RFC 5005 section 4) to a channel or feed.

    Args:
        element: the channel or feed.
        channel: says which archive document it is, and which are next to it.
        fmt: of the document.
        link: the name of a link element there.
    """
    urls = {"prev-archive": channel.previous_archive and channel.archive_url(channel.previous_archive, fmt)}
    if channel.archive:
        SubElement(element, f"{{{HISTORY}}}archive")
        urls["next-archive"] = channel.next_archive and channel.archive_url(channel.next_archive, fmt)
        urls["current"] = channel.feed_url(fmt)
    for rel, url in urls.items():
        if url:
            SubElement(element, link, rel=rel, type=MEDIA_TYPES[fmt], href=url)


def branding_namespaces(channel: Channel) -> dict[str, str]:
    """The namespace that only a feed with branding needs."""
    return {"webfeeds": WEBFEEDS} if channel.branding != Branding() else {}


def append_branding(element: Element, branding: Branding) -> None:
    """Append the branding that aggregators are asked to show; by default nothing."""
    if branding.cover:
        SubElement(element, f"{{{WEBFEEDS}}}cover", image=branding.cover)
    texts = {"icon": branding.icon, "logo": branding.logo, "accentColor": branding.accent_color}
    for name, text in texts.items():
        if text:
            SubElement(element, f"{{{WEBFEEDS}}}{name}").text = text
    if branding.related_cards:
        SubElement(element, f"{{{WEBFEEDS}}}related", layout="card", target="browser")


def append_media(element: Element, article: Article, files: Iterable[Action]) -> None:
    """Append the pictures, the video and the files to play of an article to its item or entry, as Media RSS.

    Each is a `media:content` of its own. feedgen's extension would put them into a `media:group`, which is
    for several forms of the same content, and has neither credit nor player. There is no `media:title`,
    because feedparser takes it for the title of the RSS item.
    """
    for image in article.images:
        _append_image(element, image)
    if article.video:
        _append_video(element, article.video, article.duration)
    for file in filter(is_playable, files):
        _append_file(element, file)


def _append_image(element: Element, image: Image) -> None:
    size = _attributes(url=image.url, width=image.width, height=image.height)
    kind = _attributes(type=picture_type(image.url), medium="image")
    content = SubElement(element, f"{{{MEDIA}}}content", size | kind)
    SubElement(content, f"{{{MEDIA}}}thumbnail", size)
    if image.credit.strip():
        SubElement(content, f"{{{MEDIA}}}credit").text = image.credit


def _append_video(element: Element, video: Video, duration: int | None) -> None:
    attributes = _attributes(medium="video", duration=duration, width=video.width, height=video.height)
    content = SubElement(element, f"{{{MEDIA}}}content", attributes)
    player = _attributes(url=video.player_url or video.url, width=video.width, height=video.height)
    SubElement(content, f"{{{MEDIA}}}player", player)


def _append_file(element: Element, file: Action) -> None:
    about = _attributes(url=file.url, fileSize=file.size, type=file.media_type)
    playing = _attributes(medium=file.media_type.partition("/")[0], duration=file.duration)
    SubElement(element, f"{{{MEDIA}}}content", about | playing)


def _attributes(**values: str | int | None) -> dict[str, str]:
    """XML attributes as text, without the empty ones."""
    return {name: str(value) for name, value in values.items() if value}
