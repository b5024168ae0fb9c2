"""From a listing to its representation: the same bytes, truthful validators, whatever fails around."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
from builders import let_readers_look
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import at_once, index, settings_of, write_story

from feedserver.errors import IndexNotReadyError, UnknownAddressError
from feedserver.feeds import channels, feed_renderer, last_modified, publisher
from feedserver.feeds.cache import open_cache
from feedserver.feeds.channels import SiteFacts
from feedserver.feeds.document import Document
from feedserver.feeds.feed_renderer import FeedLimits
from feedserver.feeds.publisher import Publisher
from feedserver.feeds.representation import Representation
from feedserver.index.sqlite.history_file import history_in
from feedserver.index.sqlite.store import HISTORY_PATIENCE_SECONDS
from feedserver.index.stores import open_store
from feedserver.model import Feed, Format, Kind, ListingKey
from feedserver.render import render
from feedserver.wiring.planning import store_address
from feedserver.wiring.publishing import make_publisher

ARTICLES = ListingKey(kind=Kind.ARTICLES)
AI = ListingKey(kind=Kind.TOPIC, slug="ai")
START = 1_750_000_000.0
SITE = SiteFacts(
    title="Example",
    description="",
    base_url="https://feeds.example",
    language="en",
    rights="",
    icon="",
    logo="",
    author="",
    id_authority="feeds.example",
    id_year=2025,
    ttl=5,
)


class Site:
    """A folder of articles, and publishers over its index that are told the time."""

    def __init__(self, folder: Path) -> None:
        self.articles = folder / "articles"
        self.articles.mkdir()
        self.state = folder / "state"
        self.settings = settings_of(self.state, self.articles)
        self.now = START

    def clock(self) -> float:
        return self.now

    def index(self) -> None:
        index(self.settings, self.clock)

    def publisher(
        self, *, cache: str = "null://", site: SiteFacts = SITE, limits: FeedLimits | None = None
    ) -> Publisher:
        limits = limits or FeedLimits(entries=50, min_entries=10, max_bytes=1_000_000)
        return Publisher(
            open_store(store_address(self.settings)),
            site,
            limits,
            open_cache(cache, self.state / "cache", lambda: "secret", max_age=1000, max_size=10**8),
            self.clock,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def entries_of(body: bytes) -> int:
    return body.count(b"<item>")


# --- Validators


def observe(publisher: Publisher) -> tuple[str, datetime | None]:
    found = publisher.feed_document(Document(AI, Format.RSS))
    return found.etag, found.last_modified


steps = st.lists(
    st.one_of(
        st.sampled_from(["A", "B", "C", "touched", "gone"]),
        st.integers(min_value=0, max_value=1),
        st.floats(min_value=0.0, max_value=1.5),
        st.sampled_from(["rebuild", "restart"]),
    ),
    min_size=2,
    max_size=14,
)


@settings(max_examples=15)
@given(steps=steps)
def test_workers_agree_and_dates_follow_tags_whatever_each_of_them_saw(
    steps: list[str | int | float],
) -> None:
    """Two publishers stand for two workers; each looks at other moments, and so misses other versions."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        write_story(site.articles, "other", topics=["AI"])
        site.index()
        workers = [site.publisher(), site.publisher()]
        seen = [observe(workers[0])]
        for step in [*steps, 0, 1, 2.0, 0, 1]:
            if isinstance(step, float):
                site.now += step
            elif isinstance(step, int):
                seen.append(observe(workers[step]))
            elif step == "rebuild":
                for leftover in site.state.glob("index-*"):
                    leftover.unlink()
                site.index()
                let_readers_look()
            elif step == "restart":
                workers = [site.publisher(), site.publisher()]
            else:
                change(site.articles, step)
                site.index()
        assert seen[-1] == seen[-2]
        assert seen[-1][1] is not None
        for (tag, date), (next_tag, next_date) in combinations(seen, 2):
            # No client holds a date under which it would be told that later content is the same.
            assert (
                date is None or next_date is None or date < next_date or (tag, date) == (next_tag, next_date)
            )


def change(folder: Path, step: str) -> None:
    if step == "gone":
        (folder / "one.md").unlink(missing_ok=True)
    elif step == "touched":
        write_story(folder, "unseen", topics=["Other"])
    else:
        # A date of its own keeps `updated`, so that equal content is equal bytes: A, B, A.
        write_story(folder, "one", topics=["AI"], title=step, updated="2024-06-01T00:00:00Z")


def test_a_worker_that_lags_behind_changes_no_date_of_the_current_state(site: Site) -> None:
    """State 1 and 3 have the same bytes; somebody renders state 2 when state 3 is already served."""
    write_story(site.articles, "one")
    site.index()
    with closing(history_in(site.state)) as history:
        now = int(START)
        first = history.last_modified("/x.rss", "A", sequence=1, earliest=now, now=now)
        assert first is not None
        later = partial(history.last_modified, "/x.rss", earliest=now + 60, now=now + 60)
        assert later(etag="A", sequence=3) == first._replace(sequence=3)
        assert later(etag="B", sequence=2) is None
        assert later(etag="A", sequence=3) == first._replace(sequence=3)


def test_what_no_subscriber_can_see_changes_no_validator(site: Site) -> None:
    path = write_story(site.articles, "one", secured=False, heat=1)
    site.index()
    worker = site.publisher()
    before = observe(worker)
    site.now += 10
    path.write_text(path.read_text().replace("heat: 1", "heat: 2").replace("secured: false", "secured: true"))
    site.index()
    assert observe(worker) == before
    assert observe(site.publisher()) == before


def test_a_date_is_told_first_when_its_second_has_come(site: Site) -> None:
    write_story(site.articles, "one")
    site.index()
    site.now = START + 0.25
    worker = site.publisher()
    assert observe(worker)[1] is None
    site.now = START + 0.99
    assert observe(worker)[1] is None
    site.now = START + 1
    assert observe(worker)[1] == datetime.fromtimestamp(START + 1, UTC)


def test_a_document_without_a_date_is_made_once_until_the_date_comes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[Format] = []

    def rendering(feed: Feed, fmt: Format) -> bytes:
        rendered.append(fmt)
        return render(feed, fmt)

    monkeypatch.setattr(feed_renderer, "render", rendering)
    write_story(site.articles, "one")
    site.index()
    site.now = START + 0.25
    worker = site.publisher()
    first = worker.feed_document(Document(AI, Format.RSS))
    assert worker.cached(Document(AI, Format.RSS)) is first
    assert rendered == [Format.RSS]
    site.now = START + 1
    assert worker.cached(Document(AI, Format.RSS)) is None
    assert worker.feed_document(Document(AI, Format.RSS)).last_modified is not None


def test_the_first_client_after_a_quiet_time_is_told_the_date_of_the_change(site: Site) -> None:
    write_story(site.articles, "one", topics=["AI"])
    site.index()
    started = site.state / "current"
    os.utime(started, (START, START))
    worker = site.publisher()
    site.now += 600
    write_story(site.articles, "two", topics=["AI"])
    site.index()
    changed, site.now = site.now, site.now + 3000.5
    assert observe(worker)[1] == datetime.fromtimestamp(changed + 2, UTC)


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_was_wrong_leaves_dates_and_ready_documents(site: Site, days: int) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    observe(worker)
    site.now += days * 86_400
    tag, wrong = observe(worker)
    assert worker.cached(Document(AI, Format.RSS)) is not None
    site.now -= days * 86_400 - 8
    again, date = observe(worker)
    assert again == tag
    assert wrong is not None
    assert date is not None
    assert date.timestamp() <= site.now
    assert worker.cached(Document(AI, Format.RSS)) is not None


@pytest.mark.parametrize("lost", ["index", "cache", "both"])
def test_a_lost_index_or_cache_changes_neither_bytes_nor_validators(site: Site, lost: str) -> None:
    write_story(site.articles, "one")
    write_story(site.articles, "two", topics=["AI", "Gone"])
    site.index()
    (site.articles / "two.md").unlink()
    site.now += 7
    site.index()
    gone = ListingKey(kind=Kind.TOPIC, slug="gone")
    keys = [(key, fmt) for key in (ARTICLES, AI, gone) for fmt in Format]
    before = [site.publisher(cache="").feed_document(Document(*key)) for key in keys]
    site.now += 100
    if lost != "cache":
        for leftover in site.state.glob("index-*"):
            leftover.unlink()
        site.index()
    if lost != "index":
        shutil.rmtree(site.state / "cache")
    after = [site.publisher(cache="").feed_document(Document(*key)) for key in keys]
    assert after == before


def test_threads_that_come_at_once_get_the_same(site: Site) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    found: list[Representation] = []
    at_once(*[lambda: found.append(worker.feed_document(Document(AI, Format.ATOM)))] * 12)
    assert len({(one.body, one.etag, one.last_modified) for one in found}) == 1
    assert len(found) == 12


def test_threads_that_come_at_once_wait_for_one_render(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write_story(site.articles, "one")
    site.index()
    rendered: list[Format] = []

    def render_slowly(feed: Feed, fmt: Format) -> bytes:
        rendered.append(fmt)
        time.sleep(0.1)
        return render(feed, fmt)

    monkeypatch.setattr(feed_renderer, "render", render_slowly)
    worker = site.publisher()
    at_once(*[lambda: worker.feed_document(Document(AI, Format.ATOM))] * 12)
    assert rendered == [Format.ATOM]


def test_what_is_ready_waits_for_no_render(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    ready = worker.feed_document(Document(AI, Format.ATOM))
    begun, go_on = threading.Event(), threading.Event()

    def render_until_told(feed: Feed, fmt: Format) -> bytes:
        begun.set()
        assert go_on.wait(20)
        return render(feed, fmt)

    monkeypatch.setattr(feed_renderer, "render", render_until_told)

    def ask_meanwhile() -> None:
        assert begun.wait(20)
        try:
            assert worker.cached(Document(AI, Format.ATOM)) is ready
            assert worker.feed_document(Document(AI, Format.ATOM)) is ready
        finally:
            go_on.set()

    at_once(lambda: worker.feed_document(Document(AI, Format.RSS)), ask_meanwhile)


# --- The cache


def broken_by_a_file(cache: Path) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    cache.write_text("not a folder")


def broken_values(cache: Path) -> None:
    for path in cache.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def empty_values(cache: Path) -> None:
    for path in cache.iterdir():
        path.write_bytes(b"")


def folders_for_values(cache: Path) -> None:
    for path in cache.iterdir():
        path.unlink()
        path.mkdir()


def gone(cache: Path) -> None:
    shutil.rmtree(cache)


@pytest.mark.parametrize("damage", [broken_by_a_file, broken_values, empty_values, folders_for_values, gone])
def test_a_broken_cache_costs_a_render_and_nothing_else(site: Site, damage: object) -> None:
    write_story(site.articles, "one")
    site.index()
    before = site.publisher(cache="").feed_document(Document(AI, Format.RSS))
    assert callable(damage)
    damage(site.state / "cache")
    worker = site.publisher(cache="")
    assert worker.feed_document(Document(AI, Format.RSS)) == before
    write_story(site.articles, "two")
    site.now += 5
    site.index()
    assert entries_of(worker.feed_document(Document(AI, Format.RSS)).body) == 2


def test_a_cache_that_was_never_there_costs_nothing(site: Site) -> None:
    site.state.mkdir()
    broken_by_a_file(site.state / "cache")
    write_story(site.articles, "one")
    site.index()
    assert entries_of(site.publisher(cache="").feed_document(Document(AI, Format.RSS)).body) == 1


def test_cached_bytes_of_another_release_are_not_served(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write_story(site.articles, "one")
    site.index()
    site.publisher(cache="").feed_document(Document(AI, Format.ATOM))
    for module in (feed_renderer, channels):
        monkeypatch.setattr(module, "__version__", "99.9")
    assert b'version="99.9"' in site.publisher(cache="").feed_document(Document(AI, Format.ATOM)).body


# --- The publication history


def test_while_the_history_is_locked_feeds_are_served_without_a_date_and_without_waiting(site: Site) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    with closing(sqlite3.connect(site.state / "history.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        for fmt in [*Format, *Format]:
            document = worker.feed_document(Document(AI, fmt))
            assert document.last_modified is None
            assert document.body
        assert time.monotonic() - begun < 3 * HISTORY_PATIENCE_SECONDS
        other.execute("ROLLBACK")
    site.now += last_modified.HISTORY_PAUSE_SECONDS
    assert worker.feed_document(Document(AI, Format.RSS)).last_modified is not None


def test_a_feed_without_a_date_is_rendered_once_for_all_workers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_story(site.articles, "one")
    site.index()
    rendered: list[Format] = []

    def rendering(feed: Feed, fmt: Format) -> bytes:
        rendered.append(fmt)
        return render(feed, fmt)

    monkeypatch.setattr(feed_renderer, "render", rendering)
    workers = [site.publisher(cache=""), site.publisher(cache="")]
    with closing(sqlite3.connect(site.state / "history.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for worker in [*workers, *workers]:
            assert worker.feed_document(Document(AI, Format.RSS)).last_modified is None
    assert rendered == [Format.RSS]


def test_a_lock_that_comes_later_hides_no_date_that_is_known(site: Site) -> None:
    write_story(site.articles, "one")
    site.index()
    before = site.publisher().feed_document(Document(AI, Format.RSS))
    worker = site.publisher()
    worker.feed_document(Document(AI, Format.JSON))
    with closing(sqlite3.connect(site.state / "history.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert worker.feed_document(Document(AI, Format.RSS)) == before


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"", None])
def test_a_broken_history_costs_the_date_and_nothing_else(site: Site, content: bytes | None) -> None:
    write_story(site.articles, "one")
    site.index()
    history = site.state / "history.sqlite"
    for suffix in ("", "-wal", "-shm"):
        history.with_name(history.name + suffix).unlink(missing_ok=True)
    if content is None:
        history.mkdir()
    else:
        history.write_bytes(content)
    worker = site.publisher()
    for _ in range(3):
        assert entries_of(worker.feed_document(Document(AI, Format.RSS)).body) == 1
        site.now += 10


def test_a_history_that_was_removed_under_a_running_server_is_begun_anew(site: Site) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    observe(worker)
    for path in site.state.glob("history.sqlite*"):
        path.unlink()
    write_story(site.articles, "two")
    site.now += 10
    site.index()
    assert entries_of(worker.feed_document(Document(AI, Format.RSS)).body) == 2
    site.now += last_modified.HISTORY_PAUSE_SECONDS
    assert worker.feed_document(Document(AI, Format.RSS)).last_modified is not None


def test_a_look_from_outside_leaves_no_trace(site: Site) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher(cache="")
    before = observe(worker)
    site.now += 60
    elsewhere = SiteFacts(
        **{**{name: getattr(SITE, name) for name in SITE.__struct_fields__}, "title": "Else"}
    )
    assert b"Else" in site.publisher(cache="", site=elsewhere).preview(Document(AI, Format.RSS))
    assert observe(site.publisher(cache="")) == before
    assert (
        site.publisher().preview(Document(AI, Format.ATOM))
        == worker.feed_document(Document(AI, Format.ATOM)).body
    )


# --- Which documents there are, and how long they get


def test_what_never_existed_is_unknown(site: Site) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    nothing = ListingKey(kind=Kind.TOPIC, slug="nothing")
    assert not worker.exists(nothing)
    for ask in (worker.state, worker.feed, lambda key: worker.feed_document(Document(key, Format.RSS))):
        with pytest.raises(UnknownAddressError, match="/topics/nothing"):
            ask(nothing)


def test_before_the_first_index_nothing_can_be_said(site: Site) -> None:
    worker = site.publisher()
    with pytest.raises(IndexNotReadyError):
        worker.feed_document(Document(ARTICLES, Format.RSS))
    with pytest.raises(IndexNotReadyError):
        worker.exists(AI)
    write_story(site.articles, "one")
    site.index()
    assert entries_of(worker.feed_document(Document(ARTICLES, Format.RSS)).body) == 1


def test_only_the_newest_entries_are_shown(site: Site) -> None:
    for day in range(1, 8):
        write_story(site.articles, f"day-{day}", date=f"2024-05-0{day}")
    site.index()
    worker = site.publisher(limits=FeedLimits(entries=3, min_entries=1, max_bytes=1_000_000))
    body = worker.feed_document(Document(ARTICLES, Format.RSS)).body
    assert [f"day-{day}<".encode() in body for day in (4, 5, 6, 7)] == [False, True, True, True]


@pytest.mark.parametrize("fmt", Format)
@pytest.mark.parametrize("max_bytes", [1, 12_000, 40_000, 10_000_000])
def test_a_document_holds_as_many_entries_as_fit_but_some_in_any_case(
    site: Site, fmt: Format, max_bytes: int
) -> None:
    for number in range(12):
        body = "word " * (200 + 137 * number)
        write_story(site.articles, f"number-{number}", date=f"2024-05-{28 - number}", body=body)
    site.index()

    def document(entries: int, limit: int = 100_000_000) -> bytes:
        limits = FeedLimits(entries=entries, min_entries=3, max_bytes=limit)
        return site.publisher(limits=limits).preview(Document(ARTICLES, fmt))

    fitting = [count for count in range(3, 13) if len(document(count)) <= max_bytes]
    assert document(50, max_bytes) == document(max(fitting, default=3))


def test_one_huge_old_article_costs_no_more_than_what_follows_it(site: Site) -> None:
    for number in range(20):
        write_story(site.articles, f"small-{number}", date=f"2024-05-{28 - number}")
    write_story(site.articles, "huge", date="2024-01-01", body="word " * 60_000)
    site.index()
    limits = FeedLimits(entries=50, min_entries=3, max_bytes=100_000)
    body = site.publisher(limits=limits).feed_document(Document(ARTICLES, Format.RSS)).body
    assert entries_of(body) == 20


def test_a_feed_larger_than_all_that_is_kept_is_served(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "CACHED_BYTES", 100)
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    assert worker.feed_document(Document(AI, Format.RSS)) == worker.feed_document(Document(AI, Format.RSS))


def test_a_cold_feed_that_clients_asked_for_in_an_encoding_stays_ready(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CACHED_BYTES", 60_000)
    for number in range(10):
        write_story(site.articles, f"story-{number}", body="word " * 500)
    site.index()
    worker = site.publisher()
    documents = [Document(key, fmt) for key in (AI, ARTICLES) for fmt in Format]
    bodies = {}
    for document in documents:
        representation = worker.feed_document(document)
        bodies[document] = representation.body
        representation.encoded("gzip")
    ready = {document: worker.cached(document) for document in documents}
    assert any(one is not None and one.held_bytes < one.size for one in ready.values())
    assert {document: one and one.body for document, one in ready.items()} == bodies


def test_the_fingerprint_stands_for_what_is_published(tmp_path: Path) -> None:
    def fingerprint(**sections: dict[str, object]) -> str:
        return make_publisher(settings_of(tmp_path / "state", tmp_path, **sections)).fingerprint

    assert fingerprint() == fingerprint(server={"port": 9, "workers": 7}, status={"token": "x"})
    others = [
        {"site": {"title": "Else"}},
        {"feeds": {"limit": 7, "min_entries": 7}},
        {"http": {"max_age": 900}},
    ]
    assert len({fingerprint(), *(fingerprint(**one) for one in others)}) == 4  # type: ignore[arg-type]  # mappings of several types


# --- The last good state


def failing(*_: object) -> bytes:
    raise ValueError("feedgen has had enough")


def damage_rows(state: Path) -> None:
    """Make every stored article unreadable, as a failing disk might."""
    for build in state.glob("index-*.sqlite"):
        with closing(sqlite3.connect(build)) as database, database:
            database.execute("UPDATE candidate SET payload = ?", (b"garbage",))


def damage_listings(state: Path) -> None:
    """Make what every listing has of its taxonomy file unreadable."""
    for build in state.glob("index-*.sqlite"):
        with closing(sqlite3.connect(build)) as database, database:
            database.execute("UPDATE listing SET taxonomy = ?", (b"garbage",))


def overwrite_index(state: Path) -> None:
    for build in state.glob("index-*.sqlite"):
        build.write_bytes(b"garbage" * 10_000)


def fail_to_render(_: Path) -> None:
    """Nothing: the renderer is broken instead."""


@pytest.mark.parametrize("damage", [fail_to_render, damage_rows, damage_listings, overwrite_index])
@pytest.mark.parametrize("cache", ["", "null://"])
def test_what_cannot_be_rendered_or_read_is_served_as_it_was_last(
    site: Site, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], cache: str
) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher(cache=cache)
    before = worker.feed_document(Document(AI, Format.RSS))
    write_story(site.articles, "two")
    site.index()
    damage(site.state)
    if damage is fail_to_render:
        monkeypatch.setattr(feed_renderer, "render", failing)
    for _ in range(2):
        assert worker.feed_document(Document(AI, Format.RSS)) == before
    assert worker.cached(Document(AI, Format.RSS)) is None
    assert worker.stale.count == 2
    assert "/topics/ai.rss: " in worker.stale.last_reason


def test_a_worker_that_never_had_a_good_state_takes_that_of_the_cache(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_story(site.articles, "one")
    site.index()
    before = site.publisher(cache="").feed_document(Document(AI, Format.RSS))
    write_story(site.articles, "two")
    site.index()
    monkeypatch.setattr(feed_renderer, "render", failing)
    other = site.publisher(cache="")
    for _ in range(3):
        assert other.feed_document(Document(AI, Format.RSS)) == before
    assert caplog.text.count("its last good state is served") == 1


def test_old_bytes_get_no_date_of_newer_ones(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write_story(site.articles, "one")
    site.index()
    cached = site.publisher(cache="")
    before = cached.feed_document(Document(AI, Format.RSS))
    write_story(site.articles, "two")
    site.now += 1
    site.index()
    newer = site.publisher().feed_document(Document(AI, Format.RSS))  # by a worker without the cache
    write_story(site.articles, "three")
    site.index()
    monkeypatch.setattr(feed_renderer, "render", failing)
    old = site.publisher(cache="").feed_document(Document(AI, Format.RSS))
    assert (old.body, old.etag, old.last_modified) == (before.body, before.etag, None)
    assert newer.last_modified is not None


@pytest.mark.parametrize("cache", ["", "null://"])
@pytest.mark.parametrize("is_restarted", [False, True], ids=["this process", "the next process"])
def test_a_last_good_state_from_before_a_retraction_is_never_served(
    site: Site, monkeypatch: pytest.MonkeyPatch, cache: str, *, is_restarted: bool
) -> None:
    for name in ("one", "two", "three"):
        write_story(site.articles, name)
    site.index()
    worker = site.publisher(cache=cache)
    document = Document(AI, Format.RSS)
    worker.feed_document(document)
    write_story(site.articles, "one", draft=True)
    site.index()
    monkeypatch.setattr(feed_renderer, "render", failing)
    if is_restarted:
        worker = site.publisher(cache=cache)
    with pytest.raises(ValueError, match="enough"):
        worker.feed_document(document)
    assert worker.stale.count == 0


def test_a_state_from_after_a_retraction_may_be_the_last_good_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        write_story(site.articles, name)
    site.index()
    write_story(site.articles, "one", draft=True)
    site.index()
    before = site.publisher(cache="").feed_document(Document(AI, Format.RSS))
    write_story(site.articles, "three")
    site.index()
    monkeypatch.setattr(feed_renderer, "render", failing)
    assert site.publisher(cache="").feed_document(Document(AI, Format.RSS)) == before


def test_a_copy_from_before_a_retraction_that_is_current_again_may_be_the_last_good_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left anew under the last retraction, though its version is in the cache already."""
    for name in ("one", "two"):
        write_story(site.articles, name)
    site.index()
    site.publisher(cache="").feed_document(Document(AI, Format.RSS))
    for is_hidden in (True, False):  # no worker is asked in between, so the first copy stays in the cache
        write_story(site.articles, "one", draft=is_hidden)
        site.index()
    before = site.publisher(cache="").feed_document(Document(AI, Format.RSS))
    assert entries_of(before.body) == 2
    write_story(site.articles, "three")
    site.index()
    monkeypatch.setattr(feed_renderer, "render", failing)
    assert site.publisher(cache="").feed_document(Document(AI, Format.RSS)) == before


def test_without_any_good_state_a_failure_is_a_failure(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write_story(site.articles, "one")
    site.index()
    monkeypatch.setattr(feed_renderer, "render", failing)
    worker = site.publisher(cache="")
    with pytest.raises(ValueError, match="enough"):
        worker.feed_document(Document(AI, Format.RSS))
    assert worker.stale.count == 0


def test_after_a_failure_the_current_state_is_served_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_story(site.articles, "one")
    site.index()
    worker = site.publisher()
    worker.feed_document(Document(AI, Format.RSS))
    write_story(site.articles, "two")
    site.index()
    with monkeypatch.context() as broken:
        broken.setattr(feed_renderer, "render", failing)
        assert entries_of(worker.feed_document(Document(AI, Format.RSS)).body) == 1
    assert entries_of(worker.feed_document(Document(AI, Format.RSS)).body) == 2


@pytest.mark.parametrize("damage", [damage_rows, damage_listings])
def test_of_a_feed_that_cannot_be_rendered_there_is_no_delta(
    site: Site, damage: Callable[[Path], None]
) -> None:
    limits = FeedLimits(entries=50, min_entries=10, max_bytes=1_000_000, deltas=True)
    worker = site.publisher(cache="", limits=limits)
    etags = []
    for name in ("one", "two", "three"):
        write_story(site.articles, name, body="Text. " * 200)
        site.index()
        if name == "three":
            damage(site.state)
        etags.append(worker.feed_document(Document(AI, Format.RSS)).etag)
    assert etags[1] == etags[2] != etags[0]
    assert worker.delta(Document(AI, Format.RSS), [etags[0]]) is None
