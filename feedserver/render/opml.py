"""OPML 2.0: lists of feeds, for import into a reader.

Pure: listings in, bytes out, no clock (the `dateModified` is the latest update among the listings).
Does not know which listings exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from types import MappingProxyType

from lxml import etree

from feedserver.model import Format, ListingSummary
from feedserver.render.text import clean


def render_opml(
    title: str,
    base_url: str,
    folders: Mapping[str, Sequence[ListingSummary]],
    more: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """The feeds of listings as OPML.

    Args:
        title: of the list.
        base_url: what the addresses of listings begin with, without a trailing slash.
        folders: listings by the name of their folder; those under an empty name are in no folder.
        more: URLs of OPML documents with further listings, by the name of the folder that they belong to.
    """
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = clean(title)
    updates = [one.updated for listings in folders.values() for one in listings if one.updated is not None]
    if updates:
        etree.SubElement(head, "dateModified").text = format_datetime(max(updates), usegmt=True)
    body = etree.SubElement(root, "body")
    for name, listings in folders.items():
        parent = _folder(body, clean(name)) if name else body
        for listing in listings:
            page = base_url + listing.key.address
            etree.SubElement(
                parent,
                "outline",
                type="rss",
                text=clean(listing.title),
                title=clean(listing.title),
                xmlUrl=f"{page}.{Format.RSS.value}",
                htmlUrl=page,
            )
        if name in more:  # OPML 2.0, "inclusion"
            etree.SubElement(parent, "outline", type="include", text="More", url=more[name])
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return document


def _folder(body: etree._Element, name: str) -> etree._Element:
    """An outline that holds others. Some readers show its `title`, some its `text`.

    The W3C's validator requires a type beside a title; Liferea uses this one.
    """
    return etree.SubElement(body, "outline", type="folder", text=name, title=name)
