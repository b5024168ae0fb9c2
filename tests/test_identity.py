"""Ids of articles and listings, which live for ever."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.identity import article_id, article_path, listing_id

SEGMENT = st.text(min_size=1).filter(lambda s: "/" not in s and "\0" not in s and s not in {".", ".."})


def id_of(path: str, prefix: str = "", chosen: str = "") -> str:
    return article_id(PurePosixPath(path), authority="example.org", year=2025, prefix=prefix, chosen=chosen)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("x.md", "x"),
        ("power-apps/_news/x.md", "power-apps/news/x"),
        ("power-apps/_archive/_news/x.md", "power-apps/news/x"),
        ("_learning/videos/x.md", "learning/videos/x"),
        ("_a/b/_c/d/x.html", "b/c/d/x"),
        ("a/_x.md", "a/_x"),
        ("release-1.2.md", "release-1.2"),
        ("_/x.md", "_/x"),
        ("no-extension", "no-extension"),
    ],
)
def test_of_the_folders_with_an_underscore_only_the_innermost_stays(path: str, expected: str) -> None:
    assert article_path(PurePosixPath(path)) == expected


def test_moving_a_file_into_an_archive_keeps_its_id() -> None:
    assert id_of("_archive/_news/x.md") == id_of("_news/x.md") == "tag:example.org,2025:news/x"


def test_an_id_does_not_depend_on_the_extension() -> None:
    assert id_of("news/x.md") == id_of("news/x.json")


def test_a_path_is_encoded_in_nfc() -> None:
    assert id_of("Ñ andú/日本.md") == "tag:example.org,2025:%C3%91%20and%C3%BA/%E6%97%A5%E6%9C%AC"
    assert id_of(unicodedata.normalize("NFD", "Ñandú.md")) == id_of("Ñandú.md")


def test_roots_are_told_apart_by_their_prefix() -> None:
    assert id_of("x.md", prefix="blog/") == "tag:example.org,2025:blog/x"


@pytest.mark.parametrize(
    "chosen",
    ["https://example.com/2020/x?y#z", "urn:uuid:1225c695-cfb8-4ebb-aaaa-80da344efa6a", "tag:a.b,2005:é"],
)
def test_an_absolute_iri_is_the_id_as_it_is(chosen: str) -> None:
    assert id_of("x.md", prefix="blog", chosen=chosen) == chosen


@pytest.mark.parametrize(
    ("chosen", "path"),
    [("42", "42"), ("/a/b c", "a/b%20c"), ("Note: a name", "Note%3A%20a%20name"), ("2020:x", "2020%3Ax")],
)
def test_any_other_id_stands_in_the_place_of_the_path(chosen: str, path: str) -> None:
    assert id_of("news/x.md", chosen=chosen) == f"tag:example.org,2025:{path}"
    assert id_of("news/x.md", prefix="p", chosen=chosen) == f"tag:example.org,2025:p/{path}"


@given(st.lists(SEGMENT, min_size=1, max_size=4))
def test_any_path_gives_an_ascii_id_without_blanks(segments: list[str]) -> None:
    identifier = id_of("/".join(segments))
    assert identifier.isascii()
    assert identifier.isprintable()
    assert " " not in identifier


def test_a_listing_is_named_by_its_address() -> None:
    assert listing_id("example.org", 2025, "/topics/ai") == "tag:example.org,2025:feeds/topics/ai"
