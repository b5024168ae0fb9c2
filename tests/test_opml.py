"""OPML: what feed readers import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.model import Kind, ListingKey, ListingSummary
from feedserver.render.opml import render_opml

BASE_URL = "https://feeds.example/news"
NOON = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)


def listing(slug: str = "ai", title: str = "AI", updated: datetime | None = NOON) -> ListingSummary:
    return ListingSummary(key=ListingKey(kind=Kind.TOPIC, slug=slug), title=title, count=1, updated=updated)


def parsed(folders: Mapping[str, Sequence[ListingSummary]], title: str = "Feeds") -> ET.Element:
    return ET.fromstring(render_opml(title, BASE_URL, folders))  # noqa: S314  our own output


def test_a_listing_is_an_outline_that_leads_to_its_feed_and_its_page() -> None:
    root = parsed({"": [listing()]})
    assert (root.tag, root.get("version")) == ("opml", "2.0")
    assert root.findtext("head/title") == "Feeds"
    (outline,) = root.findall("body/outline")
    assert outline.attrib == {
        "type": "rss",
        "text": "AI",
        "title": "AI",
        "xmlUrl": f"{BASE_URL}/topics/ai.rss",
        "htmlUrl": f"{BASE_URL}/topics/ai",
    }


def test_a_folder_is_an_outline_around_its_feeds() -> None:
    root = parsed({"": [listing("all")], "Topics": [listing("ai"), listing("tides")]})
    first, folder = root.findall("body/outline")
    assert first.get("xmlUrl") == f"{BASE_URL}/topics/all.rss"
    assert folder.attrib == {"type": "folder", "text": "Topics", "title": "Topics"}
    assert [one.get("htmlUrl") for one in folder] == [f"{BASE_URL}/topics/ai", f"{BASE_URL}/topics/tides"]


def test_a_folder_of_many_listings_includes_the_document_with_further_ones() -> None:
    document = render_opml(
        "Feeds", BASE_URL, {"Topics": [listing()]}, {"Topics": f"{BASE_URL}/topics.2.opml"}
    )
    *_, last = ET.fromstring(document).findall("body/outline/outline")  # noqa: S314  our own output
    assert last.attrib == {"type": "include", "text": "More", "url": f"{BASE_URL}/topics.2.opml"}


def test_its_date_is_the_latest_of_its_listings_as_rfc_822_writes_it() -> None:
    earlier = NOON.replace(year=2024)
    root = parsed({"": [listing(updated=earlier), listing(updated=None)], "Topics": [listing(updated=NOON)]})
    assert root.findtext("head/dateModified") == "Sun, 01 Jun 2025 12:00:00 GMT"


@pytest.mark.parametrize("folders", [{}, {"": []}, {"": [listing(updated=None)]}])
def test_a_list_of_which_nothing_ever_changed_has_no_date(
    folders: Mapping[str, Sequence[ListingSummary]],
) -> None:
    assert parsed(folders).find("head/dateModified") is None


@given(text=st.text())
def test_no_title_breaks_the_document(text: str) -> None:
    root = parsed({"": [listing(title=text)], f"folder {text}": [listing(title=text)]}, title=text)
    allowed = "".join(one for one in text if one in "\t\n\r" or 0x20 <= ord(one) not in (0xFFFE, 0xFFFF))
    outline = root.find("body/outline")
    assert outline is not None
    assert outline.get("text") == allowed


def test_control_characters_of_a_title_are_left_out() -> None:
    outline = parsed({"": [listing(title="a\x07b\ud800c")]}).find("body/outline")
    assert outline is not None
    assert outline.get("text") == "abc"


def test_feed_readers_understand_it() -> None:
    listparser = pytest.importorskip("listparser", reason="pip install listparser")
    document = render_opml("Feeds & more", BASE_URL, {"": [listing("all", "All")], "Topics": [listing()]})
    found = listparser.parse(document)
    assert not found.bozo
    assert found.meta.title == "Feeds & more"
    assert [(feed.url, feed.title) for feed in found.feeds] == [
        (f"{BASE_URL}/topics/all.rss", "All"),
        (f"{BASE_URL}/topics/ai.rss", "AI"),
    ]
    assert found.feeds[1].categories == [["Topics"]]
