"""OPML 2.0: lists of feeds, for import into a reader.

Pure: listings in, bytes out, no clock (the `dateModified` is the latest update among the listings).
Does not know which listings exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import format_datetime

from lxml import etree

from feedserver.model import Format, ListingSummary
from feedserver.render.text import clean


def render_opml(title: str, base_url: str, folders: Mapping[str, Sequence[ListingSummary]]) -> bytes:
    """The feeds of listings as OPML.

    Args:
        title: of the list.
        base_url: what the addresses of listings begin with, without a trailing slash.
        folders: listings by the name of their folder; those under an empty name are in no folder.
    """
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = clean(title)
    updates = [one.updated for listings in folders.values() for one in listings if one.updated is not None]
    if updates:
        etree.SubElement(head, "dateModified").text = format_datetime(max(updates), usegmt=True)
    body = etree.SubElement(root, "body")
    for name, listings in folders.items():
        parent = etree.SubElement(body, "outline", text=clean(name)) if name else body
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
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return document
