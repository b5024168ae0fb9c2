"""A state folder of an older release keeps its publication history, whatever happens while it is renamed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from servers import settings_of, write_story

from feedserver.cli.reading import indexed
from feedserver.errors import ServerBusyError, StateError
from feedserver.index.decisions import KnownArticle
from feedserver.index.history import PublicationHistory
from feedserver.index.sqlite import copies
from feedserver.index.sqlite.builds import HISTORY_FILE
from feedserver.index.sqlite.history_file import history_in, mended_history
from feedserver.index.sqlite.takeover import OLD_HISTORY_FILE, is_needed, take_over
from feedserver.indexing.lock import IndexerLock, ServersLock
from feedserver.model import Kind, ListingKey
from feedserver.wiring import indexing

NOW = 1_750_000_000
ARTICLE = "tag:a"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder of an older release whose process died, with commits that are only in the log."""
    folder = tmp_path / "state"
    folder.mkdir(0o700)
    with closing(history_in(tmp_path)) as history:
        remember(history, 1)
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{Path(history.name)}{suffix}", folder / f"{OLD_HISTORY_FILE}{suffix}")
    assert (folder / f"{OLD_HISTORY_FILE}-wal").stat().st_size
    return folder


@pytest.fixture
def opened(state: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another process to the old file."""
    with closing(sqlite3.connect(state / OLD_HISTORY_FILE, isolation_level=None)) as connection:
        connection.execute("SELECT count(*) FROM meta").fetchone()
        yield connection


def remember(history: PublicationHistory, updated: int) -> None:
    history.remember_articles({ARTICLE: KnownArticle(digest=bytes(16), updated=updated)})


def updated_in(state: Path) -> int | None:
    with closing(history_in(state)) as history:
        known = history.articles([ARTICLE])
        return known[ARTICLE].updated if known else None


def old_files(state: Path) -> list[Path]:
    return sorted(state.glob(f"{OLD_HISTORY_FILE}*"))


def test_the_history_gets_its_present_name_with_all_its_commits(state: Path) -> None:
    take_over(state)

    assert old_files(state) == []
    assert updated_in(state) == 1


def test_it_happens_once(state: Path) -> None:
    take_over(state)
    with closing(history_in(state)) as history:
        remember(history, 2)
    take_over(state)

    assert updated_in(state) == 2


def test_a_history_that_has_its_present_name_is_not_replaced(state: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with closing(history_in(tmp_path / "other")) as other:
        pass
    Path(other.name).rename(state / HISTORY_FILE)
    take_over(state)

    assert not is_needed(state)
    assert (state / OLD_HISTORY_FILE).exists()
    assert updated_in(state) is None


def test_a_file_that_another_process_has_open_keeps_its_name(state: Path, opened: sqlite3.Connection) -> None:
    with pytest.raises(StateError, match=r"memory\.sqlite: cannot be renamed to history\.sqlite"):
        take_over(state)

    assert not (state / HISTORY_FILE).exists()
    assert opened.execute("SELECT updated FROM article").fetchone() == (1,)


def test_a_process_that_dies_before_the_rename_loses_nothing(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            take_over(state)
    assert [path.name for path in old_files(state)] == [OLD_HISTORY_FILE]
    take_over(state)

    assert updated_in(state) == 1


@pytest.mark.parametrize("content", [b"", b"no database at all " * 100])
def test_a_damaged_history_is_set_aside_under_its_present_name(state: Path, content: bytes) -> None:
    (state / f"{OLD_HISTORY_FILE}-wal").unlink()
    (state / OLD_HISTORY_FILE).write_bytes(content)
    take_over(state)
    mended_history(state).close()

    assert (state / f"{HISTORY_FILE}.damaged").read_bytes() == content
    assert old_files(state) == []


def test_every_start_takes_the_folder_over_first(state: Path, tmp_path: Path) -> None:
    indexing.prepare_state(settings_of(state, tmp_path / "articles"))

    assert updated_in(state) == 1


def test_a_command_that_reads_an_index_takes_the_folder_over_too(state: Path, tmp_path: Path) -> None:
    settings = settings_of(state, tmp_path / "articles")
    write_story(tmp_path / "articles", "one")
    with indexed(settings):
        pass
    (state / HISTORY_FILE).rename(state / OLD_HISTORY_FILE)
    with indexed(settings) as publisher:
        assert publisher.exists(ListingKey(kind=Kind.ARTICLES))

    assert old_files(state) == []
    assert updated_in(state) == 1


def test_no_new_history_begins_beside_one_that_has_its_old_name(state: Path) -> None:
    with pytest.raises(StateError, match=r"memory\.sqlite: is not renamed to history\.sqlite yet"):
        history_in(state)

    assert not (state / HISTORY_FILE).exists()


def test_processes_that_start_together_wait_for_the_one_that_does_it(state: Path, tmp_path: Path) -> None:
    settings = settings_of(state, tmp_path / "articles")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(indexing.prepare_state, [settings] * 4))

    assert updated_in(state) == 1


def test_a_running_indexer_of_the_older_release_is_not_disturbed(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "TAKEOVER_SECONDS", 0.1)
    lock = IndexerLock.acquire(state)
    assert lock is not None
    with pytest.raises(ServerBusyError, match="is in use by an older version of feedserver"):
        indexing.prepare_state(settings_of(state, tmp_path / "articles"))
    lock.release()

    assert is_needed(state)


def test_a_running_server_of_the_older_release_is_not_disturbed(state: Path, tmp_path: Path) -> None:
    with (
        ServersLock(state, "of the older release"),
        pytest.raises(ServerBusyError, match="is in use by the server"),
    ):
        indexing.prepare_state(settings_of(state, tmp_path / "articles"))

    assert is_needed(state)


def test_copies_of_an_older_release_are_listed_by_their_time_and_can_be_restored(state: Path) -> None:
    take_over(state)
    with closing(history_in(state)):
        first = copies.make_copy(state, NOW, keep=7)
        second = copies.make_copy(state, NOW + 86_400, keep=7)
    old = first.replace(first.with_name(first.name.replace("history-", "memory-")))
    with closing(history_in(state)) as history:
        remember(history, 2)
    assert copies.copies(state) == [second, old]
    copies.restore(state, old, NOW)

    assert updated_in(state) == 1


def test_a_copy_takes_the_place_of_a_history_under_its_old_name(state: Path, tmp_path: Path) -> None:
    with closing(history_in(tmp_path)):
        copy = copies.make_copy(tmp_path, NOW, keep=7)
    (state / f"{OLD_HISTORY_FILE}-wal").unlink()
    copies.restore(state, copy, NOW)

    assert old_files(state) == []
    assert updated_in(state) == 1
