"""An article leaves the feeds at its expiry and enters them at the latest of its dates, by time alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import (
    START,
    Clock,
    a_change,
    a_plan,
    an_article,
    at,
    contents,
    id_of,
    wait_for,
    write_article,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import running
from stores import address_of
from test_writer import Index

from feedserver.findings import FindingCode
from feedserver.index.decisions import Candidate
from feedserver.index.facts import BuildFacts
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.index.writer import IndexWriter
from feedserver.indexing.checker import check
from feedserver.indexing.indexer import Indexer
from feedserver.model import Kind, ListingKey, Verdict

NOW = START + 1000
BEES = id_of("news/bees")
ARTICLES = ListingKey(kind=Kind.ARTICLES)
LATER = 4_102_444_800  # 2100: all files are settled by then
DAY = 86_400


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with closing(Index(tmp_path)) as index:
        yield index


def test_an_article_leaves_at_its_expiry_as_one_that_became_a_draft(index: Index) -> None:
    index.writer.apply([a_change("bees.md", visible_until=at(NOW + 60))], NOW)
    assert index.shown() == {"bees.md"}
    assert index.writer.next_due() == NOW + 60
    assert index.writer.advance(NOW + 59) == 0
    with closing(IndexReader(open_store(address_of(index.state_dir)))) as reader:
        before = reader.last_retraction()
    assert index.writer.advance(NOW + 60) == 1
    assert index.shown() == set()
    with closing(IndexReader(open_store(address_of(index.state_dir)))) as reader:
        assert reader.last_retraction() > before
        listing = reader.listing(ARTICLES)
    assert listing is not None
    assert listing.count == 0
    assert index.writer.next_due() > NOW + 60


def test_an_article_that_has_expired_is_not_published(index: Index) -> None:
    assert index.writer.apply([a_change("bees.md", visible_until=at(NOW))], NOW) == 0
    assert index.shown() == set()


def test_an_article_appears_at_the_later_of_its_dates_with_the_date_that_it_shows(index: Index) -> None:
    index.writer.apply([a_change("bees.md", visible_from=at(NOW + 60))], NOW)
    assert index.shown() == set()
    assert index.writer.next_due() == NOW + 60
    assert index.writer.advance(NOW + 60) == 1
    assert contents(index.state_dir).entries[BEES][2] == START


def test_an_expiry_before_the_publication_publishes_nothing(index: Index) -> None:
    change = a_change("bees.md", visible_from=at(NOW + 60), visible_until=at(NOW + 30))
    index.writer.apply([change], NOW)
    for moment in (30, 59, 60, 90):
        index.writer.advance(NOW + moment)
        assert index.shown() == set()


def test_the_clock_set_back_brings_an_expired_article_back_until_its_time(index: Index) -> None:
    index.writer.apply([a_change("bees.md", visible_until=at(NOW + 60))], NOW)
    index.writer.advance(NOW + 900)
    assert index.shown() == set()
    index.writer.retreat(NOW)
    assert index.shown() == {"bees.md"}
    assert index.writer.next_due() == NOW + 60
    index.writer.advance(NOW + 60)
    assert index.shown() == set()


def test_a_mistake_in_the_file_does_not_put_off_the_expiry(index: Index) -> None:
    index.writer.apply([a_change("bees.md", visible_until=at(NOW + 60))], NOW)
    index.writer.apply([a_change("bees.md", verdict=Verdict.BROKEN)], NOW)
    assert index.shown() == {"bees.md"}
    index.writer.advance(NOW + 60)
    assert index.shown() == set()


def test_the_last_good_version_of_a_broken_file_expires_after_a_rebuild_too(index: Index) -> None:
    index.writer.apply([a_change("bees.md", visible_until=at(NOW + 60), visible_from=at(NOW - 5))], NOW)
    index.writer.apply([a_change("bees.md", verdict=Verdict.BROKEN)], NOW)
    build = index.builds.begin()
    index.connection = index.builds.write(build)
    index.writer = IndexWriter(index.connection, index.history, index.rules)
    index.writer.create(BuildFacts(), NOW)
    index.builds.publish(build)
    index.writer.stage([a_change("bees.md", verdict=Verdict.BROKEN)], NOW)
    index.writer.publish_staged(NOW)
    assert index.shown() == {"bees.md"}
    index.writer.advance(NOW + 60)
    assert index.shown() == set()


def test_another_file_with_the_same_id_takes_over_at_the_expiry(index: Index) -> None:
    newer = a_change("new.md", an_article(published=at(START + 5)), visible_until=at(NOW + 60))
    index.writer.apply([a_change("old.md"), newer], NOW)
    assert index.shown() == {"new.md"}
    assert doubled(index) == {"old.md"}
    index.writer.advance(NOW + 60)
    assert index.shown() == {"old.md"}
    assert doubled(index) == set()


def test_a_file_that_is_not_visible_yet_doubles_no_id(index: Index) -> None:
    index.writer.apply([a_change("a.md", visible_from=at(NOW + 60)), a_change("b.md")], NOW)
    assert doubled(index) == set()
    index.writer.advance(NOW + 60)
    assert doubled(index) == {"b.md"}


def doubled(index: Index) -> set[str]:
    with closing(IndexReader(open_store(address_of(index.state_dir)))) as reader:
        return {key.path for key, finding in reader.findings() if finding.code is FindingCode.DOUBLED_ID}


@given(st.integers(0, 40), st.integers(0, 40), st.none() | st.integers(0, 40), st.integers(0, 40))
def test_a_candidate_is_live_between_its_moments(
    published: int, begins: int, ends: int | None, now: int
) -> None:
    candidate = Candidate(
        file_id=1,
        article_id="tag:x",
        order_path="a.md",
        published=published,
        declared_update=None,
        mtime=0,
        visible_from=begins,
        visible_until=ends,
    )
    assert candidate.is_live(now) is (published <= now and begins <= now and (ends is None or now < ends))


# --- Files and the indexer


def stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def titles(state_dir: Path) -> set[str]:
    with closing(IndexReader(open_store(address_of(state_dir)))) as reader:
        selected = reader.select(ARTICLES, 50)
    return set() if selected is None else {entry.article.title for entry in selected.entries}


def test_no_event_of_a_file_is_needed_and_a_restart_forgets_nothing(tmp_path: Path) -> None:
    clock, folder, state = Clock(LATER), tmp_path / "articles", tmp_path / "state"
    write_article(folder, "a.md", title="Ends", expiryDate=stamp(LATER + 60))
    write_article(folder, "b.md", title="Begins", pubdate=stamp(LATER + 60))
    plan = a_plan(state, folder)
    with closing(Indexer(plan, clock)) as indexer:
        indexer.refresh()
        assert titles(state) == {"Ends"}
        clock.now += 59
        assert indexer.publish_due() == 0
    with closing(Indexer(plan, clock)) as indexer:
        clock.now += 1
        assert indexer.publish_due() == 2
        assert titles(state) == {"Begins"}
        assert indexer.publish_due() == 0


def test_the_loop_retracts_an_article_at_its_expiry(tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    moment = int(time.time()) + 3
    write_article(folder, "a.md", title="Ends", expires=stamp(moment))
    write_article(folder, "b.md", title="Stays")
    plan = a_plan(tmp_path / "state", folder, rescan_interval=3600.0)
    with running(plan):
        wait_for(lambda: titles(tmp_path / "state") == {"Stays"})
        assert time.time() >= moment


def test_a_check_counts_no_expired_file_as_one_with_a_doubled_id(tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    write_article(folder, "a.md", id="one")
    write_article(folder, "b.md", id="one", expiryDate=stamp(LATER - 60))
    found = check(a_plan(tmp_path / "state", folder), [str(folder)], LATER)
    assert [finding.code for one in found for finding in one.findings] == []


@settings(max_examples=10)
@given(
    st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=1, max_size=4),
    st.lists(st.integers(-100, 100), min_size=1, max_size=4),
)
def test_a_clock_that_was_wrong_hides_and_shows_as_a_right_one_does(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]], jumps: list[int]
) -> None:
    base = tmp_path_factory.mktemp("clock")
    folder = base / "articles"
    for number, (begin, end) in enumerate(spans):
        dates = {"pubDate": stamp(LATER + begin * DAY + 7), "expires": stamp(LATER + end * DAY + 9)}
        write_article(folder, f"{number}.md", title=str(number), **dates)  # type: ignore[arg-type]
    clock = Clock(LATER)
    with closing(Indexer(a_plan(base / "state", folder), clock)) as indexer:
        indexer.refresh()
        for jump in jumps:
            for step in (jump, -jump):
                clock.now += step * DAY
                indexer.publish_due()
    expected = {str(number) for number, (begin, end) in enumerate(spans) if begin < 0 <= end}
    assert titles(base / "state") == expected
