"""The recommended list of feeds: a reader that imports it is sent each article once."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import BASE_URL, index, quiet_app, settings_of, write_story

from feedserver.index.values import ListingState, hold_each_once
from feedserver.model import Kind, ListingKey


@pytest.mark.parametrize(
    ("files", "retired", "pages"),
    [
        (["_news/a", "_news/b", "_videos/c"], [], ["/categories/news", "/categories/videos"]),
        (["_news/a", "_news/b"], [], ["/articles"]),
        (["_news/a", "_videos/b", "c"], [], ["/articles"]),
        (["_news/a", "_videos/b", "_courses/c"], ["/categories/videos"], ["/articles"]),
        (["_news/a", "_videos/b"], ["/articles"], ["/categories/news", "/categories/videos"]),
        ([], [], ["/articles"]),
    ],
)
def test_the_recommended_feeds_bring_each_article_once(
    tmp_path: Path, files: list[str], retired: list[str], pages: list[str]
) -> None:
    """Articles have three topics and a provider here: all feeds together bring each of them seven times."""
    for name in files:
        write_story(
            tmp_path / "in", name, title=name, topics=["A", "B", "C"], provider=("Gazette", "gazette.example")
        )
    (tmp_path / "in").mkdir(exist_ok=True)
    settings = settings_of(tmp_path / "state", tmp_path / "in", retired=retired, site={"title": "Coast"})
    index(settings)
    client = quiet_app(settings).test_client()
    body = ET.fromstring(client.get("/recommended.opml").data).find("body")  # noqa: S314  our own
    assert body is not None
    feeds = [one.attrib for one in body.iter("outline") if "xmlUrl" in one.attrib]
    base = settings.site.base_url or BASE_URL
    items = [
        item["title"]
        for feed in feeds
        for item in client.get(feed["htmlUrl"].removeprefix(base) + ".json").get_json(force=True)["items"]
    ]

    assert [feed["htmlUrl"].removeprefix(base) for feed in feeds] == pages
    assert Counter(items) == Counter(files)
    folders = [one.attrib for one in body if "xmlUrl" not in one.attrib]
    assert folders == ([{"type": "folder", "text": "Coast", "title": "Coast"}] if len(pages) > 1 else [])


def test_of_a_site_that_retired_everything_nothing_is_recommended(tmp_path: Path) -> None:
    write_story(tmp_path / "in", "_news/a")
    settings = settings_of(tmp_path / "state", tmp_path / "in", retired=["/articles", "/categories/news"])
    index(settings)

    assert b"xmlUrl" not in quiet_app(settings).test_client().get("/recommended.opml").data


@given(st.lists(st.sets(st.integers(0, 2)), min_size=1, max_size=8))
def test_listings_hold_each_entry_once_if_and_only_if_their_versions_add_up(homes: list[set[int]]) -> None:
    digests = [hashlib.blake2b(bytes([number]), digest_size=16).digest() for number in range(len(homes))]
    parts = [[d for d, home in zip(digests, homes, strict=True) if part in home] for part in range(3)]

    is_once = all(len(home) == 1 for home in homes)
    assert hold_each_once(map(a_state, parts), a_state(digests)) is is_once


def a_state(digests: list[bytes]) -> ListingState:
    version = sum(int.from_bytes(one, "big") for one in digests) % (1 << 128)
    return ListingState(
        key=ListingKey(kind=Kind.CATEGORY, slug="x"),
        id=1,
        version=f"{version:032x}",
        changed=1,
        retracted=0,
        build="b",
        count=len(digests),
        title="X",
        since=datetime(2024, 1, 1, tzinfo=UTC),
        updated=None,
        taxonomy=None,
    )
