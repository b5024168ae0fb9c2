"""Tests of guesses: the addresses that a client may have meant by a path that names nothing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_addresses import paths, targets

from feedserver.site.addresses import Destination
from feedserver.web.guesses import guesses


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/feed", "/articles.rss"),
        ("/feed/", "/articles.rss"),
        ("/rss", "/articles.rss"),
        ("/RSS", "/articles.rss"),
        ("/atom", "/articles.atom"),
        ("/feed.xml", "/articles.rss"),
        ("/rss.xml", "/articles.rss"),
        ("/index.xml", "/articles.rss"),
        ("/atom.xml", "/articles.atom"),
        ("/Atom.XML", "/articles.atom"),
        ("/feed.json", "/articles.json"),
        ("/articles/feed", "/articles.rss"),
        ("/articles/", "/articles"),
        ("//", "/"),
        ("/topics/", "/topics"),
        ("/TOPICS.OPML", "/topics.opml"),
        ("/topics/ai/", "/topics/ai"),
        ("//topics//ai", "/topics/ai"),
        ("/topics/ai/feed", "/topics/ai.rss"),
        ("/topics/ai/Feed/", "/topics/ai.rss"),
        ("/topics/ai/rss", "/topics/ai.rss"),
        ("/topics/ai/atom", "/topics/ai.atom"),
        ("/Topics/AI.RSS", "/topics/ai.rss"),
        ("/topics/Power Apps", "/topics/power-apps"),
        ("/topics/Power Apps.atom", "/topics/power-apps.atom"),
        ("/topics/Power Apps/feed", "/topics/power-apps.rss"),
        ("/topics/C++", "/topics/c-plus-plus"),
        ("/topics/C++/rss", "/topics/c-plus-plus.rss"),
        ("/providers/Gazette.Example.json", "/providers/gazette.example.json"),
        ("/feed/atom", "/articles.atom"),
        ("/Feed/RSS2/", "/articles.rss"),
        ("/index.rss", "/articles.rss"),
        ("/index.atom", "/articles.atom"),
        ("/topics/ai.xml", "/topics/ai.rss"),
        ("/topics/ai.atom.xml", "/topics/ai.atom"),
        ("/topics/ai/feed.xml", "/topics/ai.rss"),
        ("/topics/ai/index.xml", "/topics/ai.rss"),
        ("/topics/ai/atom.xml", "/topics/ai.atom"),
        ("/topics/ai/feed/atom", "/topics/ai.atom"),
        ("/topics/feed/rss", "/topics/feed.rss"),
        ("/topics/Power+Apps", "/topics/power-apps"),
        ("/topics/Power+Apps/feed.xml", "/topics/power-apps.rss"),
        ("/topics/ai.", "/topics/ai"),
        ("/topics/ai.rss).", "/topics/ai.rss"),
        ("/topics/Power+Apps.json>", "/topics/power-apps.json"),
        ("/articles/feed/,", "/articles.rss"),
        ("/all.opml)", "/all.opml"),
        ("/providers/gazette.example.", "/providers/gazette.example"),
        ("/providers/www.gazette.example", "/providers/gazette.example"),
        ("/providers/WWW.Gazette.Example/feed", "/providers/gazette.example.rss"),
        ("/providers/gazette.example.xml", "/providers/gazette.example.rss"),
        ("/providers/gazette.example", "/providers/www.gazette.example"),
        ("/apple-touch-icon-120x120-precomposed.png", "/apple-touch-icon.png"),
    ],
)
def test_what_was_probably_meant_is_among_the_guesses(path: str, meant: str) -> None:
    assert meant in list(guesses(path))


@given(path=paths)
def test_guesses_are_paths_of_this_site_and_never_the_path_itself(path: str) -> None:
    found = list(guesses(path))
    assert path not in found
    assert len(found) == len(set(found))
    assert all(one.startswith("/") and not one.startswith("//") for one in found)


@given(target=targets, end=st.sampled_from(["/", "//"]))
def test_a_trailing_slash_leads_back_to_the_address(target: Destination, end: str) -> None:
    assert target.address in list(guesses(target.address + end))


@pytest.mark.parametrize(
    ("path", "not_meant"),
    [
        ("/topics/C++", "/topics/c"),
        ("/topics/C#", "/topics/c"),
        ("/topics/..", "/topics"),
        ("/topics.", "/topics"),
        ("/topics/a/b.xml", "/topics/b.rss"),
    ],
)
def test_what_means_something_else_is_not_among_them(path: str, not_meant: str) -> None:
    assert not_meant not in list(guesses(path))


@given(path=paths | st.text(alphabet="/feds.xmlrssato+)").map("/{}".format))
def test_there_are_few_of_them(path: str) -> None:
    assert len(list(guesses(path))) <= 40


@pytest.mark.parametrize("piece", ["(", "/feed", ".xml", "+a", "a/", ").", "www."])
def test_a_long_path_is_no_more_work_than_its_length(piece: str) -> None:
    begun = time.monotonic()
    for end in ("", "a"):
        list(guesses("/topics/" + piece * (64_000 // len(piece)) + end))
    assert time.monotonic() - begun < 5
