"""Pages and lists as representations: kept while they are current, as they were where something fails."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from servers import BASE_URL, at_once, index, settings_of, write_story

from feedserver.errors import IndexNotReadyError, UnknownAddressError
from feedserver.feeds.document import Document
from feedserver.feeds.failures import StaleAnswers
from feedserver.feeds.representation import Representation
from feedserver.model import Format, Kind, ListingKey
from feedserver.settings.sources import Settings
from feedserver.site import directory, documents, pages
from feedserver.site.addresses import (
    DIRECTORY,
    DIRECTORY_OPML,
    GROUPS,
    RECOMMENDED_OPML,
    ListTarget,
    parse_list,
)
from feedserver.site.documents import SiteDocuments
from feedserver.site.pages import SiteChrome
from feedserver.wiring.publishing import make_publisher

AI = ListingKey(kind=Kind.TOPIC, slug="ai")
TOPICS = ListTarget(Kind.TOPIC, "")
LISTS = [
    DIRECTORY,
    DIRECTORY_OPML,
    RECOMMENDED_OPML,
    *(ListTarget(kind, suffix) for kind in GROUPS.values() for suffix in ("", "opml", "json")),
]


class Site:
    """A folder of articles, and workers over its index."""

    def __init__(self, folder: Path) -> None:
        self.articles = folder / "articles"
        self.state = folder / "state"
        self.settings: Settings = settings_of(self.state, self.articles)

    def write(self, name: str, topic: str = "AI") -> None:
        write_story(self.articles, name, title=f"About {name}", topics=[topic, "AI"])
        index(self.settings)

    def worker(self, cache: str = "", title: str = "Example") -> SiteDocuments:
        settings = settings_of(self.state, self.articles, cache={"url": cache}, site={"title": title})
        publisher = make_publisher(settings)
        site = publisher.site
        chrome = SiteChrome(site.title, site.description, site.language, site.base_url)
        return SiteDocuments(publisher, chrome)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.write("one")
    return site


def stale(worker: SiteDocuments) -> StaleAnswers:
    return worker.publisher.stale


def failing(*_: object) -> str:
    raise ValueError("the template has had enough")


def listed(worker: SiteDocuments, address: str) -> list[str]:
    """The addresses of the listings in a list as JSON."""
    wanted = parse_list(address)
    assert wanted is not None
    return [one["address"] for one in json.loads(worker.lists.current(wanted).body)]


# --- Long lists


def test_the_pages_of_a_list_are_the_list(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        site.write(f"story-{number}", topic=f"Topic {number}")
    whole = listed(site.worker(), "/topics.json")
    monkeypatch.setattr(directory, "PAGE_LISTINGS", 2)
    worker = site.worker()
    parts = [listed(worker, address) for address in ("/topics.json", "/topics.2.json", "/topics.3.json")]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert [one for part in parts for one in part] == whole
    with pytest.raises(UnknownAddressError):
        listed(worker, "/topics.4.json")


def test_a_list_without_listings_has_one_page(site: Site) -> None:
    assert listed(site.worker(), "/feeds.json") == []
    with pytest.raises(UnknownAddressError):
        listed(site.worker(), "/feeds.2.json")


def test_opml_of_a_page_includes_the_next_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        site.write(f"story-{number}", topic=f"Topic {number}")
    monkeypatch.setattr(directory, "PAGE_LISTINGS", 2)
    worker = site.worker()
    found = {
        address: re.findall('url="([^"]+)"', worker.lists.current(wanted).body.decode())
        for address in ("/all.opml", "/topics.opml", "/topics.2.opml")
        if (wanted := DIRECTORY_OPML if address == "/all.opml" else parse_list(address))
    }
    assert found == {
        "/all.opml": [f"{BASE_URL}/topics.2.opml"],
        "/topics.opml": [f"{BASE_URL}/topics.2.opml"],
        "/topics.2.opml": [],
    }


def test_a_few_listings_are_found_without_sorting_all_of_them(site: Site) -> None:
    (build,) = site.state.glob("index-*.sqlite")
    statement = (
        "EXPLAIN QUERY PLAN SELECT * FROM listing WHERE kind = 'topics' AND entries > 0 "
        "ORDER BY entries DESC, title, slug LIMIT 200 OFFSET 5000"
    )
    with closing(sqlite3.connect(build)) as database:
        plan = [row[-1] for row in database.execute(statement)]
    assert plan == ["SEARCH listing USING INDEX listing_entries (kind=? AND entries>?)"]


# --- While nothing fails


def test_a_page_is_made_once_for_each_state_of_its_listing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = site.worker()
    assert worker.pages.cached(AI) is None
    first = worker.pages.current(AI)
    with monkeypatch.context() as broken:
        broken.setattr(pages, "listing_page", failing)
        assert worker.pages.current(AI) is worker.pages.cached(AI) is first
        write_story(site.articles, "elsewhere", topics=["Tides"])
        index(site.settings)
        assert worker.pages.current(AI) is first
    site.write("two")
    assert worker.pages.cached(AI) is None
    second = worker.pages.current(AI)
    assert b"About two" in second.body
    assert second.etag != first.etag


@pytest.mark.parametrize("wanted", LISTS, ids=lambda one: one.address)
def test_a_list_is_made_once_while_no_listing_changes(site: Site, wanted: ListTarget) -> None:
    worker = site.worker()
    first = worker.lists.current(wanted)
    write_story(site.articles, "one", title="About one", topics=["AI", "AI"], heat=7, secured=True)
    index(site.settings)  # what is in no listing changed
    assert worker.lists.cached(wanted) is first
    site.write("two", topic="Tides")
    assert worker.lists.cached(wanted) is None
    assert worker.lists.current(wanted) == site.worker("null://").lists.current(wanted)


def test_lists_have_the_addresses_that_they_are_asked_for_at() -> None:
    addresses = {one.address for one in LISTS}
    assert {"/", "/all.opml", "/recommended.opml", "/topics", "/providers.opml", "/feeds.json"} < addresses
    assert len(addresses) == len(LISTS)


def test_there_is_no_page_of_what_never_existed_and_none_before_the_first_index(
    site: Site, tmp_path: Path
) -> None:
    nothing = ListingKey(kind=Kind.TOPIC, slug="nothing")
    with pytest.raises(UnknownAddressError, match="/topics/nothing"):
        site.worker().pages.current(nothing)
    assert site.worker().pages.cached(nothing) is None
    unborn = Site(tmp_path / "unborn").worker()
    assert unborn.lists.cached(DIRECTORY) is unborn.pages.cached(AI) is None
    with pytest.raises(IndexNotReadyError):
        unborn.lists.current(DIRECTORY)
    with pytest.raises(IndexNotReadyError):
        unborn.pages.current(AI)


def test_threads_that_come_at_once_wait_for_one_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = pages.listing_page

    def make_slowly(*facts: object) -> str:
        made.append("one")
        time.sleep(0.1)
        return make(*facts)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(pages, "listing_page", make_slowly)
    worker = site.worker()
    at_once(*[lambda: worker.pages.current(AI)] * 12)
    assert made == ["one"]


def test_no_feed_or_page_waits_for_a_list(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def make_until_told(*_: object) -> str:
        begun.set()
        assert go_on.wait(20)
        return "<p>a list"

    monkeypatch.setattr(pages, "group_page", make_until_told)
    worker = site.worker()
    found: list[Representation] = []

    def ask_meanwhile() -> None:
        assert begun.wait(20)
        try:
            found.append(worker.publisher.feed_document(Document(AI, Format.RSS)))
            found.append(worker.pages.current(AI))
        finally:
            go_on.set()

    at_once(lambda: worker.lists.current(TOPICS), ask_meanwhile)
    assert len(found) == 2


def test_a_list_larger_than_all_that_is_kept_is_served(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LIST_BYTES", 100)
    worker = site.worker()
    first = worker.lists.current(TOPICS)
    assert worker.lists.cached(TOPICS) is None
    assert worker.lists.current(TOPICS) == first


@pytest.mark.parametrize("damage", ["no folder", "garbage"])
def test_a_broken_cache_costs_pages_and_lists_nothing(site: Site, damage: str) -> None:
    before = site.worker().pages.current(AI), site.worker().lists.current(TOPICS)
    cache = site.state / "cache"
    if damage == "no folder":
        shutil.rmtree(cache)
        cache.write_text("no folder")
    else:
        for path in cache.iterdir():
            path.write_bytes(b"garbage" * 9)
    worker = site.worker()
    assert (worker.pages.current(AI), worker.lists.current(TOPICS)) == before
    assert stale(worker).count == 0


# --- The last good state


@pytest.mark.parametrize("cache", ["", "null://"])
def test_what_cannot_be_made_is_served_as_it_was_last(
    site: Site, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    worker = site.worker(cache)
    before = worker.pages.current(AI), worker.lists.current(TOPICS)
    site.write("two", topic="Tides")
    with monkeypatch.context() as broken:
        for name in ("listing_page", "group_page"):
            broken.setattr(pages, name, failing)
        for _ in range(2):
            assert (worker.pages.current(AI), worker.lists.current(TOPICS)) == before
        assert worker.pages.cached(AI) is worker.lists.cached(TOPICS) is None
        assert stale(worker).count == 4
        assert stale(worker).last_reason == "/topics: ValueError: the template has had enough"
    assert b"About two" in worker.pages.current(AI).body
    assert b"Tides" in worker.lists.current(TOPICS).body
    assert stale(worker).count == 4


def test_a_worker_that_begins_while_something_fails_takes_what_was_left_in_the_cache(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = site.worker()
    first.pages.current(AI)
    site.write("two")
    before = first.pages.current(AI), [first.lists.current(wanted) for wanted in LISTS]
    site.write("three", topic="Tides")
    for name in ("listing_page", "group_page", "directory_page"):
        monkeypatch.setattr(pages, name, failing)
    for name in ("opml", "recommended_opml", "as_json"):
        monkeypatch.setattr(directory, name, failing)
    other = site.worker()
    assert (other.pages.current(AI), [other.lists.current(wanted) for wanted in LISTS]) == before
    assert stale(other).count == 1 + len(LISTS)


@pytest.mark.parametrize("is_restarted", [False, True], ids=["this process", "the next process"])
def test_no_page_or_list_of_before_a_retraction_is_served(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, is_restarted: bool
) -> None:
    site.write("two", topic="Tides")
    worker = site.worker()
    worker.pages.current(AI)
    for wanted in LISTS:
        worker.lists.current(wanted)
    (site.articles / "two.md").unlink()
    index(site.settings)
    for name in ("listing_page", "group_page", "directory_page"):
        monkeypatch.setattr(pages, name, failing)
    for name in ("opml", "recommended_opml", "as_json"):
        monkeypatch.setattr(directory, name, failing)
    worker = site.worker() if is_restarted else worker
    with pytest.raises(ValueError, match="enough"):
        worker.pages.current(AI)
    for wanted in LISTS:
        with pytest.raises(ValueError, match="enough"):
            worker.lists.current(wanted)


def test_what_another_site_or_look_left_in_the_cache_is_nobodys_last_good_state(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.worker().pages.current(AI)
    make = pages.listing_page
    monkeypatch.setattr(pages, "listing_page", failing)
    with pytest.raises(ValueError, match="enough"):
        site.worker(title="Else").pages.current(AI)
    monkeypatch.setattr(pages, "look", lambda: "another")
    with pytest.raises(ValueError, match="enough"):
        site.worker().pages.current(AI)
    monkeypatch.setattr(pages, "listing_page", make)
    assert site.worker().pages.current(AI).body
