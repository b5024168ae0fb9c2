"""The fast path answers as Flask does, only sooner: differences, freshness, limits."""

from __future__ import annotations

import random
import sqlite3
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import let_readers_look
from flask import Flask
from servers import index, quiet_app, settings_of, write_story
from werkzeug.http import http_date
from werkzeug.test import EnvironBuilder, run_wsgi_app

from feedserver.bounded import Bounded
from feedserver.settings.sources import Settings
from feedserver.web.fast_path import FastPath

FEEDS = [
    f"{page}.{suffix}"
    for page in ("/articles", "/topics/ai", "/providers/gazette", "/providers/gazette.example")
    for suffix in ("rss", "atom", "json")
]
PAGES = [
    "/",
    "/articles",
    "/topics/ai",
    "/providers/gazette",
    "/providers/gazette.example",
    "/topics",
    "/articles/2024-04.1",
]
LISTS = ["/all.opml", "/recommended.opml", "/topics.opml", "/topics.json", "/providers.json", "/feeds.json"]
OTHERS = [
    "/healthz", "/topics/none.rss", "/topics/none", "/old.rss", "/old", "/Topics",
    "/topics/", "/topics.rss", "/topics/tides", "/topics/tidal", "/gone", "//topics", "//", "/topics/%61i",
    "/feed", "/topics/tides.rss", "/topics/tides.json", "/topics/tidal.rss", "//articles.rss",
    "/articles.rss/", "/Articles.rss", "/articles.rss\x00", "/gone.rss", "/articles/2024-04.1.rss",
    "/feed/atom", "/index.rss", "/topics/ai.xml", "/topics/ai/feed.xml", "/topics/ai.rss)", "/old/",
    "/favicon.ico", "/articles/2024-04.9", "/old/2024-04.1",
    "/old/2024-04.1.rss", "/providers/www.gazette.example", "/topics/a+i", "/apple-touch-icon-60x60.png",
    "/articles/2024-04.1.json", "/articles/2024-04.9.json", "/topics/\xff.rss", "", "/static/style.css",
]  # fmt: skip


class Pair:
    """A site twice: with the fast path, and Flask alone. Both over one state folder."""

    def __init__(self, folder: Path, old: int = 120, **sections: Any) -> None:
        self.folder = folder / "articles"
        for number in range(old):
            write_story(self.folder, f"_news/old-{number}", date=f"2024-04-0{1 + number % 9}T10:00:00Z")
        write_story(
            self.folder, "_news/tides", topics=["Tides", "AI"], provider=("Harbour Post", "post.example")
        )
        self.settings: Settings = settings_of(
            folder / "state",
            self.folder,
            redirects={"/old": "/topics/ai", "/topics/tides": "/topics/tidal"},
            retired=["/gone"],
            feeds={"selections": {"mine": {"title": "Mine", "topics": ["AI"]}}},
            **sections,
        )
        index(self.settings)
        self.fast = quiet_app(self.settings)
        self.plain = quiet_app(self.settings)
        del self.plain.wsgi_app  # the class' own shows again

    @property
    def fast_path(self) -> FastPath:
        fast_path = self.fast.wsgi_app
        assert isinstance(fast_path, FastPath)
        return fast_path

    def settle(self) -> None:
        """Have everything asked for, and again when the second of each Last-Modified has come."""
        for path in FEEDS + PAGES + LISTS:
            ask(self.fast, path)
        time.sleep(1.1)
        for path in FEEDS:
            ask(self.fast, path)


Answer = tuple[str, list[tuple[str, str]], bytes]


def ask(app: Flask, path: str, method: str = "GET", query: str = "", **environ: str) -> Answer:
    """One request, with nothing between the application and the test but WSGI."""
    builder = EnvironBuilder(method=method, base_url="http://127.0.0.1")
    whole = {**builder.get_environ(), "PATH_INFO": path, "QUERY_STRING": query, **environ}
    body, status, headers = run_wsgi_app(app, whole, buffered=True)  # which closes the answer, as servers do
    return status, list(headers), b"".join(body)


def header(answer: Answer, name: str) -> str:
    return dict(answer[1]).get(name, "")


@pytest.fixture(
    scope="module",
    params=[{"deltas": False}, {"deltas": True, "cache_tags": "surrogate-key"}],
    ids=["without deltas", "with deltas and cache tags"],
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("fast_path"), http=request.param)


@pytest.fixture
def site(tmp_path: Path) -> Pair:
    return Pair(tmp_path, old=3)


# --- The fast path and Flask


class Requests:
    """Requests of every shape, about what a site was seen to send."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self._pair = pair
        self._chance = random.Random(seed)  # noqa: S311  no secret
        self._seen: list[str] = ['"0123456789abcdef0123456789abcdef"']
        self._dates: list[str] = [http_date(0), http_date(4_000_000_000)]

    def note(self, answer: Answer) -> None:
        """Clients come back with validators that they were sent, of this address or another."""
        for known, name in ((self._seen, "ETag"), (self._dates, "Last-Modified")):
            if header(answer, name):
                known.append(header(answer, name))
                del known[2:-1000]

    def __iter__(self) -> Iterator[dict[str, str]]:
        while True:
            chance = self._chance
            asked = {
                "path": chance.choice(chance.choices([FEEDS, PAGES, LISTS, OTHERS], [9, 4, 4, 3])[0]),
                "method": chance.choice(["GET"] * 8 + ["HEAD", "HEAD", "OPTIONS", "POST", "BREW"]),
            }
            for name, make in (
                ("HTTP_IF_NONE_MATCH", self._tags),
                ("HTTP_IF_MODIFIED_SINCE", self._date),
                ("HTTP_ACCEPT_ENCODING", self._encodings),
            ):
                if chance.random() < 0.4:
                    asked[name] = make()
            if chance.random() < 0.4:
                asked |= self._rare()
            yield asked

    def _tags(self) -> str:
        chance = self._chance
        tag = chance.choice(self._seen[-8:] if chance.random() < 0.7 else self._seen)
        bare = tag.strip('"')
        shapes = [
            tag, tag, tag, f"W/{tag}", bare, f"W/{bare}", f'"{bare}-gzip"', f'"{bare};gzip"',
            f'"{bare}--gzip"', f'"{bare}-br"', f'"{bare}x"', f'"x", {tag}', f'{tag},W/"y"', f'"{bare}',
            f"*, {tag}", "*", "", " ", ",,,",
            '"', "W/", '""', '"\xe9"', ",".join([tag] * 300), '"a b"', "garbage", f"  {tag}  ", f'w/"{bare}"',
            '"a","b","c"', f'"{bare.upper()}"',
        ]  # fmt: skip
        return chance.choice(shapes)

    def _date(self) -> str:
        chance = self._chance
        garbage = [
            "", "yesterday", "0", "Sun, 01 Jun 2025", "Sun, 01 Jun 2025 12:00:00 +99999999999", "\xff",
            "2025-06-01", "Sun, 31 Feb 2025 12:00:00 GMT", "Sunday, 01-Jun-25 12:00:00 GMT",
        ]  # fmt: skip
        known = self._dates[-8:] if chance.random() < 0.7 else self._dates
        return chance.choice(known if chance.random() < 0.8 else garbage)

    def _encodings(self) -> str:
        names = ["gzip", "br", "identity", "*", "deflate", "x-gzip", "zstd", "GZIP", "nonsense", "", "\xe9"]
        weights = ["", "", "", ";q=0", ";q=0.5", ";q=1", ";q=0.001", ";q=2", ";q=x", "; q=0.3", ";a=b"]
        members = self._chance.choices(names, k=self._chance.randint(1, 4))
        return ", ".join(name + self._chance.choice(weights) for name in members)

    def _rare(self) -> dict[str, str]:
        chance = self._chance
        fetch = {
            "HTTP_SEC_FETCH_MODE": chance.choice(["navigate", "navigate", "cors", "Navigate", ""]),
            "HTTP_SEC_FETCH_DEST": chance.choice(["document", "empty"]),
            "HTTP_SEC_FETCH_SITE": chance.choice(["none", "same-origin", "cross-site"]),
        }
        delta = {"HTTP_A_IM": chance.choice(["feed", "feed;q=0", "gzip, feed", "", "vcdiff"])}
        return chance.choice(
            [
                *[fetch] * 4,
                delta,
                *[{**delta, "HTTP_IF_NONE_MATCH": chance.choice(self._seen)}] * 6,
                {"HTTP_RANGE": chance.choice(["bytes=0-99", "bytes=-5", "bytes=x"])},
                {"HTTP_RANGE": "bytes=0-99", "HTTP_IF_RANGE": self._tags()},
                {"HTTP_IF_MATCH": self._tags()},
                {"HTTP_IF_UNMODIFIED_SINCE": self._date()},
                {"HTTP_HOST": chance.choice(["feeds.example", "a b", "[", "", "evil.example:99999999"])},
                {"query": chance.choice(["a=b", "token=x", "\xff=%ff", "?" * 50])},
                {"SERVER_PROTOCOL": "HTTP/1.0"},
                {"SCRIPT_NAME": "/below"},
                {"HTTP_AUTHORIZATION": "Bearer x"},
                {"HTTP_ORIGIN": "https://reader.example", "HTTP_ACCEPT": "text/html"},
                {"HTTP_CACHE_CONTROL": "no-cache", "HTTP_PRAGMA": "no-cache"},
                {"CONTENT_LENGTH": "5", "CONTENT_TYPE": "text/plain"},
            ]
        )


def test_any_request_gets_the_same_answer_with_the_fast_path_as_without(pair: Pair) -> None:
    seed = random.randrange(2**32)  # noqa: S311  no secret
    requests = Requests(pair, seed)
    pair.settle()
    hits = pair.fast_path.hits
    total = 2400
    for number, asked in zip(range(total), requests, strict=False):
        if number % 800 == 300:
            write_story(pair.folder, f"_news/new-{number}", topics=["AI"], title=f"{seed} {number}")
            index(pair.settings)
        if number % 800 == 400:
            pair.settle()
        # Where a second ended between the two, which brings a Last-Modified, they agree when asked again.
        for _ in range(2):
            ours, theirs = ask(pair.fast, **asked), ask(pair.plain, **asked)
            if ours == theirs:
                break
        assert ours == theirs, (seed, number, asked)
        requests.note(ours)
    assert (pair.fast_path.hits - hits) / total > 0.3


@pytest.mark.parametrize("path", [*PAGES, *LISTS, "/static/style.css"])
@pytest.mark.parametrize("wish", ["identity", "gzip", "br", "gzip;q=0, *"])
def test_pages_and_lists_that_are_asked_for_again_never_reach_flask(pair: Pair, path: str, wish: str) -> None:
    ask(pair.fast, path)
    hits = pair.fast_path.hits
    whole = ask(pair.fast, path, HTTP_ACCEPT_ENCODING=wish)
    assert whole == ask(pair.plain, path, HTTP_ACCEPT_ENCODING=wish)
    assert whole[0] == "200 OK"
    for tag in (header(whole, "ETag"), f"W/{header(whole, 'ETag')}"):
        unchanged = ask(pair.fast, path, HTTP_ACCEPT_ENCODING=wish, HTTP_IF_NONE_MATCH=tag)
        assert (unchanged[0], unchanged[2]) == ("304 NOT MODIFIED", b"")
    dated = ask(pair.fast, path, HTTP_ACCEPT_ENCODING=wish, HTTP_IF_MODIFIED_SINCE=http_date(4e9))
    assert dated == whole  # it has no date that this could be about
    assert ask(pair.fast, path, "HEAD", HTTP_ACCEPT_ENCODING=wish) == (whole[0], whole[1], b"")
    assert pair.fast_path.hits - hits == 5


def test_persons_get_pages_and_lists_from_the_fast_path_and_feeds_not(site: Pair) -> None:
    site.settle()
    navigation = {"HTTP_SEC_FETCH_MODE": "navigate", "HTTP_SEC_FETCH_DEST": "document"}
    hits = site.fast_path.hits
    for path in PAGES + LISTS:
        assert ask(site.fast, path, HTTP_SEC_FETCH_SITE="none", **navigation)[0] == "200 OK"
    assert site.fast_path.hits - hits == len(PAGES + LISTS)
    for path in FEEDS:
        assert ask(site.fast, path, HTTP_SEC_FETCH_SITE="none", **navigation)[0] == "303 SEE OTHER"
    assert site.fast_path.hits - hits == len(PAGES + LISTS)


@pytest.mark.parametrize("path", ["/status", "/status.json", "/healthz", "/readyz", "/none", "/old", "/gone"])
def test_what_is_asked_of_the_server_itself_is_never_answered_on_the_fast_path(site: Pair, path: str) -> None:
    for _ in range(3):
        ask(site.fast, path)
    assert site.fast_path.hits == 0


@pytest.mark.parametrize("path", FEEDS)
@pytest.mark.parametrize("wish", ["identity", "gzip", "br", "gzip;q=0, *"])
def test_what_is_asked_for_again_and_again_never_reaches_flask(pair: Pair, path: str, wish: str) -> None:
    ask(pair.fast, path)
    wait_for_date(pair, path)
    hits = pair.fast_path.hits
    whole = ask(pair.fast, path, HTTP_ACCEPT_ENCODING=wish)
    assert whole[0] == "200 OK"
    tag, date = header(whole, "ETag"), header(whole, "Last-Modified")
    for conditions in (
        {"HTTP_IF_NONE_MATCH": tag},
        {"HTTP_IF_NONE_MATCH": f"W/{tag}"},
        {"HTTP_IF_MODIFIED_SINCE": date},
    ):
        unchanged = ask(pair.fast, path, HTTP_ACCEPT_ENCODING=wish, **conditions)
        assert (unchanged[0], unchanged[2]) == ("304 NOT MODIFIED", b"")
    other = ask(pair.fast, path, HTTP_ACCEPT_ENCODING=wish, HTTP_IF_NONE_MATCH='"an-old-one"')
    assert other == whole
    head = ask(pair.fast, path, "HEAD", HTTP_ACCEPT_ENCODING=wish)
    assert head == (whole[0], whole[1], b"")
    assert pair.fast_path.hits - hits == 6


def wait_for_date(pair: Pair, path: str) -> None:
    end = time.monotonic() + 5
    while not header(ask(pair.fast, path), "Last-Modified") and time.monotonic() < end:
        time.sleep(0.05)


# --- Freshness


def test_a_change_is_never_served_late(site: Pair) -> None:
    site.settle()
    before = ask(site.fast, "/topics/ai.rss")
    hits = site.fast_path.hits
    for number in range(5):
        write_story(site.folder, "_news/fresh", title=f"Edition {number}")
        index(site.settings)
        after = ask(site.fast, "/topics/ai.rss", HTTP_IF_NONE_MATCH=header(before, "ETag"))
        assert f"Edition {number}".encode() in after[2]
        assert header(after, "ETag") != header(before, "ETag")
        before = after
    assert site.fast_path.hits == hits


@pytest.mark.parametrize("path", ["/topics/ai", "/topics", "/", "/topics.json", "/topics.opml", "/all.opml"])
def test_a_change_of_a_page_or_list_is_never_served_late(site: Pair, path: str) -> None:
    site.settle()
    before = ask(site.fast, path)
    hits = site.fast_path.hits
    for number in range(3):
        write_story(
            site.folder, "_news/fresh", title=f"Edition {number}", topics=["AI", f"Topic {number}"],
            updated=f"2024-07-0{1 + number}T10:00:00Z",
        )  # fmt: skip
        index(site.settings)
        after = ask(site.fast, path, HTTP_IF_NONE_MATCH=header(before, "ETag"))
        assert f"opic {number}".encode() in after[2]
        assert after == ask(site.plain, path)
        before = after
    assert site.fast_path.hits == hits


def test_what_did_not_change_stays_in_front_while_another_feed_changes(site: Pair) -> None:
    site.settle()
    write_story(site.folder, "_news/fresh", topics=["Elsewhere"], provider=("Post", "post.example"))
    index(site.settings)
    hits = site.fast_path.hits
    ask(site.fast, "/topics/ai.rss")
    assert site.fast_path.hits == hits + 1


def test_an_index_that_is_built_anew_is_seen_at_once(site: Pair) -> None:
    site.settle()
    write_story(site.folder, "_news/fresh", title="After the rebuild")
    before = ask(site.fast, "/topics/ai.rss")
    (site.settings.state.dir / "current").unlink()
    let_readers_look()
    # Which index serves is not said, but the one that did is still there.
    assert ask(site.fast, "/topics/ai.rss") == before
    index(site.settings)
    assert b"After the rebuild" in ask(site.fast, "/topics/ai.rss")[2]


def test_until_its_date_has_come_a_document_is_answered_in_front_without_it(site: Pair) -> None:
    write_story(site.folder, "_news/fresh", title="Now")
    index(site.settings)
    first = ask(site.fast, "/topics/ai.rss")
    assert header(first, "Last-Modified") == ""
    assert site.fast_path.hits == 0
    assert ask(site.fast, "/topics/ai.rss") == first
    assert site.fast_path.hits == 1
    wait_for_date(site, "/topics/ai.rss")
    hits = site.fast_path.hits
    dated = ask(site.fast, "/topics/ai.rss")
    assert header(dated, "Last-Modified") != ""
    assert site.fast_path.hits == hits + 1


def test_a_clock_that_is_set_back_during_a_request_costs_no_later_answer_its_date(
    site: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(site.fast, "/topics/ai.rss")
    ahead = time.time() + 60
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: ahead)
        ask(site.fast, "/topics/ai.rss")
    time.sleep(1.1)
    hits = site.fast_path.hits
    first, second = (ask(site.fast, "/topics/ai.rss") for _ in range(2))
    assert header(first, "Last-Modified") == header(second, "Last-Modified") != ""
    assert site.fast_path.hits == hits + 1  # Flask answered when the date had come


# --- Failures


def damage_the_rows(state: Path) -> None:
    """Cut off the description that a listing's row has from its taxonomy file."""
    with closing(sqlite3.connect(state / (state / "current").read_text().strip())) as database, database:
        database.execute("UPDATE listing SET taxonomy = '{\"na'")


def empty_the_build(state: Path) -> None:
    """The build that the pointer names has lost all it held, and the pointer is a new file."""
    (state / "index-0.sqlite").touch()
    (state / "new").write_text("index-0.sqlite\n")
    (state / "new").replace(state / "current")


@pytest.mark.parametrize("damage", [damage_the_rows, empty_the_build])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_fails_in_the_fast_path_is_flasks_to_answer_with_the_last_good_bytes(
    site: Pair, damage: Callable[[Path], None], method: str
) -> None:
    site.settle()
    before = ask(site.fast, "/topics/ai.rss", method)
    hits = site.fast_path.hits
    damage(site.settings.state.dir)
    let_readers_look()
    for _ in range(3):
        assert ask(site.fast, "/topics/ai.rss", method) == before
    conditional = ask(site.fast, "/topics/ai.rss", method, HTTP_IF_NONE_MATCH=header(before, "ETag"))
    assert conditional[0] == "304 NOT MODIFIED"
    assert site.fast_path.hits == hits


EVERYTHING = [*FEEDS, *PAGES, *LISTS]


@pytest.mark.parametrize("damage", [damage_the_rows, empty_the_build])
@pytest.mark.parametrize("is_restarted", [False, True], ids=["this process", "the next process"])
def test_nothing_that_was_good_fails_because_the_index_does(
    site: Pair, damage: Callable[[Path], None], is_restarted: bool
) -> None:
    site.settle()
    before = {path: ask(site.fast, path) for path in EVERYTHING}
    write_story(site.folder, "_news/fresh", title="Unseen", topics=["AI", "Tides"])
    index(site.settings)
    damage(site.settings.state.dir)
    app = quiet_app(site.settings) if is_restarted else site.fast
    for path, good in before.items():
        assert ask(app, path)[2] == good[2], path
        assert header(ask(app, path), "ETag") == header(good, "ETag")
        assert ask(app, path, HTTP_IF_NONE_MATCH=header(good, "ETag"))[0] == "304 NOT MODIFIED"
    status = app.test_client().get("/status.json")
    assert status.status_code == 200
    assert status.get_json()["stale_answers_of_this_process"] == 3 * len(before)
    assert app.test_client().get("/status").status_code == 200


def test_a_listing_that_the_settings_may_redirect_is_served_as_it_was(site: Pair) -> None:
    good = {path: ask(site.fast, path) for path in ("/topics/tides", "/topics/tides.rss")}
    write_story(site.folder, "_news/fresh", title="Unseen", topics=["Tides"])
    index(site.settings)
    damage_the_rows(site.settings.state.dir)
    for path, answer in good.items():
        assert ask(site.fast, path)[::2] == answer[::2]


# --- Limits, and the world around


def test_an_address_that_the_settings_may_redirect_is_never_on_the_fast_path(site: Pair) -> None:
    ask(site.fast, "/topics/tides.rss")
    time.sleep(1.1)
    for _ in range(3):
        assert ask(site.fast, "/topics/tides.rss")[0] == "200 OK"
    assert site.fast_path.hits == 0


def test_the_fast_path_remembers_a_bounded_number_of_addresses(
    site: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.fast_path, "_known", Bounded(3))
    for path in FEEDS * 2:
        assert ask(site.fast, path)[2] == ask(site.plain, path)[2] != b""
    assert len(site.fast_path._known) <= 3  # noqa: SLF001  nothing outside tells


def test_a_process_keeps_nothing_of_what_strangers_invent(site: Pair) -> None:
    def invent(numbers: range) -> None:
        for number in numbers:
            for group in ("topics", "providers", "feeds"):
                name = f"{number}.".encode() + "\U0001f600".encode() * 1000
                path = f"/{group}/{name.decode('latin-1')}"
                assert ask(site.fast, path, HTTP_ACCEPT_ENCODING=f"x{number}" * 500)[0] == "404 NOT FOUND"

    invent(range(20))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        invent(range(20, 120))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 300 * 1000  # of 1.5 MB of names and headers


def test_a_server_may_change_the_headers_that_it_is_given(site: Pair) -> None:
    site.settle()

    def ask_rudely() -> list[tuple[str, str]]:
        given: list[list[tuple[str, str]]] = []

        def start_response(_status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
            given.append(headers)

        environ = EnvironBuilder(path="/topics/ai.rss").get_environ()
        b"".join(site.fast(environ, start_response))
        headers = given[0].copy()
        given[0].clear()
        return headers

    assert ask_rudely() == ask_rudely() != []


def test_the_status_counts_what_the_fast_path_answered(site: Pair) -> None:
    site.settle()
    client = site.fast.test_client()
    before = client.get("/status.json").get_json()["ready_answers_of_this_process"]
    for _ in range(3):
        client.get("/topics/ai.rss")
    assert client.get("/status.json").get_json()["ready_answers_of_this_process"] == before + 3


def test_gunicorn_hooks_and_test_clients_find_a_flask_application(site: Pair) -> None:
    assert isinstance(site.fast, Flask)
    assert site.fast.test_client().get("/topics/ai.rss").status_code == 200
