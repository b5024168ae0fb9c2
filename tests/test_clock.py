"""The system's clock is set: it is noticed, and nothing that a wrong clock did stays."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from builders import Clock, write_article
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import settings_of
from stores import address_of

from feedserver.index.archives import month_of
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.indexing.clock import ClockWatch
from feedserver.indexing.indexer import Indexer
from feedserver.model import Kind, ListingKey
from feedserver.settings.sources import Settings
from feedserver.wiring.indexing import make_plan

DAY = 86_400
START = datetime(2025, 6, 15, tzinfo=UTC).timestamp()
ARTICLES = ListingKey(kind=Kind.ARTICLES)


# --- The watch


@pytest.mark.parametrize("jump", [400 * DAY, 6, -6, -400 * DAY])
def test_a_jump_is_told_once(jump: int) -> None:
    now, count = [START], [100.0]
    watch = ClockWatch(lambda: now[0], lambda: count[0])
    now[0] += jump + 3
    count[0] += 3
    assert watch.jump() == jump
    now[0] += 60
    count[0] += 60
    assert watch.jump() == 0


@given(st.lists(st.tuples(st.floats(0, 100_000), st.floats(-5, 5))))
def test_small_steps_are_no_jump(steps: list[tuple[float, float]]) -> None:
    now, count = [START], [100.0]
    watch = ClockWatch(lambda: now[0], lambda: count[0])
    for passed, step in steps:
        now[0] += passed + step * 0.999
        count[0] += passed
        assert watch.jump() == 0


# --- What is published


class Seen(NamedTuple):
    """The content of an index for readers, without the numbers of commits."""

    entries: list[tuple[str, datetime, datetime]]
    months: dict[int, int]
    open_month: int
    listings: list[tuple[str, int]]
    since: list[datetime]


class Site:
    """A folder of articles and an indexer that is told the time."""

    def __init__(self, folder: Path, **sections: object) -> None:
        self.clock = Clock(START)
        self.folder = folder / "articles"
        self.folder.mkdir(parents=True)
        self.settings: Settings = settings_of(folder / "state", self.folder, **sections)
        self.settings.state.dir.mkdir()

    @contextmanager
    def indexer(self) -> Iterator[Indexer]:
        with closing(Indexer(make_plan(self.settings), self.clock)) as indexer:
            indexer.refresh()
            yield indexer

    def write(self, name: str, published: float, **fields: str) -> None:
        fields["publishedDateTime"] = datetime.fromtimestamp(published, UTC).isoformat()
        write_article(self.folder, f"{name}.md", title=name, topics=["Tides"], **fields)  # type: ignore[arg-type]

    def touch(self, name: str) -> None:
        """Let a file be written now, by the clock."""
        os.utime(self.folder / f"{name}.md", (self.clock.now, self.clock.now))

    def seen(self) -> Seen:
        with closing(IndexReader(open_store(address_of(self.settings.state.dir)))) as reader:
            selected = reader.select(ARTICLES, 1000)
            states = [reader.listing(ARTICLES), reader.listing(ListingKey(kind=Kind.TOPIC, slug="tides"))]
        assert selected is not None
        known = [state for state in states if state is not None]
        return Seen(
            [(one.article.title, one.article.published, one.updated) for one in selected.entries],
            selected.months,
            selected.open_month,
            [(state.version, state.count) for state in known if state.count],
            [state.since for state in known],
        )

    def titles(self) -> list[str]:
        return [title for title, _, _ in self.seen().entries]

    def updated(self) -> float:
        [(_, _, updated)] = self.seen().entries
        return updated.timestamp()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_a_clock_ahead_published_is_hidden_when_it_is_set_back(site: Site) -> None:
    site.write("old", START - DAY)
    site.write("embargoed", START + 30 * DAY)
    site.write("later", START + 31 * DAY)
    with site.indexer() as indexer:
        right = site.seen()
        site.clock.now += 400 * DAY
        assert indexer.publish_due() == 2
        site.clock.now -= 400 * DAY - 8
        assert indexer.publish_due() == 2
        assert site.seen()[:-1] == right[:-1]
        site.clock.now = START + 30 * DAY
        assert indexer.publish_due() == 1
        assert site.titles() == ["embargoed", "old"]


def test_it_is_hidden_also_by_the_next_process(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.write("old", START - DAY)
    site.write("embargoed", START + 30 * DAY)
    site.clock.now += 400 * DAY
    with site.indexer():
        assert site.titles() == ["embargoed", "old"]
    site.clock.now -= 400 * DAY
    with caplog.at_level(logging.WARNING), site.indexer() as indexer:
        assert site.titles() == ["old"]
        indexer.refresh()
    assert [one.message for one in caplog.records] == [
        "the clock was set back by 400 days, 0:00:00; what is due is decided by it from now on"
    ]


def test_an_update_in_the_future_is_ignored_again(site: Site) -> None:
    site.write("old", START - DAY, updatedDateTime=datetime.fromtimestamp(START + DAY, UTC).isoformat())
    with site.indexer() as indexer:
        right = site.seen()
        site.clock.now += 2 * DAY
        indexer.publish_due()
        assert site.seen() != right
        site.clock.now -= 2 * DAY
        indexer.publish_due()
        assert site.updated() <= site.clock.now


def test_a_change_under_a_wrong_clock_is_dated_by_the_right_one(site: Site) -> None:
    site.write("old", START - DAY)
    with site.indexer() as indexer:
        site.clock.now += 400 * DAY
        site.write("old", START - DAY, excerpt="Changed")
        site.touch("old")
        indexer.refresh()
        site.clock.now -= 400 * DAY
        indexer.publish_due()
        assert site.updated() == site.clock.now
        site.clock.now += 60
        site.write("old", START - DAY, excerpt="Changed again")
        site.touch("old")
        indexer.refresh()
        assert site.updated() == site.clock.now


def test_an_undated_article_of_a_wrong_clock_stays_with_the_right_date(tmp_path: Path) -> None:
    site = Site(tmp_path, dates={"fallback": "mtime"})
    with site.indexer() as indexer:
        site.clock.now += 400 * DAY
        content = "---\ntitle: new\nlink: https://news.example/new\ntags: [Tides]\n---\nUndated.\n"
        (site.folder / "new.md").write_text(content)
        site.touch("new")
        indexer.refresh()
        assert site.titles() == ["new"]
        site.clock.now -= 400 * DAY
        indexer.publish_due()
        [(title, published, _)] = site.seen().entries
        assert (title, published.timestamp()) == ("new", START)


def test_the_open_month_and_quiet_listings_follow_the_clock_back(site: Site) -> None:
    site.write("old", START - DAY)
    with site.indexer() as indexer:
        site.clock.now += 400 * DAY
        (site.folder / "old.md").unlink()
        indexer.publish_due()
        indexer.refresh()
        site.clock.now -= 400 * DAY
        indexer.publish_due()
        seen = site.seen()
        assert (seen.months, seen.open_month) == ({}, month_of(int(START)))
        assert {since.timestamp() for since in seen.since} == {START}


@settings(max_examples=10)
@given(
    st.lists(st.integers(-40, 40), min_size=1, max_size=5),
    st.lists(st.integers(-400, 400), min_size=1, max_size=4),
)
def test_a_clock_that_was_wrong_leaves_what_a_right_one_makes(
    tmp_path_factory: pytest.TempPathFactory, published: list[int], jumps: list[int]
) -> None:
    sites = [Site(tmp_path_factory.mktemp("clock") / name) for name in ("wrong", "right")]
    for site in sites:
        for number, days in enumerate(published):
            site.write(f"article-{number}", START + days * DAY + 7)
            os.utime(site.folder / f"article-{number}.md", (START - 60 * DAY, START - 60 * DAY))
    wrong, right = sites
    with right.indexer(), wrong.indexer() as indexer:
        for jump in jumps:
            wrong.clock.now += jump * DAY
            indexer.publish_due()
            wrong.clock.now -= jump * DAY
            indexer.publish_due()
        assert wrong.seen()[:-1] == right.seen()[:-1]


def test_a_build_that_was_staged_by_a_wrong_clock_publishes_by_the_right_one(site: Site) -> None:
    site.write("old", START - DAY)
    site.write("embargoed", START + 30 * DAY)
    site.clock.now += 400 * DAY
    with closing(Indexer(make_plan(site.settings), site.clock)) as indexer:
        for _ in indexer.scan():
            site.clock.now = START
        assert site.titles() == ["old"]
        site.clock.now = START + 30 * DAY
        assert indexer.publish_due() == 1


# --- A whole process


FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
def test_a_running_indexer_follows_a_clock_that_is_400_days_ahead_and_set_right(tmp_path: Path) -> None:
    articles, offset = tmp_path / "articles", tmp_path / "offset"
    articles.mkdir()
    tomorrow = datetime.fromtimestamp(time.time() + DAY, UTC).isoformat()
    write_article(articles, "embargoed.md", title="embargoed", publishedDateTime=tomorrow)
    offset.write_text("+400d\n")
    environ = {
        **os.environ,
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    command = [sys.executable, "-P", "-m", "feedserver", "index", "--watch", str(articles)]
    state = ["--state-dir", str(tmp_path / "state"), "--base-url", "https://feeds.example"]
    with subprocess.Popen([*command, *state], env=environ, stderr=subprocess.PIPE, text=True) as indexer:
        try:
            assert live(tmp_path / "state", 1) == 1
            offset.write_text("+0\n")
            assert live(tmp_path / "state", 0) == 0
        finally:
            indexer.terminate()
        assert indexer.stderr is not None
        said = indexer.stderr.read()
    assert said.count("the clock was set back by 400 days") == 1
    shutil.rmtree(tmp_path / "state")


def live(state: Path, wanted: int) -> int | None:
    """How many articles are published, when it is so many, or after a minute."""
    found, end = None, time.monotonic() + 60
    while found != wanted and time.monotonic() < end:
        time.sleep(0.1)
        if (state / "current").exists():
            with closing(IndexReader(open_store(address_of(state)))) as reader:
                listing = reader.listing(ARTICLES)
            found = None if listing is None else listing.count
    return found
