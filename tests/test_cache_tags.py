"""Cache tags: the names by which a CDN forgets all that it has of a listing."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import index, quiet_app, settings_of
from test_fast_path import FEEDS, LISTS, PAGES, Pair, ask, header

from feedserver.model import Kind, ListingKey
from feedserver.settings.sources import load_settings
from feedserver.site import cache_tags

ARCHIVE = "/articles/2024-04.1.rss"
TAGS = {
    "/topics/ai.rss": "feedserver topics-ai",
    "/topics/ai": "feedserver topics-ai",
    "/providers/gazette.example.json": "feedserver providers-gazette.example",
    "/articles.atom": "feedserver articles",
    ARCHIVE: "feedserver archives-articles",
    "/topics": "feedserver topics",
    "/topics.opml": "feedserver topics",
    "/feeds.json": "feedserver feeds",
    "/": "feedserver directory",
    "/all.opml": "feedserver directory",
    "/recommended.opml": "feedserver directory",
}


@pytest.mark.parametrize(
    ("form", "name", "separator"), [("surrogate-key", "Surrogate-Key", " "), ("cache-tag", "Cache-Tag", ",")]
)
def test_documents_have_the_tags_of_their_listing_by_flask_and_by_the_fast_path(
    tmp_path: Path, form: str, name: str, separator: str
) -> None:
    site = Pair(tmp_path, http={"cache_tags": form})
    site.settle()

    for path, expected in TAGS.items():
        for method in ("GET", "HEAD"):
            ask(site.fast, path)
            hits = site.fast_path.hits
            fast, plain = ask(site.fast, path, method), ask(site.plain, path, method)
            assert site.fast_path.hits == hits + 1, path
            assert header(fast, name) == header(plain, name) == expected.replace(" ", separator), path
        etag = header(plain, "ETag")
        for app in (site.fast, site.plain):
            unchanged = ask(app, path, HTTP_IF_NONE_MATCH=etag)
            assert unchanged[0].startswith("304"), path
            assert header(unchanged, name) == expected.replace(" ", separator), path


def test_without_the_setting_no_document_has_tags(tmp_path: Path) -> None:
    site = Pair(tmp_path, old=3)

    for path in FEEDS + PAGES + LISTS:
        for app in (site.fast, site.fast, site.plain):
            names = {key.lower() for key, _ in ask(app, path)[1]}
            assert names.isdisjoint({"surrogate-key", "cache-tag"}), path


@pytest.mark.parametrize("written", ["off", '"off"', "false"])
def test_the_setting_may_be_off_as_yaml_writes_it(tmp_path: Path, written: str) -> None:
    (tmp_path / "feedserver.yaml").write_text(f"http: {{cache_tags: {written}}}\n", encoding="utf-8")

    settings = load_settings(config_file=tmp_path / "feedserver.yaml", environ={})

    assert settings.http.cache_tags == "off"


def test_static_files_errors_and_redirects_have_no_tags(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "state", tmp_path, http={"cache_tags": "cache-tag"})
    index(settings)
    client = quiet_app(settings).test_client()

    for path in ("/static/style.css", "/topics/none", "/topics/none.rss", "/feed", "/healthz"):
        assert "Cache-Tag" not in client.get(path).headers, path


@given(kind=st.sampled_from(Kind), slug=st.text(string.ascii_lowercase + string.digits + "-.", max_size=253))
def test_a_tag_is_visible_ascii_without_a_comma_and_has_a_bounded_length(kind: Kind, slug: str) -> None:
    key = ListingKey(kind=kind, slug=slug)
    for tags in (cache_tags.of_listing(key), cache_tags.of_archives(key)):
        assert tags[0] == "feedserver"
        for tag in tags:
            assert 0 < len(tag) <= 200
            assert all("!" <= letter <= "~" and letter != "," for letter in tag)


def test_long_names_that_begin_alike_have_tags_of_their_own() -> None:
    keys = [ListingKey(kind=Kind.DOMAIN, slug="a" * 240 + end) for end in (".example", ".test")]

    tags = [(*cache_tags.of_listing(key), *cache_tags.of_archives(key)) for key in keys]
    assert len(set(tags[0] + tags[1])) == 5
