"""What a path names, and what people may have meant by one that names nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.archives import Part
from feedserver.articles.slugs import slugify
from feedserver.model import Format, Kind, ListingKey
from feedserver.web.addresses import GROUPS, Target, guesses, parse, parse_list, split_format

slugs = st.text(min_size=1, max_size=30).map(slugify)
domains = st.sampled_from(["gazette.example", "news.gazette.example", "xn--bcher-kva.example", "a.co"])
keys = st.one_of(
    st.just(ListingKey(kind=Kind.ARTICLES)),
    st.builds(ListingKey, kind=st.sampled_from(list(GROUPS.values())), slug=slugs),
    st.builds(ListingKey, kind=st.just(Kind.DOMAIN), slug=domains),
)
months = st.integers(min_value=1000 * 12, max_value=9_999 * 12 - 1)  # the last year has no parts
parts = st.builds(Part, month=months, number=st.integers(min_value=1, max_value=9_999_999))
targets = st.builds(Target, keys, st.none() | st.sampled_from(Format), st.none()) | st.builds(
    Target, keys, st.sampled_from(Format), parts
)
paths = st.text().map("/{}".format) | st.text(alphabet="/aA.topicsrfed%+ ").map("/{}".format)


@given(target=targets)
def test_an_address_names_what_it_was_made_of(target: Target) -> None:
    assert parse(target.address) == target


@given(path=paths)
def test_a_path_that_names_something_is_the_address_of_it(path: str) -> None:
    target = parse(path)
    assert target is None or target.address == path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "articles",
        "/article",
        "/articles/",
        "/articles/2020",
        "/articles.xml",
        "/.rss",
        "/topics",
        "/topics.rss",
        "/topics/",
        "/topics/.rss",
        "/topics/a/b",
        "/topics/ai.xml",
        "/topics/a.b",
        "/topics/../topics/ai",
        "/domains/gazette.example",
        "/providers/Gazette.Example",
        "/providers/gazette..example",
        "/providers/.example",
        "/providers/10.0.0.1",
        "/Topics/ai",
    ],
)
def test_a_path_that_is_no_address_names_nothing(path: str) -> None:
    assert parse(path) is None


def test_a_provider_and_its_domain_have_addresses_of_their_own() -> None:
    assert parse("/providers/gazette") == Target(ListingKey(kind=Kind.PROVIDER, slug="gazette"))
    assert parse("/providers/gazette.example.json") == Target(
        ListingKey(kind=Kind.DOMAIN, slug="gazette.example"), Format.JSON
    )


@pytest.mark.parametrize("kind", GROUPS.values())
@pytest.mark.parametrize("suffix", ["", "opml", "json"])
def test_each_kind_has_a_list_in_three_forms(kind: Kind, suffix: str) -> None:
    path = f"/{kind.value}" + (f".{suffix}" if suffix else "")
    assert parse_list(path) == (kind, suffix)


@pytest.mark.parametrize(
    "path",
    ["/", "/articles", "/topics.", "/topics.rss", "/topics/", "/Topics", "//topics", "/topics.opml.opml"],
)
def test_nothing_else_is_a_list(path: str) -> None:
    assert parse_list(path) is None


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
def test_a_trailing_slash_leads_back_to_the_address(target: Target, end: str) -> None:
    assert target.address in list(guesses(target.address + end))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/topics/ai.rss", ("/topics/ai", Format.RSS)),
        ("/topics/ai.opml", ("/topics/ai.opml", None)),
        ("/rss", ("/rss", None)),
        ("/a.json.atom", ("/a.json", Format.ATOM)),
    ],
)
def test_only_the_last_suffix_is_a_format(path: str, expected: tuple[str, Format | None]) -> None:
    assert split_format(path) == expected
