"""The indexer: real folders, real databases, and whatever editors and operators do to them."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builders import (
    START,
    Clock,
    Contents,
    a_plan,
    a_selection,
    article_text,
    changes_of,
    contents,
    damage_fact,
    id_of,
    wait_for,
    write_article,
    write_file,
)
from loops import running, shown
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from stores import address_of, files_only, forget_index
from unprivileged import open_folder, unprivileged

from feedserver.articles.selections.values import ListingRules
from feedserver.errors import HistoryLostError, StateError
from feedserver.index import candidates, writer
from feedserver.index.decisions import Usable
from feedserver.index.facts import Beginning
from feedserver.index.history import PublicationHistory
from feedserver.index.keeper import BuildKeeper
from feedserver.index.reader import IndexReader
from feedserver.index.sqlite import builds
from feedserver.index.stores import open_store
from feedserver.index.transactions import transaction
from feedserver.indexing import jobs, reading_queue, storing
from feedserver.indexing.follower import Follower
from feedserver.indexing.indexer import Indexer, Summary
from feedserver.indexing.jobs import Progress
from feedserver.indexing.lock import RESCAN_REQUEST
from feedserver.indexing.plan import Plan
from feedserver.model import HistoryOrigin

__all__ = ["open_folder"]

BEES = id_of("news/bees")
# Long after the files are written, so that each is settled when it is read.
LATER = 4_102_444_800


class Site:
    """A folder of articles and the indexer that follows it."""

    def __init__(self, base: Path, clock: Callable[[], float], **changes: object) -> None:
        self.folder = base / "articles"
        self.folder.mkdir(exist_ok=True)
        self.state_dir = base / "state"
        self.clock = clock
        rules = changes.pop("rules", None)
        self.plan = a_plan(self.state_dir, self.folder, rules=rules, **changes)  # type: ignore[arg-type]
        self.indexer = Indexer(self.plan, clock)

    def restart(self) -> None:
        self.indexer.close()
        self.indexer = Indexer(self.plan, self.clock)
        self.indexer.refresh()

    def rebuild(self) -> None:
        """Delete the index, keep the publication history."""
        self.indexer.close()
        forget_index(self.state_dir)
        self.indexer = Indexer(self.plan, self.clock)
        self.indexer.refresh()

    @property
    def history(self) -> PublicationHistory:
        """Of the indexer that is running."""
        return self.indexer._keeper.history  # noqa: SLF001  the one connection to it

    @property
    def contents(self) -> Contents:
        return contents(self.state_dir)

    def titles(self) -> set[str]:
        return {msgspec.json.decode(entry[6])["title"] for entry in self.contents.entries.values()}

    def verdict(self, path: str) -> str:
        verdict: str = self.contents.findings[0, path][0]
        return verdict


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """With a clock long after all files: they are settled."""
    site = Site(tmp_path, Clock(LATER))
    yield site
    site.indexer.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    """With the real clock: files were written just now."""
    site = Site(tmp_path, time.time)
    yield site
    site.indexer.close()


# --- What changes nothing


def some_articles(site: Site) -> None:
    write_article(site.folder, "_news/bees.md", mtime=START, topics=["AI"], secured="a", heat=1)
    write_article(site.folder, "_news/ants.md", mtime=START, title="Ants", topics=["AI", "C++"])
    write_article(site.folder, "wasps.md", mtime=START, title="Wasps", provider={"name": "Gazette"})
    site.indexer.refresh()


def touch(site: Site) -> None:
    for path in site.folder.rglob("*.md"):
        os.utime(path, (START + 500, START + 500))


def change_what_is_not_shown(site: Site) -> None:
    write_article(
        site.folder, "_news/bees.md", mtime=START + 500, topics=["AI"], secured="b", heat=9, quality=9
    )


def rewrite_line_endings(site: Site) -> None:
    for path in site.folder.rglob("*.md"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def move_between_collections(site: Site) -> None:
    (site.folder / "_archive").mkdir()
    (site.folder / "_news").rename(site.folder / "_archive/_news")


UNSEEN = [touch, change_what_is_not_shown, rewrite_line_endings]


@pytest.mark.parametrize("act", UNSEEN)
@pytest.mark.parametrize("notice", ["refresh", "restart", "rebuild"])
def test_what_nobody_can_see_changes_no_entry_and_no_version(
    site: Site, act: Callable[[Site], None], notice: str
) -> None:
    some_articles(site)
    before = site.contents
    act(site)
    site.clock.now += 1000  # type: ignore[attr-defined]
    site.indexer.refresh() if notice == "refresh" else getattr(site, notice)()
    assert site.contents == before


@pytest.mark.parametrize("act", UNSEEN)
def test_what_nobody_can_see_is_no_commit_to_any_listing(site: Site, act: Callable[[Site], None]) -> None:
    some_articles(site)
    before = changes_of(site.state_dir)
    act(site)
    summary = site.indexer.refresh()
    assert (summary.read > 0, summary.articles_changed) == (True, 0)
    assert changes_of(site.state_dir) == before


def test_a_file_that_did_not_change_is_not_read_again(site: Site) -> None:
    some_articles(site)
    assert site.indexer.refresh().read == 0
    site.restart()
    assert site.indexer.refresh() == Summary(files=3, read=0, gone=0, articles_changed=0, seconds=0)


def test_a_folder_that_is_moved_where_its_ids_stay_changes_no_version(site: Site) -> None:
    some_articles(site)
    before = site.contents
    move_between_collections(site)
    assert site.indexer.refresh().articles_changed == 2
    after = site.contents
    assert after.listings == before.listings
    assert after.members == before.members
    assert {key: entry[2:] for key, entry in after.entries.items()} == {
        key: entry[2:] for key, entry in before.entries.items()
    }


def test_progress_and_summary_tell_what_is_done(site: Site) -> None:
    for number in range(7):
        write_article(site.folder, f"{number}.md")
    scan = site.indexer.scan()
    assert list(scan)[-1] == Progress(found=7, done=7, total=7)
    assert scan.result == Summary(files=7, read=7, gone=0, articles_changed=7, seconds=0)


# --- What is published


def test_a_new_title_is_dated_by_the_file_and_stays_so(site: Site) -> None:
    write_article(site.folder, mtime=START)
    site.indexer.refresh()
    write_article(site.folder, mtime=START + 100, title="Bumblebees")
    site.indexer.refresh()
    assert site.contents.entries[BEES][3] == START + 100
    before = site.contents
    touch(site)
    site.rebuild()
    assert site.contents == before


def test_hiding_retracts_whatever_else_is_wrong(site: Site) -> None:
    write_article(site.folder)
    site.indexer.refresh()
    write_article(site.folder, published=False, publishedDateTime="never", webUrl="javascript:x")
    site.indexer.refresh()
    assert site.titles() == set()
    write_article(site.folder)
    site.indexer.refresh()
    assert site.titles() == {"Bees"}


def test_a_broken_rewrite_keeps_the_last_good_version_up(site: Site) -> None:
    write_article(site.folder, mtime=START, topics=["AI"])
    site.indexer.refresh()
    before = site.contents
    write_article(site.folder, mtime=START + 9, title=["a", "list"])
    for notice in (site.indexer.refresh, site.restart, site.rebuild, site.rebuild):
        notice()
        assert site.contents.entries == before.entries
        assert site.contents.listings == before.listings
        assert site.verdict("_news/bees.md") == "broken"
    write_article(site.folder, mtime=START + 99, published=False, title=["a", "list"])
    site.indexer.refresh()
    assert site.titles() == set()


def test_a_file_that_cannot_be_stored_costs_itself_and_is_said_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(7):
        write_article(site.folder, f"{number}.md", mtime=START, title=f"Title {number}")
    site.indexer.refresh()
    store = candidates.store_candidates

    def failing(connection: Connection, usable: Sequence[Usable], *others: Any, **named: Any) -> object:
        if any(one.content.stated and b"Unbearable" in one.content.stated.payload for one in usable):
            raise ValueError("nobody thought of this")
        return store(connection, usable, *others, **named)

    monkeypatch.setattr(candidates, "store_candidates", failing)
    for number in range(9):
        title = "Unbearable" if number in {3, 8} else f"Another title {number}"
        write_article(site.folder, f"{number}.md", mtime=START + 9, title=title)
    for notice in (site.indexer.refresh, site.indexer.refresh):
        notice()
        assert site.titles() == {"Title 3", *(f"Another title {number}" for number in (0, 1, 2, 4, 5, 6, 7))}
        assert site.verdict("3.md") == site.verdict("8.md") == "broken"
        assert "internal-error" in str(site.contents.findings[0, "3.md"])
    assert caplog.text.count("cannot be stored because of a defect") == 2

    write_article(site.folder, "3.md", mtime=START + 99, title="Unbearable", draft=True)
    site.indexer.refresh()
    assert "Title 3" not in site.titles()


def test_a_file_that_cannot_be_stored_in_a_new_build_keeps_its_last_good_version(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ants", "bees", "wasps"):
        write_article(site.folder, f"{name}.md", mtime=START, title=name)
    site.indexer.refresh()
    store = candidates.store_candidates

    def failing(connection: Connection, usable: Sequence[Usable], *others: Any, **named: Any) -> object:
        if any(one.content.stated and b"Unbearable" in one.content.stated.payload for one in usable):
            raise ValueError("a defect")
        return store(connection, usable, *others, **named)

    monkeypatch.setattr(candidates, "store_candidates", failing)
    write_article(site.folder, "bees.md", mtime=START + 9, title="Unbearable")
    site.indexer.close()
    for fingerprint in ("b", "c"):
        plan = msgspec.structs.replace(site.plan, fingerprint=fingerprint)
        with closing(Indexer(plan, site.clock)) as indexer:
            indexer.refresh()
        assert site.titles() == {"ants", "bees", "wasps"}
        assert site.verdict("bees.md") == "broken"


def test_the_history_learns_nothing_of_a_change_that_cannot_be_stored(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("a defect")

    write_article(site.folder, mtime=START, title="Bees")
    site.indexer.refresh()
    before, known, listings = site.contents, site.history.articles([BEES]), site.history.listings()
    with monkeypatch.context() as patched:
        patched.setattr(writer, "store_entries", failing)
        write_article(site.folder, mtime=START + 9, title="Unbearable", topics=["Unbearable"])
        site.indexer.refresh()
        assert site.verdict("_news/bees.md") == "broken"
    assert site.history.articles([BEES]) == known
    assert site.history.listings() == listings

    write_article(site.folder, mtime=START + 99, title="Bees")
    site.indexer.refresh()
    assert site.contents.entries == before.entries


def test_what_fails_for_no_file_ends_the_scan(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    write_article(site.folder)
    monkeypatch.setattr(candidates, "store_candidates", failing)
    with pytest.raises(OSError, match="No space left"):
        site.indexer.refresh()


def test_an_article_of_the_future_appears_at_its_time_without_being_read(site: Site) -> None:
    write_article(site.folder, publishedDateTime="2100-01-01T00:01:00Z")
    site.indexer.refresh()
    assert site.titles() == set()
    site.clock.now = LATER + 60  # type: ignore[attr-defined]
    assert site.indexer.publish_due() == 1
    assert site.titles() == {"Bees"}
    assert site.indexer.publish_due() == 0


def test_the_first_sight_of_an_undated_article_is_remembered(tmp_path: Path) -> None:
    site = Site(tmp_path, Clock(LATER), rules={"date_from_mtime": True})
    write_article(site.folder, mtime=START + 5, publishedDateTime=None)
    site.indexer.refresh()
    before = site.contents
    assert before.entries[BEES][2:4] == (START + 5, START + 5)
    touch(site)
    for notice in (site.indexer.refresh, site.restart, site.rebuild):
        notice()
        assert site.contents == before
    site.indexer.close()


def test_a_selection_follows_heat_though_the_article_looks_the_same(tmp_path: Path) -> None:
    site = Site(
        tmp_path, Clock(LATER), listing_rules=ListingRules(feeds=(a_selection("hot", "Hot", min_heat=5),))
    )
    write_article(site.folder, heat=1)
    site.indexer.refresh()
    before = site.contents.entries[BEES][4]
    write_article(site.folder, heat=5, mtime=START)
    site.indexer.refresh()
    assert site.contents.listings["feeds/hot"][1] == 1
    assert site.contents.entries[BEES][4] == before
    site.indexer.close()


def test_of_two_files_with_one_id_the_other_takes_over(site: Site) -> None:
    write_article(site.folder, "a.md", id="one", title="A", publishedDateTime="2024-01-01")
    write_article(site.folder, "b.md", id="one", title="B", publishedDateTime="2024-02-01")
    site.indexer.refresh()
    assert site.titles() == {"B"}
    with closing(IndexReader(open_store(address_of(site.state_dir)))) as reader:
        [(key, finding)] = reader.findings()
    assert (key.path, finding.code) == ("a.md", "doubled-id")
    write_article(site.folder, "b.md", id="one", title="B", published=False)
    site.indexer.refresh()
    assert site.titles() == {"A"}
    write_article(site.folder, "b.md", id="one", title="B", publishedDateTime="2024-02-01")
    (site.folder / "a.md").unlink()
    site.indexer.refresh()
    assert site.titles() == {"B"}
    (site.folder / "b.md").unlink()
    site.indexer.refresh()
    assert site.titles() == set()


def test_a_rebuild_over_many_batches_re_dates_no_doubled_article(site: Site) -> None:
    for number in range(600):
        write_article(site.folder, f"{number}.md", publishedDateTime=None)
    write_article(site.folder, "_a/one.md", id="one", title="A", publishedDateTime="2024-01-01", mtime=START)
    write_article(
        site.folder, "z/one.md", id="one", title="Z", publishedDateTime="2024-02-01", mtime=START + 5
    )
    site.indexer.refresh()
    before = site.contents
    site.rebuild()
    assert site.contents == before


@pytest.mark.parametrize("year_seconds", [10_413_792_000, -10_413_792_000], ids=["2300", "1640"])
def test_a_file_with_an_absurd_time_is_published_and_read_once(site: Site, year_seconds: int) -> None:
    write_article(site.folder, "dated.md", mtime=year_seconds, title="Dated")
    write_file(site.folder, "undated.md", "---\ntitle: x\n---\nText.\n", mtime=year_seconds)
    write_article(site.folder, "other.md", mtime=START, title="Other")
    assert site.indexer.refresh().read == 3
    assert site.titles() == {"Dated", "Other"}
    assert site.indexer.refresh().read == 0


# --- Files that become something else


def become_pipe(path: Path) -> None:
    os.mkfifo(path)


def become_link_out(path: Path) -> None:
    outside = write_article(path.parents[2], "outside.md", title="Outside")
    path.symlink_to(outside)


def become_folder(path: Path) -> None:
    path.mkdir()


def become_large(path: Path) -> None:
    path.write_text(article_text("x" * 100_000, title="Large"))


@pytest.mark.parametrize("replace", [become_pipe, become_link_out, become_folder, become_large])
@pytest.mark.parametrize("by_scan", [True, False])
def test_a_file_that_another_thing_took_the_place_of_is_never_read(
    site: Site, replace: Callable[[Path], None], by_scan: bool
) -> None:
    path = write_article(site.folder)
    site.indexer.refresh()
    path.unlink()
    replace(path)
    site.indexer.refresh() if by_scan else site.indexer.look_at(0, ["_news/bees.md"])
    # An unreadable file keeps its last good version; a folder is no version of a file.
    assert site.titles() == (set() if replace is become_folder else {"Bees"})
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_article(site.folder, title="Back")
    site.indexer.refresh()
    assert site.titles() == {"Back"}


def test_a_link_within_the_root_is_an_article_of_its_own(site: Site) -> None:
    write_article(site.folder, "a.md")
    (site.folder / "b.md").symlink_to("a.md")
    (site.folder / "folder").symlink_to(".")
    site.indexer.refresh()
    assert set(site.contents.entries) == {id_of("a"), id_of("b")}


@pytest.mark.parametrize("by_scan", [True, False])
def test_a_folder_that_a_file_takes_the_place_of_takes_its_articles_with_it(
    site: Site, by_scan: bool
) -> None:
    write_article(site.folder, "folder/a.md")
    site.indexer.refresh()
    shutil.rmtree(site.folder / "folder")
    (site.folder / "folder").write_text("a file")
    site.indexer.refresh() if by_scan else site.indexer.look_at(0, ["folder/a.md"])
    assert site.titles() == set()


def test_a_folder_that_is_renamed_away_takes_its_articles_with_it(site: Site) -> None:
    write_article(site.folder, "a/b/c.md", title="C")
    write_article(site.folder, "a0/d.md", title="D")
    site.indexer.refresh()
    (site.folder / "a").rename(site.folder / "e")
    site.indexer.look_at(0, ["a"])
    assert site.titles() == {"D"}
    site.indexer.look_at(0, ["e"])
    assert set(site.contents.entries) == {id_of("e/b/c"), id_of("a0/d")}
    (site.folder / "e").rename(site.folder.parent / "outside")
    site.indexer.look_at(0, ["e", "e/b", "e/b/c.md"])
    assert site.titles() == {"D"}


def test_names_that_are_not_utf_8_harm_no_other_file(site: Site) -> None:
    write_article(site.folder)
    Path(os.fsdecode(os.fsencode(site.folder) + b"/caf\xe9.md")).write_text(article_text())
    site.indexer.refresh()
    assert site.titles() == {"Bees"}
    assert site.verdict("caf\\xe9.md") == "broken"
    assert site.indexer.refresh().read == 0


def test_files_that_vanish_between_listing_and_reading_are_gone(site: Site) -> None:
    """All files are on the list when the first batch is read; the others vanish then."""
    for number in range(700):
        write_article(site.folder, f"{number}.md", title=f"T{number}")

    def vanish(progress: Progress) -> None:
        for number in range(700):
            path = site.folder / f"{number}.md"
            if progress.done <= 500 and path.exists() and path.stat().st_ino % 2:
                path.unlink()

    for progress in site.indexer.scan():
        vanish(progress)
    site.indexer.refresh()
    assert site.titles() == {f"T{path.stem}" for path in site.folder.glob("*.md")}


# --- Roots and folders that are away


def test_a_missing_root_appears_and_what_was_there_stays_while_it_is_away(site: Site) -> None:
    write_article(site.folder)
    away = site.folder.with_name("away")
    site.folder.rename(away)
    site.indexer.refresh()
    assert site.contents.entries == {}
    away.rename(site.folder)
    site.indexer.refresh()
    before = site.contents
    site.folder.rename(away)
    site.indexer.refresh()
    assert site.contents.entries == before.entries
    assert site.contents.findings[0, ""][0] == "broken"
    away.rename(site.folder)
    site.indexer.refresh()
    assert site.contents == before


def test_one_root_does_not_touch_the_other(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        write_article(folder)
    indexer = Indexer(a_plan(tmp_path / "state", one, other), Clock(LATER))
    indexer.refresh()
    assert set(contents(tmp_path / "state").entries) == {BEES, id_of("more1/news/bees")}
    shutil.rmtree(one / "_news")
    indexer.look_at(0, ["_news"])
    assert set(contents(tmp_path / "state").entries) == {id_of("more1/news/bees")}
    indexer.close()


def test_a_folder_that_may_not_be_listed_keeps_its_articles(open_folder: Path) -> None:
    site = None
    locked = open_folder / "articles/locked"
    with unprivileged():
        try:
            site = Site(open_folder, Clock(LATER))
            write_article(site.folder, "locked/a.md", title="A")
            write_article(site.folder, "b.md", title="B")
            site.indexer.refresh()
            locked.chmod(0)
            (site.folder / "b.md").unlink()
            site.indexer.refresh()
            assert site.titles() == {"A"}
            site.indexer.look_at(0, ["locked", "locked/a.md"])
            assert site.titles() == {"A"}
            assert site.verdict("locked") == "broken"
            locked.chmod(0o755)
            site.indexer.refresh()
            assert site.titles() == {"A"}
            assert (0, "locked") not in site.contents.findings
        finally:
            locked.chmod(0o755)
            if site is not None:
                site.indexer.close()


def test_a_folder_named_like_an_article_is_judged_anew_when_it_can_be_listed(open_folder: Path) -> None:
    site = None
    locked = open_folder / "articles/locked.md"
    with unprivileged():
        try:
            site = Site(open_folder, Clock(LATER))
            write_article(site.folder, "locked.md/a.md", title="A")
            site.indexer.refresh()
            before = site.contents
            locked.chmod(0)
            site.indexer.refresh()
            assert site.verdict("locked.md") == "broken"
            locked.chmod(0o755)
            site.indexer.refresh()
            assert site.contents == before
        finally:
            locked.chmod(0o755)
            if site is not None:
                site.indexer.close()


# --- Files in the middle of being written


@pytest.mark.parametrize("torn", ["", "---\ntitle: Be", "---\ntitle: Bees\n"])
def test_a_file_in_the_middle_of_a_rewrite_is_not_retracted(fresh: Site, torn: str) -> None:
    path = write_article(fresh.folder)
    fresh.indexer.refresh()
    before = fresh.contents
    path.write_text(torn)
    fresh.indexer.look_at(0, ["_news/bees.md"])
    assert fresh.contents.entries == before.entries
    fresh.indexer.refresh()
    assert fresh.contents.entries == before.entries
    path.write_text(article_text(title="Whole"))
    fresh.indexer.look_at(0, ["_news/bees.md"])
    assert fresh.titles() == {"Whole"}


def test_a_description_in_the_middle_of_a_rewrite_stays(fresh: Site) -> None:
    text = "---\ntaxonomy: topic\nname: AI\nexcerpt: On minds\n---\n"
    path = write_file(fresh.folder, "ai.md", text)
    fresh.indexer.refresh()
    before = fresh.contents.listings
    path.write_text("")
    fresh.indexer.look_at(0, ["ai.md"])
    assert fresh.contents.listings == before


def test_a_file_that_stays_empty_is_retracted_after_two_seconds(tmp_path: Path) -> None:
    clock = Clock(time.time())
    site = Site(tmp_path, clock)
    path = write_article(site.folder)
    site.indexer.refresh()
    path.write_text("")
    site.indexer.look_at(0, ["_news/bees.md"])
    assert site.titles() == {"Bees"}
    clock.now = path.stat().st_ctime + 2.1
    site.restart()
    assert site.titles() == set()
    site.indexer.close()


@files_only
def test_an_edit_that_leaves_the_stamp_as_it_was_is_found_by_the_second_look(tmp_path: Path) -> None:
    """Two writes within a tick of the file system's clock: same size, same times, same inode."""
    clock = Clock(time.time())
    site = Site(tmp_path, clock)
    path = write_article(site.folder, mtime=START)
    site.indexer.refresh()
    stamp = path.stat()
    path.write_text(article_text(title="Ants"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with closing(sqlite3.connect(builds.serving_build(site.state_dir) or "")) as connection, connection:
        connection.execute("UPDATE file SET ctime_ns = ?", [path.stat().st_ctime_ns])
    site.indexer.refresh()
    assert site.titles() == {"Ants"}
    site.indexer.close()


@pytest.mark.parametrize("ahead", [1.0, -1.0, 1e6, -1e6])
def test_a_clock_that_differs_from_the_file_systems_loses_nothing(tmp_path: Path, ahead: float) -> None:
    site = Site(tmp_path, Clock(time.time() + ahead))
    write_article(site.folder)
    site.indexer.refresh()
    write_article(site.folder, title="Ants")
    site.indexer.refresh()
    assert site.titles() == {"Ants"}
    assert abs(ahead) < 2 or site.indexer.refresh().read == 0
    site.indexer.close()


# --- Builds


@files_only
def test_another_fingerprint_is_another_build_and_the_old_one_serves_meanwhile(site: Site) -> None:
    some_articles(site)
    site.indexer.close()
    before = site.contents
    plan = msgspec.structs.replace(site.plan, fingerprint="another")
    site.indexer = Indexer(plan, site.clock)
    assert site.contents == before
    site.indexer.refresh()
    assert site.contents == before
    assert len(list(site.state_dir.glob("index-*.sqlite"))) == 1


def test_an_index_that_is_deleted_while_it_is_written_is_built_anew(site: Site) -> None:
    some_articles(site)
    before = site.contents
    for file in site.state_dir.glob("index-*"):
        file.unlink()
    site.indexer.refresh()
    assert site.contents == before


def damage(database: Path, begin: int) -> None:
    """Overwrite a database that is in use, from a page on, and its log."""
    with database.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(begin)
        file.write(b"\xff" * (size - begin))
    log = database.with_name(database.name + "-wal")
    if log.exists():
        os.truncate(log, 0)


@files_only
@pytest.mark.parametrize("begin", [0, 4096])
def test_a_damaged_index_is_built_anew_beside(
    site: Site, begin: int, caplog: pytest.LogCaptureFixture
) -> None:
    some_articles(site)
    before = site.contents
    site.indexer.close()
    old = builds.serving_build(site.state_dir)
    assert old is not None
    damage(old, begin)
    site.indexer = Indexer(site.plan, site.clock)
    site.indexer.refresh()
    assert site.contents == before
    assert builds.serving_build(site.state_dir) != old
    assert not old.exists()
    assert "built anew" in caplog.text


@files_only
def test_a_damaged_history_is_set_aside_and_made_again_from_the_index(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(300):
        write_article(site.folder, f"{number}.md", title=f"T{number}")
    site.indexer.refresh()
    before = site.contents
    site.indexer.close()
    damage(site.state_dir / builds.HISTORY_FILE, 4096)
    site.indexer = Indexer(site.plan, site.clock)
    site.indexer.refresh()
    assert site.contents == before
    assert (site.state_dir / f"{builds.HISTORY_FILE}.damaged").is_file()
    assert re.search(
        r"history\.sqlite: the publication history .*; it is kept as history\.sqlite\.damaged", caplog.text
    )
    assert "made again from the index" in caplog.text


@files_only
@pytest.mark.parametrize("key", ["sequence", "published_by", "open_month", "history_facts", "plan"])
def test_an_index_with_a_damaged_fact_is_built_anew_and_no_file_is_blamed(site: Site, key: str) -> None:
    some_articles(site)
    old = builds.serving_build(site.state_dir)
    assert old is not None
    damage_fact(old, key)
    write_article(site.folder, "_news/bees.md", title="Bumblebees", mtime=START + 9)
    site.restart()
    assert site.titles() == {"Bumblebees", "Ants", "Wasps"}
    assert {finding[0] for finding in site.contents.findings.values()} == {"article"}
    assert builds.serving_build(site.state_dir) != old


@files_only
@pytest.mark.parametrize("key", ["sequence", "open_month"])
def test_a_fact_that_is_damaged_while_the_index_is_written_is_no_fault_of_a_file(
    site: Site, key: str
) -> None:
    some_articles(site)
    old = builds.serving_build(site.state_dir)
    assert old is not None
    damage_fact(old, key)
    write_article(site.folder, "_news/bees.md", title="Bumblebees", mtime=START + 9)
    site.indexer.refresh()
    assert site.titles() == {"Bumblebees", "Ants", "Wasps"}
    assert {finding[0] for finding in site.contents.findings.values()} == {"article"}


@files_only
@pytest.mark.parametrize("key", ["roots", "ids", "seen_roots", "history", "sequence"])
def test_a_damaged_fact_of_the_history_comes_back_from_the_index(tmp_path: Path, key: str) -> None:
    site = Site(tmp_path, Clock(LATER))
    public = msgspec.structs.replace(site.plan.ownership, is_public=True)
    site.plan = msgspec.structs.replace(site.plan, ownership=public)
    site.restart()
    some_articles(site)
    before, known, path = site.contents, site.history.facts(), Path(site.history.name)
    damage_fact(path, key)
    with pytest.raises(HistoryLostError):
        site.history.facts()
    site.indexer.close()
    with closing(Indexer(site.plan, site.clock)) as indexer:
        found = indexer._keeper.history.facts()  # noqa: SLF001  the one connection to it
        assert msgspec.structs.replace(found, sequence=None, dates_since=None) == msgspec.structs.replace(
            known, sequence=None, dates_since=None
        )
        indexer.refresh()
    assert site.contents == before
    assert not path.with_name(f"{builds.HISTORY_FILE}.damaged").exists()


def lose_the_history(site: Site) -> None:
    site.indexer.close()
    for file in site.state_dir.glob("history.sqlite*"):
        file.unlink()


@files_only
def test_a_history_lost_beside_an_index_costs_nothing_that_the_index_knows(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    write_article(site.folder, mtime=START, topics=["AI"])
    gone = write_article(site.folder, "_news/ants.md", title="Ants", topics=["Ants"])
    broken = write_article(site.folder, "_news/wasps.md", title="Wasps")
    site.indexer.refresh()
    write_article(site.folder, mtime=START + 100, title="Bumblebees", topics=["AI"])
    broken.write_text("---\ntitle: [\n---\n")
    gone.unlink()
    site.indexer.refresh()
    before, build = site.contents, builds.serving_build(site.state_dir)
    lose_the_history(site)
    site.indexer = Indexer(site.plan, site.clock)
    site.indexer.refresh()
    assert site.contents == before
    assert builds.serving_build(site.state_dir) == build
    [record] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.message == f"{site.state_dir}/history.sqlite was lost; it is made again from the index"
    site.rebuild()
    assert site.contents == before
    site.restart()
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 1


@files_only
def test_an_older_history_that_is_put_back_by_hand_lets_no_date_go_back(site: Site) -> None:
    def date(etag: str, now: int) -> int:
        dating = site.history.last_modified("/a.rss", etag, sequence=1, earliest=now, now=now)
        assert dating is not None
        return dating.last_modified

    write_article(site.folder, mtime=START)
    site.indexer.refresh()
    assert date("A", START) == START
    site.indexer.close()
    older = (site.state_dir / builds.HISTORY_FILE).read_bytes()
    site.restart()
    write_article(site.folder, mtime=START + 100, title="Bumblebees")
    site.indexer.refresh()
    assert date("B", START + 200) == START + 200
    before = site.contents
    site.indexer.close()
    for file in site.state_dir.glob("history.sqlite-*"):
        file.unlink()
    (site.state_dir / builds.HISTORY_FILE).write_bytes(older)
    site.restart()
    assert site.contents == before
    assert date("A", LATER) == LATER


def test_a_history_lost_at_an_upgrade_is_made_again_from_the_index_first(site: Site) -> None:
    write_article(site.folder, mtime=START)
    site.indexer.refresh()
    write_article(site.folder, mtime=START + 100, title="Bumblebees")
    site.indexer.refresh()
    before = site.contents
    lose_the_history(site)
    site.indexer = Indexer(msgspec.structs.replace(site.plan, fingerprint="another"), site.clock)
    site.indexer.refresh()
    assert site.contents == before


def test_an_undated_article_keeps_its_first_sight_when_the_history_is_lost(tmp_path: Path) -> None:
    site = Site(tmp_path, Clock(LATER), rules={"date_from_mtime": True})
    content = "---\ntitle: Bees\nlink: https://news.example/bees\n---\n"
    path = write_file(site.folder, "_news/bees.md", content)
    os.utime(path, (START, START))
    site.indexer.refresh()
    before = site.contents
    lose_the_history(site)
    os.utime(path, (START + 50, START + 50))
    with closing(Indexer(site.plan, site.clock)) as indexer:
        indexer.refresh()
        assert site.contents.entries[BEES][2] == before.entries[BEES][2]


@files_only
def test_index_and_history_lost_together_are_said_loudly(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    broken = write_article(site.folder, "_news/wasps.md", title="Wasps")
    write_article(site.folder)
    site.indexer.refresh()
    assert caplog.records == []
    broken.write_text("---\ntitle: [\n---\n")
    site.indexer.refresh()
    lose_the_history(site)
    for file in site.state_dir.glob("index-*"):
        file.unlink()
    site.indexer = Indexer(site.plan, site.clock)
    site.indexer.refresh()
    loud, quiet = caplog.messages
    assert "history.sqlite was lost: the dates of all changes begin anew" in loud
    assert "feedserver history restore" in loud
    assert quiet == "_news/wasps.md cannot be read, and its last good version is lost, if it had one"
    with closing(IndexReader(open_store(address_of(site.state_dir)))) as reader:
        assert reader.facts().beginning == Beginning(origin=HistoryOrigin.LOST, since=LATER)
    site.restart()
    assert len(caplog.messages) == 2


def lose_the_commit(site: Site, act: Callable[[], object]) -> None:
    """Let the indexer see what is done, and die when only the publication history knows of it."""
    site.restart()
    site.indexer.close()
    build = builds.serving_build(site.state_dir)
    assert build is not None
    before = build.read_bytes()
    act()
    site.restart()
    site.indexer.close()
    build.write_bytes(before)


@files_only
def test_what_the_history_learned_and_nobody_saw_is_undone(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    write_article(site.folder, "_news/bees.md", title="Bees")
    site.indexer.refresh()
    before = site.contents
    newer = site.folder / "_archive/_news/bees.md"
    text = article_text(title="Ants", updatedDateTime="2024-07-01", topics=["AI"])
    lose_the_commit(site, lambda: write_file(site.folder, "_archive/_news/bees.md", text))
    newer.unlink()
    site.restart()
    assert site.contents.entries == before.entries
    assert "interrupted" in caplog.text
    found = site.contents
    site.rebuild()
    assert found == site.contents


@files_only
def test_a_commit_that_is_lost_and_made_again_is_dated_as_it_would_have_been(site: Site) -> None:
    write_article(site.folder, "_news/bees.md", title="Bees")
    lose_the_commit(site, lambda: write_article(site.folder, "_news/bees.md", mtime=START + 9, title="Ants"))
    site.restart()
    assert site.contents.entries[BEES][3] == START + 9


@files_only
def test_a_file_that_breaks_while_nobody_looks_keeps_its_last_good_version(site: Site) -> None:
    path = write_article(site.folder, "_news/bees.md", title="Bees")
    write_article(site.folder, "_news/ants.md", title="Ants", mtime=START)
    lose_the_commit(site, lambda: write_article(site.folder, "_news/ants.md", title="Wasps"))
    path.write_text("---\ntitle: [\n---\n")
    site.restart()
    assert site.titles() == {"Bees", "Wasps"}


def test_a_file_that_breaks_before_the_index_is_built_for_other_settings_keeps_its_last_good_version(
    tmp_path: Path,
) -> None:
    clock, folder = Clock(LATER), tmp_path / "articles"
    bees = write_article(folder, "_news/bees.md", title="Bees", mtime=START, heat=9)
    topic = write_file(folder, "topics/ai.md", "---\ntaxonomy: topic\nname: AI\nexcerpt: Machines\n---\n")
    plan = a_plan(tmp_path / "state", folder)
    with closing(Indexer(plan, clock)) as before:
        before.refresh()
    known = contents(tmp_path / "state")
    for path in (bees, topic):
        path.write_text("---\ntitle: [\n---\n")
    hot = a_selection("hot", "Hot", min_heat=5)
    with closing(
        Indexer(
            msgspec.structs.replace(plan, fingerprint="b", listing_rules=ListingRules(feeds=(hot,))), clock
        )
    ) as after:
        after.refresh()
        found = contents(tmp_path / "state")
        assert found.entries[BEES][:4] == known.entries[BEES][:4]
        assert found.listings["feeds/hot"][1] == 1
        assert found.listings["topics/ai"][5] == known.listings["topics/ai"][5] is not None
    with closing(Indexer(msgspec.structs.replace(plan, fingerprint="c"), clock)) as later:
        later.refresh()
        assert contents(tmp_path / "state").entries[BEES][:4] == known.entries[BEES][:4]
        write_article(folder, "_news/bees.md", title="Ants", mtime=START + 5)
        later.refresh()
        assert contents(tmp_path / "state").entries[BEES][3] > known.entries[BEES][3]


@files_only
def test_what_another_build_would_not_mend_is_an_error_of_ours(site: Site) -> None:
    some_articles(site)
    build = builds.serving_build(site.state_dir)
    assert build is not None
    keeper = BuildKeeper(open_store(site.plan.store).builds(), site.plan.fingerprint, ListingRules(), LATER)
    with (
        closing(keeper),
        builds.open_engine(build).connect() as holding,
        transaction(holding, write=True),
        builds.open_engine(build, patience=0.05).connect() as waiting,
    ):
        with pytest.raises(DBAPIError) as caught, transaction(waiting, write=True):
            pass
        with pytest.raises(StateError, match=r"the index cannot be written \(database is locked\)"):
            keeper.replace(caught.value, LATER)
    assert builds.serving_build(site.state_dir) == build


# --- The loop


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    folder = tmp_path / "articles"
    folder.mkdir()
    return a_plan(tmp_path / "state", folder, rescan_interval=1000.0)


def test_the_loop_follows_what_happens_to_files_and_folders(plan: Plan) -> None:
    folder = Path(plan.roots[0].path)
    with running(plan) as scans:
        write_article(folder, "a.md", title="A")
        assert wait_for(lambda: shown(plan) == {"A"}) < 5
        write_article(folder, "new/deep/b.md", title="B")
        wait_for(lambda: shown(plan) == {"A", "B"})
        write_article(folder, "new/deep/c.md", title="C")
        wait_for(lambda: shown(plan) == {"A", "B", "C"})
        (folder / "new").rename(folder.parent / "outside")
        wait_for(lambda: shown(plan) == {"A"})
        (folder.parent / "outside").rename(folder / "back")
        wait_for(lambda: shown(plan) == {"A", "B", "C"})
        (folder / "a.md").unlink()
        wait_for(lambda: shown(plan) == {"B", "C"})
    assert len(scans) == 1


def test_the_loop_reads_a_file_again_that_it_read_while_it_was_written(plan: Plan) -> None:
    path = write_article(Path(plan.roots[0].path))
    with running(plan):
        path.write_text("")
        time.sleep(0.4)
        assert shown(plan) == {"Bees"}
        # No event tells of this: only the second look finds it.
        wait_for(lambda: shown(plan) == set(), 5)


def test_the_loop_publishes_what_becomes_due(plan: Plan) -> None:
    moment = int(time.time()) + 2
    write_article(
        Path(plan.roots[0].path), publishedDateTime=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    )
    with running(plan):
        assert shown(plan) == set()
        wait_for(lambda: shown(plan) == {"Bees"})
        assert time.time() >= moment


def test_the_loop_notices_a_root_that_appears_vanishes_and_is_replaced(plan: Plan) -> None:
    folder = Path(plan.roots[0].path)
    folder.rmdir()
    with running(plan):
        write_article(folder.with_name("made"), title="A")
        folder.with_name("made").rename(folder)
        wait_for(lambda: shown(plan) == {"A"})
        # Away for a while: what it held stays.
        folder.rename(folder.with_name("away"))
        time.sleep(0.3)
        assert shown(plan) == {"A"}
        write_article(folder.with_name("another"), title="B")
        folder.with_name("another").rename(folder)
        wait_for(lambda: shown(plan) == {"B"})
        write_article(folder, title="C")
        wait_for(lambda: shown(plan) == {"C"})
        # Removed and made again at once, maybe with the same inode.
        shutil.rmtree(folder)
        folder.mkdir()
        time.sleep(0.5)
        write_article(folder, title="D")
        wait_for(lambda: shown(plan) == {"D"})


def test_a_name_that_is_not_utf_8_does_not_end_the_watching(plan: Plan) -> None:
    folder = Path(plan.roots[0].path)
    with running(plan):
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.md")).write_text("text")
        write_article(folder, title="A")
        wait_for(lambda: shown(plan) == {"A"})
        wait_for(lambda: (0, "caf\\xe9.md") in contents(Path(plan.state_dir)).findings)
        write_article(folder, title="B")
        wait_for(lambda: shown(plan) == {"B"})


@pytest.mark.parametrize(("link", "target"), [("loop", ".."), ("a/loop", ".."), ("twin", "a"), ("dot", ".")])
def test_a_link_to_a_folder_does_not_keep_changes_from_being_seen(plan: Plan, link: str, target: str) -> None:
    """The watcher follows links, and then tells of paths through them."""
    folder = Path(plan.roots[0].path)
    write_article(folder, "a/_news/first.md", title="Ants")
    (folder / link).symlink_to(target)
    plan = msgspec.structs.replace(plan, rescan_interval=600.0)
    with running(plan):
        wait_for(lambda: shown(plan) == {"Ants"})
        write_article(folder, "a/_news/second.md", title="Bees")
        write_article(folder, "third.md", title="Cats")
        wait_for(lambda: shown(plan) == {"Ants", "Bees", "Cats"})


def test_without_watching_rescans_find_what_changed(plan: Plan) -> None:
    plan = msgspec.structs.replace(plan, watch=False, rescan_interval=0.2)
    with running(plan) as scans:
        write_article(Path(plan.roots[0].path))
        wait_for(lambda: shown(plan) == {"Bees"})
        wait_for(lambda: len(scans) > 1)  # a scan is reported after its end


def test_a_scan_can_be_asked_for(plan: Plan) -> None:
    plan = msgspec.structs.replace(plan, watch=False)
    with running(plan) as scans:
        request = Path(plan.state_dir) / RESCAN_REQUEST
        request.touch()
        wait_for(lambda: len(scans) == 2)
        assert not request.exists()


@files_only
def test_the_loop_replaces_an_index_that_is_damaged_while_it_runs(
    plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(plan.roots[0].path)
    write_article(folder, "a.md", title="A")
    with running(plan):
        old = builds.serving_build(Path(plan.state_dir))
        assert old is not None
        with closing(sqlite3.connect(old)) as connection:
            connection.execute("DROP TABLE entry")
        write_article(folder, "b.md", title="B")
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) not in (old, None))
        wait_for(lambda: shown(plan) == {"A", "B"})
    assert "is damaged and is built anew" in caplog.text


@files_only
def test_the_loop_replaces_an_index_that_is_removed_while_it_runs(plan: Plan) -> None:
    write_article(Path(plan.roots[0].path))
    with running(plan):
        for file in Path(plan.state_dir).glob("index-*"):
            file.unlink()
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None)
        assert shown(plan) == {"Bees"}


def test_a_scan_that_is_under_way_ends_with_the_loop(plan: Plan) -> None:
    folder = Path(plan.roots[0].path)
    for number in range(800):
        write_article(folder, f"{number}.md")
    stop = threading.Event()
    scans: list[Summary] = []
    indexer = Indexer(plan)
    thread = threading.Thread(target=Follower(indexer, plan, stop, scans.append).run)
    thread.start()
    time.sleep(0.15)
    stop.set()
    thread.join()
    indexer.close()
    assert scans == []
    assert builds.serving_build(Path(plan.state_dir)) is None
    indexer = Indexer(plan)
    assert indexer.refresh().articles_changed == 800
    indexer.close()


# --- Sudden death


INDEX = """
import sys
import msgspec
from feedserver.indexing.indexer import Indexer
from feedserver.indexing.plan import Plan
indexer = Indexer(msgspec.json.decode(sys.argv[1].encode(), type=Plan), lambda: 4102444800.0)
sys.stdout.write("begun\\n")
sys.stdout.flush()
indexer.refresh()
"""


@files_only
def test_sudden_death_at_any_moment_leaves_an_index_that_goes_on(tmp_path: Path) -> None:
    site = Site(tmp_path, Clock(LATER))
    command = [sys.executable, "-c", INDEX, msgspec.json.encode(site.plan).decode()]
    site.indexer.close()
    was_serving = False
    for turn, delay in enumerate([0.03, 0.2, 0.02, 0.1]):
        for number in range(300):
            title = f"T{turn if number % 5 == turn else 0}"
            write_article(
                site.folder, f"{number}.md", title=title, topics=[title], mtime=START + turn * 900 + number
            )
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        is_serving = builds.serving_build(site.state_dir) is not None
        assert is_serving or not was_serving
        was_serving = is_serving
        if is_serving:
            assert len(site.contents.entries) == 300
        if turn == 1:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    site.indexer = Indexer(site.plan, site.clock)
    site.indexer.refresh()
    before = site.contents
    assert site.titles() == {f"T{turn}" for turn in (0, 3)}
    site.rebuild()
    assert site.contents == before
    site.indexer.close()


# --- Folders that are away


def unmount(folder: Path) -> Path:
    """Replace the folder as unmounting a file system does: by another, empty one."""
    mounted = folder.rename(folder.with_name("mounted"))
    folder.mkdir()
    return mounted


def mount(mounted: Path, folder: Path) -> None:
    folder.rmdir()
    mounted.rename(folder)


def findings_of_the_root(site: Site) -> str:
    return str(site.contents.findings.get((0, ""), ""))


def test_an_unmounted_folder_deletes_nothing_until_it_was_away_for_long(tmp_path: Path) -> None:
    clock = Clock(LATER)
    site = Site(tmp_path, clock, drop_missing_after=1000.0)
    some_articles(site)
    site.indexer.refresh()
    before = site.contents
    mounted = unmount(site.folder)
    clock.now += 10
    for _ in range(3):
        assert site.indexer.refresh().articles_changed == 0
        assert site.indexer.look_at(0, ["_news/bees.md", "_news", ""]) == 0
    assert site.contents.listings == before.listings
    assert "folder-away" in findings_of_the_root(site)
    assert "stay published until 2100-01-01 00:16:50 UTC" in findings_of_the_root(site)

    mount(mounted, site.folder)
    assert site.indexer.refresh().articles_changed == 0
    assert site.contents == before

    mounted = unmount(site.folder)
    clock.now += 500
    assert site.indexer.refresh().articles_changed == 0
    clock.now += 1000
    assert site.indexer.refresh().articles_changed == len(before.entries)
    assert site.contents.entries == {}
    assert "were dropped" in findings_of_the_root(site)
    assert site.indexer.refresh().read == 0

    mount(mounted, site.folder)
    site.indexer.refresh()
    assert site.contents.entries == before.entries
    site.indexer.close()


def test_a_folder_that_was_emptied_is_empty_at_once(site: Site) -> None:
    some_articles(site)
    site.indexer.refresh()
    shutil.rmtree(site.folder / "_news")
    for file in site.folder.iterdir():
        file.unlink()
    site.indexer.refresh()
    assert site.contents.entries == {}


def test_a_folder_that_is_another_one_with_articles_counts_at_once(site: Site) -> None:
    some_articles(site)
    site.indexer.refresh()
    unmount(site.folder)
    write_article(site.folder, "_news/wasps.md", title="Wasps", mtime=START)
    site.indexer.refresh()
    assert site.titles() == {"Wasps"}


def test_how_long_a_folder_is_away_outlives_the_process_and_the_index(tmp_path: Path) -> None:
    clock = Clock(LATER)
    site = Site(tmp_path, clock, drop_missing_after=1000.0)
    some_articles(site)
    site.indexer.refresh()
    unmount(site.folder)
    site.indexer.refresh()
    clock.now += 999
    site.restart()
    assert site.contents.entries
    clock.now += 1
    site.restart()
    assert site.contents.entries == {}
    site.indexer.close()


def test_an_index_for_other_settings_takes_over_what_was_published_from_a_folder_that_is_away(
    tmp_path: Path,
) -> None:
    clock, one, other = Clock(LATER), tmp_path / "one", tmp_path / "other"
    write_article(one, "_news/bees.md", mtime=START, topics=["AI"], heat=9)
    write_file(one, "topics/ai.md", "---\ntaxonomy: topic\nname: AI\nexcerpt: Machines\n---\n")
    write_article(other, "_news/wasps.md", title="Wasps", mtime=START)
    plan = a_plan(tmp_path / "state", one, other, drop_missing_after=1000.0)
    with closing(Indexer(plan, clock)) as before:
        before.refresh()
    known = contents(tmp_path / "state")
    mounted = unmount(one)
    write_article(other, "_news/wasps.md", title="Wasps", mtime=START, published=False)
    hot = a_selection("hot", "Hot", min_heat=5)
    plan = msgspec.structs.replace(plan, fingerprint="other", listing_rules=ListingRules(feeds=(hot,)))
    with closing(Indexer(plan, clock)) as after:
        after.refresh()
        assert after.is_serving()
        found = contents(tmp_path / "state")
        assert set(found.entries) == {BEES}  # what was retracted elsewhere is gone
        assert found.entries[BEES][:4] == known.entries[BEES][:4]
        assert found.listings["feeds/hot"][1] == 1
        assert found.listings["topics/ai"][5] is not None
        mount(mounted, one)
        assert after.refresh().articles_changed == 0
        assert contents(tmp_path / "state").entries == found.entries


@files_only
def test_an_upgrade_takes_over_what_an_older_release_published_from_a_folder_that_is_away(
    tmp_path: Path,
) -> None:
    clock, one = Clock(LATER), tmp_path / "one"
    write_article(one, "_news/bees.md", mtime=START)
    plan = a_plan(tmp_path / "state", one, drop_missing_after=1000.0)
    with closing(Indexer(plan, clock)) as before:
        before.refresh()
    known = contents(tmp_path / "state").entries
    as_schema_4(tmp_path / "state")
    unmount(one)
    with closing(Indexer(msgspec.structs.replace(plan, fingerprint="newer"), clock)) as after:
        after.refresh()
        assert contents(tmp_path / "state").entries == known


def as_schema_4(state_dir: Path) -> None:
    """Make the serving build one of the older release, which had no states of files."""
    build = builds.serving_build(state_dir)
    assert build is not None
    with closing(sqlite3.connect(build, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE file DROP COLUMN state")
        connection.execute("ALTER TABLE listing RENAME TO facet")
        connection.execute("INSERT INTO meta VALUES ('scan_started', '2025-01-01T00:00:00.000+00:00')")


def test_a_new_folder_that_is_not_there_yet_holds_nothing_up(tmp_path: Path) -> None:
    clock, one = Clock(LATER), tmp_path / "one"
    write_article(one, "_news/bees.md", mtime=START)
    with closing(Indexer(a_plan(tmp_path / "state", one), clock)) as before:
        before.refresh()
    plan = a_plan(tmp_path / "state", one, tmp_path / "two", fingerprint="other")
    write_article(one, "_news/bees.md", title="New", mtime=START + 5)
    with closing(Indexer(plan, clock)) as after:
        after.refresh()
        assert after.is_serving()
    found = contents(tmp_path / "state")
    assert found.entries[BEES][3] == START + 5
    assert "stay published" not in str(found.findings[1, ""])


def test_a_folder_that_is_unmounted_in_the_middle_of_a_scan_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        write_article(site.folder, f"{number}/a.md", mtime=START)
    site.indexer.refresh()
    before = site.contents
    monkeypatch.setattr(jobs, "STEP_SECONDS", 0.0)
    mounted: list[Path] = []

    def meanwhile() -> None:
        if not mounted:
            mounted.append(unmount(site.folder))

    scan = site.indexer.scan()
    for _ in scan:
        meanwhile()
    assert scan.result.gone == 0
    assert site.contents.entries == before.entries


def test_what_may_not_be_looked_at_any_more_is_dropped_at_last(open_folder: Path) -> None:
    clock, site = Clock(LATER), None
    with unprivileged():
        try:
            site = Site(open_folder, clock, drop_missing_after=1000.0)
            write_article(site.folder, "_news/bees.md", mtime=START)
            site.indexer.refresh()
            site.folder.chmod(0o600)
            site.indexer.refresh()
            assert site.contents.entries
            clock.now += 1000
            site.indexer.refresh()
            assert site.contents.entries == {}
        finally:
            (open_folder / "articles").chmod(0o755)
            if site is not None:
                site.indexer.close()


@files_only
def test_what_a_process_left_that_died_while_it_built_an_index_is_removed(site: Site) -> None:
    some_articles(site)
    site.indexer.refresh()
    for number in range(3):
        (site.state_dir / f"index-{number}.sqlite").write_bytes(b"half an index")
    site.plan = msgspec.structs.replace(site.plan, fingerprint="other")
    site.indexer.close()
    site.indexer = Indexer(site.plan, site.clock)
    assert len(list(site.state_dir.glob("index-*.sqlite"))) == 2  # the one that serves, and a new one
    site.indexer.refresh()


def test_a_new_index_does_not_publish_what_becomes_due_before_it_is_complete(tmp_path: Path) -> None:
    clock = Clock(START)
    site = Site(tmp_path, clock)
    write_article(site.folder, "_news/bees.md", mtime=START, publishedDateTime="2024-06-01T00:00:10Z")
    site.indexer.refresh()
    site.plan = msgspec.structs.replace(site.plan, fingerprint="other")
    site.indexer.close()
    site.indexer = Indexer(site.plan, clock)
    clock.now += 60
    assert site.indexer.publish_due() == 0
    site.indexer.refresh()
    assert BEES in site.contents.entries
    site.indexer.close()


# --- Moves


def test_a_file_that_moves_is_never_at_both_places(site: Site) -> None:
    write_article(site.folder, "_news/bees.md", mtime=START)
    site.indexer.refresh()
    (site.folder / "_blog").mkdir()
    (site.folder / "_news/bees.md").rename(site.folder / "_blog/bees.md")
    site.indexer.look_at(0, ["_news/bees.md", "_blog/bees.md"])
    commits = changes_of(site.state_dir)
    assert len({commits[name] for name in ("categories/news", "categories/blog", "articles/")}) == 1
    assert len(site.contents.entries) == 1


# --- Events while a scan runs


def test_what_is_looked_at_while_a_scan_runs_is_newer_than_what_the_scan_read_before(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_article(site.folder, "a.md", title="Unchanged", mtime=START)
    site.indexer.refresh()
    for number in range(20):
        write_article(site.folder, f"{number:02}.md", title="Old", mtime=START)
    monkeypatch.setattr(reading_queue, "LEAST_FOR_POOL", 1)
    monkeypatch.setattr(reading_queue, "cores", lambda: 2)
    monkeypatch.setattr(reading_queue, "PIECE_FILES", 10)
    monkeypatch.setattr(storing, "BATCH_FILES", 5)
    monkeypatch.setattr(jobs, "STEP_SECONDS", 0.0)
    rewritten: list[Path] = []

    def meanwhile() -> None:
        if not rewritten and "Old" in site.titles():
            rewritten.append(write_article(site.folder, "09.md", title="New", mtime=START + 1))
            (site.folder / "08.md").unlink()
            # In this process, so that it is read now and not after what waits in the pool.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(reading_queue, "LEAST_FOR_POOL", 1000)
                site.indexer.look_at(0, ["08.md", "09.md"])

    for _ in site.indexer.scan():
        meanwhile()
    assert rewritten
    assert site.titles() == {"Unchanged", "Old", "New"}
    assert len(site.contents.entries) == 20
    changes = site.indexer.refresh()
    assert (changes.read, changes.gone) == (0, 0)


def test_what_the_scan_read_before_does_not_cancel_the_second_look(
    fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_article(fresh.folder, "z.md", title="Unchanged")
    fresh.indexer.refresh()
    for number in range(20):
        write_article(fresh.folder, f"{number:02}.md", title="Old")
        os.utime(fresh.folder / f"{number:02}.md", (START, START))
    monkeypatch.setattr(reading_queue, "LEAST_FOR_POOL", 1)
    monkeypatch.setattr(reading_queue, "cores", lambda: 2)
    monkeypatch.setattr(reading_queue, "PIECE_FILES", 10)
    monkeypatch.setattr(storing, "BATCH_FILES", 5)
    monkeypatch.setattr(jobs, "STEP_SECONDS", 0.0)
    torn: list[Path] = []

    def meanwhile() -> None:
        if not torn and "Old" in fresh.titles():
            torn.append(fresh.folder / "09.md")
            torn[0].write_text("")  # the middle of a rewrite, for all that can be known
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(reading_queue, "LEAST_FOR_POOL", 1000)
                fresh.indexer.look_at(0, ["09.md"])

    for _ in fresh.indexer.scan():
        meanwhile()
    assert torn
    wait_for(lambda: fresh.indexer.look_again() > 0 or fresh.verdict("09.md") == "not-article", 10)
    assert fresh.verdict("09.md") == "not-article"


def test_what_appears_behind_the_walk_of_a_scan_is_not_taken_for_gone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        write_article(site.folder, f"{number}.md", mtime=START)
    site.indexer.refresh()
    monkeypatch.setattr(jobs, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(writer, "STAMPS_AT_A_TIME", 1)
    made: list[Path] = []

    def meanwhile() -> None:
        if not made:
            made.append(write_article(site.folder, "0-0.md", title="Behind", mtime=START))
            site.indexer.look_at(0, ["0-0.md"])

    for _ in site.indexer.scan():
        meanwhile()
    assert "Behind" in site.titles()
    assert len(site.contents.entries) == 6
