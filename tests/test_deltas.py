"""Clients that merge get what is new since the state that they hold; the whole, where that would lie."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import feedparser
import pytest
from builders import Clock, write_article
from flask.testing import FlaskClient
from servers import index, quiet_app, settings_of
from werkzeug.test import TestResponse

from feedserver.feeds.cache import open_cache
from feedserver.feeds.document import Document
from feedserver.feeds.feed_renderer import FeedLimits
from feedserver.feeds.publisher import DELTA_SECONDS, Publisher
from feedserver.index.stores import open_store
from feedserver.model import Format, Kind, ListingKey
from feedserver.settings.schema import Settings
from feedserver.wiring.planning import store_address
from feedserver.wiring.publishing import make_publisher

PATH = "/topics/tides.atom"
WANTED = {"A-IM": "feed"}


class Site:
    """A folder of articles behind an application that sends deltas."""

    def __init__(self, folder: Path, *, deltas: bool = True) -> None:
        self.folder = folder / "articles"
        self.folder.mkdir()
        self.clock = Clock(datetime(2025, 6, 15, tzinfo=UTC).timestamp())
        self.settings = settings_of(
            folder / "state", self.folder, http={"deltas": deltas}, feeds={"limit": 10}
        )
        self.client: FlaskClient = quiet_app(self.settings).test_client()

    def write(self, name: str, *, day: int = 1, title: str = "", draft: bool | None = None) -> None:
        write_article(
            self.folder,
            f"{name}.md",
            title=title or f"About {name}",
            publishedDateTime=f"2025-05-{day:02}T10:00:00Z",
            topics=["Tides"],
            draft=draft,
        )

    def remove(self, name: str) -> None:
        (self.folder / f"{name}.md").unlink()

    def index(self) -> None:
        index(self.settings, self.clock)

    def ask(self, etag: str = "", path: str = PATH, **headers: str) -> TestResponse:
        sent = {**WANTED, **headers} | ({"If-None-Match": etag} if etag else {})
        return self.client.get(path, headers={name: value for name, value in sent.items() if value})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    for day in range(1, 8):
        site.write(f"tide-{day}", day=day)
    site.index()
    return site


def titles(answer: TestResponse) -> list[str]:
    return [entry.title for entry in feedparser.parse(answer.data).entries]


@pytest.mark.parametrize("fmt", ["rss", "atom", "json"])
def test_a_client_that_holds_an_earlier_state_gets_the_new_entries_only(site: Site, fmt: str) -> None:
    path = f"/topics/tides.{fmt}"
    held = site.ask(path=path).headers["ETag"]
    site.write("tide-8", day=8)
    site.index()
    answer = site.ask(held, path=path)

    assert answer.status == "226 IM Used"
    assert b"About tide-8" in answer.data
    assert b"About tide-7" not in answer.data
    whole = site.ask(path=path)
    assert len(answer.data) < len(whole.data)
    assert answer.headers["ETag"] == whole.headers["ETag"]
    assert answer.headers["IM"] == "feed"
    assert answer.headers["Cache-Control"] == "no-store, im"
    assert {"A-IM", "If-None-Match"} <= {name.strip() for name in answer.headers["Vary"].split(",")}


def test_a_changed_entry_is_sent_again(site: Site) -> None:
    held = site.ask().headers["ETag"]
    site.write("tide-3", day=3, title="Corrected")
    site.index()

    assert titles(site.ask(held)) == ["Corrected"]


def test_the_state_after_a_delta_is_the_current_one(site: Site) -> None:
    held = site.ask().headers["ETag"]
    site.write("tide-8", day=8)
    site.index()
    held = site.ask(held).headers["ETag"]

    assert site.ask(held).status_code == 304


def test_any_encoding_of_the_earlier_state_is_known(site: Site) -> None:
    held = site.ask(**{"Accept-Encoding": "gzip"}).headers["ETag"]
    assert held.endswith('-gzip"')
    site.write("tide-8", day=8)
    site.index()

    assert site.ask(f"W/{held}").status_code == 226


def test_entries_that_only_grew_too_old_for_the_document_are_no_retraction(site: Site) -> None:
    for day in range(8, 11):
        site.write(f"tide-{day}", day=day)
    site.index()
    held = site.ask().headers["ETag"]
    site.write("tide-20", day=20)
    site.index()

    assert titles(site.ask(held)) == ["About tide-20"]


def _retract(site: Site) -> None:
    site.remove("tide-5")
    site.write("tide-8", day=8)


def _hide(site: Site) -> None:
    site.write("tide-5", day=5, draft=True)
    site.write("tide-8", day=8)


def _change_everything(site: Site) -> None:
    for day in range(1, 8):
        site.write(f"tide-{day}", day=day, title=f"Anew {day}")


def _only_retract(site: Site) -> None:
    site.remove("tide-5")


@pytest.mark.parametrize("change", [_retract, _hide, _change_everything, _only_retract])
def test_where_new_entries_do_not_tell_it_all_or_save_nothing_the_whole_is_sent(
    site: Site, change: Callable[[Site], None]
) -> None:
    held = site.ask().headers["ETag"]
    change(site)
    site.index()

    assert site.ask(held).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"A-IM": ""}, {"A-IM": "vcdiff"}, {"A-IM": "feed;q=0"}, {"A-IM": "diffe, gzip"}],
)
def test_who_does_not_ask_for_a_delta_gets_the_whole(site: Site, headers: dict[str, str]) -> None:
    held = site.ask().headers["ETag"]
    site.write("tide-8", day=8)
    site.index()

    assert site.ask(held, **headers).status_code == 200


@pytest.mark.parametrize("known", ['"unknown"', "*", '"a", "b"', 'W/"0947a2c4b9cd53f9ef5b8ffb0b24694e"'])
def test_an_unknown_state_gets_the_whole(site: Site, known: str) -> None:
    assert site.ask(known).status_code in (200, 304)
    assert site.ask(known).status_code == (304 if known == "*" else 200)


def test_deltas_are_off_by_default(tmp_path: Path) -> None:
    site = Site(tmp_path, deltas=False)
    site.write("tide-1")
    site.index()
    held = site.ask().headers["ETag"]
    site.write("tide-2", day=2)
    site.index()

    assert site.ask(held).status_code == 200
    assert Settings().http.deltas is False


def test_head_gets_no_delta(site: Site) -> None:
    held = site.ask().headers["ETag"]
    site.write("tide-8", day=8)
    site.index()

    assert site.client.head(PATH, headers={**WANTED, "If-None-Match": held}).status_code == 200


def test_who_refuses_deltas_and_comes_back_with_the_same_state_gets_the_whole_after_hours(site: Site) -> None:
    """rss2email 3.13 asks for deltas and takes the 226 for an error."""
    cache = open_cache("memory://", site.folder, lambda: "secret", max_age=1000, max_size=10**8)
    limits = FeedLimits(entries=10, min_entries=1, max_bytes=1_000_000, deltas=True)
    publisher = Publisher(
        open_store(store_address(site.settings)),
        make_publisher(site.settings).site,
        limits,
        cache,
        site.clock,
    )
    document = Document(ListingKey(kind=Kind.TOPIC, slug="tides"), Format.ATOM)
    held = publisher.feed_document(document).etag
    site.write("tide-8", day=8)
    site.index()
    assert publisher.delta(document, [held]) is not None
    site.clock.now += DELTA_SECONDS
    assert publisher.delta(document, [held]) is not None
    site.clock.now += 1

    assert publisher.delta(document, [held]) is None
