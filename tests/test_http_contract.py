"""The contract with HTTP clients, over a folder that was really indexed."""

from __future__ import annotations

import gzip
import json
import operator
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import pytest
from builders import let_readers_look, write_file
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from servers import (
    BASE_URL,
    ENGINES,
    index,
    quiet_app,
    serve,
    server_app,
    settings_of,
    write_story,
)
from stores import index_section
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from feedserver.feeds import feed_renderer
from feedserver.settings.sources import Settings

FEED_TYPES = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "json": "application/feed+json; charset=utf-8",
}
PAGES = [
    "/articles",
    "/topics/ai",
    "/topics/c-plus-plus",
    "/topics/tides",
    "/providers/gazette",
    "/providers/gazette.example",
    "/categories/news",
    "/feeds/mine",
    "/feeds/empty",
]
FEEDS = [f"{page}.{suffix}" for page in PAGES for suffix in FEED_TYPES]
GROUPS = ["/topics", "/providers", "/categories", "/feeds"]
LISTS = [f"{group}{suffix}" for group in GROUPS for suffix in ("", ".opml", ".json")]
OPML = ["/all.opml", "/recommended.opml"]
STATIC = ["/static/style.css", "/static/copy.js", "/static/favicon.svg"]
EVERYTHING = [
    *PAGES,
    *FEEDS,
    *LISTS,
    *STATIC,
    "/",
    *OPML,
    "/healthz",
    "/readyz",
    "/status",
    "/status.json",
]

# Texts that only hidden articles have; no response may hold one.
HIDDEN = (
    "unpublished",
    "drafted",
    "removed-one",
    "future",
    "Secret",
    "secret-topic",
    "hush.example",
    "Whisper",
)

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}


def fill(folder: Path) -> None:
    write_story(folder, "_news/one", topics=["AI", "Power Apps", "C++", "Feed"], title="First & foremost")
    write_story(folder, "_news/two", topics=["AI", "Ended"], date="2024-05-02T10:00:00Z", body="Text. " * 200)
    write_story(folder, "_news/three", topics=["R&D"], provider=("Harbour Post", "post.example"))
    hide(folder, "unpublished", published=False)
    hide(folder, "drafted", draft=True)
    hide(folder, "removed-one", removed=True)
    hide(folder, "future", date="2999-01-01T00:00:00Z")
    write_file(folder, "_data/tides.md", "---\ntaxonomy: topic\nname: Tides\ndescription: High water.\n---\n")


def hide(folder: Path, name: str, date: str = "2024-05-01T10:00:00Z", **why: Any) -> None:
    whisper = ("Whisper", "hush.example")
    write_story(
        folder, f"_news/{name}", title="Secret", date=date, topics=["Secret topic"], provider=whisper, **why
    )


SECTIONS: dict[str, Any] = {
    "feeds": {
        "selections": {
            "mine": {"title": "Mine", "topics": ["AI"]},
            "empty": {"title": "Nothing yet", "topics": ["No such topic"]},
        }
    },
    "http": {"max_age": 600, "page_max_age": 30},
    "redirects": {
        "/old": "/topics/ai",
        "/blog.xml": "/articles.rss",
        "/topics/tides": "/topics/ai",
        "/topics/r-and-d": "/topics/ai",
        "/chain": "/old",
        "/nowhere": "/topics/unheard-of",
        "/slashed/": "/topics/ai",
        "/topics": "/articles",
    },
    "retired": ["/topics/ended", "/topics/never-was", "/gone", "/topics/power-apps.atom"],
    "status": {"token": "open sesame"},
}


def site_settings(state: Path, folder: Path) -> Settings:
    return settings_of(state, folder, **SECTIONS)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("contract")
    fill(folder / "articles")
    settings = site_settings(folder / "state", folder / "articles")
    index(settings)
    app = quiet_app(settings)
    client = app.test_client()
    for path in FEEDS:
        client.get(path)
    time.sleep(1.1)  # by then the second of every Last-Modified has come
    return app


@pytest.fixture(scope="module", params=["in this process", *ENGINES])
def asked_app(
    request: pytest.FixtureRequest, app: Flask, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """The application, and one that hands each request on to a real server with the same site."""
    if request.param not in ENGINES:
        yield app
        return
    folder = tmp_path_factory.mktemp("served")
    fill(folder / "articles")
    site = {"base_url": BASE_URL, "title": "Example"}
    settings = {**SECTIONS, "site": site, "articles": ["articles"], "index": index_section(folder / "state")}
    (folder / "feedserver.yaml").write_text(json.dumps(settings), encoding="utf-8")
    # One worker: it has seen every feed then, and knows each Last-Modified.
    with serve(folder, "--workers", "1", "--engine", request.param) as server:
        handing_on = server_app(server)
        client = handing_on.test_client()
        server.wait_for(lambda: all(client.get(path).last_modified for path in SERVED_FEEDS))
        yield handing_on


@pytest.fixture
def client(asked_app: Flask) -> FlaskClient:
    return asked_app.test_client()


# Redirected by these settings; tested apart.
SERVED = [path for path in EVERYTHING if not path.startswith("/topics/tides")]
SERVED_FEEDS = [path for path in FEEDS if path in SERVED]


# --- Documents


@pytest.mark.parametrize("path", SERVED)
def test_every_address_answers(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", SERVED_FEEDS)
def test_a_feed_comes_with_all_that_clients_need(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    page, _, suffix = path.rpartition(".")
    assert response.headers["Content-Type"] == FEED_TYPES[suffix]
    assert response.headers["Cache-Control"] == (
        "max-age=600, stale-while-revalidate=86400, stale-if-error=604800"
    )
    assert response.headers["Vary"] == "Accept-Encoding, Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-Fetch-Site"
    assert response.headers["ETag"].strip('"').isalnum()
    assert response.last_modified is not None
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"ETag", "Last-Modified", "Link"} <= set(exposed)
    assert "Set-Cookie" not in response.headers
    links = response.headers.getlist("Link")
    assert links[0] == f'<{BASE_URL}{path}>; rel="self"'
    assert f'<{BASE_URL}{page}>; rel="alternate"; type="text/html"' in links
    assert sum('rel="self"' in link for link in links) == 1
    assert {f"{BASE_URL}{page}.{other}" for other in FEED_TYPES if other != suffix} < {
        link[1 : link.index(">")] for link in links
    }


@pytest.mark.parametrize("path", [path for path in SERVED_FEEDS if not path.endswith(".json")])
def test_an_xml_feed_is_one_to_a_foreign_parser(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    parsed = feedparser.parse(
        response.data, response_headers={"content-type": response.headers["Content-Type"]}
    )
    assert not parsed.bozo
    assert parsed.feed.title
    assert {link.href for link in parsed.feed.links if link.rel == "self"} == {BASE_URL + path}


@pytest.mark.parametrize("path", [path for path in SERVED_FEEDS if path.endswith(".json")])
def test_a_json_feed_names_itself(client: FlaskClient, path: str) -> None:
    feed = client.get(path).get_json(force=True)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == BASE_URL + path


@pytest.mark.parametrize(
    "path", [*SERVED_FEEDS, *LISTS, *STATIC, "/", "/articles", "/all.opml", "/recommended.opml"]
)
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_whoever_holds_the_current_content_gets_304(client: FlaskClient, path: str, encoding: str) -> None:
    first = client.get(path, headers={"Accept-Encoding": encoding})
    for tag in (first.headers["ETag"], f"W/{first.headers['ETag']}"):
        again = client.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": tag})
        assert again.status_code == 304
        assert again.data == b""
        for name in ("ETag", "Vary", "Cache-Control", "Access-Control-Allow-Origin"):
            assert again.headers.get(name) == first.headers.get(name)
        assert "Content-Type" not in again.headers


@pytest.mark.parametrize("path", [path for path in SERVED_FEEDS if path != "/feeds/empty.json"])
def test_a_feed_is_the_same_in_gzip(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    packed = client.get(path, headers={"Accept-Encoding": "gzip;q=0.9, identity;q=0.1"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.headers["Last-Modified"] == plain.headers["Last-Modified"]


@pytest.mark.parametrize("path", SERVED_FEEDS)
def test_a_date_alone_is_enough(client: FlaskClient, path: str) -> None:
    told = client.get(path).headers["Last-Modified"]
    assert client.get(path, headers={"If-Modified-Since": told}).status_code == 304


@pytest.mark.parametrize("path", [*SERVED, "/topics/ended", "/feed", "/topics/nothing", "//"])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_head_gets_the_headers_of_get_and_no_body(client: FlaskClient, path: str, encoding: str) -> None:
    got = client.get(path, headers={"Accept-Encoding": encoding})
    head = client.head(path, headers={"Accept-Encoding": encoding})
    assert head.status_code == got.status_code
    assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}
    assert head.data == b""
    assert int(got.headers["Content-Length"]) == len(got.data)


def test_queries_change_nothing(client: FlaskClient) -> None:
    plain, asked = client.get("/topics/ai.rss"), client.get("/topics/ai.rss?utm_source=x&n=1" + "y" * 3000)
    assert asked.data == plain.data
    assert asked.headers["ETag"] == plain.headers["ETag"]


def test_a_query_longer_than_servers_accept_changes_nothing(app: Flask) -> None:
    plain, asked = (app.test_client().get(f"/topics/ai.rss{query}") for query in ("", "?n=" + "y" * 8000))
    assert asked.data == plain.data
    assert asked.headers["ETag"] == plain.headers["ETag"]


def test_no_url_comes_from_the_request(client: FlaskClient) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    for path in [
        *SERVED_FEEDS,
        "/",
        "/topics",
        "/topics.opml",
        "/topics.json",
        "/all.opml",
        "/feed",
        "//",
        "/topics//ai",
    ]:
        response = client.get(path, headers=headers)
        assert b"evil.example" not in response.data
        assert "evil.example" not in str(response.headers)


# --- Methods, CORS, browsers


@pytest.mark.parametrize("path", ["/", "/topics/ai.rss", "/topics/nothing", "/static/style.css", "/status"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW"])
def test_other_methods_are_refused_with_those_that_are_allowed(
    client: FlaskClient, path: str, method: str
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_preflight_is_answered(client: FlaskClient) -> None:
    response = client.options(
        "/topics/ai.rss",
        headers={
            "Origin": "https://reader.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "if-none-match",
        },
    )
    assert response.status_code == 204
    assert response.data == b""
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "If-None-Match" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "path", [*EVERYTHING, "/topics/nothing.rss", "/topics/ended.rss", "/feed", "/old", "/none", "//"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_scripts_of_other_sites_may_read_every_answer(client: FlaskClient, path: str, method: str) -> None:
    for conditions in ({}, {"If-None-Match": "*"}, {"If-Match": '"other"'}):
        response = client.open(
            path, method=method, headers={"Origin": "https://reader.example", **conditions}
        )
        assert response.headers.getlist("Access-Control-Allow-Origin") == ["*"]
        (exposed,) = response.headers.getlist("Access-Control-Expose-Headers")
        assert {"ETag", "Last-Modified", "Link"} <= set(exposed.split(", "))


@pytest.mark.parametrize("path", ["/status", "/status.json"])
def test_no_script_of_another_site_reads_paths_through_a_browser_on_this_machine(
    tmp_path: Path, path: str
) -> None:
    write_story(tmp_path / "articles", "_news/broken", date="no date")
    settings = settings_of(
        tmp_path / "state", tmp_path / "articles", site={"base_url": ""}, status={"token": "open sesame"}
    )
    index(settings)
    client = quiet_app(settings).test_client()
    script = {"Origin": "https://elsewhere.example"}
    assert b"broken.md" in client.get(path).data
    assert b"broken.md" not in client.get(path, headers=script).data
    assert b"broken.md" not in client.get(path, headers={"Origin": "null"}).data
    assert b"broken.md" in client.get(path, headers={**script, "Authorization": "Bearer open sesame"}).data


@pytest.mark.parametrize("site", ["none", "cross-site", "same-site"])
@pytest.mark.parametrize("path", SERVED_FEEDS)
def test_a_person_who_opens_a_feed_in_a_browser_is_sent_to_its_page(
    client: FlaskClient, path: str, site: str
) -> None:
    response = client.get(path, headers={**NAVIGATION, "Sec-Fetch-Site": site})
    assert response.status_code == 303
    assert response.headers["Location"] == BASE_URL + path.rpartition(".")[0]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Vary"] == client.get(path).headers["Vary"]


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Dest": "empty"},
    ],
)
def test_nobody_else_is(client: FlaskClient, changed: dict[str, str]) -> None:
    assert client.get("/topics/ai.rss", headers={**NAVIGATION, **changed}).status_code == 200
    browser = {"Accept": "text/html,*/*;q=0.8", "User-Agent": "Mozilla/5.0"}
    assert client.get("/topics/ai.rss", headers=browser).status_code == 200


request_headers = st.fixed_dictionaries(
    {},
    optional={
        "Sec-Fetch-Dest": st.sampled_from(["document", "empty", "iframe", "image", ""]),
        "Sec-Fetch-Mode": st.sampled_from(["navigate", "cors", "no-cors", "same-origin", ""]),
        "Sec-Fetch-Site": st.sampled_from(["none", "cross-site", "same-site", "same-origin", ""]),
        "Sec-Fetch-User": st.just("?1"),
        "Sec-Purpose": st.just("prefetch"),
        "Accept": st.sampled_from(["text/html,*/*;q=0.8", "application/rss+xml", "*/*"]),
        "Accept-Encoding": st.sampled_from(["gzip", "br", "identity", "gzip, br"]),
        "Accept-Language": st.sampled_from(["de", "en"]),
        "User-Agent": st.sampled_from(["Mozilla/5.0", "Feedly/1.0", "curl/8"]),
        "Origin": st.sampled_from(["https://reader.example", "null"]),
        "Referer": st.sampled_from([f"{BASE_URL}/topics/ai", "https://reader.example/"]),
        "Host": st.sampled_from(["feeds.example", "localhost"]),
        "Cookie": st.just("a=b"),
        "Upgrade-Insecure-Requests": st.just("1"),
    },
)


@given(
    path=st.sampled_from(
        ["/topics/ai.rss", "/topics/ai", "/topics.json", "/all.opml", "/", "/feed", "/none"]
    ),
    first=request_headers,
    second=request_headers,
)
def test_an_answer_depends_on_no_header_that_vary_does_not_name(
    app: Flask, path: str, first: dict[str, str], second: dict[str, str]
) -> None:
    client = app.test_client()
    answer = client.get(path, headers=first)
    named = answer.headers.get("Vary", "").split(", ")
    same = {name: value for name, value in first.items() if name in named}
    other = client.get(path, headers={**same, **{k: v for k, v in second.items() if k not in named}})
    assert (other.status, list(other.headers), other.data) == (
        answer.status,
        list(answer.headers),
        answer.data,
    )


def test_a_person_sees_lists_and_missing_feeds_as_they_are(client: FlaskClient) -> None:
    assert client.get("/topics.opml", headers=NAVIGATION).status_code == 200
    assert client.get("/topics/nothing.rss", headers=NAVIGATION).status_code == 404


# --- Addresses


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/feed", "/articles.rss"),
        ("/feed/", "/articles.rss"),
        ("/rss", "/articles.rss"),
        ("/atom.xml", "/articles.atom"),
        ("/feed.xml", "/articles.rss"),
        ("/index.xml", "/articles.rss"),
        ("/feed.json", "/articles.json"),
        ("/topics/ai/feed", "/topics/ai.rss"),
        ("/topics/ai/feed/", "/topics/ai.rss"),
        ("/topics/ai/rss", "/topics/ai.rss"),
        ("/topics/ai/atom", "/topics/ai.atom"),
        ("/topics/ai/", "/topics/ai"),
        ("/topics/", "/topics"),
        ("/topics//ai", "/topics/ai"),
        ("/Topics/AI.Atom", "/topics/ai.atom"),
        ("/TOPICS.opml", "/topics.opml"),
        ("/All.OPML", "/all.opml"),
        ("/Recommended.opml/", "/recommended.opml"),
        ("/topics/C%2B%2B", "/topics/c-plus-plus"),
        ("/topics/Power%20Apps.json", "/topics/power-apps.json"),
        ("/Providers/Gazette.Example", "/providers/gazette.example"),
        ("/articles/feed?x=1", "/articles.rss"),
        ("/topics/feed/", "/topics/feed"),
        ("/topics/feed/feed", "/topics/feed.rss"),
        ("/feeds/MINE.rss", "/feeds/mine.rss"),
        ("/old", "/topics/ai"),
        ("/old.atom", "/topics/ai.atom"),
        ("/blog.xml", "/articles.rss"),
        ("/chain", "/old"),
        ("/Old/", "/old"),
        ("/topics/tides", "/topics/ai"),
        ("/topics/tides.json", "/topics/ai.json"),
        ("/topics/ENDED", "/topics/ended"),
    ],
)
def test_guessable_and_moved_addresses_redirect_for_good(
    client: FlaskClient, path: str, canonical: str
) -> None:
    response = client.get(path)
    assert response.status_code == 301
    assert response.headers["Location"] == BASE_URL + canonical


# Every kind of listing; `/topics/feed` and `/feeds/mine` are near what is guessed.
LISTINGS = [
    "/articles", "/topics/ai", "/topics/c-plus-plus", "/topics/feed", "/providers/gazette",
    "/providers/gazette.example", "/categories/news", "/feeds/mine", "/feeds/empty",
]  # fmt: skip
# How a listing's page or feed is asked for by other systems' conventions or by mistake, and what it leads to.
GUESSED = {
    **dict.fromkeys(("/feed", "/rss", "/rss2", "/rdf", "/feed/rss", "/feed/rss2", "/feed/rdf"), ".rss"),
    **dict.fromkeys(("/feed.xml", "/rss.xml", "/rss2.xml", "/index.xml", "/feed.rss", "/index.rss"), ".rss"),
    **dict.fromkeys(("/atom", "/feed/atom", "/atom.xml", "/feed.atom", "/index.atom"), ".atom"),
    **dict.fromkeys(("/feed/json", "/feed.json", "/index.json"), ".json"),
}
BELOW_LISTINGS = {
    **GUESSED,
    **dict.fromkeys((".xml", ".rss.xml", ".XML", "/Feed/", "/index.xml/", "//feed", ".rss/", ".Rss"), ".rss"),
    **dict.fromkeys(
        ("/", "//", ".", ",", ")", "]", "%3E", "%22", "/.", ").", "%E2%80%9D", "%0A", "/)", "%20"), ""
    ),
    **dict.fromkeys((".atom.xml", ".atom.", ".atom)", ".atom%5D.", ".atom/%22", ".atom%20"), ".atom"),
    **dict.fromkeys((".json.", ".json;", ".JSON", "/feed/json)"), ".json"),
}


@pytest.mark.parametrize("end", GUESSED)
@pytest.mark.parametrize("slip", ["", "/", ".", ")"])
def test_a_guess_on_the_root_leads_to_all_articles(client: FlaskClient, end: str, slip: str) -> None:
    for path in (end + slip, end.upper() + slip):
        response = client.get(path)
        assert (response.status_code, response.headers["Location"]) == (
            301,
            f"{BASE_URL}/articles{GUESSED[end]}",
        )


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("end", BELOW_LISTINGS)
def test_a_guess_leads_to_the_listing_or_its_feed(client: FlaskClient, listing: str, end: str) -> None:
    response = client.get(listing + end)
    location = f"{BASE_URL}{listing}{BELOW_LISTINGS[end]}"
    assert (response.status_code, response.headers.get("Location")) == (301, location)
    assert client.get(location.removeprefix(BASE_URL)).status_code == 200


@pytest.mark.parametrize("end", BELOW_LISTINGS)
@pytest.mark.parametrize(
    "missing", ["/topics/nothing", "/providers/nobody.example", "/feeds", "/none", "/topics/a/b"]
)
def test_a_guess_of_what_does_not_exist_is_not_found(client: FlaskClient, missing: str, end: str) -> None:
    if not (missing == "/feeds" and BELOW_LISTINGS[end] in ("", ".json")):  # a list
        assert client.get(missing + end).status_code == 404


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/topics/Power+Apps", "/topics/power-apps"),
        ("/topics/power+apps.atom", "/topics/power-apps.atom"),
        ("/topics/Power+Apps/feed.xml)", "/topics/power-apps.rss"),
        ("/providers/www.gazette.example", "/providers/gazette.example"),
        ("/providers/WWW.Gazette.Example.rss", "/providers/gazette.example.rss"),
        ("/providers/www.gazette.example/feed/atom", "/providers/gazette.example.atom"),
        ("/topics.opml)", "/topics.opml"),
        ("/all.opml.", "/all.opml"),
        ("/old/", "/topics/ai"),
        ("/old//", "/topics/ai"),
        ("/slashed", "/topics/ai"),
        ("/slashed/", "/topics/ai"),
        ("/slashed.rss", "/topics/ai.rss"),
        ("/old/2024-05.1.atom", "/topics/ai/2024-05.1.atom"),
        ("/slashed/2024-05.1.json", "/topics/ai/2024-05.1.json"),
        ("/topics/tides/", "/topics/ai"),
        ("/topics/r-and-d/", "/topics/r-and-d"),  # has articles, so that it has not moved
    ],
)
def test_slips_and_redirects_of_the_settings_lead_on(client: FlaskClient, path: str, canonical: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers.get("Location")) == (301, BASE_URL + canonical)


def test_no_guess_stands_before_a_listing(tmp_path: Path) -> None:
    names = ["Feed", "RSS", "RSS2", "RDF", "Atom", "Index", "XML", "JSON", "Feeds", "WWW"]
    write_story(tmp_path / "articles", "one", topics=names, provider=("Feed", "www.feed.xml"))
    write_story(tmp_path / "articles", "two", topics=names, provider=("RSS", "feed.xml"))
    settings = settings_of(
        tmp_path / "state",
        tmp_path / "articles",
        feeds={"selections": {name: {"title": name} for name in ("feed", "rss", "atom", "index")}},
    )
    index(settings)
    client = quiet_app(settings).test_client()
    listings = [f"/topics/{name.lower()}" for name in names]
    listings += [f"/feeds/{name}" for name in ("feed", "rss", "atom", "index")]
    listings += ["/providers/feed", "/providers/www.feed.xml", "/providers/feed.xml"]
    for listing in listings:
        assert client.get(listing).status_code == 200, listing
        for suffix in FEED_TYPES:
            assert client.get(f"{listing}.{suffix}").status_code == 200
        for end, suffix in GUESSED.items():
            if not end.endswith((".rss", ".atom", ".json")):  # of a domain
                assert client.get(listing + end).headers["Location"] == f"{BASE_URL}{listing}{suffix}", end


@pytest.mark.parametrize(
    "path",
    [
        "/TOPICS.2",  # lists with fewer pages
        "/topics.2/",
        "/Topics.9999999.json",
        "/topics.2.opml)",
        "/Topics/AI/1999-01.1.rss",  # no such archive document
        "/topics/ai/2024-05.2.xml",
        "/topics/c++/1999-01.1.atom",
        "/old/1999-01.1.rss",
        "/Old/2024-05.2.json",
        "/Nowhere",  # its redirect leads to nothing
        "/nowhere/",
        "/nowhere.rss/",
        "/NOWHERE.atom",
    ],
)
def test_no_redirect_leads_to_an_address_that_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/Topics/AI/2024-05.1.RSS", "/topics/ai/2024-05.1.rss"),
        ("/topics/ai/2024-05.1.xml", "/topics/ai/2024-05.1.rss"),
        ("/Topics/AI/2024-05.1/", "/topics/ai/2024-05.1"),
        ("/old/2024-05.1", "/topics/ai/2024-05.1"),
    ],
)
def test_a_guess_leads_to_an_archive_document(client: FlaskClient, path: str, canonical: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers.get("Location")) == (301, BASE_URL + canonical)
    assert client.get(canonical).status_code == 200


def test_an_archive_document_is_a_page_too(client: FlaskClient) -> None:
    page = client.get("/topics/ai/2024-05.1")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == client.get("/topics/ai").headers["Cache-Control"]
    assert "First &amp; foremost" in page.text
    held = client.get("/topics/ai/2024-05.1", headers={"If-None-Match": page.headers["ETag"]})
    assert held.status_code == 304
    assert client.get("/topics/ai/2024-05.2").status_code == 404
    assert client.get("/topics/ai/2024-06.1").status_code == 404


@pytest.mark.parametrize("path", ["/topics/feed", "/topics/feed.rss", "/topics/r-and-d", "/topics"])
def test_a_listing_with_articles_keeps_its_address(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_a_redirect_to_what_does_not_exist_is_none(client: FlaskClient) -> None:
    assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/topics/ended", "/topics/ended.rss", "/topics/ended/2024-05.1", "/topics/never-was.atom", "/gone"],
)
def test_what_was_retired_is_gone(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 410
    assert response.headers["Cache-Control"] == "max-age=60"


def test_one_format_can_be_retired_alone(client: FlaskClient) -> None:
    assert client.get("/topics/power-apps.atom").status_code == 410
    assert client.get("/topics/power-apps.rss").status_code == 200
    assert client.get("/topics/power-apps").status_code == 200


@pytest.mark.parametrize("path", ["/", "/topics", "/topics.opml", "/topics.json", *OPML, "/topics/endet"])
def test_nothing_leads_to_what_was_retired(client: FlaskClient, path: str) -> None:
    assert b"/topics/ended" not in client.get(path).data


@pytest.mark.parametrize(
    ("path", "close"),
    [
        ("/topics/aii", "/topics/ai"),
        ("/topics/power-app.rss", "/topics/power-apps"),
        ("/topic/power-apps.rss", "/topics/power-apps"),
        ("/providers/gazete", "/providers/gazette"),
        ("/providers/gazete.example.rss", "/providers/gazette.example"),
        ("/tags/Power Apps", "/topics/power-apps"),
    ],
)
def test_an_unknown_name_is_404_and_names_the_closest(client: FlaskClient, path: str, close: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.headers["Cache-Control"] == "max-age=60"
    assert f'href="{close}"' in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "path",
    [
        "/topics.",
        "/providers.rss",
        "/all",
        "/healthz.json",
        "/domains/gazette.example",
        "/static",
        "/static/",
    ],
)
def test_an_address_has_no_second_spelling(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_site_below_a_path_leads_to_addresses_below_it(tmp_path: Path) -> None:
    fill(tmp_path / "articles")
    settings = settings_of(tmp_path / "state", tmp_path / "articles", site={"base_url": f"{BASE_URL}/news"})
    index(settings)
    client = quiet_app(settings).test_client()
    assert client.get("/feed").headers["Location"] == f"{BASE_URL}/news/articles.rss"
    assert client.get("/articles.rss").headers["Link"].startswith(f"<{BASE_URL}/news/articles.rss>")


# --- Lists


@pytest.mark.parametrize("group", GROUPS)
def test_a_list_says_the_same_as_page_opml_and_json(client: FlaskClient, group: str) -> None:
    rows = client.get(f"{group}.json").get_json()
    page = client.get(group).get_data(as_text=True)
    outlines = ET.fromstring(client.get(f"{group}.opml").data).findall("body/outline")  # noqa: S314  our own
    assert [one.get("htmlUrl") for one in outlines] == [row["page"] for row in rows]
    assert rows
    for row in rows:
        assert f'href="{row["address"]}"' in page
        feed = client.get(row["address"] + ".json").get_json(force=True)
        assert len(feed["items"]) == row["count"]
        assert feed["title"].startswith(row["title"])
        assert row["feeds"] == {suffix: f"{row['page']}.{suffix}" for suffix in FEED_TYPES}


def test_lists_have_the_media_types_of_what_they_are(client: FlaskClient) -> None:
    assert client.get("/topics.opml").headers["Content-Type"] == "text/x-opml; charset=utf-8"
    assert client.get("/all.opml").headers["Content-Type"] == "text/x-opml; charset=utf-8"
    assert client.get("/recommended.opml").headers["Content-Type"] == "text/x-opml; charset=utf-8"
    assert client.get("/topics.json").headers["Content-Type"] == "application/json; charset=utf-8"
    assert client.get("/topics").headers["Content-Type"] == "text/html; charset=utf-8"


def test_all_opml_holds_every_feed(client: FlaskClient) -> None:
    root = ET.fromstring(client.get("/all.opml").data)  # noqa: S314  our own
    listed = {one.get("htmlUrl") for one in root.iter("outline") if one.get("xmlUrl")}
    expected = {row["page"] for group in GROUPS for row in client.get(f"{group}.json").get_json()}
    assert listed == expected | {f"{BASE_URL}/articles"}


# --- What is hidden, and what is empty


@pytest.mark.parametrize("path", EVERYTHING)
def test_what_is_hidden_appears_nowhere(client: FlaskClient, path: str) -> None:
    # A client that comes through a proxy is not trusted as one of this machine.
    response = client.get(path, headers={"X-Forwarded-For": "192.0.2.1"})
    text = response.get_data(as_text=True) + str(response.headers)
    assert not [word for word in HIDDEN if word in text]


@pytest.mark.parametrize(
    "path",
    [
        "/topics/secret-topic",
        "/topics/secret-topic.rss",
        "/providers/whisper",
        "/providers/hush.example",
        "/topics/secre",
    ],
)
def test_a_listing_that_only_hidden_articles_have_is_not_known(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert 'href="/topics/secret-topic"' not in response.get_data(as_text=True)
    assert "Secret" not in response.get_data(as_text=True)


def test_counts_are_of_what_is_published(client: FlaskClient) -> None:
    status = client.get("/status.json", headers={"Via": "1.1 proxy"}).get_json()
    assert status["articles"] == 3
    assert "3 articles" in client.get("/articles").get_data(as_text=True)


@pytest.mark.parametrize("page", ["/feeds/empty", "/articles"])
def test_a_listing_of_the_settings_exists_before_its_first_article(tmp_path: Path, page: str) -> None:
    (tmp_path / "articles").mkdir()
    settings = site_settings(tmp_path / "state", tmp_path / "articles")
    index(settings)
    client = quiet_app(settings).test_client()
    assert client.get(page).status_code == 200
    before = [client.get(f"{page}.{suffix}") for suffix in FEED_TYPES]
    assert [response.status_code for response in before] == [200, 200, 200]
    for leftover in (tmp_path / "state").glob("index-*"):
        leftover.unlink()
    time.sleep(1.1)
    index(settings)
    let_readers_look()
    assert [client.get(f"{page}.{suffix}").data for suffix in FEED_TYPES] == [one.data for one in before]


@pytest.mark.parametrize("path", ["/", "/topics", "/topics.json", "/topics.opml", "/all.opml"])
def test_a_list_is_made_anew_when_a_listing_changes(tmp_path: Path, path: str) -> None:
    articles = tmp_path / "articles"
    write_story(articles, "one", topics=["Harbours"])
    settings = settings_of(tmp_path / "state", articles)
    index(settings)
    client = quiet_app(settings).test_client()
    before = client.get(path)
    assert client.get(path, headers={"If-None-Match": before.headers["ETag"]}).status_code == 304
    write_story(articles, "two", topics=["Lighthouses"])
    index(settings)
    after = client.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert b"Lighthouses" in after.data
    assert b"Lighthouses" not in before.data


def test_a_site_without_any_article_works(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)
    client = quiet_app(settings).test_client()
    for path in ["/", "/status", "/status.json", "/all.opml", *LISTS, *STATIC]:
        assert client.get(path).status_code == 200
    assert client.get("/topics.json").get_json() == []
    assert client.get("/feed").headers["Location"] == f"{BASE_URL}/articles.rss"


def test_a_listing_that_lost_its_articles_is_empty_and_stays_as_it_became(tmp_path: Path) -> None:
    article = write_story(tmp_path / "articles", "one", topics=["AI"])
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)
    client = quiet_app(settings).test_client()
    full = client.get("/topics/ai.atom")
    article.unlink()
    index(settings)
    empty = client.get("/topics/ai.atom")
    assert empty.status_code == 200
    assert feedparser.parse(empty.data).entries == []
    assert empty.headers["ETag"] != full.headers["ETag"]
    assert client.get("/topics/ai").status_code == 200
    assert b"/topics/ai" not in client.get("/topics").data
    for leftover in (tmp_path / "state").glob("index-*"):
        leftover.unlink()
    index(settings)
    let_readers_look()
    assert client.get("/topics/ai.atom").data == empty.data


def test_what_a_taxonomy_file_declares_exists_without_articles(tmp_path: Path) -> None:
    fill(tmp_path / "articles")
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)
    client = quiet_app(settings).test_client()
    assert "High water." in client.get("/topics/tides").get_data(as_text=True)
    assert client.get("/topics/tides.rss").status_code == 200


# --- Before the first index


@pytest.fixture
def unready(tmp_path: Path) -> FlaskClient:
    return quiet_app(site_settings(tmp_path / "state", tmp_path / "articles")).test_client()


@pytest.mark.parametrize("path", [*PAGES, *FEEDS[:3], *LISTS[:3], "/", "/all.opml", "/feed", "/topics/never"])
def test_before_the_first_index_every_listing_says_when_to_come_back(unready: FlaskClient, path: str) -> None:
    response = unready.get(path)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Cache-Control"] == "no-store"


def test_health_and_readiness_differ_until_the_first_index(unready: FlaskClient, client: FlaskClient) -> None:
    assert unready.get("/healthz").status_code == 200
    not_yet = unready.get("/readyz")
    assert (not_yet.status_code, not_yet.headers["Retry-After"]) == (503, "5")
    assert unready.get("/static/style.css").status_code == 200
    assert unready.get("/topics/ended").status_code == 410
    for path in ("/healthz", "/readyz"):
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"


# --- Static files


@pytest.mark.parametrize(
    ("path", "media_type"), list(zip(STATIC, ["text/css", "text/javascript", "image/svg+xml"], strict=True))
)
def test_static_files_are_typed_kept_and_packed(client: FlaskClient, path: str, media_type: str) -> None:
    response = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "max-age=" in response.headers["Cache-Control"]


def test_pages_link_static_files_that_exist(client: FlaskClient) -> None:
    html = client.get("/").get_data(as_text=True)
    linked = [piece.split('"')[0] for piece in html.split('="') if piece.startswith("/static/")]
    assert linked
    assert all(client.get(path).status_code == 200 for path in linked)


ICONS = {
    "/favicon.ico": "image/x-icon",
    "/apple-touch-icon.png": "image/png",
    "/apple-touch-icon-precomposed.png": "image/png",
}
SIZED_ICONS = ["/apple-touch-icon-120x120.png", "/apple-touch-icon-76x76-precomposed.png", "/Favicon.ico"]


@pytest.mark.parametrize(("path", "media_type"), ICONS.items())
def test_an_icon_is_where_browsers_look_for_one(client: FlaskClient, path: str, media_type: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, media_type)
    assert response.headers["Cache-Control"] == "max-age=86400"
    assert response.data[:4] in (b"\x89PNG", b"\0\0\1\0")
    assert client.get(path, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("path", SIZED_ICONS)
def test_an_icon_of_another_size_or_spelling_leads_to_the_one_there_is(
    client: FlaskClient, path: str
) -> None:
    response = client.get(path)
    assert response.status_code == 301
    assert response.headers["Location"].removeprefix(BASE_URL) in ICONS


def icon_client(folder: Path, **sections: Any) -> FlaskClient:
    settings = settings_of(folder / "state", folder / "articles", **sections)
    return quiet_app(settings).test_client()


@pytest.mark.parametrize("path", ICONS)
def test_the_icon_of_the_site_comes_before_ours(tmp_path: Path, path: str) -> None:
    write_story(tmp_path / "articles", "one")
    icon = "https://cdn.example/logo.png?v=1&w=2"
    client = icon_client(tmp_path, site={"icon": icon})
    response = client.get(path)  # also before the first index
    assert (response.status_code, response.headers["Location"]) == (302, icon)
    assert response.headers["Cache-Control"] == "max-age=86400"
    index(settings_of(tmp_path / "state", tmp_path / "articles", site={"icon": icon}))
    for page in ("/", "/articles", "/topics", "/status", "/none"):
        html = client.get(page).get_data(as_text=True)
        assert '<link rel="icon" href="https://cdn.example/logo.png?v=1&amp;w=2">' in html
        assert "favicon.svg" not in html


@pytest.mark.parametrize("icon", [f"{BASE_URL}/favicon.ico", f"{BASE_URL}/apple-touch-icon.png?v=2"])
@pytest.mark.parametrize("path", ICONS)
def test_an_icon_of_the_site_at_these_addresses_leads_to_no_circle(
    tmp_path: Path, icon: str, path: str
) -> None:
    assert icon_client(tmp_path, site={"icon": icon}).get(path).status_code == 200


def test_the_settings_can_redirect_and_retire_the_addresses_of_icons(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "one")
    sections = {"redirects": {"/favicon.ico": "/static/favicon.svg"}, "retired": ["/apple-touch-icon.png"]}
    client = icon_client(tmp_path, **sections)
    assert client.get("/apple-touch-icon.png").status_code == 410
    index(settings_of(tmp_path / "state", tmp_path / "articles", **sections))
    assert client.get("/favicon.ico").status_code in (301, 404)


# --- Absurd requests


def raw(app: Flask, path_info: str, method: str = "GET", **environ: str) -> TestResponse:
    """The response of the application to a request that no client library would make."""
    builder = app.test_client()._request_from_builder_args((), {}).environ  # noqa: SLF001  the only way in
    environ = {**builder, "PATH_INFO": path_info, "REQUEST_METHOD": method, **environ}
    body, status, headers = run_wsgi_app(app, environ)
    return TestResponse(body, status, headers, request=None)  # type: ignore[arg-type]  # not looked at


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("//topics/ai", 200),
        ("///", 200),
        ("/topics/\xff", 404),
        ("/topics/\xed\xa0\x80", 404),
        ("/topics/\x00", 404),
        ("/topics/a\x00i", 404),
        ("/topics/ai\n", 301),
        ("/\r\nX: y", 404),
        ("/topics/ai.rss\x00", 404),
        ("/static/\x00", 404),
        ("/static/../routes.py", 404),
        ("/static/../../publisher.py", 404),
        ("/static//etc/passwd", 404),
        ("/static/style.css/", 404),
        ("/static/..\\routes.py", 404),
        ("/topics/..", 404),
        ("/topics/../../etc/passwd", 404),
        ("/../articles.rss", 404),
        ("/" + "a" * 8000, 404),
        ("/topics/" + "a-" * 4000, 404),
        ("/topics/" + "/" * 8000, 301),
        ("/" + "a/" * 4000, 404),
        ("/topics/" + "%" * 1000, 404),
        ("*", 404),
        ("topics/ai", 200),
    ],
)
def test_an_absurd_path_has_an_ordinary_answer(app: Flask, path: str, status: int) -> None:
    response = raw(app, path)
    assert response.status_code == status
    assert "Traceback" not in response.text
    assert "\n" not in response.headers.get("Location", "")


anything = st.text(alphabet=st.characters(max_codepoint=255))


# Headers of requests; each is sent with any bytes, and with bytes that begin as they should.
HEADERS = {
    "HTTP_A_IM": ("feed", "feed;q="),
    "HTTP_ACCEPT": ("text/html;q=",),
    "HTTP_ACCEPT_ENCODING": ("gzip;q=", "br, *;q="),
    "HTTP_ACCEPT_LANGUAGE": ("de;q=",),
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": ("if-none-match, ",),
    "HTTP_AUTHORIZATION": ("Basic ", "basic ", "Bearer ", "Digest username=", "Digest a*=utf-8''"),
    "HTTP_CACHE_CONTROL": ("max-age=",),
    "HTTP_CONTENT_LENGTH": ("1",),
    "HTTP_CONTENT_TYPE": ("multipart/form-data; boundary=", "text/plain; charset="),
    "HTTP_COOKIE": (
        "token=",
        'a="\\3',
    ),
    "HTTP_FORWARDED": ("for=",),
    "HTTP_HOST": ("localhost:", "[::1", "xn--"),
    "HTTP_IF_MATCH": ('"', "*"),
    "HTTP_IF_MODIFIED_SINCE": ("Sun, 01 Jun 2025 00:00:00 ", "Sun, 01 Jun 2025 00:00:00 +99999999"),
    "HTTP_IF_NONE_MATCH": ('W/"', "*"),
    "HTTP_IF_RANGE": ('"',),
    "HTTP_IF_UNMODIFIED_SINCE": ("Sun, 01 Jun 2025 00:00:00 ",),
    "HTTP_ORIGIN": ("https://",),
    "HTTP_RANGE": ("bytes=0-",),
    "HTTP_REFERER": ("https://",),
    "HTTP_SEC_FETCH_MODE": ("navigate",),
    "HTTP_USER_AGENT": ("Mozilla/5.0 (",),
    "HTTP_X_FORWARDED_FOR": ("127.0.0.1, ",),
    "QUERY_STRING": ("token=", "token=%"),
    "REMOTE_ADDR": ("127.", "::ffff:"),
}
some_headers = st.fixed_dictionaries(
    {},
    optional={
        name: anything | st.builds(operator.add, st.sampled_from(beginnings), anything)
        for name, beginnings in HEADERS.items()
    },
)


@given(
    prefix=st.sampled_from(["/", "/topics/", "/topics/ai", "/static/", "/status", "", "/providers/"]),
    path=anything | st.text(alphabet="/.%atopics\x00\xff"),
    method=st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "\xff", ""]),
    headers=st.fixed_dictionaries(
        {
            "QUERY_STRING": anything,
            "HTTP_IF_NONE_MATCH": anything,
            "HTTP_IF_MODIFIED_SINCE": anything | st.text(alphabet="Sun, 01 Jun 2025:GMT+-9"),
            "HTTP_ACCEPT_ENCODING": anything | st.text(alphabet="gzip,;q=01.* \xff"),
            "HTTP_AUTHORIZATION": anything | anything.map("Bearer {}".format),
        }
    ),
)
def test_no_request_is_a_failure_of_the_server(
    app: Flask, prefix: str, path: str, method: str, headers: dict[str, str]
) -> None:
    assert raw(app, prefix + path, method, **headers).status_code < 500


@pytest.mark.parametrize(
    "path", ["/topics/ai.rss", "/topics/ai", "/topics.json", "/status", "/status.json", "/"]
)
@given(method=st.sampled_from(["GET", "HEAD", "OPTIONS"]), headers=some_headers)
def test_no_header_is_a_failure_of_the_server(
    app: Flask, path: str, method: str, headers: dict[str, str]
) -> None:
    assert raw(app, path, method, **headers).status_code < 500


@pytest.mark.parametrize("scheme", ["Basic", "basic", "Bearer", "Digest", "Negotiate", ""])
@pytest.mark.parametrize("value", ["\xff", "=", "\xff=\xff", "dXNlcg", "/////w==", "\x00", "a*=x''%ff, b=\""])
def test_what_is_no_token_opens_no_status(app: Flask, scheme: str, value: str) -> None:
    for path in ("/status", "/status.json"):
        answer = raw(app, path, HTTP_AUTHORIZATION=f"{scheme} {value}")
        assert answer.status_code == 200
        assert "problems" not in answer.text


# RFC 9110 section 13.1.1: `*` is true where there is a current representation.
@pytest.mark.parametrize("path", ["/topics/ai.rss", "/topics/ai", "/topics.json", "/", "/static/style.css"])
@pytest.mark.parametrize("star", ["*", " * "])
def test_if_match_with_a_star_is_true_of_all_that_exists(client: FlaskClient, path: str, star: str) -> None:
    plain = client.get(path)
    starred = client.get(path, headers={"If-Match": star})
    assert (starred.status_code, starred.data) == (200, plain.data)
    held = client.get(path, headers={"If-Match": star, "If-None-Match": plain.headers["ETag"]})
    assert held.status_code == 304


@pytest.mark.parametrize("path", ["/topics/nothing.rss", "/nothing"])
def test_if_match_with_a_star_brings_nothing_into_being(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers={"If-Match": "*"}).status_code == 404


@pytest.mark.parametrize(
    "host", ["a b", "[", "x:y", "\xe9", "..", "a" * 300, "evil.example:99999999", "[::1"]
)
def test_no_host_is_a_failure_of_the_server(app: Flask, host: str) -> None:
    for path in ("/topics/ai.rss", "/status", "/feed", "/nothing"):
        assert raw(app, path, HTTP_HOST=host).status_code < 500


def test_json_of_lists_is_json_that_any_parser_reads(client: FlaskClient) -> None:
    for group in GROUPS:
        assert isinstance(json.loads(client.get(f"{group}.json").data), list)


def test_a_failure_of_the_server_tells_the_log_everything_and_the_client_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_story(tmp_path / "articles", "_news/one")
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)

    def failing(*_: object) -> bytes:
        raise RuntimeError(f"sqlite in {tmp_path}")

    monkeypatch.setattr(feed_renderer, "render", failing)
    response = quiet_app(settings).test_client().get("/articles.rss")
    assert response.status_code == 500
    assert "/articles.rss failed" in caplog.text
    expect_nothing_told(response, tmp_path, caplog)


def test_an_index_that_cannot_be_read_is_told_to_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "articles").mkdir()
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)
    for build in (tmp_path / "state").glob("index-*"):
        build.write_bytes(b"garbage" * 1000)
    response = quiet_app(settings).test_client().get("/articles.rss")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "/articles.rss cannot be answered without the index" in caplog.text
    expect_nothing_told(response, tmp_path, caplog)


def expect_nothing_told(response: TestResponse, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The answer to a failure is not kept, may be read by scripts, and does not say what the log says."""
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert str(folder) not in response.text
    assert "sqlite" not in response.text.lower()
    assert "Traceback" in caplog.text


def test_a_client_has_its_feed_before_it_is_in_the_cache(tmp_path: Path) -> None:
    """Creating files takes as long as asking the index, and nobody waits for it."""
    write_story(tmp_path / "articles", "_news/one", topics=["AI"])
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)
    app = quiet_app(settings)
    answer = app.wsgi_app(EnvironBuilder("/topics/ai.rss").get_environ(), lambda *_: lambda _: None)
    body = b"".join(answer)
    assert b"<rss" in body
    cache = tmp_path / "state" / "cache"
    assert list(cache.iterdir()) == []
    answer.close()  # type: ignore[attr-defined]  # as servers do (PEP 3333)
    assert any(file.read_bytes().endswith(body) for file in cache.iterdir())


@pytest.mark.parametrize("path", ["/topics/ai.rss", "/topics/ai"])
def test_a_slow_client_never_makes_an_old_state_the_last_good_one(tmp_path: Path, path: str) -> None:
    state, articles = tmp_path / "state", tmp_path / "articles"
    write_story(articles, "_news/one", topics=["AI"])
    retracted = write_story(articles, "_news/two", topics=["AI"], title="Retracted")
    settings = settings_of(state, articles)
    index(settings)
    slow = quiet_app(settings).wsgi_app(EnvironBuilder(path).get_environ(), lambda *_: lambda _: None)
    assert b"Retracted" in b"".join(slow)
    retracted.unlink()
    index(settings)
    with quiet_app(settings).test_client().get(path) as fast:
        assert b"Retracted" not in fast.data
    slow.close()  # type: ignore[attr-defined]  # as servers do (PEP 3333)
    build = state / (state / "current").read_text().strip()
    with closing(sqlite3.connect(build)) as database, database:
        database.execute("UPDATE candidate SET payload = '{'")
        database.execute("UPDATE listing SET version = randomblob(16), changed = changed + 1")
    with quiet_app(settings).test_client().get(path) as last_good:
        assert last_good.data == fast.data
