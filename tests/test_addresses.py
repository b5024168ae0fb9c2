"""Tests of addresses: from a path to a listing, a document or a list, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.slugs import slugify
from feedserver.index.archives import ArchiveDocument
from feedserver.model import Format, Kind, ListingKey
from feedserver.site.addresses import GROUPS, Destination, ListTarget, parse, parse_list, split_format

slugs = st.text(min_size=1, max_size=30).map(slugify)
domains = st.sampled_from(["gazette.example", "news.gazette.example", "xn--bcher-kva.example", "a.co"])
keys = st.one_of(
    st.just(ListingKey(kind=Kind.ARTICLES)),
    st.builds(ListingKey, kind=st.sampled_from(list(GROUPS.values())), slug=slugs),
    st.builds(ListingKey, kind=st.just(Kind.DOMAIN), slug=domains),
)
months = st.integers(min_value=1000 * 12, max_value=9_999 * 12 - 1)  # the last year has no parts
parts = st.builds(ArchiveDocument, month=months, number=st.integers(min_value=1, max_value=9_999_999))
targets = st.builds(Destination, keys, st.none() | st.sampled_from(Format), st.none()) | st.builds(
    Destination, keys, st.none() | st.sampled_from(Format), parts
)
paths = st.text().map("/{}".format) | st.text(alphabet="/aA.topicsrfed%+ ").map("/{}".format)


@given(target=targets)
def test_an_address_names_what_it_was_made_of(target: Destination) -> None:
    assert parse(target.address) == target


@given(
    st.sampled_from(list(GROUPS.values())), st.sampled_from(["", "opml", "json"]), st.integers(1, 9_999_999)
)
def test_the_address_of_a_list_names_it(kind: Kind, suffix: str, page: int) -> None:
    wanted = ListTarget(kind, suffix, page)
    assert parse_list(wanted.address) == wanted


@pytest.mark.parametrize(
    "path",
    ["/topics.0", "/topics.1", "/topics.1.json", "/topics.02", "/topics.2.rss", "/topics.2.", "/topics.x"],
)
def test_a_list_has_one_address(path: str) -> None:
    assert parse_list(path) is None


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
    assert parse("/providers/gazette") == Destination(ListingKey(kind=Kind.PROVIDER, slug="gazette"))
    assert parse("/providers/gazette.example.json") == Destination(
        ListingKey(kind=Kind.DOMAIN, slug="gazette.example"), Format.JSON
    )


@pytest.mark.parametrize("kind", GROUPS.values())
@pytest.mark.parametrize("suffix", ["", "opml", "json"])
def test_each_kind_has_a_list_in_three_forms(kind: Kind, suffix: str) -> None:
    path = f"/{kind.value}" + (f".{suffix}" if suffix else "")
    assert parse_list(path) == ListTarget(kind, suffix)


@pytest.mark.parametrize(
    "path",
    ["/", "/articles", "/topics.", "/topics.rss", "/topics/", "/Topics", "//topics", "/topics.opml.opml"],
)
def test_nothing_else_is_a_list(path: str) -> None:
    assert parse_list(path) is None


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


def test_the_page_of_an_archive_document_has_its_address_without_a_suffix() -> None:
    june = ArchiveDocument(month=2020 * 12 + 5, number=1)
    page = parse("/topics/ai/2020-06.1")
    assert page == Destination(ListingKey(kind=Kind.TOPIC, slug="ai"), None, june)
    assert page.document is None
