"""Redirects of the settings: with and without a slash, for feeds and for archive documents."""

from __future__ import annotations

import pytest

from feedserver.web.redirects import Redirects

REDIRECTS = Redirects(
    {
        "/old": "/topics/ai",
        "/slashed/": "/topics/bees",
        "/both": "/a",
        "/both/": "/b",
        "/feed.xml": "/articles.rss",
        "/to-slash": "/topics/bees/",
    }
)


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("/old", "/topics/ai"),
        ("/old/", "/topics/ai"),
        ("/old//", "/topics/ai"),
        ("/old.rss", "/topics/ai.rss"),
        ("/old/2024-05.1.atom", "/topics/ai/2024-05.1.atom"),
        ("/old/2024-05.1", "/topics/ai/2024-05.1"),
        ("/slashed", "/topics/bees"),
        ("/slashed/", "/topics/bees"),
        ("/slashed.json", "/topics/bees.json"),
        ("/slashed/2024-05.12.rss", "/topics/bees/2024-05.12.rss"),
        ("/both", "/a"),
        ("/both/", "/b"),
        ("/feed.xml", "/articles.rss"),
        ("/to-slash.rss", "/topics/bees.rss"),
        ("/feed.xml/", "/articles.rss"),
    ],
)
def test_a_redirect_holds_with_and_without_a_slash_and_for_documents(path: str, new: str) -> None:
    assert REDIRECTS.of(path) == new


@pytest.mark.parametrize(
    "path",
    ["/", "//", "", "/older", "/old.opml", "/old/2024-13.1", "/old/2024-13.1.rss", "/old/x.rss", "/x/old"],
)
def test_nothing_else_is_redirected(path: str) -> None:
    assert REDIRECTS.of(path) is None


CIRCLES = Redirects(
    {
        "/a": "/b",
        "/b.rss": "/a.rss",
        "/c/": "/d",
        "/d": "/c",
        "/e": "/e/",
        "/into": "/c",
        "/f/": "/f",
        "/f": "/g",
    }
)


@pytest.mark.parametrize(
    "path", ["/a.rss", "/b.rss", "/c", "/c/", "/c.rss", "/d", "/e", "/e/", "/e.atom", "/into"]
)
def test_nothing_is_led_round_in_a_circle(path: str) -> None:
    assert CIRCLES.of(path) is None


@pytest.mark.parametrize(
    ("path", "new"), [("/a", "/b"), ("/a.atom", "/b.atom"), ("/f/", "/f"), ("/f", "/g"), ("/f.rss", "/g.rss")]
)
def test_what_is_beside_a_circle_is_redirected(path: str, new: str) -> None:
    assert CIRCLES.of(path) == new
