"""Copies of the publication history: made by the indexer, kept in number, put back by a command."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import damage_fact, write_article
from servers import feedserver

from feedserver.errors import StateError
from feedserver.index.decisions import KnownArticle
from feedserver.index.facts import Beginning
from feedserver.index.history import PublicationHistory
from feedserver.index.sqlite import copies
from feedserver.index.sqlite.builds import HISTORY_FILE
from feedserver.index.sqlite.history_file import history_in
from feedserver.index.transactions import transaction
from feedserver.indexing.copier import Copier
from feedserver.indexing.lock import IndexerLock
from feedserver.model import HistoryOrigin

NOW = 1_750_000_000
DAY = 86_400


@pytest.fixture
def history(tmp_path: Path) -> Iterator[PublicationHistory]:
    with closing(history_in(tmp_path)) as history:
        history.begin(HistoryOrigin.BEGUN, NOW - 100 * DAY)
        remember(history, 1)
        yield history


def remember(history: PublicationHistory, updated: int) -> None:
    history.remember_articles({"tag:a": KnownArticle(digest=bytes(16), updated=updated)})


def updated_in(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT updated FROM article").fetchone()[0])


# --- Making


def test_a_copy_is_one_private_file_that_holds_what_the_history_held(history: PublicationHistory) -> None:
    state = Path(history.place)
    copy = copies.make_copy(state, NOW, keep=7)
    remember(history, 2)
    assert (updated_in(copy), updated_in(Path(history.name))) == (1, 2)
    assert copies.made_at(copy) == datetime.fromtimestamp(NOW, UTC)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700


def test_a_copy_waits_for_no_writer_and_no_writer_for_it(history: PublicationHistory) -> None:
    with transaction(history.connection, write=True):
        assert updated_in(copies.make_copy(Path(history.place), NOW, keep=7)) == 1

    def write(*_: object) -> bool:
        remember(history, 3)  # as another process does, between two pages
        return False

    assert updated_in(copies.make_copy(Path(history.place), NOW + 1, 7, write)) == 1
    assert updated_in(Path(history.name)) == 3


def test_the_newest_ones_are_kept(history: PublicationHistory) -> None:
    state = Path(history.place)
    for day in range(10):
        copies.make_copy(state, NOW + day * DAY, keep=7)
    assert [copies.made_at(copy).timestamp() for copy in copies.copies(state)] == [
        NOW + day * DAY for day in range(9, 2, -1)
    ]


def test_copies_of_a_history_that_was_lost_stay_beside_those_of_the_new_one(
    history: PublicationHistory,
) -> None:
    state = Path(history.place)
    for day in range(7):
        copies.make_copy(state, NOW + day * DAY, keep=7)
    history.begin(HistoryOrigin.LOST, NOW + 7 * DAY)
    for day in range(7, 30):
        copies.make_copy(state, NOW + day * DAY, keep=7)
    days = [(copies.made_at(copy).timestamp() - NOW) / DAY for copy in copies.copies(state)]
    assert days == [*range(29, 22, -1), *range(6, -1, -1)]


def test_a_copy_is_due_once_a_day_also_after_a_clock_that_was_ahead(history: PublicationHistory) -> None:
    state = Path(history.place)
    assert copies.is_due(state, NOW)
    copies.make_copy(state, NOW + 400 * DAY, keep=7)
    assert copies.is_due(state, NOW)
    copies.make_copy(state, NOW, keep=7)
    assert not copies.is_due(state, NOW + DAY - 1)
    assert copies.is_due(state, NOW + DAY)


def test_a_damaged_history_displaces_no_copy(history: PublicationHistory) -> None:
    state = Path(history.place)
    good = copies.make_copy(state, NOW, keep=1)
    history.remember_articles(
        {f"tag:{number}": KnownArticle(digest=bytes(16), updated=number) for number in range(5000)}
    )
    history.close()
    with closing(sqlite3.connect(Path(history.name))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = Path(history.name).read_bytes()
    Path(history.name).write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) // 2))
    with pytest.raises((StateError, sqlite3.DatabaseError)):
        copies.make_copy(state, NOW + DAY, keep=1)
    assert [path.name for path in good.parent.iterdir()] == [good.name]


def test_a_history_whose_beginning_is_damaged_displaces_no_copy(history: PublicationHistory) -> None:
    state = Path(history.place)
    history.begin(HistoryOrigin.BEGUN, NOW)
    good = copies.make_copy(state, NOW, keep=1)
    damage_fact(Path(history.name), "history")
    with pytest.raises(StateError, match="so no copy is made of it"):
        copies.make_copy(state, NOW + DAY, keep=1)
    assert [path.name for path in good.parent.iterdir()] == [good.name]


def test_a_copy_that_is_stopped_leaves_nothing(history: PublicationHistory) -> None:
    with pytest.raises(copies.StoppedError):
        copies.make_copy(Path(history.place), NOW, 7, lambda: True)
    assert list((Path(history.place) / copies.FOLDER).iterdir()) == []


@pytest.mark.parametrize("name", ["history-oldZ.sqlite", "history-20240230T000000Z.sqlite"])
def test_a_file_with_another_name_is_no_copy(history: PublicationHistory, name: str) -> None:
    state = Path(history.place)
    copy = copies.make_copy(state, NOW, keep=1)
    stray = copy.with_name(name)
    stray.touch()
    assert not copies.is_due(state, NOW + 1)
    assert copies.make_copy(state, NOW + DAY, keep=1) in copies.copies(state)
    assert stray.exists()
    assert not copy.exists()


def test_a_restoring_that_was_killed_stops_no_copy(history: PublicationHistory) -> None:
    state = Path(history.place)
    leftover = state / copies.FOLDER / ".restore-part" / HISTORY_FILE
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    copy = copies.make_copy(state, NOW, keep=7)
    assert list(copy.parent.iterdir()) == [copy]


def test_the_copier_makes_one_a_day_in_a_thread_of_its_own(history: PublicationHistory) -> None:
    now, state = [float(NOW)], Path(history.place)
    copier = Copier(state, 7, lambda: now[0])
    for moment, expected in ((NOW, 1), (NOW + 60, 1), (NOW + DAY, 2)):
        now[0] = moment
        copier.look()
        end = time.monotonic() + 30
        while len(copies.copies(state)) < expected and time.monotonic() < end:
            time.sleep(0.02)
    copier.close()
    assert len(copies.copies(state)) == 2
    assert "history-copy" not in {thread.name for thread in threading.enumerate()}
    Copier(state, 0, lambda: NOW + 9 * DAY).look()
    assert len(copies.copies(state)) == 2


# --- Putting back


def test_a_restored_history_knows_the_articles_and_begins_its_dates_anew(history: PublicationHistory) -> None:
    state = Path(history.place)
    dated = history.last_modified("/a.rss", "A", sequence=1, earliest=NOW, now=NOW)
    copy = copies.make_copy(state, NOW, keep=7)
    history.close()
    copies.restore(state, copy, NOW + DAY)
    with closing(history_in(state)) as restored:
        assert restored.identity == history.identity
        assert restored.articles(["tag:a"])["tag:a"].updated == 1
        assert restored.facts().beginning == Beginning(origin=HistoryOrigin.COPY, since=NOW + DAY)
        later = restored.last_modified("/a.rss", "A", sequence=1, earliest=NOW, now=NOW + DAY)
        assert dated is not None
        assert later is not None
        assert later.last_modified == NOW + DAY
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_what_is_no_copy_is_refused_and_changes_nothing(history: PublicationHistory, content: bytes) -> None:
    state = Path(history.place)
    other = state / "other"
    other.write_bytes(content)
    with pytest.raises(StateError):
        copies.restore(state, other, NOW)
    assert updated_in(state / HISTORY_FILE) == 1


# --- The commands


def test_lost_state_is_restored_with_its_dates(tmp_path: Path) -> None:
    articles, state = tmp_path / "articles", tmp_path / "state"
    path = write_article(articles, "_news/bees.md", title="Bees")
    options = ["--state-dir", str(state), "--base-url", "https://feeds.example"]
    assert feedserver(tmp_path, "index", str(articles), *options).returncode == 0
    path.write_text(path.read_text().replace("Bees", "Bumblebees"))
    assert feedserver(tmp_path, "index", str(articles), *options).returncode == 0
    feed = feedserver(tmp_path, "render", "/articles.atom", *options).stdout
    copies.make_copy(state, NOW, keep=7)
    for lost in [*state.glob("history.sqlite*"), *state.glob("index-*")]:
        lost.unlink()
    again = feedserver(tmp_path, "index", str(articles), *options)
    assert "was lost" in again.stderr
    assert feedserver(tmp_path, "render", "/articles.atom", *options).stdout != feed
    listed = feedserver(tmp_path, "history", "copies", *options).stdout
    assert "2025-06-15" in listed
    restored = feedserver(tmp_path, "history", "restore", *options)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert feedserver(tmp_path, "index", str(articles), *options).returncode == 0
    assert feedserver(tmp_path, "render", "/articles.atom", *options).stdout == feed


def test_nothing_is_restored_under_a_running_indexer_or_without_a_copy(tmp_path: Path) -> None:
    options = ["--state-dir", str(tmp_path)]
    missing = feedserver(tmp_path, "history", "restore", *options)
    assert missing.returncode == 1
    assert "holds no copy of the publication history" in missing.stderr
    with closing(history_in(tmp_path)):
        copies.make_copy(tmp_path, NOW, keep=7)
    lock = IndexerLock.acquire(tmp_path)
    assert lock is not None
    refused = feedserver(tmp_path, "history", "restore", *options)
    lock.release()
    assert (refused.returncode, "stop the server or indexer" in refused.stderr) == (1, True)
