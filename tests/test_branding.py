"""Branding for aggregators: from the settings to RSS and Atom, and only if it is set."""

from __future__ import annotations

from pathlib import Path

import feedparser
import pytest
from feed_samples import RICH, a_feed
from servers import index, settings_of, write_story

from feedserver.errors import SettingsError
from feedserver.feeds.document import Document
from feedserver.model import Branding, Format, Kind, ListingKey
from feedserver.render import render
from feedserver.wiring.publishing import make_publisher

EVERYTHING = ListingKey(kind=Kind.ARTICLES)
XML_FORMATS = [Format.RSS, Format.ATOM]
BRANDING = {
    "cover": "https://gazette.example/cover.jpg?w=1&h=2",
    "icon": "https://gazette.example/icon.svg",
    "logo": "https://gazette.example/logo.svg",
    "accent_color": "#33AA99",
    "related_cards": True,
}


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_a_feed_carries_the_branding_of_the_settings(fmt: Format, tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "one")
    settings = settings_of(tmp_path / "state", tmp_path / "articles", branding=BRANDING)
    index(settings)

    feed = feedparser.parse(make_publisher(settings).preview(Document(EVERYTHING, fmt)))

    assert feed.namespaces["webfeeds"] == "http://webfeeds.org/rss/1.0"
    assert feed.feed.webfeeds_cover == {"image": "https://gazette.example/cover.jpg?w=1&h=2"}
    assert feed.feed.webfeeds_icon == "https://gazette.example/icon.svg"
    assert feed.feed.webfeeds_logo == "https://gazette.example/logo.svg"
    assert feed.feed.webfeeds_accentcolor == "33aa99"
    assert feed.feed.webfeeds_related == {"layout": "card", "target": "browser"}
    assert [entry.title for entry in feed.entries] == ["A title"]


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_only_what_is_set_is_asked_for(fmt: Format) -> None:
    rendered = render(a_feed(branding=Branding(accent_color="336699")), fmt)

    assert rendered.count(b"<webfeeds:") == 1
    assert b"<webfeeds:accentColor>336699</webfeeds:accentColor>" in rendered


@pytest.mark.parametrize("fmt", Format)
def test_there_is_no_branding_by_default(fmt: Format) -> None:
    assert b"webfeeds" not in render(RICH, fmt)


@pytest.mark.parametrize("color", ["red", "#369", "33669g", "336699ff"])
def test_a_color_is_six_hexadecimal_digits(color: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"branding\.accent_color.* must be six hexadecimal digits"):
        settings_of(tmp_path, branding={"accent_color": color})
