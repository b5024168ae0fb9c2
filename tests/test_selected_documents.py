"""Selections over HTTP: documents, validators, redirects, refusals, bounds, and saved feeds with a view."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import feedparser
import pytest
from builders import let_readers_look, write_file
from flask import Flask
from flask.testing import FlaskClient
from servers import PATIENCE, feedserver, index, quiet_app, settings_of, write_story
from werkzeug.test import TestResponse

from feedserver.articles.selections.help import HELP
from feedserver.feeds import selection_source
from feedserver.index.stores import open_store
from feedserver.settings.sources import Settings
from feedserver.wiring.planning import store_address

BASE_URL = "https://feeds.example"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}

ROBOTS = "/articles.atom?topic=ai&q=robot"


class SelectiveSite:
    """A site over a folder, and its settings."""

    def __init__(self, folder: Path, **feeds: Any) -> None:
        self.folder = folder / "articles"
        write_story(self.folder, "_news/one", topics=["AI"], title="A robot arm", heat=1)
        write_story(self.folder, "_news/two", topics=["AI", "Toys"], body="The Robots play.", heat=9)
        write_story(self.folder, "_news/three", topics=["AI"], body="A ROBOT.", date="2024-05-03T10:00:00Z")
        write_story(self.folder, "_news/four", topics=["Toys"], provider=("Wired", "wired.example"))
        write_story(self.folder, "_news/hidden", topics=["AI"], title="A robot in secret", draft=True)
        write_story(
            self.folder, "_news/later", topics=["AI"], title="A robot later", date="2999-01-01T00:00:00Z"
        )
        self.settings: Settings = settings_of(folder / "state", self.folder, feeds=feeds)
        self.update()

    def update(self) -> None:
        index(self.settings)
        let_readers_look()

    def app(self) -> Flask:
        return quiet_app(self.settings)


@pytest.fixture
def site(tmp_path: Path) -> SelectiveSite:
    return SelectiveSite(tmp_path)


@pytest.fixture
def client(site: SelectiveSite) -> FlaskClient:
    return site.app().test_client()


def followed(client: FlaskClient, address: str) -> int:
    """The status of an address, or of the one that it is redirected to."""
    response = client.get(address)
    if response.status_code == 301:
        response = client.get(response.headers["Location"].removeprefix(BASE_URL))
    return response.status_code


def when_dated(client: FlaskClient, address: str) -> TestResponse:
    """The response of an address once it has a Last-Modified, whose second may have to come."""
    end = time.monotonic() + PATIENCE
    while "Last-Modified" not in (response := client.get(address)).headers and time.monotonic() < end:
        time.sleep(0.1)
    return response


def titles(client: FlaskClient, address: str) -> list[str]:
    response = client.get(address)
    assert response.status_code == 200, response.get_data(as_text=True)
    return [entry.title for entry in feedparser.parse(response.data).entries]


# --- Documents


def test_a_selection_is_a_feed_in_every_format_and_a_page(client: FlaskClient) -> None:
    for suffix, media_type in (("rss", "rss+xml"), ("atom", "atom+xml"), ("json", "feed+json"), ("", "html")):
        address = ROBOTS.replace(".atom", f".{suffix}" if suffix else "")
        response = client.get(address)
        assert response.status_code == 200
        assert media_type in response.headers["Content-Type"]
        text = response.get_data(as_text=True)
        assert "A robot arm" in text
        assert "secret" not in text
        assert "later" not in text
    parsed = feedparser.parse(client.get(ROBOTS).data)
    assert not parsed.bozo
    assert [entry.link for entry in parsed.entries] == [
        "https://example.org/_news/three",
        "https://example.org/_news/one",
    ]
    assert {link.href for link in parsed.feed.links if link.rel == "self"} == {BASE_URL + ROBOTS}
    assert parsed.feed.title.startswith("AI · “robot”")
    feed = client.get(ROBOTS.replace(".atom", ".json")).get_json(force=True)
    assert feed["feed_url"] == BASE_URL + ROBOTS.replace(".atom", ".json")
    assert feed["home_page_url"] == BASE_URL + ROBOTS.replace(".atom", "")


def test_a_page_of_a_selection_names_its_feeds_and_is_not_for_search_engines(client: FlaskClient) -> None:
    text = client.get("/articles?topic=ai&q=robot").get_data(as_text=True)
    assert 'href="https://feeds.example/articles.rss?topic=ai&amp;q=robot"' in text
    assert '<link rel="canonical" href="https://feeds.example/articles?topic=ai&amp;q=robot">' in text
    assert '<meta name="robots" content="noindex">' in text


def test_another_spelling_is_redirected_for_good_to_the_one_address(client: FlaskClient) -> None:
    for method in ("GET", "HEAD"):
        for asked in ("/topics/ai.atom?q=Robot", "/articles.atom?q=robot&topic=AI", f"{ROBOTS}&utm_source=x"):
            response = client.open(asked, method=method)
            assert response.status_code == 301
            assert response.headers["Location"] == BASE_URL + ROBOTS
            assert "max-age" in response.headers["Cache-Control"]
    assert client.get("/articles?topic=AI").headers["Location"] == f"{BASE_URL}/topics/ai"
    assert client.get("/Topics/AI.rss?q=robot").headers["Location"] == f"{BASE_URL}/topics/ai.rss?q=robot"
    assert client.get("/topics/ai.rss?utm_source=x&_=3").status_code == 200


def test_a_browser_that_opens_the_feed_of_a_selection_is_sent_to_its_page(client: FlaskClient) -> None:
    response = client.get(ROBOTS, headers=NAVIGATION)
    assert response.status_code == 303
    assert response.headers["Location"] == BASE_URL + ROBOTS.replace(".atom", "")


def test_a_selection_of_what_was_never_published_is_unknown_and_one_of_known_names_may_be_empty(
    client: FlaskClient,
) -> None:
    for address in ("/articles.rss?author=nobody", "/articles?type=video", "/articles.rss?topic=toyz&q=x"):
        response = client.get(address)
        assert response.status_code == 404
        assert "Nothing was ever published under" in response.get_data(as_text=True)
    assert 'href="/topics/toys"' in client.get("/articles?topic=toyz&q=x").get_data(as_text=True)
    assert titles(client, "/articles.rss?topic=ai,toyz&q=robot") != []
    assert titles(client, "/articles.rss?topic=toys&q=nothing") == []


def test_what_means_nothing_is_refused_in_the_form_that_the_client_reads(client: FlaskClient) -> None:
    page = client.get("/articles?limit=0")
    assert page.status_code == 400
    assert "limit=0: must be a whole number from 1 to 500" in page.get_data(as_text=True)
    plain = client.get("/articles.rss?q=%00")
    assert plain.status_code == 400
    assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert f"{BASE_URL}/selections" in plain.get_data(as_text=True)
    told = client.get("/articles.json?sort=random").get_json()
    assert told["parameter"] == "sort"
    assert told["expected"].startswith("must be one of published")
    for response in (page, plain):
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    ["title:x", "NEAR(a b)", '"', '""', "a AND", "NOT", "a OR OR b", "^a", "a + b", "{title}: x", "x'; DROP"],
)
def test_the_syntax_of_databases_means_nothing_in_a_search(client: FlaskClient, query: str) -> None:
    assert followed(client, f"/articles.rss?{urlencode({'q': query})}") in (200, 400)


@pytest.mark.parametrize("example", [one.example for one in HELP])
def test_every_example_of_the_help_is_a_selection(site: SelectiveSite, example: str) -> None:
    write_story(site.folder, "_news/robotics", topics=["Robotics"], provider=("Example News", "news.example"))
    write_file(site.folder, "_news/film.md", FILM)
    write_file(site.folder, "_news/talk.md", FILM.replace("video", "podcast"))
    site.update()
    assert followed(site.app().test_client(), example) == 200


FILM = "---\ntitle: Film\ndate: 2024-05-01\nwebUrl: https://gazette.example/film\ntype: video\n---\n"


def test_the_form_of_the_site_makes_a_selection_without_javascript(client: FlaskClient) -> None:
    form = "q=robot&topic=AI&not_topic=&provider=&not_provider=&since=&sort=heat&limit="
    response = client.get(f"/articles?{form}")
    assert response.headers["Location"] == f"{BASE_URL}/articles?topic=ai&q=robot&sort=heat"
    text = client.get("/selections").get_data(as_text=True)
    for name in ("q", "topic", "not_topic", "provider", "not_provider", "since", "sort", "limit", "fold"):
        assert f'name="{name}"' in text
    assert '<option value="Toys">' in text
    assert "form-action 'self'" in client.get("/selections").headers["Content-Security-Policy"]


def test_the_site_explains_its_parameters(client: FlaskClient) -> None:
    text = client.get("/selections").get_data(as_text=True)
    for one in HELP:
        for name in one.names.split(", "):
            assert f"<code>{name}</code>" in text


# --- Validators


def test_a_client_that_holds_a_selection_gets_304_from_every_process_and_after_a_restart(
    site: SelectiveSite,
) -> None:
    first = site.app().test_client()
    response = when_dated(first, ROBOTS)
    held = {"If-None-Match": response.headers["ETag"]}
    since = {"If-Modified-Since": response.headers["Last-Modified"]}
    for client in (first, site.app().test_client()):
        assert client.get(ROBOTS, headers=held).status_code == 304
        assert client.get(ROBOTS, headers=since).status_code == 304


def test_a_selection_changes_exactly_when_its_content_does(site: SelectiveSite) -> None:
    client = site.app().test_client()
    hot = "/articles.atom?topic=ai&sort=heat"
    before = {address: client.get(address).headers["ETag"] for address in (ROBOTS, hot)}

    write_story(site.folder, "_news/four", topics=["Toys"], title="Nothing of it")
    site.update()
    assert client.get(ROBOTS).headers["ETag"] == before[ROBOTS]

    write_story(site.folder, "_news/one", topics=["AI"], title="A robot arm", heat=20)
    site.update()
    assert client.get(ROBOTS).headers["ETag"] == before[ROBOTS]
    assert client.get(hot).headers["ETag"] != before[hot]
    assert titles(client, hot)[0] == "A robot arm"

    write_story(site.folder, "_news/one", topics=["AI"], title="A robot arm", draft=True)
    site.update()
    assert client.get(ROBOTS).headers["ETag"] != before[ROBOTS]
    assert "A robot arm" not in titles(client, ROBOTS)


def test_a_window_moves_once_an_hour(site: SelectiveSite) -> None:
    write_story(
        site.folder, "_news/new", title="New", date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    )
    site.update()
    client = site.app().test_client()
    assert titles(client, "/articles.rss?since=1d") == ["New"]
    assert (
        client.get("/articles.rss?since=1d").headers["ETag"]
        == client.get("/articles.rss?since=1d").headers["ETag"]
    )


# --- The fast path


def test_repeated_requests_for_a_selection_do_not_enter_flask(site: SelectiveSite) -> None:
    app = site.app()
    client = app.test_client()
    when_dated(client, ROBOTS)
    when_dated(client, "/topics/ai.rss")
    hits = app.wsgi_app.hits  # type: ignore[attr-defined]
    assert client.get(ROBOTS).status_code == 200
    assert client.get("/topics/ai.rss").status_code == 200
    assert app.wsgi_app.hits == hits + 2  # type: ignore[attr-defined]


def test_a_query_never_gets_the_listing_itself(client: FlaskClient) -> None:
    for _ in range(3):
        client.get("/articles.atom")
    assert len(titles(client, "/articles.atom")) == 4
    assert client.get("/articles.atom?q=robot").status_code == 200
    assert len(titles(client, "/articles.atom?q=robot")) == 2
    assert len(titles(client, "/articles.atom?fbclid=1")) == 4


# --- Bounds


def test_any_number_of_selections_leaves_memory_dates_and_listings_within_bounds(
    site: SelectiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection_source, "MOST_DATED", 300)
    app = site.app()
    client = app.test_client()
    kept = when_dated(client, "/topics/ai.atom").headers["ETag"]
    hits = app.wsgi_app.hits  # type: ignore[attr-defined]
    for number in range(1_500):
        assert client.get(f"/articles.rss?q=robot{number}+OR+arm").status_code in (200, 301)
        client.get(f"/articles.rss?q=arm+OR+robot{number}")
    assert client.get("/topics/ai.atom").headers["ETag"] == kept
    assert app.wsgi_app.hits == hits + 1  # type: ignore[attr-defined]
    history = open_store(store_address(site.settings)).history()
    with history.connection.begin():
        query = "SELECT count(*) FROM address WHERE address LIKE '%?%'"
        dated = history.connection.exec_driver_sql(query).scalar_one()
    history.close()
    assert dated <= 300 + 500
    state = Path(site.settings.state.dir)
    assert sum(file.stat().st_size for file in (state / "cache").rglob("*") if file.is_file()) < 1_000_000


def test_selections_and_the_search_can_be_switched_off(tmp_path: Path) -> None:
    off = SelectiveSite(tmp_path / "off", ad_hoc=False).app().test_client()
    assert off.get("/articles?topic=ai&q=robot").status_code == 404
    assert off.get("/selections").status_code == 404
    assert off.get("/topics/ai.rss?utm_source=x").status_code == 200
    deaf = SelectiveSite(tmp_path / "deaf", search=False).app().test_client()
    assert deaf.get("/articles.rss?topic=ai&topic=toys").status_code == 200
    response = deaf.get("/articles.rss?topic=ai&q=robot")
    assert response.status_code == 400
    assert "the search for words (q) is switched off on this site" in response.get_data(as_text=True)


# --- Counts


def test_facets_count_what_each_listing_would_leave(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = client.get("/facets.json?topic=ai").get_json()
    assert told["articles"] == 3
    counts = {(one["kind"], one["slug"]): one["articles"] for one in told["listings"]}
    assert counts["topics", "ai"] == 3
    assert counts["topics", "toys"] == 1
    assert ("languages", "en") not in counts
    assert client.get("/facets.json").get_json()["articles"] == 4
    moved = client.get("/facets.json?topic=Toys,ai")
    assert moved.headers["Location"] == f"{BASE_URL}/facets.json?topic=ai,toys"
    monkeypatch.setattr(selection_source, "MOST_COUNTED", 2)
    assert client.get("/facets.json?q=robot").get_json()["articles"] == 2
    assert client.get("/facets.json?topic=ai,toys").get_json() == {"articles": None, "listings": []}


# --- Folding


def story(name: str, url: str, **fields: Any) -> str:
    lines = {"title": name, "date": "2024-05-01", "webUrl": url, "topics": ["Fold"], **fields}
    return "\n".join(
        ["---", *(f"{key}: {json.dumps(value)}" for key, value in lines.items()), "---", "Text."]
    )


@pytest.fixture
def folded(site: SelectiveSite) -> tuple[SelectiveSite, FlaskClient]:
    page = "https://origin.example/story"
    write_file(site.folder, "_f/a.md", story("Origin", page, quality=1))
    write_file(site.folder, "_f/b.md", story("Copy", f"http://www.{page[8:]}/?utm_source=x#top", quality=5))
    related = [{"title": "Origin", "webUrl": page}]
    write_file(
        site.folder, "_f/c.md", story("Comment", "https://c.example/c", quality=5, heat=1, related=related)
    )
    write_file(site.folder, "_f/d.md", story("Other", "https://d.example/d"))
    site.update()
    return site, site.app().test_client()


def test_one_story_is_one_entry_with_the_others_as_related_articles(
    folded: tuple[SelectiveSite, FlaskClient],
) -> None:
    _, client = folded
    address = "/articles.json?topic=fold&fold=true"
    items = client.get(address).get_json(force=True)["items"]
    assert {item["title"] for item in items} == {"Comment", "Other"}
    shown = next(item for item in items if item["title"] == "Comment")
    assert shown["url"] == "https://c.example/c"
    assert "Origin" in shown["content_html"]
    assert "Copy" in shown["content_html"]
    assert shown["content_html"].count("https://origin.example/story") >= 1
    unfolded = client.get("/topics/fold.json").get_json(force=True)["items"]
    assert {item["title"] for item in unfolded} == {"Origin", "Copy", "Comment", "Other"}


def test_a_story_whose_best_article_changes_is_shown_under_ids_that_readers_know(
    folded: tuple[SelectiveSite, FlaskClient],
) -> None:
    site, client = folded
    address = "/articles.json?topic=fold&fold=true"
    seen: set[str] = set()
    for heat in (1, 0, 7, 0, 1):
        write_file(
            site.folder, "_f/b.md", story("Copy", "http://www.origin.example/story", quality=5, heat=heat)
        )
        site.update()
        seen |= {item["id"] for item in client.get(address).get_json(force=True)["items"]}
    assert len(seen) == 3  # of at most four articles


# --- Saved feeds


def test_a_saved_feed_has_the_order_and_the_age_that_the_settings_give_it(tmp_path: Path) -> None:
    saved = {
        "hot": {"title": "Hot", "description": "What is hot.", "topic": "ai", "sort": "heat", "limit": 2},
        "recent": {"title": "Recent", "since": "24h"},
        "words": {
            "title": "Words",
            "any": [{"q": "robot"}, {"provider": "wired"}],
            "none": [{"topic": "ads"}],
        },
    }
    site = SelectiveSite(tmp_path, selections=saved, min_entries=1)
    client = site.app().test_client()
    assert len(titles(client, "/feeds/hot.rss")) == 2
    hot = feedparser.parse(client.get("/feeds/hot.atom").data)
    assert hot.feed.title == "Hot | Example"
    assert hot.feed.subtitle == "What is hot."
    assert hot.entries[0].link == "https://example.org/_news/two"
    assert titles(client, "/feeds/recent.rss") == []
    assert len(titles(client, "/feeds/words.rss")) == 3
    assert client.get("/feeds/hot").status_code == 200
    assert "example.org/_news/two" in client.get("/feeds/hot").get_data(as_text=True)
    assert [entry.link for entry in feedparser.parse(client.get("/feeds/hot.rss?q=robot").data).entries] == [
        "https://example.org/_news/one",
        "https://example.org/_news/three",
    ]

    write_story(
        site.folder, "_news/three", topics=["AI"], body="A ROBOT.", date="2024-05-03T10:00:00Z", heat=30
    )
    site.update()
    assert (
        feedparser.parse(client.get("/feeds/hot.atom").data).entries[0].link
        == "https://example.org/_news/three"
    )


# --- The command line


def test_render_prints_a_selection_as_the_server_sends_it(site: SelectiveSite) -> None:
    client = site.app().test_client()
    folder = site.folder.parent
    (folder / "feedserver.yaml").write_text(
        f"site: {{base_url: {BASE_URL}, title: Example}}\narticles: [{site.folder}]\n"
        f"state: {{dir: {site.settings.state.dir}}}\n"
    )
    done = feedserver(folder, "render", "/topics/ai.atom?q=Robot")
    assert done.returncode == 0, done.stderr
    assert urlsplit(ROBOTS).query.replace("&", "&amp;") in done.stdout
    assert feedparser.parse(done.stdout).entries == feedparser.parse(client.get(ROBOTS).data).entries
    refused = feedserver(folder, "render", "/articles.atom?limit=0")
    assert refused.returncode == 1
    assert "limit=0: must be a whole number from 1 to 500" in refused.stderr
